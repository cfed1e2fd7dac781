import { formatDuration } from '../base/duration.ts';
import {
  type Exception,
  type Filter,
  type Hold,
  isExcepted,
  patternMatches,
  type Subject,
} from '../manifest/pattern.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import { originsText, permitsOrigin } from '../manifest/provenance-policy.ts';
import { isOpen, nextOpening } from '../manifest/window.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import type { AdvisoryFacts, BuildFacts, Early, Pin, Reason, Stay, Verdict } from './types.ts';

/** One build that could move up, with all that the policy may ask of it. */
export interface Candidate {
  readonly build: Pin;
  readonly facts: BuildFacts;
  /** The upstream's id, which is what filters name. */
  readonly repository: string;
  readonly tier: TierPolicy;
  readonly holds: readonly Hold[];
  readonly allow: readonly Filter[];
  readonly deny: readonly Filter[];
  /** The build's name.arch stands in the target already, or in its baseline. */
  readonly known: boolean;
  /** Of the tier's baseline, where it has one. */
  readonly baseline?: string;
  /** A name of the target, or of its baseline, that this build obsoletes. */
  readonly replaces: string | undefined;
  readonly withdrawn: boolean;
  /** Why nobody may have it, where it was recalled. */
  readonly recalled?: string;
  /** Why teams that move it at once do not do so now. */
  readonly lockstep?: LockstepReason;
  readonly seen: Stay | undefined;
  readonly inParent: Stay | undefined;
  readonly advisories: readonly AdvisoryFacts[];
  /** Advisories' severities may shorten the wait (signed, or `severity: trusted`). */
  readonly severityTrusted: boolean;
  readonly now: Date;
}

export type LockstepReason = Reason & { readonly kind: 'lockstep' };

type Rule = (c: Candidate) => Verdict;

export const READY: Verdict = { kind: 'ready' };

function subject(c: Candidate): Subject {
  return { name: c.build.nevra.name, source: c.facts.source, repository: c.repository, tier: c.tier.name };
}

/** A hold excepts it by name: it does not wait for siblings that are held. */
export function isApart(c: Candidate): boolean {
  return c.holds.some((hold) => isExcepted(hold, subject(c)));
}

const withdrawn: Rule = (c) => (c.withdrawn ? { kind: 'withdrawn', why: 'upstream pulled it back' } : READY);

/** Nothing and nobody passes it. */
const recalled: Rule = (c) =>
  c.recalled === undefined ? READY : { kind: 'filtered', rule: 'recall', why: c.recalled };

const filtered: Rule = (c) => {
  const denied = c.deny.find((filter) => patternMatches(filter, subject(c)));
  if (denied) {
    const rule = filterText(denied);
    return { kind: 'filtered', rule, why: `the team's deny list has ${rule}` };
  }
  if (c.allow.length > 0 && !c.allow.some((filter) => patternMatches(filter, subject(c)))) {
    return { kind: 'filtered', rule: 'allow', why: "not on the team's allow list" };
  }
  return READY;
};

/** A person cannot name a build past it: it is what the team promises others. */
const origin: Rule = (c) => {
  const why = originRefused(c.tier, c.repository);
  return why === undefined ? READY : { kind: 'filtered', rule: 'provenance', why };
};

/** Why nothing of an upstream comes into a tier; undefined where its rules let it. */
export function originRefused(tier: TierPolicy, upstream: string): string | undefined {
  if (permitsOrigin(tier, upstream)) return undefined;
  return `${tier.name} takes only builds of ${originsText(tier)}, not of ${upstream}`;
}

const mode: Rule = (c) => {
  if (c.tier.mode === 'frozen') return frozen(c);
  if (c.tier.mode === 'updates-only' && !c.known && c.replaces === undefined) {
    const nor = c.baseline === undefined ? '' : `, nor has ${c.baseline}`;
    return {
      kind: 'mode',
      why: `${c.tier.name} takes updates only, and has no ${nameArch(c.build.nevra)}${nor}`,
    };
  }
  return READY;
};

