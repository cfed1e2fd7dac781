import { type Checksum, formatChecksum, sameChecksum } from '../base/checksum.ts';
import { formatRepositoryId, lockPath } from '../manifest/ids.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import { recallReason, recallsOf } from '../manifest/recall.ts';
import type { AcceptedState, Pin, Snapshot } from '../manifest/snapshot.ts';
import { planSync, type SyncRepository } from '../plan/sync.ts';
import type { Facts, Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import type { ModuleDocument } from '../repodata/modules.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { readUpstream } from '../upstream/read.ts';
import type { UpstreamContent } from '../upstream/types.ts';
import { factsOf, moduleDocument } from './facts.ts';
import { childrenOf, longestWait } from './plan-promote.ts';
import type { Compare, Compared } from './resigned.ts';
import { checkNow, liveName, type State } from './state.ts';
import { treesOf } from './trees.ts';

/** One upstream of a client set, and the state of it that is to be taken in. */
export interface SyncSource {
  readonly upstream: UpstreamPolicy;
  readonly state: AcceptedState;
  /** Of the upstream's `.treeinfo`, where its policy asks for the tree. */
  readonly kickstart?: Checksum | undefined;
  /** By checksum text: what must stay out, and why. */
  readonly refused: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

export interface SyncOptions {
  readonly now: Date;
  readonly rerolled?: { readonly nevras: ReadonlySet<string>; readonly reason: string } | undefined;
  readonly older?: string | undefined;
  /** Absent: builds that upstream lists with other bytes are not compared, and so not believed to be signed anew only. */
  readonly compare?: Compare | undefined;
}

/** Plans what is new in live from documents in the catalog alone: the bot and the check that recomputes it run this. */
export async function syncPlan(
  state: State,
  catalog: Catalog,
  set: string,
  sources: readonly SyncSource[],
  o: SyncOptions,
): Promise<{ plan: Plan; contents: ReadonlyMap<string, UpstreamContent> }> {
  checkNow(state, o.now);
  const contents = new Map<string, UpstreamContent>();
  const lostNotes = new Map<string, string>();
  const primaries = new Map<string, Buffer>();
  const modules: ModuleDocument[] = [];
  const advisories = [];
  for (const { upstream, state: accepted } of sources) {
    const content = await readUpstream(catalog, upstream, accepted);
    contents.set(upstream.id, content);
    for (const build of content.builds) primaries.set(build.pin.record, build.primary);
    modules.push(...content.modules);
    advisories.push(...content.advisories);
    await keepModules(catalog, content.modules);
    const before = state.snapshot(liveName(upstream));
    if (!before) continue;
    const others = before.pins.map((pin) => pin.record).filter((record) => !primaries.has(record));
    const lost = await catalog.hasRecords(others);
    const there = others.filter((record) => !lost.has(record));
    for (const [record, element] of await catalog.getPrimaries(there)) primaries.set(record, element);
    if (lost.size > 0) lostNotes.set(upstream.id, lostNote(lost.size));
    for (const [nsvca, sum] of before.modules) {
      if (await catalog.hasDocument(sum)) modules.push(await moduleDocument(catalog, nsvca, sum));
    }
  }
  const facts = factsOf(primaries, modules, advisories);
  const repositories: SyncRepository[] = [];
  for (const { upstream, state: accepted, kickstart, refused, notes } of sources) {
    const content = contents.get(upstream.id) as UpstreamContent;
    const { comparisons, refused: found } = await compareRerolled(state, upstream, content, o);
    const repository = liveName(upstream);
    const teams = [...state.policies.teams.values()].filter((t) => t.repositories.includes(upstream.id));
    const wait = Math.max(0, ...teams.map(longestWait));
    const since = new Date(o.now.getTime() - wait);
    const listed = content.builds.map(({ pin }) => pin);
    const trees = [kickstart, state.snapshot(repository)?.kickstart];
    repositories.push({
      upstream,
      repository,
      before: state.snapshot(repository),
      state: accepted,
      kickstart,
      trees: await treesOf(state, catalog, { trees, live: repository, parent: repository, since }),
      listed,
      modules: new Map(content.modules.flatMap((m) => (m.nsvca === undefined ? [] : [[m.nsvca, m.digest]]))),
      pinned: pinnedAnywhere(state, upstream),
      children: teams.flatMap((team) => childrenOf(state, team, 'live', upstream, facts)),
      seen: await state.history.stays(lockPath(repository), since),
      withdrawnSince: await state.history.withdrawals(
        lockPath(repository),
        new Date(o.now.getTime() - upstream.forget),
      ),
      refused: new Map([...refused, ...found, ...recalledIn(listed, state, facts)]),
      compared: comparisons,
      rerolled: o.rerolled,
      older: o.older,
      notes: [
        ...notes,
        ...archNotes(upstream, content),
        ...(isNew('updateinfo', accepted, state.snapshot(repository)?.upstream) ? content.remarks : []),
        ...(lostNotes.has(upstream.id) ? [lostNotes.get(upstream.id) ?? ''] : []),
      ],
    });
  }
  return { plan: planSync({ set, repositories, facts, now: o.now }), contents };
}

/** By checksum text: what upstream lists and nobody may have. */
function recalledIn(listed: readonly Pin[], { policies }: State, facts: Facts): Map<string, string> {
  const recalls = recallsOf(policies);
  const found = new Map<string, string>();
  for (const pin of recalls.all.length > 0 ? listed : []) {
    const recall = recalls.of(pin, facts.build(pin));
    if (recall) found.set(formatChecksum(pin.checksum), recallReason(recall));
  }
  return found;
}

/** What a document says is said once, when it comes in. */
function isNew(type: string, now: AcceptedState, before: AcceptedState | undefined): boolean {
  const [sum, was] = [now.documents.get(type), before?.documents.get(type)];
  return sum !== undefined && !(was && sameChecksum(sum, was));
}

/** Of what upstream lists with other bytes than live has, and nobody accepted by name. */
async function compareRerolled(
  state: State,
  upstream: UpstreamPolicy,
  content: UpstreamContent,
  o: SyncOptions,
): Promise<Compared> {
  const had = new Map<string, Pin>();
  for (const pin of state.snapshot(liveName(upstream))?.pins ?? []) had.set(formatNevra(pin.nevra), pin);
  const rerolled = content.builds.flatMap((now) => {
    const nevra = formatNevra(now.pin.nevra);
    const was = had.get(nevra);
    const other = was && !sameChecksum(was.checksum, now.pin.checksum);
    return other && !o.rerolled?.nevras.has(nevra) ? [{ was, now }] : [];
  });
  if (rerolled.length === 0 || !o.compare || upstream.content !== 'full')
    return { comparisons: new Map(), refused: new Map() };
  return await o.compare(upstream, rerolled);
}

/** After a loss of the catalog: live names builds that upstream does not list any more, and nothing here knows their metadata. */
function lostNote(lost: number): string {
  return `${lost} builds that upstream no longer lists have lost their metadata: bring catalog/ and pool/ back from a copy`;
}

/** What the policy's `arches` left out is said, once and in a number. */
function archNotes({ arches }: UpstreamPolicy, { otherArches }: UpstreamContent): string[] {
  return otherArches === 0
    ? []
    : [`${otherArches} builds of other arches than ${arches.join(', ')} are left out`];
}

/** Module documents are pinned one by one, so each is kept by its own digest too. */
async function keepModules(catalog: Catalog, modules: readonly ModuleDocument[]): Promise<void> {
  for (const { bytes, digest } of modules) {
    if (await catalog.hasDocument(digest)) continue;
    await catalog.putDocument(one(bytes), { checksum: digest, size: bytes.length });
  }
}

async function* one(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes;
}

/** Checksums that any tier of any team pins of this upstream. */
function pinnedAnywhere(state: State, upstream: UpstreamPolicy): ReadonlySet<string> {
  const live = formatRepositoryId(liveName(upstream));
  const pinned = new Set<string>();
  for (const name of state.repositories) {
    const { os, version, arch, repo } = upstream.name;
    if (name.os !== os || name.version !== version || name.arch !== arch || name.repo !== repo) continue;
    if (formatRepositoryId(name) === live) continue;
    const snapshot = state.snapshot(name) as Snapshot;
    for (const pin of snapshot.pins) pinned.add(formatChecksum(pin.checksum));
  }
  return pinned;
}
