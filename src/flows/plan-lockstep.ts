import { Fault, quote } from '../base/fault.ts';
import type { Lockstep } from '../manifest/lockstep.ts';
import { lockstepTiers } from '../manifest/lockstep.ts';
import type { Policies } from '../manifest/policy.ts';
import { ownerOf } from '../plan/lockstep.ts';
import { planLockstep } from '../plan/planLockstep.ts';
import type { PromoteInput } from '../plan/promote.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { lockstepSets, teamsInLockstep } from './lockstep-sets.ts';
import { promotionInput } from './plan-promote.ts';
import { clientSets, type State, tierOf, upstreamsOf } from './state.ts';

export interface LockstepScope {
  readonly group: Lockstep;
  readonly tier: string;
  readonly set: string;
}

/** Plans one client set of one tier of all teams of a group: the command and the check that recomputes it run this. */
export async function lockstepPlan(
  state: State,
  catalog: Catalog,
  { group, tier, set }: LockstepScope,
  o: { readonly overrideHolds?: string | undefined; readonly now: Date },
): Promise<Plan> {
  const teams = teamsInLockstep(state.policies, group, tier, set);
  if (teams.length === 0) {
    throw new Fault('NOT_FOUND', `${group.id} keeps nothing together in ${tier} of ${set}`, {
      hint: `Its tiers: ${lockstepTiers(group, state.policies.teams).join(', ')}.`,
      at: group.path,
    });
  }
  const members: PromoteInput[] = [];
  for (const team of teams) {
    const scope = { team, tier: tierOf(team, tier), set };
    members.push(await promotionInput(state, catalog, scope, { named: [], ...o }));
  }
  const names = teams.map(({ team }) => team);
  const sets = teams.flatMap((team) => lockstepSets(state.policies, { team, tier: { name: tier }, set }));
  const owns = (name: string) => ownerOf(name, sets)?.group === group;
  return planLockstep({ group, tier, set, teams: names, members, owns, now: o.now });
}

/** NOT_FOUND with those that there are. */
export function groupOf({ lockstep }: Policies, id: string): Lockstep {
  const group = lockstep.get(id);
  if (group) return group;
  const known = [...lockstep.keys()].join(', ');
  throw new Fault('NOT_FOUND', `there is no lockstep group ${quote(id)}`, {
    hint: known === '' ? 'Write policies/lockstep/<id>.yaml.' : `Name one of: ${known}.`,
  });
}

/** Every tier that a group keeps together, or the one that is named, in every client set that two of its teams have. */
export function lockstepScopes(policies: Policies, group: Lockstep, to: string | undefined): LockstepScope[] {
  const tiers = lockstepTiers(group, policies.teams);
  if (to !== undefined && !tiers.includes(to)) {
    throw new Fault('NOT_FOUND', `${group.id} keeps nothing together in ${quote(to)}`, {
      hint: `Name one of: ${tiers.join(', ')}.`,
      at: group.path,
    });
  }
  const sets = [...policies.teams.values()].flatMap((team) => [
    ...clientSets(upstreamsOf(policies, team)).keys(),
  ]);
  return (to === undefined ? tiers : [to]).flatMap((tier) =>
    [...new Set(sets)]
      .filter((set) => teamsInLockstep(policies, group, tier, set).length > 0)
      .map((set) => ({ group, tier, set })),
  );
}
