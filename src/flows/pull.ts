import { Fault } from '../base/fault.ts';
import type { SetCheck } from '../forge/check.ts';
import { type Forge, isCurrent, type Proposed, type PullRequest, type PullState } from '../forge/forge.ts';
import { STOP_LABEL } from '../forge/fresh.ts';
import type { Repository } from '../forge/repository.ts';
import type { Plan } from '../plan/types.ts';
import { isCommand } from '../report/command.ts';
import { withoutCommentMarker } from '../report/marker.ts';
import { plain, shownLines } from '../report/safe.ts';
import { columns } from '../report/terminal.ts';
import { day } from '../report/words.ts';
import { type Difference, stateAt } from './check.ts';
import { brokenReason, isExcusable, ON_PURPOSE } from './check-sets.ts';
import { forgeRepository, mirrorOf, openState, type World } from './context.ts';
import { forgeOf } from './forge-of.ts';
import { lookInside } from './inside.ts';
import { judgeMerge } from './judge.ts';
import { faultLine } from './main.ts';
import { checkPaths } from './outside.ts';
import { readClaim } from './recompute.ts';
import { readState, type State } from './state.ts';

/** What the check `sluice/plan` says of a pull request. */
export interface Verdict {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  /** Undefined: a person's pull request, which claims no plan. */
  readonly differences: readonly Difference[] | undefined;
  /** What it claims to be, computed again; undefined where it did not come to that. */
  readonly plan?: Plan | undefined;
  /** Main as the merge was judged with; undefined where it did not come to that. */
  readonly tip: string | undefined;
  /** The merge, where it came to that. */
  readonly merge?: JudgedMerge;
}

export interface JudgedMerge {
  readonly main: State;
  /** The head that would be merged: another one than the pull request's where somebody pushed meanwhile. */
  readonly head: string;
  readonly tree: string;
  /** What main would be; undefined where that cannot be read. */
  readonly state: State | undefined;
}

/**
 * The check `sluice/plan`: the head is data only. A bot's commit must be its plan, recomputed from its base; what people
 * changed on top is listed. Then the tree that a merge would give is checked as a whole.
 */
export async function checkPull(world: World, repo: Repository, pull: PullRequest): Promise<Verdict> {
  try {
    return await judge(world, repo, pull);
  } catch (error) {
    if (!(error instanceof Fault) || error.at !== undefined) throw error;
    const { hint } = error; // what a trailer says has no other place than the pull request
    throw new Fault(error.code, error.message, { hint, at: `#${pull.number}`, cause: error });
  }
}

async function judge(world: World, repo: Repository, pull: PullRequest): Promise<Verdict> {
  const mirror = mirrorOf(world);
  const forge = await forgeOf(world, repo);
  const local = await forgeRepository(repo);
  const claim = readClaim(pull.trailers);
  const base = await readState(local, pull.base);
  const paths = await checkPaths(base.history, pull.head);
  if (paths.length > 0) return { complaints: paths, warnings: [], differences: undefined, tip: undefined };
  const preview = await forge.preview(pull.number);
  const main = preview.tip === base.commit ? base : await readState(local, preview.tip);
  const { trailers, head } = pull;
  const found = await stateAt(local, head, base.history);
  const excused = () => isOnPurpose(local, forge, pull);
  const merging = { claim, trailers, base, head, found, main, merged: preview.tree, excused };
  const { reached, state, ...judged } = await judgeMerge(world, local, merging, mirror.catalog, mirror);
  const merge = { main, head: preview.head, tree: preview.tree, state };
  return { ...judged, tip: reached ? preview.tip : undefined, merge };
}

/** The head's own commit says why the set may break, and somebody approved of just that head. */
async function isOnPurpose(repo: Repository, forge: Forge, pull: PullRequest): Promise<boolean> {
  const reason = brokenReason(await repo.trailers(pull.head));
  if (reason === undefined) return false;
  const { approvals } = await forge.get(pull.number); // a list need not have them
  return approvals.some((a) => isCurrent(pull, a));
}

/** A first import, a row that needs eyes, a vendor's new key: for a person to compare. */
function asksForEyes(plan: Plan): boolean {
  if (plan.repositories.some((r) => r.before === undefined || r.attention.length > 0)) return true;
  return [...(plan.inside?.changes.values() ?? [])].flat().some(({ kind }) => kind === 'key');
}

/**
 * Live follows upstream by itself: merged when its check is green and nothing asks for a person's eyes. The pull request need not have
 * the plan that was proposed just now (it was left as it was: `frozen`), so its own is what is asked.
 */
