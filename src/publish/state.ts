import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import { isCommitId, type Layout, layoutOf } from './layout.ts';

/** An earlier tree of a repository, and when clients were switched away from it. */
export interface EarlierTree {
  readonly revision: string;
  /** ISO 8601. */
  readonly until: string;
}

/**
 * What is known of one repository's publication: derived from the disk and from git, so that losing it costs time
 * and the length of a grace, and nothing else.
 */
export interface RepositoryState {
  readonly format: 1;
  /** Absent once the repository is gone from main. */
  readonly current?: {
    readonly revision: string;
    /** In seconds. */
    readonly timestamp: number;
    readonly since: string;
    /** The commit of main at which this was the revision. */
    readonly commit: string;
    /** `Content.key`. */
    readonly key: string;
    /** Blob ids that gave the content. */
    readonly inputs: string;
    /** Who compressed it. */
    readonly codec: string;
    /** Of repomd.xml, a sha256 in hex. */
    readonly repomd: string;
    /** Change times of the folders when all was as it must be. */
    readonly seen: string;
    readonly frames: readonly string[];
  };
  readonly earlier: readonly EarlierTree[];
}

export async function readState(layout: Layout, id: string): Promise<RepositoryState> {
  const state = await readJson(layout.state(id));
  if (isState(state)) return state;
  return { format: 1, earlier: [] };
}

export async function writeState(layout: Layout, id: string, state: RepositoryState): Promise<void> {
  await writeFileAtomic(layout.state(id), `${JSON.stringify(state)}\n`, { mirrorRoot: layout.root });
}

/** Repositories that a state is kept of. */
export async function knownIds(layout: Layout): Promise<string[]> {
  const names = await entriesOf(layout.stateFolder);
  return names.flatMap((name) => (name.endsWith('.json') ? [basename(name, '.json')] : []));
}

/** The commit of main that was published last, and the repositories that could not be. */
export interface PublishedTip {
  readonly commit: string;
  readonly failed: readonly string[];
  /** sha256 of the signature of its statement, the empty word where nobody signs; absent until both are there. */
  readonly statement?: string;
}

/** Undefined on a new mirror. */
export async function readTip(layout: Layout): Promise<PublishedTip | undefined> {
  const tip = (await readJson(layout.tip)) as Partial<PublishedTip> | undefined;
  if (typeof tip?.commit !== 'string' || !isCommitId(tip.commit)) return undefined;
  const { statement } = tip;
  return {
    commit: tip.commit,
    failed: Array.isArray(tip.failed) ? tip.failed : [],
    ...(typeof statement === 'string' ? { statement } : {}),
  };
}

/** Main's commit that was published last; undefined: none was. */
export async function publishedCommit(mirror: string): Promise<string | undefined> {
  return (await readTip(layoutOf(mirror)))?.commit;
}

export async function writeTip(layout: Layout, tip: PublishedTip, now: Date): Promise<void> {
  await writeFileAtomic(layout.tip, `${JSON.stringify({ ...tip, at: now.toISOString() })}\n`, {
    mirrorRoot: layout.root,
  });
}

/** The revision that a symlink to a tree names; undefined where there is none, or something else. */
export async function revisionAt(link: string): Promise<string | undefined> {
  try {
    const revision = basename(await readlink(link));
    return isCommitId(revision) ? revision : undefined;
  } catch (cause) {
    if (['ENOENT', 'EINVAL', 'ENOTDIR'].includes(codeOf(cause) ?? '')) return undefined;
    throw cause;
  }
}

/**
 * Adds to the earlier trees what the disk has and the state does not know: a run that was killed after it switched,
 * or a state that was lost. Their grace begins now, which is never too early.
 */
export async function adoptTrees(
  layout: Layout,
  id: string,
  state: RepositoryState,
  now: Date,
): Promise<RepositoryState> {
  const known = new Set([state.current?.revision, ...state.earlier.map((tree) => tree.revision)]);
  const found = (await entriesOf(layout.trees(id))).filter((name) => isCommitId(name) && !known.has(name));
  const until = now.toISOString();
  return { ...state, earlier: [...state.earlier, ...found.map((revision) => ({ revision, until }))] };
}

/** Change times in nanoseconds: a name that came or went since then shows in them. */
export async function seenOf(folders: readonly string[]): Promise<string> {
  const times = folders.map(async (folder) => {
    try {
      const { mtimeNs, ino } = await lstat(folder, { bigint: true });
      return `${ino}:${mtimeNs}`;
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return '-';
      throw cause;
    }
  });
  return (await Promise.all(times)).join(' ');
}

export async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || cause instanceof SyntaxError) return undefined; // derived: as good as none
    throw cause;
  }
}

function isState(value: unknown): value is RepositoryState {
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== 1) return false;
  if (!('earlier' in value) || !Array.isArray(value.earlier)) return false;
  const current = 'current' in value ? value.current : undefined;
  return current === undefined || (typeof current === 'object' && current !== null && 'frames' in current);
}
