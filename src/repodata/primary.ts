import { type Checksum, checksum } from '../base/checksum.ts';
import { malformed } from '../base/fault.ts';
import type { Capability } from '../rpm/capability.ts';
import { isFlags } from '../rpm/capability.ts';
import { parseEpoch } from '../rpm/evr.ts';
import { type Nevra, nevra } from '../rpm/nevra.ts';
import { type Frame, frame } from './canonical.ts';
import { safeBase, safeHref } from './location.ts';
import { escapeAttribute, invalid, utf8Text, XmlReader } from './xml.ts';

export { canonicalElement } from './canonical.ts';

/** A `<package>` of primary.xml. Sizes in bytes, times in seconds since 1970. */
export interface PrimaryPackage {
  readonly nevra: Nevra;
  /** Of the RPM file: the pkgid. */
  readonly checksum: Checksum;
  readonly size: number;
  /** 0 where the upstream does not say. */
  readonly installedSize: number;
  readonly buildTime: number;
  readonly fileTime: number;
  /** Checked by safeHref, relative to `base` or else to the repository. */
  readonly href: string;
  readonly base?: string;
  readonly sourceRpm?: string;
  readonly summary: string;
  readonly vendor?: string;
  readonly license?: string;
  readonly provides: readonly Capability[];
  readonly requires: readonly Capability[];
  readonly obsoletes: readonly Capability[];
  readonly conflicts: readonly Capability[];
  readonly recommends: readonly Capability[];
  readonly suggests: readonly Capability[];
  readonly supplements: readonly Capability[];
  readonly enhances: readonly Capability[];
  /** Those that primary lists (`/etc`, `bin`, …); all of them are in filelists. */
  readonly files: readonly string[];
}

export type Identity = Pick<
  PrimaryPackage,
  'nevra' | 'checksum' | 'size' | 'href' | 'base' | 'sourceRpm' | 'fileTime' | 'buildTime'
>;

export const RELATIONS = [
  'provides',
  'requires',
  'obsoletes',
  'conflicts',
  'recommends',
  'suggests',
  'supplements',
  'enhances',
] as const;
export type Relation = (typeof RELATIONS)[number];

const RELATION_OF: ReadonlyMap<string, Relation> = new Map(RELATIONS.map((r) => [`rpm:${r}`, r]));

/**
 * Everything of a `<package>`. What it must have, it has once: two `<location>`s would be read one way here and another
 * way by a client. METADATA_INVALID for a broken structure, MALFORMED for a word, UNSAFE_PATH, UNSAFE_URL. A location
 * beside the repository (`../`) is a matter of the upstream's policy, which `identify` applies: it passes here.
 */
export function readPackage(element: Buffer, at: string): PrimaryPackage {
  const deep: Deep = { relations: new Map(), files: [] };
  const found = read(element, at, deep);
  const { fields } = found;
  const relations = Object.fromEntries(
    RELATIONS.map((r) => [r, deep.relations.get(r) ?? []]),
  ) as unknown as Record<Relation, readonly Capability[]>;
  return {
    ...identity(found, at, { parentHref: true }),
    installedSize: decimal(found.size?.['installed'] ?? '0', 'installed size', at),
    summary: fields.get('summary') ?? '',
    ...optional('vendor', fields.get('rpm:vendor')),
    ...optional('license', fields.get('rpm:license')),
    ...relations,
    files: deep.files,
  };
}

/** What names a build and where it is. The whole element is read for it, so that nothing in it contradicts. */
export function identify(element: Buffer, at: string, o: { parentHref?: boolean } = {}): Identity {
  return identity(read(element, at), at, o);
}

/**
 * The same bytes but for `<location>`, and for `<time file>` when a time is given: what is published names our file.
 * Only for canonical elements.
 */
