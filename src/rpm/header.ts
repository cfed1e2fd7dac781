import { Fault } from '../base/fault.ts';
import {
  type Blob,
  type BlobKind,
  INTRO_BYTES,
  integerOf,
  invalid,
  MAIN_HEADER,
  readBlob,
  readIntro,
  SIGNATURE_HEADER,
  textOf,
} from './blob.ts';
import { type Nevra, nevra } from './nevra.ts';

/** What an RPM file says about itself, from its main header alone. Offsets and sizes are bytes of the file. */
export interface RpmFile {
  /** With arch `src` for every source package (`nosrc` too), as createrepo_c writes it. */
  readonly nevra: Nevra;
  readonly isSource: boolean;
  /** File name of the source package it was built from; absent in source packages. */
  readonly sourceRpm?: string;
  /** First byte of the main header (of its magic), and the first byte after it: the payload's. */
  readonly headerStart: number;
  readonly headerEnd: number;
  /** `cpio` in practice; absent where the header does not say. */
  readonly payloadFormat?: string;
  /** `gzip`, `xz`, `zstd`, …; absent where the header does not say. */
  readonly payloadCompressor?: string;
  /** Sum of the installed files. */
  readonly installedSize: number;
  /** Seconds since 1970; shown, never trusted. */
  readonly buildTime?: number;
  /** Header and payload together, as the signature header claims, which no signature covers; absent in rpm 6's format. */
  readonly claimedSize?: number;
}

const LEAD_BYTES = 96;
const LEAD_MAGIC = Buffer.from('edabeedb', 'hex');
const HEADER_STYLE_SIGNATURE = 5;

/** rpm's tags (include/rpm/rpmtag.h). In the signature header 1000 is a size and nothing else has our interest. */
const TAG = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  buildTime: 1006,
  size: 1009,
  arch: 1022,
  sourceRpm: 1044,
  sourcePackage: 1106,
  payloadFormat: 1124,
  payloadCompressor: 1125,
  longSize: 5009,
} as const;
const SIGNATURE_TAG = { size: 1000, longSize: 270 } as const;

/** An RPM file that was read as far as its payload. */
export interface OpenRpm {
  readonly file: RpmFile;
  readonly header: Blob;
  /** The main header as it stands in the file, with its magic: what header signatures and digests are over. */
  readonly headerBytes: Buffer;
  /** Signed by nobody: what it says of sizes and digests is checked, and no name is ever taken from it (CVE-2021-20271). */
  readonly signatures: Blob;
  /** All that follows, once. */
  payload(): AsyncIterable<Buffer>;
  /** Ends the source; whoever opens must close. */
  close(): Promise<void>;
}

/**
 * Reads lead, signature header and header of an RPM file, and no further: the source is ended there. Memory follows
 * what arrives, not what the file claims. Whatever is not as rpm demands is a Fault RPM_INVALID.
 */
export async function readRpm(source: AsyncIterable<Buffer>, at: string): Promise<RpmFile> {
  const rpm = await openRpm(source, at);
  await rpm.close();
  return rpm.file;
}

/** As `readRpm`, and the payload can be read after it. */
export async function openRpm(source: AsyncIterable<Buffer>, at: string): Promise<OpenRpm> {
  const bytes = new ByteReader(source, at);
  try {
    checkLead(await bytes.take(LEAD_BYTES, 'lead'), at);
    const signatures = (await takeBlob(bytes, SIGNATURE_HEADER, at)).blob;
    await bytes.take((8 - (bytes.position % 8)) % 8, 'padding');
    const headerStart = bytes.position;
    const { blob: header, raw: headerBytes } = await takeBlob(bytes, MAIN_HEADER, at);
    const file = describe(header, signatures, { headerStart, headerEnd: bytes.position }, at);
    const rest = { payload: () => bytes.rest(), close: () => bytes.end() };
    return { file, header, headerBytes, signatures, ...rest };
  } catch (error) {
    await bytes.end();
    throw error;
  }
}

