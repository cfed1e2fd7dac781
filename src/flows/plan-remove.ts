import { Fault } from '../base/fault.ts';
import type { TeamPolicy, TierPolicy } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { alongOf, planRemoval, type RemoveRepository, unknownWords } from '../plan/remove.ts';
import type { StaysOut } from '../plan/staysOut.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { closureOf } from './closure.ts';
import { loadFacts } from './facts.ts';
import { type PromoteScope, relatedSnapshots, upstreamsInSet } from './plan-promote.ts';
import { checkNow, parentName, type State, targetName } from './state.ts';

export interface RemovalRequest {
  readonly named: readonly string[];
  /** The names are those of source packages. */
  readonly sources: boolean;
  /** What could not stay goes along. */
  readonly cascade: boolean;
  /** The tiers that take from this one lose them too. */
  readonly below: boolean;
  readonly staysOut: StaysOut;
  readonly now: Date;
}

/** The manifests that a removal from this tier takes from. */
export function removableFrom(state: State, scope: PromoteScope, andBelow: boolean): Snapshot[] {
  const tiers = [scope.tier, ...(andBelow ? below(scope.team, scope.tier.name) : [])];
  const upstreams = upstreamsInSet(state, scope);
  return tiers.flatMap(({ name }) =>
    upstreams.flatMap((u) => state.snapshot(targetName(scope.team, name, u)) ?? []),
  );
}

/**
 * Plans a removal from one client set of one tier, from what main says at a commit: the command and the check that recomputes it
 * run this. Undefined where the set has nothing of what was named.
 */
export async function removalPlan(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  o: RemovalRequest,
): Promise<Plan | undefined> {
  checkNow(state, o.now);
  const { team, tier, set } = scope;
  const upstreams = upstreamsInSet(state, scope);
  const snapshots = upstreams.flatMap((u) => relatedSnapshots(state, team, u));
  const { closure, primaries, notes } = await closureOf(state, catalog, scope);
  const facts = await loadFacts(catalog, snapshots, primaries.size > 0 ? primaries : undefined);
  const contents = (of: TierPolicy): RemoveRepository[] =>
    upstreams.flatMap((u) => {
      const before = state.snapshot(targetName(team, of.name, u));
      if (!before) return [];
      const { repository } = before;
      return { repository, before, parent: state.snapshot(parentName(team, of, u)) };
    });
  const descendants = below(team, tier.name);
  const taken = o.below ? [tier, ...descendants] : [tier];
  const tiers = taken.map((t) => ({ tier: t.name, repositories: contents(t) }));
  if (unknownWords({ named: o.named, tiers, facts }).length === o.named.length) return undefined;
  const kept = o.below ? [] : descendants;
  return planRemoval({
    team,
    set,
    tiers,
    below: kept.map((t) => ({ tier: t.name, pins: contents(t).flatMap((r) => r.before.pins) })),
    named: o.named,
    sources: o.sources,
    facts,
    closure,
    notes,
    staysOut: o.staysOut,
    policy: state.files.get(team.path) ?? '',
    now: o.now,
  });
}

/** Without `--cascade` a removal takes what was named and nothing else. */
export function refuseCascade(plan: Plan): void {
  const along = alongOf(plan);
  const [first] = along;
  if (!first) return;
  const more = along.length > 1 ? ` (and ${along.length - 1} more)` : '';
  throw new Fault(
    'BROKEN_SET',
    `${first.build}${more} needs ${first.needs} of what is to go, and would go along`,
    {
      hint: 'Add --cascade to take along what the tree names, or keep what it needs.',
      at: `${plan.team}/${plan.tier}`,
    },
  );
}

/** The tiers that take from this one, and those that take from them. */
function below(team: TeamPolicy, from: string): TierPolicy[] {
  return team.tiers.filter((t) => t.from === from).flatMap((t) => [t, ...below(team, t.name)]);
}
