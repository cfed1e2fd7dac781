import { type Checksum, formatChecksum, sameChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { by, groupBy } from '../base/order.ts';
import { LIVE_TEAM, LIVE_TIER, type RepositoryName } from '../manifest/ids.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import {
  type Accepted,
  type AcceptedState,
  makeSnapshot,
  type Quarantined,
  type Resigned,
  type Snapshot,
} from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { aboutBuilds } from './about.ts';
import { groupKey, groupPins, newest } from './groups.ts';
import { sameTree, type Trees, treeChange } from './kickstart.ts';
import { changeKey, type Stays } from './promote.ts';
import { type Child, mayGo } from './retain.ts';
import { nevraOf } from './rules.ts';
import type { Change, Facts, Pin, Plan, RepositoryPlan } from './types.ts';

/** What came of holding a build's new bytes against the old ones, without the signatures of either. */
export type Comparison =
  | { readonly kind: 'same'; readonly content: Checksum }
  | { readonly kind: 'other'; readonly was: Checksum; readonly now: Checksum }
  /** Why they could not be compared, as a clause. */
  | { readonly kind: 'unknown'; readonly why: string };

/** What one upstream lists now, next to what live has of it. */
export interface SyncRepository {
  readonly upstream: UpstreamPolicy;
  readonly repository: RepositoryName;
  readonly before: Snapshot | undefined;
  readonly state: AcceptedState;
  /** The installation tree that it has, and what is known of trees; absent: none is carried. */
  readonly kickstart?: Checksum | undefined;
  readonly trees?: Trees | undefined;
  /** Every build that the upstream lists. */
  readonly listed: readonly Pin[];
  /** Digests of the module documents that the upstream has, by nsvca. */
  readonly modules: Snapshot['modules'];
  /** Checksums (as text) that any tier of any team pins. */
  readonly pinned: ReadonlySet<string>;
  readonly children: readonly Child[];
  /** Since when builds stand in live. */
  readonly seen: Stays;
  /** Since when withdrawn builds are marked as such. */
  readonly withdrawnSince: Stays;
  /** By checksum text: builds that upstream lists and that must stay out, and why (a clause). */
  readonly refused: ReadonlyMap<string, string>;
  /** By NEVRA text: what became of builds that upstream lists with other bytes than live has. */
  readonly compared: ReadonlyMap<string, Comparison>;
  /** NEVRAs that a person accepts with other bytes than before, and why. */
  readonly rerolled: { readonly nevras: ReadonlySet<string>; readonly reason: string } | undefined;
  /** Why a person accepts a state older than the last one. */
  readonly older: string | undefined;
  readonly notes: readonly string[];
}

export interface SyncInput {
  /** `<os>-<version>-<arch>` */
  readonly set: string;
  readonly repositories: readonly SyncRepository[];
  readonly facts: Facts;
  readonly now: Date;
}

/**
 * What is new in live. Live lists what upstream lists, keeps what tiers pin or wait for and the newest `keep` of the rest, and
 * marks as withdrawn what upstream took back. The same NEVRA with other bytes is a Fault unless it was accepted by name.
 */
export function planSync(input: SyncInput): Plan {
  const repositories = input.repositories.map((r) => syncRepository(r, input));
  const about = aboutBuilds(
    repositories.map((plan, i) => ({ plan, seen: input.repositories[i]?.seen ?? new Map() })),
    input.facts,
  );
  const { set, now } = input;
  return { verb: 'sync', team: LIVE_TEAM, tier: LIVE_TIER, set, now, from: 'upstream', repositories, about };
}

