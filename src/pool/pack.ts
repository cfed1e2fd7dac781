import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants as zstd, zstdCompress as zstdCompressCallback } from 'node:zlib';
import { codeOf, Fault } from '../base/fault.ts';
import type { PackageRecord } from '../repodata/record.ts';
import { mkdirp, renameSynced, temporaryPath, writeFileAtomic } from './disk.ts';
import { diskFault } from './disk-fault.ts';

const compressFrame = promisify(zstdCompressCallback);

/** Open bytes at which a frame is closed: big enough to compress well, small enough to read for one record. */
const FRAME_BYTES = 1 << 20;
const FRAME_OPTIONS = {
  params: {
    [zstd.ZSTD_c_compressionLevel]: 3,
    [zstd.ZSTD_c_checksumFlag]: 1,
    [zstd.ZSTD_c_contentSizeFlag]: 1,
  },
};

/** Each frame holds elements of one document only, so that a reader of primary does not open filelists. */
export const COLUMNS = ['primary', 'filelists', 'other'] as const;
export type Column = (typeof COLUMNS)[number];

/** One zstd frame of a pack, in bytes. */
export interface Frame {
  readonly offset: number;
  readonly length: number;
  readonly openLength: number;
}

/** Where an element lies: `offset` and `length` count open bytes of that frame. */
export interface Place {
  readonly frame: number;
  readonly offset: number;
  readonly length: number;
}

/** What a pack holds. Rows are read from the index file's own bytes: a big catalog has some 100,000. */
export interface PackIndex {
  readonly name: string;
  readonly frames: readonly Frame[];
  readonly rows: number;
  /** sha256 of the record, 64 hex digits. */
  digest(row: number): string;
  place(row: number, column: Column): Place | undefined;
}

const MAGIC = Buffer.from('sluice-pack-1\n\0\0');
const FRAME_ENTRY = 8; // compressed and open length, u32 each
const ROW_ENTRY = 32 + COLUMNS.length * 12; // digest; frame, offset and length, u32 each, of each column
const NOWHERE = 0xffff_ffff;

interface OpenColumn {
  chunks: Buffer[];
  bytes: number;
  /** Places whose frame has no number yet. */
  waiting: { row: Buffer; at: number }[];
}

/**
 * Writes `packs/<sha256 of the pack>.zst` and then its `.idx`: a pack without an index is not there yet.
 * Yields undefined when there was no record to write.
 */
