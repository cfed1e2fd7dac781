import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Checksum, checksum } from '../../src/base/checksum.ts';
import type { RepositoryName } from '../../src/manifest/ids.ts';
import { upstreamId } from '../../src/manifest/ids.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';
import type { AcceptedState, Pin } from '../../src/manifest/snapshot.ts';
import type { ModuleDocument } from '../../src/repodata/modules.ts';
import { newestTimestamp, readRepomd } from '../../src/repodata/repomd.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { filesOf, LIVE, sha256Hex, snapshotOf, upstreamFile, type World } from './world.ts';

export const DEMO = fileURLToPath(new URL('../fixtures/demo', import.meta.url));
export const BASE = LIVE;
export const APPS: RepositoryName = { ...LIVE, repo: 'apps' };

/** One of the demo's upstream repositories as it was at one time, taken in as a sync does. */
export interface TakenIn {
  readonly repository: RepositoryName;
  readonly pins: readonly Pin[];
  readonly modules: readonly ModuleDocument[];
  readonly state: AcceptedState;
  /** Of the upstream's own repodata. */
  readonly folder: string;
}

/** Documents into the catalog, records too, and the RPM files (real ones, signed by nobody) into the pool. */
export async function takeDemo(world: World, repository: RepositoryName, time: string): Promise<TakenIn> {
  const { repo } = repository;
  const folder = join(DEMO, 'repodata', time, repo);
  const repomd = await readFile(join(folder, 'repomd.xml'));
  const { records } = readRepomd(repomd, folder);
  const documents = new Map<string, Checksum>();
  for (const record of records.filter(({ type }) => type !== 'group_gz')) {
    await world.document(await readFile(join(folder, basename(record.href))));
    documents.set(record.type, record.checksum);
  }
  const timestamp = newestTimestamp(readRepomd(repomd, folder));
  const state: AcceptedState = { timestamp, repomd: checksum('sha256', sha256Hex(repomd)), documents };
  const policy = loadPolicies(new Map(Object.entries(upstreamFile('', repository)))).upstreams.get(
    upstreamId(repository),
  );
  if (!policy) throw new Error('no policy');
  const { builds, modules } = await readUpstream(world.catalog, policy, state);
  for (const { pin, href } of builds) {
    const path = join(DEMO, 'packages', repo, basename(href));
    await world.pool.put(createReadStream(path) as AsyncIterable<Buffer>, {
      checksum: pin.checksum,
      size: (await stat(path)).size,
    });
  }
  for (const { bytes } of modules) await world.document(bytes);
  return { repository, pins: builds.map(({ pin }) => pin), modules, state, folder };
}

/** Live's two files: everything that the upstream lists. */
export function liveOf(taken: TakenIn): Record<string, string> {
  const { repository, pins, modules, state } = taken;
  return filesOf(snapshotOf(repository, [], { pins, modules: modulesOf(modules), upstream: state }));
}

/** A team's two files: some of them. */
export function pinned(
  taken: TakenIn,
  tier: string,
  keep: (pin: Pin) => boolean,
  streams: (document: ModuleDocument) => boolean = () => false,
): { repository: RepositoryName; pins: readonly Pin[]; files: Record<string, string> } {
  const repository = { ...taken.repository, team: 'infra', tier };
  const pins = taken.pins.filter(keep);
  const modules = modulesOf(taken.modules.filter(streams));
  return { repository, pins, files: filesOf(snapshotOf(repository, [], { pins, modules })) };
}

function modulesOf(documents: readonly ModuleDocument[]): Map<string, Checksum> {
  return new Map(documents.flatMap((d) => (d.kind === 'modulemd' && d.nsvca ? [[d.nsvca, d.digest]] : [])));
}
