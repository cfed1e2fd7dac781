import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import type { Plan } from '../plan/types.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { planGood } from './good.ts';
import { repositoriesOf, resolvePast, snapshotAt, undoneSince } from './past.ts';
import { rollbackPlan } from './plan-rollback.ts';
import { scopes } from './promote.ts';
import { refuseUnservable } from './servable.ts';
import { readState, teamOf, tierOf } from './state.ts';
import { staysOutOf, staysOutTrailers } from './stays-out.ts';
import { withUpgrades } from './upgrades.ts';

export interface RollbackRequest {
  readonly team: string;
  readonly tier: string;
  /** `last-known-good`, a date, or a commit of main. */
  readonly to: string;
  /** Only this client set. */
  readonly set: string | undefined;
  readonly reason: string;
  readonly owner: string | undefined;
  readonly until: string | undefined;
  readonly how: Delivery;
  readonly all: boolean;
}

/** A tier as main had it at an earlier commit: a plan (and pull request) for each client set. */
export async function rollback(world: World, request: RollbackRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const team = teamOf(state.policies, request.team);
  const tier = tierOf(team, request.tier);
  const where = `${team.team}/${tier.name}`;
  const all = scopes(state, { team: team.team, to: tier.name });
  const wanted = request.set === undefined ? all : all.filter(({ set }) => set === request.set);
  if (wanted.length === 0) {
    throw new Fault('NOT_FOUND', `${where} has no client set ${request.set}`, {
      hint: `Name one of: ${all.map(({ set }) => set).join(', ')}.`,
    });
  }
  const staysOut = staysOutOf(world, request);
  const planned: { plan: Plan; options: [string, string][]; set: string }[] = [];
  for (const scope of wanted) {
    const { commit, why } = await resolvePast(repo, state, scope, request.to, world.now);
    const names = repositoriesOf(state, scope);
    const former = await Promise.all(names.map((name) => snapshotAt(state, name, commit.id)));
    const there = former.filter((snapshot) => snapshot !== undefined);
    if (there.length === 0 && names.some((name) => state.snapshot(name))) {
      throw notThere(`${where} ${scope.set}`, commit.id);
    }
    await refuseUnservable(state, mirror, there, where);
    const o = { to: commit.id, staysOut, now: world.now };
    const plan = await rollbackPlan(state, mirror.catalog, scope, o);
    const undone = await undoneSince(repo, state, scope, commit.id);
    const upgraded = await withUpgrades(plan, state, mirror.catalog, scope);
    if (undone.length === 0) world.progress.say(`${where} ${scope.set} is as it was at ${plan.from}`);
    planned.push({
      plan: withWhy({ ...upgraded, undone }, why),
      options: [['Sluice-To', commit.id], ...staysOutTrailers(staysOut)],
      set: scope.set,
    });
  }
  const delivered: Delivered[] = [];
  for (const { plan, options, set } of planned) {
    const asked = { verb: 'rollback', scope: `${where} ${set}`, now: world.now, options };
    delivered.push(
      await deliver(world, { plan, state, repo, mirror, asked, how: request.how, all: request.all }),
    );
  }
  return delivered;
}

function notThere(where: string, commit: string): Fault {
  return new Fault('NOT_FOUND', `${where} had no manifest at ${commit.slice(0, 12)}`, {
    hint: 'Name a later commit or date; a tier is emptied by removing its builds.',
    at: where,
  });
}

function withWhy(plan: Plan, why: string | undefined): Plan {
  const [first, ...rest] = plan.repositories;
  if (why === undefined || !first) return plan;
  return {
    ...plan,
    repositories: [{ ...first, notes: [`last-known-good: ${why}`, ...first.notes] }, ...rest],
  };
}

export interface GoodRequest {
  readonly team: string;
  readonly tier: string;
  /** A date or a commit of main; main as it is, where it is not said. */
  readonly at: string | undefined;
  readonly reason: string;
  readonly owner: string | undefined;
  readonly how: Delivery;
}

/** Marks a state of a tier as good, by hand: `last-known-good` from then on, until a later one has soaked. */
export async function good(world: World, request: GoodRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const team = teamOf(state.policies, request.team);
  const tier = tierOf(team, request.tier);
  checkLine('--reason', request.reason);
  const owner = checkLine('--owner', request.owner ?? world.by, undefined, 200);
  const { commit } = await resolvePast(
    repo,
    state,
    { team, tier, set: '' },
    request.at ?? state.commit,
    world.now,
  );
  const where = `${team.team}/${tier.name}`;
  const names = scopes(state, { team: team.team, to: tier.name }).flatMap((s) => repositoriesOf(state, s));
  const former = await Promise.all(names.map((name) => snapshotAt(state, name, commit.id)));
  const there = former.filter((snapshot) => snapshot !== undefined);
  if (there.length === 0) throw notThere(where, commit.id);
  await refuseUnservable(state, mirror, there, where);
  const { now } = world;
  const plan = planGood(state, { team, tier }, { commit: commit.id, reason: request.reason, owner, now });
  const asked = {
    verb: 'good',
    scope: `${where} ${plan.set}`,
    now,
    options: [
      ['Sluice-To', commit.id],
      ['Sluice-Reason', request.reason],
      ['Sluice-Owner', owner],
    ] as [string, string][],
  };
  return [await deliver(world, { plan, state, repo, mirror, asked, how: request.how, all: false })];
}
