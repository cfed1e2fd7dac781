import { Fault } from '../base/fault.ts';
import { compareEvr, type Evr, formatEvr } from '../rpm/evr.ts';
import { formatNevra, type Nevra, nameArch } from '../rpm/nevra.ts';
import {
  type Apart,
  compare,
  findApart,
  type LockstepSet,
  type NewestBuild,
  newestBuilds,
} from './lockstep.ts';
import { type PromoteInput, planPromotion } from './promote.ts';
import type { LockstepReason } from './rules.ts';
import type { About, Plan, Reason } from './types.ts';

export interface LockstepInput extends LockstepSet {
  readonly set: string;
  /** One for each team, with its own rules for what else there is; nothing named. */
  readonly members: readonly PromoteInput[];
  /** The group's own packages. */
  readonly owns: (name: string) => boolean;
  readonly now: Date;
}

/** What one team would have. */
interface Round {
  readonly input: PromoteInput;
  /** Undefined: its parent has none of the packages. */
  readonly plan: Plan | undefined;
  readonly had: ReadonlyMap<string, NewestBuild>;
  readonly gets: ReadonlyMap<string, NewestBuild>;
}

/** How far a name.arch may go: as far as the team that is last. */
interface Limit {
  readonly evr: Evr;
  readonly last: Round;
}

type Limits = ReadonlyMap<string, Limit>;

/**
 * A group's packages as far as all of its teams may go, each by its own policy, with what each team needs for it: the team that is
 * last decides. A Fault that names it where teams would still differ: then nothing moves.
 *
 * It ends: each round after the first lowers the limit of a name.arch to a version that some team has or could get.
 */
export function planLockstep(input: LockstepInput): Plan {
  let limits: Limits = new Map();
  for (;;) {
    const rounds = input.members.map((member) => planMember(member, limits, input));
    const next = lower(limits, rounds);
    if (next) {
      limits = next;
      continue;
    }
    const apart = findApart(rounds.map(after), input.owns);
    if (apart.length > 0) throw staysApart(apart, rounds, limits, input);
    return together(rounds, limits, input);
  }
}

function planMember(member: PromoteInput, limits: Limits, o: LockstepInput): Round {
  const pins = member.repositories.flatMap(({ parent }) => parent.pins);
  const named = [...new Set(pins.map(({ nevra }) => nevra.name).filter(o.owns))].sort();
  const before = teamOf(member);
  const had = newestBuilds(before, o.owns);
  if (named.length === 0) return { input: member, plan: undefined, had, gets: had };
  const keeps = (build: Nevra): LockstepReason | undefined =>
    o.owns(build.name)
      ? limited(build, limits.get(nameArch(build)), had.has(nameArch(build)), o.group.id)
      : member.lockstep?.keeps(build);
  const plan = planPromotion({ ...member, named, lockstep: { moves: true, keeps } });
  const gets = newestBuilds({ ...before, snapshots: plan.repositories.map((r) => r.after) }, o.owns);
  return { input: member, plan, had, gets };
}

/** What a team has no build of yet comes as the others have it, or not at all. */
function limited(
  build: Nevra,
  limit: Limit | undefined,
  isKnown: boolean,
  group: string,
): LockstepReason | undefined {
  const order = limit ? compareEvr(build.evr, limit.evr) : 0;
  if (!limit || order === 0 || (order < 0 && isKnown)) return undefined;
  if (order > 0) return keptBack(build, limit.last, group);
  const why = `moves in lockstep (${group}), and the other teams have ${formatEvr(limit.evr)}`;
  return { kind: 'lockstep', why };
}

/** Why a team does not get a build, for the others. */
function keptBack(build: Nevra, last: Round, group: string): LockstepReason {
  const reason = reasonOf(build, last);
  if (reason?.kind === 'lockstep') return reason; // another team keeps that one back
  const { team } = last.input.team;
  const until = reason && 'until' in reason && reason.until ? { until: reason.until } : {};
  const why = `moves in lockstep (${group}), and ${team} keeps it back: ${words(build, reason, last)}`;
  return { kind: 'lockstep', why, ...until };
}

function reasonOf(build: Nevra, { plan }: Round): Reason | undefined {
  const staying = plan?.repositories.flatMap((r) => r.staying) ?? [];
  return staying.find(({ build: { nevra } }) => formatNevra(nevra) === formatNevra(build))?.reason;
}

