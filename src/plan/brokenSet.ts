import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Closure, Documents } from './closing.ts';
import type { Pin } from './types.ts';
import { type Filter, Sighting, type Universe, Watch } from './watch.ts';

/** What a repository has. */
export interface Contents extends Documents {
  readonly pins: readonly Pin[];
}

/** A client set of a tier as one state has it. Two that are compared are of one universe. */
export interface SetContents {
  readonly closure: Closure;
  readonly repositories: readonly Contents[];
}

/** Where a build that is missing could come from. */
export interface Supply {
  /** `unstable`, `live` */
  readonly name: string;
  readonly pins: readonly Pin[];
}

/** A step after which one requirement would be met again. */
export type Mend =
  /** It is in a supply and not in the set. */
  | { readonly kind: 'add'; readonly build: string; readonly from: string }
  /** It met the requirement, and was taken away. */
  | { readonly kind: 'keep'; readonly build: string; readonly also: boolean }
  /** A newer build of the name came in; with the older one nothing was broken. */
  | { readonly kind: 'stay'; readonly name: string; readonly at: string }
  /** The build that lacks something came in, and there was none before. */
  | { readonly kind: 'leaveOut'; readonly build: string };

/** A requirement that was met, or not asked, before. */
export interface AddedBreak {
  /** In the universe. */
  readonly build: number;
  readonly nevra: string;
  readonly needs: string;
  /** Labels of the clients that lack it; `every`: there are no others. */
  readonly clients: readonly string[];
  readonly every: boolean;
  readonly mends: readonly Mend[];
}

export interface Count {
  readonly requirements: number;
  readonly builds: number;
}

/** What is unmet in a set: each requirement of each build once, however many clients lack it. */
export interface BrokenSet {
  /** One of each requirement first, by build: as many as were asked for, in full. */
  readonly added: readonly AddedBreak[];
  /** All that were added, those in full among them. */
  readonly addedCount: Count;
  /** What was not met before either. */
  readonly old: Count;
  /** Requirements that count as old, those of the most builds first: a few, for a note. */
  readonly oldExamples: readonly string[];
}

interface Compared {
  readonly before: SetContents;
  readonly after: SetContents;
  readonly watches: readonly Watch[];
  readonly hadBefore: Uint8Array;
  readonly has: Uint8Array;
}

const EXAMPLES = 3;
const MOST_MENDS = 3;

/**
 * What a change leaves unmet for some client of the set. `before`: undefined where nothing was there that could be broken; all
 * that is unmet then counts as old. Of what is added, `full` breaks are described, with what would mend each.
 */
export function brokenSet(
  before: SetContents | undefined,
  after: SetContents,
  o: { readonly supplies: readonly Supply[]; readonly full: number },
): BrokenSet {
  const { universe } = after.closure;
  const has = membersOf(after);
  const seen = (build: number) => has[build] === 1;
  const filters = after.closure.filters(after.repositories, seen);
  const unmet = new Set<number>();
  const added = new Map<number, number[]>();
  const watches: Watch[] = [];
  const hadBefore = before ? membersOf(before) : has;
  if (before) {
    const sightings = sightingsOf(before, hadBefore);
    const everyName = Array.from({ length: universe.names.size }, (_, name) => name);
    for (const [i, filter] of filters.entries()) {
      const watch = new Watch(universe, comparedWith(sightings, filter));
      watch.look(filter, seen);
      watch.change(everyName, seen);
      watches.push(watch);
      for (const broken of watch.added()) push(added, codeOf(universe, broken), i);
      for (const broken of watch.now.breaks(universe)) unmet.add(codeOf(universe, broken));
    }
  } else {
    for (const filter of filters) {
      for (const broken of Sighting.of(universe, filter, seen).breaks(universe)) {
        unmet.add(codeOf(universe, broken));
      }
    }
  }
  const codes = eachRequirementFirst(universe, added.keys());
  const compared = before && { before, after, watches, hadBefore, has };
  const supplies = codes.length > 0 ? suppliesOf(o.supplies, after.closure) : [];
  const old = unmet.difference(added);
  return {
    added: compared
      ? codes.slice(0, o.full).map((code) => describe(code, added.get(code) ?? [], compared, supplies))
      : [],
    addedCount: countOf(universe, codes),
    old: countOf(universe, old),
    oldExamples: examplesOf(universe, old),
  };
}

