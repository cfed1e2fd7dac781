import { Fault } from '../base/fault.ts';
import { by, byCodeUnit } from '../base/order.ts';
import { addHolds } from '../manifest/edit-holds.ts';
import { type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import { amendSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import type { Closure } from './closing.ts';
import { modulesFor } from './documents.ts';
import { groupKey, groupPins, modularPins, newest } from './groups.ts';
import { lostAdvisories } from './lost.ts';
import { nevraOf } from './mends.ts';
import { changeKey } from './promote.ts';
import { type Along, type Cascade, removal } from './removal.ts';
import { holdsFor, type OutOfTier, type StaysOut } from './staysOut.ts';
import type { CascadeRow, Change, Facts, Pin, Plan, RepositoryPlan } from './types.ts';

/** One repository of a tier that builds are taken out of. */
export interface RemoveRepository {
  readonly repository: RepositoryName;
  readonly before: Snapshot;
  /** Where it takes its builds from. */
  readonly parent: Snapshot | undefined;
}

export interface RemoveInput {
  readonly team: TeamPolicy;
  readonly set: string;
  /** The tier that was named first, then those below it that were asked for too. */
  readonly tiers: readonly { readonly tier: string; readonly repositories: readonly RemoveRepository[] }[];
  /** Further tiers below, which keep what they have. */
  readonly below: readonly { readonly tier: string; readonly pins: readonly Pin[] }[];
  /** NEVRAs, package names, or names of source packages where there is no such package (or `sources` is set). */
  readonly named: readonly string[];
  readonly sources: boolean;
  readonly facts: Facts;
  readonly closure: Closure;
  readonly notes: readonly string[];
  readonly staysOut: StaysOut;
  /** The text of the team's policy, which gets the holds. */
  readonly policy: string;
  readonly now: Date;
}

/** Builds out of a tier, with all that could not stay without them. Plans that take more than was named are for `--cascade`. */
export function planRemoval(input: RemoveInput): Plan {
  const { team, set, facts, now, tiers, staysOut } = input;
  const wanted = asked(input);
  const planned = tiers.map((t) => planTier(t, wanted, input));
  const repositories = planned.flatMap((p) => p.repositories);
  const { first, rest } = { first: repositories[0], rest: repositories.slice(1) };
  const notes = [...input.notes, ...keptBelow(repositories, input), ...alsoSource(input, wanted)];
  const noted = first ? [{ ...first, notes: [...first.notes, ...notes] }, ...rest] : [];
  const holds = holdsFor(outOf(repositories, facts), 'name', team.holds, {
    ...staysOut,
    reason: `removed: ${staysOut.reason}`,
  });
  return {
    verb: 'remove',
    team: team.team,
    tier: tiers[0]?.tier ?? '',
    set,
    now,
    from: team.tiers.find(({ name }) => name === tiers[0]?.tier)?.from ?? '',
    repositories: noted,
    reason: staysOut.reason,
    files: new Map(holds.length > 0 ? [[team.path, addHolds(input.policy, team.path, holds)]] : []),
    cascade: planned.flatMap((p) => p.cascade),
    lost: lostAdvisories(repositories, facts),
    about: aboutBuilds(
      repositories.map((plan) => ({ plan })),
      facts,
    ),
  };
}

/** What would go besides what was named; a plan without any needs no `--cascade`. */
export function alongOf(plan: Plan): CascadeRow[] {
  return (plan.cascade ?? []).filter(({ needs }) => needs !== undefined);
}

type Wanted = (pin: Pin) => boolean;

function asked({ named, sources, tiers, facts }: RemoveInput): Wanted {
  const pins = tiers.flatMap((t) => t.repositories.flatMap((r) => r.before.pins));
  const names = new Set(sources ? [] : pins.map(({ nevra }) => nevra.name));
  const bySource = new Set(named.filter((word) => !names.has(word)));
  const byName = new Set(named.filter((word) => names.has(word)));
  const builds = new Set(named);
  return (pin) =>
    byName.has(pin.nevra.name) || builds.has(formatNevra(pin.nevra)) || bySource.has(facts.build(pin).source);
}

/** Which of the words no build of these tiers goes by. */
export function unknownWords(input: Pick<RemoveInput, 'named' | 'tiers' | 'facts'>): string[] {
  const known = new Set<string>();
  for (const { repositories } of input.tiers) {
    for (const pin of repositories.flatMap((r) => r.before.pins)) {
      known.add(pin.nevra.name).add(formatNevra(pin.nevra)).add(input.facts.build(pin).source);
    }
  }
  return input.named.filter((word) => !known.has(word));
}

function planTier(
  { tier, repositories }: RemoveInput['tiers'][number],
  wanted: Wanted,
  input: RemoveInput,
): { repositories: RepositoryPlan[]; cascade: CascadeRow[] } {
  const { closure, facts } = input;
  const roots = repositories.flatMap((r) => r.before.pins.filter(wanted));
  const contents = repositories.map(({ repository, before: { pins, modules } }) => {
    return { repository: upstreamId(repository), pins, modules };
  });
  const isGone = (pin: Pin, gone: ReadonlySet<number>) => {
    const build = closure.number(pin);
    return build === undefined ? wanted(pin) : gone.has(build);
  };
  const modulesOf = (r: RemoveRepository, gone: ReadonlySet<number>) =>
    modulesFor(
      modularPins(r.before.pins, facts).filter((pin) => !isGone(pin, gone)),
      { parent: r.before, target: r.before },
      facts,
    );
  const first = new Set(roots.flatMap((pin) => closure.number(pin) ?? []));
  const cascade = removal({ closure, repositories: contents }, first, (gone) =>
    repositories.map((r) => ({ repository: upstreamId(r.repository), modules: modulesOf(r, gone) })),
  );
  refuseStuck(cascade, tier, input);
  const gone = new Set([...first, ...cascade.along.map(({ build }) => build)]);
  const why = new Map(cascade.along.map((a) => [a.build, needsWords(a, input)]));
  const plans = repositories.map((r): RepositoryPlan => {
    const leaving = r.before.pins.filter((pin) => isGone(pin, gone));
    const modules = modulesOf(r, gone);
    const { from } = r.before;
    const change = { without: new Set(leaving), pins: [] };
    const after = amendSnapshot(r.before, change, { repository: r.repository, from, modules });
    const left = groupPins(after.pins, facts);
    const drops = leaving.map((pin): Change => {
      const needs = why.get(closure.number(pin) ?? -1);
      const rest = fallback(pin, left, facts);
      const what = needs === undefined ? 'asked for' : `needs ${needs}`;
      return { kind: 'drop', from: pin, source: facts.build(pin).source, why: `${what}; ${rest.words}` };
    });
    const documents = [...r.before.modules.keys()].filter((nsvca) => !modules.has(nsvca));
    const goes = documents.map((nsvca): Change => ({ kind: 'module', nsvca, to: undefined }));
    return {
      repository: r.repository,
      before: r.before,
      after,
      changes: [...drops, ...goes].sort(by(changeKey)),
      staying: [],
      attention: [],
      notes: [],
    };
  });
  const left = groupPins(
    plans.flatMap((p) => p.after.pins),
    facts,
  );
  return { repositories: plans, cascade: tree(roots, cascade, tier, left, input) };
}

/** The build that clients have of the same name.arch and stream without this one. */
function fallback(
  pin: Pin,
  left: ReadonlyMap<string, readonly Pin[]>,
  facts: Facts,
): { build: string | undefined; words: string } {
  const next = newest(left.get(groupKey(pin, facts)));
  if (!next) return { build: undefined, words: 'no other build of it is left' };
  const build = formatNevra(next.nevra);
  const isNewer = compareEvr(next.nevra.evr, pin.nevra.evr) > 0;
  return isNewer
    ? { build: undefined, words: `${build} stays, which is newer` }
    : { build, words: `falls back to ${build}` };
}

function needsWords({ requirement, of }: Along, { closure: { universe } }: RemoveInput): string {
  const text = universe.requirements.text(requirement);
  const gave = universe.requirements.satisfiers(requirement).includes(of);
  return gave ? `${text} of ${nevraOf(universe, of)}` : text;
}

function tree(
  roots: readonly Pin[],
  { along }: Cascade,
  tier: string,
  left: ReadonlyMap<string, readonly Pin[]>,
  { closure, facts, tiers }: RemoveInput,
): CascadeRow[] {
  const { universe } = closure;
  const pins = tiers.find((t) => t.tier === tier)?.repositories.flatMap((r) => r.before.pins) ?? [];
  const pinOf = new Map(pins.map((pin) => [closure.number(pin), pin]));
  const rows: CascadeRow[] = [];
  const add = (pin: Pin, depth: number, needs: string | undefined): void => {
    const fallsBack = fallback(pin, left, facts).build;
    rows.push({ tier, depth, build: formatNevra(pin.nevra), needs, fallsBack });
  };
  const byCause = Map.groupBy(along, ({ of }) => of);
  const seen = new Set<number>();
  const sorted = [...roots].sort((a, b) => byCodeUnit(formatNevra(a.nevra), formatNevra(b.nevra)));
  for (const root of sorted) {
    add(root, 0, undefined);
    const stack = (byCause.get(closure.number(root) ?? -1) ?? []).map((a) => ({ a, depth: 1 })).reverse();
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { a, depth } = next;
      const pin = pinOf.get(a.build);
      if (!pin || seen.has(a.build)) continue;
      seen.add(a.build);
      add(pin, depth, universe.requirements.text(a.requirement));
      stack.push(...(byCause.get(a.build) ?? []).map((b) => ({ a: b, depth: depth + 1 })).reverse());
    }
  }
  return rows;
}

function refuseStuck({ stuck }: Cascade, tier: string, input: RemoveInput): void {
  const [first] = stuck;
  if (!first) return;
  const { team, closure } = input;
  const more = stuck.length > 1 ? ` (and ${stuck.length - 1} more)` : '';
  const build = nevraOf(closure.universe, first.build);
  const message = `${build}${more}, which clients have from a repository of also:, needs ${needsWords(first, input)}`;
  throw new Fault('BROKEN_SET', message, {
    hint: 'Keep it, or have that repository changed first: this team cannot take builds out of it.',
    at: `${team.team}/${tier}`,
  });
}

/** What is gone and has no newer build of its name there: the next promotion would bring it again. */
function outOf(repositories: readonly RepositoryPlan[], facts: Facts): OutOfTier[] {
  return repositories.flatMap(({ repository, after, changes }) => {
    const left = groupPins(after.pins, facts);
    return changes.flatMap((change) => {
      if (change.kind !== 'drop') return [];
      const rest = newest(left.get(groupKey(change.from, facts)));
      if (rest && compareEvr(rest.nevra.evr, change.from.nevra.evr) > 0) return [];
      const { name } = change.from.nevra;
      return [{ name, source: change.source, repository: upstreamId(repository), tier: repository.tier }];
    });
  });
}

function keptBelow(repositories: readonly RepositoryPlan[], { below }: RemoveInput): string[] {
  const gone = new Set(
    repositories.flatMap((r) =>
      r.changes.flatMap((c) => (c.kind === 'drop' ? formatNevra(c.from.nevra) : [])),
    ),
  );
  return below.flatMap(({ tier, pins }) => {
    const kept = pins.map(({ nevra }) => formatNevra(nevra)).filter((build) => gone.has(build));
    if (kept.length === 0) return [];
    const more = kept.length > 3 ? ` and ${kept.length - 3} more` : '';
    return [`${tier} keeps ${kept.slice(0, 3).join(', ')}${more}; --and-below takes them from there too`];
  });
}

/** A package that is called like its source: the other packages of that source were not meant, or were they? */
function alsoSource({ tiers, named, facts }: RemoveInput, wanted: Wanted): string[] {
  const pins = tiers.flatMap((t) => t.repositories.flatMap((r) => r.before.pins));
  return named.flatMap((word) => {
    const others = pins.filter((pin) => facts.build(pin).source === word && !wanted(pin));
    const names = [...new Set(others.map(({ nevra }) => nevra.name))].sort();
    if (names.length === 0) return [];
    const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
    return [
      `of the source package ${word} stay ${names.slice(0, 5).join(', ')}${more}; --source takes all of it`,
    ];
  });
}
