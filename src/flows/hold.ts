import { createHash } from 'node:crypto';
import { parseDuration } from '../base/duration.ts';
import { Fault, quote } from '../base/fault.ts';
import { similar } from '../base/similar.ts';
import { checkLine } from '../forge/forge.ts';
import type { Hold, TeamPolicy } from '../manifest/policy.ts';
import { policyEffects } from '../plan/effects.ts';
import { filterText } from '../plan/rules.ts';
import type { Effect, Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { type HeldNames, namesOf } from './held-names.ts';
import { HOLDS_SET, type HoldAsked, holdPlan, holdTrailers, POLICY_TIER } from './plan-hold.ts';
import { promotionPlan } from './plan-promote.ts';
import { clientSets, readState, type State, teamOf, tierOf, upstreamsOf } from './state.ts';

export interface HoldRequest {
  readonly patterns: readonly string[];
  /** Undefined: every team. */
  readonly team: string | undefined;
  readonly tier?: string | undefined;
  readonly repository?: string | undefined;
  readonly source: boolean;
  readonly reason: string;
  readonly owner?: string | undefined;
  /** A day, or how long from now. */
  readonly until?: string | undefined;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Adds or renews holds in the policy of a team, or of every one: one plan (and pull request) each, with what then stays. */
export async function hold(world: World, request: HoldRequest): Promise<Delivered[]> {
  return await changeHolds(world, 'hold', { ...request, until: endOf(request.until, world.now) });
}

/** Drops holds, with what then moves by itself. */
export async function unhold(world: World, request: HoldRequest): Promise<Delivered[]> {
  return await changeHolds(world, 'unhold', request);
}

async function changeHolds(
  world: World,
  verb: HoldAsked['verb'],
  request: HoldRequest,
): Promise<Delivered[]> {
  const { patterns, source, tier, repository, reason, owner, until } = request;
  if (patterns.length === 0) {
    const hint = `Name a package or a pattern: sluice ${verb} 'kernel*' --team infra --reason TEXT …`;
    throw new Fault('USAGE', `what to ${verb} is missing`, { hint });
  }
  for (const pattern of patterns) checkLine('pattern', pattern);
  checkLine('reason', reason, '--reason');
  if (owner !== undefined) checkLine('owner', owner, '--owner', 200);
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const asked: HoldAsked = { verb, patterns, source, tier, repository, reason, owner, until };
  const planned: Plan[] = [];
  for (const team of teamsFor(state, request)) {
    const plan = await planFor(state, mirror.catalog, team, asked, {
      now: world.now,
      skip: request.team === undefined,
    });
    if (plan) planned.push(plan);
    else world.progress.say(`${team.team}: nothing there is meant`);
  }
  if (planned.length === 0) {
    throw new Fault('NOT_FOUND', `no team has anything that is meant by ${patterns.map(quote).join(', ')}`, {
      hint: 'Name one with --team to see what comes near.',
    });
  }
  const delivered: Delivered[] = [];
  for (const plan of planned) {
    const { how, all } = request;
    const options = holdTrailers(asked);
    const branch = branchOf(asked);
    const scope = `${plan.team}/${POLICY_TIER} ${HOLDS_SET}`;
    delivered.push(
      await deliver(world, {
        plan,
        state,
        repo,
        mirror,
        asked: { verb, scope, now: world.now, options, branch },
        how,
        all,
      }),
    );
  }
  return delivered;
}

/** What branches of renewals begin with. */
export const RENEWAL = 'renewal-';

/** Two patterns may look the same in a branch's alphabet. */
export function branchOf({ patterns, source, tier, repository, index }: HoldAsked): string[] {
  const plain = patterns.length === 1 && /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(patterns[0] ?? '');
  if (plain && !source && !tier && !repository && index === undefined) return [patterns[0] ?? ''];
  const digest = createHash('sha256')
    .update(JSON.stringify([patterns, source, tier, repository]))
    .digest('hex')
    .slice(0, 8);
  return [`${index === undefined ? '' : RENEWAL}${digest}-${patterns[0]}`];
}

function teamsFor(state: State, { team, tier, repository }: HoldRequest): TeamPolicy[] {
  const teams = team === undefined ? [...state.policies.teams.values()] : [teamOf(state.policies, team)];
  if (team === undefined) return teams;
  for (const one of teams) {
    if (tier !== undefined) tierOf(one, tier);
    if (repository !== undefined && !one.repositories.includes(repository)) {
      const near = similar(repository, one.repositories)[0];
      const hint = near ? `Did you mean ${near}?` : `Name one of: ${one.repositories.join(', ')}.`;
      throw new Fault('NOT_FOUND', `team ${one.team} has no repository ${quote(repository)}`, {
        hint,
        at: one.path,
      });
    }
  }
  return teams;
}

/** Undefined where one team of many has nothing that is meant. */
export async function planFor(
  state: State,
  catalog: Catalog,
  team: TeamPolicy,
  asked: HoldAsked,
  o: { readonly now: Date; readonly skip: boolean },
): Promise<Plan | undefined> {
  try {
    const { plan, after, holds } = holdPlan(state, team, asked, o.now);
    const names = await namesOf(state, catalog, team, { sources: holds.some((h) => h.source) });
    const notes = holds.map((h) => matchNote(h, names));
    if (asked.verb === 'hold')
      for (const h of holds) await refuseWithoutMatch(h, names, { state, catalog, team });
    const effects = await effectsOf(state, catalog, team, after, o.now);
    const follows = { notes: [...(plan.follows?.notes ?? []), ...notes], effects };
    return { ...plan, follows };
  } catch (error) {
    const isNothing = error instanceof Fault && error.code === 'NOT_FOUND';
    if (o.skip && isNothing) return undefined;
    throw error;
  }
}

const NAMED = 12;

function matchNote(h: Hold, names: HeldNames): string {
  const found = names.matchedBy(h);
  const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : '';
  const of = `${found.length} of ${names.all.size} ${names.all.size === 1 ? 'name' : 'names'} that the team has or could have`;
  return `${filterText(h)} matches ${of}${found.length > 0 ? `: ${found.slice(0, NAMED).join(', ')}${more}` : ''}`;
}

/** A hold of nothing is a slip of the hand that would be found out when the package has moved. */
async function refuseWithoutMatch(
  h: Hold,
  names: HeldNames,
  { state, catalog, team }: { state: State; catalog: Catalog; team: TeamPolicy },
): Promise<void> {
  if (names.matchedBy(h).length > 0) return;
  const text = h.match?.text ?? h.source?.text ?? '';
  const word = text.replace(/[\^$*\\?]|\(.*\)/g, '');
  const known = h.source ? names : await namesOf(state, catalog, team, { sources: true });
  if (!h.source && h.match && [...known.sources].some((s) => h.match?.matches(s))) {
    throw new Fault('NOT_FOUND', `${quote(text)} matches no package, but a source package`, {
      hint: 'Add --source, which holds all that is built from it.',
      at: team.path,
    });
  }
  const near = similar(word, h.source ? known.sources : known.all);
  throw new Fault('NOT_FOUND', `${quote(text)} matches nothing that ${team.team} has or could have`, {
    hint: near.length > 0 ? `Did you mean ${near.join(', ')}?` : 'sluice explain NAME looks in every tier.',
    at: team.path,
  });
}

/** Of every tier and set of the team: what its promotions would do with the one policy and with the other. */
export async function effectsOf(
  state: State,
  catalog: Catalog,
  before: TeamPolicy,
  after: TeamPolicy,
  now: Date,
): Promise<Effect[]> {
  const effects: Effect[] = [];
  for (const set of clientSets(upstreamsOf(state.policies, before)).keys()) {
    const plans = async (team: TeamPolicy) => {
      const all: Plan[] = [];
      for (const tier of team.tiers)
        all.push(await promotionPlan(state, catalog, { team, tier, set }, { named: [], now }));
      return all;
    };
    const [was, is] = [await plans(before), await plans(after)];
    for (const [i, plan] of is.entries()) effects.push(...policyEffects(was[i] as Plan, plan));
  }
  return effects;
}

const LONG =
  'Say until when: --until 2027-03-31 or --until 90d. For long, up to ten years (--until 520w): it is named a week before its end, and the same command renews it.';

/** The day on which a hold ends; one that has no end is forgotten by everybody but the builds that it keeps. */
export function endOf(until: string | undefined, now: Date): string {
  if (until === undefined || until === '') throw new Fault('USAGE', 'a hold without an end', { hint: LONG });
  const isDay = /^\d{4}-\d\d-\d\d$/.test(until);
  const time = isDay ? Date.parse(`${until}T00:00:00Z`) : now.getTime() + parseDuration(until, '--until');
  const day = Number.isNaN(time) ? '' : new Date(time).toISOString().slice(0, 10);
  if (isDay && day !== until)
    throw new Fault('USAGE', `${quote(until)} is no day of the calendar`, { hint: LONG });
  if (day <= now.toISOString().slice(0, 10))
    throw new Fault('USAGE', `a hold until ${day} has no day before it`, { hint: LONG });
  if (time > now.getTime() + 3_660 * 86_400_000)
    throw new Fault('USAGE', `${day} is more than ten years away`, { hint: LONG });
  return day;
}