function membersOf({ closure, repositories }: SetContents): Uint8Array {
  const members = closure.also.slice();
  for (const { pins } of repositories) {
    for (const pin of pins) {
      const build = closure.number(pin);
      if (build !== undefined) members[build] = 1;
    }
  }
  return members;
}

function sightingsOf({ closure, repositories }: SetContents, members: Uint8Array): Sighting[] {
  const has = (build: number) => members[build] === 1;
  return closure.filters(repositories, has).map((filter) => Sighting.of(closure.universe, filter, has));
}

/** The same client before; one that is new (a stream that nobody could enable) had the default streams. */
function comparedWith(before: readonly Sighting[], { label }: Filter): Sighting {
  const [every, newest] = before;
  return (before.find(({ filter }) => filter.label === label) ?? newest ?? every) as Sighting;
}

function codeOf(
  { requirements }: Universe,
  { build, requirement }: { build: number; requirement: number },
): number {
  return build * requirements.size + requirement;
}

/** In order, but one of each requirement before a second one: what is taken away is often missed by hundreds. */
function eachRequirementFirst({ requirements }: Universe, codes: Iterable<number>): number[] {
  const known = new Set<number>();
  const [first, more]: [number[], number[]] = [[], []];
  for (const code of [...codes].sort((a, b) => a - b)) {
    const requirement = code % requirements.size;
    (known.has(requirement) ? more : first).push(code);
    known.add(requirement);
  }
  return [...first, ...more];
}

function push(lists: Map<number, number[]>, key: number, item: number): void {
  const known = lists.get(key);
  if (known) known.push(item);
  else lists.set(key, [item]);
}

function countOf({ requirements }: Universe, codes: Iterable<number>): Count {
  const builds = new Set<number>();
  let count = 0;
  for (const code of codes) {
    count += 1;
    builds.add(Math.floor(code / requirements.size));
  }
  return { requirements: count, builds: builds.size };
}

function examplesOf({ requirements }: Universe, codes: ReadonlySet<number>): string[] {
  const asked = new Map<number, number>();
  for (const code of codes) {
    const requirement = code % requirements.size;
    asked.set(requirement, (asked.get(requirement) ?? 0) + 1);
  }
  const most = [...asked].sort(([a, n], [b, m]) => m - n || a - b).slice(0, EXAMPLES + 1);
  return most.map(([requirement]) => requirements.text(requirement));
}

interface Stock {
  readonly name: string;
  readonly builds: ReadonlySet<number>;
}

function suppliesOf(supplies: readonly Supply[], closure: Closure): Stock[] {
  return supplies.map(({ name, pins }) => ({
    name,
    builds: new Set(pins.flatMap((pin) => (pin.withdrawn ? [] : (closure.number(pin) ?? [])))),
  }));
}

function describe(
  code: number,
  clients: readonly number[],
  compared: Compared,
  supplies: readonly Stock[],
): AddedBreak {
  const { universe } = compared.after.closure;
  const { requirements } = universe;
  const build = Math.floor(code / requirements.size);
  const requirement = code % requirements.size;
  const watch = compared.watches[clients[0] as number] as Watch;
  const mends = [
    ...mendsFromSupplies(requirement, watch, compared, supplies),
    ...mendsFromBefore(build, requirement, watch, compared),
  ];
  return {
    build,
    nevra: nevraOf(universe, build),
    needs: requirements.text(requirement),
    clients: clients.map((i) => (compared.watches[i] as Watch).label),
    every: clients.length === compared.watches.length,
    mends: mends.slice(0, MOST_MENDS),
  };
}

