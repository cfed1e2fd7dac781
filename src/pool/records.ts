import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress as zstdDecompressCallback } from 'node:zlib';
import { codeOf, Fault } from '../base/fault.ts';
import { groupBy } from '../base/order.ts';
import { type PackageRecord, recordDigest } from '../repodata/record.ts';
import { COLUMNS, type Column, damaged, type Frame, type PackIndex, readIndex, writePack } from './pack.ts';
import { inParallel } from './parallel.ts';

const decompressFrame = promisify(zstdDecompressCallback);

/** How a lock names a record. */
export const ID_DIGITS = 12;
/** Packs whose index or frames are read at once. */
const PACKS_AT_ONCE = 16;
const FRAMES_AT_ONCE = 4;

/** One pack, for retention and for scrubbing. */
export interface Pack {
  /** sha256 of the `.zst` file, in hex. */
  readonly name: string;
  /** Of both files. */
  readonly bytes: number;
  readonly ids: readonly string[];
}

interface Location {
  readonly pack: PackIndex;
  readonly row: number;
}

/** The packs of one catalog: an index in memory, read when first asked and again when something seems missing. */
export class RecordStore {
  readonly #mirrorRoot: string;
  readonly #folder: string;
  #packs = new Map<string, PackIndex>();
  #where = new Map<string, Location>();

  constructor(mirrorRoot: string, folder: string) {
    this.#mirrorRoot = mirrorRoot;
    this.#folder = folder;
  }

