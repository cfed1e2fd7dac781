import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, malformed } from '../base/fault.ts';
import { type Git, gitFault, OBJECT_ID, withLocks } from './git.ts';
import { findObject, readObject } from './object-reader.ts';
import { missing } from './objects.ts';

export interface RefUpdate {
  readonly ref: string;
  /** What it must be now; `undefined`: there must be no such ref. */
  readonly from: string | undefined;
  /** `undefined` deletes. */
  readonly to: string | undefined;
}

/**
 * One transaction: git locks every ref and compares it with `from` before it writes any, so other writers see all or
 * nothing. A process that is killed may have written only the first ones, in the order given (git's files backend
 * renames one lock file after the other, deletions last). False: someone else moved one of them; nothing was written.
 */
export async function updateRefs(git: Git, updates: readonly RefUpdate[], reason: string): Promise<boolean> {
  const args = ['update-ref', '--create-reflog', '-m', reason.replace(/\s+/g, ' '), '--stdin', '-z'];
  const outcome = await withLocks(git, args, {
    stdin: ['start\0', ...updates.map(command), 'prepare\0', 'commit\0'].join(''),
    env: { GIT_COMMITTER_NAME: 'sluice', GIT_COMMITTER_EMAIL: 'sluice@localhost' }, // the reflog's
  });
  if (outcome.status === 0) return true;
  if (/but expected|already exists|unable to resolve reference|reference is missing/.test(outcome.stderr))
    return false;
  const inTheWay = /'(refs\/[^']+)' exists; cannot create '(refs\/[^']+)'/.exec(outcome.stderr);
  if (inTheWay) {
    throw new Fault('FORGE_CONFLICT', `${inTheWay[2]} cannot stand beside ${inTheWay[1]}`, {
      hint: 'Delete the branch that is in the way.',
      at: git.dir,
    });
  }
  throw gitFault(git.dir, args, outcome);
}

function command({ ref, from, to }: RefUpdate): string {
  if (to === undefined) return from === undefined ? `verify ${ref}\0\0` : `delete ${ref}\0${from}\0`;
  return from === undefined ? `create ${ref}\0${to}\0` : `update ${ref}\0${to}\0${from}\0`;
}

/**
 * A ref that stands in a file of its own, as a ref does since it last moved (gitrepository-layout): read without a
 * process. Undefined for any other (packed, symbolic, not there, another format): git knows.
 */
export async function readLooseRef(dir: string, ref: string): Promise<string | undefined> {
  const id = await readOwnFile(dir, ref);
  return id !== undefined && OBJECT_ID.test(id) ? id : undefined;
}

/** The branch of a work tree; undefined where it is on none. */
export async function readBranch(git: Git): Promise<string | undefined> {
  const [, loose] = /^ref: (refs\/heads\/[^.].*)$/.exec((await readOwnFile(git.dir, 'HEAD')) ?? '') ?? [];
  if (loose !== undefined) return loose;
  return (await git.attempt(['symbolic-ref', '--quiet', 'HEAD'])).stdout.toString('utf8').trim() || undefined;
}

/** A line of git's own folder. */
async function readOwnFile(dir: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(join(ownFolder(dir), name), 'latin1')).replace(/\n$/, '');
  } catch {
    return undefined;
  }
}

/** Where a repository is by itself; what `.git` names of another work tree is not looked for. */
function ownFolder(dir: string): string {
  const inWorkTree = join(dir, '.git');
  return existsSync(inWorkTree) ? inWorkTree : dir;
}

/** Whether the history was cut off somewhere: git keeps the places in a file. */
export async function isShallow(git: Git): Promise<boolean> {
  const own = ownFolder(git.dir);
  if (existsSync(join(own, 'objects')) && !existsSync(join(own, 'shallow'))) return false;
  return (await git.text(['rev-parse', '--is-shallow-repository'])) !== 'false';
}

