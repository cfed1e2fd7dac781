import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { checkMerged } from '../../src/flows/check-merged.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { caller } from '../fixtures/testForge.ts';
import type { Site } from './site.ts';

const DAY = 86_400_000;
/** From the last change of a pull request to the approval, and from there to the merge. */
const READS_FOR = 2 * DAY;
const MERGES_AFTER = DAY;

/** What is true of main by now, and was not when it was proposed: no fault of the bot's, and no merge of it loses anything. */
const NOT_NOW = /moves only in its window$|^upstream pulled \S+ back$/;

interface Seen {
  head: string;
  changed: number;
  approved?: { readonly head: string; readonly at: number };
  isPulledBack?: boolean;
}

/** The hosted check on every new head, and a person who takes two days to approve, and one more to press the button. */
export class Reviewer {
  readonly #site: Site;
  readonly #runner: string;
  readonly #seen = new Map<number, Seen>();
  approvals = 0;
  /** `#7: PLAN_DIFFERS …`: a bot's pull request that its own check refuses. */
  readonly red: string[] = [];
  /** `#7`: approved, and then rewritten or closed by the bot. */
  readonly lost: string[] = [];
  /** The longest that one was open. */
  longestDays = 0;

  private constructor(site: Site, runner: string) {
    this.#site = site;
    this.#runner = runner;
  }

  static async of(site: Site): Promise<Reviewer> {
    const runner = join(await tempDir(), 'runner');
    execFileSync('git', ['clone', '-q', '--bare', site.forge.dir, runner]);
    return new Reviewer(site, runner);
  }

  /** After a run of the bot: what became of what was approved; the check of every head that is new. */
  async look(): Promise<void> {
    const { state } = this.#site.forge;
    const now = this.#site.now.getTime();
    for (const [number, seen] of this.#seen) {
      const issue = state.issue(number);
      const gone = issue?.state === 'closed' && !issue.pull?.mergedAt;
      if (seen.approved && (gone || issue?.pull?.headSha !== seen.approved.head)) {
        const how = gone ? ' (closed)' : '';
        // what was pulled back since nobody could have merged
        if (!seen.isPulledBack) this.lost.push(`#${number} at ${this.#site.now.toISOString()}${how}`);
        delete seen.approved;
      }
      if (issue?.state === 'closed') this.#seen.delete(number);
    }
    for (const { number, pull, createdAt } of state.openPulls) {
      this.longestDays = Math.max(this.longestDays, (now - Date.parse(createdAt)) / DAY);
      if (this.#seen.get(number)?.head === pull.headSha) continue;
      this.#seen.set(number, { head: pull.headSha, changed: now });
      await this.#check(number, pull.headSha);
    }
  }

  /** What was before the first day does not count. */
  begin(): void {
    [this.approvals, this.longestDays] = [0, 0];
  }

  /** Once a day. */
  async work(atOnce = false): Promise<void> {
    const now = this.#site.now.getTime();
    const send = caller(this.#site.forge, this.#site.forge.tokenOf('user'));
    for (const { number, pull } of [...this.#site.forge.state.openPulls]) {
      const seen = this.#seen.get(number);
      if (!seen || seen.head !== pull.headSha) continue;
      if (!seen.approved) {
        if (!atOnce && now - seen.changed < READS_FOR) continue;
        await send('POST', `pulls/${number}/reviews`, { event: 'APPROVE', commit_id: seen.head });
        seen.approved = { head: seen.head, at: now };
        this.approvals += 1;
      }
      const rested = atOnce || now - seen.approved.at >= MERGES_AFTER;
      if (rested && (await this.#check(number, seen.head))) {
        const merge = { sha: seen.head, merge_method: 'merge' };
        const { status, body } = await send('PUT', `pulls/${number}/merge`, merge);
        if (status !== 200) throw new Error(`#${number} does not merge: ${JSON.stringify(body)}`);
        await send('DELETE', `git/refs/heads/${encodeURIComponent(pull.branch)}`);
        this.#seen.delete(number);
      }
    }
  }

  /** What `actions/checkout` has of a pull request, judged; its verdict on the head. */
  async #check(number: number, head: string): Promise<boolean> {
    const { forge, now } = this.#site;
    const git = (...args: string[]) =>
      execFileSync('git', ['--git-dir', this.#runner, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    await caller(forge, forge.tokenOf('user'))('GET', `pulls/${number}`); // the first read makes the test merge
    const merge = `+refs/pull/${number}/merge:refs/pull/merge`;
    git('fetch', '-q', forge.dir, '+refs/heads/main:refs/remotes/origin/main', merge);
    const said: string[] = [];
    const print = (text: string) => void said.push(text);
    const world = this.#site.world({ repoDir: this.#runner, now, json: true, print });
    const good = await checkMerged(world, git('rev-parse', 'refs/pull/merge'));
    const { complaints } = JSON.parse(said.join('')) as { complaints: { code: string; message: string }[] };
    const seen = this.#seen.get(number);
    if (seen) seen.isPulledBack = complaints.some(({ message }) => /^upstream pulled/.test(message));
    for (const { code, message } of complaints) {
      if (!NOT_NOW.test(message)) this.red.push(`#${number}: ${code} ${message}`);
    }
    const status = { state: good ? 'success' : 'failure', context: 'sluice/plan' };
    await caller(forge, forge.tokenOf('actions'))('POST', `statuses/${head}`, status);
    return good;
  }
}