function syncRepository(r: SyncRepository, { facts, now }: SyncInput): RepositoryPlan {
  const changes: Change[] = [];
  const attention: { build: Pin; why: string }[] = [];
  const before = new Map((r.before?.pins ?? []).map((pin) => [formatNevra(pin.nevra), pin]));
  const quarantined = quarantine(r, before, attention);
  const outside = new Set(quarantined.map(({ nevra }) => nevra));
  const listed = new Map(
    r.listed.map((pin) => [formatNevra(pin.nevra), pin] as const).filter(([text]) => !outside.has(text)),
  );
  refuseRerolled(r, before, outside);
  const accepted: Accepted[] = [];
  const resigned: Resigned[] = [];
  const pins: Pin[] = [];
  const had = groupBy(r.before?.pins ?? [], (pin) => nameArch(pin.nevra));
  for (const [text, pin] of listed) {
    const old = before.get(text);
    const { source } = facts.build(pin);
    if (!old) {
      const previous = newestBefore(pin, had.get(nameArch(pin.nevra)));
      changes.push(
        previous
          ? { kind: 'update', from: previous, to: pin, source, past: [] }
          : { kind: 'add', to: pin, source, past: [] },
      );
      pins.push(pin);
    } else if (!sameChecksum(old.checksum, pin.checksum)) {
      const compared = r.compared.get(text);
      pins.push(pin);
      if (compared?.kind === 'same') {
        changes.push({ kind: 'resigned', from: old, to: pin, source });
        const { content } = compared;
        resigned.push({ nevra: text, was: old.checksum, now: pin.checksum, content });
        continue;
      }
      changes.push({ kind: 'rerolled', from: old, to: pin, source });
      attention.push({ build: pin, why: 'the same NEVRA with other bytes, accepted by name' });
      accepted.push({ nevra: text, was: old.checksum, now: pin.checksum, reason: r.rerolled?.reason ?? '' });
    } else if (old.withdrawn) {
      changes.push({ kind: 'relisted', to: { ...old, withdrawn: false }, source });
      pins.push({ ...old, withdrawn: false });
    } else {
      pins.push(old); // the record that was reviewed stays, even where upstream wrote its metadata anew
    }
  }
  for (const text of outside) {
    const old = before.get(text); // upstream lists it still, though with bytes that stay out
    if (old && !listed.has(text)) pins.push(old);
  }
  const unlisted = unlistedPins(r, pins, facts, now);
  pins.push(...unlisted.pins);
  changes.push(...unlisted.changes);
  for (const change of changes) {
    if (change.kind === 'withdrawn') attention.push({ build: change.from, why: change.why });
  }
  const modules = modulesFor(r, pins, facts, changes);
  if (!sameTree(r.before?.kickstart, r.kickstart))
    changes.push(treeChange(r.before?.kickstart, r.kickstart, r.trees));
  const sorted = changes.sort(by(changeKey));
  const documents = documentNotes(r.before?.upstream, r.state);
  const moved =
    sorted.length > 0 ||
    documents.length > 0 ||
    !r.before ||
    !sameQuarantine(r.before.quarantined, quarantined);
  const after = moved ? render(r, { pins, modules, accepted, resigned, quarantined }) : r.before;
  const notes = [...r.notes, ...documents];
  if (r.older !== undefined) notes.push(`accepted although older than the last accepted state: ${r.older}`);
  return {
    repository: r.repository,
    before: r.before,
    after,
    changes: sorted,
    staying: [],
    attention,
    notes,
  };
}

function render(
  r: SyncRepository,
  o: Pick<Snapshot, 'pins' | 'modules' | 'accepted' | 'resigned' | 'quarantined'>,
): Snapshot {
  const names = new Set(o.pins.map((pin) => `${formatNevra(pin.nevra)} ${formatChecksum(pin.checksum)}`));
  const still = (entry: Accepted | Resigned) => names.has(`${entry.nevra} ${formatChecksum(entry.now)}`);
  const older = r.older === undefined ? undefined : { reason: r.older, timestamp: r.state.timestamp };
  return makeSnapshot({
    ...o,
    repository: r.repository,
    from: r.upstream.id,
    upstream: r.state,
    ...(r.kickstart ? { kickstart: r.kickstart } : {}),
    accepted: [...(r.before?.accepted ?? []).filter(still), ...o.accepted],
    resigned: [...carried(r.before?.resigned ?? [], o.resigned).filter(still), ...o.resigned],
    ...(older ? { older } : {}),
  });
}

/** What was signed anew before, with the bytes of today: a tier that has the first ones can still be told what they are. */
function carried(before: readonly Resigned[], today: readonly Resigned[]): Resigned[] {
  const next = new Map(today.map((entry) => [`${entry.nevra} ${formatChecksum(entry.was)}`, entry.now]));
  return before.map((entry) => {
    const now = next.get(`${entry.nevra} ${formatChecksum(entry.now)}`);
    return now ? { ...entry, now } : entry;
  });
}

