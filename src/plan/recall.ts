import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { by } from '../base/order.ts';
import { LIVE_TEAM, LIVE_TIER, upstreamId } from '../manifest/ids.ts';
import { type Recall, recallReason } from '../manifest/recall.ts';
import { amendSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { fallBack, type Leaving, type RemovalSet, type RemovedFrom } from './fallBack.ts';
import { changeKey } from './promote.ts';
import type { Change, Effect, Facts, Pin, Plan, RepositoryPlan } from './types.ts';

/** One client set of one tier that has a recalled build. */
export interface RecallSet extends RemovalSet {
  readonly team: string;
  readonly tier: string;
  readonly set: string;
}

export interface RecallInput {
  readonly recall: Recall;
  /** The file that says so. */
  readonly text: string;
  readonly isRecalled: (pin: Pin, facts: Facts) => boolean;
  readonly sets: readonly RecallSet[];
  /** live's manifests that have one. */
  readonly lives: readonly { readonly snapshot: Snapshot; readonly facts: Facts }[];
  /** Lists of hosts that have one installed. */
  readonly profiles: readonly string[];
  /** Whether what would be broken may go along. */
  readonly cascade: boolean;
  readonly now: Date;
}

/** Builds that go along are named up to this many before the rest is counted. */
const NAMED = 10;

/**
 * Takes the recalled builds out of every tier of every team and out of live, in one plan, because half of it would be no recall.
 * What has nothing left falls back to the newest older build that its parents have.
 */
export function planRecall(input: RecallInput): Plan {
  const { recall, sets, lives, now } = input;
  const repositories: RepositoryPlan[] = [];
  const effects: Effect[] = [];
  const along: string[] = [];
  for (const set of sets) {
    const where = `${set.team}/${set.tier} ${set.set}`;
    const { repositories: removed, beyond } = fallBack(set, (pin) => input.isRecalled(pin, set.facts));
    if (beyond.length > 0) throw beyondReach(beyond, where, recall);
    for (const one of removed) {
      if (one.leaving.length === 0) continue;
      effects.push(...one.leaving.map((leaving) => effectOf(leaving, where)));
      along.push(...one.leaving.flatMap((l) => (l.lacks ? [`${nevra(l.pin)} ${l.lacks} (${where})`] : [])));
      repositories.push(planRepository(one, set.facts, recall));
    }
  }
  if (along.length > 0 && !input.cascade) throw wouldBreak(along, recall);
  for (const { snapshot, facts } of lives) repositories.push(planLive(snapshot, facts, input));
  const about = aboutOf(repositories, input);
  return {
    verb: 'recall',
    team: LIVE_TEAM,
    tier: LIVE_TIER,
    set: 'recalls',
    now,
    from: LIVE_TIER,
    repositories,
    reason: recall.reason,
    headline: `Recall ${recall.id}: ${recall.reason}`,
    files: new Map([[recall.path, input.text]]),
    follows: { notes: notesOf(input, effects), effects: effects.sort(by((e) => `${e.where} ${e.build}`)) },
    about,
  };
}

function notesOf({ recall, lives, profiles }: RecallInput, effects: readonly Effect[]): string[] {
  const builds = recall.builds.map((b) => b.nevra);
  const more = builds.length > NAMED ? ` and ${builds.length - NAMED} more` : '';
  const tiers = new Set(effects.map(({ where }) => where.split(' ')[0]));
  return [
    `recalled until it is withdrawn: ${builds.slice(0, NAMED).join(', ')}${more}`,
    `${tiers.size === 0 ? 'no tier has it' : `it leaves ${[...tiers].join(', ')}`}${lives.length > 0 ? ', and live' : ''}`,
    ...(profiles.length > 0
      ? [`hosts have it installed, and keep it until dnf distro-sync: ${profiles.join(', ')}`]
      : []),
  ];
}

function effectOf({ pin, lacks, instead, from }: Leaving, where: string): Effect {
  const lower = instead
    ? `falls back to ${formatEvr(instead.nevra.evr)}`
    : 'is gone: there is no older build';
  const origin = instead && from !== undefined ? `, from ${from}` : '';
  return {
    where,
    build: nevra(pin),
    what: `${lower}${origin}`,
    why: lacks === undefined ? 'recalled' : `goes along: ${lacks}`,
  };
}

function planRepository(
  { repository: { snapshot }, leaving, came, modules }: RemovedFrom,
  facts: Facts,
  recall: Recall,
): RepositoryPlan {
  const changes: Change[] = [];
  const brought = new Set<Pin>(came);
  for (const { pin, lacks, instead } of [...leaving].reverse()) {
    const { source } = facts.build(pin);
    if (instead && brought.delete(instead))
      changes.push({ kind: 'update', from: pin, to: instead, source, past: [] });
    else changes.push({ kind: 'drop', from: pin, source, why: lacks ?? recallReason(recall) });
  }
  for (const [nsvca, to] of modules)
    if (!snapshot.modules.has(nsvca)) changes.push({ kind: 'module', nsvca, to });
  for (const nsvca of snapshot.modules.keys()) {
    if (!modules.has(nsvca)) changes.push({ kind: 'module', nsvca, to: undefined });
  }
  const without = new Set(leaving.map(({ pin }) => pin));
  const after = amendSnapshot(snapshot, { without, pins: came }, { ...snapshot, modules });
  return planned(snapshot, after, changes);
}

/** Live says itself that it is kept out, so that a sync can tell a recall from what upstream does. */
function planLive(snapshot: Snapshot, facts: Facts, { isRecalled, recall }: RecallInput): RepositoryPlan {
  const gone = snapshot.pins.filter((pin) => isRecalled(pin, facts));
  const why = recallReason(recall);
  const without = new Set(gone);
  const left = new Set(
    snapshot.pins.filter((pin) => !without.has(pin)).map((pin) => formatChecksum(pin.checksum)),
  );
  const still = ({ now }: { now: Pin['checksum'] }) => left.has(formatChecksum(now));
  const quarantined = gone.map((pin) => ({ nevra: nevra(pin), checksum: pin.checksum, reason: why }));
  const after = amendSnapshot(
    snapshot,
    { without, pins: [] },
    {
      ...snapshot,
      accepted: snapshot.accepted.filter(still),
      resigned: snapshot.resigned.filter(still),
      quarantined: [...snapshot.quarantined, ...quarantined],
    },
  );
  const changes = gone.map((from): Change => ({ kind: 'drop', from, source: facts.build(from).source, why }));
  return planned(snapshot, after, changes);
}

function planned(before: Snapshot, after: Snapshot, changes: Change[]): RepositoryPlan {
  const { repository } = before;
  return {
    repository,
    before,
    after,
    changes: changes.sort(by(changeKey)),
    staying: [],
    attention: [],
    notes: [],
  };
}

function aboutOf(repositories: readonly RepositoryPlan[], { sets, lives }: RecallInput): Plan['about'] {
  const facts = sets[0]?.facts ?? lives[0]?.facts;
  const known = new Map<string, Facts>();
  for (const set of sets) for (const r of set.repositories) known.set(keyOf(r.snapshot), set.facts);
  for (const live of lives) known.set(keyOf(live.snapshot), live.facts);
  const about = new Map<string, NonNullable<ReturnType<Plan['about']['get']>>>();
  for (const plan of repositories) {
    const own = known.get(keyOf(plan.after)) ?? facts;
    if (own) for (const [build, said] of aboutBuilds([{ plan }], own)) about.set(build, said);
  }
  return about;
}

function keyOf({ repository }: Snapshot): string {
  return `${repository.team}/${repository.tier} ${upstreamId(repository)}`;
}

function nevra(pin: Pin): string {
  return formatNevra(pin.nevra);
}

function wouldBreak(along: readonly string[], recall: Recall): Fault {
  const more = along.length > NAMED ? `; and ${along.length - NAMED} more` : '';
  const message = `without ${recall.id} ${along.length === 1 ? 'a build' : `${along.length} builds`} would lack what they need: ${along.slice(0, NAMED).join('; ')}${more}`;
  return new Fault('BROKEN_SET', message, {
    hint: 'Add --cascade: they go along, or fall back to an older build, as the plan then says. Or recall the source package, if its builds need each other.',
  });
}

function beyondReach(beyond: readonly string[], where: string, recall: Recall): Fault {
  return new Fault(
    'BROKEN_SET',
    `without ${recall.id} clients of ${where} lack what builds of other repositories need: ${beyond.slice(0, NAMED).join('; ')}`,
    {
      hint: 'Those stand below also: of the team’s policy. Recall it where they come from first, or take them out of also:.',
      at: where,
    },
  );
}
