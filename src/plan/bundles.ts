import { formatChecksum } from '../base/checksum.ts';
import { by, groupBy } from '../base/order.ts';
import { upstreamId } from '../manifest/ids.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { groupJudged, type Judged } from './candidates.ts';
import type { Closure } from './closing.ts';
import { byVersion, familiesOf } from './familyMoves.ts';
import { groupPins } from './groups.ts';
import { Kernels, type Leaving } from './kernels.ts';
import type { Emergency, PromoteInput, PromoteRepository } from './promote.ts';
import { keepOf, mayGo } from './retain.ts';
import type { Option, Unit } from './settle.ts';
import type { Pin } from './types.ts';

/** One build that comes into a repository, and what goes for it. */
export interface Move {
  readonly judged: Judged;
  readonly to: Pin;
  /** The same NEVRA with other bytes. */
  readonly replaces: readonly Pin[];
  /** Too old to be kept any longer. */
  readonly drops: readonly Pin[];
}

/** The builds of the parent that could come into one name.arch and stream. */
export interface Group {
  readonly repository: PromoteRepository;
  readonly judged: readonly Judged[];
  /** The newest first. */
  readonly moves: readonly Move[];
  readonly starts: boolean;
}

export function groupsOf(
  r: PromoteRepository,
  judged: readonly Judged[],
  { facts, tier, now, installed, hotfix }: PromoteInput,
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
      const facts = j.candidate.facts;
      const inUse = (pin: Pin) => facts.installOnly !== undefined && (installed?.(pin.nevra) ?? false);
      const keep = keepOf(tier, facts).n;
      const drops = mayGo(key, next, { keep, children: r.children, since, now, inUse });
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

/** What moves as one: a name.arch, the binaries of a source package that the target has, or all that a module's stream has. */
export interface Bundle {
  readonly groups: readonly Group[];
  /** By option of the unit: what each group does by it. */
  readonly moves: readonly Moves[];
  /** By option: modules that go with their kernel. */
  readonly leaves: readonly (readonly Leaving[])[];
  readonly unit: Unit;
}

type Moves = ReadonlyMap<Group, Move>;

export function bundlesOf(groups: readonly Group[], input: PromoteInput): Bundle[] {
  const { facts, closure, team } = input;
  const { names } = closure.universe;
  const isModular = ({ judged: [first] }: Group): boolean =>
    first !== undefined && facts.streams(formatNevra(first.build.nevra)).length > 0;
  const streamOf = (group: Group): string => {
    const [first] = group.judged;
    const streams = first ? facts.streams(formatNevra(first.build.nevra)) : [];
    return `${upstreamId(group.repository.repository)} ~${streams.join(' ')}`;
  };
  const plain = groups.filter((group) => !isModular(group));
  const isLoose = (group: Group): boolean =>
    team.families === 'loose' && !group.moves.some((m) => m.judged.candidate.facts.installOnly);
  const families = [
    ...familiesOf(plain.filter((group) => !isLoose(group))),
    ...plain.filter(isLoose).map((group) => [group]),
  ];
  const kernels = new Kernels(input);
  const bundled = [
    ...[...groupBy(groups.filter(isModular), streamOf)].map(([key, own]) => ({ key, own, modular: true })),
    ...families.map((own) => ({ key: own.map(keyOf).sort()[0] ?? '', own, modular: false })),
  ].sort(by(({ key }) => key));
  const ranked = bundled
    .map((b) => ({ ...b, rank: Math.min(...b.own.flatMap((g) => g.moves).map(severityRank), 5) }))
    .sort((a, b) => a.rank - b.rank); // stable: by key within a rank
  return ranked.map(({ own, modular }, priority) => {
    const moves = modular ? byPlace(own) : byVersion(own);
    const leaves = moves.map((some) => leavingWith([...some.values()], kernels, groups));
    const options = moves.map((some, i) => optionOf([...some.values()], leaves[i] ?? [], closure));
    const nameArches = [...new Set(options.flatMap((o) => [...o.adds, ...o.drops]).map((b) => names.of(b)))];
    const starts = own.some((g) => g.starts);
    return { groups: own, moves, leaves, unit: { nameArches, options, priority, modular, starts } };
  });
}

function keyOf({ repository, judged: [first] }: Group): string {
  return `${upstreamId(repository.repository)} ${first?.key}`;
}

/** Of a stream: the newest of each, then the next ones. */
function byPlace(groups: readonly Group[]): Moves[] {
  const length = Math.max(...groups.map((group) => group.moves.length));
  return Array.from({ length }, (_, i) => {
    return new Map(
      groups.flatMap((g): [Group, Move][] => {
        const move = g.moves[i];
        return move ? [[g, move]] : [];
      }),
    );
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

/** Modules that go with the kernels which these moves drop. What a move of its own replaces is left to that one. */
function leavingWith(moves: readonly Move[], kernels: Kernels, groups: readonly Group[]): Leaving[] {
  const leaving = kernels.leaving(
    moves.flatMap((move) => move.drops),
    moves.map((move) => move.to),
  );
  if (leaving.length === 0) return leaving;
  const own = new Set(groups.flatMap((g) => g.moves.flatMap((m) => [...m.replaces, ...m.drops])));
  return leaving.filter(({ pin }) => !own.has(pin));
}

function optionOf(moves: readonly Move[], leaves: readonly Leaving[], closure: Closure): Option {
  const numbers = (pins: readonly Pin[]) => pins.flatMap((pin) => closure.number(pin) ?? []);
  return {
    adds: numbers(moves.map((move) => move.to)),
    drops: numbers([
      ...moves.flatMap((move) => [...move.replaces, ...move.drops]),
      ...leaves.map(({ pin }) => pin),
    ]),
  };
}
