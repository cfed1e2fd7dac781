import { upstreamId } from '../manifest/ids.ts';
import { membersOf } from '../plan/brokenSet.ts';
import { Satisfiers } from '../plan/satisfiers.ts';
import type { Plan, Snapshot } from '../plan/types.ts';
import {
  askUpgrades,
  type Host,
  type Trouble,
  type UpgradeQuestion,
  type Upgrades,
} from '../plan/upgrades.ts';
import type { Universe } from '../plan/watch.ts';
import type { Catalog } from '../pool/catalog.ts';
import { type ClosureOfSet, closureOf } from './closure.ts';
import type { PromoteScope } from './plan-promote.ts';
import { matchProfile, readProfiles, unmatchedNote } from './profiles.ts';
import type { State } from './state.ts';

const satisfiers = new WeakMap<Universe, Satisfiers>();

/**
 * A plan with what clients and the team's profiles could no longer do after it, as rows that need attention, and what of the
 * profiles nothing is known of. It changes no manifest, so the check that recomputes a plan does without it.
 */
export async function withUpgrades(
  plan: Plan,
  state: State,
  catalog: Catalog,
  { team, set }: PromoteScope,
): Promise<Plan> {
  if (plan.repositories.every((r) => r.changes.length === 0)) return plan;
  const known = await closureOf(state, catalog, { team, set });
  const { universe } = known.closure;
  const { index } = universe.requirements;
  const before = shownTo(
    known,
    plan.repositories.flatMap((r) => r.before ?? []),
  );
  const after = shownTo(
    known,
    plan.repositories.map((r) => r.after),
  );
  const everywhere = new Uint8Array(index.size).fill(1);
  const hosts: Host[] = [];
  const notes: string[] = [];
  for (const profile of readProfiles(state, team, set)) {
    const matched = matchProfile(profile, index, everywhere);
    const builds = [...matched.builds.keys()].filter((build) => matched.builds[build] === 1);
    hosts.push({ file: profile.file, builds });
    const note = unmatchedNote(matched, profile.installed.length);
    if (note !== undefined) notes.push(note);
  }
  const asked = satisfiers.get(universe) ?? new Satisfiers(index);
  satisfiers.set(universe, asked);
  const arch = plan.repositories[0]?.repository.arch ?? '';
  const found = answerOf({ universe, satisfiers: asked, arch, before, after, hosts });
  return withTroubles(plan, found, known, notes);
}

const last = new WeakMap<Universe, { readonly question: UpgradeQuestion; readonly answer: Upgrades }>();

/** Teams whose clients are shown the same ask the same: the question is answered once. */
function answerOf(question: UpgradeQuestion): Upgrades {
  const known = last.get(question.universe);
  if (known && isSame(known.question, question)) return known.answer;
  const answer = askUpgrades(question);
  last.set(question.universe, { question, answer });
  return answer;
}

function isSame(a: UpgradeQuestion, b: UpgradeQuestion): boolean {
  const isEqual = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;
  return (
    a.arch === b.arch &&
    isEqual(a.before, b.before) &&
    isEqual(a.after, b.after) &&
    JSON.stringify(a.hosts) === JSON.stringify(b.hosts)
  );
}

/** What a client with the default streams is shown of these repositories. */
function shownTo({ closure }: ClosureOfSet, snapshots: readonly Snapshot[]): Uint8Array {
  const repositories = snapshots.map(({ repository, pins, modules }) => {
    return { repository: upstreamId(repository), pins, modules };
  });
  const members = membersOf({ closure, repositories });
  const [, newest] = closure.filters(repositories, (build) => members[build] !== 0);
  return members.map((bit, build) => (bit !== 0 && newest?.shows[build] === 1 ? 1 : 0));
}

function withTroubles(
  plan: Plan,
  { troubles, asked, left }: Upgrades,
  { closure }: ClosureOfSet,
  notes: readonly string[],
): Plan {
  const rows = troubles.map((trouble) => ({ trouble, at: placeOf(trouble, plan, closure.number) }));
  const unasked =
    left > 0
      ? [`asked of ${asked} builds whether clients that have them can upgrade; ${left} more were not asked`]
      : [];
  const repositories = plan.repositories.map((r, i) => ({
    ...r,
    troubles: rows.filter((row) => row.at === i).map((row) => row.trouble),
    notes: i === 0 ? [...r.notes, ...notes, ...unasked] : r.notes,
  }));
  return { ...plan, repositories };
}

/** The repository that has the build; the first one for hosts. */
function placeOf({ build }: Trouble, plan: Plan, numberOf: ClosureOfSet['closure']['number']): number {
  const place = plan.repositories.findIndex(({ before, after }) =>
    [...(before?.pins ?? []), ...after.pins].some((pin) => numberOf(pin) === build),
  );
  return build === undefined || place < 0 ? 0 : place;
}
