import { Fault } from '../base/fault.ts';
import { BOT, commitMessage, type Draft } from './forge.ts';
import type { Git } from './git.ts';
import { ApiRefusal, type GithubApi, Unclear } from './github-api.ts';
import type { GithubClone } from './github-clone.ts';
import { listTree } from './list-tree.ts';
import { parseIdentity, writeCommit } from './objects.ts';
import { readCommit } from './refs.ts';

export interface Slug {
  readonly owner: string;
  readonly repo: string;
}

/** A draft with the tree that it is to be, which the clone has made already. */
export interface Written {
  readonly draft: Draft;
  readonly base: string;
  readonly tree: string;
}

/** Two ways to put a commit on a branch; both only where the branch is what was seen before. */
export interface Writer {
  commit(written: Written, now: Date): Promise<string>;
  /** `from` undefined: there must be no such branch. False: somebody else was first. */
  move(branch: string, from: string | undefined, to: string): Promise<boolean>;
}

/** By git, signed by nobody; the server compares and swaps (`--force-with-lease`). */
export function pushWriter(clone: GithubClone): Writer {
  return {
    commit({ draft, base, tree }, now) {
      const who = parseIdentity(BOT);
      const message = commitMessage(draft.title, draft.trailers);
      const people = { author: who, committer: who, authored: now, committed: now };
      return writeCommit(clone.git, { tree, parents: [base], ...people, message });
    },
    move: (branch, from, to) => clone.push(branch, from, to),
  };
}

/** Of one call that makes a tree; GITHUB 2. */
const MOST_ENTRIES = 300;
/** Of the files in one such call; more is a call more. */
const MOST_CHARACTERS = 8 << 20;

/**
 * By the Git Data API: GitHub signs what an App commits without naming an author. Its refs know no expected value, so the
 * branch is read before and after; whoever wrote in between is noticed.
 */
export function apiWriter(api: GithubApi, slug: Slug, git: Git): Writer {
  const readRef = (branch: string) => readBranchRef(api, slug, branch);
  return {
    async commit({ draft, base, tree }) {
      const made = await makeTree(api, slug, git, draft, base);
      if (made !== tree) {
        throw new Fault('FORGE_REFUSED', `GitHub made the tree ${made} of what is ${tree}`, {
          hint: 'Run it again; if it says that again, use a personal token, which goes by git push.',
        });
      }
      const message = commitMessage(draft.title, draft.trailers);
      const { sha } = await api.ask((k) =>
        k.rest.git.createCommit({ ...slug, message, tree, parents: [base] }),
      );
      return sha;
    },
    async move(branch, from, to) {
      if ((await readRef(branch)) !== from) return false;
      try {
        await api.ask((k) =>
          from === undefined
            ? k.rest.git.createRef({ ...slug, ref: `refs/heads/${branch}`, sha: to })
            : k.rest.git.updateRef({ ...slug, ref: `heads/${branch}`, sha: to, force: true }),
        );
      } catch (error) {
        const refused = error instanceof ApiRefusal && (error.status === 422 || error.status === 409);
        if (refused && (await readRef(branch)) !== from) return false; // somebody else was first, whatever the words
        if (!(error instanceof Unclear) || (await readRef(branch)) !== to) throw error; // else it was done
        return true;
      }
      return from === undefined || (await readRef(branch)) === to;
    },
  };
}

export async function readBranchRef(api: GithubApi, slug: Slug, branch: string): Promise<string | undefined> {
  try {
    const { object } = await api.ask((k) => k.rest.git.getRef({ ...slug, ref: `heads/${branch}` }));
    return object.sha;
  } catch (error) {
    if (error instanceof ApiRefusal && error.status === 404) return undefined;
    throw error;
  }
}

/** Its id is a digest of every path and byte in it: compared with the clone's own, that is a look at each of them. */
async function makeTree(api: GithubApi, slug: Slug, git: Git, draft: Draft, base: string): Promise<string> {
  const there = await listTree(git, base, [...draft.files.keys()]);
  let tree = (await readCommit(git, base)).tree;
  for (const part of parts([...draft.files].filter(([path, text]) => text !== null || there.has(path)))) {
    const entries = part.map(([path, text]) => {
      const file = { path, mode: '100644', type: 'blob' } as const;
      return text === null ? { ...file, sha: null } : { ...file, content: text };
    });
    const base_tree = tree;
    ({ sha: tree } = await api.ask((k) => k.rest.git.createTree({ ...slug, base_tree, tree: entries })));
  }
  return tree;
}

function parts<T extends readonly [string, string | null]>(files: readonly T[]): T[][] {
  const all: T[][] = [];
  let characters = 0;
  for (const file of files) {
    const part = all.at(-1);
    characters += file[1]?.length ?? 0;
    if (part && part.length < MOST_ENTRIES && characters <= MOST_CHARACTERS) {
      part.push(file);
      continue;
    }
    all.push([file]);
    characters = file[1]?.length ?? 0;
  }
  return all;
}
