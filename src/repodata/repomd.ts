import { type Checksum, checksum } from '../base/checksum.ts';
import { malformed } from '../base/fault.ts';
import { safeBase, safeHref } from './location.ts';
import { seconds } from './primary.ts';
import { escapeAttribute, escapeText, utf8Text, XmlReader } from './xml.ts';

/** A `<data>` of repomd.xml: one document of the repository. Sizes in bytes. */
export interface RepomdRecord {
  readonly type: string;
  /** Relative to `base` or else to the repository; checked by safeHref. */
  readonly href: string;
  readonly base?: string;
  /** Of the document as it is fetched. */
  readonly checksum: Checksum;
  readonly size?: number;
  /** Of the document decompressed; absent where it is not compressed. */
  readonly openChecksum?: Checksum;
  readonly openSize?: number;
  /** Seconds since 1970. */
  readonly timestamp?: number;
  readonly databaseVersion?: number;
}

export interface RepomdTags {
  readonly content: readonly string[];
  readonly repo: readonly string[];
  readonly distro: readonly { readonly cpeid?: string; readonly name: string }[];
}

export interface Repomd {
  /** Text ("9-stream", a number, …), never compared. */
  readonly revision?: string;
  readonly tags: RepomdTags;
  /** In the document's order; no type twice. */
  readonly records: readonly RepomdRecord[];
}

/** librepo's own ceiling is of this order; real ones have 3 to 20 KB. */
const MAX_BYTES = 4 << 20;
const MAX_RECORDS = 1000;

/**
 * The index of a repository. METADATA_INVALID for a broken structure or a type that occurs twice, MALFORMED for a word
 * in it, UNSAFE_PATH and UNSAFE_URL for locations. Elements that are not known (zchunk's headers) are skipped.
 */
export function readRepomd(bytes: Buffer, at: string): Repomd {
  const reader = new XmlReader(utf8Text(withoutMark(bytes), at), at);
  if (bytes.length > MAX_BYTES) throw reader.fault(`it has more than ${MAX_BYTES} bytes`);
  reader.root('repomd');
  const tags = {
    content: [] as string[],
    repo: [] as string[],
    distro: [] as { cpeid?: string; name: string }[],
  };
  const records = new Map<string, RepomdRecord>();
  let revision: string | undefined;
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token !== 'open') continue;
    if (reader.name === 'data') {
      const record = readRecord(reader);
      if (records.has(record.type)) throw reader.fault(`it has two records of the type ${record.type}`);
      if (records.size === MAX_RECORDS) throw reader.fault(`it has more than ${MAX_RECORDS} records`);
      records.set(record.type, record);
    } else if (reader.name === 'revision' && reader.depth === 2) {
      if (revision !== undefined) throw reader.fault('it has two revisions');
      revision = reader.textContent().trim();
    } else if (reader.name === 'distro') {
      const cpeid = reader.attribute('cpeid');
      tags.distro.push({ ...(cpeid ? { cpeid } : {}), name: reader.textContent().trim() });
    } else if (reader.name === 'content' || reader.name === 'repo') {
      tags[reader.name].push(reader.textContent().trim());
    } else if (reader.name !== 'tags') reader.skip();
  }
  return { ...(revision ? { revision } : {}), tags, records: [...records.values()] };
}

/** In createrepo_c's layout and order of elements; equal data, equal bytes. */
export function writeRepomd(repomd: Repomd): Buffer {
  const { content, repo, distro } = repomd.tags;
  const tags = [
    ...content.map((text) => `    <content>${escapeText(text)}</content>\n`),
    ...repo.map((text) => `    <repo>${escapeText(text)}</repo>\n`),
    ...distro.map(
      ({ cpeid, name }) => `    <distro${attribute('cpeid', cpeid)}>${escapeText(name)}</distro>\n`,
    ),
  ];
  return Buffer.from(
    [
      '<?xml version="1.0" encoding="UTF-8"?>\n',
      '<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">\n',
      repomd.revision === undefined ? '' : `  <revision>${escapeText(repomd.revision)}</revision>\n`,
      tags.length === 0 ? '' : `  <tags>\n${tags.join('')}  </tags>\n`,
      ...repomd.records.map(writeRecord),
      '</repomd>\n',
    ].join(''),
  );
}

/** The age of a repository: dnf and librepo take the newest of its documents, in seconds; 0 when none says. */
export function newestTimestamp(repomd: Repomd): number {
  return repomd.records.reduce((newest, record) => Math.max(newest, record.timestamp ?? 0), 0);
}

type Mutable<T> = { -readonly [K in keyof T]?: T[K] };

function readRecord(reader: XmlReader): RepomdRecord {
  const depth = reader.depth;
  const type = reader.attribute('type') ?? '';
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/.test(type))
    throw malformed('type of a document', type, reader.at);
  const at = `${reader.at}: ${type}`;
  const found: Mutable<RepomdRecord> = {};
  const seen = new Set<string>();
  while (reader.depth >= depth) {
    if (reader.next() !== 'open') continue;
    if (seen.has(reader.name)) throw reader.fault(`its record ${type} has two <${reader.name}>`);
    seen.add(reader.name);
    readField(reader, found, at);
  }
  const { href, checksum: sum } = found;
  if (href === undefined || sum === undefined)
    throw reader.fault(`its record ${type} has no location or no checksum`);
  return { ...found, type, href, checksum: sum };
}

function readField(reader: XmlReader, found: Mutable<RepomdRecord>, at: string): void {
  switch (reader.name) {
    case 'location': {
      const base = reader.attribute('xml:base');
      found.href = safeHref(reader.attribute('href') ?? '', at);
      if (base) found.base = safeBase(base, at);
      reader.skip();
      break;
    }
    case 'checksum':
      found.checksum = checksum(reader.attribute('type') ?? '', reader.textContent().trim(), at);
      break;
    case 'open-checksum':
      found.openChecksum = checksum(reader.attribute('type') ?? '', reader.textContent().trim(), at);
      break;
    case 'size':
      found.size = bytesOf(reader.textContent(), at);
      break;
    case 'open-size':
      found.openSize = bytesOf(reader.textContent(), at);
      break;
    case 'timestamp':
      found.timestamp = seconds(reader.textContent().trim(), at);
      break;
    case 'database_version':
      found.databaseVersion = bytesOf(reader.textContent(), at);
      break;
    default:
      reader.skip();
  }
}

function writeRecord(record: RepomdRecord): string {
  const { checksum: sum, openChecksum: open, timestamp, size, openSize, databaseVersion } = record;
  const element = (name: string, value: number | undefined): string =>
    value === undefined ? '' : `    <${name}>${value}</${name}>\n`;
  return [
    `  <data type="${escapeAttribute(record.type)}">\n`,
    `    <checksum type="${sum.type}">${sum.hex}</checksum>\n`,
    open ? `    <open-checksum type="${open.type}">${open.hex}</open-checksum>\n` : '',
    `    <location${attribute('xml:base', record.base)} href="${escapeAttribute(record.href)}"/>\n`,
    element('timestamp', timestamp),
    element('size', size),
    element('open-size', openSize),
    element('database_version', databaseVersion),
    '  </data>\n',
  ].join('');
}

function attribute(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}="${escapeAttribute(value)}"`;
}

function bytesOf(text: string, at: string): number {
  const digits = text.trim();
  const number = /^[0-9]{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw malformed('number', text, at);
  return number;
}

/** The byte order mark of UTF-8 says nothing; that of UTF-16 is no UTF-8 and refused as such. */
export function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
