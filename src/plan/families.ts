import { groupBy } from '../base/order.ts';
import { upstreamId } from '../manifest/ids.ts';
import { compareEvr } from '../rpm/evr.ts';
import type { Judged } from './candidates.ts';
import { nevraOf } from './rules.ts';
import type { AdvisoryFacts, BuildFacts, Reason } from './types.ts';

/** The builds of one source package in one version. */
export function familyOf({ source, sourceVersion }: BuildFacts): string {
  return `${source} ${sourceVersion}`;
}

/**
 * The binaries of one source package that the target has move together: one that stays keeps the others of its version, and what is
 * new of that version waits with them. What the team's lists keep out, or a hold excepts, is nobody's sibling: so the policy splits it.
 */
export function waitForFamilies(judged: readonly Judged[]): void {
  const together = judged.filter((j) => !j.apart);
  for (const family of groupBy(together, (j) => familyOf(j.candidate.facts)).values()) {
    if (family.length < 2) continue;
    const members = family.filter((j) => j.has !== undefined && j.verdict.kind !== 'filtered');
    if (members.some((j) => j.along === undefined)) for (const j of family) j.along = undefined;
    const behind = members.filter((j) => j.verdict.kind !== 'ready' && j.past.length === 0);
    if (behind.length === 0) continue;
    const last = behind.reduce((a, b) => (endOf(b) > endOf(a) ? b : a));
    for (const j of family) {
      if (!movesBefore(j, last)) continue;
      const { verdict, build } = last;
      const until = 'until' in verdict && verdict.until ? { until: verdict.until } : {};
      const why = `built from ${j.candidate.facts.source} like ${build.nevra.name}, which ${clause(verdict)}`;
      j.verdict = { kind: 'with', other: nevraOf(build), why, ...until };
      j.along = undefined;
    }
  }
}

/**
 * What is new of a source version stays where binaries that the target has stay behind it for what they lack. True where that is news.
 */
export function keepNewOnes(judged: readonly Judged[], moved: ReadonlySet<Judged>): boolean {
  const reached = new Map<string, Judged>();
  for (const j of moved) reached.set(groupOf(j), j);
  const behind = new Map<string, Judged>();
  for (const j of judged) {
    if (j.has === undefined || j.apart || j.verdict.kind === 'filtered' || moved.has(j)) continue;
    const to = reached.get(groupOf(j))?.build;
    if (!to || compareEvr(to.nevra.evr, j.build.nevra.evr) < 0) behind.set(familyOf(j.candidate.facts), j);
  }
  let found = false;
  for (const j of moved) {
    const member = j.has === undefined && !j.apart ? behind.get(familyOf(j.candidate.facts)) : undefined;
    if (!member) continue;
    const { name } = member.build.nevra;
    const why = `built from ${j.candidate.facts.source} like ${name}, which stays for what it lacks`;
    j.verdict = { kind: 'with', other: nevraOf(member.build), why };
    j.along = undefined;
    found = true;
  }
  return found;
}

function groupOf(j: Judged): string {
  return `${upstreamId(j.repository.repository)} ${j.key}`;
}

function movesBefore(j: Judged, last: Judged): boolean {
  const { kind } = j.verdict;
  return (kind === 'ready' || kind === 'wait' || kind === 'window') && endOf(j) < endOf(last);
}

/** When it moves by itself; what a person must move comes after every day. */
function endOf({ verdict }: Judged): number {
  if (verdict.kind === 'ready') return 0;
  if (verdict.kind === 'lockstep') return Number.MAX_SAFE_INTEGER;
  return 'until' in verdict && verdict.until ? verdict.until.getTime() : Number.MAX_SAFE_INTEGER;
}

function clause(verdict: Judged['verdict']): string {
  switch (verdict.kind) {
    case 'wait':
      return `waits, ${verdict.why}`;
    case 'held':
      return 'is held';
    default:
      return `stays: ${(verdict as Reason).why}`;
  }
}

/** An advisory that names one binary of a source package is about all of them: they can only move together. */
export function familyAdvisories(
  builds: readonly { readonly facts: BuildFacts; readonly advisories: readonly AdvisoryFacts[] }[],
): (facts: BuildFacts) => readonly AdvisoryFacts[] {
  const known = new Map<string, Map<string, AdvisoryFacts>>();
  for (const { facts, advisories } of builds) {
    if (advisories.length === 0) continue;
    const key = familyOf(facts);
    const all = known.get(key) ?? new Map<string, AdvisoryFacts>();
    for (const advisory of advisories) all.set(advisory.id, advisory);
    known.set(key, all);
  }
  return (facts) => [...(known.get(familyOf(facts))?.values() ?? [])];
}
