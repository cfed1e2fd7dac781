import { Fault } from '../base/fault.ts';
import { by } from '../base/order.ts';
import type { Baseline } from '../manifest/baseline.ts';
import { formatRepositoryId, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import { patternMatches } from '../manifest/pattern.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import type { Recalls } from '../manifest/recall.ts';
import { makeSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { brokenSet, unmetNote } from './brokenSet.ts';
import type { Closure } from './closing.ts';
import { groupPins } from './groups.ts';
import { type Trees, treeChange } from './kickstart.ts';
import { changeKey } from './promote.ts';
import { originRefused } from './rules.ts';
import type { Change, Facts, Pin, Plan, RepositoryPlan } from './types.ts';

/** One empty repository of a tier, and where its first content comes from. */
export interface FillRepository {
  readonly repository: RepositoryName;
  readonly target: Snapshot | undefined;
  /** The parent, or the repository that the tier is to be like, at the date that was asked for. */
  readonly source: Snapshot;
  /** The id that the new manifest names as its parent. */
  readonly from: string;
  readonly trees?: Trees | undefined;
}

/** What of the source is taken. */
export type Selection =
  /** The newest build of each name.arch and module stream. */
  | { readonly kind: 'latest' }
  /** Everything that the source has. */
  | { readonly kind: 'all' }
  /** The builds of a list (an `rpm -qa`, a baseline), as NEVRA texts. */
  | { readonly kind: 'list'; readonly nevras: ReadonlySet<string> }
  /** The newest build of each that upstream's metadata dates no later than this. Selected by it only; never trusted to wait. */
  | { readonly kind: 'dated'; readonly fileTime: (pin: Pin) => number; readonly date: Date };

export interface FillInput {
  readonly verb: 'fill' | 'init';
  readonly team: TeamPolicy;
  readonly tier: string;
  readonly set: string;
  /** What it is filled from, for the report: `unstable`, `live`. */
  readonly parent: string;
  readonly repositories: readonly FillRepository[];
  readonly selection: Selection;
  readonly facts: Facts;
  readonly closure: Closure;
  /** What was installed at deployment, where the tier takes updates only. */
  readonly baseline?: Baseline;
  /** What nobody may have. */
  readonly recalls: Recalls;
  /** Said of the set, in its first repository. */
  readonly notes: readonly string[];
  readonly now: Date;
}

/** The first content of an empty tier. Waits count from the commit that brings it in. */
export function planFill(input: FillInput): Plan {
  const filled = input.repositories.find((r) => r.target && r.target.pins.length > 0);
  if (filled) {
    const message = `${formatRepositoryId(filled.repository)} has ${filled.target?.pins.length} builds already`;
    const hint = 'Use promote: fill is for a tier that is empty.';
    throw new Fault('USAGE', message, { hint, at: formatRepositoryId(filled.repository) });
  }
  const filling = input.repositories.map((r) => fillRepository(r, input));
  const unmet = unmetIn(filling, input.closure);
  const said = unmet === undefined ? input.notes : [...input.notes, unmet];
  const repositories = filling.map((r, i) => (i === 0 ? { ...r, notes: [...r.notes, ...said] } : r));
  const { verb, team, tier, set, now } = input;
  const about = aboutBuilds(
    repositories.map((plan) => ({ plan })),
    input.facts,
  );
  return { verb, team: team.team, tier, set, now, from: input.parent, repositories, about };
}

/** A first content breaks nothing, because nobody had it; what it lacks is said. */
function unmetIn(filling: readonly RepositoryPlan[], closure: Closure): string | undefined {
  const repositories = filling.map(({ repository, after: { pins, modules } }) => {
    return { repository: upstreamId(repository), pins, modules };
  });
  return unmetNote(brokenSet(undefined, { closure, repositories }, { supplies: [], full: 0 }));
}

function fillRepository(r: FillRepository, input: FillInput): RepositoryPlan {
  const { facts } = input;
  const tier = input.team.tiers.find(({ name }) => name === input.tier);
  const keptOut = tier && originRefused(tier, upstreamId(r.repository));
  const candidates = keptOut === undefined ? r.source.pins : [];
  const source = { ...r.source, pins: candidates.filter((pin) => comesIn(pin, r, input)) };
  const pins = select(source, input.selection, facts).map((pin) => ({ ...pin, withdrawn: false }));
  const documents = new Set(pins.flatMap((pin) => facts.documents(formatNevra(pin.nevra))));
  const modules = new Map([...r.source.modules].filter(([nsvca]) => documents.has(nsvca)));
  const changes: Change[] = pins.map((to) => ({ kind: 'add', to, source: facts.build(to).source, past: [] }));
  for (const [nsvca, to] of modules) changes.push({ kind: 'module', nsvca, to });
  const kickstart = keptOut === undefined ? r.source.kickstart : undefined;
  if (kickstart) changes.push(treeChange(r.target?.kickstart, kickstart, r.trees));
  const after = makeSnapshot({
    repository: r.repository,
    from: r.from,
    modules,
    pins,
    ...(kickstart ? { kickstart } : {}),
  });
  const sorted = changes.sort(by(changeKey));
  return {
    repository: r.repository,
    before: r.target,
    after,
    changes: sorted,
    staying: [],
    attention: [],
    notes: keptOut === undefined ? newNote(candidates, input) : [keptOut],
  };
}

/** What the team's lists filter never comes in, not even on the first day. */
function comesIn(pin: Pin, r: FillRepository, input: FillInput): boolean {
  const { team, tier, facts, recalls } = input;
  if (recalls.of(pin, facts.build(pin))) return false; // an earlier state may have it
  const { name } = pin.nevra;
  if (isNew(pin, input)) return false;
  const subject = { name, source: facts.build(pin).source, repository: upstreamId(r.repository), tier };
  if (team.deny.some((filter) => patternMatches(filter, subject))) return false;
  return team.allow.length === 0 || team.allow.some((filter) => patternMatches(filter, subject));
}

/** Of a tier of updates, what its baseline does not have, and what replaces nothing of it. A list is what a person named. */
function isNew(pin: Pin, { team, tier, facts, baseline, selection }: FillInput): boolean {
  const mode = team.tiers.find(({ name }) => name === tier)?.mode;
  if (!baseline || mode !== 'updates-only' || selection.kind === 'list') return false;
  return !baseline.hasBuild(pin.nevra) && !facts.build(pin).obsoletes.some((name) => baseline.hasName(name));
}

function newNote(pins: readonly Pin[], input: FillInput): string[] {
  const names = new Set(pins.filter((pin) => isNew(pin, input)).map((pin) => nameArch(pin.nevra)));
  if (names.size === 0) return [];
  const what = names.size === 1 ? 'one name is' : `${names.size} names are`;
  return [`${what} not in ${input.baseline?.file}, and nothing of that comes in`];
}

function select(source: Snapshot, selection: Selection, facts: Facts): Pin[] {
  const pins = source.pins.filter((pin) => !pin.withdrawn);
  switch (selection.kind) {
    case 'all':
      return pins;
    case 'list':
      return pins.filter((pin) => selection.nevras.has(formatNevra(pin.nevra)));
    case 'latest':
      return newestOfEach(pins, facts);
    case 'dated':
      return newestOfEach(
        pins.filter((pin) => selection.fileTime(pin) * 1000 <= selection.date.getTime()),
        facts,
      );
  }
}

function newestOfEach(pins: readonly Pin[], facts: Facts): Pin[] {
  return [...groupPins(pins, facts).values()].flatMap((group) => group.slice(-1));
}