export async function mergeIfGreen(
  world: World,
  repo: Repository,
  { number, outcome }: Proposed,
  plan: Plan,
): Promise<boolean> {
  if (plan.verb !== 'sync' || asksForEyes(plan)) return false;
  const forge = await forgeOf(world, repo);
  if (await forge.isBlocked(number)) {
    // a review that is asked for, a check that is not there yet: the next run looks again
    if (!world.json) world.print(`#${number} is not merged yet: main's rules want more than its own check\n`);
    return false;
  }
  const commit = await mergeChecked(world, repo, forge, number, async (pull, verdict) => {
    if (pull.state !== 'open' || pull.proposed !== pull.head || pull.labels.includes(STOP_LABEL))
      return false;
    if (verdict.complaints.length > 0 || verdict.differences?.length !== 0) return false;
    if (!verdict.plan || !verdict.merge || asksForEyes(verdict.plan)) return false;
    if (outcome !== 'frozen') return true; // of the plan that it has, the packages were looked into
    return !asksForEyes(await lookInside(verdict.plan, verdict.merge.main, mirrorOf(world)));
  }).catch((error: unknown) => {
    if (!(error instanceof Fault) || error.code !== 'FORGE_BLOCKED') throw error;
    world.progress.say(`#${number} stays open: ${error.message}`); // a check has not reported yet: the next run asks again
    return undefined;
  });
  if (commit === undefined) return false;
  if (!world.json)
    world.print(
      `merged #${number} as ${commit.slice(0, 12)}: live follows upstream by itself, and no row asks for a person\n`,
    );
  return true;
}

export async function pullList(world: World, state: PullState | undefined): Promise<void> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  const pulls = await forge.list(state === undefined ? {} : { state });
  if (world.json) return world.print(`${JSON.stringify(pulls, null, 2)}\n`);
  if (pulls.length === 0) return world.print(`no ${state ?? ''} pull requests\n`.replace('  ', ' '));
  const rows = pulls.map((p) => [
    `#${p.number}`,
    p.state,
    day(p.updatedAt),
    plain(p.title, 120),
    redWords(p),
  ]);
  world.print(columns(rows, ''));
}

/** What keeps it from being merged, by the checks that the forge keeps. */
function redWords({ checks = [], head, state }: PullRequest): string {
  const red = checks.filter((check) => check.head === head && check.state === 'failure');
  return state === 'open' && red.length > 0 ? `red: ${red.map(({ name }) => plain(name)).join(', ')}` : '';
}

function checkWords({ head }: PullRequest, check: SetCheck): string {
  const of = check.head === head ? '' : ' (of an earlier head)';
  const where = check.url === undefined ? '' : `, ${plain(check.url)}`;
  return `${check.state}${of}: ${plain(check.title)}${where}`;
}

export async function pullShow(world: World, number: number, o: { diff: boolean }): Promise<void> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  const pull = await forge.get(number);
  if (o.diff) return world.print(await forge.diff(number));
  if (world.json) return world.print(`${JSON.stringify(pull, null, 2)}\n`);
  const approvals = pull.approvals.map(
    (a) => `${plain(a.by)}${isCurrent(pull, a) ? '' : ' (of an earlier head)'}`,
  );
  const facts = [
    ['branch', plain(pull.branch)],
    ['head', pull.head.slice(0, 12)],
    ['base', pull.base.slice(0, 12)],
    ['opened', `${day(pull.openedAt)} by ${plain(pull.openedBy)}`],
    ...(approvals.length > 0 ? [['approved', approvals.join(', ')]] : []),
    ...(pull.mergeCommit === undefined ? [] : [['merged', pull.mergeCommit.slice(0, 12)]]),
    ...(pull.checks ?? []).map((check) => [check.name, checkWords(pull, check)]),
  ];
  world.print(
    `#${pull.number} ${plain(pull.title, 200)} [${pull.state}]\n${columns(facts, '  ')}\n${shownLines(pull.body)}\n`,
  );
  for (const { by, at, text } of pull.comments) {
    const words = withoutCommentMarker(text);
    world.print(`\n── ${plain(by)}, ${day(at)}\n${shownLines(words)}\n`);
  }
}

export async function pullApprove(world: World, number: number): Promise<void> {
  const { repo } = await openState(world);
  await (await forgeOf(world, repo)).approve(number, { by: world.by, now: world.now });
  world.print(`approved #${number} as ${plain(world.by)}\n`);
}

/** GitHub's limit, in UTF-16 units; the local forge has the same. */
const LONGEST_COMMENT = 65_536;