  async put(records: AsyncIterable<PackageRecord> | Iterable<PackageRecord>): Promise<number> {
    await this.#refresh();
    const fresh = new Map<string, string>();
    const store = this;
    async function* news() {
      for await (const record of records) {
        const digest = recordDigest(record);
        const id = digest.slice(0, ID_DIGITS);
        const known = fresh.get(id) ?? store.#digestOf(id);
        if (known === digest) continue;
        if (known !== undefined) throw twoOfOneId(id, known, digest);
        fresh.set(id, digest);
        yield { digest, record };
      }
    }
    const pack = await writePack(this.#mirrorRoot, this.#folder, news());
    if (pack) this.#take(pack);
    return fresh.size;
  }

  async missing(ids: Iterable<string>): Promise<Set<string>> {
    const absent = () => new Set([...ids].filter((id) => !this.#where.has(id)));
    if (absent().size > 0) await this.#refresh();
    return absent();
  }

  /** Elements of the columns asked for, by id. Faults CATALOG_MISSING, CATALOG_CORRUPT. */
  async get(
    ids: readonly string[],
    columns: readonly Column[],
  ): Promise<Map<string, Partial<PackageRecord>>> {
    const byPack = await this.#byPack(ids);
    const found = new Map<string, Partial<PackageRecord>>();
    for (const id of ids) found.set(id, {}); // in the order asked for
    await inParallel(byPack, PACKS_AT_ONCE, async ([pack, rows]) => {
      const frames = await this.#frames(pack, rows, columns);
      for (const { id, row } of rows) found.set(id, assemble(pack, row, columns, frames));
    });
    return found;
  }

  /** One element after the other, a frame in memory at a time: for what is too much to be read at once. */
  async *scan(ids: readonly string[], column: Column): AsyncIterable<{ id: string; element: Buffer }> {
    for (const [pack, rows] of await this.#byPack(ids)) {
      const path = join(this.#folder, `${pack.name}.zst`);
      const byFrame = groupBy(
        rows.filter(({ row }) => pack.place(row, column)),
        ({ row }) => pack.place(row, column)?.frame ?? -1,
      );
      await using file = await openPack(path);
      for (const [n, inFrame] of byFrame) {
        const frame = pack.frames[n];
        if (!frame) throw damaged(path, `it has no frame ${n}`);
        const frames = new Map([[n, await readFrame(file, frame, path)]]);
        for (const { id, row } of inFrame) {
          const element = assemble(pack, row, [column], frames)[column];
          if (element) yield { id, element };
        }
      }
    }
  }

  async #byPack(ids: readonly string[]): Promise<Map<PackIndex, { id: string; row: number }[]>> {
    const [lost] = await this.missing(ids);
    if (lost !== undefined) {
      throw new Fault('CATALOG_MISSING', `the catalog has no record ${lost}`, {
        hint: 'Run sluice sync, or bring the catalog back from a backup.',
        at: this.#folder,
      });
    }
    const byPack = new Map<PackIndex, { id: string; row: number }[]>();
    for (const id of new Set(ids)) {
      const { pack, row } = this.#where.get(id) as Location;
      const rows = byPack.get(pack);
      if (rows) rows.push({ id, row });
      else byPack.set(pack, [{ id, row }]);
    }
    return byPack;
  }

  async #frames(pack: PackIndex, rows: readonly { row: number }[], columns: readonly Column[]) {
    const wanted = new Set<number>();
    for (const { row } of rows) {
      for (const column of columns) {
        const place = pack.place(row, column);
        if (place) wanted.add(place.frame);
      }
    }
    const path = join(this.#folder, `${pack.name}.zst`);
    const open = new Map<number, Buffer>();
    await using file = await openPack(path);
    await inParallel(
      [...wanted].sort((a, b) => a - b),
      FRAMES_AT_ONCE,
      async (n) => {
        const frame = pack.frames[n];
        if (!frame) throw damaged(path, `it has no frame ${n}`);
        open.set(n, await readFrame(file, frame, path));
      },
    );
    return open;
  }

  async list(): Promise<Pack[]> {
    await this.#refresh();
    return await Promise.all(
      [...this.#packs.values()].map(async (pack) => {
        const sizes = await Promise.all(this.#files(pack.name).map(async (path) => (await stat(path)).size));
        return { name: pack.name, bytes: sizes.reduce((a, b) => a + b, 0), ids: idsOf(pack) };
      }),
    );
  }

  #files(name: string): [string, string] {
    return [join(this.#folder, `${name}.idx`), join(this.#folder, `${name}.zst`)];
  }

  /** The pack's own checksum, every frame, and the digest of every record. */
  async verify(name: string): Promise<void> {
    const path = join(this.#folder, `${name}.zst`);
    const pack = await readIndex(this.#folder, name);
    if (!pack) throw damaged(path, 'its index is not there');
    const hash = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    if (hash !== name) throw damaged(path, `its sha256 is ${hash}`);
    const rows = Array.from({ length: pack.rows }, (_, row) => ({ row }));
    const frames = await this.#frames(pack, rows, COLUMNS);
    for (const { row } of rows) {
      const record = assemble(pack, row, COLUMNS, frames) as PackageRecord;
      if (recordDigest(record) !== pack.digest(row)) throw damaged(path, `record ${row} differs`);
    }
  }

  /**
   * Drops every record that is not in `keep`, and joins small packs. The new pack is there before any old one
   * goes: killed in between, records stand twice, which is harmless, and the next run finishes.
   */
  async compact(keep: ReadonlySet<string>, o: { smallerThan: number }): Promise<{ freed: number }> {
    const before = await this.list();
    const small = before.filter((pack) => pack.bytes < o.smallerThan);
    const loses = before.filter((pack) => pack.ids.some((id) => !keep.has(id)));
    const old = [...new Set([...(small.length > 1 ? small : []), ...loses])];
    if (old.length === 0) return { freed: 0 };
    const stays = [...new Set(old.flatMap((pack) => pack.ids.filter((id) => keep.has(id))))];
    const records = await this.get(stays, COLUMNS);
    async function* again() {
      for (const record of records.values() as Iterable<PackageRecord>) {
        yield { digest: recordDigest(record), record };
      }
    }
    const written = await writePack(this.#mirrorRoot, this.#folder, again());
    for (const pack of old) {
      if (pack.name === written?.name) continue;
      for (const path of this.#files(pack.name)) await rm(path, { force: true }); // the index first
    }
    this.#packs = new Map();
    this.#where = new Map();
    const after = await this.list();
    const sum = (packs: readonly Pack[]) => packs.reduce((n, pack) => n + pack.bytes, 0);
    return { freed: sum(before) - sum(after) };
  }

  async #refresh(): Promise<void> {
    const names = await packNames(this.#folder);
    const fresh = names.filter((name) => !this.#packs.has(name));
    if (names.length - fresh.length < this.#packs.size) {
      this.#packs = new Map(); // a pack went away: start over
      this.#where = new Map();
      return await this.#refresh();
    }
    const indexes = new Map<string, PackIndex | undefined>();
    await inParallel(fresh, PACKS_AT_ONCE, async (name) => {
      indexes.set(name, await readIndex(this.#folder, name));
    });
    for (const name of fresh) {
      const pack = indexes.get(name);
      if (pack) this.#take(pack);
    }
  }

  #take(pack: PackIndex): void {
    this.#packs.set(pack.name, pack);
    for (let row = 0; row < pack.rows; row += 1) {
      const digest = pack.digest(row);
      const id = digest.slice(0, ID_DIGITS);
      const known = this.#digestOf(id);
      if (known === undefined) this.#where.set(id, { pack, row });
      else if (known !== digest) throw twoOfOneId(id, known, digest);
    }
  }

  #digestOf(id: string): string | undefined {
    const location = this.#where.get(id);
    return location?.pack.digest(location.row);
  }
}

function assemble(
  pack: PackIndex,
  row: number,
  columns: readonly Column[],
  frames: ReadonlyMap<number, Buffer>,
): Partial<PackageRecord> {
  const record: { -readonly [C in Column]?: Buffer } = {};
  for (const column of columns) {
    const place = pack.place(row, column);
    if (!place) continue;
    const element = frames.get(place.frame)?.subarray(place.offset, place.offset + place.length);
    if (element?.length !== place.length) throw damaged(pack.name, `row ${row} points outside of it`);
    record[column] = element;
  }
  return record;
}

function idsOf(pack: PackIndex): string[] {
  return Array.from({ length: pack.rows }, (_, row) => pack.digest(row).slice(0, ID_DIGITS));
}

async function packNames(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.flatMap((name) => (/^[0-9a-f]{64}\.idx$/.test(name) ? [name.slice(0, 64)] : [])).sort();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  }
}

async function openPack(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause;
    throw damaged(path, 'it has an index and is not there', cause);
  }
}

async function readFrame(file: FileHandle, frame: Frame, at: string): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(frame.length);
  const { bytesRead } = await file.read(bytes, 0, frame.length, frame.offset);
  if (bytesRead !== frame.length) throw damaged(at, 'it is shorter than its index says');
  try {
    const open = await decompressFrame(bytes, {
      chunkSize: Math.max(64, frame.openLength), // one piece: zlib's default of 16 KB costs three times as much
      maxOutputLength: frame.openLength,
    });
    if (open.length === frame.openLength) return open;
  } catch (cause) {
    throw damaged(at, `the frame at ${frame.offset} cannot be read`, cause);
  }
  throw damaged(at, `the frame at ${frame.offset} is too short`);
}

export function twoOfOneId(id: string, a: string, b: string): Fault {
  return new Fault('CATALOG_CORRUPT', `two records share the id ${id}: ${a} and ${b}`, {
    hint: 'Leave one of the two builds out with a deny filter, and report it: twelve digits no longer suffice.',
  });
}
