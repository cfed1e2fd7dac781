import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import type { Delivered } from '../../src/flows/deliver.ts';
import { hold, unhold } from '../../src/flows/hold.ts';
import { fill, promote } from '../../src/flows/promote.ts';
import { writeRepofile } from '../../src/flows/publish.ts';
import { recall } from '../../src/flows/recall.ts';
import { remove } from '../../src/flows/remove.ts';
import { good, rollback } from '../../src/flows/rollback.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { Client } from '../fixtures/dnfClient.ts';
import { oracle } from '../fixtures/oracle.ts';
import { sampled } from '../fixtures/sample.ts';
import { makeSite, type Site, siteAgain } from '../flows/site.ts';

const PROPOSE = { how: 'propose', all: false } as const;
const WHY = { team: 'infra', reason: 'a test' };
const WAVE = 'harbor-shell-5.1.8-9.h9.x86_64';
const REST = 'harbor-shell-5.1.8-6.h9.x86_64';

/** The tiers are as the vendor was at rest; live has its wave of updates. */
const waveSite = siteAgain(async (dir): Promise<Site> => {
  const vendor = join(dir, 'vendor');
  await layDemoUpstream(vendor, 'before');
  const site = await makeSite({
    dir,
    start: '2026-03-02T09:00:00Z',
    upstreams: Object.fromEntries(
      ['base', 'apps'].map((r) => [`harbor-9-x86_64-${r}`, { baseurl: [`file://${vendor}/${r}`] }]),
    ),
    team: { tiers: { stable: { from: 'live', keep: '1' }, certified: { from: 'live', mode: 'frozen' } } },
  });
  await follow(site);
  await site.merge(await site.promote('stable'));
  const first = { team: 'infra', tier: 'certified', ...PROPOSE };
  await merge(site, await fill(site.world(), first));
  await layDemoUpstream(vendor, 'after');
  site.days(1);
  await follow(site);
  await site.publish();
  return site;
});

async function follow(site: Site): Promise<void> {
  const number = await site.sync();
  const { state } = await (await openLocalForge(`${site.repoDir}.git`)).get(number ?? 0);
  if (state === 'open') await site.merge(number);
}

/** Merged, and published. */
async function merge(site: Site, [done]: readonly Delivered[]): Promise<void> {
  await site.merge(done?.pull?.number);
  await site.publish();
}

async function wave(site: Site): Promise<void> {
  await site.merge(await site.promote('stable'));
  await site.publish();
}

async function clientOf(site: Site, tier = 'stable'): Promise<Client> {
  site.output();
  await writeRepofile(site.world(), { team: 'infra', tier, at: undefined });
  return Client.of(site.output(), 'platform:h9');
}

const security = (client: Client) => client.dnf('-q', '--refresh', 'updateinfo', 'list', '--security');

