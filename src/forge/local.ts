import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../base/fault.ts';
import { PLAIN_FORGE } from '../report/acting.ts';
import { commentMarker } from '../report/marker.ts';
import type { Check } from './check.ts';
import {
  type Act,
  BOT,
  checkBranch,
  checkDraft,
  checkLine,
  checkVisible,
  commitMessage,
  type Draft,
  type Forge,
  factTrailers,
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
import { EDITED_WHY, thawsAt } from './fresh.ts';
import { type Git, openGit } from './git.ts';
import { setUpBare } from './local-init.ts';
import { conflictsOf, mergeBase, mergeCommits, unifiedDiff } from './merge.ts';
import { parseIdentity, writeCommit, writeTree } from './objects.ts';
import {
  asPullRequest,
  deletion,
  type PullRecord,
  proposal,
  remark,
  saidOn,
  withCheck,
} from './pull-record.ts';
import { type PullEvent, type Pulls, readPulls, writeEvent } from './pulls.ts';
import { isAncestor, type RefUpdate, readCommit, readRefs, resolveCommit } from './refs.ts';

/** A bare git repository as a forge: no account, no server. */
export interface LocalForge extends Forge {
  readonly dir: string;
}

const MAIN = 'refs/heads/main';

/** Creates the bare repository, or renews the rules of one; `from`: a repository whose main it starts with. */
export async function initLocalForge(dir: string, o: { from?: string } = {}): Promise<LocalForge> {
  await setUpBare(dir, o);
  return openLocalForge(dir);
}

/** NOT_FOUND when the folder is no bare repository. */
export async function openLocalForge(dir: string): Promise<LocalForge> {
  const git = openGit(dir);
  if ((await git.text(['rev-parse', '--is-bare-repository'])) !== 'true') {
    throw new Fault('NOT_FOUND', `${dir} is not a local forge`, {
      hint: 'Name its bare repository.',
      at: dir,
    });
  }
  return new BareForge(git);
}

/** Finishes what a killed process left half done in a forge: whoever reads main should do that first. */
export async function finishLocalForge(dir: string): Promise<void> {
  await readPulls(openGit(dir));
}

class BareForge implements LocalForge {
  readonly words = { ...PLAIN_FORGE, commands: true };
  readonly dir: string;
  readonly #git: Git;

  constructor(git: Git) {
    this.dir = git.dir;
    this.#git = git;
  }

  async tip(): Promise<string> {
    await readPulls(this.#git); // a merge that was cut off is finished first
    return this.#main();
  }

  async propose(draft: Draft, o: ProposeOptions): Promise<Proposed> {
    checkDraft(draft);
    const by = o.by ?? BOT;
    parseIdentity(by);
    const git = this.#git;
    const base = await resolveCommit(git, draft.base);
    if (!(await isAncestor(git, base, await this.tip()))) {
      throw refused(`the base ${base.slice(0, 12)} is not on main`, 'Plan again from the tip of main.');
    }
    const tree = await writeTree(git, base, draft.files);
    const ref = `refs/heads/${draft.branch}`;
    return this.#retry(async (pulls) => {
      const known = (await pulls.open()).find(({ branch }) => branch === draft.branch);
      const branchHead = (await readRefs(git, [ref])).get(ref);
      if (known && !o.rebuild && (await this.#says(known, draft, base, tree))) {
        return { number: known.number, outcome: 'unchanged' };
      }
      const frozen = known && !o.rebuild && !o.asked && (await this.#frozen(known, branchHead, draft, o.now));
      if (frozen) return frozen;
      if ((await readCommit(git, base)).tree === tree) {
        throw refused(`${draft.branch} would change nothing`, 'Propose only what differs from main.');
      }
      if (!o.rebuild && branchHead !== undefined && known?.proposed !== branchHead) {
        if (known) return { number: known.number, outcome: 'edited', why: EDITED_WHY };
        await this.#refuseForeignWork(branchHead, draft.branch, pulls);
      }
      const head = await commitDraft(git, draft, base, tree, by, o.now);
      const number = known?.number ?? (await pulls.next());
      const record = proposal(known, draft, { number, base, head, by, now: o.now });
      const outcome = known ? 'updated' : 'opened';
      const refs = [{ ref, from: branchHead, to: head }, await this.#pullRef(number, head)];
      const event = { record, title: `#${number} ${outcome}: ${draft.title}`, by, now: o.now, refs };
      return (await writeEvent(git, pulls, event)) ? { number, outcome } : undefined;
    });
  }

  async open(o: Opening): Promise<Proposed> {
    const git = this.#git;
    const ref = `refs/heads/${checkBranch(o.branch)}`;
    checkLine('title', o.title);
    for (const label of o.labels ?? []) checkLine('label', label);
    parseIdentity(o.by);
    if (ref === MAIN) throw refused('main is not a branch to merge', 'Name the branch that you pushed.');
    return this.#retry(async (pulls) => {
      const known = (await pulls.open()).find(({ branch }) => branch === o.branch);
      if (known) return { number: known.number, outcome: 'unchanged' };
      const head = (await readRefs(git, [ref])).get(ref);
      if (!head) throw new Fault('NOT_FOUND', `there is no branch ${o.branch}`, { hint: 'Push it first.' });
      const number = await pulls.next();
      const base = await mergeBase(git, await this.#main(), head);
      const draft = { ...o, body: o.body ?? '', base, files: new Map(), trailers: [] };
      const { proposed: _, ...record } = proposal(undefined, draft, {
        number,
        base,
        head,
        by: o.by,
        now: o.now,
      });
      const refs = [{ ref, from: head, to: head }, await this.#pullRef(number, head)];
      const event = { record, title: `#${number} opened: ${o.title}`, by: o.by, now: o.now, refs };
      return (await writeEvent(git, pulls, event)) ? { number, outcome: 'opened' } : undefined;
    });
  }

  async list(o: { readonly state?: PullState } = {}): Promise<PullRequest[]> {
    const pulls = await readPulls(this.#git);
    const records = o.state === 'open' ? await pulls.open() : await pulls.all();
    const wanted = records.filter(({ state }) => o.state === undefined || state === o.state);
    const open = wanted.filter(({ state }) => state === 'open').map(({ branch }) => `refs/heads/${branch}`);
    const heads = open.length > 0 ? await readRefs(this.#git, open) : new Map<string, string>();
    return wanted.map((record) => asPullRequest(record, heads.get(`refs/heads/${record.branch}`)));
  }

  async get(number: number): Promise<PullRequest> {
    const record = await (await readPulls(this.#git)).get(number);
    return asPullRequest(record, await this.#branchHead(record));
  }

  async approve(number: number, o: Act): Promise<void> {
    await this.#amend(number, o, (record, head) => {
      mustBeOpen(record);
      if (record.approvals.some((a) => a.by === o.by && a.head === head)) return undefined;
      const approvals = [...record.approvals, { by: o.by, at: o.now.toISOString(), head }];
      return { title: `#${number} approved by ${o.by}`, record: { ...record, approvals } };
    });
  }

  async comment(number: number, o: Remark): Promise<void> {
    const mark = o.key === undefined ? undefined : commentMarker(o.key);
    const text = mark === undefined ? o.text : `${o.text.trimEnd()}\n\n${mark}`;
    await this.#amend(number, o, (record) => {
      const known = record.comments.findIndex((c) => mark !== undefined && c.text.endsWith(mark));
      if (record.comments[known]?.text === text) return undefined;
      const comments =
        known < 0 ? [...record.comments, remark(o, text)] : record.comments.with(known, remark(o, text));
      return { title: `#${number} commented by ${o.by}`, record: { ...record, comments } };
    });
  }

  async withdraw(branch: string, o: Withdrawal): Promise<number | undefined> {
    const pull = (await this.list({ state: 'open' })).find((p) => p.branch === branch);
    if (!pull || pull.proposed !== pull.head || (await this.#isWanted(pull, o))) return undefined;
    await this.close(pull.number, o);
    return pull.number;
  }

  async close(number: number, o: Act & { readonly comment?: string }): Promise<void> {
    await this.#amend(number, o, (record, head, branchHead) => {
      if (record.state === 'merged') throw refused(`#${number} is merged`, 'Roll it back instead.');
      if (record.state === 'closed') return undefined;
      const comments = o.comment === undefined ? record.comments : [...record.comments, remark(o, o.comment)];
      const ended = { state: 'closed', head, comments, endedAt: o.now.toISOString() } as const;
      return {
        title: `#${number} closed by ${o.by}`,
        record: { ...record, ...ended },
        refs: deletion(record, branchHead),
      };
    });
  }

  async setCheck(number: number, check: Check, o: Act): Promise<boolean> {
    checkVisible('title', check.title);
    let written = false;
    await this.#amend(number, o, (record) => {
      const checks = withCheck(record.checks ?? [], check, o);
      written = checks !== undefined;
      return checks && { title: `#${number} ${check.name}: ${check.state}`, record: { ...record, checks } };
    });
    return written;
  }

  async preview(
    number: number,
  ): Promise<{ readonly tip: string; readonly head: string; readonly tree: string }> {
    const pull = await this.get(number);
    const tip = await this.#main();
    return { tip, head: pull.head, tree: await this.#mergedTree(pull, tip) };
  }

  async isBlocked(): Promise<boolean> {
    return false; // who may merge here may merge anything that is green
  }

  async merge(number: number, o: Act & { readonly head?: string; readonly tip?: string }): Promise<string> {
    const git = this.#git;
    const author = parseIdentity(o.by);
    return this.#retry(async (pulls) => {
      const record = await pulls.get(number);
      if (record.state === 'merged' && record.mergeCommit) return record.mergeCommit;
      mustBeOpen(record);
      const head = await this.#branchHead(record);
      const tip = await this.#main();
      if (head === undefined)
        throw refused(`the branch of #${number} is gone`, 'Propose it again, or close it.');
      if (o.head !== undefined && o.head !== head) throw moved(`#${number} changed since it was checked`);
      if (o.tip !== undefined && o.tip !== tip) throw moved('main moved since the pull request was checked');
      if ((await mergeBase(git, tip, head)) === head) {
        throw refused(`all of #${number} is on main already`, 'Close it.');
      }
      const trailers = [
        ...record.trailers,
        ['Sluice-Pull', String(number)],
        ['Sluice-Merged-By', o.by],
      ] as const;
      const commit = await writeCommit(git, {
        tree: await this.#mergedTree({ number, head }, tip),
        parents: [tip, head],
        author,
        committer: parseIdentity(BOT),
        authored: o.now,
        committed: new Date(Math.max(o.now.getTime(), (await this.#time(tip)).getTime())),
        message: commitMessage(mergeTitle(number, record.title), trailers),
      });
      const ended = { head, endedAt: o.now.toISOString(), mergedBy: o.by, mergeCommit: commit };
      const event: PullEvent = {
        record: { ...record, state: 'merged', ...ended, updatedAt: o.now.toISOString() },
        title: `#${number} merged by ${o.by}: ${record.title}`,
        by: o.by,
        now: o.now,
        refs: [
          { ref: MAIN, from: tip, to: commit },
          await this.#pullRef(number, head),
          ...deletion(record, head),
        ],
      };
      return (await writeEvent(git, pulls, event)) ? commit : undefined;
    });
  }

  async standing(): Promise<Standing> {
    const open: { pull: PullRequest; conflicts: readonly string[] }[] = [];
    const main = await this.#main();
    for (const pull of await this.list({ state: 'open' })) {
      open.push({ pull, conflicts: await conflictsOf(this.#git, main, pull.head) });
    }
    return { open, declined: [] };
  }

  async saidSince(since: Date): Promise<Said[]> {
    const records = await (await readPulls(this.#git)).all();
    return records
      .flatMap((record) => saidOn(record))
      .filter(({ at }) => at >= since)
      .sort((a, b) => a.at.getTime() - b.at.getTime());
  }

  /** Whoever can write a comment can write to the folder. */
  async mayWrite(): Promise<boolean> {
    return true;
  }

  /** Two that do it at once give one answer: the record takes one comment of a key. */
  async takeUp(): Promise<Taken> {
    return 'mine';
  }

  async untick(): Promise<void> {} // no body has boxes

  async board(): Promise<undefined> {} // there are no issues

  async setBoard(): Promise<undefined> {}

  async diff(number: number): Promise<string> {
    const git = this.#git;
    const pull = await this.get(number);
    const main = pull.mergeCommit === undefined ? await this.#main() : `${pull.mergeCommit}^1`;
    const base = await mergeBase(git, main, pull.head);
    return unifiedDiff(git, base, pull.head);
  }

  async #main(): Promise<string> {
    const tip = (await readRefs(this.#git, [MAIN])).get(MAIN);
    if (tip) return tip;
    throw new Fault('NOT_FOUND', 'the forge has no main yet', {
      hint: 'Push the first commit to it.',
      at: this.dir,
    });
  }

  async #branchHead(record: Pick<PullRecord, 'branch'>): Promise<string | undefined> {
    const ref = `refs/heads/${record.branch}`;
    return (await readRefs(this.#git, [ref])).get(ref);
  }

  async #pullRef(number: number, head: string): Promise<RefUpdate> {
    const ref = `refs/pull/${number}/head`;
    return { ref, from: (await readRefs(this.#git, [ref])).get(ref), to: head };
  }

  /** The clock of DESIGN 3: the latest committer date on the first-parent chain. */
  async #time(tip: string): Promise<Date> {
    const args = ['rev-list', '--first-parent', '--timestamp', '--end-of-options', tip];
    const lines = (await this.#git.known(args)).toString('latin1').trimEnd().split('\n');
    return new Date(lines.reduce((latest, line) => Math.max(latest, Number.parseInt(line, 10)), 0) * 1000);
  }

  /** What reads, decides and writes, again from the start when someone else wrote in between. */
  async #retry<T>(once: (pulls: Pulls) => Promise<T | undefined>): Promise<T> {
    for (let attempt = 0; attempt < 30; attempt++) {
      const pulls = await readPulls(this.#git);
      try {
        const result = await once(pulls);
        if (result !== undefined) return result;
      } catch (error) {
        if (!(error instanceof Fault) || error.code === 'GIT') throw error;
        if ((await readPulls(this.#git)).event === pulls.event) throw error; // else it judged what is no longer so
      }
      await sleep(Math.random() * 20 * (attempt + 1));
    }
    throw new Fault('FORGE_CONFLICT', 'others kept writing to the forge', {
      hint: 'Run it again.',
      at: this.dir,
    });
  }

  async #amend(
    number: number,
    o: Act,
    change: (
      record: PullRecord,
      head: string,
      branchHead: string | undefined,
    ) => { title: string; record: PullRecord; refs?: readonly RefUpdate[] } | undefined,
  ): Promise<void> {
    parseIdentity(o.by);
    await this.#retry(async (pulls) => {
      const record = await pulls.get(number);
      const branchHead = record.state === 'open' ? await this.#branchHead(record) : undefined;
      const head = branchHead ?? record.head;
      const event = change(record, head, branchHead);
      if (!event) return 'done';
      const next = { ...event.record, updatedAt: o.now.toISOString() };
      const refs = [...(event.refs ?? []), await this.#pullRef(number, head)];
      const written = await writeEvent(this.#git, pulls, {
        title: event.title,
        record: next,
        by: o.by,
        now: o.now,
        refs,
      });
      return written ? 'done' : undefined;
    });
  }

  /** True when a pull request says already what the draft says: the words, and the same files from the same files. */
  async #says(known: PullRecord, draft: Draft, base: string, tree: string): Promise<boolean> {
    if (known.proposed === undefined) return false;
    const facts = ({ title, body, labels, trailers }: Draft | PullRecord): string =>
      JSON.stringify([
        factTrailers({ trailers, isPlan: draft.isPlan ?? false }),
        draft.isPlan ? [] : [title, body, labels ?? []],
      ]);
    if (facts(known) !== facts(draft)) return false;
    if ((await this.#branchHead(known)) === undefined) return false; // deleted: put it there again
    return (await this.#changes(known.base, known.proposed)) === (await this.#changes(base, tree));
  }

  /** Approved, and it can still be merged: what is newer waits, so that nobody has to look twice. */
  async #frozen(
    known: PullRecord,
    branchHead: string | undefined,
    draft: Draft,
    now: Date,
  ): Promise<Proposed | undefined> {
    if (!draft.isPlan || branchHead === undefined || branchHead !== known.proposed) return undefined;
    const until = thawsAt(asPullRequest(known, branchHead), draft.window);
    if (!until || until <= now) return undefined;
    const { conflicts } = await mergeCommits(this.#git, await this.#main(), branchHead);
    if (conflicts.length > 0) return undefined;
    const why = `it is approved; what is newer comes in after ${until.toISOString()}`;
    return { number: known.number, outcome: 'frozen', why };
  }

  /** Approved of not long ago, and a merge would still change something. */
  async #isWanted(pull: PullRequest, o: Withdrawal): Promise<boolean> {
    const until = thawsAt(pull, o.window);
    if (!until || until <= o.now) return false;
    const main = await this.#main();
    const { tree, conflicts } = await mergeCommits(this.#git, main, pull.head);
    return conflicts.length === 0 && tree !== (await readCommit(this.#git, main)).tree;
  }

  /** Paths with their blobs before and after. */
  async #changes(from: string, to: string): Promise<string> {
    const raw = [
      'diff-tree',
      '-r',
      '--raw',
      '-z',
      '--no-renames',
      '--no-abbrev',
      `${from}^{tree}`,
      `${to}^{tree}`,
    ];
    return (await this.#git.run(raw)).toString('latin1');
  }

  /** What people pushed to a bot's branch is theirs: it is not replaced by a newer proposal. */
  async #refuseForeignWork(branchHead: string, branch: string, pulls: Pulls): Promise<void> {
    const earlier = (await pulls.all()).find((record) => record.branch === branch);
    if (earlier?.head === branchHead) return; // left over from a pull request that has ended
    throw new Fault('FORGE_CONFLICT', `there is a branch ${branch} that the bot did not make`, {
      hint: 'Open a pull request for it, or delete it.',
    });
  }

  async #mergedTree(pull: Pick<PullRequest, 'number' | 'head'>, tip: string): Promise<string> {
    const { tree, conflicts } = await mergeCommits(this.#git, tip, pull.head);
    if (conflicts.length === 0) return tree;
    throw new Fault('FORGE_CONFLICT', `#${pull.number} conflicts with main in ${conflicts.join(', ')}`, {
      hint: 'Run the command that proposed it again, or merge main into its branch.',
      at: conflicts[0],
    });
  }
}

function commitDraft(
  git: Git,
  draft: Draft,
  base: string,
  tree: string,
  by: string,
  now: Date,
): Promise<string> {
  const who = parseIdentity(by);
  const people = { author: who, committer: who, authored: now, committed: now };
  return writeCommit(git, {
    tree,
    parents: [base],
    ...people,
    message: commitMessage(draft.title, draft.trailers),
  });
}

function mustBeOpen({ number, state }: PullRecord): void {
  if (state !== 'open') throw refused(`#${number} is ${state}`, 'Propose it again.');
}

function refused(message: string, hint: string): Fault {
  return new Fault('FORGE_REFUSED', message, { hint });
}

function moved(message: string): Fault {
  return new Fault('FORGE_CONFLICT', message, { hint: 'Check it again, then merge.' });
}
