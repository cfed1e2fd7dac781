import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Checksum, sameChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import type { Frame } from '../repodata/canonical.ts';
import { compress, decompressAll, once } from '../repodata/compression.ts';
import { cutElements } from '../repodata/elements.ts';
import { filelistsDocument, pkgidOf } from '../repodata/filelists.ts';
import { otherDocument } from '../repodata/other.ts';
import { identify, primaryDocument } from '../repodata/primary.ts';
import type { PackageRecord } from '../repodata/record.ts';
import { newestTimestamp, type RepomdRecord, readRepomd, writeRepomd } from '../repodata/repomd.ts';
import { compareNevra, type Nevra } from '../rpm/nevra.ts';
import { mkdirp, syncFolder, writeFileAtomic } from './disk.ts';
import { onDisk } from './disk-fault.ts';
import type { Pool } from './pool.ts';

/** One build that was added: what it is, and its three elements. */
export interface AddedBuild {
  readonly nevra: Nevra;
  readonly checksum: Checksum;
  readonly size: number;
  readonly record: Required<PackageRecord>;
}

/** What the folder of an upstream lists. */
export interface Added {
  readonly builds: readonly AddedBuild[];
  /** Seconds since 1970; 0 where nothing was added yet. */
  readonly timestamp: number;
}

/** As it was read: the documents too, by their paths below the folder. */
export interface ReadAdded extends Added {
  readonly documents: readonly string[];
}

const TYPES = ['primary', 'filelists', 'other'] as const;
type Type = (typeof TYPES)[number];
const FRAMES: Readonly<Record<Type, (count: number) => Frame>> = {
  primary: primaryDocument,
  filelists: filelistsDocument,
  other: otherDocument,
};
const MAX_OPEN_BYTES = 1 << 30;

/** `<mirror>/added/<upstream id>`: a repository like any other, whose packages are hardlinks to the pool's. */
export function addedFolder(mirrorRoot: string, upstream: string): string {
  return join(mirrorRoot, 'added', upstream);
}

/** Where a package lies below its folder; its checksum tells epoch twins apart, and leaves no name too long. */
export function addedHref({ hex }: Checksum): string {
  return `packages/${hex}.rpm`;
}

const REPOMD = 'repodata/repomd.xml';

/** Undefined where nothing was added yet. METADATA_INVALID and CHECKSUM_MISMATCH where it is not as it was written. */
export async function readAdded(folder: string): Promise<ReadAdded | undefined> {
  const at = join(folder, REPOMD);
  const bytes = await readIfThere(at);
  if (!bytes) return undefined;
  const repomd = readRepomd(bytes, at);
  const documents = await Promise.all(
    TYPES.map(async (type) => {
      const record = repomd.records.find((r) => r.type === type);
      const packed = record && (await readIfThere(join(folder, record.href)));
      if (!record || !packed || !sameChecksum(sha256(packed), record.checksum)) throw damaged(type, at);
      const open = await decompressAll(packed, { maxBytes: MAX_OPEN_BYTES, at });
      const elements: Buffer[] = [];
      for await (const batch of cutElements(once(open), 'package', { at: `${at}: ${type}` }))
        elements.push(...batch);
      return elements;
    }),
  );
  const [primaries = [], filelists = [], others = []] = documents;
  const builds = primaries.map((primary, i): AddedBuild => {
    const { nevra, checksum, size } = identify(primary, at);
    const [files, changes] = [filelists[i], others[i]];
    if (!files || !changes || pkgidOf(files) !== checksum.hex || pkgidOf(changes) !== checksum.hex) {
      throw damaged('its documents', at);
    }
    return { nevra, checksum, size, record: { primary, filelists: files, other: changes } };
  });
  return { builds, timestamp: newestTimestamp(repomd), documents: repomd.records.map(({ href }) => href) };
}

export async function hasAdded(folder: string): Promise<boolean> {
  return (await readIfThere(join(folder, REPOMD))) !== undefined;
}

/**
 * The folder lists exactly these builds afterwards, or still what it did: packages first, which the pool must have, repomd.xml last.
 * Under the mirror's lock.
 */
export async function writeAdded(folder: string, added: Added, pool: Pool): Promise<void> {
  const packages = join(folder, 'packages');
  await mkdirp(packages);
  for (const { checksum } of added.builds) {
    if (!(await isThere(join(folder, addedHref(checksum)))))
      await pool.linkInto(join(folder, addedHref(checksum)), checksum);
  }
  await onDisk('syncing', packages, () => syncFolder(packages));
  await writeAddedMetadata(folder, added, pool.mirrorRoot);
  await tidyAdded(folder);
}

/** Removes what the folder has and does not list: earlier metadata, and what a killed run left. Under the mirror's lock. */
export async function tidyAdded(folder: string): Promise<void> {
  const added = await readAdded(folder);
  if (!added) return;
  const packages = added.builds.map(({ checksum }) => addedHref(checksum));
  const listed = new Set([REPOMD, ...added.documents, ...packages].map((href) => basename(href)));
  for (const part of ['packages', 'repodata']) await keepOnly(join(folder, part), listed);
}

async function keepOnly(folder: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    if (names.has(name)) continue;
    const path = join(folder, name);
    await onDisk('removing', path, () => rm(path, { recursive: true, force: true }));
  }
}

/** The metadata alone: what a plan is made from before anything is added. */
export async function writeAddedMetadata(folder: string, added: Added, mirrorRoot: string): Promise<void> {
  const builds = [...added.builds].sort((a, b) => compareNevra(a.nevra, b.nevra));
  const records: RepomdRecord[] = [];
  for (const type of TYPES) {
    const { head, tail } = FRAMES[type](builds.length);
    const open = Buffer.concat([head, ...builds.flatMap(({ record }) => [record[type], NEWLINE]), tail]);
    const packed = compress(open, 'gzip');
    const checksum = sha256(packed);
    const href = `repodata/${checksum.hex}-${type}.xml.gz`;
    await writeFileAtomic(join(folder, href), packed, { mirrorRoot });
    records.push({
      type,
      href,
      checksum,
      openChecksum: sha256(open),
      timestamp: added.timestamp,
      size: packed.length,
      openSize: open.length,
    });
  }
  const repomd = { revision: String(added.timestamp), tags: { content: [], repo: [], distro: [] }, records };
  await writeFileAtomic(join(folder, REPOMD), writeRepomd(repomd), { mirrorRoot });
}

const NEWLINE = Buffer.from('\n');

function sha256(bytes: Buffer): Checksum {
  return { type: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') };
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    throw cause;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false;
    throw cause;
  }
}

function damaged(what: string, at: string): Fault {
  return new Fault('METADATA_INVALID', `what was added is not as it was written: ${what}`, {
    hint: 'Move the folder away and add its packages again, or bring it back from a copy.',
    at,
  });
}
