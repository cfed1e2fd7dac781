import { formatChecksum, sameChecksum } from '../base/checksum.ts';
import { upstreamId } from '../manifest/ids.ts';
import { type Hold, patternMatches } from '../manifest/pattern.ts';
import { recallReason } from '../manifest/recall.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { groupPins, newest } from './groups.ts';
import type { PromoteInput, PromoteRepository } from './promote.ts';
import {
  AS_DEPENDENCY,
  BY_NAME,
  type Candidate,
  filterText,
  judge,
  NONE,
  nevraOf,
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
  verdict: Verdict;
  past: readonly string[];
  /** What it would move past if something needs it; undefined where it must not come along. */
  along: readonly string[] | undefined;
}

/** All builds of the parent that the target could get, with what the policy says of each, by itself and by others like it. */
export function judgeAll(input: PromoteInput): Judged[] {
  const judged = input.repositories.flatMap((repository) => candidates(repository, input));
  for (const some of [judged.filter((j) => j.asked), judged.filter((j) => !j.asked)]) {
    waitForSiblings(some);
    waitForObsoleted(some, input);
    waitForStreams(some, input.facts);
  }
  return judged;
}

/** Every build of the parent that is newer than what the target has of its group, or the same build with other bytes. */
function candidates(r: PromoteRepository, input: PromoteInput): Judged[] {
  const { facts, named, team, tier, now } = input;
  const pins = r.target?.pins ?? NO_PINS;
  const target = groupPins(pins, facts);
  const { names, packages } = namesOf(pins);
  const withdrawn = new Set(
    r.live.pins.filter((pin) => pin.withdrawn).map((pin) => formatChecksum(pin.checksum)),
  );
  const wanted = new Set(named);
  const family = new Set(
    r.parent.pins.filter((p) => wanted.has(p.nevra.name)).map((p) => facts.build(p).source),
  );
  const judged: Judged[] = [];
  for (const [key, group] of groupPins(r.parent.pins, facts)) {
    const has = newest(target.get(key));
    for (const build of has ? group.slice(firstNotOlder(group, has)) : group) {
      if (!isCandidate(build, has, target.get(key))) continue;
      const sum = formatChecksum(build.checksum);
      const about = facts.build(build);
      const isNamed =
        wanted.has(build.nevra.name) || wanted.has(about.source) || (!!has && family.has(about.source));
      const candidate: Candidate = {
        build,
        facts: about,
        repository: upstreamId(r.repository),
        tier,
        holds: team.holds,
        allow: team.allow,
        deny: team.deny,
        known: names.has(nameArch(build.nevra)),
        replaces: about.obsoletes.find((name) => name !== build.nevra.name && packages.has(name)),
        withdrawn: withdrawn.has(sum),
        ...recalledAs(build, about, input),
        seen: r.seen.get(sum),
        inParent: r.inParent.get(sum),
        advisories: facts.advisories(formatNevra(build.nevra)),
        severityTrusted: r.upstream.metadata.severity === 'trusted',
        now,
      };
      const own = judge(candidate, isNamed ? BY_NAME : NONE);
      const asked = named.length === 0 || isNamed;
      judged.push({
        build,
        candidate,
        has,
        key,
        repository: r,
        asked,
        ...own,
        along: along(candidate, input),
      });
    }
  }
  return judged;
}

function recalledAs(build: Pin, about: BuildFacts, { recalls }: PromoteInput): { recalled?: string } {
  const recall = recalls?.of(build, about);
  return recall ? { recalled: recallReason(recall) } : {};
}

interface Names {
  readonly names: ReadonlySet<string>;
  readonly packages: ReadonlyMap<string, Pin>;
}

const known = new WeakMap<readonly Pin[], Names>();
const NO_PINS: readonly Pin[] = [];

function namesOf(pins: readonly Pin[]): Names {
  const names = known.get(pins) ?? {
    names: new Set(pins.map((pin) => nameArch(pin.nevra))),
    packages: new Map(pins.map((pin) => [pin.nevra.name, pin])),
  };
  known.set(pins, names);
  return names;
}

/** As a dependency: past the mode that lets in no new names, and, of what a person named, past what keeps builds from moving by themselves. */
function along(candidate: Candidate, { named, overrideHolds }: PromoteInput): readonly string[] | undefined {
  const passes = named.length === 0 ? AS_DEPENDENCY : overrideHolds === undefined ? WITH_NAMED : BY_NAME;
  const { verdict, past } = judge(candidate, passes);
  if (verdict.kind !== 'ready') return undefined;
  return past.map((rule) => (rule.startsWith('hold ') ? `${rule}, overridden: ${overrideHolds}` : rule));
}

/** In a group that is sorted, oldest first. */
function firstNotOlder(group: readonly Pin[], { nevra }: Pin): number {
  return group.findLastIndex((build) => compareEvr(build.nevra.evr, nevra.evr) < 0) + 1;
}

function isCandidate(build: Pin, has: Pin | undefined, group: readonly Pin[] | undefined): boolean {
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
    if (j.verdict.kind === 'held' || !movable(j) || j.past.length > 0) continue;
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
  for (const j of judged) {
    if (!movable(j) || j.past.length > 0) continue;
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
