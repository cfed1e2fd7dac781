import { Fault, quote } from '../base/fault.ts';
import { type Git, OBJECT_ID, openGit } from './git.ts';
import { lastListed } from './last-listed.ts';
import { listTree, type TreeEntry } from './list-tree.ts';
import { decodeText, readBlobs } from './objects.ts';
import { pathChanges } from './path-changes.ts';
import { isShallow, resolveCommit } from './refs.ts';
import { periods, stays } from './stays.ts';

export interface ChainCommit {
  readonly id: string;
  /** The latest committer date on the first-parent chain up to it. */
  readonly time: Date;
}

export interface Stay {
  readonly began: Date;
  /** False: it stood there at the start of the window already, so it began then or earlier. */
  readonly exact: boolean;
}

export interface Period {
  readonly nevra: string;
  readonly from: ChainCommit;
  /** The commit that took it out or marked it withdrawn; absent while it stands there. */
  readonly until?: ChainCommit;
}

export interface PathChange extends ChainCommit {
  /** Blob ids of the paths that this commit changed; `undefined`: there was, or is, no such regular file. */
  readonly changed: readonly { path: string; before: string | undefined; after: string | undefined }[];
}

/** The history of main up to one commit: what each file said, and since when. DESIGN 3, Time: it is the clock. */
export interface History {
  readonly dir: string;
  readonly commit: string;
  /** The first-parent chain, the newest first. */
  readonly chain: readonly ChainCommit[];
  /** The time of a commit of the chain; NOT_FOUND for any other. */
  timeOf(id: string): Date;
  /** The newest commit of the chain that is not later than `time`. */
  commitAt(time: Date): ChainCommit | undefined;
  /** HISTORY_REFUSED unless `previousTip` is on the chain. */
  acceptTip(previousTip: string): void;
  /** Text of a regular file; at another commit or tree, where one is named. */
  read(path: string, commit?: string): Promise<string | undefined>;
  readMany(paths: readonly string[], commit?: string): Promise<Map<string, string>>;
  /** Paths of all files below a folder (or the file itself); '' is the root. */
  list(prefix: string, commit?: string): Promise<string[]>;
  /** The same with modes and blob ids. */
  entries(prefix: string, commit?: string): Promise<Map<string, TreeEntry>>;
  /**
   * By checksum (`sha256:hex`): since when each build of the lock stands there unbroken and not withdrawn. With `since`
   * only commits after it are read. `at`: another commit of the chain than the tip.
   */
  stays(lockPath: string, since: Date | undefined, o?: { at?: string }): Promise<ReadonlyMap<string, Stay>>;
  /** By checksum: since when each build that is marked withdrawn is. */
  withdrawals(
    lockPath: string,
    since: Date | undefined,
    o?: { at?: string },
  ): Promise<ReadonlyMap<string, Stay>>;
  /** By checksum: every stay that a build ever had, the oldest first. Reads the whole history, once. */
  seenAt(lockPath: string): Promise<ReadonlyMap<string, readonly Period[]>>;
  /** Of builds, as `<nevra> <checksum>`: which a lock ever listed, and the commit that brought the newest version that did. */
  lastListed(lockPath: string, builds: ReadonlySet<string>): Promise<ReadonlyMap<string, ChainCommit>>;
  /** First-parent commits that touched any of the paths (files or folders), the newest first. */
  pathChanges(
    paths: readonly string[],
    o?: { at?: string; since?: Date; limit?: number },
  ): Promise<PathChange[]>;
}

