import { checkLine } from '../forge/forge.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { groupOf, lockstepPlan, lockstepScopes } from './plan-lockstep.ts';
import { readState, type State, teamOf, tierOf } from './state.ts';
import { withUpgrades } from './upgrades.ts';

export interface LockstepRequest {
  readonly group: string;
  readonly to?: string | undefined;
  /** Why builds move that a hold keeps in one of the teams. */
  readonly overrideHolds?: string | undefined;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Plans what the teams of a group move at once: every tier and client set that was asked for, one plan (and pull request) each. */
export async function promoteLockstep(world: World, request: LockstepRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const { overrideHolds } = request;
  if (overrideHolds !== undefined) checkLine('--override-hold', overrideHolds);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const group = groupOf(state.policies, request.group);
  const plans: Plan[] = []; // all of them first: what stops one stops the command before it wrote anything
  for (const scope of lockstepScopes(state.policies, group, request.to)) {
    const plan = await lockstepPlan(state, mirror.catalog, scope, { overrideHolds, now: world.now });
    plans.push(await withUpgradesOfTeams(plan, state, mirror.catalog));
  }
  const delivered: Delivered[] = [];
  for (const plan of plans) {
    const asked = {
      verb: 'promote',
      scope: `${plan.team}/${plan.tier} ${plan.set}`,
      now: world.now,
      options: [
        ['Sluice-Lockstep', group.id],
        ...(overrideHolds === undefined ? [] : [['Sluice-Override-Hold', overrideHolds]]),
      ] as [string, string][],
      branch: ['+lockstep', group.id],
    };
    const { how, all } = request;
    delivered.push(await deliver(world, { plan, state, repo, mirror, asked, how, all }));
  }
  return delivered;
}

/** Each team has clients of its own. */
export async function withUpgradesOfTeams(plan: Plan, state: State, catalog: Catalog): Promise<Plan> {
  const repositories: Plan['repositories'][number][] = [];
  const tiers = new Map(
    plan.repositories.map(({ repository: { team, tier } }) => [`${team}/${tier}`, { team, tier }]),
  );
  for (const { team: name, tier } of tiers.values()) {
    const own = plan.repositories.filter(({ repository: r }) => r.team === name && r.tier === tier);
    const team = teamOf(state.policies, name);
    const scope = { team, tier: tierOf(team, tier), set: plan.set };
    const asked = await withUpgrades({ ...plan, repositories: own }, state, catalog, scope);
    repositories.push(...asked.repositories);
  }
  return { ...plan, repositories };
}