/** What must stay out of live. A build that is there already stays, and is said: taking it away is for a person. */
function quarantine(
  r: SyncRepository,
  before: ReadonlyMap<string, Pin>,
  attention: { build: Pin; why: string }[],
): Quarantined[] {
  const known = new Set((r.before?.quarantined ?? []).map(quarantineKey));
  const kept: Quarantined[] = [];
  for (const pin of r.listed) {
    const reason = r.refused.get(formatChecksum(pin.checksum));
    if (reason === undefined) continue;
    const nevra = formatNevra(pin.nevra);
    const there = before.get(nevra);
    if (there && sameChecksum(there.checksum, pin.checksum)) {
      attention.push({ build: pin, why: `it is in live, but ${reason}` });
      continue;
    }
    const entry = { nevra, checksum: pin.checksum, reason };
    if (!known.has(quarantineKey(entry))) attention.push({ build: pin, why: `quarantined: ${reason}` });
    kept.push(entry);
  }
  return kept;
}

function quarantineKey({ nevra, checksum, reason }: Quarantined): string {
  return `${nevra} ${formatChecksum(checksum)} ${reason}`;
}

function sameQuarantine(a: readonly Quarantined[], b: readonly Quarantined[]): boolean {
  const keys = (list: readonly Quarantined[]) => list.map(quarantineKey).sort().join('\n');
  return keys(a) === keys(b);
}

function refuseRerolled(
  r: SyncRepository,
  before: ReadonlyMap<string, Pin>,
  outside: ReadonlySet<string>,
): void {
  const other = r.listed.filter((pin) => {
    const text = formatNevra(pin.nevra);
    if (outside.has(text) || r.compared.get(text)?.kind === 'same') return false;
    const old = before.get(text);
    return old && !sameChecksum(old.checksum, pin.checksum) && !r.rerolled?.nevras.has(text);
  });
  if (other.length === 0) return;
  const said = other.slice(0, 10).map((pin) => {
    const was = before.get(formatNevra(pin.nevra)) as Pin;
    const both = `was ${formatChecksum(was.checksum)}, is ${formatChecksum(pin.checksum)}`;
    return `${nevraOf(pin)} (${both}${comparedWords(r.compared.get(formatNevra(pin.nevra)))})`;
  });
  const more = other.length > 10 ? ` and ${other.length - 10} more` : '';
  const open = other.every((pin) => !r.compared.has(formatNevra(pin.nevra)));
  const fetching = `with --propose they are fetched, and those that were only signed anew are told from the others. `;
  throw new Fault('UPSTREAM_REROLLED', `upstream changed the bytes of ${said.join(', ')}${more}`, {
    at: r.upstream.id,
    hint:
      `${open && r.upstream.content === 'full' ? `Not compared yet: ${fetching}` : ''}` +
      'Ask the vendor whether that was meant; then accept by name: ' +
      `sluice accept ${r.upstream.id} --rerolled ${other.map(nevraOf).join(' ')} --reason TEXT --propose`,
  });
}

function comparedWords(compared: Comparison | undefined): string {
  if (compared?.kind === 'unknown') return `; not compared: ${compared.why}`;
  if (compared?.kind !== 'other') return '';
  const [was, now] = [formatChecksum(compared.was), formatChecksum(compared.now)];
  return `; not only its signature: without it ${was}, now ${now}`;
}

/** Of what live had of the name.arch: the newest that is older than this one, else the newest. */
function newestBefore(pin: Pin, had: readonly Pin[] = []): Pin | undefined {
  return had.findLast((p) => compareEvr(p.nevra.evr, pin.nevra.evr) < 0) ?? had.at(-1);
}

