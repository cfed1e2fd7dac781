import { Fault } from '../base/fault.ts';
import { clientSetKey, lockPath, type RepositoryName } from '../manifest/ids.ts';
import type { TeamPolicy, TierPolicy, UpstreamPolicy } from '../manifest/policy.ts';
import { recallsOf } from '../manifest/recall.ts';
import { emptySnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { groupPins } from '../plan/groups.ts';
import { lockstepRule } from '../plan/lockstep.ts';
import { type PromoteInput, type PromoteRepository, planPromotion, type Stays } from '../plan/promote.ts';
import type { Child } from '../plan/retain.ts';
import type { Facts, Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { installedKeys } from '../rpm/installed.ts';
import { baselineOf } from './baselines.ts';
import { closureOf } from './closure.ts';
import { loadFacts } from './facts.ts';
import { lockstepSets } from './lockstep-sets.ts';
import { type Part, partNotes, teamWithout } from './part.ts';
import { readProfiles } from './profiles.ts';
import {
  checkNow,
  formatRepositoryId,
  liveName,
  parentName,
  type State,
  targetName,
  upstreamsOf,
} from './state.ts';
import { treesOf } from './trees.ts';

export interface PromoteScope {
  readonly team: TeamPolicy;
  readonly tier: TierPolicy;
  /** `<os>-<version>-<arch>`, or the id of an upstream that stands alone. */
  readonly set: string;
}

export interface PromotionOptions {
  readonly named: readonly string[];
  readonly exact?: ReadonlySet<string>;
  readonly now: Date;
  readonly overrideHolds?: string | undefined;
  readonly part?: Part | undefined;
}

/** Plans one client set of one tier from what main says at a commit: the bot and the check that recomputes it run this. */
export async function promotionPlan(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  o: PromotionOptions,
): Promise<Plan> {
  const input = await promotionInput(state, catalog, scope, o);
  refuseUnknownNames(input.repositories, o.named, input.facts, scope);
  return planPromotion(input);
}

/** All that a promotion goes by, read from git and the catalog. */
export async function promotionInput(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  o: PromotionOptions,
): Promise<PromoteInput> {
  checkNow(state, o.now);
  const upstreams = upstreamsInSet(state, scope);
  const snapshots = upstreams.flatMap((u) => relatedSnapshots(state, scope.team, u));
  for (const upstream of upstreams) askAhead(state, scope, upstream, o.now);
  const { closure, primaries, notes } = await closureOf(state, catalog, scope);
  const facts = await loadFacts(catalog, snapshots, primaries.size > 0 ? primaries : undefined);
  const repositories: PromoteRepository[] = [];
  for (const upstream of upstreams) {
    const repository = await promoteRepository(state, catalog, scope, upstream, facts, o.now);
    if (repository) repositories.push(repository);
  }
  const { tier, set } = scope;
  const { named, now, overrideHolds, part } = o;
  const team = teamWithout(scope.team, part);
  const override = overrideHolds === undefined ? {} : { overrideHolds };
  const list = baselineOf(state, tier, set);
  const baseline = list ? { baseline: list } : {};
  const exact = o.exact ? { exact: o.exact } : {};
  const profiles = readProfiles(state, team, set).flatMap((profile) => profile.installed);
  const installed = profiles.length > 0 ? { installed: installedKeys(profiles) } : {};
  const recalls = recallsOf(state.policies);
  const lockstep = lockstepRule(lockstepSets(state.policies, scope), team.team);
  return {
    team,
    tier,
    set,
    repositories,
    facts,
    closure,
    recalls,
    notes: [...notes, ...partNotes(part)],
    named,
    now,
    ...baseline,
    ...exact,
    ...(part && part.only.length > 0 ? { only: new Set(part.only) } : {}),
    ...override,
    ...installed,
    ...(lockstep ? { lockstep } : {}),
  };
}

export function upstreamsInSet(state: State, { team, set }: PromoteScope): UpstreamPolicy[] {
  return upstreamsOf(state.policies, team).filter((u) => (u.alone ? u.id : clientSetKey(u.name)) === set);
}

/** Every manifest that a plan of this upstream may look at: live's and the team's. */
export function relatedSnapshots(state: State, team: TeamPolicy, upstream: UpstreamPolicy): Snapshot[] {
  const names = [liveName(upstream), ...team.tiers.map((tier) => targetName(team, tier.name, upstream))];
  return names.flatMap((name) => state.snapshot(name) ?? []);
}

export async function promoteRepository(
  state: State,
  catalog: Catalog,
  { team, tier }: PromoteScope,
  upstream: UpstreamPolicy,
  facts: Facts,
  now: Date,
): Promise<PromoteRepository | undefined> {
  const live = state.snapshot(liveName(upstream));
  if (!live) return undefined; // never synced: nothing to choose from yet
  const parent = parentName(team, tier, upstream);
  const repository = targetName(team, tier.name, upstream);
  const since = lookBackTo(team, now);
  const trees = [parent, repository].map((name) => state.snapshot(name)?.kickstart);
  const stays = (name: RepositoryName): Promise<Stays> => staysIn(state, lockPath(name), since);
  return {
    repository,
    upstream,
    live,
    parent: state.snapshot(parent) ?? emptySnapshot(parent, formatRepositoryId(liveName(upstream))),
    target: state.snapshot(repository),
    seen: await stays(liveName(upstream)),
    inParent: await stays(parent),
    inTarget: await stays(repository),
    trees: await treesOf(state, catalog, { trees, live: liveName(upstream), parent, since }),
    children: childrenOf(state, team, tier.name, upstream, facts),
  };
}

/** git answers while the closure is read. */
function askAhead(state: State, { team, tier }: PromoteScope, upstream: UpstreamPolicy, now: Date): void {
  if (!state.snapshot(liveName(upstream))) return;
  const names = [liveName(upstream), parentName(team, tier, upstream), targetName(team, tier.name, upstream)];
  for (const name of names) {
    staysIn(state, lockPath(name), lookBackTo(team, now)).catch(() => {}); // whoever needs it is told
  }
}

function lookBackTo(team: TeamPolicy, now: Date): Date {
  return new Date(now.getTime() - longestWait(team));
}

/** By path and day: a plan of several tiers, and of several teams, asks the same of live and of what lies between. */
const known = new WeakMap<State['files'], Map<string, Promise<Stays>>>();

function staysIn(state: State, path: string, since: Date): Promise<Stays> {
  const ofState = known.get(state.files) ?? new Map<string, Promise<Stays>>();
  known.set(state.files, ofState);
  const key = `${path} ${since.getTime()}`;
  const stays = ofState.get(key) ?? state.history.stays(path, since);
  ofState.set(key, stays);
  return stays;
}

/** The tiers of a team that take from this one, with what they have. */
export function childrenOf(
  state: State,
  team: TeamPolicy,
  from: string,
  upstream: UpstreamPolicy,
  facts: Facts,
): Child[] {
  return team.tiers
    .filter((child) => child.from === from)
    .map((child) => ({
      name: `${team.team}/${child.name}`,
      groups: groupPins(state.snapshot(targetName(team, child.name, upstream))?.pins ?? [], facts),
      wait: child.wait,
    }));
}

const DAY = 86_400_000;

/** How far back waits of a team reach; a day more, so that what has just waited is told from what has always been there. */
export function longestWait(team: TeamPolicy): number {
  const waits = team.tiers.flatMap((t) => [t.wait.seen, t.wait.inParent, ...t.security.values()]);
  return Math.max(0, ...waits) + DAY;
}

function refuseUnknownNames(
  repositories: readonly PromoteRepository[],
  named: readonly string[],
  facts: Facts,
  { team, tier }: PromoteScope,
): void {
  if (named.length === 0) return;
  const known = new Set<string>();
  for (const { parent } of repositories) {
    for (const pin of parent.pins) known.add(pin.nevra.name).add(facts.build(pin).source);
  }
  const unknown = named.filter((name) => !known.has(name));
  if (unknown.length < named.length) return; // another client set may have the others
  throw new Fault('NOT_FOUND', `${tier.from} has no package ${unknown.join(', ')}`, {
    hint: `Name a package or a source package that ${tier.from} has; sluice explain NAME --team ${team.team} looks everywhere.`,
    at: `${team.team}/${tier.name}`,
  });
}