export function relocate(element: Buffer, to: { href: string; base?: string }, fileTime?: number): Buffer {
  const base = to.base === undefined ? '' : ` xml:base="${escapeAttribute(to.base)}"`;
  const moved = replaceTag(
    element,
    'location',
    () => `<location${base} href="${escapeAttribute(to.href)}"/>`,
  );
  if (fileTime === undefined) return moved;
  return replaceTag(moved, 'time', (tag) =>
    tag.replace(/(\sfile\s*=\s*)(?:"[^"]*"|'[^']*')/, (_, name: string) => `${name}"${fileTime}"`),
  );
}

/** createrepo_c's frame of primary.xml. */
export function primaryDocument(count: number): Frame {
  const namespaces =
    'xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"';
  return frame('metadata', `${namespaces} packages="${count}"`);
}

type Attributes = Readonly<Record<string, string | undefined>>;

interface Found {
  /** Text of the children that hold text. */
  readonly fields: Map<string, string>;
  version?: Attributes;
  checksum?: { type: string; hex: string };
  size?: Attributes;
  time?: Attributes;
  location?: Attributes;
}

interface Deep {
  readonly relations: Map<Relation, Capability[]>;
  readonly files: string[];
}

function read(element: Buffer, at: string, deep?: Deep): Found {
  const reader = new XmlReader(utf8Text(element, at), at);
  reader.root('package');
  const type = reader.attribute('type');
  if (type !== undefined && type !== 'rpm') throw reader.fault(`its type is ${type}, not rpm`);
  const found: Found = { fields: new Map() };
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token !== 'open') continue;
    if (reader.depth === 2) readTop(reader, found);
    else if (reader.name === 'rpm:sourcerpm') once(found, reader, reader.textContent());
    else if (deep) readFormat(reader, found, deep);
  }
  return found;
}

function readTop(reader: XmlReader, found: Found): void {
  switch (reader.name) {
    case 'name':
    case 'arch':
    case 'summary':
      once(found, reader, reader.textContent());
      return;
    case 'version':
      if (found.version) throw twice(reader);
      found.version = attributes(reader, ['epoch', 'ver', 'rel']);
      return;
    case 'size':
      if (found.size) throw twice(reader);
      found.size = attributes(reader, ['package', 'installed']);
      return;
    case 'time':
      if (found.time) throw twice(reader);
      found.time = attributes(reader, ['file', 'build']);
      return;
    case 'location':
      if (found.location) throw twice(reader);
      found.location = attributes(reader, ['href', 'xml:base']);
      return;
    case 'checksum': {
      const { type = '', pkgid } = attributes(reader, ['type', 'pkgid']);
      if (pkgid !== undefined && pkgid !== 'YES')
        throw reader.fault(`its checksum has pkgid="${pkgid}", not YES`);
      if (found.checksum) throw twice(reader);
      found.checksum = { type, hex: reader.textContent() };
    }
  }
}

function readFormat(reader: XmlReader, found: Found, deep: Deep): void {
  const relation = RELATION_OF.get(reader.name);
  if (relation) readRelation(reader, relation, deep);
  else if (reader.name === 'file') deep.files.push(reader.textContent());
  else if (reader.name === 'rpm:vendor' || reader.name === 'rpm:license')
    once(found, reader, reader.textContent());
}

function readRelation(reader: XmlReader, relation: Relation, deep: Deep): void {
  const depth = reader.depth;
  const list = deep.relations.get(relation) ?? [];
  deep.relations.set(relation, list);
  while (reader.depth >= depth) {
    if (reader.next() === 'open' && reader.name === 'rpm:entry') list.push(readEntry(reader));
  }
}

/** `<rpm:entry name= flags= epoch= ver= rel= pre=/>`. Flags without a version, or the reverse, mean any version. */
function readEntry(reader: XmlReader): Capability {
  return capability((name) => reader.attribute(name), reader.at);
}

/** A capability from its attributes as metadata writes them. */
export function capability(attribute: (name: string) => string | undefined, at: string): Capability {
  const name = attribute('name');
  if (!name) throw invalid('it has an rpm:entry without a name', at);
  const pre = attribute('pre');
  const isPre = pre === '1' || pre === 'true';
  const flags = attribute('flags');
  const version = attribute('ver');
  if (flags === undefined || flags === '' || !version) return isPre ? { name, pre: true } : { name };
  if (!isFlags(flags)) throw malformed('comparison (LT, LE, EQ, GE, GT)', flags, at);
  const release = attribute('rel');
  const epoch = attribute('epoch');
  const read: { -readonly [key in keyof Capability]: Capability[key] } = { name, flags };
  if (epoch !== undefined && epoch !== '') read.epoch = parseEpoch(epoch, at);
  read.version = version;
  if (release) read.release = release;
  if (isPre) read.pre = true;
  return read;
}

