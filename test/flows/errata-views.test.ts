import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { SILENT } from '../../src/base/progress.ts';
import { openState } from '../../src/flows/context.ts';
import { errata } from '../../src/flows/errata.ts';
import { viewsOf } from '../../src/flows/errata-views.ts';
import {
  freeMirror,
  publishMain,
  verifyMirror,
  verifyServed,
  writeRepofile,
} from '../../src/flows/publish.ts';
import { recall } from '../../src/flows/recall.ts';
import { readState } from '../../src/flows/state.ts';
import { parseRepositoryId } from '../../src/manifest/ids.ts';
import { openPool } from '../../src/pool/pool.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { Client } from '../fixtures/dnfClient.ts';
import { oracle } from '../fixtures/oracle.ts';
import { makeSite, type Site, siteAgain } from './site.ts';

const SET = 'harbor-9-x86_64';
const [EARLY, LATE] = ['2026-01-02', '2026-01-05'];
const path = (date: string, part = '') => `errata/${SET}/${date}${part}.yaml`;
const policy = (text: string) => ({
  'policies/errata.yaml': `apiVersion: sluice/v1\nkind: ErrataPolicy\n${text}`,
});
const GROUPS = `defaults: { ${SET}: ${EARLY} }\ngroups: { b: { ${SET}: ${LATE} } }\n`;
const init = (date: string, kernel: string) => ({
  [path(date, '.init')]:
    `apiVersion: sluice/v1\nkind: ErrataInit\nset: ${SET}\ndate: ${date}\nkernel: ${kernel}\nreason: a test\n`,
});
const fix = (date: string, ...patterns: string[]) => ({
  [path(date, '.fix')]:
    `apiVersion: sluice/v1\nkind: ErrataFix\nset: ${SET}\ndate: ${date}\nremove:\n${patterns
      .map((match) => `  - { match: "${match}", reason: a test }\n`)
      .join('')}`,
});
const vendor = mkdtempSync(join(tmpdir(), 'sluice-vendor-'));
afterAll(() => rmSync(vendor, { recursive: true, force: true }));

