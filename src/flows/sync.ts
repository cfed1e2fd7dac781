import type { Checksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import { recallOfReason, recallsOf } from '../manifest/recall.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import { noTrust, type Trust } from '../openpgp/trust.ts';
import { sameTree } from '../plan/kickstart.ts';
import { fetchTreeFiles, fetchTreeinfo } from '../upstream/kickstart.ts';
import { fetchMetadata } from '../upstream/metadata.ts';
import { fetchPackages, knownRefusals, type WantedPackage } from '../upstream/packages.ts';
import type { Skipped, UpstreamContent } from '../upstream/types.ts';
import { isEmptyAdded } from './added.ts';
import { type Mirror, mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import type { FillRequest } from './plan-fill.ts';
import { importPlan } from './plan-import.ts';
import { type SyncOptions, type SyncSource, syncPlan } from './plan-sync.ts';
import { mergeIfGreen } from './pull.ts';
import { fetchLost } from './refetch.ts';
import { type Compare, compareByFetching } from './resigned.ts';
import { clientSets, liveName, readState, type State, upstreamOf } from './state.ts';
import { writeLooks } from './sync-record.ts';
import { refuseOlderTree, treeinfoOf } from './trees.ts';
import { trustOf } from './trust.ts';

export interface SyncRequest {
  /** Upstream ids; empty: all. */
  readonly upstreams: readonly string[];
  readonly how: Delivery;
  readonly all: boolean;
  readonly rerolled?: readonly string[];
  readonly older?: boolean;
  readonly reason?: string | undefined;
  /** `init --start`: fill every tier from what comes in. */
  readonly start?: FillRequest | undefined;
  /** By upstream id: where it is read instead. */
  readonly homes?: ReadonlyMap<string, URL> | undefined;
}

/**
 * Fetches and verifies what upstreams list, and plans what is new in live, one client set at a time. An upstream that fails
 * stops its client set and no other; the first Fault is thrown at the end.
 */
export async function sync(world: World, request: SyncRequest): Promise<Delivered[]> {
  if (request.reason !== undefined) checkLine('reason', request.reason, '--reason'); // it goes into a commit and into a manifest
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  let state = await readState(repo, main);
  const asked = request.upstreams.map((id) => upstreamOf(state.policies, id));
  if (state.policies.upstreams.size === 0) {
    throw new Fault('NOT_FOUND', 'no upstream is declared', {
      hint: 'Write policies/upstreams/<id>.yaml, or start with sluice init DIR --distro NAME.',
      at: repo.root,
    });
  }
  const delivered: Delivered[] = [];
  const faults: Fault[] = [];
  for (const [set, upstreams] of clientSets(state.policies.upstreams.values())) {
    const ids = upstreams
      .map(({ id }) => id)
      .filter((id) => asked.length === 0 || asked.some((u) => u.id === id));
    const looked = async (fault: Fault | undefined) => {
      if (request.how !== 'show' && ids.length > 0)
        await writeLooks(mirror.root, ids, { now: world.now, fault });
    };
    /** Of a code host that refuses the proposal nothing is said here. */
    const looking = <T>(work: () => Promise<T>): Promise<T> =>
      work().catch(async (error: unknown) => {
        if (error instanceof Fault) await looked(error);
        throw error;
      });
    try {
      const names = new Set(asked.map((u) => u.id));
      const done = await looking(() => syncSet(world, mirror, state, set, names, request));
      await looked(undefined);
      if (!done) continue;
      const prepare = () => looking(done.prepare);
      const one = await deliver(world, {
        ...done,
        prepare,
        repo,
        mirror,
        how: request.how,
        all: request.all,
      });
      delivered.push(one);
      const isThere = one.pull && one.pull.outcome !== 'declined' && one.pull.outcome !== 'edited';
      if (one.pull && isThere && (await mergeIfGreen(world, repo, one.pull, one.plan))) {
        state = await readState(repo, (await openState(world)).main);
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error);
      world.progress.say(`${set}: ${error.message}`);
    }
  }
  if (faults.length > 1) world.progress.say(`${faults.length} client sets failed; the first:`);
  if (faults[0]) throw faults[0];
  return delivered;
}

async function syncSet(
  world: World,
  mirror: Mirror,
  state: State,
  set: string,
  asked: ReadonlySet<string>,
  request: SyncRequest,
) {
  const upstreams = (clientSets(state.policies.upstreams.values()).get(set) ?? []).filter(
    (u) => asked.size === 0 || asked.has(u.id),
  );
  const sources: SyncSource[] = [];
  const mirrors = new Map<string, readonly URL[]>();
  const trusts = new Map<string, Trust>();
  for (const upstream of upstreams) {
    const accepted: AcceptedState | undefined = state.snapshot(liveName(upstream))?.upstream;
    const home = request.homes?.get(upstream.id);
    if (!home && (await isEmptyAdded(mirror.root, upstream, accepted))) {
      const hint = `nothing was added yet: sluice add FILE.rpm --to ${upstream.id}`;
      if (!world.json) world.print(`${upstream.id}: ${hint}\n`);
      continue;
    }
    const fetched = await fetchMetadata(upstream, {
      catalog: mirror.catalog,
      mirrorRoot: mirror.root,
      accepted,
      allowOlder: request.older,
      trust: await trustOf(state, upstream, 'metadata', world.now),
      progress: world.progress,
      now: world.now,
      env: world.env,
      home,
    });
    mirrors.set(upstream.id, fetched.mirrors);
    const trust = await trustOf(state, upstream, 'packages', world.now);
    trusts.set(upstream.id, trust);
    const { refused, judged } = await knownRefusals(mirror.root, upstream.id, trust);
    const kickstart = upstream.kickstart
      ? await fetchedTree(world, mirror, state, upstream, request)
      : undefined;
    const sameAsBefore = sameTree(state.snapshot(liveName(upstream))?.kickstart, kickstart);
    if (fetched.kind === 'unchanged' && accepted && !sameAsBefore) {
      sources.push({ upstream, state: accepted, kickstart, refused, notes: [] });
      continue;
    }
    if (fetched.kind === 'unchanged') {
      if (request.how !== 'show')
        await refetch(world, mirror, state, upstream, { trust, mirrors: fetched.mirrors });
      if (accepted && trust.required && !judged) {
        world.progress.say(
          `${upstream.id}: the policy's keys or rules are new, every package is judged by them`,
        );
        sources.push({ upstream, state: accepted, kickstart, refused, notes: [] });
      } else if (accepted && hasWithdrawnRecall(state, upstream)) {
        world.progress.say(`${upstream.id}: a recall was withdrawn, what upstream lists is looked at again`);
        sources.push({ upstream, state: accepted, kickstart, refused, notes: [] });
      } else if (!world.json) world.print(`${upstream.id}: unchanged\n`);
      continue;
    }
    sayLeftOut(world, upstream.id, fetched.skipped);
    sources.push({ upstream, state: fetched.state, kickstart, refused, notes: [] });
  }
  if (sources.length === 0) return undefined;
  const compare: Compare = (upstream, rerolled) => {
    const trust = trusts.get(upstream.id) ?? noTrust(world.now);
    const { pool } = mirror;
    const from = mirrors.get(upstream.id);
    return compareByFetching(upstream, rerolled, { ...world, pool, trust, mirrors: from });
  };
  const options = { ...syncOptions(world, request), compare: request.how === 'show' ? undefined : compare };
  const planned = async (from: readonly SyncSource[]) =>
    request.start
      ? await importPlan(state, mirror.catalog, set, from, request.start, options)
      : await syncPlan(state, mirror.catalog, set, from, options);
  const { plan, contents } = await planned(sources);
  const prepare = async () => {
    const known = await fetchAll(world, mirror, sources, { mirrors, contents, trusts });
    return known === sources ? undefined : (await planned(known)).plan;
  };
  return { plan, state, prepare, asked: askedOf(world, set, request) };
}

/** Live keeps something out that no recall speaks of any more. */
function hasWithdrawnRecall(state: State, upstream: UpstreamPolicy): boolean {
  const kept = state.snapshot(liveName(upstream))?.quarantined ?? [];
  const standing = new Set(recallsOf(state.policies).all.map(({ id }) => id));
  return kept.some(({ reason }) => {
    const id = recallOfReason(reason);
    return id !== undefined && !standing.has(id);
  });
}

/** The upstream's installation tree of now: its `.treeinfo` is in the catalog, and not older than the accepted one. */
async function fetchedTree(
  world: World,
  { root, catalog }: Mirror,
  state: State,
  upstream: UpstreamPolicy,
  request: SyncRequest,
): Promise<Checksum> {
  const { treeinfo, says } = await fetchTreeinfo(upstream, { mirrorRoot: root, catalog, env: world.env });
  const before = state.snapshot(liveName(upstream))?.kickstart;
  const known = before && (await catalog.hasDocument(before)) ? await treeinfoOf(catalog, before) : undefined;
  refuseOlderTree(upstream.id, known, says, request.older === true);
  return treeinfo;
}

/** What of the upstream is not carried; databases and second compressions of the same are not worth a line. */
function sayLeftOut(world: World, id: string, skipped: readonly Skipped[]): void {
  for (const { type, reason } of skipped) {
    if (/_db$|_zck$/.test(type) || /^group(_|$)/.test(type)) continue;
    world.progress.say(`${id}: ${type} is not carried: ${reason}`);
  }
}

function syncOptions(world: World, request: SyncRequest): SyncOptions {
  const reason = request.reason ?? '';
  return {
    now: world.now,
    rerolled: request.rerolled?.length ? { nevras: new Set(request.rerolled), reason } : undefined,
    older: request.older ? reason : undefined,
  };
}

function askedOf(world: World, set: string, request: SyncRequest) {
  const options: [string, string][] = [];
  for (const nevra of request.rerolled ?? []) options.push(['Sluice-Rerolled', nevra]);
  if (request.older) options.push(['Sluice-Older', 'accepted']);
  if (request.reason !== undefined) options.push(['Sluice-Reason', request.reason]);
  if (request.start) options.push(['Sluice-Fill', JSON.stringify(request.start)]);
  if (request.start) options.push(['Sluice-Baseline', set]);
  return { verb: request.start ? 'init' : 'sync', scope: `vendor/live ${set}`, now: world.now, options };
}

/** What live pins and upstream still lists, but the pool has lost (or never had, as a thin one): fetched by checksum. */
async function refetch(
  world: World,
  mirror: Mirror,
  state: State,
  upstream: UpstreamPolicy,
  from: { readonly trust: Trust; readonly mirrors: readonly URL[] },
): Promise<void> {
  const live = state.snapshot(liveName(upstream));
  if (upstream.content !== 'full' || !live?.upstream) return;
  await fetchTree(world, mirror, upstream, live.kickstart);
  const missing = await mirror.pool.missing(live.pins.map((pin) => pin.checksum));
  if (missing.size > 0)
    await fetchLost(world, mirror, upstream, { accepted: live.upstream, missing, ...from });
}

async function fetchTree(
  world: World,
  { catalog, pool }: Mirror,
  upstream: UpstreamPolicy,
  kickstart: Checksum | undefined,
): Promise<void> {
  if (!kickstart) return;
  const { files } = await treeinfoOf(catalog, kickstart);
  await fetchTreeFiles(upstream, files, { pool, progress: world.progress, env: world.env });
}

/**
 * Every listed package that is not in the pool yet, of upstreams that are mirrored in full; all are judged by the rules of now.
 * The same sources where that kept out nothing that was not known before.
 */
async function fetchAll(
  world: World,
  mirror: Mirror,
  sources: readonly SyncSource[],
  o: {
    readonly mirrors: ReadonlyMap<string, readonly URL[]>;
    readonly contents: ReadonlyMap<string, UpstreamContent>;
    readonly trusts: ReadonlyMap<string, Trust>;
  },
): Promise<readonly SyncSource[]> {
  let changed = false;
  const known: SyncSource[] = [];
  for (const source of sources) {
    const { upstream } = source;
    if (upstream.content !== 'full') {
      known.push(source);
      continue;
    }
    await fetchTree(world, mirror, upstream, source.kickstart);
    const wanted = (o.contents.get(upstream.id)?.builds ?? []).map(
      ({ pin, href, base, primary }): WantedPackage => {
        return { pin, href, primary, ...(base === undefined ? {} : { base }) };
      },
    );
    const from = o.mirrors.get(upstream.id) ?? [];
    const { refused } = await fetchPackages(upstream, from[0]?.href ?? '', wanted, {
      mirrors: from,
      pool: mirror.pool,
      progress: world.progress,
      trust: o.trusts.get(upstream.id),
      env: world.env,
    });
    const same =
      refused.size === source.refused.size && [...refused].every(([k, why]) => source.refused.get(k) === why);
    changed ||= !same;
    known.push({ ...source, refused });
  }
  return changed ? known : sources;
}
