import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { checkWorkTree, fixWorkTree } from '../../src/flows/check-tree.ts';
import { type HotfixRequest, hotfix } from '../../src/flows/hotfix.ts';
import { pullApprove, pullMerge } from '../../src/flows/pull.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { type Site, siteAgain } from './site.ts';
import { makeWaveSite } from './waveSite.ts';

const SET = 'harbor-9-x86_64';
const BASE = `snapshots/infra/stable/${SET}-base`;
const TLS = 'harbor-tls-1:3.0.7-25.h9_1.x86_64';

const waveSite = siteAgain(makeWaveSite);

async function fix(site: Site, named: string | readonly string[], o: Partial<HotfixRequest> = {}) {
  const done = await hotfix(site.world(), {
    named: typeof named === 'string' ? [named] : named,
    team: 'infra',
    to: 'stable',
    reason: 'exploited since this morning',
    overrideHolds: undefined,
    sync: false,
    how: 'propose',
    all: false,
    ...o,
  });
  return done.map(({ pull }) => pull?.number ?? 0);
}

function git(site: Site, ...args: string[]): string {
  const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
  return execFileSync('git', ['-C', site.repoDir, ...identity, ...args], { encoding: 'utf8' }).trim();
}

function refs(site: Site): string {
  return execFileSync('git', ['-C', `${site.repoDir}.git`, 'for-each-ref'], { encoding: 'utf8' });
}

function onMain(site: Site, path: string): string {
  git(site, 'fetch', '-q');
  return git(site, 'show', `origin/main:${path}`);
}

