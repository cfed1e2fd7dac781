/**
 * `node test/bench/universe.ts`: the universe of AppStream with BaseOS and rpmsphere (whose filelists are 57 MB) from a catalog on
 * disk, and what is asked of it again and again; one line of JSON. Times in milliseconds, the best of three runs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SILENT } from '../../src/base/progress.ts';
import { loadUniverse, universes } from '../../src/flows/universe.ts';
import { makeSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { fetchMetadata } from '../../src/upstream/metadata.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { policyOf } from '../upstream/policyOf.ts';

const RUNS = 3;
const REPOSITORIES = [
  'centos-9-appstream-2025-01',
  'centos-9-baseos/v1-2024-03',
  'rpmsphere-series/v1-2024-10-29-16fc42e',
];
if (CORPUS === undefined) throw new Error('no corpus');

const mirrorRoot = mkdtempSync(join(tmpdir(), 'bench-'));
try {
  const catalog = openCatalog(mirrorRoot);
  const snapshots: Snapshot[] = [];
  for (const path of REPOSITORIES) snapshots.push(await takeIn(path));
  const all = snapshots.flatMap(({ pins }) => pins.map(({ record }) => record));
  const primaries = await best(() => catalog.getPrimaries(all));
  const loaded = await best(() => loadUniverse(catalog, snapshots));
  const { index, files } = loaded.result;
  const scanned = await best(async () => {
    let bytes = 0;
    for await (const { element } of catalog.scanFilelists(all)) bytes += element.length;
    return bytes;
  });
  const load = universes(catalog);
  await load(snapshots);
  const warm = await best(async () => {
    const universe = await load(snapshots);
    return snapshots.map((snapshot) => universe.setOf([snapshot]));
  });
  console.log(
    JSON.stringify({
      builds: index.size,
      primariesMs: primaries.ms,
      loadMs: loaded.ms,
      pathsAsked: new Set([...(files?.asked.values() ?? [])].flat()).size,
      filelistsBytes: scanned.result,
      filelistsOpenMs: scanned.ms,
      warmMs: warm.ms,
      rssMB: Math.round(process.resourceUsage().maxRSS / 1024),
    }),
  );

  async function takeIn(path: string): Promise<Snapshot> {
    const absent = new Map(['filelists', 'other'].map((type) => [type, 'a bench']));
    const policy = policyOf(pathToFileURL(join(CORPUS ?? '', path)).href, { absent, parentHref: true });
    const now = new Date('2026-01-01T00:00:00Z');
    const fetched = await fetchMetadata(policy, { catalog, mirrorRoot, progress: SILENT, now });
    if (fetched.kind !== 'fetched') throw new Error(`${path} is unchanged`);
    const { builds } = await readUpstream(catalog, policy, fetched.state);
    const pins = builds.map(({ pin }) => pin);
    const repository = { team: 'vendor', tier: 'live', ...policy.name };
    return makeSnapshot({ repository, from: policy.id, pins });
  }
} finally {
  rmSync(mirrorRoot, { recursive: true, force: true });
}

async function best<T>(run: () => Promise<T>): Promise<{ ms: number; result: T }> {
  let ms = Number.POSITIVE_INFINITY;
  let result: T | undefined;
  for (let i = 0; i < RUNS; i += 1) {
    const start = performance.now();
    result = await run();
    ms = Math.min(ms, Math.round(performance.now() - start));
  }
  return { ms, result: result as T };
}