function frozen(c: Candidate): Verdict {
  if (exceptionFor(c)) return READY;
  const ended = c.tier.exceptions.find((e) => patternMatches(e, subject(c)));
  if (!ended) return { kind: 'mode', why: `${c.tier.name} is frozen: only named fixes move` };
  const why = `${c.tier.name} is frozen, and its exception ${exceptionText(ended)} has ended: renew or drop it`;
  return { kind: 'mode', why };
}

/** What lets a candidate into a frozen tier by itself, today. An ended one lets nothing in: policy fails closed. */
export function exceptionFor(c: Candidate): Exception | undefined {
  return c.tier.exceptions.find((e) => !hasEnded(e.until, c.now) && patternMatches(e, subject(c)));
}

/** `^openssl(-.*)?$ until 2027-03-31 (CVE-2026-1, @acme/ops)` */
export function exceptionText(e: Exception): string {
  return `${filterText(e)} until ${e.until} (${e.reason}, ${e.owner})`;
}

/** After the end of that day (UTC). */
export function hasEnded(until: string, now: Date): boolean {
  return now.getTime() >= Date.parse(`${until}T00:00:00Z`) + DAY;
}

/** An expired hold stays in force (policy fails closed); whoever edits around it is told. */
const held: Rule = (c) => {
  const hold = c.holds.find((h) => patternMatches(h, subject(c)));
  return hold ? heldBy(hold, c.now) : READY;
};

export function heldBy(hold: Hold, now: Date): Reason & { kind: 'held' } {
  const expired = hold.until !== undefined && hasEnded(hold.until, now);
  return {
    kind: 'held',
    rule: filterText(hold),
    why: hold.reason,
    owner: hold.owner,
    holdEnds: hold.until,
    expired,
  };
}

/**
 * The wait by the history clock. What has no known beginning waits for ever rather than moving: a date that cannot be read
 * must never let a build through.
 */
const wait: Rule = (c) => {
  const due = ripeAt(c);
  if (due === undefined) return { kind: 'unknown', why: 'the history does not say since when it is there' };
  if (c.now >= due.at) return READY;
  return { kind: 'wait', until: due.at, why: due.why };
};

/** When the waits of a candidate end, and which one ends last. Undefined where the history has no beginning for it. */
export function ripeAt(c: Candidate): { at: Date; why: string } | undefined {
  if (!c.seen || !c.inParent) return undefined;
  const shortened = securityWait(c);
  if (shortened) return { at: after(c.seen, shortened.ms), why: shortened.why };
  return fullWait(c, c.seen, c.inParent);
}

/** Both waits, without what an advisory shortens. */
export function fullWait(
  c: Pick<Candidate, 'tier' | 'now'>,
  seen: Stay,
  inParent: Stay,
): { at: Date; why: string } {
  const bySeen = after(seen, c.tier.wait.seen);
  const byParent = after(inParent, c.tier.wait.inParent);
  return bySeen >= byParent
    ? { at: bySeen, why: elapsed(seen, c.tier.wait.seen, c.now, 'since it was seen upstream') }
    : { at: byParent, why: elapsed(inParent, c.tier.wait.inParent, c.now, `in ${c.tier.from}`) };
}

/** What may move now and without its advisory could not yet: reviewers ask why it comes before the others. */
export function earlyFor(c: Candidate): Early | undefined {
  const shortened = securityWait(c);
  if (!shortened || !c.seen || !c.inParent) return undefined;
  const full = fullWait(c, c.seen, c.inParent);
  return full.at > c.now ? { why: shortened.why, otherwise: full.at } : undefined;
}

function securityWait(c: Candidate): { ms: number; why: string } | undefined {
  if (!c.severityTrusted) return undefined;
  let shortest: { ms: number; why: string } | undefined;
  for (const advisory of c.advisories) {
    if (advisory.severity === 'none') continue;
    const ms = c.tier.security.get(advisory.severity);
    if (ms === undefined || (shortest && shortest.ms <= ms)) continue;
    const text = `${formatDuration(ms)} after it was seen, for ${advisory.severity} ${advisory.id}`;
    shortest = { ms, why: text };
  }
  return shortest;
}

