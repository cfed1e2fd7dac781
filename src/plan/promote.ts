import { formatChecksum, sameChecksum } from '../base/checksum.ts';
import { by } from '../base/order.ts';
import type { Baseline } from '../manifest/baseline.ts';
import { formatRepositoryId, type RepositoryName } from '../manifest/ids.ts';
import type { TeamPolicy, TierPolicy, UpstreamPolicy } from '../manifest/policy.ts';
import type { Recalls } from '../manifest/recall.ts';
import { amendSnapshot, emptySnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, type Nevra, nameArch } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { type Judged, judgeAll } from './candidates.ts';
import { type Closure, closeSet, type Outcome } from './closing.ts';
import { modulesFor } from './documents.ts';
import { modularPins } from './groups.ts';
import { promoteTree, type Trees } from './kickstart.ts';
import { renameNotes } from './renames.ts';
import { type Child, keepOf } from './retain.ts';
import { earlyFor, exceptionFor, exceptionText, type LockstepReason } from './rules.ts';
import type { Along, Change, Facts, Pin, Plan, RepositoryPlan, Stay, Staying } from './types.ts';

/** Since when builds stand somewhere, by checksum as text (`sha256:…`). */
export type Stays = Pick<ReadonlyMap<string, Stay>, 'get'>;

/** One repository of the client set that is promoted. */
export interface PromoteRepository {
  readonly repository: RepositoryName;
  readonly upstream: UpstreamPolicy;
  readonly live: Snapshot;
  readonly parent: Snapshot;
  /** The id that the manifest names as its parent, where the builds come from elsewhere: a hotfix takes them from live. */
  readonly from?: string;
  /** Undefined: the tier has no manifest of it yet. */
  readonly target: Snapshot | undefined;
  readonly seen: Stays;
  readonly inParent: Stays;
  /** Tiers whose `from` is the target. */
  readonly children: readonly Child[];
  /** Since when the target's own builds stand there (for retention). */
  readonly inTarget: Stays;
  /** Absent: no manifest of it has an installation tree. */
  readonly trees?: Trees | undefined;
}

export interface PromoteInput {
  readonly team: TeamPolicy;
  readonly tier: TierPolicy;
  readonly set: string;
  readonly repositories: readonly PromoteRepository[];
  readonly facts: Facts;
  /**
   * Package or source names that a person asked for; empty: whatever may move. The siblings (same source package) of a named
   * one that the target has come with it.
   */
  readonly named: readonly string[];
  /** Of what may move by itself only builds of these source packages, with as few others as they need. */
  readonly only?: ReadonlySet<string>;
  /** Of these just these builds (NEVRA texts), and no other of the same name, arch and stream. */
  readonly exact?: ReadonlySet<string>;
  /** Builds that a profile of the team's hosts has: the kernels among them are not dropped. */
  readonly installed?: (build: Nevra) => boolean;
  /** Why a person takes builds along that a hold keeps, because a named one needs them. */
  readonly overrideHolds?: string;
  /** Packages that several teams move at once. */
  readonly lockstep?: LockstepRule;
  /** Set for a hotfix: what it asks for, instead of what bears one of these names. */
  readonly hotfix?: Emergency;
  readonly closure: Closure;
  /** What was installed at deployment, where the tier takes updates only. */
  readonly baseline?: Baseline;
  /** What nobody may have. */
  readonly recalls?: Recalls;
  /** Said of the set, in its first repository. */
  readonly notes?: readonly string[];
  readonly now: Date;
}

/** What keeps a build back because other teams have it too. */
export interface LockstepRule {
  /** `named` are the packages of a group that moves now: by the policy, as if they moved by themselves. */
  readonly moves: boolean;
  keeps(build: Nevra): LockstepReason | undefined;
}

/** Builds of live by their checksums as text. Waits do not count for them, nor for what they need. */
export interface Emergency {
  readonly asked: ReadonlySet<string>;
  /** What the tier's parent has. Of builds that would do as a dependency these come first: they have been used somewhere. */
  readonly inParent: ReadonlySet<string>;
}

/**
 * What may move up into one tier of one client set. Pure: equal inputs give equal plans. Per name.arch and module stream the
 * newest build that may move does; nothing is ever lowered; what stays says why and until when.
 */
export function planPromotion(input: PromoteInput): Plan {
  const { outcomes, notes } = closeSet(judgeAll(input), input);
  const repositories = input.repositories.map((repository, i) => {
    const own = outcomes.filter((outcome) => outcome.repository === repository);
    const plan = planRepository(repository, own, input);
    const ofSet = i === 0 ? [...(input.notes ?? []), ...notes, ...renameNotes(outcomes, input)] : [];
    return { ...plan, notes: [...ofSet, ...plan.notes] };
  });
  const { team, tier, set, now } = input;
  let about: Plan['about'] | undefined; // for reports: the check computes plans and reads none
  return {
    verb: 'promote',
    team: team.team,
    tier: tier.name,
    set,
    now,
    from: tier.from,
    repositories,
    get about() {
      about ??= aboutBuilds(
        repositories.map((plan, i) => ({ plan, ...stays(input.repositories[i]) })),
        input.facts,
      );
      return about;
    },
  };
}

