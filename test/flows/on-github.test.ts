import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SILENT } from '../../src/base/progress.ts';
import type { World } from '../../src/flows/context.ts';
import { hotfixAndFollow } from '../../src/flows/follow.ts';
import { RENEWAL } from '../../src/flows/hold.ts';
import { renewHolds } from '../../src/flows/hold-queue.ts';
import { HOLDS_SET, POLICY_TIER } from '../../src/flows/plan-hold.ts';
import { promote } from '../../src/flows/promote.ts';
import { freeMirror } from '../../src/flows/publish.ts';
import { pullMerge } from '../../src/flows/pull.ts';
import { sync } from '../../src/flows/sync.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { caller } from '../fixtures/testForge.ts';
import { makeRepository } from '../fixtures/upstreamRepository.ts';
import { replaySite, type Site } from '../replay/site.ts';
import { layFiles } from './hostile/attack.ts';

const TIERS = { unstable: { from: 'live' }, stable: { from: 'unstable', wait: { inParent: '3d' } } };
const HOW = { how: 'propose', all: false } as const;
const START = new Date('2026-03-02T06:00:00Z');

/** Live, unstable and stable have alpha 1.0 and beta 1.0; the vendor has alpha 2.0. */
async function begin(): Promise<Site & { vendor: string; lay(alpha: string, beta?: string): Promise<void> }> {
  const vendor = join(await tempDir(), 'vendor');
  let n = 0;
  const lay = (alpha: string, beta = '1.0') => {
    const builds = [
      { name: 'alpha', version: alpha },
      { name: 'beta', version: beta },
    ];
    n += 1;
    return layFiles(vendor, makeRepository({ builds, timestamp: 1_700_000_000 + n }));
  };
  await lay('1.0');
  const policy = { content: 'full' };
  const site = await replaySite({ start: START, baseurl: `file://${vendor}`, policy, tiers: TIERS });
  site.forge.settings.rules = undefined;
  for (const verb of ['sync', 'promote', 'promote'] as const) {
    await run(site, verb);
    for (const { number } of site.forge.state.openPulls) await merge(site, number);
    days(site, 4);
  }
  await lay('2.0');
  return Object.assign(site, { vendor, lay });
}

function days(site: Site, n: number): void {
  site.now = new Date(site.now.getTime() + n * 86_400_000);
}

function run(site: Site, verb: 'sync' | 'promote', packages: readonly string[] = []) {
  if (verb === 'sync') return sync(site.world(), { upstreams: [], ...HOW });
  const named = packages.length > 0 ? { team: 'infra', to: 'unstable' } : {};
  return promote(site.world(), { packages, ...named, ...HOW });
}

/** In the browser. */
async function merge(site: Site, number: number): Promise<void> {
  const send = caller(site.forge, site.forge.tokenOf('user'));
  const { status } = await send('PUT', `pulls/${number}/merge`, { merge_method: 'merge' });
  expect(status).toBe(200);
}

/** A person's commit on a bot's branch. */
async function commitOn(site: Site, branch: string): Promise<void> {
  const git = (...args: string[]) =>
    execFileSync(
      'git',
      ['--git-dir', site.forge.dir, '-c', 'user.name=Anna', '-c', 'user.email=a@b.c', ...args],
      {
        encoding: 'utf8',
      },
    ).trim();
  const commit = git('commit-tree', `${branch}^{tree}`, '-p', branch, '-m', 'A thought');
  git('update-ref', `refs/heads/${branch}`, commit);
  await site.forge.refresh();
}

it('a pull request that people edited is said for its scope; the other scopes go on, and whoever asked for it by name hears it', async () => {
  const site = await begin();
  await run(site, 'sync');
  const [first] = await run(site, 'promote');
  expect(first?.pull).toMatchObject({ outcome: 'opened' });
  const number = first?.pull?.number ?? 0;
  await merge(site, number);
  days(site, 4);
  await site.lay('3.0');
  await run(site, 'sync');
  const [edited, other] = await run(site, 'promote'); // 3.0 to unstable, 2.0 to stable
  expect([edited?.pull?.outcome, other?.pull?.outcome]).toEqual(['opened', 'opened']);
  const branch = site.forge.state.openPulls[0]?.pull.branch ?? '';
  await commitOn(site, branch);
  await site.lay('3.0', '2.0');
  await run(site, 'sync');
  days(site, 1);
  for (const again of [1, 2]) {
    const outcomes = (await run(site, 'promote')).map(({ pull }) => pull?.outcome);
    expect([again, ...outcomes]).toEqual([again, 'edited', 'unchanged']);
  }
  const labels = site.forge.state.issue(edited?.pull?.number ?? 0)?.labels;
  expect(labels).toContain('sluice:edited');
  expect(site.forge.state.comments).toHaveLength(1);
  const asked = await run(site, 'promote', ['beta']);
  await commitOn(site, site.forge.state.issue(asked[0]?.pull?.number ?? 0)?.pull?.branch ?? '');
  await site.lay('3.0', '3.0');
  await run(site, 'sync');
  await expect(run(site, 'promote', ['beta'])).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
});