/** What the lead says of name and arch is a leftover of rpm 2: nobody may read it. */
function checkLead(lead: Buffer, at: string): void {
  if (!lead.subarray(0, LEAD_MAGIC.length).equals(LEAD_MAGIC)) throw invalid('it is not an RPM file', at);
  const major = lead.readUInt8(4);
  if (major < 3 || major > 4) throw invalid(`the lead has version ${major}`, at);
  const style = lead.readUInt16BE(78);
  if (style !== HEADER_STYLE_SIGNATURE) throw invalid(`the lead announces signatures of style ${style}`, at);
}

async function takeBlob(bytes: ByteReader, kind: BlobKind, at: string): Promise<{ blob: Blob; raw: Buffer }> {
  const intro = await bytes.take(INTRO_BYTES, kind.name);
  const { entries, bodyBytes } = readIntro(intro, kind, at);
  const body = await bytes.take(bodyBytes, kind.name);
  return { blob: readBlob(body, entries, kind, at), raw: Buffer.concat([intro, body]) };
}

function describe(
  header: Blob,
  signatures: Blob,
  place: { headerStart: number; headerEnd: number },
  at: string,
): RpmFile {
  const sourceRpm = textOf(header, TAG.sourceRpm, at);
  const payloadFormat = textOf(header, TAG.payloadFormat, at);
  const payloadCompressor = textOf(header, TAG.payloadCompressor, at);
  const buildTime = integerOf(header, TAG.buildTime, 4, at);
  const claimedSize =
    integerOf(signatures, SIGNATURE_TAG.longSize, 8, at) ?? integerOf(signatures, SIGNATURE_TAG.size, 4, at);
  const isSource = sourceRpm === undefined; // rpm's headerIsSource
  if (!isSource && (integerOf(header, TAG.sourcePackage, 4, at) ?? 0) !== 0) {
    throw invalid('it says that it is a source package, and that it was built from one', at); // rpm and createrepo_c differ
  }
  return {
    nevra: identity(header, isSource, at),
    isSource,
    ...(sourceRpm === undefined ? {} : { sourceRpm }),
    ...place,
    ...(payloadFormat === undefined ? {} : { payloadFormat }),
    ...(payloadCompressor === undefined ? {} : { payloadCompressor }),
    installedSize: integerOf(header, TAG.longSize, 8, at) ?? integerOf(header, TAG.size, 4, at) ?? 0,
    ...(buildTime === undefined ? {} : { buildTime }),
    ...(claimedSize === undefined ? {} : { claimedSize }),
  };
}

function identity(header: Blob, isSource: boolean, at: string): Nevra {
  const required = (tag: number, what: string): string => {
    const text = textOf(header, tag, at);
    if (text === undefined) throw invalid(`the header has no ${what}`, at);
    return text;
  };
  const epoch = integerOf(header, TAG.epoch, 4, at);
  const arch = required(TAG.arch, 'arch'); // of a source package: where it was built
  const fields = {
    name: required(TAG.name, 'name'),
    epoch: epoch === undefined ? undefined : String(epoch),
    version: required(TAG.version, 'version'),
    release: required(TAG.release, 'release'),
    arch: isSource ? 'src' : arch,
  };
  try {
    return nevra(fields, at);
  } catch (cause) {
    if (cause instanceof Fault) throw invalid(`the header's identity: ${cause.message}`, at, cause);
    throw cause;
  }
}

/** Takes exact numbers of bytes from chunks of any size. */
class ByteReader {
  /** Bytes taken so far. */
  position = 0;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #at: string;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>, at: string) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#at = at;
  }

  async take(count: number, what: string): Promise<Buffer> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < count) {
      const next = await this.#chunks.next();
      if (next.done) throw invalid(`it ends within the ${what}`, this.#at);
      parts.push(next.value);
      have += next.value.length;
    }
    const all = parts.length === 1 ? this.#rest : Buffer.concat(parts, have);
    this.#rest = all.subarray(count);
    this.position += count;
    return all.subarray(0, count);
  }

  async *rest(): AsyncIterable<Buffer> {
    if (this.#rest.length > 0) yield this.#rest;
    this.#rest = Buffer.alloc(0);
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done) return;
      yield next.value;
    }
  }

  async end(): Promise<void> {
    await this.#chunks.return?.();
  }
}
