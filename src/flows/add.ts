import { rm } from 'node:fs/promises';
import { formatChecksum, sameChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import {
  type Added,
  type AddedBuild,
  addedFolder,
  readAdded,
  tidyAdded,
  writeAdded,
  writeAddedMetadata,
} from '../pool/added.ts';
import { lockMirror, readChunks, temporaryPath } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import { formatNevra, sameNevra } from '../rpm/nevra.ts';
import { folderUrl } from '../upstream/mirrors.ts';
import { type Candidate, readCandidate } from './add-files.ts';
import { type Mirror, mirrorOf, openState, type World } from './context.ts';
import type { Delivered, Delivery } from './deliver.ts';
import { forgeOf } from './forge-of.ts';
import { checkNow, liveName, readState, type State, upstreamOf } from './state.ts';
import { sync } from './sync.ts';
import { trustOf } from './trust.ts';

export interface AddRequest {
  readonly files: readonly string[];
  /** The upstream's id. */
  readonly to: string;
  readonly how: Delivery;
  readonly all: boolean;
}

/**
 * Takes RPM files in as builds of an upstream of one's own, and plans its sync. All files are checked before anything is changed, as
 * any fetched package is. Without a delivery the plan is made from metadata that stands aside, and no file is taken in.
 */
export async function add(world: World, request: AddRequest): Promise<Delivered[]> {
  if (request.files.length === 0) {
    throw new Fault('USAGE', 'no file is named', { hint: 'sluice add FILE.rpm --to UPSTREAM' });
  }
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const upstream = addable(state, request.to);
  checkNow(state, world.now);
  if (request.how === 'propose') await forgeOf(world, repo);
  const candidates = await readAll(request.files, upstream, state, world);
  const folder = addedFolder(mirror.root, upstream.id);
  const live = state.snapshot(liveName(upstream));
  const merged = merge(candidates, await readAdded(folder), live, world.now);
  if (!world.json) for (const line of merged.says) world.print(`${line}\n`);
  const plan = async (homes?: ReadonlyMap<string, URL>) =>
    await sync(world, { upstreams: [upstream.id], how: request.how, all: request.all, homes });
  if (request.how !== 'show') {
    await take(mirror, folder, candidates, live, world.now);
    return await plan();
  }
  if (merged.fresh.length === 0) return await plan();
  const aside = await temporaryPath(mirror.root);
  try {
    await writeAddedMetadata(aside, merged.added, mirror.root);
    return await plan(new Map([[upstream.id, folderUrl(aside)]]));
  } finally {
    await onDisk('removing', aside, () => rm(aside, { recursive: true, force: true }));
  }
}

function addable(state: State, id: string): UpstreamPolicy {
  const upstream = upstreamOf(state.policies, id);
  if (upstream.source === 'added') return upstream;
  const others = [...state.policies.upstreams.values()].filter((u) => u.source === 'added').map((u) => u.id);
  const hint =
    others.length > 0
      ? `Name one of: ${others.join(', ')}.`
      : 'Declare one: policies/upstreams/<id>.yaml with source: added (see docs/own-builds.md).';
  throw new Fault('USAGE', `${id} is fetched from its vendor, nothing can be added to it`, {
    hint,
    at: upstream.path,
  });
}

/** Every file is looked at, so that one run says all that is wrong. */
async function readAll(
  files: readonly string[],
  upstream: UpstreamPolicy,
  state: State,
  world: World,
): Promise<Candidate[]> {
  const trust = await trustOf(state, upstream, 'packages', world.now);
  const candidates: Candidate[] = [];
  const faults: Fault[] = [];
  for (const path of files) {
    try {
      candidates.push(await readCandidate(path, upstream, trust));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error);
    }
  }
  const [first] = faults;
  if (!first) return candidates;
  if (faults.length === 1) throw first;
  for (const { at, message } of faults) world.progress.say(`${at}: ${message}`);
  const message = `${faults.length} of ${files.length} files cannot be added, first: ${first.message}`;
  throw new Fault(first.code, message, { hint: first.hint, at: first.at, cause: first });
}

interface Merged {
  readonly added: Added;
  readonly fresh: readonly Candidate[];
  /** What becomes of each file, a line each. */
  readonly says: readonly string[];
}

/** UPSTREAM_REROLLED where a name is taken by other bytes: by a file that was added, by one beside it, or by what live pins. */
function merge(
  candidates: readonly Candidate[],
  before: Added | undefined,
  live: Snapshot | undefined,
  now: Date,
): Merged {
  const builds: AddedBuild[] = [...(before?.builds ?? [])];
  const fresh: Candidate[] = [];
  const says: string[] = [];
  const pathOf = new Map<AddedBuild, string>();
  for (const candidate of candidates) {
    const { build, path, by } = candidate;
    const name = formatNevra(build.nevra);
    const known = builds.find(({ nevra }) => sameNevra(nevra, build.nevra));
    const pin = live?.pins.find(({ nevra }) => sameNevra(nevra, build.nevra));
    for (const other of [known, pin]) {
      if (!other || sameChecksum(other.checksum, build.checksum)) continue;
      const where = other === known ? (pathOf.get(known) ?? 'added before') : 'in live';
      const both = `${formatChecksum(other.checksum)} (${where}) and ${formatChecksum(build.checksum)} (${path})`;
      throw new Fault('UPSTREAM_REROLLED', `${name} would be two files: ${both}`, {
        hint: 'Build it again with a new release.',
        at: path,
      });
    }
    const signed = by.length > 0 ? `, signed by ${by.join(', ')}` : '';
    const twice = known && pathOf.has(known) ? 'the same file as another one' : 'was added before';
    says.push(known ? `${name}: ${twice}` : `${name}: new${signed}`);
    if (known) continue;
    builds.push(build);
    pathOf.set(build, path);
    fresh.push(candidate);
  }
  // Never older than before, whatever the clock says: an older repository would be a rollback.
  const timestamp = Math.max(
    Math.floor(now.getTime() / 1000),
    before?.timestamp ?? 0,
    live?.upstream?.timestamp ?? 0,
  );
  return { added: { builds, timestamp }, fresh, says };
}

/** Into the pool, each hashed again on its way, then into the folder. What another run added meanwhile is read under the lock. */
async function take(
  mirror: Mirror,
  folder: string,
  candidates: readonly Candidate[],
  live: Snapshot | undefined,
  now: Date,
): Promise<void> {
  await using _lock = await lockMirror(mirror.root);
  const { added, fresh } = merge(candidates, await readAdded(folder), live, now);
  if (fresh.length === 0) return await tidyAdded(folder);
  for (const { path, build } of fresh) await mirror.pool.put(readChunks(path), build);
  await writeAdded(folder, added, mirror.pool);
}