function after(stay: Stay, ms: number): Date {
  return new Date(stay.began.getTime() + ms);
}

const DAY = 86_400_000;

function elapsed(stay: Stay, ms: number, now: Date, where: string): string {
  const gone = Math.max(0, now.getTime() - stay.began.getTime());
  if (ms % DAY === 0) return `${Math.floor(gone / DAY)} of ${ms / DAY} days ${where}`;
  return `${formatDuration(Math.floor(gone / 60_000) * 60_000)} of ${formatDuration(ms)} ${where}`;
}

const window: Rule = (c) => {
  if (!c.tier.window || isOpen(c.tier.window, c.now)) return READY;
  const until = nextOpening(c.tier.window, c.now);
  return { kind: 'window', until, why: `${c.tier.name} moves only in its window` };
};

/** One team's build, named or not, would part it from the others: only the command that moves all of them passes. */
const lockstep: Rule = (c) => {
  if (!c.lockstep) return READY;
  const ends = [c.lockstep, wait(c), window(c)].flatMap((v) => ('until' in v && v.until ? v.until : []));
  if (ends.length === 0) return c.lockstep;
  return { ...c.lockstep, until: new Date(Math.max(...ends.map((end) => end.getTime()))) };
};

/** The first reason wins, so this is the order in which people read them. */
const RULES: readonly Rule[] = [recalled, withdrawn, origin, filtered, mode, held, lockstep, wait, window];

/** Only what lets no new name in: a dependency is not one that came by itself. */
const updatesOnly: Rule = (c) => (c.tier.mode === 'updates-only' ? mode(c) : READY);

export type Passes = ReadonlySet<Rule>;
export const NONE: Passes = new Set();
/** What a person passes by naming the build: the rules that speak of what moves by itself. */
export const BY_NAME: Passes = new Set([mode, held, window]);
/** What a build passes that a named one needs: but for holds, which are overridden with a reason or not at all. */
export const WITH_NAMED: Passes = new Set([mode, window]);
/** What a hotfix passes; holds only where a person says why. */
export const IN_EMERGENCY: Passes = new Set([mode, window, wait]);
export const IN_EMERGENCY_PAST_HOLDS: Passes = new Set([mode, held, window, wait]);
/** What a build passes that another one needs which moves by itself. */
export const AS_DEPENDENCY: Passes = new Set([updatesOnly]);

/** What the teams of a lockstep group move, and what that needs, where a person says why holds do not count. */
export const PAST_HOLDS: Passes = new Set([held]);
export const AS_DEPENDENCY_PAST_HOLDS: Passes = new Set([updatesOnly, held]);

/** Judges one candidate. What it passes of the rules that would keep it is said. */
export function judge(c: Candidate, passes: Passes): { verdict: Verdict; past: readonly string[] } {
  const past: string[] = [];
  for (const rule of RULES) {
    const verdict = rule(c);
    if (verdict.kind === 'ready') continue;
    const passed = passes.has(rule) || (rule === mode && passes.has(updatesOnly) && updatesOnly(c) !== READY);
    if (!passed) return { verdict, past: [] };
    past.push(verdict.kind === 'held' ? `hold ${verdict.rule} (${verdict.why})` : verdict.why);
  }
  return { verdict: READY, past };
}

/** A filter as people wrote it: `^kernel(-.*)?$`, `source ^mysql$`, `kernel-space`. */
export function filterText(filter: Filter): string {
  const parts = [filter.preset?.name, filter.match?.text, filter.source && `source ${filter.source.text}`];
  return parts.filter((part) => part !== undefined).join(' and ') || 'everything';
}

/** `openssl-1:3.0.7-28.el9.x86_64`, for sentences. */
export function nevraOf(pin: Pin): string {
  return formatNevra(pin.nevra);
}
