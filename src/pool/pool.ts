import { createHash } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { copyFile, link, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type Checksum,
  type ChecksumType,
  checksum,
  formatChecksum,
  sameChecksum,
} from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import { groupBy } from '../base/order.ts';
import { mkdirp, syncFolder, temporaryPath } from './disk.ts';
import { onDisk } from './disk-fault.ts';
import { takeIn } from './incoming.ts';

/** RPM files by checksum, `pool/<type>/<2 hex>/<hex>.rpm`, mode 0444. Nothing unverified ever has such a name. */
export interface Pool {
  readonly mirrorRoot: string;
  path(sum: Checksum): string;
  has(sum: Checksum): Promise<boolean>;
  /** Those that are not there, as text. Each folder is read once: thousands of files cost less so than one question each. */
  missing(sums: Iterable<Checksum>): Promise<ReadonlySet<string>>;
  /** Verified while it streams: SIZE_MISMATCH, CHECKSUM_MISMATCH, DISK. A build that is there already is not read. */
  put(source: AsyncIterable<Buffer>, expect: { checksum: Checksum; size: number }): Promise<void>;
  /** Idempotent by inode. POOL_MISSING, POOL_CONFLICT where another file has that name, DISK across devices. */
  linkInto(target: string, sum: Checksum): Promise<void>;
  /** Reads it all again: POOL_MISSING or POOL_CORRUPT. */
  verify(sum: Checksum): Promise<void>;
  /** Idempotent. */
  remove(sum: Checksum): Promise<void>;
  /** In order of type and digits. */
  list(): AsyncIterable<{ readonly checksum: Checksum; readonly size: number }>;
  /** Where a file waits that is what the metadata promises, and that must not get into the pool: nothing is ever linked from there. */
  quarantinePath(sum: Checksum): string;
  isQuarantined(sum: Checksum): Promise<boolean>;
  listQuarantine(): AsyncIterable<{ readonly checksum: Checksum; readonly size: number }>;
}

export function openPool(mirrorRoot: string): Pool {
  const below = (folder: string) => (sum: Checksum) =>
    join(mirrorRoot, folder, sum.type, sum.hex.slice(0, 2), `${sum.hex}.rpm`);
  const [path, quarantinePath] = [below('pool'), below('quarantine')];
  return {
    mirrorRoot,
    path,
    has: (sum) => isFile(path(sum)),
    missing: (sums) => missing(path, sums),
    put: async (source, expect) => {
      const target = path(expect.checksum);
      if (await isFile(target)) return;
      await takeIn(mirrorRoot, source, expect, target, formatChecksum(expect.checksum));
    },
    linkInto: (target, sum) => linkInto(mirrorRoot, path(sum), target),
    verify: (sum) => verify(path(sum), sum),
    remove: async (sum) => {
      await onDisk('removing', path(sum), () => rm(path(sum), { force: true }));
    },
    list: () => list(join(mirrorRoot, 'pool')),
    quarantinePath,
    isQuarantined: (sum) => isFile(quarantinePath(sum)),
    listQuarantine: () => list(join(mirrorRoot, 'quarantine')),
  };
}

