import { sameChecksum } from '../base/checksum.ts';
import { by } from '../base/order.ts';
import { addHolds } from '../manifest/edit-holds.ts';
import { formatRepositoryId, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import { emptySnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { brokenSet } from './brokenSet.ts';
import type { Closure } from './closing.ts';
import { groupPins, newest } from './groups.ts';
import { sameTree, type Trees, treeChange } from './kickstart.ts';
import { lostAdvisories, lowered } from './lost.ts';
import { changeKey } from './promote.ts';
import { heldBy } from './rules.ts';
import { holdsFor, type StaysOut } from './staysOut.ts';
import type { Change, Facts, Pin, Plan, RepositoryPlan } from './types.ts';

/** One repository of a tier as it is, and as it was. */
export interface RollbackRepository {
  readonly repository: RepositoryName;
  /** The id of its parent, as the policy names it now. */
  readonly from: string;
  readonly before: Snapshot | undefined;
  /** Undefined: there was none. */
  readonly former: Snapshot | undefined;
  readonly live: Snapshot | undefined;
  /** Absent: neither of the two has an installation tree. */
  readonly trees?: Pick<Trees, 'words'> | undefined;
}

export interface RollbackInput {
  readonly team: TeamPolicy;
  readonly tier: string;
  readonly set: string;
  /** The commit that it goes back to, and its time: `3f2a91c04b1d of 2026-03-02`. */
  readonly to: string;
  readonly repositories: readonly RollbackRepository[];
  readonly facts: Facts;
  readonly closure: Closure;
  readonly notes: readonly string[];
  readonly staysOut: StaysOut;
  /** The text of the team's policy, which gets the holds. */
  readonly policy: string;
  readonly now: Date;
}

/** A tier as it was: the manifests to the byte, and a hold on what goes back, so that it does not come again tomorrow. */
export function planRollback(input: RollbackInput): Plan {
  const { team, tier, set, facts, now, staysOut } = input;
  const planned = input.repositories.map((r) => planRepository(r, facts));
  const broken = brokenBy(planned, input);
  const notes = [...input.notes, ...expired(planned, input), ...broken.rest];
  const repositories = planned.map((r, i) => ({
    ...r,
    attention: [...r.attention, ...broken.of(r)],
    notes: i === 0 ? [...notes, ...r.notes] : r.notes,
  }));
  const out = repositories.flatMap((r) =>
    takenBack(r, facts).map((from) => {
      const { source } = facts.build(from);
      return { name: from.nevra.name, source, repository: upstreamId(r.repository), tier };
    }),
  );
  const holds = holdsFor(out, 'source', team.holds, {
    ...staysOut,
    reason: `rolled back to ${input.to}: ${staysOut.reason}`,
  });
  return {
    verb: 'rollback',
    team: team.team,
    tier,
    set,
    now,
    from: input.to,
    repositories,
    reason: staysOut.reason,
    files: new Map(holds.length > 0 ? [[team.path, addHolds(input.policy, team.path, holds)]] : []),
    lost: lostAdvisories(repositories, facts),
    about: aboutBuilds(
      repositories.map((plan) => ({ plan })),
      facts,
    ),
  };
}

function planRepository(r: RollbackRepository, facts: Facts): RepositoryPlan {
  const { repository, before, former, from, live } = r;
  const after = former ? { ...former, from } : emptySnapshot(repository, from);
  const had = groupPins(before?.pins ?? [], facts);
  const has = groupPins(after.pins, facts);
  const changes = [...new Set([...had.keys(), ...has.keys()])].flatMap((key) =>
    changesOf(had.get(key) ?? [], has.get(key) ?? [], facts),
  );
  for (const [nsvca, to] of after.modules) {
    const was = before?.modules.get(nsvca);
    if (!was || !sameChecksum(was, to)) changes.push({ kind: 'module', nsvca, to });
  }
  for (const nsvca of before?.modules.keys() ?? []) {
    if (!after.modules.has(nsvca)) changes.push({ kind: 'module', nsvca, to: undefined });
  }
  const [was, tree] = [before?.kickstart, after.kickstart];
  const isOtherTree = !sameTree(was, tree);
  if (isOtherTree) changes.push(treeChange(was, tree, r.trees));
  const id = formatRepositoryId(repository);
  const withdrawn = new Set(live?.pins.filter((pin) => pin.withdrawn).map((p) => formatNevra(p.nevra)));
  const back = after.pins.filter((pin) => withdrawn.has(formatNevra(pin.nevra)) && !isPinned(before, pin));
  return {
    repository,
    before,
    after,
    changes: changes.sort(by(changeKey)),
    staying: [],
    attention: back.map((build) => ({ build, why: 'comes back, and upstream pulled it back since' })),
    notes: [
      ...(former ? [] : [`${id} was not there then: it is emptied`]),
      ...(isOtherTree ? [`${id}: its installation tree goes back too. ${NO_HOLD}`] : []),
    ],
  };
}

const NO_HOLD = 'Holds are of builds: the next promotion that names none brings the one of its parent again.';

/** What a promotion would bring again: newer builds, and other bytes of the same. */
function takenBack(r: RepositoryPlan, facts: Facts): Pin[] {
  const rerolled = r.changes.flatMap((c) => (c.kind === 'rerolled' ? c.from : []));
  return [...lowered(r, facts).map(({ from }) => from), ...rerolled];
}

function isPinned(snapshot: Snapshot | undefined, pin: Pin): boolean {
  return snapshot?.pins.some((other) => sameChecksum(other.checksum, pin.checksum)) ?? false;
}

/** Of one name.arch and stream: what clients have as the newest first, then what else comes and goes. */
function changesOf(had: readonly Pin[], has: readonly Pin[], facts: Facts): Change[] {
  const changes: Change[] = [];
  const [from, to] = [newest(had), newest(has)];
  const source = (pin: Pin) => facts.build(pin).source;
  const same = (a: Pin, b: Pin) => sameChecksum(a.checksum, b.checksum);
  const isMove = from !== undefined && to !== undefined && !same(from, to);
  if (isMove) {
    const isSameBuild = formatNevra(from.nevra) === formatNevra(to.nevra);
    changes.push(
      isSameBuild
        ? { kind: 'rerolled', from, to, source: source(to) }
        : { kind: 'update', from, to, source: source(to), past: [] },
    );
  }
  for (const pin of has.filter((p) => !had.some((o) => same(o, p)) && !(isMove && p === to))) {
    changes.push({ kind: 'add', to: pin, source: source(pin), past: [] });
  }
  for (const pin of had.filter((p) => !has.some((o) => same(o, p)) && !(isMove && p === from))) {
    changes.push({ kind: 'drop', from: pin, source: source(pin), why: 'was not there then' });
  }
  return changes;
}

/** Holds that have ended and keep something out all the same: who rolls back should know them. */
function expired(repositories: readonly RepositoryPlan[], { team, tier, now }: RollbackInput): string[] {
  return team.holds
    .filter((hold) => hold.tier === undefined || hold.tier === tier)
    .filter((hold) => repositories.some((r) => r.changes.length > 0) && heldBy(hold, now).expired)
    .map(
      (hold) =>
        `a hold ended on ${hold.until} and stays in force: ${hold.reason} (${hold.owner}, ${hold.at})`,
    );
}

const MOST = 20;

/** What clients will lack: it was so then, or what they have besides is other than then. */
function brokenBy(repositories: readonly RepositoryPlan[], { closure }: RollbackInput) {
  const contents = (snapshots: readonly Snapshot[]) =>
    snapshots.map(({ repository, pins, modules }) => ({ repository: upstreamId(repository), pins, modules }));
  const before = { closure, repositories: contents(repositories.flatMap((r) => r.before ?? [])) };
  const after = { closure, repositories: contents(repositories.map((r) => r.after)) };
  const { added, addedCount } = brokenSet(before, after, { supplies: [], full: MOST });
  const by = new Map(added.map((broken) => [broken.build, broken]));
  const rest = addedCount.requirements - added.length;
  return {
    of: ({ after: { pins } }: RepositoryPlan) =>
      pins.flatMap((build) => {
        const broken = by.get(closure.number(build) ?? -1);
        return broken
          ? [{ build, why: `needs ${broken.needs}, which nothing will give it; now nothing lacks that` }]
          : [];
      }),
    rest: rest > 0 ? [`${rest} more requirements that are met now will be unmet`] : [],
  };
}
