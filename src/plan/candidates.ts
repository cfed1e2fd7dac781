import { formatChecksum, sameChecksum } from '../base/checksum.ts';
import { upstreamId } from '../manifest/ids.ts';
import { type Hold, patternMatches } from '../manifest/pattern.ts';
import { recallReason } from '../manifest/recall.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { familyAdvisories, waitForFamilies } from './families.ts';
import { groupPins, newest } from './groups.ts';
import { Kernels } from './kernels.ts';
import type { PromoteInput, PromoteRepository } from './promote.ts';
import { obsoletes } from './renames.ts';
import {
  AS_DEPENDENCY,
  AS_DEPENDENCY_PAST_HOLDS,
  BY_NAME,
  type Candidate,
  filterText,
  IN_EMERGENCY,
  IN_EMERGENCY_PAST_HOLDS,
  isApart,
  judge,
  type LockstepReason,
  NONE,
  nevraOf,
  PAST_HOLDS,
  WITH_NAMED,
} from './rules.ts';
import type { BuildFacts, Facts, Pin, Verdict } from './types.ts';

export interface Judged {
  readonly build: Pin;
  readonly candidate: Candidate;
  readonly has: Pin | undefined;
  readonly key: string;
  readonly repository: PromoteRepository;
  /** It may move for its own sake: everything may, unless a person named what should. */
  readonly asked: boolean;
  /** It is nobody's sibling: a hold excepts it by name. */
  readonly apart: boolean;
  verdict: Verdict;
  past: readonly string[];
  /** What it would move past if something needs it; undefined where it must not come along. */
  along: readonly string[] | undefined;
}

/** All builds of the parent that the target could get, with what the policy says of each, by itself and by others like it. */
export function judgeAll(input: PromoteInput): Judged[] {
  const kernels = new Kernels(input);
  const wanted = wantedOf(input);
  const found = input.repositories.flatMap((repository) => candidates(repository, wanted, kernels, input));
  const together = input.team.families === 'lockstep';
  const advisoriesOf = together ? familyAdvisories(found.map(({ candidate }) => candidate)) : undefined;
  const judged = found.map(({ candidate, isNamed, ...rest }): Judged => {
    const advisories = advisoriesOf?.(candidate.facts) ?? candidate.advisories;
    const whole: Candidate = { ...candidate, advisories };
    const own = ownVerdict(whole, isNamed, input);
    const asked = input.only?.has(whole.facts.source) ?? (input.named.length === 0 || isNamed);
    return { ...rest, candidate: whole, asked, apart: isApart(whole), ...own, along: along(whole, input) };
  });
  const apart = input.only ? [judged] : [judged.filter((j) => j.asked), judged.filter((j) => !j.asked)];
  for (const some of apart) {
    if (!input.hotfix) waitForSiblings(some); // what a hotfix asks for is held or moves, all of it
    waitForObsoleted(some, input);
    if (together && !input.hotfix) waitForFamilies(some);
    waitForKernels(some, kernels);
    waitForStreams(some, input.facts);
  }
  return judged;
}

interface Found extends Pick<Judged, 'build' | 'candidate' | 'has' | 'key' | 'repository'> {
  /** By its own name, its source package's, or as a sibling that the target has. */
  readonly isNamed: boolean;
}

/** What a person named, and the source packages of that, whichever repository their other binaries are in. */
interface Wanted {
  readonly names: ReadonlySet<string>;
  readonly sources: ReadonlySet<string>;
}

function wantedOf({ named, repositories, facts }: PromoteInput): Wanted {
  const names = new Set(named);
  if (names.size === 0) return { names, sources: names };
  const pins = repositories.flatMap((r) => r.parent.pins.filter((pin) => names.has(pin.nevra.name)));
  return { names, sources: new Set(pins.map((pin) => facts.build(pin).source)) };
}