/** Live had the vendor's first state on the first of January, its second from the fifth on; a set of each is committed. */
const again = siteAgain(async (dir) => {
  const upstream = (repo: string) => ({ baseurl: [`file://${vendor}/${repo}`] });
  const site = await makeSite({
    dir,
    upstreams: { [`${SET}-base`]: upstream('base'), [`${SET}-apps`]: upstream('apps') },
    site: { grace: '1h', retain: '2d', catalogUrl: `file://${dir}/mirror/catalog` },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  site.days(4);
  await layDemoUpstream(vendor, 'after');
  await site.sync(); // merges itself
  await site.change({ [path(EARLY)]: await written(site, EARLY), [path(LATE)]: await written(site, LATE) });
  return site;
});

async function written(site: Site, asOf: string): Promise<string> {
  const out: string[] = [];
  const world = { ...site.world(), progress: SILENT, print: (text: string) => out.push(text) };
  await errata(world, { asOf, upstreams: [], kernels: false });
  return out.join('');
}

/** The builds of a view, as main says. */
async function view(site: Site, date: string): Promise<string[]> {
  return (await snapshotOf(site, date)).pins.map(({ nevra }) => formatNevra(nevra));
}

const pointers = (site: Site) =>
  readdirSync(join(site.mirrorDir, 'public')).filter((name) => name.startsWith('errata-'));

async function repofileOf(site: Site, group: string, at?: string): Promise<string> {
  site.output();
  await writeRepofile(site.world(), { group, at });
  return site.output();
}

const root = process.getuid?.() === 0;

describe('errata sets side by side', () => {
  it('are published as repositories of their own, by default and by group, and go with the policy', async () => {
    const site = await again();
    await site.publish();
    expect(pointers(site)).toEqual([]); // committed and named by nobody
    await site.change(policy(GROUPS));
    await site.publish();
    const ids = ['20260102', '20260105'].flatMap((day) =>
      ['apps', 'base'].map((repo) => `errata-${day}-${SET}-${repo}`),
    );
    expect(pointers(site)).toEqual(ids);
    expect(await view(site, EARLY)).toContain('harbor-tls-1:3.0.7-24.h9.x86_64');
    expect(await view(site, LATE)).toContain('harbor-tls-1:3.0.7-25.h9_1.x86_64');
    expect(await view(site, LATE)).not.toContain('harbor-tls-1:3.0.7-24.h9.x86_64');
    expect(
      [...(await view(site, EARLY)), ...(await view(site, LATE))].filter((b) => b.startsWith('kernel')),
    ).toEqual([]);
    const links = join(site.mirrorDir, 'public/packages', `errata-20260105-${SET}-base`);
    expect(readdirSync(links)).toHaveLength((await view(site, LATE)).length);
    for (const name of readdirSync(links)) expect(statSync(join(links, name)).nlink).toBeGreaterThan(1);
    expect(await verifyMirror(site.world())).toBe(true);
    const url = `file://${site.mirrorDir}/public/`;
    const away = { ...site.world(), mirrorDir: undefined };
    expect(await verifyServed(away, { url, at: undefined, metadata: true })).toBe(true);

    expect((await repofileOf(site, 'default')).match(/^\[.*\]$/gm)).toEqual(
      ids.slice(0, 2).map((id) => `[${id}]`),
    );
    const text = await repofileOf(site, 'b');
    expect(text.match(/^\[.*\]$/gm)).toEqual(ids.slice(2).map((id) => `[${id}]`));
    expect(text).toContain('name=b, errata of 2026-01-05: harbor 9 x86_64 base\n');
    await expect(repofileOf(site, 'c')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      writeRepofile(site.world(), { group: 'b', set: 'rocky-9-x86_64', at: undefined }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const { repo, main } = await openState(site.world());
    const commit = (await readState(repo, main)).commit;
    expect(await repofileOf(site, 'b', commit)).toContain(`/at/${commit}/${ids[2]}/`);

    await site.change(policy(`defaults: { ${SET}: ${LATE} }\n`));
    await site.publish();
    expect(pointers(site)).toEqual(ids.slice(2));
    expect(existsSync(join(site.mirrorDir, 'public/tree', ids[0] ?? ''))).toBe(true); // for its grace
  });

  it('keep their packages through gc, as long as somebody names them', async () => {
    const site = await again();
    await site.change(policy(GROUPS));
    await site.publish();
    const { pins } = await snapshotOf(site, EARLY);
    const old = pins.filter((pin) => /^harbor-(tls|shell)-/.test(formatNevra(pin.nevra)));
    expect(old.length).toBeGreaterThan(0);
    await layDemoUpstream(vendor, 'later');
    site.days(5);
    await site.sync();
    site.days(5);
    await site.change({ 'snapshots/README.md': 'days later\n' });
    await site.publish();
    await freeMirror(site.world(), { dryRun: false });
    const pool = openPool(site.mirrorDir);
    expect(await pool.missing(pins.map((pin) => pin.checksum))).toEqual(new Set());
    await rebuilt(site);
    expect(await view(site, EARLY)).toEqual(pins.map((pin) => formatNevra(pin.nevra)));
    expect(await verifyMirror(site.world())).toBe(true);
  });

  it('are refused where they are named and are not there, with the place', async () => {
    const site = await again();
    await expect(site.change(policy(`defaults: { ${SET}: 2026-01-03 }\n`))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      at: 'policies/errata.yaml:3:30',
    });
    await expect(
      site.change(policy(`${GROUPS}kernels: { rocky-9-x86_64: 6.1.0-12.h9 }\n`)),
    ).rejects.toMatchObject({ code: 'POLICY_INVALID', at: 'policies/errata.yaml:5:28' });
    await expect(site.change(init('2026-01-03', '6.1.0-12.h9'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      at: path('2026-01-03', '.init'),
    });
  });

  it('are refused where the mirror cannot serve them, with the builds', async () => {
    const site = await again();
    const { repo, main } = await openState(site.world());
    const live = (await readState(repo, main)).snapshot(parseRepositoryId(`vendor-live-${SET}-base`));
    const pin = live?.pins.find(({ nevra }) => formatNevra(nevra) === 'harbor-tls-libs-1:3.0.7-24.h9.x86_64');
    if (!pin) throw new Error('live has no such build');
    unlinkSync(openPool(site.mirrorDir).path(pin.checksum));
    await expect(site.change(policy(GROUPS))).rejects.toMatchObject({
      code: 'POOL_MISSING',
      at: 'policies/errata.yaml:3:30',
      message: expect.stringContaining(formatNevra(pin.nevra)),
    });
  });
});

const kernels = (builds: readonly string[]) => builds.filter((build) => /^kernel-\d/.test(build));
const kernelOf = (evr: string) => `kernel-${evr}.x86_64`;

describe('kernel, set and removals', () => {
  it('are what is published: the site before the set before the operating system; and no other set changes', async () => {
    const site = await again();
    const policies = `${GROUPS}kernels: { ${SET}: 6.1.0-17.h9 }\nkeepInstallonly: 1\n`;
    await site.change({
      ...policy(policies),
      ...init(EARLY, '6.1.0-10.h9'),
      ...fix(LATE, '^harbor-cron$', '^kernel-modules$'),
    });
    const [early, late] = [await view(site, EARLY), await view(site, LATE)];
    expect([kernels(early), kernels(late)]).toEqual([[kernelOf('6.1.0-10.h9')], [kernelOf('6.1.0-17.h9')]]);
    expect(early.filter((build) => build.startsWith('kernel'))).toHaveLength(3); // core and modules with it
    expect(late.filter((build) => build.startsWith('kernel'))).toHaveLength(2);
    expect([early, late].map((builds) => builds.some((b) => b.startsWith('harbor-cron-')))).toEqual([
      true,
      false,
    ]);
    const base = readFileSync(join(site.repoDir, 'snapshots/vendor/live', `${SET}-base.yaml`), 'utf8');
    expect(base).toContain('harbor-cron.x86_64');
    await site.change({
      'policies/site.yaml': (text) => `${text}kernels: { ${SET}: 6.1.0-12.h9 }\n`,
      'policies/errata.yaml': (text) => text.replace('keepInstallonly: 1', 'keepInstallonly: 2'),
    });
    const both = [kernelOf('6.1.0-10.h9'), kernelOf('6.1.0-12.h9')];
    expect([kernels(await view(site, EARLY)), kernels(await view(site, LATE))]).toEqual([both, both]);
  });

  it.each([
    ['an unknown kernel', init(LATE, '6.1.0-99.h9'), 'NOT_FOUND', `${path(LATE, '.init')}:5:9`],
    [
      'a removal of nothing',
      fix(LATE, '^harbor-cron$', '^nothing$'),
      'MANIFEST_INVALID',
      `${path(LATE, '.fix')}:7:5`,
    ],
    [
      'a removal of the kernel that was chosen',
      { ...init(LATE, '6.1.0-17.h9'), ...fix(LATE, '^kernel') },
      'MANIFEST_INVALID',
      `${path(LATE, '.fix')}:6:5`,
    ],
  ])('with %s are refused, with the place', async (_, files, code, at) => {
    const site = await again();
    await expect(site.change({ ...policy(GROUPS), ...files })).rejects.toMatchObject({ code, at });
  });

  it('lose what is recalled, and a view of an earlier commit does not bring it back', async () => {
    const site = await again();
    await site.change(policy(GROUPS));
    await site.publish();
    const { repo, main } = await openState(site.world());
    const before = (await readState(repo, main)).commit;
    const request = { reason: 'a test', how: 'propose', all: false, cascade: true } as const;
    const done = await recall(site.world(), { ...request, what: 'harbor-tls-1:3.0.7-25.h9_1.x86_64' });
    await site.merge(done[0]?.pull?.number);
    expect(await view(site, LATE)).not.toContain('harbor-tls-1:3.0.7-25.h9_1.x86_64');
    await site.publish();
    expect(await verifyMirror(site.world())).toBe(true);
    await expect(publishMain(site.world(), before)).rejects.toMatchObject({ code: 'RECALLED' });
  });

  it.skipIf(!oracle('dnf') || !root)(
    'are what dnf installs on hosts of each group',
    async () => {
      const site = await again();
      await site.change({
        ...policy(GROUPS),
        ...init(EARLY, '6.1.0-10.h9'),
        ...init(LATE, '6.1.0-12.h9'),
        ...fix(LATE, '^harbor-cron$'),
      });
      await site.publish();
      const installed: string[][] = [];
      for (const group of ['default', 'b']) {
        const client = await Client.of(await repofileOf(site, group));
        await client.dnf('install', 'harbor-tls', 'kernel');
        installed.push(
          await Promise.all(['harbor-tls', 'kernel', 'kernel-core'].map((name) => client.installed(name))),
        );
        const cron = await client.dnf('-q', 'repoquery', 'harbor-cron');
        expect(cron !== '').toBe(group === 'default');
      }
      expect(installed).toEqual([
        ['harbor-tls-3.0.7-24.h9.x86_64', kernelOf('6.1.0-10.h9'), 'kernel-core-6.1.0-10.h9.x86_64'],
        ['harbor-tls-3.0.7-25.h9_1.x86_64', kernelOf('6.1.0-12.h9'), 'kernel-core-6.1.0-12.h9.x86_64'],
      ]);
    },
    60_000,
  );
});

/** A set's own pins of the base repository; `named`: before main names it. */
async function snapshotOf(site: Site, date: string) {
  const { repo, main } = await openState(site.world());
  const state = await readState(repo, main);
  const id = parseRepositoryId(`errata-${date.replaceAll('-', '')}-${SET}-base`);
  return viewsOf(state.history).snapshot(id, state.commit);
}

/** The same mirror from its pool and catalog alone. */
async function rebuilt(site: Site): Promise<void> {
  for (const folder of ['public', 'state'])
    rmSync(join(site.mirrorDir, folder), { recursive: true, force: true });
  await site.publish();
}
