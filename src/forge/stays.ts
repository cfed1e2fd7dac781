import type { Git } from './git.ts';
import type { ChainCommit, Period, Stay, Window } from './history.ts';
import { eachLockLine } from './lock-lines.ts';
import { listTree, readBlobs } from './objects.ts';
import { pathChanges } from './path-changes.ts';

/** What a lock said from `from` on; `from` is absent for what stood there before the window. */
interface Version {
  readonly blob: string | undefined;
  readonly from: ChainCommit | undefined;
}

/** The versions of a file in a window, the newest first, down to what stood there at its start. */
async function versions(git: Git, path: string, window: Window): Promise<Version[]> {
  const changes = await pathChanges(git, [path], window);
  const own = changes.flatMap(({ id, time, changed }) =>
    changed.filter((change) => change.path === path).map((change) => ({ ...change, from: { id, time } })),
  );
  const versions: Version[] = own.map(({ after, from }) => ({ blob: after, from }));
  const oldest = own.at(-1);
  if (oldest) versions.push({ blob: oldest.before, from: undefined });
  else versions.push({ blob: await blobAt(git, path, window.tip.id), from: undefined });
  return versions;
}

async function blobAt(git: Git, path: string, commit: string): Promise<string | undefined> {
  const entry = (await listTree(git, commit, [path])).get(path);
  return entry?.mode.startsWith('100') ? entry.id : undefined;
}

/**
 * Since when each build that the tip lists (or has marked withdrawn) has been so, without a break. By checksum: another
 * record id, another place in the file or another name of the same bytes is no break.
 */
export async function stays(
  git: Git,
  path: string,
  window: Window,
  state: 'listed' | 'withdrawn',
): Promise<ReadonlyMap<string, Stay>> {
  const all = await versions(git, path, window);
  const result = new Map<string, Stay>();
  if (all[0]?.blob === undefined) return result;
  const gap = all.findIndex(({ blob }) => blob === undefined); // no file: nobody stayed through it
  const read = gap < 0 ? all : all.slice(0, gap);

  let standing: Set<string> | undefined; // in every version so far
  let later: Version | undefined; // the version that came after the one in hand
  let next = 0;
  for await (const { bytes } of readBlobs(
    git,
    read.flatMap(({ blob }) => blob ?? []),
  )) {
    const there = inState(bytes, state);
    standing ??= new Set(there);
    for (const checksum of standing) {
      if (there.has(checksum) || !later?.from) continue;
      standing.delete(checksum);
      result.set(checksum, { began: later.from.time, exact: true });
    }
    if (standing.size === 0) break;
    later = read[next++];
  }
  const first = read.at(-1)?.from;
  const oldest = first ?? window.boundary; // without a commit that brought it, it stood there at the window's start
  if (!oldest) return result;
  for (const checksum of standing ?? [])
    result.set(checksum, { began: oldest.time, exact: first !== undefined });
  return result;
}

/** A checksum with two lines, one of them marked, is listed. */
function inState(lock: Buffer, state: 'listed' | 'withdrawn'): Set<string> {
  const listed = new Set<string>();
  const withdrawn = new Set<string>();
  eachLockLine(lock, (checksum, marked) => {
    (marked ? withdrawn : listed).add(checksum);
  });
  return state === 'listed' ? listed : withdrawn.difference(listed);
}

/** Every stay that any build ever had in a lock, the oldest first. */
export async function periods(
  git: Git,
  path: string,
  window: Window,
): Promise<ReadonlyMap<string, readonly Period[]>> {
  const oldestFirst = (await versions(git, path, window)).reverse();
  const all = new Map<string, Period[]>();
  let standing = new Map<string, Period>();
  const close = (open: ReadonlyMap<string, Period>, until: ChainCommit): void => {
    for (const [checksum, period] of open) {
      const list = all.get(checksum);
      if (list) list[list.length - 1] = { ...period, until };
    }
  };
  const blobs = readBlobs(
    git,
    oldestFirst.flatMap(({ blob }) => blob ?? []),
  );
  for (const { blob, from } of oldestFirst) {
    if (blob === undefined || from === undefined) {
      if (from) close(standing, from);
      standing = new Map();
      continue;
    }
    const { value } = await blobs.next();
    const now = new Map<string, Period>();
    eachLockLine(value?.bytes ?? Buffer.alloc(0), (checksum, withdrawn, text, start, nevraEnd) => {
      if (withdrawn || now.has(checksum)) return;
      const known = standing.get(checksum);
      const period = known ?? { nevra: text.slice(start, nevraEnd), from };
      now.set(checksum, period);
      if (known) standing.delete(checksum);
      else all.set(checksum, [...(all.get(checksum) ?? []), period]);
    });
    close(standing, from); // what this version no longer lists
    standing = now;
  }
  return all;
}