function edit(site: Site, path: string, change: (text: string) => string): void {
  const file = join(site.repoDir, path);
  const before = readFileSync(file, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(file, after);
}

describe('a hotfix', () => {
  it('goes into the tier and those between, is green, and says who, why, past what, and what to do afterwards', async () => {
    const site = await waveSite();
    const [number = 0] = await fix(site, 'CVE-2026-10107');
    const forge = await openLocalForge(`${site.repoDir}.git`);
    const pull = await forge.get(number);
    expect(pull).toMatchObject({
      branch: `sluice/hotfix/infra/stable/${SET}/CVE-2026-10107`,
      labels: ['sluice', 'sluice:hotfix'],
      title:
        'Hotfix harbor-tls-1:3.0.7-25.h9_1 (HRSA-2026:0107) to infra/stable and unstable (harbor 9 x86_64)',
    });
    expect(Object.fromEntries(pull.trailers)).toMatchObject({
      'Sluice-Verb': 'hotfix',
      'Sluice-Named': 'CVE-2026-10107',
      'Sluice-Reason': 'exploited since this morning',
      'Sluice-By': 'tester',
    });
    const base = pull.base.slice(0, 12);
    for (const part of [
      'Asked for by tester, who named CVE-2026-10107',
      'Why: exploited since this morning',
      'moved by name, past 0 of 10 days in unstable',
      'CVE-2026-10107, CVE-2026-10108 | harbor-tls ',
      '| 2 move; 2 of 2 present |',
      'stable: by 2026-01-27 06:00 UTC, when harbor-tls',
      'unstable: by 2026-01-17 06:00 UTC, when harbor-tls',
      `\`sluice rollback infra stable --to ${base}\`, \`sluice rollback infra unstable --to ${base}\``,
    ]) {
      expect(pull.body).toContain(part);
    }
    const before = refs(site);
    site.now = new Date(site.now.getTime() + 600_000); // somebody runs it again, a little later
    await fix({ ...site, world: () => ({ ...site.world(), by: 'somebody else' }) }, 'cve-2026-10107');
    expect(refs(site)).toBe(before);
    await site.merge(number);
    for (const tier of ['stable', 'unstable']) {
      const yaml = onMain(site, `snapshots/infra/${tier}/${SET}-base.yaml`);
      expect(yaml).toContain('harbor-tls.x86_64: ["1:3.0.7-24.h9", "1:3.0.7-25.h9_1"]');
      expect(yaml).toContain('harbor-shell.x86_64: "5.1.8-6.h9"');
    }
    site.output();
    expect(await fix(site, 'hrsa-2026:0107')).toEqual([]);
    expect(site.output()).toContain(
      `infra/stable ${SET}: nothing to do: stable and unstable have harbor-tls`,
    );
  });

  it('two at once have a branch each, and the second is green after the first one’s merge', async () => {
    const site = await waveSite();
    const [tls = 0] = await fix(site, 'harbor-tls');
    const [monitor = 0] = await fix(site, 'harbor-monitor');
    const [both = 0] = await fix(site, ['harbor-tls', 'harbor-shell']); // overlaps
    expect(new Set([tls, monitor, both]).size).toBe(3);
    await site.merge(tls);
    await site.merge(monitor);
    await site.merge(both);
    const yaml = onMain(site, `${BASE}.yaml`);
    expect(yaml).toContain('harbor-shell.x86_64: ["5.1.8-6.h9", "5.1.8-9.h9"]');
    expect(yaml).toContain('harbor-libc.x86_64: ["2.34-60.h9", "2.34-100.h9"]'); // the shell needs it
    await checkWorkTree(site.world());
  });

  it('is no occasion: what else somebody puts into it is refused, whoever approved of it', async () => {
    const site = await waveSite();
    const [number = 0] = await fix(site, 'harbor-tls');
    const branch = `sluice/hotfix/infra/stable/${SET}/harbor-tls`;
    git(site, 'fetch', '-q', 'origin', `+${branch}:refs/remotes/origin/${branch}`);
    git(site, 'checkout', '-q', '-B', 'edit', `origin/${branch}`);
    edit(site, `snapshots/infra/unstable/${SET}-base.yaml`, (text) =>
      text.replace('harbor-edit.x86_64: "9.0-1.h9"', 'harbor-edit.x86_64: ["9.0-1.h9", "9.1-1.h9"]'),
    );
    await fixWorkTree(site.world());
    git(site, 'commit', '-qam', 'While we are at it');
    git(site, 'push', '-q', 'origin', `edit:${branch}`);
    git(site, 'checkout', '-q', 'main');
    await pullApprove(site.world(), number);
    await expect(pullMerge(site.world(), number)).rejects.toMatchObject({
      code: 'PLAN_DIFFERS',
      message: `#${number} is not green: harbor-edit-9.1-1.h9.x86_64 comes into infra-unstable-${SET}-base, and is no part of this hotfix`,
    });
  });

  it('does not merge past a hold that came after it was planned', async () => {
    const site = await waveSite();
    const [number = 0] = await fix(site, 'harbor-tls');
    const hold =
      'holds:\n  - { match: "^harbor-tls$", reason: "load test", owner: "@acme/web", until: 2027-01-01 }\n';
    await site.change({ 'policies/teams/infra.yaml': (text) => `${text}${hold}` });
    await expect(pullMerge(site.world(), number)).rejects.toMatchObject({
      message: expect.stringContaining(
        'harbor-tls-1:3.0.7-25.h9_1.x86_64 is held now: load test (@acme/web)',
      ),
    });
    await expect(fix(site, 'harbor-tls')).rejects.toMatchObject({
      code: 'HELD',
      hint: expect.stringContaining('--override-hold REASON'),
    });
    const [again] = await fix(site, 'harbor-tls', { overrideHolds: 'agreed with web' });
    expect(again).toBe(number);
    await site.merge(number);
  });

  it('with --sync stands on what the vendor has now, and stops where that asks for a person', async () => {
    const site = await waveSite();
    await layDemoUpstream(site.vendor, 'later'); // pulls a build back
    const before = refs(site);
    await expect(fix(site, 'harbor-tzdata', { sync: true, how: 'show' })).rejects.toMatchObject({
      code: 'USAGE',
    });
    expect(refs(site)).toBe(before);
    const stopped = fix(site, 'harbor-tzdata', { sync: true });
    await expect(stopped).rejects.toMatchObject({
      code: 'FORGE_REFUSED',
      message: expect.stringContaining('the sync before the hotfix asks for a person: #'),
    });
    const open = (await (await openLocalForge(`${site.repoDir}.git`)).list({ state: 'open' }))[0]?.number;
    await site.merge(open);
    const [number = 0] = await fix(site, 'harbor-tzdata', { sync: true }); // nothing new any more
    await site.merge(number);
    expect(onMain(site, `${BASE}.yaml`)).toContain('harbor-tzdata.noarch: ["2025b-1.h9", "2026b-1.h9"]');
  });

  it('for all teams is one each, and says who does not have it', async () => {
    const site = await waveSite();
    const policy = (team: string, tiers: string) =>
      `apiVersion: sluice/v1\nkind: Team\nteam: ${team}\nrepositories: [${SET}-base, ${SET}-apps]\ntiers:\n${tiers}`;
    const both = '  unstable: { from: live }\n  stable: { from: unstable }\n';
    await site.change({
      'policies/teams/web.yaml': policy('web', both),
      'policies/teams/lab.yaml': policy('lab', '  unstable: { from: live }\n'),
      'policies/teams/new.yaml': policy('new', both),
    });
    const { fill } = await import('../../src/flows/promote.ts');
    for (const tier of ['unstable', 'stable']) {
      const request = { team: 'web', tier, like: 'infra', how: 'propose', all: false } as const;
      await site.merge((await fill(site.world(), request))[0]?.pull?.number);
    }
    site.output();
    const numbers = await fix(site, 'harbor-tls', { team: undefined });
    expect(numbers).toHaveLength(2);
    const said = site.output();
    expect(said).toContain('lab: has no tier stable, left out');
    expect(said).toContain(`new/stable ${SET}: has nothing of harbor-tls, left out`);
    expect(said).toContain(`sluice pr merge ${numbers.join(' ')}, then sluice publish`);
    for (const number of numbers) await site.merge(number);
    for (const team of ['infra', 'web']) {
      expect(onMain(site, `snapshots/${team}/stable/${SET}-base.lock`)).toContain(TLS);
    }
    await expect(fix(site, 'harbor-tls', { team: 'new' })).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('sluice fill --team new --tier stable'),
    });
  });
});

