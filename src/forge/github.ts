import { Fault } from '../base/fault.ts';
import { BODY_LIMIT } from '../report/limits.ts';
import type { Check } from './check.ts';
import {
  type Act,
  type Board,
  type BoardSet,
  checkBranch,
  checkLine,
  checkVisible,
  commitMessage,
  type Draft,
  type Forge,
  mergeTitle,
  type Opening,
  type Proposed,
  type ProposeOptions,
  type PullRequest,
  type PullState,
  type Remark,
  type Said,
  type Standing,
  type Taken,
  type Withdrawal,
} from './forge.ts';
import { openGit } from './git.ts';
import { ApiRefusal, type ApiTiming, openApi, Unclear } from './github-api.ts';
import { readBoard, untickPull, writeBoard } from './github-board.ts';
import { setCheckOnGithub } from './github-checks.ts';
import { GithubClone } from './github-clone.ts';
import { apiWriter, pushWriter, readBranchRef, type Slug } from './github-commit.ts';
import { addLabels, mentionOnce, putComment } from './github-notes.ts';
import { type Proposing, proposeOnGithub } from './github-propose.ts';
import { type ApiPull, bodyWith, isFork, markerOf, NO_PLAN, wordsOf } from './github-pull.ts';
import { claimOf, listed, listPulls, ownOf, readApprovals, readPull, wholePull } from './github-reads.ts';
import { mayWrite, saidSince, takeUp } from './github-said.ts';
import { readStanding } from './github-standing.ts';
import type { Tokens } from './github-token.ts';
import { mayWithdraw } from './github-withdraw.ts';
import { mergeBase, mergeCommits, unifiedDiff } from './merge.ts';
import { readCommit } from './refs.ts';

export interface GithubOptions extends Slug {
  /** `https://api.github.com`, or `https://github.example.com/api/v3`. */
  readonly api: string;
  /** The clone that plans are made in, and what git fetches from and pushes to. */
  readonly dir: string;
  readonly origin: string;
  readonly tokens: Tokens;
  readonly timing?: ApiTiming;
  readonly userAgent: string;
}

/** A repository on GitHub as a forge. */
export function openGithubForge(o: GithubOptions): Forge {
  const api = openApi(o);
  const slug = { owner: o.owner, repo: o.repo };
  const git = openGit(o.dir);
  const clone = new GithubClone(git, o.origin, api);
  const { kind } = o.tokens;
  // GitHub signs what an App commits by the API; what a person commits is the person's to sign
  const writer = kind === 'personal' ? pushWriter(clone) : apiWriter(api, slug, git);
  const github = { api, slug, clone, kind };
  return new GithubForge({ ...github, writer, isOwn: ownOf(github) });
}

/** One run asks for what is open once, and again where it goes on for long; before a write one is read anew anyway. */
const LISTED_MS = 60_000;

/** `MergeStateStatus` of the GraphQL reference; the others are behind, blocked, dirty, draft and unknown. */
const MAY_MERGE: ReadonlySet<string> = new Set(['clean', 'has_hooks', 'unstable']);

class GithubForge implements Forge {
  readonly words = { bodyLimit: BODY_LIMIT, commands: true, taskLists: true, labels: true };
  readonly #github: Proposing;
  #open: { readonly at: number; readonly pulls: Promise<readonly ApiPull[]> } | undefined;

  constructor(github: Omit<Proposing, 'open'>) {
    this.#github = { ...github, open: () => this.#listOpen() };
  }

  tip(): Promise<string> {
    return this.#github.clone.main();
  }

  async propose(draft: Draft, o: ProposeOptions): Promise<Proposed> {
    return this.#writing(() => proposeOnGithub(this.#github, draft, o));
  }

  async open(o: Opening): Promise<Proposed> {
    checkBranch(o.branch);
    checkLine('title', o.title);
    for (const label of o.labels ?? []) checkLine('label', label);
    if (o.branch === 'main')
      throw refused('main is not a branch to merge', 'Name the branch that you pushed.');
    const { api, slug } = this.#github;
    const known = async () =>
      (await listPulls(this.#github, { state: 'open', branch: o.branch })).find((p) => !isFork(p))?.number;
    return this.#writing(async () => {
      const there = await known();
      if (there !== undefined) return { number: there, outcome: 'unchanged' };
      if ((await readBranchRef(api, slug, o.branch)) === undefined) {
        throw new Fault('NOT_FOUND', `there is no branch ${o.branch}`, { hint: 'Push it first.' });
      }
      const { title, branch: head, body = '' } = o;
      const number = await this.#once(
        () =>
          api
            .ask((k) => k.rest.pulls.create({ ...slug, title, head, base: 'main', body }))
            .then((p) => p.number),
        known,
      );
      await addLabels(this.#github, number, o.labels ?? []);
      return { number, outcome: 'opened' };
    });
  }

