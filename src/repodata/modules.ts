import { createHash } from 'node:crypto';
import { parseDocument } from 'yaml';
import type { Checksum } from '../base/checksum.ts';
import { malformed, quote } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
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
  /** What each entry of `dependencies` requires at run time: the streams of a module in order; none for any of them. */
  readonly requires: readonly ReadonlyMap<string, readonly string[]>[];
  /** The context is a name that a person gave, the same for every version; otherwise a hash of what it was built with. */
  readonly staticContext: boolean;
  /** Names of packages that left the module: builds outside of it may have them again. */
  readonly demodularized: readonly string[];
  /** Of defaults: of two that disagree, the higher one counts; 0 where it is absent. */
  readonly modified: number;
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
 * What a repository publishes that has these streams: their own documents, then what `listed`, the newest modules.yaml of
 * the upstream, says beside them about the same modules (which stream is the default, what is obsolete), and what it says of
 * none that we could name.
 */
export function projectModules(
  streams: readonly ModuleDocument[],
  listed: readonly ModuleDocument[],
): ModuleDocument[] {
  const names = new Set(streams.map((d) => d.name));
  const beside = listed.filter((d) => d.kind !== 'modulemd' && (d.name === undefined || names.has(d.name)));
  return [...streams, ...beside];
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

const ARTIFACTS = '\n  artifacts:\n    rpms:\n';
const ARTIFACT = / {4}- ([A-Za-z0-9_][A-Za-z0-9._+~^-]*:[A-Za-z0-9._+~^-]+)\n/y;
/** An item of another form, or what the last one goes on with. */
const MORE = / *\n| {4}[ -]|\t/y;

/**
 * The artifacts as libmodulemd writes them, one plain scalar a line, most of a document's text: which, and where they end. Line by
 * line, because one expression for all of them overflows its stack at some hundred thousand.
 */
function artifactLines(text: string): { from: number; to: number; artifacts: string[] } | undefined {
  const from = text.indexOf(ARTIFACTS) + 1;
  if (from === 0) return undefined;
  const artifacts: string[] = [];
  let to = from - 1 + ARTIFACTS.length;
  for (;;) {
    ARTIFACT.lastIndex = to;
    const found = ARTIFACT.exec(text)?.[1];
    if (found === undefined) break;
    artifacts.push(found);
    to = ARTIFACT.lastIndex;
  }
  MORE.lastIndex = to;
  return artifacts.length === 0 || MORE.test(text) ? undefined : { from, to, artifacts };
}

/** The document as `yaml` reads it; the artifacts are read by line where they can be, which takes a fifth of the time. */
function readRoot(text: string, at: string): { root: unknown; artifacts: unknown } {
  const listed = artifactLines(text);
  if (listed && !text.includes(STAND_IN)) {
    const without = text.slice(0, listed.from) + NO_ARTIFACTS + text.slice(listed.to);
    try {
      const root = parsed(without, at);
      const found = artifactsIn(root); // not so where the lines were a text's
      if (Array.isArray(found) && found.length === 1 && found[0] === STAND_IN) {
        return { root, artifacts: listed.artifacts };
      }
    } catch {} // the whole text has the right fault
  }
  const root = parsed(text, at);
  return { root, artifacts: artifactsIn(root) };
}

const STAND_IN = 'sluice-artifacts-were-here';
const NO_ARTIFACTS = `  artifacts:\n    rpms: [${STAND_IN}]\n`;

function artifactsIn(root: unknown): unknown {
  return child(child(child(root, 'data'), 'artifacts'), 'rpms');
}

function parsed(text: string, at: string): unknown {
  const doc = parseDocument(
    text.replace(OUTDENTED_QUOTE, (quoteMark) => `${' '.repeat(80)}${quoteMark}`),
    { schema: 'failsafe', logLevel: 'silent' },
  );
  const [wrong] = [...doc.errors, ...doc.warnings]; // an unknown tag only warns
  if (wrong) throw invalid(`it is not valid YAML: ${wrong.message.split('\n')[0]}`, at, wrong);
  try {
    return doc.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw invalid('it has YAML aliases', at, error);
  }
}

function readDocument(text: string, at: string): ModuleDocument {
  const { root, artifacts } = readRoot(text, at);
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
    artifacts: artifactsOf(artifacts, at),
    requires: kind === 'modulemd' ? requiresOf(child(data, 'dependencies'), at) : [],
    staticContext: textOf(data, 'static_context') === 'true',
    demodularized: listOf(child(child(data, 'demodularized'), 'rpms'), 'demodularized names', at),
    modified: kind === 'modulemd-defaults' ? modifiedOf(textOf(data, 'modified'), at) : 0,
    ...(kind === 'modulemd' && five.every((part) => part) ? { nsvca: five.join(':') } : {}),
    bytes,
    digest: { type: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') },
  };
}

function artifactsOf(node: unknown, at: string): string[] {
  const list = listOf(node, 'artifacts', at);
  for (const item of list) parseNevra(item, at); // here is where the document has a name
  return list;
}

function listOf(node: unknown, what: string, at: string): string[] {
  if (node === undefined || node === '') return [];
  if (Array.isArray(node) && node.every((item) => typeof item === 'string')) return node;
  throw invalid(`its ${what} are not a list of texts`, at);
}

/** A list of `requires:` maps; in version 1 of the format one map, and one stream per module. */
function requiresOf(node: unknown, at: string): Map<string, string[]>[] {
  if (node === undefined || node === '') return [];
  return (Array.isArray(node) ? node : [node]).map((entry) => {
    const requires = child(entry, 'requires') || {};
    if (typeof entry !== 'object' || typeof requires !== 'object' || Array.isArray(requires)) {
      throw invalid('its dependencies do not name modules and streams', at);
    }
    return new Map(
      Object.entries(requires).map(([name, streams]) => {
        const listed =
          typeof streams === 'string' && streams !== '' ? [streams] : listOf(streams, 'required streams', at);
        for (const stream of listed) word(stream.replace(/^-/, ''), at);
        // libmodulemd drops such a document: its builds would be nobody's.
        if (new Set(listed.map((stream) => stream.startsWith('-'))).size > 1) {
          throw invalid(`it requires streams of ${quote(name)} and forbids others`, at);
        }
        return [word(name, at) as string, [...new Set(listed)].sort(byCodeUnit)];
      }),
    );
  });
}

function modifiedOf(text: string | undefined, at: string): number {
  if (text === undefined) return 0;
  if (!/^[0-9]{1,15}$/.test(text)) throw malformed('date of change of a module document', text, at);
  return Number(text);
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