export async function writePack(
  mirrorRoot: string,
  folder: string,
  records: AsyncIterable<{ digest: string; record: PackageRecord }>,
): Promise<PackIndex | undefined> {
  const path = await temporaryPath(mirrorRoot);
  const file = await open(path, 'wx', 0o600);
  try {
    const writer = new PackWriter(file);
    for await (const { digest, record } of records) await writer.add(digest, record);
    if (writer.rows.length === 0) return undefined;
    await writer.finish();
    await file.chmod(0o444);
    await file.sync();
    const name = writer.hash.digest('hex');
    const index = writer.index();
    await mkdirp(folder);
    await renameSynced(path, join(folder, `${name}.zst`));
    await writeFileAtomic(join(folder, `${name}.idx`), index, { mode: 0o444, mirrorRoot });
    return parseIndex(index, name, folder);
  } catch (cause) {
    throw diskFault(cause, 'writing a pack of the catalog', path);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

class PackWriter {
  readonly hash = createHash('sha256');
  readonly rows: Buffer[] = [];
  readonly #file: FileHandle;
  readonly #frames: { length: number; openLength: number }[] = [];
  #closed = 0;
  #written = Promise.resolve();
  readonly #columns: Record<Column, OpenColumn> = { primary: empty(), filelists: empty(), other: empty() };

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(digest: string, record: PackageRecord): Promise<void> {
    const row = Buffer.alloc(ROW_ENTRY);
    row.write(digest, 0, 'hex');
    this.rows.push(row);
    for (const [n, column] of COLUMNS.entries()) {
      const at = 32 + n * 12;
      const element = record[column];
      if (!element) {
        row.writeUInt32LE(NOWHERE, at);
        continue;
      }
      const into = this.#columns[column];
      row.writeUInt32LE(into.bytes, at + 4);
      row.writeUInt32LE(element.length, at + 8);
      into.chunks.push(element);
      into.bytes += element.length;
      into.waiting.push({ row, at });
      if (into.bytes >= FRAME_BYTES) await this.#close(column);
    }
  }

  /** The frame is compressed and written while the next ones fill; two at most wait for that. */
  async #close(column: Column): Promise<void> {
    const { chunks, bytes, waiting } = this.#columns[column];
    if (waiting.length === 0) return;
    for (const { row, at } of waiting) row.writeUInt32LE(this.#closed, at);
    this.#closed += 1;
    this.#columns[column] = empty();
    const compressed = compressFrame(Buffer.concat(chunks, bytes), FRAME_OPTIONS);
    compressed.catch(() => {}); // whoever awaits #written is told
    await this.#written;
    this.#written = compressed.then((frame) => this.#write(frame, bytes));
    this.#written.catch(() => {});
  }

  async #write(frame: Buffer, openLength: number): Promise<void> {
    this.hash.update(frame);
    await this.#file.writeFile(frame); // at the handle's position: appends
    this.#frames.push({ length: frame.length, openLength });
  }

  async finish(): Promise<void> {
    for (const column of COLUMNS) await this.#close(column);
    await this.#written;
  }

  index(): Buffer {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(this.#frames.length, 0);
    head.writeUInt32LE(this.rows.length, 4);
    const frames = this.#frames.map(({ length, openLength }) => {
      const entry = Buffer.alloc(FRAME_ENTRY);
      entry.writeUInt32LE(length, 0);
      entry.writeUInt32LE(openLength, 4);
      return entry;
    });
    const body = Buffer.concat([MAGIC, head, ...frames, ...this.rows]);
    return Buffer.concat([body, createHash('sha256').update(body).digest()]);
  }
}

function empty(): OpenColumn {
  return { chunks: [], bytes: 0, waiting: [] };
}

/** Reads `<name>.idx`; undefined when another run removed it meanwhile. */
export async function readIndex(folder: string, name: string): Promise<PackIndex | undefined> {
  try {
    return parseIndex(await readFile(join(folder, `${name}.idx`)), name, folder);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

function parseIndex(bytes: Buffer, name: string, folder: string): PackIndex {
  const at = join(folder, `${name}.idx`);
  const start = MAGIC.length + 8;
  const body = bytes.subarray(0, -32);
  const sound =
    bytes.length >= start + 32 &&
    bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
    createHash('sha256').update(body).digest().equals(bytes.subarray(-32));
  const frameCount = sound ? bytes.readUInt32LE(MAGIC.length) : 0;
  const rows = sound ? bytes.readUInt32LE(MAGIC.length + 4) : 0;
  const rowsStart = start + frameCount * FRAME_ENTRY;
  if (!sound || body.length !== rowsStart + rows * ROW_ENTRY) throw damaged(at, 'its index cannot be read');
  const frames: Frame[] = [];
  for (let n = 0, offset = 0; n < frameCount; n += 1) {
    const length = bytes.readUInt32LE(start + n * FRAME_ENTRY);
    frames.push({ offset, length, openLength: bytes.readUInt32LE(start + n * FRAME_ENTRY + 4) });
    offset += length;
  }
  return {
    name,
    frames,
    rows,
    digest: (row) => bytes.toString('hex', rowsStart + row * ROW_ENTRY, rowsStart + row * ROW_ENTRY + 32),
    place: (row, column) => {
      const p = rowsStart + row * ROW_ENTRY + 32 + COLUMNS.indexOf(column) * 12;
      const frame = bytes.readUInt32LE(p);
      if (frame === NOWHERE) return undefined;
      return { frame, offset: bytes.readUInt32LE(p + 4), length: bytes.readUInt32LE(p + 8) };
    },
  };
}

/** A pack that is not what it was when it was written. */
export function damaged(at: string, why: string, cause?: unknown): Fault {
  return new Fault('CATALOG_CORRUPT', `a pack of the catalog is damaged: ${why}`, {
    hint: 'Remove this pack and its .idx, run sluice sync again, then check the disk.',
    at,
    cause,
  });
}
