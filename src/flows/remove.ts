import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import type { Plan } from '../plan/types.ts';
import { terminal } from '../report/terminal.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { scopesWithWords } from './known-words.ts';
import type { PromoteScope } from './plan-promote.ts';
import { refuseCascade, removableFrom, removalPlan } from './plan-remove.ts';
import { scopes } from './promote.ts';
import { readState, teamOf, tierOf } from './state.ts';
import { staysOutOf, staysOutTrailers } from './stays-out.ts';
import { withUpgrades } from './upgrades.ts';

export interface RemoveRequest {
  readonly named: readonly string[];
  readonly team: string;
  readonly tier: string;
  readonly reason: string;
  readonly owner: string | undefined;
  readonly until: string | undefined;
  readonly sources: boolean;
  readonly cascade: boolean;
  readonly below: boolean;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Takes builds out of a tier: a plan (and pull request) for each client set that has them. */
export async function remove(world: World, request: RemoveRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const named = [...new Set(request.named)];
  if (named.length === 0) {
    throw new Fault('USAGE', 'what is to go is missing', {
      hint: 'Name packages, source packages or NEVRAs: sluice remove foo --team infra --tier stable --reason TEXT.',
    });
  }
  for (const word of named) checkLine('the name of a package', word);
  const staysOut = staysOutOf(world, request);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const team = teamOf(state.policies, request.team);
  tierOf(team, request.tier);
  const { sources, cascade, below } = request;
  const planned: { plan: Plan; scope: PromoteScope }[] = [];
  const where = `${team.team}/${request.tier}`;
  const looked = scopes(state, { team: team.team, to: request.tier }).map((scope) => ({
    scope,
    snapshots: removableFrom(state, scope, below),
  }));
  const hint = `Name a package, a source package or a NEVRA that it has: sluice explain NAME --team ${team.team}.`;
  for (const scope of await scopesWithWords(mirror.catalog, looked, named, { where, hint })) {
    const o = { named, sources, cascade, below, staysOut, now: world.now };
    const plan = await removalPlan(state, mirror.catalog, scope, o);
    if (plan) planned.push({ plan: await withUpgrades(plan, state, mirror.catalog, scope), scope });
  }
  if (!cascade) {
    for (const { plan } of planned) refuseShown(world, plan);
  }
  const delivered: Delivered[] = [];
  for (const { plan, scope } of planned) {
    const asked = {
      verb: 'remove',
      scope: `${team.team}/${request.tier} ${scope.set}`,
      now: world.now,
      options: [
        ...named.map((name): [string, string] => ['Sluice-Named', name]),
        ...(sources ? [['Sluice-Sources', 'true'] as [string, string]] : []),
        ...(cascade ? [['Sluice-Cascade', 'true'] as [string, string]] : []),
        ...(below ? [['Sluice-And-Below', 'true'] as [string, string]] : []),
        ...staysOutTrailers(staysOut),
      ],
    };
    delivered.push(
      await deliver(world, { plan, state, repo, mirror, asked, how: request.how, all: request.all }),
    );
  }
  return delivered;
}

/** The tree first, then that it was refused. */
function refuseShown(world: World, plan: Plan): void {
  try {
    refuseCascade(plan);
  } catch (error) {
    if (!world.json) world.print(terminal(plan, { all: true }));
    throw error;
  }
}
