import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { groupBy } from '../base/order.ts';
import { upstreamId } from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { groupJudged, type Judged } from './candidates.ts';
import { modulesFor } from './documents.ts';
import { groupPins, modularPins } from './groups.ts';
import { Lags, Menders } from './lags.ts';
import type { Emergency, PromoteInput, PromoteRepository } from './promote.ts';
import { mayGo } from './retain.ts';
import { type Option, pull, type Settled, settle, type Unit } from './settle.ts';
import type { Along, Pin, Reason } from './types.ts';
import { type Break, type Filter, sightings, type Universe } from './watch.ts';
import { recommendedNote } from './weak.ts';

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

/** One build that comes into a repository, and what goes for it. */
export interface Move {
  readonly judged: Judged;
  readonly to: Pin;
  /** The same NEVRA with other bytes. */
  readonly replaces: readonly Pin[];
  /** Too old to be kept any longer. */
  readonly drops: readonly Pin[];
}

/** What becomes of one name.arch (and module stream) of one repository. */
export interface Outcome {
  readonly repository: PromoteRepository;
  readonly move: Move | undefined;
  /** Why it came along, if it did not move for its own sake. */
  readonly along: Along | undefined;
  /** Newer builds than the one that moves, each with its verdict. */
  readonly stays: readonly Judged[];
}

/** The builds of the parent that could come into one name.arch and stream. */
interface Group {
  readonly repository: PromoteRepository;
  readonly judged: readonly Judged[];
  /** The newest first. */
  readonly moves: readonly Move[];
  readonly starts: boolean;
}

/**
 * Of what the policy lets move, what may move without breaking anything for a client of the set. What must not gets a verdict
 * that names what it waits for.
 */
export function closeSet(
  judged: readonly Judged[],
  input: PromoteInput,
): { outcomes: Outcome[]; notes: string[] } {
  const groups = input.repositories.flatMap((r) => groupsOf(r, judged, input));
  const bundles = bundlesOf(groups, input);
  const menders = new Menders(input.closure, judged);
  const settled = settleBundles(bundles, input, menders);
  const lags = new Lags(input, menders, settled);
  const outcomes: Outcome[] = [];
  for (const [i, bundle] of bundles.entries()) {
    const option = settled.chosen[i] as number;
    for (const { repository, judged: own, moves } of bundle.groups) {
      const move = moves[option];
      const behind = move ? own.slice(own.indexOf(move.judged) + 1) : own;
      for (const [place, other] of moves.entries()) {
        if (place < option || !move)
          lags.say(other.judged, i, Math.min(place, bundle.unit.options.length - 1));
      }
      const along = move ? lags.along(i) : undefined;
      outcomes.push({ repository, move, along, stays: behind.filter((j) => j.asked) });
    }
  }
  if (input.named.length > 0 && lags.held.size > 0) throw heldInTheWay(lags.held, input);
  return { outcomes, notes: notesOf(outcomes, settled, input) };
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

function groupsOf(
  r: PromoteRepository,
  judged: readonly Judged[],
  { facts, tier, now, hotfix }: PromoteInput,
): Group[] {
  const current = groupPins(r.target?.pins ?? NONE, facts);
  const since = (pin: Pin) => {
    const sum = formatChecksum(pin.checksum);
    const [seen, here] = [r.seen.get(sum), r.inTarget.get(sum)];
    return seen && here ? { seen, here } : undefined;
  };
  const own = judged.filter((j) => j.repository === r);
  return [...groupJudged(own)].map(([key, group]) => {
    const starts = group.some((j) => isReady(j));
    const newestFirst = group.filter((j) => (starts ? isReady(j) : j.along !== undefined)).reverse();
    const may = hotfix ? newestFirst.sort((a, b) => rank(a, hotfix) - rank(b, hotfix)) : newestFirst; // stable
    const moves = may.map((j): Move => {
      const to: Pin = { ...j.build, withdrawn: false };
      const had = current.get(key) ?? [];
      const replaces = had.filter((pin) => formatNevra(pin.nevra) === formatNevra(to.nevra));
      const next = [...had.filter((pin) => !replaces.includes(pin)), to];
      const drops = mayGo(key, next, { keep: tier.keep, children: r.children, since, now });
      return { judged: j, to, replaces, drops };
    });
    return { repository: r, judged: group, moves, starts };
  });
}

const NONE: readonly Pin[] = [];

function rank(j: Judged, { inParent }: Emergency): number {
  return inParent.has(formatChecksum(j.build.checksum)) ? 0 : 1;
}

function isReady(j: Judged): boolean {
  return j.asked && j.verdict.kind === 'ready';
}

/** What moves as one: a name.arch, or all that a module's stream has. */
interface Bundle {
  readonly groups: readonly Group[];
  readonly unit: Unit;
}

function bundlesOf(groups: readonly Group[], input: PromoteInput): Bundle[] {
  const { facts, closure } = input;
  const { names } = closure.universe;
  const streamOf = (group: Group): string => {
    const [first] = group.judged;
    const streams = first ? facts.streams(formatNevra(first.build.nevra)) : [];
    const id = upstreamId(group.repository.repository);
    return streams.length > 0 ? `${id} ~${streams.join(' ')}` : `${id} ${first?.key}`;
  };
  const bundled = [...groupBy(groups, streamOf)].sort(([a], [b]) => (a < b ? -1 : 1));
  const ranked = bundled
    .map(([key, own]) => ({ key, own, rank: Math.min(...own.flatMap((g) => g.moves).map(severityRank), 5) }))
    .sort((a, b) => a.rank - b.rank); // stable: by key within a rank
  return ranked.map(({ own }, priority) => {
    const length = Math.max(...own.map((group) => group.moves.length));
    const options = Array.from({ length }, (_, i) =>
      optionOf(
        own.flatMap((g) => g.moves[i] ?? []),
        closure,
      ),
    );
    const nameArches = [...new Set(options.flatMap((o) => [...o.adds, ...o.drops]).map((b) => names.of(b)))];
    const modular = own.some((g) =>
      g.judged.some((j) => facts.streams(formatNevra(j.build.nevra)).length > 0),
    );
    return {
      groups: own,
      unit: { nameArches, options, priority, modular, starts: own.some((g) => g.starts) },
    };
  });
}

const SEVERITIES = ['critical', 'important', 'moderate', 'low', 'none'];

/** 0 for a critical advisory, 5 for none. */
function severityRank({ judged }: Move): number {
  return Math.min(
    ...judged.candidate.advisories.map((a) => SEVERITIES.indexOf(a.severity)),
    SEVERITIES.length,
  );
}

function optionOf(moves: readonly Move[], closure: Closure): Option {
  const numbers = (pins: readonly Pin[]) => pins.flatMap((pin) => closure.number(pin) ?? []);
  return {
    adds: numbers(moves.map((move) => move.to)),
    drops: numbers(moves.flatMap((move) => [...move.replaces, ...move.drops])),
  };
}

function settleBundles(bundles: readonly Bundle[], input: PromoteInput, menders: Menders): Settled {
  const { closure, repositories, named } = input;
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
  if (named.length === 0) return settle(settling);
  return pull(settling, new Set(units.flatMap((unit, i) => (unit.starts ? [i] : []))));
}

/** Of lists of builds: found once for a universe. */
const numbers = new WeakMap<Universe, WeakMap<readonly Pin[], Int32Array>>();

function numbersOf(pins: readonly Pin[], { universe, number }: Closure): Int32Array {
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
      for (const [i, { groups }] of modular) {
        for (const group of groups) {
          const move = group.repository === r ? group.moves[chosen[i] as number] : undefined;
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
