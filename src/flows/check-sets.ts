import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { alsoRepository, clientSetsOf } from '../manifest/client-sets.ts';
import {
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  lockPath,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import type { TeamPolicy, TierPolicy } from '../manifest/policy.ts';
import { type Pin, readPins, type Snapshot } from '../manifest/snapshot.ts';
import { type AddedBreak, type BrokenSet, brokenSet, type SetContents } from '../plan/brokenSet.ts';
import type { Closure } from '../plan/closing.ts';
import type { Supply } from '../plan/mends.ts';
import type { Catalog } from '../pool/catalog.ts';
import { breakWords, mendWords, restWords } from '../report/broken-set.ts';
import { formatNevra, sameNevra } from '../rpm/nevra.ts';
import { clientSetOf } from './client-set.ts';
import { closureOf } from './closure.ts';
import { liveName, type State, setOf, targetName, upstreamsOf } from './state.ts';

/** One client set of one tier, and what a change would leave unmet in it. */
export interface CheckedSet {
  readonly team: string;
  readonly tier: string;
  readonly set: string;
  /** Its own manifests, or what policies say of it, are other than on main; else only what it depends on is. */
  readonly changed: boolean;
  readonly broken: BrokenSet;
  /** BROKEN_SET, at the line of each build that would lack something. */
  readonly faults: readonly Fault[];
}

/** Of all sets of one check together; what is beyond is counted. */
const MOST_IN_FULL = 20;

/**
 * `changed`: only sets of which a tier's own manifests, or what policies say of the set, are other than on main: one team's debt, and
 * what upstream breaks, must not keep others from moving. `touched`: those too of which what they depend on is.
 */
export type WhichSets = 'changed' | 'touched' | 'all';

/** Holds the client sets of tiers against those that main has. */
export async function checkSets(
  main: State,
  merged: State,
  catalog: Catalog,
  which: WhichSets,
): Promise<CheckedSet[]> {
  const checked: CheckedSet[] = [];
  let room = MOST_IN_FULL;
  const teams = [...merged.policies.teams.values()].sort((a, b) => byCodeUnit(a.team, b.team));
  for (const team of teams) {
    for (const set of clientSetsOf(team, merged.policies)) {
      for (const tier of team.tiers) {
        const scope = { team, tier, set };
        const changed = !same(signature(main, scope), signature(merged, scope));
        if (which === 'changed' && !changed) continue;
        if (which === 'touched' && !changed && around(main, scope) === around(merged, scope)) continue;
        const broken = await brokenIn(main, merged, catalog, scope, room);
        if (!broken) continue;
        room -= broken.added.length;
        const faults = faultsOf(merged, scope, broken);
        checked.push({ team: team.team, tier: tier.name, set, changed, broken, faults });
      }
    }
  }
  return checked;
}

/** What a merge would break; a Fault that keeps a set from being asked is one of what it finds. */
export async function brokenSets(main: State, merged: State, catalog: Catalog): Promise<Fault[]> {
  try {
    return (await checkSets(main, merged, catalog, 'changed')).flatMap(({ faults }) => faults);
  } catch (error) {
    if (error instanceof Fault) return [error];
    throw error;
  }
}

const ON_PURPOSE_TRAILER = 'Sluice-Broken';
export const ON_PURPOSE = `to break it on purpose: a commit at the head with the trailer ${ON_PURPOSE_TRAILER}: REASON, and an approval of that head`;

/** What a reason can excuse: a break, never a set that could not be asked. */
export function isExcusable({ code }: Fault): boolean {
  return code === 'BROKEN_SET';
}

/** Why a commit may leave something unmet, where its message says so. */
export function brokenReason(trailers: readonly (readonly [string, string])[]): string | undefined {
  const reasons = trailers.flatMap(([key, value]) => (key === ON_PURPOSE_TRAILER ? [value.trim()] : []));
  return reasons.find((reason) => reason !== '');
}

interface Scope {
  readonly team: TeamPolicy;
  readonly tier: TierPolicy;
  readonly set: string;
}

/** What makes the set what it is: which repositories it has, and the texts of the tier's own. */
function signature(state: State, { team: { team: name }, tier, set }: Scope): readonly string[] {
  const team = state.policies.teams.get(name);
  if (!team?.tiers.some((t) => t.name === tier.name)) return [];
  const own = ownNames(state, team, tier, set);
  const texts = own.flatMap((n) => [
    state.files.get(snapshotPath(n)) ?? '',
    state.files.get(lockPath(n)) ?? '',
  ]);
  const also = team.also.map((entry) => {
    const repository = alsoRepository(entry, state.policies);
    return [repository ? formatRepositoryId(repository) : entry.id, ...(entry.for ?? [])];
  });
  return [JSON.stringify([own.map(formatRepositoryId), also]), ...texts];
}

/** Text by text: those that are large are not put together first. */
function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

/** What others say that clients of the set see: manifests below `also:`, and live's module documents beside the pinned ones. */
function around(state: State, { team: { team: name }, tier, set }: Scope): string {
  const team = state.policies.teams.get(name);
  if (!team) return '';
  const { also } = clientSetOf(state, team, set);
  const texts = also.flatMap(({ repository: r }) => [
    state.files.get(snapshotPath(r)),
    state.files.get(lockPath(r)),
  ]);
  const own = ownNames(state, team, tier, set);
  const defaults = [...own, ...also.map(({ repository }) => repository)].map((n) => {
    const live = state.snapshot({ ...n, team: LIVE_TEAM, tier: LIVE_TIER });
    return live?.upstream?.documents.get('modules')?.hex;
  });
  return JSON.stringify([texts, defaults]);
}

function ownNames(state: State, team: TeamPolicy, tier: TierPolicy, set: string) {
  return upstreamsOf(state.policies, team)
    .filter((u) => !u.alone && setOf(u) === set)
    .map((u) => targetName(team, tier.name, u));
}

/** Undefined where the tier has no builds: there are no clients of it. */
async function brokenIn(
  main: State,
  merged: State,
  catalog: Catalog,
  scope: Scope,
  full: number,
): Promise<BrokenSet | undefined> {
  const { team, tier, set } = scope;
  const own = (state: State, of: TeamPolicy) =>
    ownNames(state, of, tier, set).flatMap((name) => state.snapshot(name) ?? []);
  const after = own(merged, team);
  if (after.every(({ pins }) => pins.length === 0)) return undefined;
  const teamBefore = main.policies.teams.get(team.team);
  const before = teamBefore ? own(main, teamBefore) : [];
  const isFirst = before.every(({ pins }) => pins.length === 0); // nothing was there that could be broken
  const contents = (snapshots: readonly Snapshot[]) =>
    snapshots.map(({ repository, pins, modules }) => ({ repository: upstreamId(repository), pins, modules }));
  const o = { supplies: suppliesOf(merged, scope), full };
  const result = (closure: Closure): SetContents => ({ closure, repositories: contents(after) });
  const alone = async () => (await closureOf(merged, catalog, { team, set })).closure;
  if (!teamBefore || isFirst) return brokenSet(undefined, result(await alone()), o);
  try {
    const beside = [everySnapshot(main, teamBefore, set), everySnapshot(merged, team, set)] as const;
    const now = await closureOf(merged, catalog, { team, set }, beside[0]);
    const was = await closureOf(main, catalog, { team: teamBefore, set }, beside[1]);
    return brokenSet({ closure: was.closure, repositories: contents(before) }, result(now.closure), o);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const closure = await alone(); // throws where it is the change that cannot be read
    const known = contents(before).map((r) => ({ ...r, pins: r.pins.filter((pin) => isOf(closure, pin)) }));
    return brokenSet({ closure, repositories: known }, result(closure), o);
  }
}

/** Of main only what can be read, where a change mends that: a lost record, a line that names another build's. */
function isOf({ number, universe }: Closure, pin: Pin): boolean {
  const build = number(pin);
  return build !== undefined && sameNevra(universe.requirements.index.nevra(build), pin.nevra);
}

function everySnapshot(state: State, team: TeamPolicy, set: string): Snapshot[] {
  const { own, also } = clientSetOf(state, team, set);
  return [...own, ...also];
}

/** Where the tier's builds come from: its parent, then live. */
function suppliesOf(state: State, { team, tier, set }: Scope): Supply[] {
  const upstreams = upstreamsOf(state.policies, team).filter((u) => !u.alone && setOf(u) === set);
  const names = tier.from === LIVE_TIER ? [LIVE_TIER] : [tier.from, LIVE_TIER];
  return names.map((name) => ({
    name,
    pins: upstreams.flatMap((u) => {
      const repository = name === LIVE_TIER ? liveName(u) : targetName(team, name, u);
      return state.snapshot(repository)?.pins ?? [];
    }),
  }));
}

function faultsOf(state: State, scope: Scope, broken: BrokenSet): Fault[] {
  const { team, tier, set } = scope;
  const where = `${team.team}/${tier.name} ${set}`;
  const place = placesOf(state, scope);
  const faults = broken.added.map((added) => {
    return new Fault('BROKEN_SET', breakWords(added, where), { hint: mendWords(added), at: place(added) });
  });
  const rest = restWords(broken, where);
  if (rest === undefined) return faults;
  const hint = 'Mend those that are listed first: the others often follow from them.';
  return [...faults, new Fault('BROKEN_SET', rest, { hint, at: team.path })];
}

/** The line of the manifest that pins the build; of one that clients have from elsewhere, the team's policy. */
function placesOf(state: State, { team, tier, set }: Scope): (added: AddedBreak) => string {
  const names = ownNames(state, team, tier, set);
  const texts = new Map<string, ReturnType<typeof readPins>>();
  return ({ nevra }) => {
    for (const name of names) {
      if (!state.snapshot(name)?.pins.some((pin) => formatNevra(pin.nevra) === nevra)) continue;
      const path = snapshotPath(name);
      const read = texts.get(path) ?? readPins(state.files.get(path) ?? '', path);
      texts.set(path, read);
      const build = read.builds.find(({ text }) => text === nevra);
      if (build) return read.at(build.offset);
    }
    return team.path;
  };
}
