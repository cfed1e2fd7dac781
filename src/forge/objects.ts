import { isUtf8 } from 'node:buffer';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault, malformed } from '../base/fault.ts';
import { BatchReader } from './batch-reader.ts';
import { checkLine } from './forge.ts';
import type { Git } from './git.ts';
import { checkSize, readObject } from './object-reader.ts';

/** Up to so many files are asked for one by one; more come out of a git of their own, which is there sooner with all of them. */
const FEW = 24;

/** The blobs of these ids: one at a time in memory. */
export async function* readBlobs(
  git: Git,
  ids: Iterable<string>,
): AsyncGenerator<{ id: string; bytes: Buffer }> {
  const wanted = [...ids];
  if (wanted.length > FEW) return yield* streamBlobs(git, wanted);
  for (const id of wanted) {
    const found = await readObject(git, id);
    if (found?.type !== 'blob') throw missing(git, id);
    yield { id, bytes: found.bytes };
  }
}

async function* streamBlobs(git: Git, wanted: readonly string[]): ReturnType<typeof readBlobs> {
  const batch = new BatchReader(
    git.stream(['cat-file', '--batch', '--buffer'], { stdin: `${wanted.join('\n')}\n` }),
  );
  try {
    for (const id of wanted) {
      const [found, type, size] = (await batch.line()).split(' ');
      if (type === 'missing' || found === undefined) throw missing(git, id);
      const length = Number(size);
      checkSize(git, id, length);
      const bytes = await batch.bytes(length);
      await batch.bytes(1); // the line end after each object
      if (type !== 'blob') throw missing(git, id);
      yield { id, bytes };
    }
  } finally {
    await batch.end();
  }
}

export function missing(git: Git, id: string): Fault {
  return new Fault('GIT', `the repository has no file of id ${id}`, {
    hint: 'Run `git fsck`; fetch again.',
    at: git.dir,
  });
}

/** Text of a file that people or we write: UTF-8, or a Fault that names it. */
export function decodeText(bytes: Buffer, path: string): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd') || isUtf8(bytes)) return text;
  throw new Fault('MANIFEST_INVALID', 'the file is not UTF-8', { hint: 'Save it as UTF-8.', at: path });
}

/** The fields of a `-z` output. A path that is not UTF-8 is nobody's here. */
export function splitZero(bytes: Buffer): string[] {
  const text = bytes.toString('utf8');
  if (text.includes('\ufffd')) {
    const path = text.split('\0').find((field) => field.includes('\ufffd'));
    throw notUtf8(path);
  }
  const fields = text.split('\0');
  if (fields.at(-1) === '') fields.pop();
  return fields;
}

export function notUtf8(path: string | undefined): Fault {
  return new Fault('UNSAFE_PATH', 'a path in the repository is not UTF-8', {
    hint: 'Rename that file.',
    at: path,
  });
}

/** A path that may be written: relative, inside, and not git's own. Returns it. */
export function checkPath(path: string): string {
  const bad = path
    .split('/')
    .some(
      (s) => s === '' || s === '.' || s === '..' || /^\.git$/i.test(s) || s.length > 255 || /[ .]$/.test(s),
    );
  if (bad || path.length > 1024 || /[\u0000-\u001f\u007f\\:]/.test(path) || !path.isWellFormed()) {
    throw new Fault(
      'UNSAFE_PATH',
      `${JSON.stringify(path.slice(0, 100))} is not a path inside the repository`,
      {
        hint: 'Name a file below snapshots/ or policies/.',
      },
    );
  }
  return path;
}

/** The tree of `base` (`undefined`: an empty one) with these files put in or, by `null`, taken out. Writes objects only. */
export async function writeTree(
  git: Git,
  base: string | undefined,
  files: ReadonlyMap<string, string | Buffer | null>,
): Promise<string> {
  for (const path of files.keys()) checkPath(path);
  return withIndex(async (env, folder) => {
    const added = [...files].flatMap(([path, text]) => (text === null ? [] : [{ path, text }]));
    const ids = await writeBlobs(git, folder, added);
    const removed = [...files].filter(([, text]) => text === null).map(([path]) => path);
    const lines = [
      ...removed.map((path) => `0 ${'0'.repeat(base?.length ?? 40)}\t${path}\0`),
      ...added.map(({ path }, i) => `100644 ${ids[i]}\t${path}\0`),
    ];
    if (base !== undefined) await git.run(['read-tree', base], { env });
    await git.run(['update-index', '-z', '--index-info'], { env, stdin: lines.join('') });
    return git.text(['write-tree'], { env });
  });
}

/** An index of its own, outside of the repository, for one piece of work. */
export async function withIndex<T>(
  work: (env: { GIT_INDEX_FILE: string }, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-index-'));
  try {
    return await work({ GIT_INDEX_FILE: join(folder, 'index') }, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** All by one git, which takes them from files. */
async function writeBlobs(
  git: Git,
  folder: string,
  texts: readonly { readonly text: string | Buffer }[],
): Promise<string[]> {
  const paths: string[] = [];
  for (const { text } of texts) {
    const path = join(folder, `blob-${paths.length}`);
    await writeFile(path, text);
    paths.push(path);
  }
  if (paths.length === 0) return [];
  const args = ['hash-object', '-w', '-t', 'blob', '--no-filters', '--stdin-paths'];
  return (await git.text(args, { stdin: paths.map((path) => `${path}\n`).join('') })).split('\n');
}

export interface Identity {
  readonly name: string;
  readonly email: string;
}

/** `Anna <anna@example.org>`, or a bare name, which gets an address at localhost. */
export function parseIdentity(text: string): Identity {
  const [, name = '', email] = /^([^<>]+?)(?:\s*<([^<>\s]+)>)?$/.exec(text) ?? [];
  // git drops these from both ends of a name, and fails when nothing is left
  checkLine('person', text);
  if (text.length > 200 || !/[^\s.,:;<>"\\']/.test(name)) {
    throw malformed('person (`Name <address>`)', text);
  }
  return {
    name,
    email:
      email ??
      `${
        name
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '.')
          .replace(/^\.|\.$/g, '') || 'user'
      }@localhost`,
  };
}

/** Whole seconds, as git counts. */
export function gitSeconds(date: Date): number {
  const seconds = Math.floor(date.getTime() / 1000);
  if (!(seconds >= 0)) throw malformed('time of a commit', String(date));
  return seconds;
}

export interface CommitFields {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Identity;
  readonly committer: Identity;
  readonly authored: Date;
  readonly committed: Date;
  readonly message: string;
}

export async function writeCommit(git: Git, commit: CommitFields): Promise<string> {
  const parents = commit.parents.flatMap((parent) => ['-p', parent]);
  const env = {
    GIT_AUTHOR_NAME: commit.author.name,
    GIT_AUTHOR_EMAIL: commit.author.email,
    GIT_AUTHOR_DATE: `@${gitSeconds(commit.authored)} +0000`,
    GIT_COMMITTER_NAME: commit.committer.name,
    GIT_COMMITTER_EMAIL: commit.committer.email,
    GIT_COMMITTER_DATE: `@${gitSeconds(commit.committed)} +0000`,
  };
  return git.text(['commit-tree', commit.tree, ...parents], { env, stdin: commit.message });
}