const STORIES: readonly (readonly [string, (site: Site) => Promise<void>])[] = [
  [
    'remove: what was installed stays, and nobody can install it any more',
    async (site) => {
      const client = await clientOf(site);
      await client.dnf('install', 'harbor-edit');
      const before = await client.everything();
      const flags = { sources: false, cascade: false, below: false, owner: '@acme/db', until: undefined };
      const request = { ...WHY, ...flags, named: ['harbor-edit'], tier: 'stable', ...PROPOSE };
      await merge(site, await remove(site.world(), request));
      await client.dnf('--refresh', 'distro-sync');
      expect(await client.everything()).toEqual(before);
      await client.dnf('remove', 'harbor-edit');
      await expect(client.dnf('install', 'harbor-edit')).rejects.toThrow(/Unable to find a match/);
    },
  ],
  [
    'promote: upgrade, updateinfo and module install give the wave',
    async (site) => {
      const [client, early] = [await clientOf(site), await clientOf(site)];
      await client.dnf('install', 'harbor-shell', 'harbor-tls');
      await early.dnf('module', 'install', 'harbor-db:16');
      expect(await early.installed('harbor-db')).toBe('harbor-db-16.1-1.module_h9.x86_64');
      expect(await security(client)).not.toContain('HRSA-2026:0107');
      const before = await client.everything();
      await client.dnf('--refresh', 'upgrade');
      expect(await client.everything()).toEqual(before);
      await wave(site);
      expect(await security(client)).toContain('HRSA-2026:0107');
      await client.dnf('upgrade');
      expect(await client.everything()).toContain(WAVE);
      await early.dnf('--refresh', 'upgrade');
      expect(await early.installed('harbor-db')).toBe('harbor-db-16.2-1.module_h9.x86_64');
      const live = await clientOf(site);
      await live.dnf('module', 'install', 'harbor-db:15');
      expect(await live.installed('harbor-db')).toBe('harbor-db-15.6-1.module_h9.x86_64');
    },
  ],
  [
    'hold and unhold: all but what is held, then that too',
    async (site) => {
      const client = await clientOf(site);
      await client.dnf('install', 'harbor-shell', 'harbor-cron');
      const request = { ...WHY, source: false, owner: '@acme/ops', until: '90d', ...PROPOSE };
      await merge(site, await hold(site.world(), { ...request, patterns: ['harbor-shell'] }));
      await wave(site);
      await client.dnf('--refresh', 'upgrade');
      expect(await client.everything()).toContain(REST);
      expect(await client.installed('harbor-cron')).toBe('harbor-cron-1.5.7-5.h9.x86_64');
      const free = { ...WHY, source: false, ...PROPOSE };
      await merge(site, await unhold(site.world(), { ...free, patterns: ['harbor-shell'] }));
      await wave(site);
      await client.dnf('--refresh', 'upgrade');
      expect(await client.everything()).toContain(WAVE);
    },
  ],
  ...(['2026-03-02', 'last-known-good'] as const).map((to): (typeof STORIES)[number] => [
    `rollback to ${to}: distro-sync gives exactly the former rpm -qa`,
    async (site) => {
      const client = await clientOf(site);
      await client.dnf('install', 'harbor-shell', 'harbor-monitor', 'harbor-log');
      const had = await client.everything();
      const mark = { ...WHY, tier: 'stable', at: undefined, owner: '@acme/ops', how: 'propose' } as const;
      await merge(site, await good(site.world(), mark));
      await wave(site);
      await client.dnf('--refresh', 'upgrade');
      expect(await client.everything()).not.toEqual(had);
      const back = { ...WHY, tier: 'stable', set: undefined, owner: undefined, until: undefined, ...PROPOSE };
      await merge(site, await rollback(site.world(), { ...back, to }));
      await client.dnf('--refresh', 'distro-sync');
      expect(await client.everything()).toEqual(had);
    },
  ]),
  [
    'recall and its withdrawal: hosts go back, and forth again',
    async (site) => {
      await wave(site);
      const client = await clientOf(site);
      await client.dnf('install', 'harbor-shell');
      const request = { reason: 'a test', cascade: true, ...PROPOSE };
      await merge(site, await recall(site.world(), { ...request, what: WAVE }));
      await client.dnf('--refresh', 'distro-sync');
      expect(await client.everything()).toContain(REST);
      await merge(site, await recall(site.world(), { ...request, withdraw: WAVE }));
      await follow(site);
      await wave(site);
      await client.dnf('--refresh', 'upgrade');
      expect(await client.everything()).toContain(WAVE);
    },
  ],
  [
    'a frozen tier: nothing by itself, then only what is named',
    async (site) => {
      const client = await clientOf(site, 'certified');
      await client.dnf('install', 'harbor-shell', 'harbor-tls');
      const before = await client.everything();
      expect(await site.promote('certified')).toBeUndefined();
      const named = { packages: ['harbor-tls'], team: 'infra', to: 'certified', ...PROPOSE };
      await merge(site, await promote(site.world(), named));
      await client.dnf('--refresh', 'upgrade');
      const changed = (await client.everything()).filter((build) => !before.includes(build));
      expect(changed).toEqual(['harbor-tls-3.0.7-25.h9_1.x86_64', 'harbor-tls-libs-3.0.7-25.h9_1.x86_64']);
    },
  ],
];

/** Packages are unpacked in a root of their own: chroot(2) is root's. The hotfix is in hotfix-dnf.test.ts. */
const root = process.getuid?.() === 0;

describe.skipIf(!oracle('dnf') || !root)('each verb on the demo, with dnf before and after', () => {
  it.each(sampled(STORIES, STORIES.length))('%s', async (_, story) => story(await waveSite()));
});