function stays(r: PromoteRepository | undefined): { seen?: Stays; inParent?: Stays } {
  return r ? { seen: r.seen, inParent: r.inParent } : {};
}

export function planRepository(
  r: PromoteRepository,
  outcomes: readonly Outcome[],
  { facts, tier, named, only, now }: PromoteInput,
): RepositoryPlan {
  const changes: Change[] = [];
  const staying: Staying[] = [];
  const [pins, without] = [new Set<Pin>(), new Set<Pin>()];
  const leaves = (pin: Pin) => (pins.delete(pin) ? undefined : without.add(pin));
  for (const { move, stays, along, leaves: modules = [] } of outcomes) {
    for (const { pin, why } of modules) {
      leaves(pin);
      changes.push({ kind: 'drop', from: pin, source: facts.build(pin).source, why });
    }
    for (const { build, candidate, has, verdict } of stays) {
      if (verdict.kind === 'ready') continue;
      staying.push({ build, source: candidate.facts.source, has, reason: verdict });
    }
    if (!move) continue;
    changes.push(changeFor(move.judged, move.to, along));
    for (const old of move.replaces) leaves(old);
    pins.add(move.to);
    for (const gone of move.drops) {
      leaves(gone);
      const why = keepOf(tier, facts.build(gone)).text;
      changes.push({ kind: 'drop', from: gone, source: facts.build(gone).source, why });
    }
  }
  const from = r.from ?? formatRepositoryId(r.parent.repository);
  const before = r.target ?? emptySnapshot(r.repository, from);
  const modular = modularPins(before.pins, facts).filter((pin) => !without.has(pin));
  const modules = modulesFor([...modular, ...pins], r, facts);
  for (const [nsvca, sum] of modules) {
    const old = r.target?.modules.get(nsvca);
    if (!old || !sameChecksum(old, sum)) changes.push({ kind: 'module', nsvca, to: sum });
  }
  for (const nsvca of r.target?.modules.keys() ?? []) {
    if (!modules.has(nsvca)) changes.push({ kind: 'module', nsvca, to: undefined });
  }
  const moved = promoteTree({
    parent: r.parent.kickstart,
    target: r.target?.kickstart,
    trees: r.trees,
    tier,
    isNamed: named.length > 0 || only !== undefined,
    now,
  });
  if (moved.change) changes.push(moved.change);
  const { kickstart } = moved;
  const change = { without, pins: [...pins] };
  const after = amendSnapshot(before, change, {
    repository: r.repository,
    from,
    modules,
    kickstart,
  });
  const sorted = changes.sort(by(changeKey));
  return {
    repository: r.repository,
    before: r.target,
    after,
    changes: sorted,
    staying: staying.sort(by((s) => `${nameArch(s.build.nevra)} ${formatNevra(s.build.nevra)}`)),
    attention: pulledBack(after, r.live),
    ...(moved.stays === undefined ? {} : { treeStays: moved.stays }),
    notes: moved.stays === undefined ? [] : [moved.stays],
  };
}

function changeFor(pick: Judged, to: Pin, path: Along | undefined): Change {
  const { source } = pick.candidate.facts;
  const { has } = pick;
  const past = path ? (pick.along ?? []) : pick.past;
  const shortened = earlyFor(pick.candidate);
  const early = shortened ? { early: shortened } : {};
  const excepted = path ? undefined : exceptionFor(pick.candidate);
  const along = {
    ...(path ? { along: path } : {}),
    ...(excepted ? { exception: exceptionText(excepted) } : {}),
  };
  if (!has) {
    const { known, replaces } = pick.candidate;
    return {
      kind: 'add',
      to,
      source,
      past,
      ...early,
      ...along,
      ...(!known && replaces !== undefined ? { replaces } : {}),
    };
  }
  if (compareEvr(has.nevra.evr, to.nevra.evr) === 0) {
    const signed = pick.repository.live.resigned.some(
      (r) => sameChecksum(r.was, has.checksum) && sameChecksum(r.now, to.checksum),
    );
    return { kind: signed ? 'resigned' : 'rerolled', from: has, to, source };
  }
  return { kind: 'update', from: has, to, source, past, ...early, ...along };
}

/** By what it concerns, so that a report and a diff read in the manifest's order. */
export function changeKey(change: Change): string {
  if (change.kind === 'module') return `~module ${change.nsvca}`;
  if (change.kind === 'tree') return '~tree';
  const pin = 'to' in change ? change.to : change.from;
  return `${nameArch(pin.nevra)} ${change.kind === 'drop' ? 1 : 0} ${formatNevra(pin.nevra)}`;
}

function pulledBack(after: Snapshot, live: Snapshot): { build: Pin; why: string }[] {
  const withdrawn = new Map(
    live.pins.filter((pin) => pin.withdrawn).map((p) => [formatChecksum(p.checksum), p]),
  );
  if (withdrawn.size === 0) return [];
  return after.pins
    .filter((pin) => withdrawn.has(formatChecksum(pin.checksum)))
    .map((build) => ({ build, why: 'upstream pulled this build back' }));
}
