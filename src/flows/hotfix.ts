import { Fault } from '../base/fault.ts';
import { groupBy } from '../base/order.ts';
import { checkLine } from '../forge/forge.ts';
import type { Repository } from '../forge/repository.ts';
import { asWritten, isCve, similarNames, unknownWord } from '../plan/named.ts';
import type { Plan } from '../plan/types.ts';
import { type Mirror, mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { readAdvisories } from './facts.ts';
import { forgeOf } from './forge-of.ts';
import {
  type HotfixOptions,
  hotfixPlan,
  hotfixPlanOf,
  type Looked,
  lookFor,
  partedBy,
  refuseEmpty,
} from './plan-hotfix.ts';
import type { PromoteScope } from './plan-promote.ts';
import { scopes } from './promote.ts';
import { withUpgradesOfTeams } from './promote-lockstep.ts';
import { type Asked, branchOf } from './proposal.ts';
import { readState, type State, teamOf, tierOf } from './state.ts';
import type { Steps } from './steps.ts';
import { sync } from './sync.ts';

export interface HotfixRequest {
  readonly named: readonly string[];
  /** Undefined: every team that has it. */
  readonly team: string | undefined;
  readonly to: string;
  readonly reason: string;
  readonly overrideHolds: string | undefined;
  /** One plan for all teams of a client set: one review, by somebody who may speak for all of them. */
  readonly together?: boolean;
  /** First takes in what upstreams have now. */
  readonly sync: boolean;
  readonly how: Delivery;
  readonly all: boolean;
}

/**
 * Plans what is named straight from live into one tier and every tier between: one plan (and pull request) for each team and client
 * set that has it. `steps`: whoever gives them goes on by itself.
 */
export async function hotfix(world: World, request: HotfixRequest, steps?: Steps): Promise<Delivered[]> {
  const named = checkRequest(request);
  const mirror = mirrorOf(world);
  if (request.sync) await syncFirst(world, request);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const asked = await scopesWith(world, state, mirror, named, request);
  const { reason, overrideHolds, how, all } = request;
  const fresh = { named, reason, overrideHolds, by: world.by, now: world.now };
  for (const scope of asked) refuseEmpty(state, scope);
  const ready: { plan: Plan; o: HotfixOptions }[] = []; // of every team, before anything is proposed for one
  for (const group of await atOnce(state, mirror, asked, fresh, request)) {
    const [scope] = group;
    const o = request.how === 'propose' ? await asBefore(world, repo, state, scope, fresh) : fresh;
    const planned = await hotfixPlanOf(state, mirror.catalog, group, o);
    if (planned.repositories.every((r) => r.changes.length === 0)) {
      if (!world.json) world.print(`${nothingToDo(planned)}\n`);
      continue;
    }
    ready.push({ plan: await withUpgradesOfTeams(planned, state, mirror.catalog), o });
  }
  steps?.end('planned');
  const delivered: Delivered[] = [];
  for (const { plan, o } of ready) {
    delivered.push(await deliver(world, { plan, state, repo, mirror, asked: askedOf(plan, o), how, all }));
  }
  const numbers = delivered.flatMap(({ pull }) => pull?.number ?? []);
  if (numbers.length > 0 && !world.json && !steps) {
    world.print(
      `next: somebody else reads it, then sluice pr merge ${numbers.join(' ')}, then sluice publish\n`,
    );
  }
  return delivered;
}

/** One plan for each team and client set; one for all teams of a set where that was asked for, or they would be parted. */
async function atOnce(
  state: State,
  { catalog }: Mirror,
  asked: readonly PromoteScope[],
  o: HotfixOptions,
  { team, together }: HotfixRequest,
): Promise<[PromoteScope, ...PromoteScope[]][]> {
  const each = asked.map((scope): [PromoteScope, ...PromoteScope[]] => [scope]);
  const sets = [...groupBy(asked, ({ set }) => set).values()];
  if (together) return sets.flatMap(([first, ...others]) => (first ? [[first, ...others]] : []));
  if (team !== undefined || state.policies.lockstep.size === 0) return each;
  const groups: [PromoteScope, ...PromoteScope[]][] = [];
  for (const own of sets) {
    const planned: { scope: PromoteScope; plan: Plan }[] = [];
    for (const scope of own) planned.push({ scope, plan: await hotfixPlan(state, catalog, scope, o) });
    const [first, ...others] = partedBy(state, planned);
    if (first) groups.push([first, ...others]);
    for (const scope of own) if (scope !== first && !others.includes(scope)) groups.push([scope]);
  }
  return groups;
}

function checkRequest({ named, reason, overrideHolds, sync: first, how }: HotfixRequest): string[] {
  checkLine('--reason', reason);
  if (overrideHolds !== undefined) checkLine('--override-hold', overrideHolds);
  for (const word of named) checkLine('what is named', word, undefined, 200);
  if (named.length === 0) {
    throw new Fault('USAGE', 'what is to be fixed is missing', {
      hint: 'Name a package, a source package, an advisory, a CVE or a build: sluice hotfix CVE-2026-1234 …',
    });
  }
  if (first && how !== 'propose') {
    throw new Fault('USAGE', '--sync changes live, so it goes with --propose', {
      hint: 'Add --propose, or run sluice sync first to look at what is new.',
    });
  }
  return [...new Set(named.map(asWritten))].sort(); // one request however it is written
}

/** Of the team, or of all teams, the client sets in which something is named and had. */
async function scopesWith(
  world: World,
  state: State,
  { catalog }: Mirror,
  named: readonly string[],
  { team, to }: HotfixRequest,
): Promise<PromoteScope[]> {
  if (team !== undefined) tierOf(teamOf(state.policies, team), to);
  const say = (line: string) => (world.json ? undefined : world.print(`${line}\n`));
  const looked = new Map<PromoteScope, Looked>();
  for (const scope of scopes(state, { team, to })) {
    looked.set(scope, await lookFor(state, catalog, scope, named));
  }
  for (const word of named) {
    if ([...looked.values()].some(({ found }) => found.has(word))) continue;
    throw await nothingNamed(word, catalog, looked);
  }
  for (const one of team === undefined ? state.policies.teams.values() : []) {
    if (!one.tiers.some(({ name }) => name === to)) say(`${one.team}: has no tier ${to}, left out`);
  }
  return [...looked].flatMap(([scope, { found, filled, has }]) => {
    if (found.size === 0) return [];
    const where = `${scope.team.team}/${to} ${scope.set}`;
    if (team !== undefined || (has && filled)) return [scope];
    say(
      has
        ? `${where}: is empty, left out`
        : `${where}: has nothing of ${[...found.keys()].join(', ')}, left out`,
    );
    return [];
  });
}

async function nothingNamed(
  word: string,
  catalog: Mirror['catalog'],
  looked: ReadonlyMap<PromoteScope, Looked>,
): Promise<Fault> {
  const sets = [...new Set([...looked.keys()].map(({ set }) => set))];
  const all = [...looked.values()];
  const [first] = all;
  const live = all.flatMap((l) => l.live);
  const known = new Map(live.map((s) => [s.upstream?.documents.get('updateinfo')?.hex, s]));
  let advisories = 0;
  for (const { upstream } of known.values()) {
    const sum = upstream?.documents.get('updateinfo');
    for (const advisory of sum ? await readAdvisories(catalog, sum) : []) {
      advisories += 1;
      if (advisory.id !== word && !advisory.cves.includes(word)) continue;
      const names = [...new Set(advisory.packages.map(({ nevra }) => nevra.name))].slice(0, 6).join(', ');
      return new Fault('NOT_FOUND', `live has none of the builds that ${advisory.id} names (of ${names})`, {
        hint: 'Name the package, if live has a newer build of it, or run sluice sync --propose.',
        at: sets.join(', '),
      });
    }
  }
  const what = isCve(word) ? ` (${advisories} advisories)` : '';
  const similar = isCve(word) || !first ? [] : similarNames(word, live, first.facts);
  return unknownWord(word, `live of ${sets.join(', ') || 'no client set'}${what}`, similar);
}

/** The same request on the same main is the same plan, whoever runs it and however often. */
async function asBefore(
  world: World,
  repo: Repository,
  state: State,
  scope: PromoteScope,
  o: HotfixOptions,
): Promise<HotfixOptions> {
  const forge = await forgeOf(world, repo);
  const where = { team: scope.team.team, tier: scope.tier.name, set: scope.set };
  const branch = branchOf(where, { verb: 'hotfix', scope: '', now: o.now, options: optionsOf(o) });
  const pull = (await forge.list({ state: 'open' })).find((p) => p.branch === branch && !p.fromFork);
  if (!pull || pull.base !== state.commit) return o;
  const said = (key: string) => pull.trailers.flatMap(([k, value]) => (k === key ? [value] : []));
  const same = ['Sluice-Named', 'Sluice-Reason', 'Sluice-Override-Hold'].every((key) => {
    const wanted = optionsOf(o).flatMap(([k, value]) => (k === key ? [value] : []));
    return JSON.stringify(said(key)) === JSON.stringify(wanted);
  });
  const [now, by] = [new Date(said('Sluice-Now')[0] ?? ''), said('Sluice-By')[0]];
  return same && by !== undefined && !Number.isNaN(now.getTime()) ? { ...o, now, by } : o;
}

function optionsOf({ named, reason, by, overrideHolds }: HotfixOptions): [string, string][] {
  return [
    ...named.map((word): [string, string] => ['Sluice-Named', word]),
    ['Sluice-Reason', reason],
    ...(overrideHolds === undefined ? [] : [['Sluice-Override-Hold', overrideHolds] as [string, string]]),
    ['Sluice-By', by],
  ];
}

function askedOf(plan: Plan, o: HotfixOptions): Asked {
  const to = (plan.hotfix?.tiers ?? []).map((tier): [string, string] => ['Sluice-To', tier]);
  const teams = (plan.teams ?? []).map((team): [string, string] => ['Sluice-Team', team]);
  const scope = `${plan.team}/${plan.tier} ${plan.set}`;
  return { verb: 'hotfix', scope, now: o.now, options: [...optionsOf(o), ...to, ...teams] };
}

function nothingToDo({ team, tier, set, hotfix: facts }: Plan): string {
  const builds = facts?.builds ?? [];
  const shown =
    builds.length > 3 ? `${builds.slice(0, 3).join(', ')} and ${builds.length - 3} more` : builds.join(', ');
  const why =
    shown === '' ? '' : `: ${facts?.done.join(' and ')} have ${shown}, something newer, or nothing of it`;
  return `${team}/${tier} ${set}: nothing to do${why}`;
}

/** Live as upstreams have it now. What asks for a person there asks for one here, too. */
async function syncFirst(world: World, { team, to }: HotfixRequest): Promise<void> {
  const { repo, main } = await openState(world);
  const { policies } = await readState(repo, main);
  const teams = team === undefined ? [...policies.teams.values()] : [teamOf(policies, team)];
  if (team !== undefined) tierOf(teamOf(policies, team), to);
  const upstreams = [...new Set(teams.flatMap(({ repositories }) => repositories))];
  const delivered = await sync(world, { upstreams, how: 'propose', all: false });
  const forge = await forgeOf(world, repo);
  for (const { pull } of delivered) {
    if (!pull || (await forge.get(pull.number)).state === 'merged') continue;
    throw new Fault('FORGE_REFUSED', `the sync before the hotfix asks for a person: #${pull.number}`, {
      hint: `Look at sluice pr show ${pull.number}, merge it, then run the same command without --sync.`,
      at: `#${pull.number}`,
    });
  }
}
