import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { formatRepositoryId, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { TeamPolicy, TierPolicy } from '../manifest/policy.ts';
import type { Recalls } from '../manifest/recall.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { type Judged, judgeAll } from './candidates.ts';
import { type Closure, closeSet, type Outcome } from './closing.ts';
import { groupPins } from './groups.ts';
import { findNamed, type Named } from './named.ts';
import { normalWay } from './normalWay.ts';
import { type PromoteInput, type PromoteRepository, planRepository } from './promote.ts';
import type { Along, Change, Facts, HotfixFacts, Plan, Reason, RepositoryPlan } from './types.ts';
import { type Asked, isMissing, siblingsOf, wantedIn } from './wanted.ts';

/** A tier that a hotfix goes into. Its repositories have live as their parent: that is where the builds come from. */
export interface HotfixTier {
  readonly tier: TierPolicy;
  readonly repositories: readonly PromoteRepository[];
  /** Builds that the tier's parent has, by their checksums as text. */
  readonly inParent: ReadonlySet<string>;
}

export interface HotfixInput {
  readonly team: TeamPolicy;
  readonly set: string;
  /** The one that was asked for first, then each one's parent up to live's neighbour. */
  readonly tiers: readonly HotfixTier[];
  readonly named: readonly string[];
  readonly reason: string;
  readonly by: string;
  /** The commit that it is planned on. */
  readonly base: string;
  readonly overrideHolds?: string;
  readonly facts: Facts;
  readonly closure: Closure;
  /** What nobody may have. */
  readonly recalls: Recalls;
  readonly notes: readonly string[];
  readonly now: Date;
}

/**
 * What is named, from live into one tier and every tier between, with what each of them needs besides. A tier that has it is not
 * touched, nothing is lowered, and what cannot move for a reason that is no wait stops all of it: a Fault says what to do.
 */
export function planHotfix(input: HotfixInput): Plan {
  const live = input.tiers[0]?.repositories.map((r) => r.live) ?? [];
  const named = input.named.flatMap((word) => findNamed(word, live, input.facts) ?? []);
  refuseRefused(named, input);
  const planned: { tier: HotfixTier; repositories: RepositoryPlan[] }[] = [];
  const notes: string[] = [];
  let below: Asked[] = []; // what the tiers behind get: none of them may come to be ahead
  let child: readonly RepositoryPlan[] = [];
  for (const tier of input.tiers) {
    const asked = [...wantedIn(tier, named, input), ...below].filter((one) => isMissing(one, tier, input));
    const repositories =
      asked.length > 0 ? planTier(withChild(tier, child, input), asked, input, notes) : unchanged(tier);
    planned.push({ tier, repositories });
    child = repositories;
    below = [...below, ...broughtBy(repositories)];
  }
  const repositories = planned.flatMap((p) => p.repositories);
  const [first] = repositories;
  const said = [...new Set([...notes, ...named.flatMap(({ refused }) => refused)])];
  if (first) repositories[0] = { ...first, notes: [...input.notes, ...said] };
  const { team, set, now, reason } = input;
  const known = new Map(input.tiers.flatMap((t) => t.repositories).map((r) => [idOf(r), r]));
  const about = aboutBuilds(
    repositories.map((plan) => ({ plan, ...staysOf(known.get(idOf(plan))) })),
    input.facts,
  );
  const tier = input.tiers[0]?.tier.name ?? '';
  const hotfix = factsOf(planned, named, input);
  return {
    verb: 'hotfix',
    team: team.team,
    tier,
    set,
    now,
    from: 'live',
    repositories,
    about,
    reason,
    hotfix,
  };
}

function idOf({ repository }: { readonly repository: RepositoryName }): string {
  return formatRepositoryId(repository);
}

function staysOf(r: PromoteRepository | undefined) {
  return r ? { seen: r.seen, inParent: r.inParent } : {};
}

/** What is named and nobody may have. What is named by more than one word may be had by the other. */
function refuseRefused(named: readonly Named[], { team, set }: HotfixInput): void {
  const none = named.filter(({ builds }) => builds.length === 0);
  if (none.length === 0) return;
  const refused = [...new Set(none.flatMap((n) => n.refused))].join('; ');
  throw new Fault(
    'HELD',
    `live has nothing of ${none.map((n) => n.word).join(', ')} that may be used. ${refused}`,
    {
      hint: 'Name another build, or wait for the next one: neither a hotfix nor a reason passes this.',
      at: `${team.team} ${set}`,
    },
  );
}

/** The tier that takes from this one has what the plan gives it: a build that it is about to get must not be dropped here. */
function withChild(tier: HotfixTier, child: readonly RepositoryPlan[], { facts }: HotfixInput): HotfixTier {
  const repositories = tier.repositories.map((r) => ({
    ...r,
    children: r.children.map((known) => {
      const planned = child.find(
        ({ repository: c }) =>
          `${c.team}/${c.tier}` === known.name && upstreamId(c) === upstreamId(r.repository),
      );
      return planned ? { ...known, groups: groupPins(planned.after.pins, facts) } : known;
    }),
  }));
  return { ...tier, repositories };
}

function unchanged({ repositories }: HotfixTier): RepositoryPlan[] {
  return repositories.flatMap(({ repository, target }) => {
    if (!target) return [];
    return { repository, before: target, after: target, changes: [], staying: [], attention: [], notes: [] };
  });
}

function planTier(
  tier: HotfixTier,
  asked: readonly Asked[],
  input: HotfixInput,
  notes: string[],
): RepositoryPlan[] {
  const { team, set, facts, closure, recalls, named, now, overrideHolds } = input;
  const siblings = siblingsOf(asked, tier, input);
  const sums = new Set([...asked, ...siblings].map(({ pin }) => formatChecksum(pin.checksum)));
  const promotion: PromoteInput = {
    team,
    tier: tier.tier,
    set,
    repositories: tier.repositories,
    facts,
    named,
    hotfix: { asked: sums, inParent: tier.inParent },
    closure,
    recalls,
    now,
    ...(overrideHolds === undefined ? {} : { overrideHolds }),
  };
  const judged = judgeAll(promotion);
  refuseHeld(judged, tier, input);
  const closed = closeSet(judged, promotion);
  refuseStaying(closed.outcomes, asked, tier, input);
  notes.push(...closed.notes);
  const alongs = new Map(asked.map(({ pin, along }) => [formatChecksum(pin.checksum), along]));
  return tier.repositories.map((r) => {
    const own = closed.outcomes.filter(({ repository }) => repository === r);
    const plan = planRepository(r, own, promotion);
    return { ...plan, changes: plan.changes.map((change) => saidAs(change, alongs)) };
  });
}

/** A tier between has it for the same reason as the one behind. */
function saidAs(change: Change, alongs: ReadonlyMap<string, Along | undefined>): Change {
  if (change.kind !== 'add' && change.kind !== 'update') return change;
  const along = change.along ?? alongs.get(formatChecksum(change.to.checksum));
  return along ? { ...change, along } : change;
}

function refuseHeld(judged: readonly Judged[], tier: HotfixTier, { team, named }: HotfixInput): void {
  const held = judged.flatMap(({ asked, build, verdict }) => {
    if (!asked || verdict.kind !== 'held') return [];
    const until = verdict.holdEnds === undefined ? 'without end' : `until ${verdict.holdEnds}`;
    return [
      `${formatNevra(build.nevra)} is held by ${verdict.rule}: ${verdict.why} (${verdict.owner}, ${until})`,
    ];
  });
  if (held.length === 0) return;
  throw new Fault(
    'HELD',
    `${named.join(', ')} cannot move past a hold without a reason. ${held.join('; ')}`,
    {
      at: `${team.team}/${tier.tier.name}`,
      hint: 'Ask the owner of the hold; then say why: the same command with --override-hold REASON.',
    },
  );
}

/** All of what was asked for, or nothing: half a fix is found out about by those who have the other half. */
function refuseStaying(
  outcomes: readonly Outcome[],
  asked: readonly Asked[],
  tier: HotfixTier,
  { team }: HotfixInput,
): void {
  const wanted = new Set(asked.map(({ pin }) => formatChecksum(pin.checksum)));
  const where = `${team.team}/${tier.tier.name}`;
  for (const { build, verdict } of outcomes.flatMap(({ stays }) => stays)) {
    if (verdict.kind === 'ready' || !wanted.has(formatChecksum(build.checksum))) continue;
    const hint = hintFor(verdict, team);
    throw new Fault('HELD', `${formatNevra(build.nevra)} cannot go into ${where}: ${verdict.why}`, {
      hint,
      at: where,
    });
  }
}

function hintFor(reason: Reason, { path }: TeamPolicy): string {
  if (reason.kind === 'filtered') return `Change what ${path} lets in first.`;
  if (reason.kind === 'broken' && reason.nobody)
    return 'If clients have it from elsewhere, name that repository under also: of the team’s policy.';
  if (reason.kind === 'with') return 'Ask why that stays; past a hold it goes with --override-hold REASON.';
  return 'Run sluice sync --propose first, live may lack it; or name another build.';
}

function broughtBy(repositories: readonly RepositoryPlan[]): Asked[] {
  return repositories.flatMap(({ repository, changes }) =>
    changes.flatMap((change) => {
      if (!('to' in change) || change.kind === 'module') return [];
      const along = 'along' in change && change.along ? { along: change.along } : {};
      return [{ pin: change.to, upstream: upstreamId(repository), ...along }];
    }),
  );
}

function factsOf(
  planned: readonly { readonly tier: HotfixTier; readonly repositories: readonly RepositoryPlan[] }[],
  named: readonly Named[],
  input: HotfixInput,
): HotfixFacts {
  const { by, base, overrideHolds, team, now } = input;
  const changed = planned.filter(({ repositories }) => repositories.some((r) => r.changes.length > 0));
  const done = planned.filter((p) => !changed.includes(p)).map(({ tier }) => tier.tier.name);
  const builds = named.flatMap((n) => n.builds);
  const moving = new Set(planned.flatMap((p) => broughtBy(p.repositories)).map((b) => nameArch(b.pin.nevra)));
  const asked = builds.filter(({ pin }) => moving.has(nameArch(pin.nevra)));
  return {
    by,
    base,
    named: named.map(({ word }) => word),
    builds: (asked.length > 0 ? asked : builds).map(({ pin }) => formatNevra(pin.nevra)),
    ...(overrideHolds === undefined ? {} : { overrideHolds }),
    tiers: changed.map(({ tier }) => tier.tier.name),
    done,
    normally: normalWay(planned, asked, { team, facts: input.facts, now }),
  };
}