/** The newest build of each name that a supply has, that the set never had, and that would do for this client. */
function mendsFromSupplies(
  requirement: number,
  watch: Watch,
  { has, hadBefore, after: { closure } }: Compared,
  supplies: readonly Stock[],
): Mend[] {
  const { universe } = closure;
  const { requirements, names } = universe;
  const mends: Mend[] = [];
  const known = new Set<number>();
  const satisfiers = new Set(requirements.satisfiers(requirement));
  for (const { name: from, builds } of supplies) {
    for (const satisfier of satisfiers) {
      const name = names.of(satisfier);
      if (mends.length === MOST_MENDS - 1) return mends; // one place is for what was there before
      if (known.has(name)) continue;
      const build = names.builds(name).find((b) => {
        return satisfiers.has(b) && builds.has(b) && has[b] === 0 && hadBefore[b] === 0;
      });
      if (build === undefined || !wouldMend(build, requirement, watch, has, universe)) continue;
      known.add(name);
      mends.push({ kind: 'add', build: nevraOf(universe, build), from });
    }
  }
  return mends;
}

/** Whether the client would see the build if it came in, and the requirement would be met then. */
function wouldMend(
  build: number,
  requirement: number,
  { filter, now }: Watch,
  has: Uint8Array,
  { requirements, names }: Universe,
): boolean {
  if (filter.shows[build] !== 1) return false;
  const name = names.of(build);
  const isThere = (b: number) => filter.shows[b] === 1 && (b === build || has[b] === 1);
  const inSight = filter.newestOnly ? names.newest(name, isThere) : [...names.builds(name)].filter(isThere);
  if (!inSight.includes(build)) return false;
  if (!requirements.isRich(requirement)) return true;
  const sees = now.sees.slice();
  for (const b of names.builds(name)) sees[b] = inSight.includes(b) ? 1 : 0;
  return requirements.isMet(requirement, sees);
}

function mendsFromBefore(
  build: number,
  requirement: number,
  watch: Watch,
  { has, hadBefore, before, after }: Compared,
): Mend[] {
  const { universe } = after.closure;
  const {
    requirements,
    names,
    requirements: { index },
  } = universe;
  const mends: Mend[] = [];
  const stay = (older: number): Mend => {
    const { name, evr } = index.nevra(older);
    return { kind: 'stay', name, at: formatEvr(evr) };
  };
  for (const satisfier of requirements.satisfiers(requirement)) {
    if (watch.before.sees[satisfier] !== 1 || watch.now.sees[satisfier] === 1) continue;
    const replaced = [...names.builds(names.of(satisfier))].some((b) => has[b] === 1 && hadBefore[b] === 0);
    if (replaced) mends.push(stay(satisfier));
    else if (has[satisfier] === 0) {
      const also = before.closure.also[satisfier] === 1;
      mends.push({ kind: 'keep', build: nevraOf(universe, satisfier), also });
    }
    if (mends.length === MOST_MENDS) return mends;
  }
  if (hadBefore[build] === 1) return mends;
  const older = [...names.builds(names.of(build))].find((b) => watch.before.sees[b] === 1);
  mends.push(older === undefined ? { kind: 'leaveOut', build: nevraOf(universe, build) } : stay(older));
  return mends;
}

function nevraOf({ requirements: { index } }: Universe, build: number): string {
  return formatNevra(index.nevra(build));
}

/** Of a first content, which can break nothing and may still lack something; undefined where it lacks nothing. */
export function unmetNote({ old: { requirements, builds }, oldExamples }: BrokenSet): string | undefined {
  if (requirements === 0) return undefined;
  const shown = oldExamples
    .slice(0, EXAMPLES)
    .map((text) => (text.length > 80 ? `${text.slice(0, 79)}…` : text))
    .join(', ');
  const more = oldExamples.length > EXAMPLES ? ', …' : '';
  const what = `${requirements} ${requirements === 1 ? 'requirement' : 'requirements'} of ${builds} ${builds === 1 ? 'build' : 'builds'}`;
  return `nothing in the client set meets ${what}: ${shown}${more}; if clients have other repositories, name them below also:`;
}
