import { Fault } from '../base/fault.ts';
import type { Forge, PullRequest } from '../forge/forge.ts';
import type { Repository } from '../forge/repository.ts';
import type { Plan } from '../plan/types.ts';
import { code, markdown } from '../report/safe.ts';
import { count } from '../report/words.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { forgeRepository, mirrorOf, openState, type World } from './context.ts';
import { type Delivered, deliver, type Wish } from './deliver.ts';
import { planFor } from './hold.ts';
import { openParts } from './open-parts.ts';
import type { Part } from './part.ts';
import { readHoldClaim } from './plan-hold.ts';
import type { PromoteScope } from './plan-promote.ts';
import { planned } from './promote.ts';
import { withUpgradesOfTeams } from './promote-lockstep.ts';
import { type Asked, planFiles } from './proposal.ts';
import { type Claim, readClaim, recompute, told } from './recompute.ts';
import { readState, type State, teamOf, tierOf } from './state.ts';

/** Whoever asks something of the bot, and where. */
export interface Asker {
  /** In which `by` is who asks. */
  readonly world: World;
  readonly forge: Forge;
  /** Undefined: below an issue. */
  readonly pull: PullRequest | undefined;
  /** As a policy names an owner. */
  readonly owner: string;
  /** What people closed is proposed once more. */
  readonly again?: boolean;
}

/** A promotion's pull request, and what it is a part of. */
export interface Promotion {
  readonly pull: PullRequest;
  readonly repo: Repository;
  readonly state: State;
  readonly scope: PromoteScope;
  readonly part: Part;
}

/** One that a bot opened and that is open; a Fault otherwise. */
export function openPull({ pull, again }: Asker): { pull: PullRequest; claim: Claim } {
  if (!pull) throw refused('this is no pull request', 'Write it on the pull request that is meant.');
  if (pull.state === 'merged' || (pull.state === 'closed' && !again)) {
    const hint =
      pull.state === 'merged'
        ? 'What it brought is taken back by sluice rollback or remove.'
        : 'Reopen it first, or wait for the next one.';
    throw refused(`#${pull.number} is ${pull.state}`, hint);
  }
  const claim = pull.proposed === undefined ? undefined : readClaim(pull.trailers);
  if (!claim) throw refused(`#${pull.number} is not the bot's`, 'Change its branch yourself.');
  return { pull, claim };
}

/** Of what moves by itself; what a person asked for by name has nothing to leave out. */
export async function promotionOf(asker: Asker): Promise<Promotion> {
  const { pull, claim } = openPull(asker);
  const named = claim.all('Sluice-Named').length > 0 || told(claim, 'Sluice-Lockstep') !== undefined;
  if (claim.verb !== 'promote' || named) {
    throw refused(
      `#${pull.number} is what somebody asked for (${claim.verb}), all of it`,
      'Close it, and ask for something else.',
    );
  }
  if (pull.head !== pull.proposed) {
    throw refused(
      `#${pull.number} has commits that are not the bot's`,
      'Write /sluice rebuild first, which discards them; or edit the branch yourself.',
    );
  }
  const { repo, main } = await openState(asker.world);
  const state = await readState(repo, main);
  const team = teamOf(state.policies, claim.team);
  const scope = { team, tier: tierOf(team, claim.tier), set: claim.set };
  return { pull, repo, state, scope, part: await partOf(asker.world, repo, scope, claim) };
}

const WHOLE: Part = { only: [], dropped: [], elsewhere: [] };

/** As the next run would have it: what has pull requests of its own by now is not in this one. */
async function partOf(world: World, repo: Repository, scope: PromoteScope, claim: Claim): Promise<Part> {
  const open = (await openParts(world, repo))(scope);
  const [first] = claim.all('Sluice-Only');
  return open.find((part) => part?.only[0] === first) ?? WHOLE;
}

/** Makes the pull request as its verb would on main as it is now: what people changed on it, or had left out, is gone. */
export async function rebuild(asker: Asker): Promise<string> {
  const { world } = asker;
  const { pull, claim: was } = openPull(asker);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const { plan, options } = await planAgain(world, state, repo, pull, { ...was, now: world.now });
  const scope = `${was.team}/${was.tier} ${was.set}`;
  const asked: Asked = { verb: was.verb, scope, now: world.now, options, onBranch: pull.branch };
  const done = await propose(asker, { plan, asked }, { repo, state, wish: 'rebuild' });
  if (!done.pull) return `Nothing is left of #${pull.number} on main as it is now, so it is closed.`;
  const edits = pull.head === pull.proposed ? '' : ', without the commits that people made on it';
  return `#${done.pull.number} is made anew from main as it is now${edits}.`;
}

