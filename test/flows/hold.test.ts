import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { checkWorkTree } from '../../src/flows/check-tree.ts';
import { type HoldRequest, hold, unhold } from '../../src/flows/hold.ts';
import { listHolds, renewHolds } from '../../src/flows/hold-queue.ts';
import { pullClose, pullMerge } from '../../src/flows/pull.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { makeSite, type Site } from './site.ts';

const BASE = 'harbor-9-x86_64-base';
const TEAM = 'policies/teams/infra.yaml';

const dir = mkdtempSync(join(tmpdir(), 'sluice-hold-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The vendor's wave is in live, and may move to stable. */
async function siteWithWave(): Promise<Site> {
  const vendor = join(dir, 'vendor');
  const made = await makeSite({
    dir,
    upstreams: { [BASE]: { baseurl: [`file://${vendor}/base`], content: 'thin' } },
    files: { 'profiles/web.txt': 'harbor-shell-5.1.8-6.h9.x86_64\nharbor-cron-1.5.7-4.h9.x86_64\n' },
    team: { profiles: ['profiles/web.txt'], tiers: { stable: { from: 'live', wait: { seen: '1d' } } } },
  });
  await layDemoUpstream(vendor, 'before');
  await made.merge(await made.sync());
  made.days(2);
  await made.merge(await made.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await made.sync(); // merges itself
  made.days(2);
  made.output();
  return made;
}

let site: Site;
beforeAll(async () => {
  site = await siteWithWave();
}, 120_000);

const WHY = { reason: 'logins break', owner: '@acme/ops', until: '90d' };
const ask = (o: Partial<HoldRequest>): HoldRequest => {
  return { patterns: [], team: 'infra', source: false, how: 'propose', all: false, ...WHY, ...o };
};
const mainText = (site: Site, path = TEAM) =>
  execFileSync('git', ['-C', `${site.repoDir}.git`, 'show', `main:${path}`], { encoding: 'utf8' });
const pullsOf = async (site: Site) => (await openLocalForge(`${site.repoDir}.git`)).list({ state: 'open' });

describe('hold and unhold', () => {
  it('shows what stays, and what of other names waits with it, before anything is written', async () => {
    const before = mainText(site);
    const [shown] = await hold(site.world(), ask({ patterns: ['harbor-libc'], how: 'show' }));
    expect(shown?.pull).toBeUndefined();
    expect(mainText(site)).toBe(before);
    const said = site.output();
    expect(said).toContain('Hold harbor-libc in infra until 2026-04-05');
    expect(said).toMatch(/harbor-libc matches 1 of \d+ names that the team has or could have: harbor-libc/);
    expect(shown?.plan.follows?.effects).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          where: 'infra/stable harbor-9-x86_64',
          build: 'harbor-libc-2.34-100.h9.x86_64',
          what: 'stays, and would move now',
        }),
        expect.objectContaining({
          build: 'harbor-shell-5.1.8-9.h9.x86_64',
          what: 'waits with it, and would move now',
          why: expect.stringContaining('harbor-libc >= 2.34-100.h9'),
        }),
      ]),
    );
  });

  it.each([
    ['without an end', { until: undefined }, 'USAGE', /up to ten years/],
    ['until a day that has passed', { until: '2025-01-01' }, 'USAGE', /--until/],
    ['until no day', { until: '2027-02-30' }, 'USAGE', /--until/],
    ['for longer than anybody remembers', { until: '2099-01-01' }, 'USAGE', /--until/],
    ['of a name that nobody has', { patterns: ['harbor-shel'] }, 'NOT_FOUND', /Did you mean harbor-shell/],
    ['of one thing of two', { patterns: ['harbor-shell', 'zzz'] }, 'NOT_FOUND', /explain/],
    ['of a pattern that cannot be read', { patterns: ['^(?=x)'] }, 'POLICY_INVALID', /look-around/],
    [
      'in a tier that is not there',
      { patterns: ['harbor-shell'], tier: 'prod' },
      'NOT_FOUND',
      /Name one of: stable/,
    ],
    [
      'in a repository that is not there',
      { patterns: ['*'], repository: 'harbor-9-x86_64-bas' },
      'NOT_FOUND',
      /mean/,
    ],
    ['with a reason of two lines', { patterns: ['*'], reason: 'a\nSluice-Verb: sync' }, 'MALFORMED', /./],
  ])('is refused %s, with the next step', async (_, o, code, hint) => {
    const before = mainText(site);
    const request = ask({ patterns: ['harbor-shell'], ...o });
    await expect(hold(site.world(), request)).rejects.toMatchObject({
      code,
      hint: expect.stringMatching(hint),
    });
    expect(mainText(site)).toBe(before);
    expect(await pullsOf(site)).toEqual([]);
  });

  it('is one pull request, recomputed at the merge; promotions then go by it; the same again renews; unhold lets go', async () => {
    const original = mainText(site);
    const [proposed] = await hold(site.world(), ask({ patterns: ['harbor-libc'], tier: 'stable' }));
    const [again] = await hold(site.world(), ask({ patterns: ['harbor-libc'], tier: 'stable' }));
    expect(again?.pull).toEqual({ ...proposed?.pull, outcome: 'unchanged' });
    await pullMerge(site.world(), proposed?.pull?.number ?? 0);
    expect(mainText(site)).toBe(
      `${original.replace(/(tiers:\n(?: .*\n)*)/, '$1holds:\n  - glob: "harbor-libc"\n    tier: stable\n    reason: "logins break"\n    owner: "@acme/ops"\n    until: 2026-04-05\n')}`,
    );
    await site.promote('stable');
    const [pull] = await pullsOf(site);
    expect(pull?.body).toMatch(/harbor-libc \| 2\.34-100\.h9 \| 1 \| held by harbor-libc: logins break/);
    await pullClose(site.world(), pull?.number ?? 0, undefined);

    const longer = ask({ patterns: ['harbor-libc'], tier: 'stable', until: '2026-06-01' });
    const [renewed] = await hold(site.world(), longer);
    expect(renewed?.plan.follows?.notes[0]).toMatch(
      /infra\.yaml:\d+:\d+ harbor-libc: until: 2026-04-05 → 2026-06-01$/,
    );
    await pullMerge(site.world(), renewed?.pull?.number ?? 0);
    expect(mainText(site)).toContain('until: 2026-06-01');

    await expect(unhold(site.world(), ask({ patterns: ['harbor-shell'] }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'It holds harbor-libc.',
    });
    const [gone] = await unhold(site.world(), ask({ patterns: ['harbor-libc'], reason: 'mended' }));
    expect(gone?.plan.follows?.effects).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ build: 'harbor-libc-2.34-100.h9.x86_64', what: 'may move now' }),
        expect.objectContaining({ build: 'harbor-shell-5.1.8-9.h9.x86_64', what: 'may move now' }),
      ]),
    );
    await pullMerge(site.world(), gone?.pull?.number ?? 0);
    expect(mainText(site)).toBe(original);
  });

  it('a name that patterns cover is not let go of by its name', async () => {
    const [one] = await hold(site.world(), ask({ patterns: ['^harbor-l.*$', 'harbor-t*'] }));
    await pullMerge(site.world(), one?.pull?.number ?? 0);
    await expect(unhold(site.world(), ask({ patterns: ['harbor-log'] }))).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(
        /covered by \^harbor-l\.\*\$ \(@acme\/ops, until 2026-04-05, policies.*:\d+:\d+\)/,
      ),
      hint: expect.stringContaining("sluice unhold '^harbor-l.*$' --team infra"),
    });
    const [gone] = await unhold(site.world(), ask({ patterns: ['^harbor-l.*$', 'harbor-t*'] }));
    await pullMerge(site.world(), gone?.pull?.number ?? 0);
    expect(mainText(site)).not.toContain('holds');
  });

  it('--source holds all that is built from it', async () => {
    const [shown] = await hold(site.world(), ask({ patterns: ['kernel'], source: true, how: 'show' }));
    expect(shown?.files.get(TEAM)).toContain('source: "^kernel$"');
    expect(shown?.plan.follows?.notes.join()).toMatch(/kernel-core/);
  });

  it('whoever changed the pull request beyond the plan needs an approval', async () => {
    const [proposed] = await hold(site.world(), ask({ patterns: ['harbor-edit'] }));
    const number = proposed?.pull?.number ?? 0;
    const git = (...args: string[]) =>
      execFileSync('git', [
        '-C',
        site.repoDir,
        '-c',
        'user.name=E',
        '-c',
        'user.email=e@example.org',
        ...args,
      ]);
    const [pull] = await pullsOf(site);
    git('fetch', '-q', 'origin', `${pull?.branch}:refs/heads/mine`);
    git('checkout', '-q', 'mine');
    execFileSync('sed', ['-i', 's/2026-04-05/2029-04-05/', join(site.repoDir, TEAM)]);
    git('commit', '-qam', 'longer');
    git('push', '-q', 'origin', `mine:${pull?.branch}`);
    git('checkout', '-q', 'main');
    await expect(pullMerge(site.world(), number)).rejects.toMatchObject({ code: 'PLAN_DIFFERS' });
    await pullClose(site.world(), number, undefined);
  });
});

