import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../base/fault.ts';
import type { Proposed } from '../forge/forge.ts';
import type { Repository } from '../forge/repository.ts';
import { isOpen, nextOpening } from '../manifest/window.ts';
import type { Plan } from '../plan/types.ts';
import { lockWorkTree } from '../pool/disk.ts';
import { toJson } from '../report/json.ts';
import { terminal } from '../report/terminal.ts';
import { day } from '../report/words.ts';
import { readChangelogs } from './changelogs.ts';
import { checkLockstepGroups } from './check-lockstep.ts';
import type { Mirror, World } from './context.ts';
import { forgeOf } from './forge-of.ts';
import { lookInside } from './inside.ts';
import { summarisePlan } from './job-summary.ts';
import { faultLine } from './main.ts';
import { type Asked, branchOf, draftOf, planFiles, provenanceOf, tierOfPlan } from './proposal.ts';
import { type State, stateOf } from './state.ts';

/** What becomes of a plan: shown only, written into the work tree, or offered for review. */
export type Delivery = 'show' | 'write' | 'propose';

/** `asked`: in this form, whoever approved of another one. `rebuild`: from scratch, whatever people changed. */
export type Wish = 'asked' | 'rebuild';

export interface Delivered {
  readonly plan: Plan;
  readonly files: ReadonlyMap<string, string>;
  /** Of the pull request, where one was asked for and there was something to propose. */
  /** What became of each line of an imported file. */
  readonly accounts?: readonly {
    readonly line: number;
    readonly text: string;
    readonly outcome: string;
    readonly says: string;
  }[];
  readonly pull?: Proposed;
}

/** Prints one plan and carries it as far as it was asked. An empty plan writes and opens nothing. */
export async function deliver(
  world: World,
  o: {
    readonly plan: Plan;
    readonly state: State;
    readonly repo: Repository;
    readonly asked: Asked;
    readonly how: Delivery;
    readonly all: boolean;
    readonly mirror: Mirror;
    /** Runs before anything is written: packages are fetched and verified. The plan again, where that keeps some of them out. */
    readonly prepare?: () => Promise<Plan | undefined>;
    /** Somebody asked the bot for it, on the pull request itself. */
    readonly wish?: Wish | undefined;
    /** Why nothing is left of it, where the caller knows better. */
    readonly gone?: string | undefined;
  },
): Promise<Delivered> {
  const { state, repo } = o;
  const { mirror } = o;
  const fetching = o.how !== 'show' && o.prepare !== undefined;
  if (fetching)
    world.progress.say(shown(o.plan, planFiles([o.plan], state).size, false).split('\n')[0] ?? '');
  const fetched = fetching ? await o.prepare?.() : undefined;
  const looked = await lookInside(fetched ?? o.plan, state, mirror);
  const plan = await readChangelogs(looked, mirror.catalog);
  const files = planFiles([plan], state);
  const [apart] = partsTeams(plan, state, files);
  if (apart && o.how === 'propose') throw apart;
  if (apart) world.progress.say(`warning: ${faultLine(apart, false)}`);
  if (!world.json) world.print(shown(plan, files.size, o.all));
  if (o.how === 'show') return { plan, files };
  if (files.size === 0) {
    const closed = closedWindow(plan, state, world.now);
    if (closed && o.how === 'propose')
      world.progress.say(`${plan.team}/${plan.tier} ${plan.set}: its window opens ${day(closed)}`);
    else if (o.how === 'propose') await withdraw(world, repo, plan, state, o);
    return { plan, files };
  }
  if (o.how === 'write') {
    await using _lock = await lockWorkTree(repo.gitDir); // two plans must not become a mixture
    await refuseOtherBase(repo, state, files);
    await refuseOverwriting(repo, files);
    await repo.write(files);
    if (!world.json) world.print(`wrote ${[...files.keys()].join(', ')}\n`);
    return { plan, files };
  }
  const forge = await forgeOf(world, repo);
  const draft = draftOf(plan, state, files, o.asked, forge.words);
  const wish = o.wish === undefined ? {} : { [o.wish]: true };
  const pull = await forge.propose(draft, { now: world.now, ...wish });
  const isAsked = o.wish !== undefined || !isByItself(plan.verb, o.asked);
  if (pull.outcome === 'edited' && isAsked) throw edited(pull.number);
  const isNews = pull.outcome === 'opened' || pull.outcome === 'updated';
  if (isNews) await summarisePlan(world, plan, provenanceOf(plan, state, files));
  const why = pull.why === undefined ? '' : ` (${pull.why})`;
  if (!world.json)
    world.print(`pull request #${pull.number} ${pull.outcome}${why}: sluice pr show ${pull.number}\n`);
  return { plan, files, pull };
}

