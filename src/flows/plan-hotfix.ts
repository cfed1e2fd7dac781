import { Fault } from '../base/fault.ts';
import { formatRepositoryId, LIVE_TIER } from '../manifest/ids.ts';
import type { TeamPolicy, TierPolicy, UpstreamPolicy } from '../manifest/policy.ts';
import { recallsOf } from '../manifest/recall.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { combineHotfixes } from '../plan/combineHotfixes.ts';
import { type HotfixTier, planHotfix } from '../plan/hotfix.ts';
import { ownerOf } from '../plan/lockstep.ts';
import { findNamed, type Named } from '../plan/named.ts';
import type { PromoteRepository, Stays } from '../plan/promote.ts';
import { sumsOf } from '../plan/sums.ts';
import type { Facts, Plan, Stay } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { closureOf } from './closure.ts';
import { loadFacts } from './facts.ts';
import { lockstepSets } from './lockstep-sets.ts';
import { type PromoteScope, promoteRepository, relatedSnapshots, upstreamsInSet } from './plan-promote.ts';
import { checkNow, liveName, parentName, type State, targetName, tierOf } from './state.ts';

export interface HotfixOptions {
  readonly named: readonly string[];
  readonly reason: string;
  readonly by: string;
  readonly overrideHolds?: string | undefined;
  readonly now: Date;
}

/** Plans one client set of one team from what main says at a commit: whoever asks for it and the check that recomputes it run this. */
export async function hotfixPlan(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  o: HotfixOptions,
): Promise<Plan> {
  checkNow(state, o.now);
  const { team, set } = scope;
  const { closure, notes } = await closureOf(state, catalog, scope);
  const facts = await factsOfSet(state, catalog, scope);
  const tiers: HotfixTier[] = [];
  for (const tier of chainOf(team, scope.tier)) {
    tiers.push(await hotfixTier(state, catalog, { team, tier, set }, facts, o.now));
  }
  const { named, reason, by, now, overrideHolds } = o;
  const override = overrideHolds === undefined ? {} : { overrideHolds };
  const base = state.commit;
  const rest = { recalls: recallsOf(state.policies), ...override };
  return planHotfix({ team, set, tiers, named, reason, by, base, facts, closure, notes, now, ...rest });
}

/** The same for several teams at once, which are in lockstep by what it changes. */
export async function hotfixPlanOf(
  state: State,
  catalog: Catalog,
  scopes: readonly PromoteScope[],
  o: HotfixOptions,
): Promise<Plan> {
  const plans: Plan[] = [];
  for (const scope of scopes) plans.push(await hotfixPlan(state, catalog, scope, o));
  return combineHotfixes(plans);
}

/** Teams that one request must not part: of those whose plans change a package of a group, the ones that it would. */
export function partedBy(
  state: State,
  planned: readonly { readonly scope: PromoteScope; readonly plan: Plan }[],
): PromoteScope[] {
  const isKept = ({ scope, plan }: (typeof planned)[number]) =>
    plan.repositories.some(({ repository: { tier }, changes }) => {
      const sets = lockstepSets(state.policies, { ...scope, tier: { name: tier } });
      return changes.some((c) => 'to' in c && c.kind !== 'module' && ownerOf(c.to.nevra.name, sets));
    });
  const kept = planned.filter(isKept).map(({ scope }) => scope);
  return kept.length > 1 ? kept : [];
}

/** A tier, its parent, and so on up to the one that takes from live. */
export function chainOf(team: TeamPolicy, tier: TierPolicy): TierPolicy[] {
  const chain = [tier];
  for (let at = tier; at.from !== LIVE_TIER; ) {
    at = tierOf(team, at.from);
    chain.push(at);
  }
  return chain;
}

async function factsOfSet(state: State, catalog: Catalog, scope: PromoteScope): Promise<Facts> {
  const snapshots = upstreamsInSet(state, scope).flatMap((u) => relatedSnapshots(state, scope.team, u));
  const { primaries } = await closureOf(state, catalog, scope);
  return loadFacts(catalog, snapshots, primaries.size > 0 ? primaries : undefined);
}

async function hotfixTier(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  facts: Facts,
  now: Date,
): Promise<HotfixTier> {
  const repositories: PromoteRepository[] = [];
  const inParent = new Set<string>();
  for (const upstream of upstreamsInSet(state, scope)) {
    const r = await promoteRepository(state, catalog, scope, upstream, facts, now);
    if (!r) continue;
    for (const sum of sumsOf(r.parent.pins)) inParent.add(sum);
    repositories.push(fromLive(r, state, scope, upstream, now));
  }
  return { tier: scope.tier, repositories, inParent };
}

/** What its parent does not have has been there for no time at all: that is what the waits say which are waived. */
function fromLive(
  r: PromoteRepository,
  state: State,
  { team, tier }: PromoteScope,
  upstream: UpstreamPolicy,
  now: Date,
): PromoteRepository {
  const arrives: Stay = { began: now, exact: true };
  const inLive = sumsOf(r.live.pins);
  const inParent: Stays = { get: (sum) => r.inParent.get(sum) ?? (inLive.has(sum) ? arrives : undefined) };
  const from = formatRepositoryId(parentName(team, tier, upstream));
  return { ...r, parent: state.snapshot(liveName(upstream)) ?? r.live, from, inParent };
}

/** What the words name in one client set of a team, each with what it named, and whether the tiers up to this one have any of it. */
export interface Looked {
  readonly live: readonly Snapshot[];
  readonly facts: Facts;
  readonly found: ReadonlyMap<string, Named>;
  /** The tier has builds at all: what was never filled is filled first. */
  readonly filled: boolean;
  /** Some tier has a build of a name that is named, or the team's list lets in just that. */
  readonly has: boolean;
}

export async function lookFor(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  words: readonly string[],
): Promise<Looked> {
  const { team, tier } = scope;
  const upstreams = upstreamsInSet(state, scope);
  const facts = await factsOfSet(state, catalog, scope);
  const live = upstreams.flatMap((u) => state.snapshot(liveName(u)) ?? []);
  const found = new Map<string, Named>();
  for (const word of words) {
    const named = findNamed(word, live, facts);
    if (named) found.set(word, named);
  }
  const pinsOf = (name: string) =>
    upstreams.flatMap((u) => state.snapshot(targetName(team, name, u))?.pins ?? []);
  const names = new Set([...found.values()].flatMap((n) => n.builds.map(({ pin }) => pin.nevra.name)));
  const lists = [...names].some((name) => team.allow.some(({ match }) => match?.matches(name)));
  const has = chainOf(team, tier).some((t) => pinsOf(t.name).some(({ nevra }) => names.has(nevra.name)));
  return { live, facts, found, filled: pinsOf(tier.name).length > 0, has: has || lists };
}

/** A tier in between that was never filled would have to get a whole distribution for one fix. */
export function refuseEmpty(state: State, scope: PromoteScope): void {
  const { team, tier } = scope;
  for (const between of chainOf(team, tier)) {
    const upstreams = upstreamsInSet(state, scope);
    if (upstreams.some((u) => (state.snapshot(targetName(team, between.name, u))?.pins.length ?? 0) > 0)) {
      continue;
    }
    const where = `${team.team}/${between.name}`;
    throw new Fault(
      'USAGE',
      `${where} has no builds of ${scope.set} yet, and a hotfix changes what is there`,
      {
        hint: `sluice fill --team ${team.team} --tier ${between.name} --propose gives it its first content.`,
        at: where,
      },
    );
  }
}
