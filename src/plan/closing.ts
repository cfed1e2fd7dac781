import { Fault } from '../base/fault.ts';
import { groupBy } from '../base/order.ts';
import { upstreamId } from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { type Bundle, bundlesOf, groupsOf, type Move } from './bundles.ts';
import type { Judged } from './candidates.ts';
import { modulesFor } from './documents.ts';
import { keepNewOnes } from './families.ts';
import { modularPins } from './groups.ts';
import type { Leaving } from './kernels.ts';
import { Lags, Menders } from './lags.ts';
import type { PromoteInput, PromoteRepository } from './promote.ts';
import { pull, type Settled, settle } from './settle.ts';
import type { Along, Pin, Reason } from './types.ts';
import { type Break, type Filter, sightings, type Universe } from './watch.ts';
import { recommendedNote } from './weak.ts';

const NONE: readonly Pin[] = [];

/** What a plan must know to leave a client set closed. */
export interface Closure {
  readonly universe: Universe;
  /** The build of the universe that a pin names; undefined where no client installs it (sources). */
  number(pin: Pin): number | undefined;
  /** Builds that clients have besides (`also:`, repositories that the plan leaves alone): seen, never changed. */
  readonly also: Uint8Array;
  /** The clients of the set where its repositories have these module documents, and these builds are there. */
  filters(documents: readonly Documents[], has: (build: number) => boolean): readonly Filter[];
}

/** Which module documents a repository has. */
export interface Documents {
  /** The upstream's id. */
  readonly repository: string;
  readonly modules: Snapshot['modules'];
}

/** What becomes of one name.arch (and module stream) of one repository. */
export interface Outcome {
  readonly repository: PromoteRepository;
  readonly move: Move | undefined;
  /** Why it came along, if it did not move for its own sake. */
  readonly along: Along | undefined;
  /** Newer builds than the one that moves, each with its verdict. */
  readonly stays: readonly Judged[];
  /** Modules whose kernel goes. */
  readonly leaves?: readonly Leaving[];
}

/**
 * Of what the policy lets move, what may move without breaking anything for a client of the set. What must not gets a verdict
 * that names what it waits for.
 */
export function closeSet(
  judged: readonly Judged[],
  input: PromoteInput,
): { outcomes: Outcome[]; notes: string[] } {
  const menders = new Menders(input.closure, judged);
  const { bundles, settled } = settleAll(judged, input, menders);
  const lags = new Lags(input, menders, settled);
  const outcomes: Outcome[] = [];
  for (const [i, bundle] of bundles.entries()) {
    const option = settled.chosen[i] as number;
    for (const group of bundle.groups) {
      const { repository, judged: own } = group;
      const move = bundle.moves[option]?.get(group);
      const behind = move ? own.slice(own.indexOf(move.judged) + 1) : own;
      for (const [place, moves] of [...bundle.moves.slice(0, option).entries()].reverse()) {
        const other = moves.get(group);
        if (other && other !== move) lags.say(other.judged, i, place);
      }
      const along = move ? lags.along(i, move.to) : undefined;
      outcomes.push({ repository, move, along, stays: behind.filter((j) => j.asked) });
    }
  }
  for (const [repository, leaves] of leavesByRepository(bundles, settled)) {
    outcomes.push({ repository, move: undefined, along: undefined, stays: [], leaves });
  }
  if (input.named.length > 0 && !input.lockstep?.moves && lags.held.size > 0)
    throw heldInTheWay(lags.held, input);
  return { outcomes, notes: notesOf(outcomes, settled, input) };
}

/** Once more without what is new of a family that stays, where there is such: each round takes at least one build out. */
function settleAll(
  judged: readonly Judged[],
  input: PromoteInput,
  menders: Menders,
): { bundles: Bundle[]; settled: Settled } {
  for (;;) {
    const groups = input.repositories.flatMap((r) => groupsOf(r, judged, input));
    const bundles = bundlesOf(groups, input);
    const settled = settleBundles(bundles, input, menders);
    const named = input.named.length > 0 && !input.lockstep?.moves;
    if (named || input.team.families === 'loose') return { bundles, settled };
    const moves = bundles.flatMap((b, i) => [...(b.moves[settled.chosen[i] as number]?.values() ?? [])]);
    if (!keepNewOnes(judged, new Set(moves.map((move) => move.judged)))) return { bundles, settled };
  }
}

function leavesByRepository(
  bundles: readonly Bundle[],
  { chosen }: Settled,
): Map<PromoteRepository, Leaving[]> {
  const taken = bundles.flatMap(({ leaves }, i) => leaves[chosen[i] as number] ?? []);
  return groupBy(taken, ({ repository }) => repository);
}

