import { byCodeUnit } from '../base/order.ts';
import { clientSetKey } from '../manifest/ids.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import type { About, Plan, RepositoryPlan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import type { UpstreamContent } from '../upstream/types.ts';
import { type FillRequest, fillPlan } from './plan-fill.ts';
import { type SyncOptions, type SyncSource, syncPlan } from './plan-sync.ts';
import { planFiles } from './proposal.ts';
import { type State, stateOf, upstreamsOf } from './state.ts';

/**
 * The first import of a client set: live as upstream lists it, and every tier of every team filled from its parent, in one
 * plan. Waits count from the commit that brings it in.
 */
export async function importPlan(
  state: State,
  catalog: Catalog,
  set: string,
  sources: readonly SyncSource[],
  request: FillRequest,
  o: SyncOptions,
): Promise<{ plan: Plan; contents: ReadonlyMap<string, UpstreamContent> }> {
  const { plan: live, contents } = await syncPlan(state, catalog, set, sources, o);
  const repositories: RepositoryPlan[] = [...live.repositories];
  const about = new Map<string, About>(live.about);
  let files = new Map([...state.files, ...planFiles([live], state)]);
  for (const team of [...state.policies.teams.values()].sort((a, b) => byCodeUnit(a.team, b.team))) {
    const upstreams = upstreamsOf(state.policies, team);
    if (!upstreams.some((u) => (u.alone ? u.id : clientSetKey(u.name)) === set)) continue;
    for (const tier of parentsFirst(team.tiers)) {
      const soFar = stateOf(state.history, files);
      const plan = await fillPlan(soFar, catalog, { team, tier, set }, request, o.now);
      repositories.push(...plan.repositories);
      for (const [nevra, facts] of plan.about) if (!about.has(nevra)) about.set(nevra, facts);
      files = new Map([...files, ...planFiles([plan], soFar)]);
    }
  }
  return { plan: { ...live, verb: 'init', repositories, about }, contents };
}

/** Tiers in an order in which each comes after the one that it takes from. */
function parentsFirst(tiers: readonly TierPolicy[]): TierPolicy[] {
  const sorted: TierPolicy[] = [];
  const place = (tier: TierPolicy): void => {
    if (sorted.includes(tier)) return;
    const parent = tiers.find((t) => t.name === tier.from);
    if (parent) place(parent); // the policy's reader refuses cycles
    sorted.push(tier);
  };
  for (const tier of tiers) place(tier);
  return sorted;
}
