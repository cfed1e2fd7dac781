import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { codeOf, Fault } from '../base/fault.ts';
import { onDisk } from './disk-fault.ts';
import { hasEnded, ownMark } from './lock.ts';

export { lockMirror, lockPulls, lockWorkTree, type MirrorLock } from './lock.ts';

/** Unfinished downloads are taken up again for this long, then they are leftovers like any other. */
const PARTIAL_MS = 7 * 86_400_000;

/** `<mirror>/tmp`: on the pool's own file system, so that a rename out of it is one step. */
export function temporaryFolder(mirrorRoot: string): string {
  return join(mirrorRoot, 'tmp');
}

/** A name in `<mirror>/tmp` that nobody else has, and that says whose it is; the folder exists afterwards. */
export async function temporaryPath(mirrorRoot: string): Promise<string> {
  const folder = temporaryFolder(mirrorRoot);
  await mkdirp(folder);
  return join(folder, `${await ownMark()}.${randomUUID()}`);
}

/**
 * What killed runs left behind. A run that lives (a sync takes hours and does not hold the mirror's lock) keeps its own; what
 * another host or container began is left alone for as long as an unfinished download.
 */
export async function sweepTemporary(mirrorRoot: string, now: Date): Promise<{ removed: number }> {
  const folder = temporaryFolder(mirrorRoot);
  let removed = 0;
  for (const entry of await entriesOf(folder)) {
    if (entry === 'partial') continue;
    const path = join(folder, entry);
    const ended = await hasEnded(entry.split('.')[0] ?? '');
    if (ended === 'no' || (ended === 'unknown' && (await ageOf(path, now)) < PARTIAL_MS)) continue;
    await onDisk('removing', path, () => rm(path, { recursive: true, force: true }));
    removed += 1;
  }
  for (const entry of await entriesOf(join(folder, 'partial'))) {
    const path = join(folder, 'partial', entry);
    if ((await ageOf(path, now)) < PARTIAL_MS) continue;
    await onDisk('removing', path, () => rm(path, { recursive: true, force: true }));
    removed += 1;
  }
  return { removed };
}

/** In milliseconds; what went meanwhile is as old as can be. */
async function ageOf(path: string, now: Date): Promise<number> {
  try {
    return now.getTime() - (await stat(path)).mtimeMs;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw cause;
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  }
}

/** Names survive a power cut only once their folder is synced (fsync(2)). */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

/** `mkdir -p`; every folder that is new is synced into its parent. */
export async function mkdirp(path: string): Promise<void> {
  await onDisk('making a folder', path, async () => {
    const first = await mkdirReporting(path);
    if (first === undefined) return;
    const top = dirname(resolve(first));
    for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === top || folder === dirname(folder)) return;
    }
  });
}

/** On a read-only disk Node's recursive mkdir says ENOENT; the plain one of the first missing folder tells. */
async function mkdirReporting(path: string): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true });
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause;
    let missing = resolve(path);
    while (dirname(missing) !== missing && !(await exists(dirname(missing)))) missing = dirname(missing);
    await mkdir(missing);
    return (await mkdir(path, { recursive: true })) === undefined ? missing : missing;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * The whole file or the old one, never a part, also after a power cut. `mirrorRoot`: the mirror that the file is in, whose next
 * run sweeps what a killed one left; without it the temporary stands beside the file.
 */
export async function writeFileAtomic(
  path: string,
  bytes: Buffer | string,
  o: { mode?: number; mirrorRoot?: string } = {},
): Promise<void> {
  await mkdirp(dirname(path));
  const next = await temporaryFor(path, o.mirrorRoot);
  await onDisk('writing', path, async () => {
    try {
      await writeSynced(next, bytes, o.mode ?? 0o644);
      await rename(next, path);
    } catch (cause) {
      await rm(next, { force: true });
      throw cause;
    }
    await syncFolder(dirname(path));
  });
}

async function writeSynced(path: string, bytes: Buffer | string, mode: number): Promise<void> {
  await using file = await open(path, 'wx', mode);
  await file.writeFile(bytes);
  await file.chmod(mode); // whatever the umask says
  await file.sync();
}

/** On the same file system as `path`, so that a rename is one step. */
async function temporaryFor(path: string, mirrorRoot: string | undefined): Promise<string> {
  return mirrorRoot === undefined ? `${path}.${randomUUID()}.sluice-tmp` : await temporaryPath(mirrorRoot);
}

/**
 * Points the symlink `name` at `target` in one step: readers see the old tree or the new, never none. `mirrorRoot` as for
 * `writeFileAtomic`: no leftover of a killed run is ever served.
 */
export async function pointAt(name: string, target: string, o: { mirrorRoot?: string } = {}): Promise<void> {
  await mkdirp(dirname(name));
  const next = await temporaryFor(name, o.mirrorRoot);
  await onDisk('switching', name, async () => {
    await symlink(relative(dirname(name), target) || '.', next);
    try {
      await rename(next, name); // fails with EISDIR on a real folder: we refuse, we do not repair
    } catch (cause) {
      await rm(next, { force: true });
      if (codeOf(cause) !== 'EISDIR') throw cause;
      throw new Fault('POOL_CONFLICT', `${name} is a folder, not a symlink`, {
        hint: 'Move it away, then run it again.',
        at: name,
        cause,
      });
    }
    await syncFolder(dirname(name));
  });
}

/** Moves a synced file to its final name and makes the name last. */
export async function renameSynced(from: string, to: string): Promise<void> {
  await mkdirp(dirname(to));
  await onDisk('moving into place', to, async () => {
    await rename(from, to);
    await syncFolder(dirname(to));
  });
}

const CHUNK_BYTES = 1 << 20;

/** A file's bytes in pieces; a symlink in its place is an error (ELOOP). Half the cost of a stream for small files. */
export async function* readChunks(path: string): AsyncIterable<Buffer> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let left = (await file.stat()).size;
  for (;;) {
    const length = Math.max(1, Math.min(left, CHUNK_BYTES)); // the last one finds the end, or what was added since
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length);
    if (bytesRead === 0) return;
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