async function planAgain(
  world: World,
  state: State,
  repo: Repository,
  pull: PullRequest,
  claim: Claim,
): Promise<{ plan: Plan; options: Asked['options'] }> {
  const mirror = mirrorOf(world);
  const { catalog } = mirror;
  const options = optionsOf(pull);
  const isLockstep = told(claim, 'Sluice-Lockstep') !== undefined;
  if (claim.verb === 'promote' && !isLockstep) {
    const team = teamOf(state.policies, claim.team);
    const scope = { team, tier: tierOf(team, claim.tier), set: claim.set };
    const part = { ...(await partOf(world, repo, scope, claim)), dropped: [] };
    const named = claim.all('Sluice-Named');
    const overrideHolds = told(claim, 'Sluice-Override-Hold');
    const again = await planned(world, { state, catalog }, scope, { named, overrideHolds, part });
    return { plan: again.plan, options: again.asked.options };
  }
  if ((claim.verb === 'hold' || claim.verb === 'unhold') && told(claim, 'Sluice-Renewal') === undefined) {
    const asked = readHoldClaim(claim, claim.verb);
    const team = teamOf(state.policies, claim.team);
    const plan = await planFor(state, catalog, team, asked, { now: claim.now, skip: false });
    if (plan) return { plan, options };
  }
  const head = await readState(await forgeRepository(repo), pull.proposed ?? pull.head);
  const followsUpstream = claim.verb === 'sync' || claim.verb === 'init';
  const present = followsUpstream ? claim : { ...claim, catalog: new Map() }; // the states that live names now
  const plan = await recompute(present, state, head, catalog);
  return { plan: isLockstep ? await withUpgradesOfTeams(plan, state, catalog) : plan, options };
}

/** What is not of one plan alone. */
const OF_THE_PLAN: ReadonlySet<string> = new Set(
  ['Verb', 'Scope', 'Now', 'Catalog'].map((word) => `Sluice-${word}`),
);

function optionsOf({ trailers }: PullRequest): Asked['options'] {
  return trailers.filter(([key]) => key.startsWith('Sluice-') && !OF_THE_PLAN.has(key));
}

export async function propose(
  { world }: Asker,
  { plan, asked }: { readonly plan: Plan; readonly asked: Asked },
  o: { readonly repo: Repository; readonly state: State; readonly wish: Wish; readonly gone?: string },
): Promise<Delivered> {
  return deliver(world, { plan, asked, ...o, how: 'propose', all: false, mirror: mirrorOf(world) });
}

/** Leaves packages out of a promotion, with what is built from the same source and what needs them. */
export async function drop(asker: Asker, names: readonly string[]): Promise<string> {
  const { world } = asker;
  const { pull, repo, state, scope, part } = await promotionOf(asker);
  const { catalog } = mirrorOf(world);
  const plan = (of: Part) => planned(world, { state, catalog }, scope, { named: [], part: of });
  const before = moving((await plan(part)).plan);
  const known = new Set([...before.values()].flatMap(({ name, source }) => [name, source]));
  for (const { name } of part.dropped) known.add(name);
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new Fault('NOT_FOUND', `#${pull.number} does not move ${unknown.join(', ')}`, {
      hint: 'Name a package or a source package that it moves.',
    });
  }
  const by = world.by;
  const fresh = names.filter((name) => part.dropped.every((other) => other.name !== name));
  const dropped = [...part.dropped, ...fresh.map((name) => ({ name, by }))];
  const next = await plan({ ...part, dropped });
  if (planFiles([next.plan], state).size === 0) {
    throw refused('nothing would be left', `Close #${pull.number}, which says no to all of it.`);
  }
  const asked = { ...next.asked, onBranch: pull.branch };
  await propose(asker, { plan: next.plan, asked }, { repo, state, wish: 'asked' });
  const after = moving(next.plan);
  const gone = [...before.keys()].filter((build) => !after.has(build));
  const said = gone.slice(0, MOST_SAID).map(code).join(', ');
  const more = gone.length > MOST_SAID ? ` and ${gone.length - MOST_SAID} more` : '';
  const left =
    gone.length === 0
      ? `${names.map(code).join(', ')} was left out already.`
      : `${count(gone.length, 'build')} ${gone.length === 1 ? 'is' : 'are'} left out of #${pull.number}: ${said}${more}.`;
  const month = new Date(world.now.getTime() + 30 * 86_400_000).toISOString().slice(0, 10);
  return `${left}\n\nThat is so while this pull request is open. To keep it out for longer: ${code(`/sluice hold ${names.join(' ')} until ${month} because …`)}. To have it in again: ${code('/sluice rebuild')}.`;
}

const MOST_SAID = 30;

/** What comes into the tier, by NEVRA. */
export function moving(plan: Plan): Map<string, { readonly name: string; readonly source: string }> {
  const found = new Map<string, { name: string; source: string }>();
  for (const change of plan.repositories.flatMap(({ changes }) => changes)) {
    if (!('to' in change) || !('source' in change)) continue;
    const { nevra } = change.to;
    found.set(formatNevra(nevra), { name: nevra.name, source: change.source });
  }
  return found;
}

export function notDone({ message, hint }: Fault): string {
  return `**Not done:** ${markdown(message, 1_000).replace(/\.$/, '')}. ${markdown(hint, 600)}`;
}

export function refused(message: string, hint: string): Fault {
  return new Fault('FORGE_REFUSED', message, { hint });
}