/** A regular file, not a symlink to one: whoever can plant a link must not choose what is published. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return false;
    throw cause;
  }
}

async function missing(
  path: (sum: Checksum) => string,
  sums: Iterable<Checksum>,
): Promise<ReadonlySet<string>> {
  const absent = new Set<string>();
  for (const [folder, wanted] of groupBy(sums, (sum) => dirname(path(sum)))) {
    const there = new Set((await entriesOf(folder)).filter((e) => e.isFile()).map((e) => e.name));
    for (const sum of wanted) if (!there.has(basename(path(sum)))) absent.add(formatChecksum(sum));
  }
  return absent;
}

async function linkInto(mirrorRoot: string, source: string, target: string): Promise<void> {
  if (!(await isFile(source))) {
    throw new Fault('POOL_MISSING', `${basename(source)} is not in the pool`, {
      hint: 'Fetch it (sluice sync --write), or take it from a backup.',
      at: source,
    });
  }
  await onDisk('linking', target, async () => {
    for (let repairs = 0; ; repairs += 1) {
      try {
        return await link(source, target);
      } catch (cause) {
        const code = codeOf(cause);
        if (code === 'EEXIST') return await sameInode(source, target, cause);
        if (code === 'ENOENT' && repairs < 2) await mkdirp(dirname(target));
        else if (code === 'EMLINK' && repairs < 2) await secondCopy(mirrorRoot, source);
        else throw cause; // ENOSPC and EXDEV keep their own names
      }
    }
  });
}

async function sameInode(source: string, target: string, cause: unknown): Promise<void> {
  const [a, b] = await Promise.all([source, target].map((p) => lstat(p, { bigint: true })));
  if (a?.ino === b?.ino && a?.dev === b?.dev) return;
  // After a second copy, older links are to the inode that the pool no longer names: the same bytes, still good.
  if (b?.isFile() && a?.size === b.size && (await sameBytes(source, target))) return;
  throw new Fault('POOL_CONFLICT', `${target} is not ${source}`, {
    hint: 'Move it away, then publish again.',
    at: target,
    cause,
  });
}

async function sameBytes(a: string, b: string): Promise<boolean> {
  const [x, y] = await Promise.all([digestOf(a, 'sha256'), digestOf(b, 'sha256')]);
  return x === y;
}

/**
 * The file system's limit of links (ext4: 65,000) is reached: the pool goes on with a fresh inode of the same
 * bytes; the trees keep the old one.
 */
async function secondCopy(mirrorRoot: string, source: string): Promise<void> {
  const copy = await temporaryPath(mirrorRoot);
  try {
    await copyFile(source, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    {
      await using file = await open(copy, 'r');
      await file.chmod(0o444);
      await file.sync();
    }
    if (!(await sameBytes(source, copy))) throw corrupt(source, 'it changed while it was copied');
    await rename(copy, source);
  } catch (cause) {
    await rm(copy, { force: true });
    throw cause;
  }
  await syncFolder(dirname(source));
}

async function verify(path: string, sum: Checksum): Promise<void> {
  if (!(await isFile(path))) {
    throw new Fault('POOL_MISSING', `${formatChecksum(sum)} is not in the pool`, {
      hint: 'Fetch it (sluice sync --write), or take it from a backup.',
      at: path,
    });
  }
  const found = checksum(sum.type, await digestOf(path, sum.type));
  if (!sameChecksum(found, sum)) throw corrupt(path, `its checksum is ${formatChecksum(found)}`);
}

function corrupt(path: string, why: string): Fault {
  return new Fault('POOL_CORRUPT', `${basename(path)} is damaged: ${why}`, {
    hint: 'Remove it from the pool and fetch it again, then check the disk.',
    at: path,
  });
}

/** Hex digest of a file, opened so that a symlink in its place is an error (ELOOP). */
async function digestOf(path: string, type: ChecksumType): Promise<string> {
  const hash = createHash(type);
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

async function* list(root: string): AsyncIterable<{ checksum: Checksum; size: number }> {
  for (const type of await foldersOf(root)) {
    for (const prefix of await foldersOf(join(root, type))) {
      const folder = join(root, type, prefix);
      for (const name of (await readdir(folder)).sort()) {
        const path = join(folder, name);
        if (!name.endsWith('.rpm') || !(await isFile(path))) continue;
        const sum = checksum(type, name.slice(0, -'.rpm'.length), path);
        yield { checksum: sum, size: (await lstat(path)).size };
      }
    }
  }
}

async function foldersOf(path: string): Promise<string[]> {
  return (await entriesOf(path)).flatMap((e) => (e.isDirectory() ? [e.name] : [])).sort();
}

async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  }
}
