import { Fault } from '../base/fault.ts';
import type { Approval, PullRequest, PullState } from './forge.ts';
import { ApiRefusal, type GithubApi } from './github-api.ts';
import type { GithubClone } from './github-clone.ts';
import type { Slug } from './github-commit.ts';
import {
  type ApiPull,
  type ApiUser,
  approvalsOf,
  asPull,
  commentsOf,
  isFork,
  markerOf,
} from './github-pull.ts';
import type { TokenKind } from './github-token.ts';
import { commonCommit } from './merge.ts';
import { type CommitInfo, readCommit, readTrailers } from './refs.ts';

/** What all parts of the adapter work with. */
export interface Github {
  readonly api: GithubApi;
  readonly slug: Slug;
  readonly clone: GithubClone;
  readonly kind: TokenKind;
}

export const A_PAGE = 100;

/** Those into main, the newest first. */
export async function listPulls(
  { api, slug }: Github,
  o: { readonly state?: PullState; readonly branch?: string },
): Promise<ApiPull[]> {
  const state = o.state === 'open' ? 'open' : o.state === undefined ? 'all' : 'closed';
  const head = o.branch === undefined ? {} : { head: `${slug.owner}:${o.branch}` };
  const found: ApiPull[] = [];
  for (let page = 1; ; page += 1) {
    const part: ApiPull[] = await api.ask((k) =>
      k.rest.pulls.list({ ...slug, ...head, state, base: 'main', per_page: A_PAGE, page }),
    );
    found.push(...part);
    if (part.length < A_PAGE) break;
  }
  const wanted = found.filter(({ merged_at }) =>
    o.state === 'merged' ? merged_at !== null : o.state !== 'closed' || merged_at === null,
  );
  return wanted.sort((a, b) => b.number - a.number);
}

export async function readPull({ api, slug }: Github, number: number): Promise<ApiPull> {
  try {
    if (Number.isSafeInteger(number) && number > 0) {
      return await api.ask((k) => k.rest.pulls.get({ ...slug, pull_number: number }));
    }
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.status !== 404) throw error;
  }
  throw new Fault('NOT_FOUND', `there is no pull request ${number}`, { hint: 'Run `sluice pr list`.' });
}

export async function readApprovals({ api, slug }: Github, number: number): Promise<Approval[]> {
  const of = { ...slug, pull_number: number, per_page: A_PAGE };
  return approvalsOf(await pages(api, (page) => (k) => k.rest.pulls.listReviews({ ...of, page })));
}

export async function readComments({ api, slug }: Github, number: number) {
  const of = { ...slug, issue_number: number, per_page: A_PAGE };
  return pages(api, (page) => (k) => k.rest.issues.listComments({ ...of, page }));
}

export async function pages<T>(
  api: GithubApi,
  ask: (page: number) => Parameters<typeof api.ask<T[]>>[0],
): Promise<T[]> {
  const all: T[] = [];
  for (let page = 1; ; page += 1) {
    const part = await api.ask(ask(page));
    all.push(...part);
    if (part.length < A_PAGE) return all;
  }
}

/** Its head is in the clone afterwards. */
export async function wholePull(github: Github, number: number): Promise<PullRequest> {
  const pull = await readPull(github, number);
  await github.clone.heads([{ number, head: pull.head.sha }]);
  const [approvals, comments] = [await readApprovals(github, number), await readComments(github, number)];
  const known = await claimOf(github, pull);
  return asPull(pull, { ...known, approvals, comments: commentsOf(comments) });
}

/**
 * As many as there are. What strangers have in their copies of the repository is not fetched for that: it may be of any size and any
 * history, and be another a moment later. Of those the base is what GitHub says.
 */
export async function listed(github: Github, pulls: readonly ApiPull[]): Promise<PullRequest[]> {
  const here = pulls.filter((pull) => !isFork(pull));
  await github.clone.heads(here.map(({ number, head }) => ({ number, head: head.sha })));
  const all: PullRequest[] = [];
  for (const pull of pulls) {
    const base = pull.base.sha;
    all.push(asPull(pull, isFork(pull) ? { proposed: undefined, base } : await claimOf(github, pull)));
  }
  return all;
}

/**
 * What a bot's commit says of itself. The marker names the commit, and the commit is asked: whoever edits a body cannot make
 * it say anything else, only name another commit.
 */
export async function claimOf(
  github: Github,
  pull: ApiPull,
): Promise<{ readonly proposed: CommitInfo | undefined; readonly base: string }> {
  const { git } = github.clone;
  const marker = markerOf(pull);
  const proposed = marker && (await commitOf(github, marker.head));
  const [parent] = proposed?.parents ?? [];
  if (proposed && parent !== undefined && proposed.parents.length === 1) return { proposed, base: parent };
  const main = pull.merged_at !== null && pull.merge_commit_sha ? `${pull.merge_commit_sha}^1` : undefined;
  if (main !== undefined && !(await github.clone.has(main)))
    return { proposed: undefined, base: pull.head.sha };
  const parted = await commonCommit(git, main ?? 'refs/remotes/origin/main', pull.head.sha);
  return { proposed: undefined, base: parted ?? pull.head.sha }; // one without a history in common merges nowhere
}

/** The clone's where it has it: what was amended or pushed over is on no branch any more. */
async function commitOf({ api, slug, clone }: Github, id: string): Promise<CommitInfo | undefined> {
  if (await clone.has(id)) return readCommit(clone.git, id);
  try {
    const commit = await api.ask((k) => k.rest.git.getCommit({ ...slug, commit_sha: id }));
    const who = (p: { name: string; email: string }) => `${p.name} <${p.email}>`;
    return {
      id: commit.sha,
      tree: commit.tree.sha,
      parents: commit.parents.map(({ sha }) => sha),
      author: who(commit.author),
      committer: who(commit.committer),
      committed: new Date(commit.committer.date),
      message: commit.message,
      trailers: readTrailers(commit.message),
    };
  } catch (error) {
    if (error instanceof ApiRefusal && (error.status === 404 || error.status === 422)) return undefined;
    throw error;
  }
}

/** Whether the bot that runs here, or another of ours, wrote something: people can name a branch as we do. */
export function ownOf({ api, kind }: Github): (user: ApiUser | null) => Promise<boolean> {
  let login: Promise<string> | undefined;
  return async (user) => {
    if (user?.type === 'Bot') return true;
    if (kind !== 'personal' || user === null) return false;
    login ??= api.ask((k) => k.rest.users.getAuthenticated()).then((me) => me.login);
    return (await login) === user.login;
  };
}
