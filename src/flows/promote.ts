import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { scopesWithWords } from './known-words.ts';
import { NOTHING_OPEN, openParts } from './open-parts.ts';
import { type Part, partBranch, partTrailers } from './part.ts';
import { type FillRequest, fillPlan } from './plan-fill.ts';
import { type PromoteScope, promotionPlan, upstreamsInSet } from './plan-promote.ts';
import type { Asked } from './proposal.ts';
import { clientSets, parentName, readState, type State, teamOf, tierOf, upstreamsOf } from './state.ts';
import { withUpgrades } from './upgrades.ts';

export interface PromoteRequest {
  readonly packages: readonly string[];
  readonly team?: string | undefined;
  readonly to?: string | undefined;
  /** Why what the named packages need comes along past holds. */
  readonly overrideHolds?: string | undefined;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Plans what may move up: every team, tier and client set that was asked for, one plan (and pull request) each. */
export async function promote(world: World, request: PromoteRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const { packages, overrideHolds } = request;
  if (overrideHolds !== undefined) checkOverride(overrideHolds, packages);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const { how, all } = request;
  const delivered: Delivered[] = [];
  const ready: { plan: Plan; asked: Asked }[] = [];
  const deliverReady = async () => {
    for (const { plan, asked } of ready.splice(0)) {
      delivered.push(await deliver(world, { plan, state, repo, mirror, asked, how, all }));
    }
  };
  const open = how === 'propose' && packages.length === 0 ? await openParts(world, repo) : NOTHING_OPEN;
  for (const scope of await meant(state, mirror.catalog, request)) {
    for (const part of open(scope)) {
      const o = { named: packages, overrideHolds, part };
      ready.push(await planned(world, { state, catalog: mirror.catalog }, scope, o));
      if (packages.length === 0) await deliverReady(); // what a person named is all planned before any of it is proposed
    }
  }
  await deliverReady();
  return delivered;
}

/** A plan with what it was asked for; the bot, and a command on its pull request, go by the same. */
export async function planned(
  world: World,
  { state, catalog }: { readonly state: State; readonly catalog: Catalog },
  scope: PromoteScope,
  o: {
    readonly named: readonly string[];
    readonly overrideHolds?: string | undefined;
    readonly part?: Part | undefined;
  },
): Promise<{ plan: Plan; asked: Asked }> {
  const promotion = await promotionPlan(state, catalog, scope, { ...o, now: world.now });
  const plan = await withUpgrades(promotion, state, catalog, scope);
  const { named, overrideHolds, part } = o;
  const options: [string, string][] = [
    ...named.map((name): [string, string] => ['Sluice-Named', name]),
    ...(overrideHolds === undefined ? [] : [['Sluice-Override-Hold', overrideHolds] as [string, string]]),
    ...(part ? partTrailers(part) : []),
  ];
  const words = `${scope.team.team}/${scope.tier.name} ${scope.set}`;
  const branch = part && part.only.length > 0 ? { branch: partBranch(part) } : {};
  return { plan, asked: { verb: 'promote', scope: words, now: world.now, options, ...branch } };
}

/** What was asked for; of named packages the client sets whose parent has one, and a fault for a name that none has. */
async function meant(state: State, catalog: Catalog, request: PromoteRequest): Promise<PromoteScope[]> {
  const { packages, team } = request;
  const all = scopes(state, request);
  if (packages.length === 0) return all;
  const parents = (scope: PromoteScope) =>
    upstreamsInSet(state, scope).flatMap((u) => state.snapshot(parentName(scope.team, scope.tier, u)) ?? []);
  const looked = all.map((scope) => ({ scope, snapshots: parents(scope) }));
  const froms = [...new Set(all.map(({ tier }) => tier.from))].join(' and ');
  const hint = `Name a package or a source package that ${froms} has; sluice explain NAME --team ${team ?? 'TEAM'} looks everywhere.`;
  return await scopesWithWords(catalog, looked, packages, { where: froms, hint });
}

function checkOverride(reason: string, packages: readonly string[]): void {
  checkLine('--override-hold', reason);
  if (packages.length > 0 && reason.trim() !== '') return;
  throw new Fault('USAGE', '--override-hold is for named packages, with a reason', {
    hint: 'sluice promote lustre-client --team infra --to stable --override-hold "agreed with HPC, change 4711"',
  });
}

/** Every client set of every tier of every team, or of those that are named. */
export function scopes(
  state: State,
  o: { readonly team?: string | undefined; readonly to?: string | undefined },
): PromoteScope[] {
  const { policies } = state;
  const teams = o.team === undefined ? [...policies.teams.values()] : [teamOf(policies, o.team)];
  if (teams.length === 0) {
    const hint = 'Write policies/teams/<team>.yaml, or start with sluice init DIR --distro NAME.';
    throw new Fault('NOT_FOUND', 'no team is declared', { hint });
  }
  const found = teams
    .flatMap((team) => scopesOf(state, team))
    .filter(({ tier }) => o.to === undefined || tier.name === o.to);
  const [team] = teams;
  if (found.length === 0 && team && o.to !== undefined) tierOf(team, o.to);
  return found;
}

/** Every client set of every tier. */
export function everyScope(state: State): PromoteScope[] {
  return [...state.policies.teams.values()].flatMap((team) => scopesOf(state, team));
}

function scopesOf(state: State, team: TeamPolicy): PromoteScope[] {
  const sets = [...clientSets(upstreamsOf(state.policies, team)).keys()];
  return team.tiers.flatMap((tier) => sets.map((set) => ({ team, tier, set })));
}

export interface FillFlowRequest extends FillRequest {
  readonly team: string;
  readonly tier: string;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Plans the first content of an empty tier. */
export async function fill(world: World, request: FillFlowRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const { team, tier, like, at, list } = request;
  tierOf(teamOf(state.policies, team), tier);
  const source: FillRequest = {
    ...(like === undefined ? {} : { like }),
    ...(at === undefined ? {} : { at }),
    ...(list === undefined ? {} : { list }),
  };
  const delivered: Delivered[] = [];
  for (const scope of scopes(state, { team, to: tier })) {
    const plan = await fillPlan(state, mirror.catalog, scope, source, world.now);
    const asked = {
      verb: 'fill',
      scope: `${team}/${tier} ${scope.set}`,
      now: world.now,
      options: [
        ['Sluice-Baseline', `${team}/${tier}`],
        ['Sluice-Fill', JSON.stringify(source)],
      ] as [string, string][],
    };
    delivered.push(
      await deliver(world, { plan, state, repo, mirror, asked, how: request.how, all: request.all }),
    );
  }
  return delivered;
}
