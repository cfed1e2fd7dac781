import { isUtf8 } from 'node:buffer';
import { Fault } from '../base/fault.ts';

/** Tags below this one are regions and the table of languages. */
const FIRST_TAG = 100;

const STRING = 6;
const BINARY = 7;
const STRING_ARRAY = 8;
const I18N_STRING = 9;
/** Bytes of one item by type, 0 to 9: null, char, int8, int16, int32, int64, string, binary, strings, i18n strings. */
const ITEM_BYTES = [0, 1, 1, 2, 4, 8, 0, 1, 0, 0] as const;

/** Magic, version 1 and four reserved bytes; then the number of entries and of data bytes follow. */
const MAGIC = Buffer.from('8eade80100000000', 'hex');
export const INTRO_BYTES = 16;
const ENTRY_BYTES = 16;

/** Which of a file's two headers: their regions and ceilings differ. */
export interface BlobKind {
  readonly name: string;
  /** The tag that spans the whole header. */
  readonly region: number;
  readonly maxEntries: number;
  readonly maxDataBytes: number;
  /** Nothing may stand outside of the region. */
  readonly exact: boolean;
}

/** rpm's own ceilings on entries; of data it admits 256 MiB, which no header of the field comes near. */
export const SIGNATURE_HEADER: BlobKind = {
  name: 'signature header',
  region: 62,
  maxEntries: 32,
  maxDataBytes: 64 << 20,
  exact: false, // rpm reserves space here, and signing tools append
};
export const MAIN_HEADER: BlobKind = {
  name: 'header',
  region: 63,
  maxEntries: 0xffff,
  maxDataBytes: 64 << 20,
  exact: true,
};

/** Where a tag's data is within the data area. */
interface Entry {
  readonly type: number;
  readonly offset: number;
  readonly end: number;
  readonly count: number;
}

/** A header whose every entry was checked: what it says can be taken out without another look. */
export interface Blob {
  readonly entries: ReadonlyMap<number, Entry>;
  readonly data: Buffer;
}