/** NOT_FOUND without such a commit; HISTORY_REFUSED in a shallow clone, where beginnings would be cut off. */
export async function openHistory(dir: string, rev: string): Promise<History> {
  const git = openGit(dir);
  const commit = await resolveCommit(git, rev);
  await refuseShallow(git);
  const chain = await readChain(git, commit);
  const position = new Map(chain.map(({ id }, i) => [id, i]));

  const positionOf = (id: string): number => {
    const found = position.get(id);
    if (found !== undefined) return found;
    throw new Fault('NOT_FOUND', `commit ${quote(id)} is not on the first-parent chain of ${commit}`, {
      hint: 'Name a commit of main.',
      at: dir,
    });
  };
  /** The chain from `at` back to the commit that says what stood there at `since` (or to the root). */
  const windowOf = (since: Date | undefined, at = commit): Window => {
    const from = positionOf(at);
    const start = since === undefined ? -1 : chain.findIndex(({ time }, i) => i >= from && time <= since);
    return { tip: chain[from] as ChainCommit, boundary: chain[start], timeOf: (id) => chainAt(id) };
  };
  const chainAt = (id: string): ChainCommit => chain[positionOf(id)] as ChainCommit;
  const treeish = async (rev: string | undefined): Promise<string> =>
    rev === undefined ? commit : OBJECT_ID.test(rev) ? rev : resolveCommit(git, rev);
  const readMany = async (paths: readonly string[], at?: string): Promise<Map<string, string>> => {
    if (paths.length === 0) return new Map();
    const wanted = new Set(paths);
    const entries = await listTree(git, await treeish(at), paths);
    return readTexts(
      git,
      [...entries].filter(([path]) => wanted.has(path)),
    );
  };
  const seen = new Map<string, Promise<ReadonlyMap<string, readonly Period[]>>>();

  return {
    dir,
    commit,
    chain,
    timeOf: (id) => chainAt(id).time,
    commitAt: (time) => chain.find((c) => c.time <= time),
    acceptTip(previous) {
      if (position.has(previous)) return;
      throw new Fault(
        'HISTORY_REFUSED',
        `main (${commit.slice(0, 12)}) lost ${previous.slice(0, 12)}, its tip before`,
        {
          hint: 'Find out who rewrote main and restore it; nothing was changed.',
          at: dir,
        },
      );
    },
    read: async (path, at) => (await readMany([path], at)).get(path),
    readMany,
    list: async (prefix, at) => [...(await listTree(git, await treeish(at), [prefix])).keys()],
    entries: async (prefix, at) => listTree(git, await treeish(at), [prefix]),
    stays: async (path, since, o) => stays(git, path, windowOf(since, o?.at), 'listed'),
    withdrawals: async (path, since, o) => stays(git, path, windowOf(since, o?.at), 'withdrawn'),
    seenAt(path) {
      const known = seen.get(path) ?? periods(git, path, windowOf(undefined));
      seen.set(path, known);
      return known;
    },
    lastListed: async (path, builds) => lastListed(git, path, windowOf(undefined), builds),
    pathChanges: async (paths, o) => pathChanges(git, paths, windowOf(o?.since, o?.at), o?.limit),
  };
}

/** A part of the chain: from `tip` back to `boundary` (not read itself), or to the root. */
export interface Window {
  readonly tip: ChainCommit;
  readonly boundary: ChainCommit | undefined;
  readonly timeOf: (id: string) => ChainCommit;
}

async function refuseShallow(git: Git): Promise<void> {
  if (!(await isShallow(git))) return;
  throw new Fault('HISTORY_REFUSED', 'the clone is shallow, so it cannot say since when a build is there', {
    hint: 'Run `git fetch --unshallow`; in a workflow, set `fetch-depth: 0`.',
    at: git.dir,
  });
}

async function readChain(git: Git, commit: string): Promise<ChainCommit[]> {
  const listed = await git.known(['rev-list', '--first-parent', '--timestamp', '--end-of-options', commit]);
  const oldestFirst = listed.toString('latin1').trimEnd().split('\n').reverse();
  let latest = Number.NEGATIVE_INFINITY;
  const chain = oldestFirst.map((line): ChainCommit => {
    const [seconds = '', id = ''] = line.split(' ');
    latest = Math.max(latest, Number(seconds) * 1000);
    const time = new Date(latest);
    if (OBJECT_ID.test(id) && !Number.isNaN(time.getTime())) return { id, time };
    throw new Fault('HISTORY_REFUSED', `commit ${id} has no date that can be read`, {
      hint: 'Find out who wrote that commit; main must have only commits that the forge makes.',
      at: git.dir,
    });
  });
  return chain.reverse();
}

async function readTexts(
  git: Git,
  entries: readonly (readonly [string, TreeEntry])[],
): Promise<Map<string, string>> {
  for (const [path, { mode }] of entries) {
    if (mode.startsWith('100')) continue;
    throw new Fault('MANIFEST_INVALID', 'not a regular file (a link, or a submodule)', {
      hint: 'Replace it by the file itself.',
      at: path,
    });
  }
  const texts = new Map<string, string>();
  let next = 0;
  for await (const { bytes } of readBlobs(
    git,
    entries.map(([, { id }]) => id),
  )) {
    const path = entries[next++]?.[0] ?? '';
    texts.set(path, decodeText(bytes, path));
  }
  return texts;
}