describe('the end of a hold', () => {
  it('is named a week before, renewed by one pull request each, and stays in force after it', async () => {
    const [one] = await hold(site.world(), ask({ patterns: ['harbor-libc'], until: '10d' }));
    await pullMerge(site.world(), one?.pull?.number ?? 0);
    const [two] = await hold(
      site.world(),
      ask({ patterns: ['^harbor-(cron|log)$'], until: '9d', reason: 'a load test' }),
    );
    await pullMerge(site.world(), two?.pull?.number ?? 0);
    site.output();
    expect(await checkWorkTree(site.world())).toBe(true);
    expect(site.output()).not.toContain('the hold of');
    expect(
      await renewHolds(site.world(), { team: undefined, until: undefined, how: 'propose', all: false }),
    ).toEqual([]);

    site.days(4);
    site.output();
    expect(await checkWorkTree(site.world())).toBe(true);
    expect(site.output()).toMatch(
      /warning: policies\/teams\/infra\.yaml:\d+:5: POLICY_INVALID: the hold of harbor-libc in infra ends until 2026-01-15, in 6 days: logins break \(@acme\/ops\); it keeps 1 package\. Renew it: sluice hold 'harbor-libc' --team infra .*; or drop it: sluice unhold 'harbor-libc'/,
    );

    await listHolds(site.world(), { team: undefined });
    const listed = site.output();
    expect(listed).toMatch(
      /infra: harbor-libc \(@acme\/ops, until 2026-01-15, in 6 days\)\n {2}logins break\n/,
    );
    expect(listed).toMatch(
      /keeps 1 build back for 6 days; matches 1 name\n {4}infra\/stable {2}harbor-libc-2\.34-100\.h9\.x86_64 {2}has 2\.34-60\.h9 {2}since 2026-01-03/,
    );
    expect(listed).toMatch(
      /infra: 3 of \d+ \([\d.]+ %\) pinned names are held, 1 of 2 \(50 %\) in profiles\/web\.txt/,
    );

    const renew = { team: undefined, until: undefined, how: 'propose', all: false } as const;
    const due = await renewHolds(site.world(), renew);
    expect(due.map((d) => d.pull?.outcome)).toEqual(['opened', 'opened']);
    site.days(1);
    expect((await renewHolds(site.world(), renew)).map((d) => d.pull?.outcome)).toEqual([
      'unchanged',
      'unchanged',
    ]);
    const bodies = (await pullsOf(site)).map((p) => `${p.title}\n${p.body}`).join();
    expect(bodies).toContain('Renew the hold of harbor-libc in infra until 2026-02-14');
    expect(bodies).toMatch(
      /it keeps back harbor-libc-2\.34-100\.h9\.x86\\_64 in infra\/stable, since 2026-01-03/,
    );

    site.days(30); // both have ended, and nobody did anything
    await expect(site.change({ [TEAM]: (text) => `${text}# a comment\n` })).rejects.toMatchObject({
      code: 'HELD',
      hint: expect.stringContaining('Renew it: sluice hold'),
    });
    site.output();
    const number = await site.promote('stable');
    await pullMerge(site.world(), number ?? 0); // what no hold matches moves
    expect(mainText(site, `snapshots/infra/stable/${BASE}.yaml`)).toContain(
      'harbor-libc.x86_64: "2.34-60.h9"',
    );
    await expect(
      site.change({ [`snapshots/infra/stable/${BASE}.yaml`]: (t) => t, [TEAM]: (t) => `${t}# once more\n` }),
    ).rejects.toMatchObject({ code: 'HELD' });

    const [libc] = await unhold(site.world(), ask({ patterns: ['harbor-libc'], reason: 'done' }));
    await pullMerge(site.world(), libc?.pull?.number ?? 0); // one of two: a step in the right direction
    const [left] = await renewHolds(site.world(), renew);
    await pullMerge(site.world(), left?.pull?.number ?? 0);
    expect(mainText(site)).toMatch(/until: 2026-03-15/);
    const open = await pullsOf(site);
    expect(open.filter((p) => p.branch.includes('renewal'))).toEqual([]);
  });
});
