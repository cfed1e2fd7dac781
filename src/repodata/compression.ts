import { constants, createGunzip, createZstdDecompress, gzipSync, zstdCompressSync } from 'node:zlib';
import { bunzip } from './bzip2.ts';
import { type DecompressOptions, damaged, tooLarge } from './damage.ts';
import { unxz } from './xz.ts';

export type { DecompressOptions } from './damage.ts';

export type Compression = 'plain' | 'gzip' | 'bzip2' | 'xz' | 'zstd';

const MAGIC: readonly (readonly [Exclude<Compression, 'plain'>, Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
];

const LONGEST_MAGIC = 6;
const OUTPUT_CHUNK = 1 << 20;

/** By the magic number, never by the name: both `primary.xml` that is gzip and `.gz` that is not occur. */
export function sniff(firstBytes: Buffer): Compression {
  const found = MAGIC.find(([, magic]) => firstBytes.subarray(0, magic.length).equals(magic));
  if (found) return found[0];
  // A skippable frame (RFC 8878, 3.1.2) comes first where a seekable or padded zstd file was written.
  const skippable =
    firstBytes.length >= 4 && (firstBytes.readUInt32LE(0) & 0xffff_fff0) >>> 0 === 0x184d_2a50;
  return skippable ? 'zstd' : 'plain';
}

/**
 * The content, whatever it is compressed with, one layer deep: all frames and members. A truncated or damaged stream
 * and trailing garbage are METADATA_INVALID, more than `maxBytes` TOO_LARGE; what the source throws passes.
 */
export async function* decompress(
  source: AsyncIterable<Buffer>,
  o: DecompressOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    const first = await firstBytes(chunks);
    const how = sniff(first);
    let total = 0;
    for await (const chunk of open(how, joined(first, chunks), o)) {
      total += chunk.length;
      if (total > o.maxBytes) throw tooLarge(o);
      yield chunk;
    }
  } finally {
    await chunks.return?.();
  }
}

/** `decompress` of bytes that are in memory. */
export async function decompressAll(bytes: Buffer, o: DecompressOptions): Promise<Buffer> {
  if (sniff(bytes) === 'plain' && bytes.length <= o.maxBytes) return bytes;
  const chunks: Buffer[] = [];
  for await (const chunk of decompress(once(bytes), o)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** One member or frame. Equal input gives equal bytes with one version of Node: no name and no time inside. */
export function compress(bytes: Buffer, how: 'gzip' | 'zstd'): Buffer {
  if (how === 'zstd') {
    return zstdCompressSync(bytes, {
      pledgedSrcSize: bytes.length,
      params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
    });
  }
  const member = gzipSync(bytes, { level: 6 }); // zlib writes mtime 0
  member[9] = 0xff; // the operating system is none of the content's business (RFC 1952: unknown)
  return member;
}

/** A buffer as a source. */
export async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes;
}

function open(how: Compression, source: AsyncGenerator<Buffer>, o: DecompressOptions): AsyncIterable<Buffer> {
  switch (how) {
    case 'plain':
      return source;
    case 'gzip':
      return gunzip(source, o);
    case 'zstd':
      return unzstd(source, o);
    case 'bzip2':
      return bunzip(source, o);
    case 'xz':
      return unxz(source, o);
  }
}

/** zlib reads all members. It stops at a zero byte after one: padding, as tapes and gzip(1) have it, is nothing else. */
async function* gunzip(source: AsyncGenerator<Buffer>, o: DecompressOptions): AsyncGenerator<Buffer> {
  const left = yield* run(createGunzip({ chunkSize: OUTPUT_CHUNK }), source, o);
  if (left === undefined) return;
  for await (const chunk of joined(left, source)) {
    if (chunk.some((byte) => byte !== 0)) throw damaged('gzip', o, new Error('trailing garbage'));
  }
}

/**
 * Node's engine ends with the first frame and reports success (24.21), so a new one takes what is left. A frame that
 * ends with a chunk does not end the engine, which then reads the next frame itself.
 */
async function* unzstd(source: AsyncGenerator<Buffer>, o: DecompressOptions): AsyncGenerator<Buffer> {
  let left: Buffer | undefined;
  do {
    const input: AsyncGenerator<Buffer> = left ? joined(left, source) : source;
    left = yield* run(createZstdDecompress({ chunkSize: OUTPUT_CHUNK }), input, o);
  } while (left);
}

type Engine = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

/**
 * Feeds an engine one chunk at a time. Returns what it left of the last one: an engine that does not consume all that
 * it was given has come to the end of its frame, and must not be given more.
 */
async function* run(
  engine: Engine,
  source: AsyncGenerator<Buffer>,
  o: DecompressOptions,
): AsyncGenerator<Buffer, Buffer | undefined> {
  let sourceError: unknown;
  let left: Buffer | undefined;
  let over = false;
  const closed = new Promise<void>((resolve) => {
    const stop = () => {
      over = true;
      resolve();
    };
    engine.once('close', stop).once('error', stop);
  });
  const feed = async () => {
    let written = 0;
    while (!over) {
      const { value: chunk, done } = await source.next();
      if (done) break;
      if (chunk.length === 0) continue;
      written += chunk.length;
      await Promise.race([closed, new Promise<void>((taken) => engine.write(chunk, () => taken()))]);
      const unread = written - engine.bytesWritten; // bytesWritten counts what was consumed
      if (unread > 0 && !over) {
        left = chunk.subarray(chunk.length - unread);
        return;
      }
    }
    if (!over) engine.end();
  };
  const feeding = feed().catch((error: unknown) => {
    sourceError = error;
    engine.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of engine) yield chunk;
    await feeding;
    return left;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw damaged('compressed', o, error);
  } finally {
    engine.destroy();
  }
}

async function firstBytes(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let first: Buffer = Buffer.alloc(0);
  while (first.length < LONGEST_MAGIC) {
    const next = await chunks.next();
    if (next.done) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  return first;
}

/** A generator whose early end leaves the rest of `chunks` to whoever comes next. */
async function* joined(
  first: Buffer,
  chunks: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  if (first.length > 0) yield first;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}