export async function pullComment(world: World, number: number, words: readonly string[]): Promise<void> {
  const [text = '', more] = words;
  if (more !== undefined || text.trim() === '') {
    throw new Fault('USAGE', text === '' ? 'the comment is missing' : 'the comment is several words', {
      hint: `Quote it: sluice pr comment ${number} "/sluice rebuild".`,
    });
  }
  if (text.length > LONGEST_COMMENT || text.includes('\0') || !text.isWellFormed()) {
    const hint = `At most ${LONGEST_COMMENT} characters.`;
    throw new Fault('USAGE', 'this cannot be a comment', { hint });
  }
  const { repo } = await openState(world);
  await (await forgeOf(world, repo)).comment(number, { by: world.by, now: world.now, text });
  const next = isCommand(text) ? '; now: sluice commands' : '';
  world.print(`commented on #${number} as ${plain(world.by)}${next}\n`);
}

export async function pullClose(world: World, number: number, comment: string | undefined): Promise<void> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  await forge.close(number, { by: world.by, now: world.now, ...(comment === undefined ? {} : { comment }) });
  world.print(`closed #${number}\n`);
}

/** Checks, then merges, one after the other: what stands at main afterwards is what was checked, or nothing happened. */
export async function pullMerge(world: World, ...numbers: readonly number[]): Promise<void> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  let merged = 0;
  try {
    for (const number of numbers) {
      await mergeOne(world, repo, forge, number);
      merged += 1;
    }
  } finally {
    if (merged > 0) await repo.update();
  }
}

async function mergeOne(world: World, repo: Repository, forge: Forge, number: number): Promise<void> {
  const pull = await forge.get(number);
  if (pull.state !== 'open') {
    const hint =
      pull.state === 'merged' ? 'There is nothing left to do.' : 'Run the command that made it again.';
    throw new Fault('FORGE_REFUSED', `#${number} is ${pull.state}`, { hint });
  }
  const commit = await mergeReviewed(world, repo, forge, number, () => true);
  world.print(`merged #${number} as ${commit?.slice(0, 12)}; now: sluice publish\n`);
}

/** Merges what is green, or throws what keeps it from being so. Undefined: the caller no longer wants it as it is now. */
export async function mergeReviewed(
  world: World,
  repo: Repository,
  forge: Forge,
  number: number,
  isWanted: (pull: PullRequest) => boolean,
): Promise<string | undefined> {
  return mergeChecked(world, repo, forge, number, (seen, verdict) => {
    if (!isWanted(seen)) return false;
    refuseUnlessGreen(world, seen, verdict);
    for (const fault of verdict.warnings) world.progress.say(`warning: ${faultLine(fault, false)}`);
    return true;
  });
}

const MERGE_ATTEMPTS = 5;

/** Merges the head that was judged into the main that it was judged with; where either moved since, it is judged again. */
async function mergeChecked(
  world: World,
  repo: Repository,
  forge: Forge,
  number: number,
  mayMerge: (pull: PullRequest, verdict: Verdict) => boolean | Promise<boolean>,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const pull = await forge.get(number);
    const verdict = await checkPull(world, repo, pull);
    if (!(await mayMerge(pull, verdict)) || verdict.tip === undefined) return undefined;
    try {
      const { by, now } = world;
      return await forge.merge(number, { by, now, head: pull.head, tip: verdict.tip });
    } catch (error) {
      const moved = error instanceof Fault && error.code === 'FORGE_CONFLICT';
      if (!moved || attempt === MERGE_ATTEMPTS) throw error;
    }
  }
}

/** A bot's own commit must be its plan; what a person changed needs somebody's approval of just that head. */
function refuseUnlessGreen(world: World, pull: PullRequest, verdict: Verdict): void {
  const annotate = world.env['GITHUB_ACTIONS'] !== undefined;
  const [first] = verdict.complaints;
  if (first) {
    if (verdict.complaints.length > 1)
      for (const fault of verdict.complaints) world.progress.say(faultLine(fault, annotate));
    if (verdict.complaints.some(isExcusable)) world.progress.say(ON_PURPOSE);
    const more = verdict.complaints.length > 1 ? ` (and ${verdict.complaints.length - 1} more)` : '';
    throw new Fault(first.code, `#${pull.number} is not green: ${first.message}${more}`, {
      hint: first.hint,
      at: first.at,
      cause: first,
    });
  }
  if (!verdict.differences || verdict.differences.length === 0) return;
  const paths = verdict.differences.map((d) => `${d.path} (${d.kind})`).join(', ');
  if (pull.proposed === pull.head) {
    throw new Fault('PLAN_DIFFERS', `#${pull.number} is not the plan that its trailers name: ${paths}`, {
      hint: 'Close it and run the command again; then find out who wrote it.',
      at: `#${pull.number}`,
    });
  }
  if (pull.approvals.some((a) => isCurrent(pull, a))) return;
  throw new Fault('PLAN_DIFFERS', `people changed #${pull.number} beyond its plan: ${paths}`, {
    hint: `Look at sluice pr show ${pull.number} --diff, then approve it: sluice pr approve ${pull.number}.`,
    at: `#${pull.number}`,
  });
}