/** The ids that these refs have now; no entry for one that does not exist. */
export async function readRefs(git: Git, refs: readonly string[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const ref of [...refs].sort()) {
    // as git goes: what a writer moves last is read first
    const id = await readLooseRef(git.dir, ref);
    if (id) ids.set(ref, id);
  }
  if (ids.size === refs.length) return ids;
  ids.clear();
  // one question for all: git lists `refs/a/b` under the pattern `refs/a` too
  const wanted = new Set(refs);
  const listed = await git.text(['for-each-ref', '--format=%(objectname) %(refname)', '--', ...refs]);
  for (const line of listed.split('\n')) {
    const [id = '', ref = ''] = line.split(' ');
    if (wanted.has(ref) && OBJECT_ID.test(id)) ids.set(ref, id);
  }
  return ids;
}

export interface CommitInfo {
  readonly id: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: string;
  readonly committer: string;
  readonly committed: Date;
  readonly message: string;
  /** Of the last paragraph, where every line of it is a trailer. */
  readonly trailers: readonly (readonly [string, string])[];
}

export async function readCommit(git: Git, id: string): Promise<CommitInfo> {
  const bytes = await git.remembered(`commit ${id}`, async () => {
    const found = await readObject(git, id);
    if (found?.type !== 'commit') throw missing(git, id);
    return found.bytes;
  });
  const text = bytes.toString('utf8');
  const split = text.indexOf('\n\n');
  const head = text.slice(0, split).split('\n');
  const message = text.slice(split + 2);
  const value = (key: string): string =>
    head.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1) ?? '';
  const [, committer = '', seconds = ''] = /^(.*) (\d+) [+-]\d{4}$/.exec(value('committer')) ?? [];
  return {
    id,
    tree: value('tree'),
    parents: head.filter((line) => line.startsWith('parent ')).map((line) => line.slice(7)),
    author: value('author').replace(/ \d+ [+-]\d{4}$/, ''),
    committer,
    committed: new Date(Number(seconds) * 1000),
    message,
    trailers: readTrailers(message),
  };
}

/** `Key: value` lines of the last paragraph, if it is not the title and has no other line. */
export function readTrailers(message: string): (readonly [string, string])[] {
  const paragraphs = message.trim().split(/\n{2,}/);
  const lines = paragraphs.length > 1 ? (paragraphs.at(-1) ?? '').split('\n') : [];
  const pairs = lines.map((line) => /^([A-Z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+): (.+)$/.exec(line));
  return pairs.every((pair) => pair !== null)
    ? pairs.map((pair) => [pair[1] ?? '', pair[2] ?? ''] as const)
    : [];
}

// A branch, tag or id, then steps back: no `-x`, no `rev:path`, no `:/text`, no spaces, no `..`
const REV = /^(?:@|[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._/+-]*)(?:[~^][0-9]{0,6}|@\{[0-9]{1,6}\})*$/;

/** The id of a commit. NOT_FOUND when there is none of that name, MALFORMED when it cannot be a name. */
export async function resolveCommit(git: Git, rev: string): Promise<string> {
  if (rev.length > 250 || !REV.test(rev)) throw malformed('revision', rev);
  const name = `${rev}^{commit}`;
  const known = await findObject(git, name);
  if (known) return known.id;
  const found = await git.attempt(['rev-parse', '--verify', '--quiet', '--end-of-options', name]);
  if (found.stderr.trim() !== '') throw gitFault(git.dir, ['rev-parse'], found); // it says why
  throw new Fault('NOT_FOUND', `there is no commit ${rev}`, {
    hint: 'Fetch it, or name another.',
    at: git.dir,
  });
}

/** Whether a commit is in the history of another, or is that one. */
export async function isAncestor(git: Git, commit: string, of: string): Promise<boolean> {
  if (commit === of) return true;
  return (await git.attempt(['merge-base', '--is-ancestor', commit, of])).status === 0;
}