/** Every build of the parent that is newer than what the target has of its group, or the same build with other bytes. */
function candidates(r: PromoteRepository, wanted: Wanted, kernels: Kernels, input: PromoteInput): Found[] {
  const { facts, team, tier, now, baseline, exact } = input;
  const pins = r.target?.pins ?? NO_PINS;
  const target = groupPins(pins, facts);
  const { names, packages } = namesOf(pins);
  const withdrawn = new Set(
    r.live.pins.filter((pin) => pin.withdrawn).map((pin) => formatChecksum(pin.checksum)),
  );
  const found: Found[] = [];
  for (const [key, group] of groupPins(r.parent.pins, facts)) {
    const has = newest(target.get(key));
    const only = exact && group.some((pin) => exact.has(formatNevra(pin.nevra))) ? exact : undefined;
    for (const build of has ? group.slice(firstNotOlder(group, has)) : group) {
      if (!isCandidate(build, has, target.get(key))) continue;
      if (only && !only.has(formatNevra(build.nevra))) continue;
      const sum = formatChecksum(build.checksum);
      const about = facts.build(build);
      const isNamed = input.hotfix
        ? input.hotfix.asked.has(sum)
        : exact
          ? only !== undefined
          : wanted.names.has(build.nevra.name) ||
            wanted.names.has(about.source) ||
            (!!has && wanted.sources.has(about.source));
      const candidate: Candidate = {
        build,
        facts: about,
        repository: upstreamId(r.repository),
        tier,
        holds: team.holds,
        allow: team.allow,
        deny: team.deny,
        known:
          names.has(nameArch(build.nevra)) ||
          kernels.isKnownModule(build) ||
          (baseline?.hasBuild(build.nevra) ?? false),
        ...(baseline ? { baseline: baseline.file } : {}),
        replaces: about.obsoletes.find((name) => {
          const old = packages.get(name);
          if (old !== undefined) return obsoletes(build, old, input.closure);
          return name !== build.nevra.name && (baseline?.hasName(name) ?? false);
        }),
        withdrawn: withdrawn.has(sum),
        ...recalledAs(build, about, input),
        ...lockstepAs(build, input),
        seen: r.seen.get(sum),
        inParent: r.inParent.get(sum),
        advisories: facts.advisories(formatNevra(build.nevra)),
        severityTrusted: r.upstream.metadata.severity === 'trusted',
        now,
      };
      found.push({ build, candidate, has, key, repository: r, isNamed });
    }
  }
  return found;
}

function recalledAs(build: Pin, about: BuildFacts, { recalls }: PromoteInput): { recalled?: string } {
  const recall = recalls?.of(build, about);
  return recall ? { recalled: recallReason(recall) } : {};
}

function lockstepAs({ nevra }: Pin, { lockstep }: PromoteInput): { lockstep?: LockstepReason } {
  const keeps = lockstep?.keeps(nevra);
  return keeps ? { lockstep: keeps } : {};
}

interface Names {
  readonly names: ReadonlySet<string>;
  readonly packages: ReadonlyMap<string, Pin>;
}

const known = new WeakMap<readonly Pin[], Names>();
const NO_PINS: readonly Pin[] = [];

/** Its name.arches, and of each name the last build in the manifest's order. */
export function namesOf(pins: readonly Pin[]): Names {
  const names = known.get(pins) ?? {
    names: new Set(pins.map((pin) => nameArch(pin.nevra))),
    packages: new Map(pins.map((pin) => [pin.nevra.name, pin])),
  };
  known.set(pins, names);
  return names;
}

function ownVerdict(candidate: Candidate, isNamed: boolean, input: PromoteInput) {
  if (input.hotfix) return urgent(candidate, input);
  if (!input.lockstep?.moves) return judge(candidate, isNamed ? BY_NAME : NONE);
  const { overrideHolds } = input;
  const { verdict, past } = judge(candidate, isNamed && overrideHolds !== undefined ? PAST_HOLDS : NONE);
  return { verdict, past: overridden(past, overrideHolds) };
}

/** As a dependency: past the mode that lets in no new names, and, of what a person named, past what keeps builds from moving by themselves. */
function along(candidate: Candidate, input: PromoteInput): readonly string[] | undefined {
  const { named, overrideHolds, hotfix, lockstep } = input;
  const byItself = named.length === 0 || lockstep?.moves;
  const [passes, pastHolds] = byItself ? [AS_DEPENDENCY, AS_DEPENDENCY_PAST_HOLDS] : [WITH_NAMED, BY_NAME];
  const { verdict, past } = hotfix
    ? urgent(candidate, input)
    : judge(candidate, overrideHolds === undefined ? passes : pastHolds);
  if (verdict.kind !== 'ready') return undefined;
  return hotfix ? past : overridden(past, overrideHolds);
}

/** What a hotfix asks for, and what that needs. */
function urgent(candidate: Candidate, { overrideHolds }: PromoteInput) {
  const passes = overrideHolds === undefined ? IN_EMERGENCY : IN_EMERGENCY_PAST_HOLDS;
  const { verdict, past } = judge(candidate, passes);
  return { verdict, past: overridden(past, overrideHolds) };
}

function overridden(past: readonly string[], why: string | undefined): readonly string[] {
  return past.map((rule) => (rule.startsWith('hold ') ? `${rule}, overridden: ${why}` : rule));
}

/** In a group that is sorted, oldest first. */
function firstNotOlder(group: readonly Pin[], { nevra }: Pin): number {
  return group.findLastIndex((build) => compareEvr(build.nevra.evr, nevra.evr) < 0) + 1;
}

export function isCandidate(build: Pin, has: Pin | undefined, group: readonly Pin[] | undefined): boolean {
  if (!has) return true;
  const order = compareEvr(build.nevra.evr, has.nevra.evr);
  if (order !== 0) return order > 0;
  return !group?.some((pin) => sameChecksum(pin.checksum, build.checksum));
}