/** What live has and upstream does not list any more: kept as long as somebody needs it, withdrawn where nothing newer came. */
function unlistedPins(r: SyncRepository, listed: readonly Pin[], facts: Facts, now: Date) {
  const names = new Set(listed.map((pin) => formatNevra(pin.nevra)));
  const listedGroups = groupPins(r.listed, facts);
  const changes: Change[] = [];
  const unlisted = new Set<Pin>();
  for (const pin of r.before?.pins ?? []) {
    if (names.has(formatNevra(pin.nevra))) continue;
    const newestListed = newest(listedGroups.get(groupKey(pin, facts)));
    const superseded = newestListed && compareEvr(newestListed.nevra.evr, pin.nevra.evr) > 0;
    if (superseded || pin.withdrawn) {
      unlisted.add(pin);
      continue;
    }
    const why = newestListed
      ? `upstream stopped listing it and now lists ${nevraOf(newestListed)} at most`
      : 'upstream stopped listing it and lists no other build of it';
    changes.push({ kind: 'withdrawn', from: pin, source: facts.build(pin).source, why });
    unlisted.add({ ...pin, withdrawn: true });
  }
  const gone = new Set<Pin>();
  const touched = new Set([...unlisted].map((pin) => groupKey(pin, facts)));
  for (const [key, group] of groupPins([...listed, ...unlisted], facts)) {
    if (!touched.has(key)) continue;
    for (const pin of dropped(r, key, group, now)) {
      if (!unlisted.has(pin)) continue;
      gone.add(pin);
      const why = pin.withdrawn
        ? 'withdrawn longer than `forget`'
        : `superseded upstream; keep: ${r.upstream.keep}`;
      changes.push({ kind: 'drop', from: pin, source: facts.build(pin).source, why });
    }
  }
  return { pins: [...unlisted].filter((pin) => !gone.has(pin)), changes };
}

/** Of one group: what no tier pins or waits for, and what was withdrawn longer ago than `forget`. */
function dropped(r: SyncRepository, key: string, group: readonly Pin[], now: Date): Pin[] {
  const since = (pin: Pin) => {
    const seen = r.seen.get(formatChecksum(pin.checksum));
    return seen && { seen, here: seen };
  };
  const free = (pin: Pin) => !r.pinned.has(formatChecksum(pin.checksum));
  const old = mayGo(key, group, { keep: r.upstream.keep, children: r.children, since, now });
  return [
    ...old.filter((pin) => !pin.withdrawn && free(pin)),
    ...group.filter((pin) => pin.withdrawn && free(pin) && forgotten(r, pin, now)),
  ];
}

function forgotten(r: SyncRepository, pin: Pin, now: Date): boolean {
  const since = r.withdrawnSince.get(formatChecksum(pin.checksum));
  return since !== undefined && now.getTime() >= since.began.getTime() + r.upstream.forget;
}

/** Upstream's documents, and of the earlier ones those whose builds are still here. */
function modulesFor(
  r: SyncRepository,
  pins: readonly Pin[],
  facts: Facts,
  changes: Change[],
): Snapshot['modules'] {
  const modules = new Map(r.modules);
  const present = new Set(pins.map((pin) => formatNevra(pin.nevra)));
  for (const [nsvca, sum] of r.before?.modules ?? []) {
    if (modules.has(nsvca)) continue;
    if (facts.artifacts(nsvca).some((artifact) => present.has(artifact))) modules.set(nsvca, sum);
    else changes.push({ kind: 'module', nsvca, to: undefined });
  }
  for (const [nsvca, sum] of modules) {
    const old = r.before?.modules.get(nsvca);
    if (!old || !sameChecksum(old, sum)) changes.push({ kind: 'module', nsvca, to: sum });
  }
  return modules;
}

function documentNotes(before: AcceptedState | undefined, state: AcceptedState): string[] {
  if (!before) return [];
  const notes: string[] = [];
  for (const [type, sum] of state.documents) {
    const old = before.documents.get(type);
    if (!old) notes.push(`new document: ${type}`);
    else if (!sameChecksum(old, sum)) notes.push(`changed document: ${type}`);
  }
  for (const type of before.documents.keys())
    if (!state.documents.has(type)) notes.push(`document gone: ${type}`);
  return notes;
}

/** The id of live's repository of an upstream. */
export function liveRepository(name: Omit<RepositoryName, 'team' | 'tier'>): RepositoryName {
  return { team: LIVE_TEAM, tier: LIVE_TIER, ...name };
}
