import { createHash } from 'node:crypto';
import { parseDocument } from 'yaml';
import type { Checksum } from '../base/checksum.ts';
import { malformed, quote } from '../base/fault.ts';
import { parseNevra } from '../rpm/nevra.ts';
import { invalid, utf8Text } from './xml.ts';

/** One YAML document of modules.yaml. Every scalar is text: the stream `2.10` stays `2.10`. */
export interface ModuleDocument {
  /** `modulemd`, `modulemd-defaults`, `modulemd-obsoletes`, `modulemd-packager`, or what a later libmodulemd adds. */
  readonly kind: string;
  /** Of the document format, not of the module. */
  readonly version: number;
  readonly name?: string;
  /** Of defaults: the default stream; absent where there is none. */
  readonly stream?: string;
  readonly moduleVersion?: string;
  readonly context?: string;
  readonly arch?: string;
  /** NEVRAs as written, always with the epoch: `nodejs-1:18.14.2-2.module_el9+227.x86_64`. */
  readonly artifacts: readonly string[];
  /** `nodejs:18:9020230327152102:rhel9:x86_64`; only of a modulemd that has all five. */
  readonly nsvca?: string;
  /** The document's own text, without its `---` and `...` lines, ending with a newline. */
  readonly bytes: Buffer;
  /** sha256 of `bytes`. */
  readonly digest: Checksum;
}

const MAX_DOCUMENTS = 20_000;
/** What a part of a module's name may hold: libmodulemd leaves it open; all of the corpus keeps to it. */
const WORD = /^[A-Za-z0-9_+~^][A-Za-z0-9._+~^-]{0,255}$/;

/**
 * libyaml, and so libmodulemd, writes the closing quote of a text that ends with a newline at the beginning of a line
 * and reads it back; YAML wants it indented. How far is all the same to the text's value.
 */
const OUTDENTED_QUOTE = /^['"]$/gm;

/** All documents, in order. METADATA_INVALID for what is no modules.yaml, MALFORMED for a name that cannot be one. */
export function readModules(bytes: Buffer, at: string): ModuleDocument[] {
  const parts = split(utf8Text(bytes, at), at);
  if (parts.length > MAX_DOCUMENTS) throw invalid(`it has more than ${MAX_DOCUMENTS} documents`, at);
  return parts.map(({ text, line }) => readDocument(text, `${at}:${line}`));
}

/** A modules.yaml of these documents, in this order: each one its own bytes between `---` and `...`. */
export function writeModules(docs: readonly ModuleDocument[]): Buffer {
  const [begin, end] = [Buffer.from('---\n'), Buffer.from('...\n')];
  return Buffer.concat(docs.flatMap(({ bytes }) => [begin, bytes, end]));
}

/**
 * `---` and `...` at the beginning of a line are markers wherever they stand (YAML 1.2, 9.1.2), even inside of quotes,
 * so the text can be cut by line.
 */
function split(text: string, at: string): { text: string; line: number }[] {
  const parts: { text: string; line: number }[] = [];
  let lines: string[] = [];
  let first = 1;
  const finish = (next: number) => {
    if (lines.some((line) => !/^\s*(?:#.*)?$/.test(line)))
      parts.push({ text: `${lines.join('\n')}\n`, line: first });
    lines = [];
    first = next;
  };
  const all = text.split(/\r?\n/);
  if (all[all.length - 1] === '') all.pop();
  for (const [i, line] of all.entries()) {
    if (/^(?:---|\.\.\.)(?:\s*$|\s+#)/.test(line)) finish(i + 2);
    else if (/^(?:---|\.\.\.)\s/.test(line))
      throw invalid('it has content on the line of a ---', `${at}:${i + 1}`);
    else if (line.startsWith('%')) throw invalid('it has a YAML directive', `${at}:${i + 1}`);
    else lines.push(line);
  }
  finish(all.length + 1);
  return parts;
}

function readDocument(text: string, at: string): ModuleDocument {
  const doc = parseDocument(
    text.replace(OUTDENTED_QUOTE, (quoteMark) => `${' '.repeat(80)}${quoteMark}`),
    { schema: 'failsafe', logLevel: 'silent' },
  );
  const [wrong] = [...doc.errors, ...doc.warnings]; // an unknown tag only warns
  if (wrong) throw invalid(`it is not valid YAML: ${wrong.message.split('\n')[0]}`, at, wrong);
  let root: unknown;
  try {
    root = doc.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw invalid('it has YAML aliases', at, error);
  }
  const kind = textOf(root, 'document');
  const version = textOf(root, 'version') ?? '';
  const data = child(root, 'data');
  if (kind === undefined || !/^[a-z][a-z0-9-]{0,63}$/.test(kind)) {
    throw invalid(`it is not a module document: document is ${quote(kind ?? 'absent')}`, at);
  }
  if (!/^[0-9]{1,6}$/.test(version)) throw malformed('version of a module document', version, at);
  const bytes = Buffer.from(text);
  const name = word(textOf(data, kind === 'modulemd' ? 'name' : 'module') ?? textOf(data, 'name'), at);
  const stream = word(textOf(data, 'stream'), at);
  const moduleVersion = word(kind === 'modulemd' ? textOf(data, 'version') : undefined, at);
  const context = word(textOf(data, 'context'), at);
  const arch = word(textOf(data, 'arch'), at);
  const five = [name, stream, moduleVersion, context, arch];
  return {
    kind,
    version: Number(version),
    ...(name ? { name } : {}),
    ...(stream ? { stream } : {}),
    ...(moduleVersion ? { moduleVersion } : {}),
    ...(context ? { context } : {}),
    ...(arch ? { arch } : {}),
    artifacts: artifactsOf(child(child(data, 'artifacts'), 'rpms'), at),
    ...(kind === 'modulemd' && five.every((part) => part) ? { nsvca: five.join(':') } : {}),
    bytes,
    digest: { type: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') },
  };
}

function artifactsOf(list: unknown, at: string): string[] {
  if (list === undefined || list === '') return [];
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw invalid('its artifacts are not a list of NEVRAs', at);
  }
  for (const item of list) parseNevra(item, at); // here is where the document has a name
  return list;
}

function child(node: unknown, key: string): unknown {
  if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
  return (node as Record<string, unknown>)[key];
}

function textOf(node: unknown, key: string): string | undefined {
  const value = child(node, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function word(text: string | undefined, at: string): string | undefined {
  if (text !== undefined && !WORD.test(text)) throw malformed('part of a module name', text, at);
  return text;
}