/** From the 16 bytes in front of a header: how many bytes follow. */
export function readIntro(intro: Buffer, kind: BlobKind, at: string): { entries: number; bodyBytes: number } {
  if (!intro.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid(`the ${kind.name}'s magic is wrong`, at);
  const entries = intro.readUInt32BE(8);
  const dataBytes = intro.readUInt32BE(12);
  if (entries < 1 || entries > kind.maxEntries)
    throw invalid(`the ${kind.name} claims ${entries} entries`, at);
  if (dataBytes > kind.maxDataBytes) throw invalid(`the ${kind.name} claims ${dataBytes} bytes of data`, at);
  return { entries, bodyBytes: entries * ENTRY_BYTES + dataBytes };
}

/**
 * Checks as rpm does before it believes a header (hdrblobVerifyRegion and hdrblobVerifyInfo in lib/header.c), and
 * stricter in two points: a header without a region (rpm 3) and a tag that occurs twice are refused, because what
 * such a header says depends on who reads it.
 */
export function readBlob(body: Buffer, count: number, kind: BlobKind, at: string): Blob {
  const data = body.subarray(count * ENTRY_BYTES);
  checkRegion(body, data, count, kind, at);
  const entries = new Map<number, Entry>();
  let end = 0;
  for (let i = 1; i < count; i += 1) {
    const from = i * ENTRY_BYTES;
    const tag = body.readUInt32BE(from);
    const entry = readEntry(body, from, data, at, `tag ${tag} of the ${kind.name}`);
    if (tag < FIRST_TAG || tag > 0x7fff_ffff) throw invalid(`the ${kind.name} has a tag ${tag}`, at);
    if (entry.offset < end) throw invalid(`tag ${tag} of the ${kind.name} overlaps the one before it`, at);
    if (entries.has(tag)) throw invalid(`the ${kind.name} has tag ${tag} twice`, at);
    entries.set(tag, entry);
    end = entry.end;
  }
  return { entries, data };
}

/** The text of a tag of type string, undefined when the tag is absent. */
export function textOf(blob: Blob, tag: number, at: string): string | undefined {
  const entry = blob.entries.get(tag);
  if (!entry) return undefined;
  if (entry.type !== STRING) throw invalid(`tag ${tag} has type ${entry.type} instead of a string`, at);
  return blob.data.toString('utf8', entry.offset, entry.end - 1);
}

/** The strings of a tag of type string or string array, without translations; empty when the tag is absent. */
export function textsOf(blob: Blob, tag: number, at: string): string[] {
  const entry = blob.entries.get(tag);
  if (!entry) return [];
  if (entry.type !== STRING && entry.type !== STRING_ARRAY && entry.type !== I18N_STRING) {
    throw invalid(`tag ${tag} has type ${entry.type} instead of strings`, at);
  }
  return blob.data.toString('utf8', entry.offset, entry.end - 1).split('\0');
}

/**
 * The strings of a tag as people are to read them: UTF-8, or else Latin-1, as packages from before 2010 have names in their
 * changelogs. Bytes that are neither (0x80 to 0xbf: another encoding of Windows) are left out, as createrepo_c does.
 */
export function legibleTextsOf(blob: Blob, tag: number, at: string): string[] {
  const entry = blob.entries.get(tag);
  const whole = entry && blob.data.subarray(entry.offset, entry.end);
  const texts = textsOf(blob, tag, at);
  if (whole === undefined || isUtf8(whole)) return texts;
  const bytes = whole.toString('latin1', 0, whole.length - 1).split('\0');
  return texts.map((text, i) => {
    const raw = bytes[i] ?? '';
    return isUtf8(Buffer.from(raw, 'latin1')) ? text : raw.replace(/[\x80-\xbf]/g, '');
  });
}

/** The integers of a tag that has `bytes` bytes an item; empty when the tag is absent. */
export function integersOf(blob: Blob, tag: number, bytes: 2 | 4, at: string): number[] {
  const entry = blob.entries.get(tag);
  if (!entry) return [];
  if (ITEM_BYTES[entry.type] !== bytes) throw invalid(`tag ${tag} is not integers of ${bytes} bytes`, at);
  return Array.from({ length: entry.count }, (_, i) => blob.data.readUIntBE(entry.offset + i * bytes, bytes));
}

/** The bytes of a tag of type binary, undefined when the tag is absent. */
export function bytesOf(blob: Blob, tag: number, at: string): Buffer | undefined {
  const entry = blob.entries.get(tag);
  if (!entry) return undefined;
  if (entry.type !== BINARY) throw invalid(`tag ${tag} has type ${entry.type} instead of bytes`, at);
  return blob.data.subarray(entry.offset, entry.end);
}

/** The one integer of a tag that has `bytes` bytes an item, undefined when the tag is absent. */
export function integerOf(blob: Blob, tag: number, bytes: 4 | 8, at: string): number | undefined {
  const entry = blob.entries.get(tag);
  if (!entry) return undefined;
  if (ITEM_BYTES[entry.type] !== bytes || entry.count !== 1) {
    throw invalid(`tag ${tag} is not one integer of ${bytes} bytes`, at);
  }
  if (bytes === 4) return blob.data.readUInt32BE(entry.offset);
  const value = blob.data.readBigUInt64BE(entry.offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`tag ${tag} is ${value}`, at);
  return Number(value);
}

export function invalid(what: string, at: string, cause?: unknown): Fault {
  return new Fault('RPM_INVALID', what, { hint: 'Fetch the package again, from another mirror.', at, cause });
}

/** The first entry points at a copy of itself at the end of the data, with the negated size of the index. */
function checkRegion(body: Buffer, data: Buffer, count: number, kind: BlobKind, at: string): void {
  const isRegion = (bytes: Buffer, from: number): boolean =>
    bytes.readUInt32BE(from) === kind.region &&
    bytes.readUInt32BE(from + 4) === BINARY &&
    bytes.readUInt32BE(from + 12) === ENTRY_BYTES;
  if (body.readUInt32BE(0) !== kind.region)
    throw invalid(`the ${kind.name} does not begin with its region`, at);
  const trailer = body.readUInt32BE(8);
  if (!isRegion(body, 0) || trailer + ENTRY_BYTES > data.length || !isRegion(data, trailer)) {
    throw invalid(`the ${kind.name}'s region is broken`, at);
  }
  const indexBytes = -data.readInt32BE(trailer + 8);
  if (indexBytes < 0 || indexBytes % ENTRY_BYTES !== 0 || indexBytes > count * ENTRY_BYTES) {
    throw invalid(`the ${kind.name}'s region claims ${indexBytes} bytes of entries`, at);
  }
  const whole = indexBytes === count * ENTRY_BYTES && trailer + ENTRY_BYTES === data.length;
  if (kind.exact && !whole) throw invalid(`the ${kind.name} has entries or data outside of its region`, at);
}

function readEntry(body: Buffer, from: number, data: Buffer, at: string, what: string): Entry {
  const type = body.readUInt32BE(from + 4);
  const offset = body.readUInt32BE(from + 8);
  const count = body.readUInt32BE(from + 12);
  const itemBytes = ITEM_BYTES[type];
  if (itemBytes === undefined) throw invalid(`${what} has type ${type}`, at);
  if (count === 0 || type === 0) throw invalid(`${what} is empty`, at);
  if (itemBytes > 1 && offset % itemBytes !== 0) throw invalid(`${what} is not aligned`, at);
  const isText = type === STRING || type === STRING_ARRAY || type === I18N_STRING;
  if (type === STRING && count !== 1) throw invalid(`${what} is ${count} strings`, at);
  const end = isText ? endOfStrings(data, offset, count) : offset + itemBytes * count;
  if (end === undefined || end > data.length) throw invalid(`${what} does not end within the header`, at);
  return { type, offset, end, count };
}

/** The first byte after `count` strings, each one closed by a zero byte; undefined when there are fewer. */
function endOfStrings(data: Buffer, offset: number, count: number): number | undefined {
  if (count > data.length - offset) return undefined; // also says so of a huge count without counting
  let end = offset;
  for (let i = 0; i < count; i += 1) {
    const zero = data.indexOf(0, end);
    if (zero < 0) return undefined;
    end = zero + 1;
  }
  return end;
}