/** A run of the bot's looks at every scope, whatever people do with one of them; who asked for just this must hear that it was not done. */
function isByItself(verb: string, { options }: Asked): boolean {
  return (verb === 'promote' || verb === 'sync') && !options.some(([key]) => ASKED_FOR.has(key));
}

const ASKED_FOR: ReadonlySet<string> = new Set(['Sluice-Named', 'Sluice-Lockstep', 'Sluice-Reason']);

function edited(number: number): Fault {
  return new Fault('FORGE_CONFLICT', `#${number} has commits that are not the bot's, and is left as it is`, {
    hint: `Merge or close #${number}; or delete its branch to have the present plan proposed anew.`,
    at: `#${number}`,
  });
}

/** When it opens: until then what the last one had proposed is not over, and is for people to read and to merge. */
function closedWindow(plan: Plan, state: State, now: Date): Date | undefined {
  const opens = plan.repositories.flatMap(({ repository, staying, treeStays }) => {
    const { window } = tierOfPlan(state, repository) ?? {};
    const waits = treeStays !== undefined || staying.some(({ reason }) => reason.kind === 'window');
    return window && waits && !isOpen(window, now) ? [nextOpening(window, now)] : [];
  });
  return opens.sort((a, b) => a.getTime() - b.getTime())[0];
}

/** What came to main in another way, or was held since: the pull request that is still open for it has nothing left. */
async function withdraw(
  world: World,
  repo: Repository,
  plan: Plan,
  state: State,
  { asked, gone }: { readonly asked: Asked; readonly gone?: string | undefined },
): Promise<void> {
  const comment =
    gone ??
    `Nothing is left of it on main as it is now (${state.commit.slice(0, 12)}): it came there in another way, or is held.`;
  const forge = await forgeOf(world, repo);
  const { window } = tierOfPlan(state, plan) ?? {};
  const act = { by: world.by, now: world.now, comment, ...(window ? { window } : {}) };
  const number = await forge.withdraw(branchOf(plan, asked), act);
  if (number !== undefined && !world.json) world.print(`closed #${number}: ${comment}\n`);
}

/** What its check would say of teams that are in lockstep: better before there is a pull request than after. */
function partsTeams(plan: Plan, state: State, files: ReadonlyMap<string, string>): readonly Fault[] {
  if (files.size === 0 || state.policies.lockstep.size === 0) return [];
  const after = stateOf(state.history, new Map([...state.files, ...files]));
  const claim = { verb: plan.verb, all: () => [] };
  return checkLockstepGroups(state, after, { claim, proven: true }).complaints;
}

/** What a person has not committed yet is never overwritten; what says already what the plan says is in nobody's way. */
async function refuseOverwriting(repo: Repository, files: ReadonlyMap<string, string>): Promise<void> {
  const changed = (await repo.uncommitted()).filter((path) => files.has(path));
  if (changed.length === 0) return;
  const edited: string[] = [];
  for (const path of changed) {
    const there = await readFile(join(repo.root, path), 'utf8').catch(() => undefined); // deleted, or no file
    if (there !== files.get(path)) edited.push(path);
  }
  if (edited.length === 0) return;
  throw new Fault('USAGE', `the plan would overwrite what is not committed: ${edited.join(', ')}`, {
    hint: 'Commit or undo those changes first.',
    at: repo.root,
  });
}

/** A plan says whole files: written over those of a branch that has other ones, it would quietly undo them, or bring along what else main has. */
async function refuseOtherBase(
  repo: Repository,
  state: State,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  const head = await repo.resolve('HEAD');
  if (head === state.commit) return;
  const there = await repo.readCommitted(head, [...files.keys()]);
  const other = [...files.keys()].filter((path) => there.get(path)?.text !== state.files.get(path));
  if (other.length === 0) return;
  const message = `the plan is of main, and the commit that is checked out here has another ${other.join(', ')}`;
  throw new Fault('USAGE', message, {
    hint: 'Check out main first, or merge origin/main into this branch; or use --propose, which needs no work tree.',
    at: repo.root,
  });
}

function shown(plan: Plan, files: number, all: boolean): string {
  const staying = plan.repositories.some((r) => r.staying.length > 0 || r.treeStays !== undefined);
  if (files === 0 && !staying) return `${plan.team}/${plan.tier} ${plan.set}: nothing to do\n`;
  return terminal(plan, { all });
}

/** All that several deliveries have to say, for `--json`. */
export function deliveredJson(delivered: readonly Delivered[]): string {
  return `${JSON.stringify(deliveredData(delivered), null, 2)}\n`;
}

export function deliveredData(delivered: readonly Delivered[]) {
  return delivered.map(({ plan, files, pull, accounts }) => ({
    ...toJson(plan),
    ...(accounts ? { accounts } : {}),
    files: [...files.keys()],
    pull,
  }));
}
