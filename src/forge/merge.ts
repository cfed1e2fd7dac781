import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../base/fault.ts';
import { type Git, gitFault, OBJECT_ID } from './git.ts';
import { readBlobs, splitZero, withIndex } from './objects.ts';
import { readCommit } from './refs.ts';

/** The files of one path: what both started from, ours and theirs. */
type Sides = readonly [Side | undefined, Side | undefined, Side | undefined];

interface Side {
  readonly mode: string;
  readonly id: string;
}

/**
 * Merges two commits three ways, path by path, as text, without a work tree. `conflicts`: the paths that do not merge.
 * Not `git merge-tree --write-tree`: that follows renames whatever `merge.renames` says (2.39), and a manifest that one
 * side moved to another tier must not take along what the other side changed.
 */
export async function mergeCommits(git: Git, ours: string, theirs: string): Promise<Merged> {
  const key = `${git.dir} ${ours} ${theirs}`;
  if (last?.key !== key) last = { key, merged: await merge(git, ours, theirs) };
  return last.merged;
}

export interface Merged {
  readonly tree: string;
  readonly conflicts: readonly string[];
}

/** A merge is judged first and made then, from the same two commits. */
let last: { readonly key: string; readonly merged: Merged } | undefined;

async function merge(git: Git, ours: string, theirs: string): Promise<Merged> {
  const base = await mergeBase(git, ours, theirs);
  if (base === ours) return { tree: (await readCommit(git, theirs)).tree, conflicts: [] };
  return withIndex(async (env, folder) => {
    // no work tree is touched: -i; --aggressive: a file that one side took out and the other left alone is out
    await git.run(['read-tree', '-i', '-m', '--aggressive', base, ours, theirs], { env });
    const conflicts: string[] = [];
    const merged: string[] = [];
    for (const [path, sides] of await unmerged(git, env)) {
      const id = await mergeTexts(git, sides, folder);
      if (id === undefined) conflicts.push(path);
      else merged.push(`0 ${'0'.repeat(id.length)}\t${path}\0`, `${sides[1]?.mode} ${id}\t${path}\0`);
    }
    if (conflicts.length > 0) return { tree: '', conflicts };
    if (merged.length > 0) {
      await git.run(['update-index', '-z', '--index-info'], { env, stdin: merged.join('') });
    }
    const written = await git.attempt(['write-tree'], { env });
    // a file on one side where the other has a folder
    const both = [...written.stderr.matchAll(/You have both (.+) and (.+)/g)].map(([, file = '']) => file);
    if (both.length > 0) return { tree: '', conflicts: both };
    if (written.status !== 0) throw gitFault(git.dir, ['write-tree'], written);
    return { tree: written.stdout.toString('utf8').trim(), conflicts };
  });
}

async function unmerged(git: Git, env: { GIT_INDEX_FILE: string }): Promise<Map<string, Sides>> {
  const paths = new Map<string, [Side | undefined, Side | undefined, Side | undefined]>();
  for (const line of splitZero(await git.run(['ls-files', '--unmerged', '-z'], { env }))) {
    const [, mode = '', id = '', stage = '', path = ''] =
      /^(\d{6}) ([0-9a-f]+) ([123])\t(.*)$/s.exec(line) ?? [];
    const sides = paths.get(path) ?? [undefined, undefined, undefined];
    sides[Number(stage) - 1] = { mode, id };
    paths.set(path, sides);
  }
  return paths;
}

/** The merged blob; `undefined` when the texts, or what kind of file it is, do not merge. */
async function mergeTexts(git: Git, sides: Sides, folder: string): Promise<string | undefined> {
  const [base, ours, theirs] = sides;
  if (!base || !ours || !theirs) return undefined; // added twice, or taken out here and changed there
  if (!base.mode.startsWith('100') || ours.mode !== base.mode || theirs.mode !== base.mode) return undefined;
  const files = ['base', 'ours', 'theirs'].map((name) => join(folder, name));
  let next = 0;
  for await (const { bytes } of readBlobs(git, [base.id, ours.id, theirs.id])) {
    await writeFile(files[next++] as string, bytes);
  }
  const [baseFile = '', oursFile = '', theirsFile = ''] = files;
  const merged = await git.attempt(['merge-file', '-p', '-q', oursFile, baseFile, theirsFile]);
  if (merged.status !== 0) return undefined; // the number of conflicts; 255 for what is not text
  return git.text(['hash-object', '-w', '-t', 'blob', '--stdin'], { stdin: merged.stdout });
}

/** What keeps two commits from being merged, for people: paths, or that there is nothing to merge from. */
export async function conflictsOf(git: Git, ours: string, theirs: string): Promise<readonly string[]> {
  if ((await commonCommit(git, ours, theirs)) === undefined) return ['all of it: no commit in common'];
  return (await mergeCommits(git, ours, theirs)).conflicts;
}

/** Where two commits parted. */
export async function mergeBase(git: Git, ours: string, theirs: string): Promise<string> {
  const found = await commonCommit(git, ours, theirs);
  if (found !== undefined) return found;
  throw new Fault('FORGE_REFUSED', 'it has no commit in common with main', {
    hint: 'Start the branch from main.',
  });
}

/** Undefined where there is none: whoever may push to a branch may put another history there at any time. */
export async function commonCommit(git: Git, ours: string, theirs: string): Promise<string | undefined> {
  if (OBJECT_ID.test(theirs) && (await readCommit(git, theirs)).parents.includes(ours)) return ours;
  const found = await git.attempt(['merge-base', ours, theirs]);
  if (found.status === 1) return undefined;
  if (found.status !== 0) throw gitFault(git.dir, ['merge-base'], found);
  return found.stdout.toString('utf8').trim();
}

/** As a unified diff; renames are two files. */
export async function unifiedDiff(git: Git, from: string, to: string): Promise<string> {
  const plain = ['--no-ext-diff', '--no-textconv', '--no-color', '--no-renames', '--full-index'];
  return (await git.run(['diff', ...plain, from, to])).toString('utf8');
}