/** What is as it was, and what is not there and need not be: said, and no reason to stay. */
function notesOf(outcomes: readonly Outcome[], { watches }: Settled, { closure }: PromoteInput): string[] {
  const [every] = watches;
  if (!every) return [];
  const { index } = closure.universe.requirements;
  const notes: string[] = [];
  const lost = outcomes.flatMap(({ stays }) =>
    stays.filter(({ verdict }) => verdict.kind === 'broken' && verdict.nobody),
  );
  if (lost.length > 0) {
    notes.push(
      `${lost.length} builds wait for what nothing in the client set has. If clients have it from elsewhere, name that repository under also: of the team's policy, or say complete: false there`,
    );
  }
  const old = [...every.now.breaks(closure.universe)];
  if (old.length > 0) {
    const builds = new Set(old.map(({ build }) => build)).size;
    const [first] = old as [Break];
    const example = `${formatNevra(index.nevra(first.build))} needs ${closure.universe.requirements.text(first.requirement)}`;
    notes.push(
      `not met by anything in the client set, and not before either: ${old.length} requirements of ${builds} builds (${example})`,
    );
  }
  const moved = outcomes.flatMap(({ move }) => (move ? (closure.number(move.to) ?? []) : []));
  const recommended = recommendedNote(index, moved, every.now.sees);
  return recommended === undefined ? notes : [...notes, recommended];
}

function heldInTheWay(
  held: ReadonlyMap<string, Reason & { kind: 'held' }>,
  { named, team, tier }: PromoteInput,
): Fault {
  const said = [...held].map(
    ([nevra, { rule, why, owner }]) => `${nevra} is held by ${rule}: ${why} (${owner})`,
  );
  return new Fault('HELD', `${named.join(', ')} cannot move without what is held. ${said.join('; ')}`, {
    at: `${team.team}/${tier.name}`,
    hint: 'Ask the owner of the hold; then say why: the same command with --override-hold REASON.',
  });
}

function settleBundles(bundles: readonly Bundle[], input: PromoteInput, menders: Menders): Settled {
  const { closure, repositories, named, only } = input;
  const { universe, also } = closure;
  const members = also.slice();
  for (const r of repositories) {
    for (const build of numbersOf(r.target?.pins ?? NONE, closure)) {
      members[build] = (members[build] as number) + 1;
    }
  }
  const has = (build: number) => members[build] !== 0;
  const now = repositories.map((r) => ({
    repository: upstreamId(r.repository),
    modules: r.target?.modules ?? new Map(),
  }));
  const before = sightings(universe, closure.filters(now, has), members);
  const units = bundles.map((bundle) => bundle.unit);
  const isFinal = (broken: Break) => menders.of(broken).length === 0;
  const settling = { universe, units, members, before, filters: filtersBy(bundles, input), isFinal };
  if (named.length === 0 && !only) return settle(settling);
  return pull(settling, new Set(units.flatMap((unit, i) => (unit.starts ? [i] : []))));
}

/** Of lists of builds: found once for a universe. */
const numbers = new WeakMap<Universe, WeakMap<readonly Pin[], Int32Array>>();

export function numbersOf(pins: readonly Pin[], { universe, number }: Closure): Int32Array {
  const known = numbers.get(universe) ?? new WeakMap<readonly Pin[], Int32Array>();
  numbers.set(universe, known);
  const builds = known.get(pins) ?? Int32Array.from(pins.flatMap((pin) => number(pin) ?? []));
  known.set(pins, builds);
  return builds;
}

/** The clients as they are with some options: only builds of modules have a say in that. */
function filtersBy(
  bundles: readonly Bundle[],
  { closure, repositories, facts }: PromoteInput,
): (chosen: Int32Array, has: (build: number) => boolean) => readonly Filter[] {
  const modular = [...bundles.entries()].filter(([, { unit }]) => unit.modular);
  const pinned = repositories.map((r) => modularPins(r.target?.pins ?? NONE, facts));
  return (chosen, has) => {
    const documents = repositories.map((r, place) => {
      const pins = new Set(pinned[place]);
      for (const [i, { groups, moves }] of modular) {
        for (const group of groups) {
          const move = group.repository === r ? moves[chosen[i] as number]?.get(group) : undefined;
          if (!move) continue;
          for (const gone of [...move.replaces, ...move.drops]) pins.delete(gone);
          pins.add(move.to);
        }
      }
      return { repository: upstreamId(r.repository), modules: modulesFor(pins, r, facts) };
    });
    return closure.filters(documents, has);
  };
}