  async withdraw(branch: string, o: Withdrawal): Promise<number | undefined> {
    const found = (await this.#listOpen()).find((p) => p.head.ref === branch && !isFork(p));
    if (!found) return undefined;
    const { number } = found;
    const pull = await readPull(this.#github, number);
    const marker = markerOf(pull);
    if (!marker || !(await mayWithdraw(this.#github, pull, o))) return undefined;
    await mentionOnce(this.#github, number, { key: 'withdrawn', text: o.comment }, this.#github.isOwn);
    // the same plan may come again one day: this was not people's no
    const body = bodyWith(wordsOf(pull.body), { ...marker, plan: NO_PLAN }, [], pull.body);
    await this.#end(pull, { body });
    await this.#deleteBranch(pull);
    return number;
  }

  async list(o: { readonly state?: PullState } = {}): Promise<PullRequest[]> {
    const pulls = o.state === 'open' ? await this.#listOpen() : await listPulls(this.#github, o);
    return listed(this.#github, pulls);
  }

  get(number: number): Promise<PullRequest> {
    return wholePull(this.#github, number);
  }

  async approve(number: number): Promise<void> {
    const { api, slug } = this.#github;
    const { state, head } = await readPull(this.#github, number);
    if (state !== 'open') throw refused(`#${number} is closed`, 'Propose it again.');
    const me = await api.ask((k) => k.rest.users.getAuthenticated());
    const mine = async () =>
      (await readApprovals(this.#github, number)).some((a) => a.by === me.login && a.head === head.sha) ||
      undefined;
    if (await mine()) return;
    const review = { ...slug, pull_number: number, event: 'APPROVE', commit_id: head.sha } as const;
    await this.#once(() => api.ask((k) => k.rest.pulls.createReview(review)).then(() => true), mine);
  }

  async comment(number: number, o: Remark): Promise<void> {
    const { api, slug, isOwn } = this.#github;
    if (o.key !== undefined) return putComment(this.#github, number, { key: o.key, text: o.text }, isOwn);
    await api.ask((k) => k.rest.issues.createComment({ ...slug, issue_number: number, body: o.text }));
  }

  async close(number: number, o: Act & { readonly comment?: string }): Promise<void> {
    const pull = await readPull(this.#github, number);
    if (pull.merged_at !== null) throw refused(`#${number} is merged`, 'Roll it back instead.');
    if (pull.state === 'closed') return;
    if (o.comment !== undefined) await this.comment(number, { ...o, text: o.comment });
    await this.#end(pull, {}); // its branch stays: so it can be reopened, and its plan counts as declined
  }

  setCheck(_number: number, check: Check): Promise<boolean> {
    checkVisible('title', check.title);
    return setCheckOnGithub(this.#github, check);
  }

  async preview(
    number: number,
  ): Promise<{ readonly tip: string; readonly head: string; readonly tree: string }> {
    const { clone } = this.#github;
    const { head } = await readPull(this.#github, number);
    const tip = await clone.main();
    await clone.heads([{ number, head: head.sha }]);
    const { tree, conflicts } = await mergeCommits(clone.git, tip, head.sha);
    if (conflicts.length === 0) return { tip, head: head.sha, tree };
    throw new Fault('FORGE_CONFLICT', `#${number} conflicts with main in ${conflicts.join(', ')}`, {
      hint: 'Run the command that proposed it again, or merge main into its branch.',
      at: conflicts[0],
    });
  }

  async isBlocked(number: number): Promise<boolean> {
    const { mergeable_state: first = 'unknown' } = await readPull(this.#github, number);
    // it is worked out after the first question: https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request
    const state = first === 'unknown' ? (await readPull(this.#github, number)).mergeable_state : first;
    return !MAY_MERGE.has(state ?? 'unknown');
  }

  async merge(number: number, o: Act & { readonly head?: string; readonly tip?: string }): Promise<string> {
    const { api, slug, clone } = this.#github;
    const pull = await readPull(this.#github, number);
    if (pull.merged_at !== null && pull.merge_commit_sha !== null) return pull.merge_commit_sha;
    if (pull.state !== 'open') throw refused(`#${number} is closed`, 'Propose it again.');
    if (pull.base.ref !== 'main') {
      throw refused(`#${number} does not go to main`, 'Turn it to main, or merge it on GitHub.');
    }
    const head = o.head ?? pull.head.sha;
    if (head !== pull.head.sha) throw moved(`#${number} changed since it was checked`);
    const { tip, tree } = await this.preview(number);
    if (o.tip !== undefined && o.tip !== tip) throw moved('main moved since the pull request was checked');
    const { proposed } = await claimOf(this.#github, pull);
    const trailers = [
      ...(proposed?.trailers ?? []),
      ['Sluice-Pull', String(number)],
      ['Sluice-Merged-By', o.by],
    ] as const;
    const [commit_title = '', ...rest] = commitMessage(mergeTitle(number, pull.title), trailers).split('\n');
    const request = { ...slug, pull_number: number, sha: head, merge_method: 'merge', commit_title } as const;
    const commit = await this.#once(
      () =>
        api
          .ask((k) => k.rest.pulls.merge({ ...request, commit_message: rest.join('\n').trim() }))
          .then((m) => m.sha),
      async () => {
        const after = await readPull(this.#github, number);
        return after.merged_at === null ? undefined : (after.merge_commit_sha ?? undefined);
      },
    );
    this.#open = undefined;
    await this.#deleteBranch(pull);
    await clone.main(); // what was merged is in the clone
    if ((await readCommit(clone.git, commit)).tree === tree) return commit;
    throw new Fault('PLAN_DIFFERS', `GitHub merged #${number} to other files than were checked`, {
      hint: 'Look at git show -m, and roll it back where it is wrong: main moved at that moment, or GitHub followed a rename.',
      at: commit,
    });
  }

  async standing(): Promise<Standing> {
    this.#open = undefined;
    return readStanding(this.#github, await this.#listOpen());
  }

  saidSince(since: Date): Promise<Said[]> {
    return saidSince(this.#github, since, this.#github.isOwn);
  }

  mayWrite(who: string): Promise<boolean> {
    return mayWrite(this.#github, who);
  }

  takeUp({ id }: Said, { now }: { readonly now: Date }): Promise<Taken> {
    return takeUp(this.#github, id, now);
  }

  async untick(number: number, { boxes }: { readonly boxes: readonly string[] }): Promise<void> {
    await untickPull(this.#github, number, boxes);
    this.#open = undefined;
  }

  board(): Promise<Board | undefined> {
    return readBoard(this.#github, this.#github.isOwn);
  }

  setBoard(o: Act & { readonly title: string; readonly body: string }): Promise<BoardSet> {
    return writeBoard(this.#github, o, this.#github.isOwn);
  }

  async diff(number: number): Promise<string> {
    const { clone } = this.#github;
    const pull = await readPull(this.#github, number);
    const main = await clone.main();
    await clone.heads([{ number, head: pull.head.sha }]);
    const merged =
      pull.merged_at !== null && pull.merge_commit_sha ? `${pull.merge_commit_sha}^1` : undefined;
    return unifiedDiff(clone.git, await mergeBase(clone.git, merged ?? main, pull.head.sha), pull.head.sha);
  }

  #listOpen(): Promise<readonly ApiPull[]> {
    const now = performance.now();
    if (!this.#open || now - this.#open.at > LISTED_MS) {
      this.#open = { at: now, pulls: listPulls(this.#github, { state: 'open' }) };
    }
    return this.#open.pulls;
  }

  /** What was listed is old once something was written, or might have been. */
  async #writing(work: () => Promise<Proposed>): Promise<Proposed> {
    let outcome: Proposed['outcome'] | undefined;
    try {
      const proposed = await work();
      outcome = proposed.outcome;
      return proposed;
    } finally {
      if (outcome === undefined || outcome === 'opened' || outcome === 'updated') this.#open = undefined;
    }
  }

  /** A write that may have been done although it failed is looked for, and not sent twice. */
  async #once<T>(write: () => Promise<T>, find: () => Promise<T | undefined>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      const found = error instanceof Unclear ? await find() : undefined;
      if (found === undefined) throw error;
      return found;
    }
  }

  async #end(pull: ApiPull, change: { readonly body?: string }): Promise<void> {
    const { api, slug } = this.#github;
    await api.ask((k) =>
      k.rest.pulls.update({ ...slug, pull_number: pull.number, state: 'closed', ...change }),
    );
    this.#open = undefined;
  }

  /** Only ours, and as it was closed or merged: a later push is somebody's work. Gone already is gone: GitHub may be set to do it itself. */
  async #deleteBranch(pull: ApiPull): Promise<void> {
    if (isFork(pull) || !pull.head.ref.startsWith('sluice/')) return;
    const { api, slug } = this.#github;
    if ((await readBranchRef(api, slug, pull.head.ref)) !== pull.head.sha) return;
    try {
      await api.ask((k) => k.rest.git.deleteRef({ ...slug, ref: `heads/${pull.head.ref}` }));
    } catch (error) {
      if (!(error instanceof ApiRefusal) || ![404, 422].includes(error.status)) throw error;
    }
  }
}

function refused(message: string, hint: string): Fault {
  return new Fault('FORGE_REFUSED', message, { hint });
}

function moved(message: string): Fault {
  return new Fault('FORGE_CONFLICT', message, { hint: 'Check it again, then merge.' });
}