it('what cannot be meant changes nothing and says what to do', async () => {
  const site = await waveSite();
  const before = refs(site);
  for (const [named, o, expected] of [
    ['CVE-2026-99999', {}, { code: 'NOT_FOUND', message: expect.stringContaining('no advisory that names') }],
    [
      'harbor-tsl',
      {},
      { code: 'NOT_FOUND', message: expect.stringMatching(/no build, package.*It has harbor-tls/) },
    ],
    ['HRSA-2026:9999', {}, { code: 'NOT_FOUND' }],
    ['harbor-tls-1:3.0.7-99.h9.x86_64', {}, { code: 'NOT_FOUND' }],
    ['harbor-tls', { team: 'nobody' }, { code: 'NOT_FOUND' }],
    ['harbor-tls', { to: 'production' }, { code: 'NOT_FOUND' }],
    ['harbor-tls', { reason: '' }, { code: 'MALFORMED' }],
    ['harbor-tls', { reason: 'two\nlines' }, { code: 'MALFORMED' }],
    ['harbor-tls', { overrideHolds: ' ' }, { code: 'MALFORMED' }],
    ['harbor-tls\nSluice-Verb: recall', {}, { code: 'MALFORMED' }],
    [[], {}, { code: 'USAGE' }],
    ['harbor-tls-3.0.7-24.h9', { to: 'stable' }, undefined],
  ] as const) {
    const done = fix(site, named, o);
    if (expected) await expect(done, String(named)).rejects.toMatchObject(expected);
    else expect(await done).toEqual([]); // the tiers have it
  }
  expect(refs(site)).toBe(before);
});

it('by hand it is one line and fix: tiers between get it too', async () => {
  const site = await waveSite();
  git(site, 'fetch', '-q');
  git(site, 'checkout', '-q', '-B', 'by-hand', 'origin/main');
  edit(site, `${BASE}.yaml`, (text) =>
    text.replace('harbor-edit.x86_64: "9.0-1.h9"', 'harbor-edit.x86_64: "9.1-1.h9"'),
  );
  site.output();
  await fixWorkTree(site.world());
  expect(site.output()).toContain(
    `snapshots/infra/unstable/${SET}-base.yaml: harbor-edit-9.1-1.h9.x86_64 is there too now, because infra/stable has it`,
  );
  expect(git(site, 'diff', '--stat', '--', 'snapshots')).toMatch(/4 files changed/);
  expect(await checkWorkTree(site.world())).toBe(true);
  git(site, 'checkout', '-q', '--', 'snapshots/infra/unstable'); // who forgets it is told
  expect(await checkWorkTree(site.world())).toBe(false);
  await fixWorkTree(site.world());
  git(site, 'commit', '-qam', 'harbor-edit, by hand');
  git(site, 'push', '-q', 'origin', 'by-hand');
  const { pullOpen } = await import('../../src/flows/pull-open.ts');
  await site.merge(await pullOpen(site.world(), 'by-hand', 'harbor-edit, by hand'));
  expect(onMain(site, `snapshots/infra/unstable/${SET}-base.yaml`)).toContain('["9.0-1.h9", "9.1-1.h9"]');
});