/** The team that is last says what keeps a build back there, not that it does. */
function ownReason(build: Nevra, round: Round, limits: Limits): Reason | undefined {
  const last = limits.get(nameArch(build))?.last;
  return (last?.input === round.input ? reasonOf(build, last) : undefined) ?? reasonOf(build, round);
}

function words(build: Nevra, reason: Reason | undefined, { input: { tier } }: Round): string {
  if (!reason) return `${tier.from} there has no ${formatNevra(build)}`;
  switch (reason.kind) {
    case 'wait':
      return `it waits there, ${reason.why}`;
    case 'held':
      return `held by ${reason.rule}: ${reason.why} (${reason.owner})`;
    default:
      return reason.why;
  }
}

/** Undefined where no team goes further than another one that has the package too. */
function lower(limits: Limits, rounds: readonly Round[]): Limits | undefined {
  const next = new Map(limits);
  let found = false;
  for (const key of new Set(rounds.flatMap((r) => [...r.gets.keys()]))) {
    const having = rounds.filter((r) => r.gets.has(key));
    const owners = having.filter((r) => r.had.has(key));
    const asked = owners.length > 0 ? owners : having; // who gets it as a new name holds nobody back
    const build = (r: Round) => r.gets.get(key) as NewestBuild;
    const last = asked.reduce((a, b) => (compare(build(b), build(a)) < 0 ? b : a));
    if (having.every((r) => compare(build(r), build(last)) === 0)) continue;
    const { evr } = build(last).pin.nevra;
    const limit = limits.get(key);
    if (limit && compareEvr(limit.evr, evr) <= 0) continue;
    next.set(key, { evr, last });
    found = true;
  }
  return found ? next : undefined;
}

function teamOf({ team, repositories }: PromoteInput) {
  return { team: team.team, snapshots: repositories.flatMap(({ target }) => target ?? []) };
}

function after({ input, plan }: Round) {
  if (!plan) return teamOf(input);
  return { team: input.team.team, snapshots: plan.repositories.map((r) => r.after) };
}

const SHOWN = 3;

/** Teams that differ already, and that this could not bring together. */
function staysApart(
  apart: readonly Apart[],
  rounds: readonly Round[],
  limits: Limits,
  o: LockstepInput,
): Fault {
  const [first] = apart as [Apart, ...Apart[]];
  const said = apart.slice(0, SHOWN).map(({ nameArch: key, builds }) => {
    const last = builds.reduce((a, b) => (compare(b, a) < 0 ? b : a));
    const newest = builds.reduce((a, b) => (compare(b, a) > 0 ? b : a));
    const round = rounds.find(({ input }) => input.team.team === last.team) as Round;
    const have = builds.map(({ team, pin }) => `${team} ${formatEvr(pin.nevra.evr)}`).join(', ');
    const reason = ownReason(newest.pin.nevra, round, limits);
    const why = words(newest.pin.nevra, reason, round);
    return `${key} would stay apart (${have}), because of ${last.team}: ${why}`;
  });
  const more = apart.length > SHOWN ? `; and ${apart.length - SHOWN} more` : '';
  const behind = first.builds.reduce((a, b) => (compare(b, a) < 0 ? b : a)).team;
  return new Fault('LOCKSTEP', `nothing of ${o.group.id} moves: ${said.join('; ')}${more}`, {
    hint: `Let ${behind} catch up first (a wait ends, a hold goes; its parent tier comes before), then run the same command again.`,
    at: `${behind}/${o.tier}`,
  });
}

function together(rounds: readonly Round[], limits: Limits, o: LockstepInput): Plan {
  const plans = rounds.flatMap(({ plan }) => plan ?? []);
  const about = new Map<string, About>();
  for (const [build, one] of plans.flatMap((plan) => [...plan.about])) {
    const known = about.get(build)?.inParent;
    const isYounger = known && one.inParent && one.inParent.began > known.began;
    if (!about.has(build) || isYounger) about.set(build, one); // the youngest is what all waited for
  }
  const { id, reason, owner } = o.group;
  return {
    verb: 'promote',
    team: o.teams[0] ?? '',
    teams: o.teams,
    tier: o.tier,
    set: o.set,
    now: o.now,
    from: [...new Set(o.members.map(({ tier }) => tier.from))].join(' or '),
    lockstep: { id, reason, owner },
    repositories: rounds.flatMap((round) =>
      (round.plan?.repositories ?? []).map((r) => {
        const staying = r.staying.map((s) => ({
          ...s,
          reason: ownReason(s.build.nevra, round, limits) ?? s.reason,
        }));
        return { ...r, staying };
      }),
    ),
    about,
  };
}
