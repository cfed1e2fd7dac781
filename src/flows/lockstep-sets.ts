import { type Lockstep, lockstepTeams } from '../manifest/lockstep.ts';
import type { Policies, TeamPolicy } from '../manifest/policy.ts';
import type { LockstepSet } from '../plan/lockstep.ts';
import { clientSets, upstreamsOf } from './state.ts';

/** The teams that a group keeps together in one tier of one client set; empty where there are no two. */
export function teamsInLockstep(
  policies: Policies,
  group: Lockstep,
  tier: string,
  set: string,
): TeamPolicy[] {
  const teams = lockstepTeams(group, tier, policies.teams).filter((team) =>
    clientSets(upstreamsOf(policies, team)).has(set),
  );
  return teams.length > 1 ? teams : [];
}

/** The groups that a team's tier is in, each with all of its teams. */
export function lockstepSets(
  policies: Policies,
  o: { readonly team: TeamPolicy; readonly tier: { readonly name: string }; readonly set: string },
): LockstepSet[] {
  const tier = o.tier.name;
  return [...policies.lockstep.values()].flatMap((group) => {
    const teams = teamsInLockstep(policies, group, tier, o.set).map(({ team }) => team);
    return teams.includes(o.team.team) ? [{ group, tier, teams }] : [];
  });
}
