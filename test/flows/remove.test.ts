import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { pullShow } from '../../src/flows/pull.ts';
import { type RemoveRequest, remove } from '../../src/flows/remove.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { makeSite, type Site, siteAgain } from './site.ts';

const IDS = ['base', 'apps'].map((r) => `harbor-9-x86_64-${r}`);

/** Both tiers have the vendor's first state; packages stay at the vendor's. */
const filledSite = siteAgain(async (dir) => {
  const vendor = join(dir, 'vendor');
  await layDemoUpstream(vendor, 'before');
  const site = await makeSite({
    dir,
    start: '2026-03-02T09:00:00Z',
    upstreams: Object.fromEntries(
      IDS.map((id) => [id, { baseurl: [`file://${vendor}/${id.split('-').at(-1)}`], content: 'thin' }]),
    ),
  });
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  return site;
});

async function take(site: Site, named: string[], o: Partial<RemoveRequest> = {}) {
  const asked = {
    team: 'infra',
    tier: 'unstable',
    reason: 'corrupts files, INC-42',
    owner: '@acme/db',
    until: undefined,
  };
  const flags = { sources: false, cascade: false, below: false, how: 'propose', all: false } as const;
  const done = await remove(site.world(), { named, ...asked, ...flags, ...o });
  return done[0]?.pull?.number;
}

it('a removal shows its cascade, goes with it or not at all, and does not come again', async () => {
  const site = await filledSite();
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
  const forge = await openLocalForge(`${site.repoDir}.git`);
  const main = git('rev-parse', 'main');

  await expect(take(site, ['harbor-tls-libs'])).rejects.toMatchObject({
    code: 'BROKEN_SET',
    message: expect.stringContaining('would go along'),
    hint: expect.stringContaining('--cascade'),
  });
  const tree = site.output();
  expect(tree).toMatch(/harbor-tls-libs-1:3\.0\.7-24\.h9\.x86_64 from unstable\n +└ harbor-\S+ needs/);
  expect(tree).toMatch(/│ └ harbor-wiki-2\.0-1\.h9\.noarch needs harbor-web/);
  expect(git('rev-parse', 'main')).toBe(main);
  expect(await forge.list({ state: 'open' })).toEqual([]);

  await expect(take(site, ['harbor-teapot'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(take(site, ['harbor-edit'], { until: '2020-01-01' })).rejects.toMatchObject({ code: 'USAGE' });
  await expect(take(site, [])).rejects.toMatchObject({ code: 'USAGE' });

  const number = await take(site, ['harbor-tls-libs'], { cascade: true });
  await pullShow(site.world(), number ?? 0, { diff: false });
  expect(site.output()).toMatch(/### What goes, and what for\n\n\d+ builds could not stay/);
  await site.merge(number);
  const pins = (tier: string) =>
    IDS.map((id) => git('show', `main:snapshots/infra/${tier}/${id}.yaml`)).join();
  for (const gone of ['harbor-tls', 'harbor-web', 'harbor-monitor', 'harbor-wiki', 'harbor-db'])
    expect(pins('unstable')).not.toContain(gone);
  expect(pins('unstable')).not.toContain('modules:');
  expect(pins('stable')).toContain('harbor-tls-libs');
  expect(git('show', 'main:policies/teams/infra.yaml')).toMatch(
    /match: "\^harbor-tls-libs\$"\n +tier: unstable\n +reason: "removed: corrupts files, INC-42"/,
  );
  site.days(1);
  expect(await site.promote('unstable')).toBeUndefined();

  // what the tier below has it keeps, until that is asked for too
  await take(site, ['harbor-edit'], { how: 'show' });
  expect(site.output()).toContain(
    'stable keeps harbor-edit-9.0-1.h9.x86_64; --and-below takes them from there too',
  );
  await site.merge(await take(site, ['harbor-edit'], { below: true }));
  expect(pins('unstable') + pins('stable')).not.toContain('harbor-edit');
});

it('one that was changed by hand is judged as any other change', async () => {
  const site = await filledSite();
  const number = (await take(site, ['harbor-edit'])) ?? 0;
  const { branch } = await (await openLocalForge(`${site.repoDir}.git`)).get(number);
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', site.repoDir, '-c', 'user.name=M', '-c', 'user.email=m@example.org', ...args]);
  git('fetch', '-q', 'origin', branch);
  git('switch', '-q', '--detach', 'FETCH_HEAD');
  const policy = join(site.repoDir, 'policies/teams/infra.yaml');
  writeFileSync(policy, readFileSync(policy, 'utf8').replace(/holds:[\s\S]*/, ''));
  git('commit', '-qam', 'It may come again');
  git('push', '-q', 'origin', `HEAD:${branch}`);
  git('switch', '-q', 'main');
  await expect(site.merge(number)).rejects.toMatchObject({ code: 'PLAN_DIFFERS' });
});