/** Every sibling of a held build waits with it: the binaries of one source package belong together (DESIGN 4). */
function waitForSiblings(judged: readonly Judged[]): void {
  const heldSources = new Map<string, Judged>();
  for (const j of judged) {
    if (j.verdict.kind === 'held' && !heldSources.has(j.candidate.facts.source)) {
      heldSources.set(j.candidate.facts.source, j);
    }
  }
  for (const j of judged) {
    if (j.verdict.kind === 'held' || j.apart || !movable(j) || j.past.length > 0) continue;
    const source = j.candidate.facts.source;
    const sibling = heldSources.get(source);
    if (!sibling) continue;
    const other = nevraOf(sibling.build);
    j.verdict = {
      kind: 'with',
      other,
      why: `built from ${source} like ${sibling.build.nevra.name}, which is held`,
    };
    j.along = undefined;
  }
}

function movable(j: Judged): boolean {
  return (
    j.along !== undefined ||
    j.verdict.kind === 'ready' ||
    j.verdict.kind === 'wait' ||
    j.verdict.kind === 'window'
  );
}

/** dnf replaces an obsoleted package whatever its version, so what obsoletes a held name would move it. */
function waitForObsoleted(judged: readonly Judged[], input: PromoteInput): void {
  const repositories = input.repositories.map((r) => namesOf(r.target?.pins ?? NO_PINS).packages).reverse();
  const present = (name: string) => repositories.find((packages) => packages.has(name))?.get(name);
  const passes = (j: Judged) => (input.hotfix ? input.overrideHolds !== undefined : j.past.length > 0);
  for (const j of judged) {
    if (!movable(j) || passes(j)) continue;
    for (const name of j.candidate.facts.obsoletes) {
      const pin = present(name);
      if (!pin || name === j.build.nevra.name) continue;
      const hold = heldName(pin, j, input);
      if (!hold) continue;
      j.verdict = {
        kind: 'with',
        other: nevraOf(pin),
        why: `obsoletes ${name}, which is held by ${filterText(hold)}`,
      };
      j.along = undefined;
      break;
    }
  }
}

function heldName(pin: Pin, j: Judged, { facts, team, tier }: PromoteInput): Hold | undefined {
  const { source } = facts.build(pin);
  const { repository } = j.candidate;
  return team.holds.find((h) =>
    patternMatches(h, { name: pin.nevra.name, source, repository, tier: tier.name }),
  );
}

/** A module stream's document and the builds that it lists move as one: one that stays keeps the others. */
function waitForStreams(judged: readonly Judged[], facts: Facts): void {
  const byText = new Map(judged.map((j) => [formatNevra(j.build.nevra), j]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const j of judged) {
      if (j.verdict.kind !== 'ready') continue;
      const blockers = facts.documents(formatNevra(j.build.nevra)).map((nsvca) => {
        return facts
          .artifacts(nsvca)
          .map((a) => byText.get(a))
          .find((other) => other && other.verdict.kind !== 'ready');
      });
      const [blocker] = blockers;
      if (!blocker || blockers.some((b) => b === undefined)) continue; // some document that lists it is whole
      const until = 'until' in blocker.verdict ? blocker.verdict.until : undefined;
      const why = `of the same module build as ${blocker.build.nevra.name}, which stays`;
      j.verdict = { kind: 'with', other: nevraOf(blocker.build), why, ...(until ? { until } : {}) };
      changed = true;
    }
  }
}

/** A module that is named after a kernel comes with it, or after it. */
function waitForKernels(judged: readonly Judged[], kernels: Kernels): void {
  const byText = new Map(judged.map((j) => [nevraOf(j.build), j]));
  for (const j of judged) {
    const { name } = j.build.nevra;
    if (j.has || j.verdict.kind !== 'ready' || j.past.length > 0 || kernels.inTarget(name).length > 0)
      continue;
    const own = kernels.inParent(name);
    const [kernel] = own;
    if (!kernel || own.some((k) => byText.get(nevraOf(k))?.verdict.kind === 'ready')) continue;
    const behind = own.flatMap((k) => byText.get(nevraOf(k)) ?? [])[0];
    const until = behind && 'until' in behind.verdict && behind.verdict.until;
    const stays = behind ? 'which stays' : 'which the tier does not have';
    const why = `is for ${nevraOf(kernel)}, ${stays}`;
    j.verdict = { kind: 'with', other: nevraOf(kernel), why, ...(until ? { until } : {}) };
    j.along = undefined;
  }
}

export function groupJudged(judged: readonly Judged[]): Map<string, Judged[]> {
  const groups = new Map<string, Judged[]>();
  for (const j of judged) {
    const group = groups.get(j.key);
    if (group) group.push(j);
    else groups.set(j.key, [j]);
  }
  for (const group of groups.values()) group.sort((a, b) => compareEvr(a.build.nevra.evr, b.build.nevra.evr));
  return groups;
}
