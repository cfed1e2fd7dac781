import { Fault } from '../base/fault.ts';
import { type Git, gitFault, OBJECT_ID, withLocks } from './git.ts';

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

/** The ids that these refs have now; no entry for one that does not exist. */
export async function readRefs(git: Git, refs: readonly string[]): Promise<Map<string, string>> {
  // one question for all: git lists `refs/a/b` under the pattern `refs/a` too
  const wanted = new Set(refs);
  const ids = new Map<string, string>();
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
  const bytes = await git.known(['cat-file', 'commit', id]);
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