it('hotfix --follow waits on GitHub for the approval of the present head and for its checks, asks gently, and publishes', async () => {
  const site = await begin();
  site.forge.settings.rules = {
    ...{ approvals: 1, dismissStale: true, upToDate: false },
    checks: [{ context: 'sluice/plan' }],
  };
  await run(site, 'sync');
  const live = site.forge.state.openPulls[0]?.number ?? 0;
  const send = caller(site.forge, site.forge.tokenOf('user'));
  const heads = () => site.forge.state.openPulls.map(({ pull }) => pull);
  const green = (head: string) =>
    caller(site.forge, site.forge.tokenOf('actions'))('POST', `statuses/${head}`, {
      ...{ state: 'success', context: 'sluice/plan' },
    });
  const approve = (number: number) => send('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
  await green(heads()[0]?.headSha ?? '');
  await approve(live);
  await merge(site, live);
  const said: string[] = [];
  const world: World = site.world({ progress: { ...SILENT, say: (line) => void said.push(line) } });
  const request = { named: ['alpha'], team: 'infra', to: 'stable', reason: 'exploited', sync: false };
  const following = hotfixAndFollow(world, { ...request, overrideHolds: undefined, ...HOW }, { pollMs: 30 });
  const until = async (words: string) => {
    while (!said.some((line) => line.includes(words))) await new Promise((r) => setTimeout(r, 20));
  };
  await until('waits for somebody else');
  const [pull] = heads();
  const number = site.forge.state.openPulls[0]?.number ?? 0;
  await approve(number);
  await until('is approved, and waits for what else');
  expect(site.forge.state.openPulls).toHaveLength(1);
  await commitOn(site, pull?.branch ?? ''); // what was approved of is not there any more
  await until('(it has changed) waits');
  await green(heads()[0]?.headSha ?? '');
  expect(site.forge.state.openPulls).toHaveLength(1);
  await approve(number);
  await following;
  const tip = execFileSync('git', ['--git-dir', site.forge.dir, 'rev-parse', 'main'], {
    encoding: 'utf8',
  }).trim();
  expect(site.forge.state.issue(number)?.pull?.mergeCommit).toBe(tip);
  expect(said.join('\n')).not.toContain('to go on');
  const served = execFileSync('find', [join(site.mirrorDir, 'public'), '-name', 'alpha-2*'], {
    encoding: 'utf8',
  });
  expect(served).toMatch(/alpha-2\.0/);
});

it.each([
  ['labels', { labels: ['sluice:stop-updating'] }],
  ['reviews', { event: 'APPROVE' }],
])(
  'a pull request for live that asks for a person is not merged because a newer plan, which its %s keep out, asks for none',
  async (what, body) => {
    const site = await begin();
    await layFiles(
      site.vendor,
      makeRepository({ builds: [{ name: 'alpha', version: '2.0' }], timestamp: 1_700_001_000 }),
    );
    const [first] = await run(site, 'sync');
    expect([first?.pull?.outcome, first?.plan.repositories[0]?.attention.length]).toEqual(['opened', 1]);
    const number = first?.pull?.number ?? 0;
    const issue = site.forge.state.issue(number);
    const head = issue?.pull?.headSha;
    const send = caller(site.forge, site.forge.tokenOf('user'));
    const kept = await send('POST', `${what === 'labels' ? 'issues' : 'pulls'}/${number}/${what}`, body);
    expect(kept.status).toBe(200);
    await layFiles(
      site.vendor,
      makeRepository({
        builds: ['alpha', 'beta'].map((name) => ({ name, version: name === 'alpha' ? '3.0' : '1.0' })),
        timestamp: 1_700_002_000,
      }),
    );
    const [again] = await run(site, 'sync');
    expect([again?.pull?.outcome, again?.plan.repositories[0]?.attention]).toEqual(['frozen', []]);
    expect([issue?.state, issue?.pull?.headSha]).toEqual(['open', head]);
  },
);

it('a merge tells GitHub to skip no checks, whatever people call their pull request', async () => {
  const site = await begin();
  site.forge.settings.rules = { approvals: 1, dismissStale: true, upToDate: false, checks: [] };
  await run(site, 'sync');
  site.forge.settings.rules = undefined;
  const [pull] = site.forge.state.openPulls;
  if (!pull) throw new Error('there is no pull request');
  pull.title = 'Fix a typo [skip ci] \u202e***NO_CI***';
  await pullMerge(site.world(), pull.number);
  const message = execFileSync('git', ['--git-dir', site.forge.dir, 'log', '-1', '--format=%B', 'main'], {
    encoding: 'utf8',
  });
  expect(message).toMatch(/^Merge #\d+: Fix a typo /);
  expect(message).not.toMatch(/\[skip ci\]|\*NO_CI|\u202e/);
});

it('what is to be freed is not decided where GitHub does not say which pull requests are open', async () => {
  const site = await begin();
  await run(site, 'sync');
  const token = site.forge.tokenOf('app', undefined, { contents: 'read' }); // as GITHUB_TOKEN of a job that only publishes
  const env = { SLUICE_GITHUB_THROTTLE: 'off', SLUICE_GITHUB_TOKEN: token };
  await expect(freeMirror(site.world({ env }), { dryRun: true })).rejects.toMatchObject({
    code: 'FORGE_REFUSED',
  });
});

it('of renewals that are no longer due people’s own pull requests are not closed, whatever their branch is called', async () => {
  const site = await begin();
  const branch = `sluice/hold/infra/${POLICY_TIER}/${HOLDS_SET}/${RENEWAL}mine`;
  const git = (...args: string[]) => execFileSync('git', ['--git-dir', site.forge.dir, ...args]);
  git('update-ref', `refs/heads/${branch}`, 'main');
  await commitOn(site, branch);
  const send = caller(site.forge, site.forge.tokenOf('user'));
  const { body } = await send('POST', 'pulls', { title: 'Mine', head: branch, base: 'main', body: '' });
  const issue = site.forge.state.issue(body.number);
  const renew = () => renewHolds(site.world(), { team: undefined, until: undefined, ...HOW });
  for (const fork of [undefined, 'mallory/state']) {
    if (issue?.pull && fork) issue.pull.fork = fork;
    await renew();
    expect([fork, issue?.state]).toEqual([fork, 'open']);
  }
  expect(site.forge.state.comments).toEqual([]);
});
