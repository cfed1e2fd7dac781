import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { hotfix } from '../../src/flows/hotfix.ts';
import { writeRepofile } from '../../src/flows/publish.ts';
import { Client } from '../fixtures/dnfClient.ts';
import { oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeSite, type Site } from '../flows/site.ts';

async function clientOf(site: Site, tier: string): Promise<Client> {
  site.output();
  await writeRepofile(site.world(), { team: 'infra', tier, at: undefined });
  return Client.of(site.output());
}

const ALL = ['-q', 'repoquery', '--disable-modular-filtering', '--show-duplicates', '--qf', '%{name}-%{evr}'];

async function available(client: Client): Promise<string[]> {
  const text = await client.dnf('--refresh', ...ALL);
  return text.split('\n').filter(Boolean).sort();
}

/** Packages are unpacked in a root of their own: chroot(2) is root's. */
const root = process.getuid?.() === 0;

describe.skipIf(!oracle('dnf') || !root)('dnf before and after a hotfix', () => {
  it('gets the fix from both tiers as a security upgrade, and nothing else', async () => {
    const vendor = join(await tempDir(), 'vendor');
    const site = await makeSite({
      upstreams: Object.fromEntries(
        ['base', 'apps'].map((r) => [`harbor-9-x86_64-${r}`, { baseurl: [`file://${vendor}/${r}`] }]),
      ),
      team: {
        tiers: {
          unstable: { from: 'live', wait: { seen: '1d' } },
          stable: { from: 'unstable', wait: { inParent: '10d' } },
        },
      },
    });
    await layDemoUpstream(vendor, 'before');
    await site.merge(await site.sync());
    site.days(2);
    await site.merge(await site.promote('unstable'));
    site.days(11);
    await site.merge(await site.promote('stable'));
    await layDemoUpstream(vendor, 'after');
    await site.sync(); // merges itself
    await site.publish();
    const clients = await Promise.all(['stable', 'unstable'].map((tier) => clientOf(site, tier)));
    const before = await Promise.all(clients.map(available));
    for (const client of clients) {
      await client.dnf('install', 'harbor-tls', 'harbor-shell');
      expect(await client.installed('harbor-tls')).toBe('harbor-tls-3.0.7-24.h9.x86_64');
      expect(await client.dnf('-q', 'updateinfo', 'list', '--security')).not.toContain('HRSA-2026:0107');
    }

    const request = { team: 'infra', to: 'stable', reason: 'a test', overrideHolds: undefined, sync: false };
    const named = ['CVE-2026-10108'];
    const [done] = await hotfix(site.world(), { ...request, named, how: 'propose', all: false });
    await site.merge(done?.pull?.number);
    await site.publish();

    for (const [i, client] of clients.entries()) {
      const came = (await available(client)).filter((build) => !before[i]?.includes(build));
      expect(came).toEqual(['harbor-tls-1:3.0.7-25.h9_1', 'harbor-tls-libs-1:3.0.7-25.h9_1']);
      expect(before[i]?.every((build) => !came.includes(build))).toBe(true);
      expect(await client.dnf('-q', 'updateinfo', 'list', '--security')).toContain('HRSA-2026:0107');
      await client.dnf('upgrade', '--security');
      expect(await client.installed('harbor-tls')).toBe('harbor-tls-3.0.7-25.h9_1.x86_64');
      expect(await client.installed('harbor-tls-libs')).toBe('harbor-tls-libs-3.0.7-25.h9_1.x86_64');
      expect(await client.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
    }
  }, 120_000);
});
