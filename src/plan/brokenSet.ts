import { type Closure, type Documents, numbersOf } from './closing.ts';
import { type Compared, type Mend, mendsOf, nevraOf, type Stock, type Supply, suppliesOf } from './mends.ts';
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

const EXAMPLES = 3;

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
  const had = before && membersOf(before);
  const were = had ? before.closure.filters(before.repositories, (build) => had[build] === 1) : [];
  const asked: Asked = { has, had, filters, were };
  const known = harmless.get(universe);
  if (known && isSame(known.asked, asked) && before?.closure.universe === universe) return known.answer;
  const unmet = new Set<number>();
  const added = new Map<number, number[]>();
  const watches: Watch[] = [];
  const hadBefore = had ?? has;
  if (before) {
    const sightings = were.map((filter) =>
      Sighting.of(before.closure.universe, filter, (build) => hadBefore[build] === 1),
    );
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
  const answer = {
    added: compared
      ? codes.slice(0, o.full).map((code) => describe(code, added.get(code) ?? [], compared, supplies))
      : [],
    addedCount: countOf(universe, codes),
    old: countOf(universe, old),
    oldExamples: examplesOf(universe, old),
  };
  if (codes.length === 0) harmless.set(universe, { asked, answer });
  return answer;
}

/** What an answer depends on, where nothing is added for which somebody would look for a mend. */
interface Asked {
  readonly has: Uint8Array;
  readonly had: Uint8Array | undefined;
  readonly filters: readonly Filter[];
  readonly were: readonly Filter[];
}

/** The last one that added nothing: tiers of several teams often are the same before and after. */
const harmless = new WeakMap<Universe, { readonly asked: Asked; readonly answer: BrokenSet }>();

function isSame(a: Asked, b: Asked): boolean {
  const isEqual = (one: Uint8Array, other: Uint8Array) => one.every((bit, build) => bit === other[build]);
  const isOne = (one: readonly Filter[], other: readonly Filter[]) =>
    one.length === other.length && one.every((filter, i) => filter === other[i]);
  if (a.had === undefined || b.had === undefined) return false;
  return (
    isOne(a.filters, b.filters) && isOne(a.were, b.were) && isEqual(a.has, b.has) && isEqual(a.had, b.had)
  );
}

/** The builds that clients of a set have: 1 where one is there. */
export function membersOf({ closure, repositories }: SetContents): Uint8Array {
  const members = closure.also.slice();
  for (const { pins } of repositories) for (const build of numbersOf(pins, closure)) members[build] = 1;
  return members;
}

export function sightingsOf({ closure, repositories }: SetContents, members: Uint8Array): Sighting[] {
  const has = (build: number) => members[build] === 1;
  return closure.filters(repositories, has).map((filter) => Sighting.of(closure.universe, filter, has));
}

/** The same client before; one that is new (a stream that nobody could enable) had the default streams. */
export function comparedWith(before: readonly Sighting[], { label }: Filter): Sighting {
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
  return {
    build,
    nevra: nevraOf(universe, build),
    needs: requirements.text(requirement),
    clients: clients.map((i) => (compared.watches[i] as Watch).label),
    every: clients.length === compared.watches.length,
    mends: mendsOf({ build, requirement }, watch, compared, supplies),
  };
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