function identity(found: Found, at: string, o: { parentHref?: boolean }): Identity {
  const { fields, version, size, time, location } = found;
  const name = fields.get('name');
  const arch = fields.get('arch');
  const href = location?.['href'];
  if (name === undefined || arch === undefined || !version)
    throw invalid('it has no name, arch or version', at);
  const who = `${at}: ${name}`;
  if (!found.checksum) throw invalid('it has no checksum', who);
  if (size?.['package'] === undefined) throw invalid('it has no size', who);
  if (href === undefined) throw invalid('it has no location', who);
  const { epoch, ver, rel } = version;
  if (ver === undefined || rel === undefined) throw invalid('its version has no ver or no rel', who);
  const base = location?.['xml:base'];
  const bytes = decimal(size['package'], 'size', who);
  if (bytes === 0) throw malformed('size of an RPM file', size['package'], who);
  return {
    nevra: nevra({ name, epoch, version: ver, release: rel, arch }, who),
    checksum: checksum(found.checksum.type, found.checksum.hex.trim(), who),
    size: bytes,
    buildTime: seconds(time?.['build'], who),
    fileTime: seconds(time?.['file'], who),
    href: safeHref(href, who, o),
    ...(base ? { base: safeBase(base, who) } : {}),
    ...optional('sourceRpm', fields.get('rpm:sourcerpm')),
  };
}

function once(found: Found, reader: XmlReader, text: string): void {
  if (found.fields.has(reader.name) && reader.name !== 'summary') throw twice(reader); // summaries: one a language
  if (!found.fields.has(reader.name)) found.fields.set(reader.name, text);
}

function twice(reader: XmlReader) {
  return reader.fault(`it has two <${reader.name}>`);
}

function attributes(reader: XmlReader, names: readonly string[]): Attributes {
  return Object.fromEntries(names.map((name) => [name, reader.attribute(name)]));
}

function optional<K extends string>(key: K, text: string | undefined): { [P in K]?: string } {
  return (text ? { [key]: text } : {}) as { [P in K]?: string };
}

function decimal(text: string, what: string, at: string): number {
  const number = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw malformed(what, text, at);
  return number;
}

/** Absent is 0; yum wrote fractions. */
export function seconds(text: string | undefined, at: string): number {
  if (text === undefined || text === '') return 0;
  if (!/^[0-9]{1,12}(?:\.[0-9]{1,9})?$/.test(text)) throw malformed('time in seconds', text, at);
  return Math.floor(Number(text));
}

/** In canonical bytes `<` is markup only, so a tag is found by its name. */
function replaceTag(element: Buffer, name: string, by: (tag: string) => string): Buffer {
  const open = `<${name}`;
  let from = element.indexOf(open);
  while (from >= 0 && !/^[\s/>]$/.test(String.fromCharCode(element[from + open.length] ?? 0))) {
    from = element.indexOf(open, from + 1);
  }
  if (from < 0) throw invalid(`it has no <${name}>`, 'a package element');
  let end = tagEnd(element, from);
  const tag = element.toString('utf8', from, end);
  if (!tag.endsWith('/>') && name === 'location') {
    const close = element.indexOf('>', element.indexOf('</location', end)) + 1;
    end = close;
  }
  return Buffer.concat([element.subarray(0, from), Buffer.from(by(tag)), element.subarray(end)]);
}

function tagEnd(element: Buffer, from: number): number {
  for (let i = from + 1; i < element.length; i += 1) {
    const byte = element[i];
    if (byte === 0x3e) return i + 1;
    if (byte === 0x22 || byte === 0x27) i = element.indexOf(byte, i + 1);
    if (i < 0) break;
  }
  throw invalid('it ends inside a tag', 'a package element');
}
