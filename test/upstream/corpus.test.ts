import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { SILENT } from '../../src/base/progress.ts';
import type { UpstreamPolicy } from '../../src/manifest/policy.ts';
import { openPool } from '../../src/pool/pool.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { fetchPackages } from '../../src/upstream/packages.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { CORPUS, isSampled } from '../fixtures/oracle.ts';
import { sampled } from '../fixtures/sample.ts';
import { emptyMirror } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

const absent = (...types: string[]) => ({
  absent: new Map(types.map((type) => [type, 'the corpus lacks it'])),
});

/** What these seven need in their policies; the other repositories need nothing. */
const NEEDS: Readonly<Record<string, Partial<UpstreamPolicy>>> = {
  'centos-9-appstream-2025-01': absent('filelists', 'other'),
  'centos-9-appstream-series/latest-2023-01-01': absent('filelists', 'other'),
  'centos-9-appstream-series/latest-2023-07-01': absent('filelists', 'other'),
  'centos-9-appstream-series/latest-2024-01-01': absent('filelists', 'other'),
  'centos-9-appstream-series/latest-2024-07-01': absent('filelists', 'other'),
  'centos-9-baseos/v1-2024-03': absent('other'),
  'opensuse-11.0-update': { ...absent('filelists', 'other'), weakChecksums: ['sha1'] },
};

function repositories(): string[] {
  if (!CORPUS) return [];
  const root = CORPUS;
  const below = readdirSync(root, { recursive: true, withFileTypes: true });
  const found = below.filter((e) => e.name === 'repomd.xml' && e.parentPath.endsWith('/repodata'));
  return found.map((e) => e.parentPath.slice(root.length + 1, -'/repodata'.length)).sort();
}

/** Counted in the text, by no reader of ours. */
async function listed(folder: string): Promise<number> {
  const repomd = readFileSync(join(folder, 'repodata/repomd.xml'), 'utf8');
  const href = /type="primary"[\s\S]*?href="([^"]+)"/.exec(repomd)?.[1] ?? '';
  const open = await decompressAll(readFileSync(join(folder, href)), { maxBytes: 1 << 30, at: href });
  return open.toString('latin1').split('<package ').length - 1;
}

it.skipIf(!CORPUS)('the corpus has 79 repositories', () => expect(repositories()).toHaveLength(79));

it.each(sampled(repositories().filter(isSampled), 5))(
  '%s is fetched, read and then unchanged',
  async (path) => {
    const folder = join(CORPUS ?? '', path);
    const mirror = await emptyMirror();
    const policy = policyOf(pathToFileURL(folder).href, NEEDS[path] ?? {});
    const { state, skipped } = await mirror.fetched(policy);
    const content = await readUpstream(mirror.catalog, policy, state);
    expect(content.builds).toHaveLength(await listed(folder));
    expect(await mirror.catalog.hasRecords(content.builds.map(({ pin }) => pin.record))).toEqual(new Set());
    for (const type of NEEDS[path]?.absent?.keys() ?? []) expect(skipped.map((s) => s.type)).toContain(type);
    expect(await mirror.fetch(policy, { accepted: state })).toMatchObject({ kind: 'unchanged' });
  },
);

it.each(Object.keys(NEEDS).filter((path) => existsSync(join(CORPUS ?? '/nowhere', path))))(
  '%s is refused by a policy that names nothing',
  async (path) => {
    const mirror = await emptyMirror();
    const policy = policyOf(pathToFileURL(join(CORPUS ?? '', path)).href);
    const run = mirror.fetched(policy).then(({ state }) => readUpstream(mirror.catalog, policy, state));
    await expect(run).rejects.toMatchObject({ name: 'Fault' });
  },
);

it.each(
  ['pgdg-signed-series/v3', 'rpms-al2023'].filter((path) => existsSync(join(CORPUS ?? '/nowhere', path))),
)('%s: every RPM file that is there arrives, and is the build that the metadata says', async (path) => {
  const mirror = await emptyMirror();
  const policy = policyOf(pathToFileURL(join(CORPUS ?? '', path)).href);
  const { state, base } = await mirror.fetched(policy);
  const { builds } = await readUpstream(mirror.catalog, policy, state);
  const pool = openPool(mirror.mirrorRoot);
  const here = builds.filter(({ href }) => existsSync(join(CORPUS ?? '', path, href)));
  const fetching = fetchPackages(policy, base, builds, { pool, progress: SILENT });
  if (here.length < builds.length) {
    const lacking = `${builds.length - here.length} of ${builds.length} packages`; // sources that the corpus lacks
    const message = expect.stringContaining(lacking);
    await expect(fetching).rejects.toMatchObject({ code: 'NOT_FOUND', message });
  } else {
    const bytes = builds.reduce((sum, { pin }) => sum + pin.size, 0);
    expect(await fetching).toEqual({ fetched: builds.length, bytes, refused: new Map() });
  }
  expect(here.length).toBeGreaterThan(10);
  for (const { pin } of here) await pool.verify(pin.checksum);
});

it.skipIf(!CORPUS)('modules, comps and advisories come with their repositories', async () => {
  const read = async (path: string) => {
    const mirror = await emptyMirror();
    const policy = policyOf(pathToFileURL(join(CORPUS ?? '', path)).href, NEEDS[path] ?? {});
    return await readUpstream(mirror.catalog, policy, (await mirror.fetched(policy)).state);
  };
  const appstream = await read('centos-9-appstream-2025-01');
  const kinds = (kind: string) => appstream.modules.filter((document) => document.kind === kind).length;
  expect([kinds('modulemd'), kinds('modulemd-defaults')]).toEqual([31, 8]); // as the corpus's index says
  expect(appstream.comps?.toString()).toContain('<comps>');
  const baseos = await read('centos-9-baseos/v1-2024-03'); // its `group` is missing, its `group_gz` is there
  expect(baseos.comps?.toString()).toContain('<comps>');
  const suse = await read('opensuse-11.0-update');
  expect(suse.advisories.length).toBeGreaterThan(100);
});
