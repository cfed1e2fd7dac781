import type { Git } from './git.ts';
import type { ChainCommit, Period, Stay, Window } from './history.ts';
import { listTree } from './list-tree.ts';
import { Listing } from './lock-lines.ts';
import { readBlobs } from './objects.ts';
import { pathChanges } from './path-changes.ts';

/** What a lock said from `from` on; `from` is absent for what stood there before the window. */
export interface Version {
  readonly blob: string | undefined;
  readonly from: ChainCommit | undefined;
}

/** The versions of a file in a window, the newest first, down to what stood there at its start. */
export async function versions(git: Git, path: string, window: Window): Promise<Version[]> {
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

/** The versions' bytes, one after the other; no file is an empty one. */
export async function* contents(
  git: Git,
  all: readonly Version[],
): AsyncGenerator<{ version: Version; lock: Buffer }> {
  const blobs = readBlobs(
    git,
    all.flatMap(({ blob }) => blob ?? []),
  );
  try {
    for (const version of all) {
      const bytes = version.blob === undefined ? undefined : (await blobs.next()).value?.bytes;
      yield { version, lock: bytes ?? Buffer.alloc(0) };
    }
  } finally {
    await blobs.return(undefined);
  }
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
  const result = new Map<string, Stay>();
  const listing = new Listing();
  let standing: Set<string> | undefined; // in every version so far, from the newest back
  let later: ChainCommit | undefined; // what brought the version after the one in hand
  for await (const { version, lock } of contents(git, await versions(git, path, window))) {
    if (later && lock.length === 0) break; // nothing was there before: all that stands came with the later one
    const touched = [...listing.moveTo(lock).keys()];
    standing ??= new Set(touched.filter((checksum) => listing.is(checksum, state)));
    for (const checksum of touched) {
      if (!later || listing.is(checksum, state) || !standing.delete(checksum)) continue;
      result.set(checksum, { began: later.time, exact: true });
    }
    if (standing.size === 0) return result;
    later = version.from;
  }
  const oldest = later ?? window.boundary; // without a commit that brought it, it stood there at the window's start
  if (!oldest) return result;
  const exact = later !== undefined;
  for (const checksum of standing ?? []) result.set(checksum, { began: oldest.time, exact });
  return result;
}

/** Every stay that any build ever had in a lock, the oldest first. */
export async function periods(
  git: Git,
  path: string,
  window: Window,
): Promise<ReadonlyMap<string, readonly Period[]>> {
  const oldestFirst = (await versions(git, path, window)).reverse();
  const all = new Map<string, Period[]>();
  const listing = new Listing();
  for await (const { version, lock } of contents(git, oldestFirst)) {
    const touched = listing.moveTo(lock);
    if (!version.from) continue; // nothing stood there before the root
    for (const [checksum, { nevra }] of touched) {
      const known = all.get(checksum) ?? [];
      const last = known.at(-1);
      const stands = last !== undefined && last.until === undefined;
      if (listing.is(checksum, 'listed') === stands) continue;
      if (stands) known[known.length - 1] = { ...last, until: version.from };
      else known.push({ nevra, from: version.from });
      all.set(checksum, known);
    }
  }
  return all;
}
