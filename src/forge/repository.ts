import type { Dirent } from 'node:fs';
import { constants, lstat, mkdir, open, readdir, readFile, readlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { codeOf, Fault } from '../base/fault.ts';
import { readSignedCommit, type SignedCommit } from './commit-signature.ts';
import { BOT, checkLine, checkTrailers, commitMessage } from './forge.ts';
import { type Git, gitFault, OBJECT_ID, openGit, withLocks } from './git.ts';
import { type History, openHistory } from './history.ts';
import { listTree } from './list-tree.ts';
import {
  checkPath,
  decodeText,
  parseIdentity,
  readBlobs,
  splitZero,
  writeCommit,
  writeTree,
} from './objects.ts';
import { treeChanges } from './path-changes.ts';
import {
  isAncestor,
  readBranch,
  readCommit,
  readLooseRef,
  readRefs,
  resolveCommit,
  updateRefs,
} from './refs.ts';
import { statOf, writeInto } from './write-file.ts';

export interface RepositoryFile {
  readonly text: string;
  /** As git writes it: 100644, 100755 (executable), 120000 (a link; the text is its target), 160000 (a submodule). */
  readonly mode: string;
}

export type Updated =
  | { readonly kind: 'updated'; readonly from: string; readonly to: string }
  | { readonly kind: 'current' | 'no-origin' | 'dirty' | 'diverged' | 'other-branch' };

/** A work clone, or a bare repository (which has no work tree to read or write). */
export interface Repository {
  /** The root of the work tree; of a bare one, its folder. */
  readonly root: string;
  readonly gitDir: string;
  readonly bare: boolean;
  /** The id of a commit. */
  resolve(rev: string): Promise<string>;
  history(rev?: string): Promise<History>;
  /** Those of one commit's message. */
  trailers(rev: string): Promise<readonly (readonly [string, string])[]>;
  /** A commit, and the signature on it. */
  signedCommit(rev: string): Promise<SignedCommit>;
  /** Ids of a commit's parents; main's first. */
  parents(rev: string): Promise<readonly string[]>;
  /** Where `origin` is, as git has it. */
  origin(): Promise<string | undefined>;
  /** All files below STATE_FOLDERS (or the folders named) at a commit or a tree. */
  readCommitted(rev: string, folders?: readonly string[]): Promise<Map<string, RepositoryFile>>;
  readWorkTree(folders?: readonly string[]): Promise<Map<string, RepositoryFile>>;
  /** Into the work tree; `null` deletes. Never through a link. */
  write(files: ReadonlyMap<string, string | null>): Promise<void>;
  /** Paths below the folders that differ from HEAD or that git does not know yet. */
  uncommitted(folders?: readonly string[]): Promise<string[]>;
  /** Fetches origin's main (unless that was done) and moves the clone's main forward to it, when nothing is in the way. */
  update(o?: { readonly fetched?: boolean }): Promise<Updated>;
}

const ORIGIN_MAIN = 'refs/remotes/origin/main';

/** What Sluice reads of a state repository. */
export const STATE_FOLDERS: readonly string[] = ['snapshots', 'policies', 'profiles', 'baselines', 'errata'];

/** From any folder inside a work tree, or a bare repository's own. */
export async function openRepository(dir: string): Promise<Repository> {
  const question = ['rev-parse', '--is-bare-repository', '--absolute-git-dir', '--show-toplevel'];
  const answer = await openGit(dir).attempt(question); // a bare one answers all but the last
  const [isBare, gitDir = '', toplevel] = answer.stdout.toString('utf8').split('\n');
  const bare = isBare === 'true';
  if (answer.status !== 0 && !bare) throw gitFault(dir, question, answer);
  const root = bare ? gitDir : (toplevel ?? '');
  const git = openGit(root);
  let asked: Promise<string | undefined> | undefined; // one command's: it does not change under it
  const origin = (): Promise<string | undefined> => {
    asked ??= originOf(git);
    return asked;
  };
  const needWorkTree = (): void => {
    if (bare)
      throw new Fault('USAGE', `${root} has no work tree`, { hint: 'Name a clone of it with --repo.' });
  };
  return {
    root,
    gitDir,
    bare,
    resolve: (rev) => resolveCommit(git, rev),
    history: (rev = 'HEAD') => openHistory(root, rev),
    trailers: async (rev) => (await readCommit(git, await resolveCommit(git, rev))).trailers,
    signedCommit: async (rev) => readSignedCommit(git, await resolveCommit(git, rev)),
    parents: async (rev) => (await readCommit(git, await resolveCommit(git, rev))).parents,
    origin,
    readCommitted: async (rev, folders = STATE_FOLDERS) =>
      readCommitted(git, await treeOf(git, rev), folders),
    async readWorkTree(folders = STATE_FOLDERS) {
      needWorkTree();
      return readWorkTree(root, folders);
    },
    async write(files) {
      needWorkTree();
      for (const path of files.keys()) checkPath(path);
      for (const [path, text] of files) await writeInto(root, path, text);
    },
    async uncommitted(folders = STATE_FOLDERS) {
      needWorkTree();
      return uncommitted(git, folders);
    },
    async update(o = {}) {
      needWorkTree();
      const url = await origin();
      return url === undefined ? { kind: 'no-origin' } : update(git, o.fetched ? undefined : url);
    },
  };
}

/** `git init -b main` and the first commit, as `by` (default: the bot) at `now`. Refuses a folder that has a repository. */
export async function createRepository(
  dir: string,
  o: {
    files: ReadonlyMap<string, string>;
    title: string;
    trailers?: readonly (readonly [string, string])[];
    by?: string;
    now: Date;
  },
): Promise<Repository> {
  checkLine('title', o.title);
  checkTrailers(o.trailers ?? []);
  const author = parseIdentity(o.by ?? BOT);
  await mkdir(dir, { recursive: true });
  const git = openGit(dir);
  if (await exists(join(dir, '.git'))) {
    throw new Fault('USAGE', `${dir} is a git repository already`, { hint: 'Name a new folder.', at: dir });
  }
  const clash = await firstExisting(dir, o.files.keys());
  if (clash)
    throw new Fault('USAGE', `${clash} is there already`, { hint: 'Name an empty folder.', at: dir });
  await git.run(['init', '--quiet', '--template=', '--initial-branch=main']);
  const tree = await writeTree(git, undefined, o.files);
  const message = commitMessage(o.title, o.trailers ?? []);
  const fields = { tree, parents: [], author, committer: author, authored: o.now, committed: o.now, message };
  const commit = await writeCommit(git, fields);
  await updateRefs(git, [{ ref: 'refs/heads/main', from: undefined, to: commit }], 'sluice init');
  await git.run(['reset', '--quiet', '--hard', commit]);
  return openRepository(dir);
}

async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

async function firstExisting(dir: string, paths: Iterable<string>): Promise<string | undefined> {
  for (const path of paths) if (await exists(join(dir, checkPath(path)))) return path;
  return undefined;
}

async function originOf(git: Git): Promise<string | undefined> {
  const found = await git.attempt(['config', '--local', '--get', 'remote.origin.url']);
  const url = found.stdout.toString('utf8').trim();
  if (url === '') return undefined;
  const path = url.startsWith('file://') ? decodeURIComponent(new URL(url).pathname) : url;
  return /^[a-z][a-z0-9+.-]*:\/\/|^[^/]+:/.test(path) ? url : resolve(git.dir, path);
}

async function treeOf(git: Git, rev: string): Promise<string> {
  return OBJECT_ID.test(rev) ? rev : resolveCommit(git, rev); // git takes either for the tree
}

async function readCommitted(
  git: Git,
  tree: string,
  folders: readonly string[],
): Promise<Map<string, RepositoryFile>> {
  const entries = [...(await listTree(git, tree, folders))].map(([path, { id, mode }]) => {
    const isCommit = mode === '160000'; // a submodule's is not here
    return { path, id, mode, text: isCommit ? '' : texts.get(id) };
  });
  const unread = entries.filter(({ text }) => text === undefined);
  const bytes = readBlobs(
    git,
    unread.map(({ id }) => id),
  );
  const files = new Map<string, RepositoryFile>();
  for (const { path, id, mode, text: known } of entries) {
    const text = known ?? decodeText((await bytes.next()).value?.bytes ?? Buffer.alloc(0), path);
    files.set(path, { text, mode });
    if (mode !== '160000') keepText(id, text);
  }
  return files;
}

/** By blob id, the one asked last at the end: base, head, merge and the next main of pull requests have most files in common. */
const texts = new Map<string, string>();
let charactersKept = 0;
const MOST_CHARACTERS = 48 << 20;

function keepText(id: string, text: string): void {
  if (text.length > MOST_CHARACTERS) return;
  if (!texts.delete(id)) charactersKept += text.length;
  texts.set(id, text);
  for (const [oldest, { length }] of texts) {
    if (charactersKept <= MOST_CHARACTERS) break;
    texts.delete(oldest);
    charactersKept -= length;
  }
}

async function readWorkTree(root: string, folders: readonly string[]): Promise<Map<string, RepositoryFile>> {
  const files = new Map<string, RepositoryFile>();
  const visit = async (
    path: string,
    entry: Pick<Dirent, 'isDirectory' | 'isFile' | 'isSymbolicLink'>,
  ): Promise<void> => {
    const full = join(root, path);
    if (entry.isSymbolicLink()) {
      files.set(path, { text: await readlink(full), mode: '120000' });
    } else if (entry.isDirectory()) {
      if (await exists(join(full, '.git'))) files.set(path, { text: '', mode: '160000' });
      else for (const child of await childrenOf(full, path)) await visit(`${path}/${child.name}`, child);
    } else if (entry.isFile()) {
      files.set(path, await readRegular(full, path));
    } else {
      throw new Fault('MANIFEST_INVALID', 'neither a file nor a folder', { hint: 'Remove it.', at: path });
    }
  };
  for (const folder of folders) {
    const found = await statOf(join(root, folder));
    if (found) await visit(folder, found);
  }
  return files;
}

/** In git's order (by the bytes of the name), so that both readers agree on which file complains first. */
async function childrenOf(full: string, path: string): Promise<Dirent[]> {
  const children = await readdir(full, { withFileTypes: true });
  const odd = children.find(({ name }) => name.includes('\ufffd'));
  if (odd)
    throw new Fault('UNSAFE_PATH', 'a file name is not UTF-8', {
      hint: 'Rename it.',
      at: `${path}/${odd.name}`,
    });
  const key = (child: Dirent): Buffer => Buffer.from(child.isDirectory() ? `${child.name}/` : child.name);
  return children.sort((a, b) => Buffer.compare(key(a), key(b)));
}

async function readRegular(full: string, path: string): Promise<RepositoryFile> {
  // a link that took the file's place since we looked is refused with ELOOP
  await using file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { mode } = await file.stat();
  return { text: decodeText(await file.readFile(), path), mode: mode & 0o100 ? '100755' : '100644' };
}

async function uncommitted(git: Git, folders: readonly string[]): Promise<string[]> {
  const args = [
    'status',
    '--porcelain=v1',
    '-z',
    '--no-renames',
    '--untracked-files=all',
    '--ignored=no',
    '--',
  ];
  return splitZero(await git.run([...args, ...folders])).map((line) => line.slice(3));
}

/** Fetches origin's main, unless it is a folder here whose main the clone has already. */
async function fetchMain(git: Git, origin: string): Promise<void> {
  const theirs = await readLooseRef(origin, 'refs/heads/main');
  if (theirs !== undefined && theirs === (await readLooseRef(git.dir, ORIGIN_MAIN))) return;
  const fetched = [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-recurse-submodules',
    '--no-write-fetch-head',
    'origin',
  ];
  const outcome = await withLocks(git, [...fetched, `+refs/heads/main:${ORIGIN_MAIN}`]);
  if (outcome.status !== 0) {
    throw new Fault('GIT', `origin's main cannot be fetched: ${outcome.stderr.trim().slice(0, 300)}`, {
      hint: 'Look at `git remote -v`.',
      at: git.dir,
    });
  }
}

async function update(git: Git, origin: string | undefined): Promise<Updated> {
  if (origin !== undefined) await fetchMain(git, origin);
  const refs = await readRefs(git, ['refs/heads/main', ORIGIN_MAIN]);
  const from = refs.get('refs/heads/main');
  const to = refs.get(ORIGIN_MAIN);
  const branch = await readBranch(git);
  if (from === undefined || to === undefined || branch !== 'refs/heads/main') return { kind: 'other-branch' };
  if (from === to) return { kind: 'current' };
  if (!(await isAncestor(git, from, to))) return { kind: 'diverged' };
  const changed = splitZero(
    await git.run(['status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=no']),
  );
  if (changed.length > 0) return finish(git, from, to, new Set(changed.map((line) => line.slice(3))));
  const moved = await withLocks(git, ['merge', '--quiet', '--ff-only', '--no-edit', to]);
  return moved.status === 0 ? { kind: 'updated', from, to } : { kind: 'dirty' }; // an untracked file in the way
}

/**
 * A move to origin's main that was cut off leaves files of it in the work tree. Where nothing else is changed (each of them
 * says what it is to say, or is just being replaced), the move is finished; else somebody is at work there.
 */
async function finish(git: Git, from: string, to: string, changed: ReadonlySet<string>): Promise<Updated> {
  const moving = await treeChanges(git, from, to);
  const paths = new Set(moving.map(({ path }) => path));
  for (const path of changed) if (!paths.has(path)) return { kind: 'dirty' };
  for (const { path, before, after } of moving) {
    if (!changed.has(path) && before !== undefined) continue; // not replaced yet
    const full = join(git.dir, path);
    const found = await lstat(full).catch((cause: unknown) => codeOf(cause));
    if (found === 'ENOENT') continue; // being replaced, or not there yet
    if (typeof found !== 'object' || !found.isFile()) return { kind: 'dirty' }; // something else is in its way
    const own = await git.text(['hash-object', '--no-filters', '--stdin'], { stdin: await readFile(full) });
    if (own !== after) return { kind: 'dirty' };
  }
  const moved = await withLocks(git, ['reset', '--quiet', '--hard', to]);
  return moved.status === 0 ? { kind: 'updated', from, to } : { kind: 'dirty' };
}
