import { formatChecksum, sameChecksum } from '../base/checksum.ts';
import { by } from '../base/order.ts';
import { formatRepositoryId, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import { type Hold, patternMatches } from '../manifest/pattern.ts';
import type { TeamPolicy, TierPolicy, UpstreamPolicy } from '../manifest/policy.ts';
import { makeSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { groupPins, newest } from './groups.ts';
import { type Child, mayGo } from './retain.ts';
import { type Candidate, earlyFor, filterText, judge, nevraOf } from './rules.ts';
import type { Change, Facts, Pin, Plan, RepositoryPlan, Stay, Staying, Verdict } from './types.ts';

/** Since when builds stand somewhere, by checksum as text (`sha256:…`). */
export type Stays = ReadonlyMap<string, Stay>;

/** One repository of the client set that is promoted. */
export interface PromoteRepository {
  readonly repository: RepositoryName;
  readonly upstream: UpstreamPolicy;
  readonly live: Snapshot;
  readonly parent: Snapshot;
  /** Undefined: the tier has no manifest of it yet. */
  readonly target: Snapshot | undefined;
  readonly seen: Stays;
  readonly inParent: Stays;
  /** Tiers whose `from` is the target. */
  readonly children: readonly Child[];
  /** Since when the target's own builds stand there (for retention). */
  readonly inTarget: Stays;
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
  readonly now: Date;
}

interface Judged {
  readonly build: Pin;
  readonly candidate: Candidate;
  readonly has: Pin | undefined;
  readonly key: string;
  readonly repository: PromoteRepository;
  verdict: Verdict;
  past: readonly string[];
}

/**
 * What may move up into one tier of one client set. Pure: equal inputs give equal plans. Per name.arch and module stream the
 * newest build that may move does; nothing is ever lowered; what stays says why and until when.
 */
export function planPromotion(input: PromoteInput): Plan {
  const judged = input.repositories.flatMap((repository) => candidates(repository, input));
  waitForSiblings(judged);
  waitForObsoleted(judged, input);
  waitForStreams(judged, input.facts);
  const repositories = input.repositories.map((repository) => {
    return planRepository(
      repository,
      judged.filter((j) => j.repository === repository),
      input,
    );
  });
  const { team, tier, set, now } = input;
  const about = aboutBuilds(
    repositories.map((plan, i) => ({ plan, ...stays(input.repositories[i]) })),
    input.facts,
  );
  return {
    verb: 'promote',
    team: team.team,
    tier: tier.name,
    set,
    now,
    from: tier.from,
    repositories,
    about,
  };
}

function stays(r: PromoteRepository | undefined): { seen?: Stays; inParent?: Stays } {
  return r ? { seen: r.seen, inParent: r.inParent } : {};
}

/** Every build of the parent that is newer than what the target has of its group, or the same build with other bytes. */
function candidates(r: PromoteRepository, input: PromoteInput): Judged[] {
  const { facts, named, team, tier, now } = input;
  const target = groupPins(r.target?.pins ?? [], facts);
  const names = new Set((r.target?.pins ?? []).map((pin) => nameArch(pin.nevra)));
  const packageNames = new Set((r.target?.pins ?? []).map((pin) => pin.nevra.name));
  const withdrawn = new Set(
    r.live.pins.filter((pin) => pin.withdrawn).map((pin) => formatChecksum(pin.checksum)),
  );
  const asked = new Set(named);
  const family = new Set(
    r.parent.pins.filter((p) => asked.has(p.nevra.name)).map((p) => facts.build(p).source),
  );
  const judged: Judged[] = [];
  for (const [key, group] of groupPins(r.parent.pins, facts)) {
    const has = newest(target.get(key));
    for (const build of group) {
      if (!isCandidate(build, has, target.get(key))) continue;
      const sum = formatChecksum(build.checksum);
      const about = facts.build(build);
      const isNamed =
        asked.has(build.nevra.name) || asked.has(about.source) || (!!has && family.has(about.source));
      if (named.length > 0 && !isNamed) continue;
      const candidate: Candidate = {
        build,
        facts: about,
        repository: upstreamId(r.repository),
        tier,
        holds: team.holds,
        allow: team.allow,
        deny: team.deny,
        known: names.has(nameArch(build.nevra)),
        replaces: about.obsoletes.find((name) => name !== build.nevra.name && packageNames.has(name)),
        withdrawn: withdrawn.has(sum),
        seen: r.seen.get(sum),
        inParent: r.inParent.get(sum),
        advisories: facts.advisories(formatNevra(build.nevra)),
        severityTrusted: r.upstream.metadata.severity === 'trusted',
        now,
      };
      judged.push({ build, candidate, has, key, repository: r, ...judge(candidate, isNamed) });
    }
  }
  return judged;
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
  }
}

function movable(j: Judged): boolean {
  return j.verdict.kind === 'ready' || j.verdict.kind === 'wait' || j.verdict.kind === 'window';
}

/** dnf replaces an obsoleted package whatever its version, so what obsoletes a held name would move it. */
function waitForObsoleted(judged: readonly Judged[], input: PromoteInput): void {
  const present = new Map<string, Pin>();
  for (const r of input.repositories)
    for (const pin of r.target?.pins ?? []) present.set(pin.nevra.name, pin);
  for (const j of judged) {
    if (!movable(j) || j.past.length > 0) continue;
    for (const name of j.candidate.facts.obsoletes) {
      const pin = present.get(name);
      if (!pin || name === j.build.nevra.name) continue;
      const hold = heldName(pin, j, input);
      if (!hold) continue;
      j.verdict = {
        kind: 'with',
        other: nevraOf(pin),
        why: `obsoletes ${name}, which is held by ${filterText(hold)}`,
      };
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

function planRepository(
  r: PromoteRepository,
  judged: readonly Judged[],
  input: PromoteInput,
): RepositoryPlan {
  const { facts, tier } = input;
  const changes: Change[] = [];
  const staying: Staying[] = [];
  const pins = new Set(r.target?.pins ?? []);
  const groups = groupPins(pins, facts); // each group is changed once at most
  for (const [key, group] of groupJudged(judged)) {
    const pick = group.findLast((j) => j.verdict.kind === 'ready');
    const behind = pick ? group.slice(group.indexOf(pick) + 1) : group;
    for (const j of behind) {
      if (j.verdict.kind === 'ready') continue;
      staying.push({ build: j.build, source: j.candidate.facts.source, has: j.has, reason: j.verdict });
    }
    if (!pick) continue;
    const to: Pin = { ...pick.build, withdrawn: false };
    changes.push(changeFor(pick, to));
    const current = groups.get(key) ?? [];
    for (const old of current) if (formatNevra(old.nevra) === formatNevra(to.nevra)) pins.delete(old);
    pins.add(to);
    const next = [...current.filter((pin) => pins.has(pin)), to];
    const since = (pin: Pin) => {
      const sum = formatChecksum(pin.checksum);
      const [seen, here] = [r.seen.get(sum), r.inTarget.get(sum)];
      return seen && here ? { seen, here } : undefined;
    };
    for (const gone of mayGo(key, next, { keep: tier.keep, children: r.children, since, now: input.now })) {
      pins.delete(gone);
      const source = facts.build(gone).source;
      changes.push({ kind: 'drop', from: gone, source, why: `keep: ${tier.keep}` });
    }
  }
  const modules = modulesFor(pins, r, facts);
  for (const [nsvca, sum] of modules) {
    const old = r.target?.modules.get(nsvca);
    if (!old || !sameChecksum(old, sum)) changes.push({ kind: 'module', nsvca, to: sum });
  }
  for (const nsvca of r.target?.modules.keys() ?? []) {
    if (!modules.has(nsvca)) changes.push({ kind: 'module', nsvca, to: undefined });
  }
  const from = formatRepositoryId(r.parent.repository);
  const after = makeSnapshot({ repository: r.repository, from, modules, pins: [...pins] });
  const sorted = changes.sort(by(changeKey));
  return {
    repository: r.repository,
    before: r.target,
    after,
    changes: sorted,
    staying: staying.sort(by((s) => `${nameArch(s.build.nevra)} ${formatNevra(s.build.nevra)}`)),
    attention: pulledBack(after, r.live),
    notes: [],
  };
}

function groupJudged(judged: readonly Judged[]): Map<string, Judged[]> {
  const groups = new Map<string, Judged[]>();
  for (const j of judged) {
    const group = groups.get(j.key);
    if (group) group.push(j);
    else groups.set(j.key, [j]);
  }
  for (const group of groups.values()) group.sort((a, b) => compareEvr(a.build.nevra.evr, b.build.nevra.evr));
  return groups;
}

function changeFor(pick: Judged, to: Pin): Change {
  const { source } = pick.candidate.facts;
  const { has, past } = pick;
  const shortened = earlyFor(pick.candidate);
  const early = shortened ? { early: shortened } : {};
  if (!has) {
    const { known, replaces } = pick.candidate;
    return {
      kind: 'add',
      to,
      source,
      past,
      ...early,
      ...(!known && replaces !== undefined ? { replaces } : {}),
    };
  }
  if (compareEvr(has.nevra.evr, to.nevra.evr) === 0) {
    const signed = pick.repository.live.resigned.some(
      (r) => sameChecksum(r.was, has.checksum) && sameChecksum(r.now, to.checksum),
    );
    return { kind: signed ? 'resigned' : 'rerolled', from: has, to, source };
  }
  return { kind: 'update', from: has, to, source, past, ...early };
}

/** By what it concerns, so that a report and a diff read in the manifest's order. */
export function changeKey(change: Change): string {
  if (change.kind === 'module') return `~module ${change.nsvca}`;
  const pin = 'to' in change ? change.to : change.from;
  return `${nameArch(pin.nevra)} ${change.kind === 'drop' ? 1 : 0} ${formatNevra(pin.nevra)}`;
}

/** The module documents that belong to these builds: the parent's where it has one, else those that the target had. */
function modulesFor(pins: ReadonlySet<Pin>, r: PromoteRepository, facts: Facts) {
  const wanted = new Set<string>();
  for (const pin of pins) for (const nsvca of facts.documents(formatNevra(pin.nevra))) wanted.add(nsvca);
  const modules = new Map<string, Snapshot['modules'] extends ReadonlyMap<string, infer C> ? C : never>();
  for (const nsvca of wanted) {
    const sum = r.target?.modules.get(nsvca) ?? r.parent.modules.get(nsvca);
    if (sum) modules.set(nsvca, sum);
  }
  return modules;
}

function pulledBack(after: Snapshot, live: Snapshot): { build: Pin; why: string }[] {
  const withdrawn = new Map(
    live.pins.filter((pin) => pin.withdrawn).map((p) => [formatChecksum(p.checksum), p]),
  );
  return after.pins
    .filter((pin) => withdrawn.has(formatChecksum(pin.checksum)))
    .map((build) => ({ build, why: 'upstream pulled this build back' }));
}
