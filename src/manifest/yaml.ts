import { CST, isMap, isScalar, isSeq, Lexer, parseDocument, type YAMLError } from 'yaml';
import { Fault, type FaultCode, quote } from '../base/fault.ts';
import { place } from './place.ts';

/** A place inside a document: keys of maps and indices of lists, from the root. */
export type Path = readonly (string | number)[];

/** What a document says, and where it says it. */
export interface YamlDocument {
  /** Maps without a prototype, lists, and strings; an empty value is null. Nothing is ever a number. */
  readonly data: unknown;
  /** `file:line:col` of the value at `path`, or of its key; of what encloses it where it does not exist. */
  at(path: Path, which?: 'key' | 'value'): string;
  /** Offset of the value at `key` of a map or list of this document. */
  offset(container: object, key: string | number): number;
}

export interface YamlOptions {
  /** The code of the faults: who is to act. */
  readonly code: Extract<FaultCode, 'MANIFEST_INVALID' | 'POLICY_INVALID'>;
  /** In characters. */
  readonly ceiling: number;
}

/** Far more than any kind of file needs; less than what exhausts a recursive reader. */
const MAX_DEPTH = 12;
const MAX_INDENT = 200;
const MAX_LINE = 32_768;

/** Not text: control characters, a byte order mark, what stands for broken UTF-8, and what turns the reading order. */
const UNREADABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/;

/**
 * Reads the plain part of YAML: maps, lists and strings, as the failsafe schema has them, so that `2.10` stays `2.10`.
 * Directives, tags, anchors, aliases, merge keys, duplicate keys and further documents are refused, each at its place.
 */
export function readYaml(text: string, file: string, o: YamlOptions): YamlDocument {
  const fail = (offset: number, message: string, hint: string): Fault =>
    new Fault(o.code, message, { hint, at: place(file, text, offset) });
  if (text.length > o.ceiling) {
    const message = `${file} has ${text.length} characters; ${o.ceiling} at most`;
    throw new Fault('TOO_LARGE', message, {
      hint: 'Split it, or remove what does not belong there.',
      at: `${file}:1:1`,
    });
  }
  refuseUnreadable(text, fail);
  refuseFeatures(text, fail);
  // uniqueKeys is quadratic: 20,000 keys take 6.6 s with it; `plain` looks for duplicates itself
  const doc = parseDocument(text, { schema: 'failsafe', uniqueKeys: false, prettyErrors: false });
  const wrong: YAMLError | undefined = doc.errors[0] ?? doc.warnings[0];
  const why = wrong?.message.replace(/: ".*"$/s, ''); // the text itself may be a secret
  if (wrong) throw fail(wrong.pos[0], `not YAML: ${why}`, 'Correct the syntax at this place.');
  const places = new Map<object, Map<string | number, Place>>();
  const data = plain(doc.contents, places, fail);
  const find = (path: Path): Place => lookUp(data, places, path);
  return {
    data,
    at: (path, which = 'value') => place(file, text, find(path)[which]),
    offset: (container, key) => places.get(container)?.get(key)?.value ?? 0,
  };
}

interface Place {
  readonly key: number;
  readonly value: number;
}

type Fail = (offset: number, message: string, hint: string) => Fault;

function refuseUnreadable(text: string, fail: Fail): void {
  const at = text.search(UNREADABLE);
  if (at < 0) return;
  const code = text.charCodeAt(at);
  if (code === 0x0d)
    throw fail(at, 'a carriage return: lines end with LF alone', 'Save the file with LF line ends.');
  if (code === 0xfeff)
    throw fail(at, 'a byte order mark', 'Save the file as UTF-8 without a byte order mark.');
  if (code === 0xfffd) throw fail(at, 'bytes that are not UTF-8', 'Save the file as UTF-8.');
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  throw fail(at, `the character ${name} does not belong in a text file`, 'Remove the character.');
}

/** What the failsafe schema would let pass or only warn of, seen before anything is built from it. */
function refuseFeatures(text: string, fail: Fail): void {
  const plainly = 'Write it out in plain YAML: maps, lists and strings.';
  let offset = 0;
  let lineStart = 0;
  let depth = 0;
  let items = 0; // `- - - …` and `? ? ? …` nest within a line
  for (const lexeme of new Lexer().lex(text)) {
    const type = CST.tokenType(lexeme);
    if (type === 'doc-mode' || type === 'scalar' || type === 'flow-error-end') continue; // marks, not text
    if (type === 'directive-line') {
      throw fail(offset, 'a directive (%…) changes how YAML is read', plainly);
    }
    if (type === 'tag' || type === 'anchor' || type === 'alias') {
      // Its first character alone: a password that somebody wrote here by mistake may begin with it.
      throw fail(offset, `"${lexeme[0]}…" is ${type === 'tag' ? 'a' : 'an'} ${type}`, plainly);
    }
    if (type === 'flow-map-start' || type === 'flow-seq-start') depth += 1;
    if (type === 'flow-map-end' || type === 'flow-seq-end') depth -= 1;
    if (type === 'seq-item-ind' || type === 'explicit-key-ind') items += 1;
    const indent = type === 'space' && offset === lineStart ? lexeme.length : 0;
    if (depth > MAX_DEPTH || items > MAX_DEPTH || (indent > MAX_INDENT && !lexeme.includes('\n'))) {
      throw fail(offset, 'nested too deeply', plainly);
    }
    offset += lexeme.length;
    const newline = lexeme.lastIndexOf('\n');
    if (newline >= 0) {
      lineStart = offset - lexeme.length + newline + 1;
      items = 0;
    }
    if (offset - lineStart > MAX_LINE)
      throw fail(lineStart, `a line of more than ${MAX_LINE} characters`, plainly);
  }
}

function plain(node: unknown, places: Map<object, Map<string | number, Place>>, fail: Fail): unknown {
  if (isScalar(node)) return node.source === '' && node.type === 'PLAIN' ? null : String(node.value);
  if (isSeq(node)) {
    const list: unknown[] = [];
    const where = new Map<string | number, Place>();
    places.set(list, where);
    for (const item of node.items) {
      const at = startOf(item) ?? startOf(node) ?? 0;
      where.set(list.length, { key: at, value: at });
      list.push(plain(item, places, fail));
    }
    return list;
  }
  if (isMap(node)) {
    const map: Record<string, unknown> = Object.create(null); // `__proto__` is a key like any other
    const where = new Map<string | number, Place>();
    places.set(map, where);
    for (const { key, value } of node.items) {
      const at = startOf(key) ?? startOf(value) ?? 0;
      if (!isScalar(key)) throw fail(at, 'a key that is not a word', 'Write the key as a word.');
      const name = String(key.value);
      if (name === '<<')
        throw fail(at, 'a merge key (<<)', 'Write it out in plain YAML: maps, lists and strings.');
      if (where.has(name)) throw fail(at, `the key ${quote(name)} is there twice`, 'Keep one of the two.');
      where.set(name, { key: at, value: startOf(value) ?? at });
      map[name] = plain(value, places, fail);
    }
    return map;
  }
  return null;
}

function startOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) ? node.range?.[0] : undefined;
}

function lookUp(data: unknown, places: Map<object, Map<string | number, Place>>, path: Path): Place {
  let found: Place = { key: 0, value: 0 };
  let here: unknown = data;
  for (const step of path) {
    if (typeof here !== 'object' || here === null) break;
    const next = places.get(here)?.get(step);
    if (!next) break;
    found = next;
    here = (here as Record<string | number, unknown>)[step];
  }
  return found;
}
