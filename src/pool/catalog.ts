import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checksum, checksum, formatChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import type { PackageRecord } from '../repodata/record.ts';
import { onDisk } from './disk-fault.ts';
import { type Expectation, takeIn } from './incoming.ts';
import { COLUMNS } from './pack.ts';
import { type Pack, RecordStore } from './records.ts';

/** Packs below this are joined by `compact`. */
const SMALL_PACK = 4 << 20;

/**
 * The verified metadata of every build ever taken in: `catalog/packs`, one record per distinct `<package>` element;
 * and the upstream documents as downloaded: `catalog/documents/<type>/<hex>`.
 */
export interface Catalog {
  readonly mirrorRoot: string;
  hasDocument(sum: Checksum): Promise<boolean>;
  documentPath(sum: Checksum): string;
  /** Verified while it streams: SIZE_MISMATCH, CHECKSUM_MISMATCH, DISK. Idempotent. */
  putDocument(source: AsyncIterable<Buffer>, expect: Expectation): Promise<void>;
  /** The bytes as downloaded. At the end CATALOG_CORRUPT if they are not what they were; CATALOG_MISSING. */
  readDocument(sum: Checksum): AsyncIterable<Buffer>;
  removeDocument(sum: Checksum): Promise<void>;
  listDocuments(): AsyncIterable<{ readonly checksum: Checksum; readonly size: number }>;
  /** New ones only, as one more pack; how many there were. CATALOG_CORRUPT where an id means two records. */
  putRecords(records: AsyncIterable<PackageRecord> | Iterable<PackageRecord>): Promise<number>;
  /** By 12-digit id, in the order asked for. CATALOG_MISSING names the first that is not there. */
  getRecords(ids: readonly string[]): Promise<Map<string, PackageRecord>>;
  /** As getRecords, and three times faster: the primary elements alone. */
  getPrimaries(ids: readonly string[]): Promise<Map<string, Buffer>>;
  /** The elements with changelogs alone; records without one are left out. */
  getOthers(ids: readonly string[]): Promise<Map<string, Buffer>>;
  /** The filelists elements, one after the other in no order; records without one are left out. */
  scanFilelists(ids: readonly string[]): AsyncIterable<{ readonly id: string; readonly element: Buffer }>;
  /** Those that are not there. */
  hasRecords(ids: Iterable<string>): Promise<Set<string>>;
  listPacks(): Promise<Pack[]>;
  /** Reads all of a pack again: CATALOG_CORRUPT. */
  verifyPack(name: string): Promise<void>;
  /** Drops the records that are not in `keep` and joins small packs. Only for whoever holds the mirror's lock. */
  compact(keep: ReadonlySet<string>): Promise<{ freed: number }>;
}

export function openCatalog(mirrorRoot: string): Catalog {
  const documents = join(mirrorRoot, 'catalog', 'documents');
  const store = new RecordStore(mirrorRoot, join(mirrorRoot, 'catalog', 'packs'));
  const path = (sum: Checksum) => join(documents, sum.type, sum.hex);
  return {
    mirrorRoot,
    hasDocument: (sum) => isFile(path(sum)),
    documentPath: path,
    putDocument: async (source, expect) => {
      const target = path(expect.checksum);
      if (await isFile(target)) return;
      await takeIn(mirrorRoot, source, expect, target, formatChecksum(expect.checksum));
    },
    readDocument: (sum) => readDocument(path(sum), sum),
    removeDocument: async (sum) => {
      await onDisk('removing', path(sum), () => rm(path(sum), { force: true }));
    },
    listDocuments: () => listDocuments(documents),
    putRecords: (records) => store.put(records),
    getRecords: async (ids) => (await store.get(ids, COLUMNS)) as Map<string, PackageRecord>,
    getPrimaries: async (ids) => {
      const found = await store.get(ids, ['primary']);
      return new Map([...found].map(([id, record]) => [id, record.primary as Buffer]));
    },
    getOthers: async (ids) => {
      const found = await store.get(ids, ['other']);
      return new Map([...found].flatMap(([id, { other }]) => (other ? [[id, other] as const] : [])));
    },
    scanFilelists: (ids) => store.scan(ids, 'filelists'),
    hasRecords: (ids) => store.missing(ids),
    listPacks: () => store.list(),
    verifyPack: (name) => store.verify(name),
    compact: (keep) => store.compact(keep, { smallerThan: SMALL_PACK }),
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return false;
    throw cause;
  }
}

async function* readDocument(path: string, sum: Checksum): AsyncIterable<Buffer> {
  if (!(await isFile(path))) {
    throw new Fault('CATALOG_MISSING', `the catalog has no document ${formatChecksum(sum)}`, {
      hint: 'Run sluice sync, or bring the catalog back from a backup.',
      at: path,
    });
  }
  const hash = createHash(sum.type);
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 18, autoClose: false })) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
  const found = hash.digest('hex');
  if (found === sum.hex) return;
  throw new Fault(
    'CATALOG_CORRUPT',
    `a document is damaged: ${sum.type}:${found} stands in place of ${sum.hex}`,
    {
      hint: 'Remove it, run sluice sync again, then check the disk.',
      at: path,
    },
  );
}

async function* listDocuments(root: string): AsyncIterable<{ checksum: Checksum; size: number }> {
  for (const type of await namesIn(root)) {
    for (const hex of await namesIn(join(root, type))) {
      const path = join(root, type, hex);
      if (await isFile(path)) yield { checksum: checksum(type, hex, path), size: (await lstat(path)).size };
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  }
}
