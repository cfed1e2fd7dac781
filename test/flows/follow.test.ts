import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hotfixAndFollow } from '../../src/flows/follow.ts';
import { type HotfixRequest, hotfix } from '../../src/flows/hotfix.ts';
import { fill } from '../../src/flows/promote.ts';
import { pullApprove, pullClose, pullMerge } from '../../src/flows/pull.ts';
import { Args } from '../../src/flows/verb.ts';
import { HOTFIX } from '../../src/flows/verbs-hotfix.ts';
import type { PullRequest } from '../../src/forge/forge.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { CLI } from '../fixtures/cli.ts';
import { git } from '../fixtures/gitHistory.ts';
import { type Site, siteAgain } from './site.ts';
import { makeWaveSite } from './waveSite.ts';

const SET = 'harbor-9-x86_64';
const FIX = 'ver="3.0.7" rel="25.h9_1"';

const waveSite = siteAgain((dir) => makeWaveSite(dir, 'full'));

const REQUEST: HotfixRequest = {
  named: ['harbor-tls'],
  team: 'infra',
  to: 'stable',
  reason: 'exploited since this morning',
  overrideHolds: undefined,
  sync: false,
  how: 'propose',
  all: false,
};

function follow(site: Site, o: Partial<HotfixRequest> & { readonly json?: boolean } = {}): Promise<void> {
  const { json = false, ...request } = o;
  const began = performance.now();
  const world = { ...site.world(), json, elapsed: () => performance.now() - began };
  return hotfixAndFollow(world, { ...REQUEST, ...request }, { pollMs: 20 });
}

function forgeOf(site: Site) {
  return openLocalForge(`${site.repoDir}.git`);
}

/** The open hotfix, as soon as there is one. */
async function proposed(site: Site): Promise<PullRequest> {
  for (;;) {
    const open = await (await forgeOf(site)).list({ state: 'open' });
    const found = open.find(({ labels }) => labels.includes('sluice:hotfix'));
    if (found) return found;
    await pause(20);
  }
}

/** Until it was said. */
async function saying(site: Site, words: string): Promise<string> {
  for (let said = ''; ; said += site.output()) {
    if (said.includes(words)) return said;
    await pause(20);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function as(site: Site, by: string) {
  return { ...site.world(), by };
}

/** What clients of a tier read. */
async function isPublished(site: Site, team: string, tier: string): Promise<boolean> {
  const repodata = join(site.mirrorDir, 'public', `${team}-${tier}-${SET}-base`, 'repodata');
  const primary = readdirSync(repodata).find((name) => name.includes('primary.xml')) ?? '';
  const text = await decompressAll(readFileSync(join(repodata, primary)), { maxBytes: 1 << 24, at: primary });
  return text.toString('utf8').includes(FIX);
}

describe('hotfix --follow', () => {
  it('waits for somebody else’s approval of the head that is there, then merges and publishes', async () => {
    const site = await waveSite();
    await site.publish();
    site.output();
    expect(await isPublished(site, 'infra', 'stable')).toBe(false);
    const following = follow(site, { json: true });
    const { number, head } = await proposed(site);
    await pullApprove(as(site, 'Tester <tester@example.org>'), number); // who proposed it, by another spelling
    await pause(200);
    const forge = await forgeOf(site);
    expect(await forge.get(number)).toMatchObject({ state: 'open', head });
    await pullApprove(as(site, 'Ann'), number);
    await following;
    const said = site.output();
    const json = JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1));
    const merged = await forge.get(number);
    expect(merged).toMatchObject({ state: 'merged', mergedBy: 'tester', head });
    expect(json.merged).toEqual([{ number, commit: merged.mergeCommit, by: 'tester' }]);
    expect(json.plans).toMatchObject([{ verb: 'hotfix', pull: { number, outcome: 'opened' } }]);
    expect(json.published.commit).toBe(merged.mergeCommit);
    expect(json.steps.map(({ step }: { step: string }) => step)).toEqual([
      'planned',
      'proposed',
      'waited for the review of',
      'checked',
      'merged',
      'published',
    ]);
    const [, , waited] = json.steps;
    expect(waited).toMatchObject({ pull: number });
    expect(waited.seconds).toBeGreaterThan(0.15);
    const sum = json.steps.reduce((n: number, { seconds }: { seconds: number }) => n + seconds, 0);
    expect(json.seconds).toBeCloseTo(sum, 1);
    expect(said).toContain(`#${number} waits for somebody else than tester: sluice pr approve ${number}`);
    expect(said).toMatch(/^checked #\d+: \d+\.\d s$/m);
    expect(said).not.toContain('to go on');
    for (const tier of ['unstable', 'stable']) expect(await isPublished(site, 'infra', tier)).toBe(true);
  });

  it('of all teams together follows one pull request; merged by somebody, it is published', async () => {
    const site = await waveSite();
    const policy = readFileSync(join(site.repoDir, 'policies/teams/infra.yaml'), 'utf8');
    await site.change({ 'policies/teams/web.yaml': policy.replace('team: infra', 'team: web') });
    for (const tier of ['unstable', 'stable']) {
      const request = { team: 'web', tier, like: 'infra', how: 'propose', all: false } as const;
      await site.merge((await fill(site.world(), request))[0]?.pull?.number);
    }
    const following = follow(site, { team: undefined, together: true });
    const { number, title, trailers } = await proposed(site);
    expect(title).toContain('of infra and web');
    expect(trailers.filter(([key]) => key === 'Sluice-Team')).toEqual([
      ['Sluice-Team', 'infra'],
      ['Sluice-Team', 'web'],
    ]);
    const clone = join(site.dir, 'ann');
    git(site.dir, 'clone', '-q', `${site.repoDir}.git`, clone);
    await pullMerge({ ...as(site, 'Ann'), repoDir: clone }, number);
    await following;
    expect(site.output()).toContain(`#${number} was merged by Ann`);
    expect(await (await forgeOf(site)).list({ state: 'open' })).toEqual([]);
    for (const team of ['infra', 'web']) {
      for (const tier of ['unstable', 'stable']) expect(await isPublished(site, team, tier)).toBe(true);
    }
  });

  it('takes no approval of another head, says where the head changed, and stops where it is closed', async () => {
    const site = await waveSite();
    const [first] = await hotfix(site.world(), REQUEST);
    const number = first?.pull?.number ?? 0;
    const forge = await forgeOf(site);
    const { branch, head } = await forge.get(number);
    const bare = `${site.repoDir}.git`;
    const other = git(bare, 'commit-tree', `${head}^{tree}`, '-p', head, '-m', 'Nothing');
    git(bare, 'update-ref', `refs/heads/${branch}`, other, head);
    await forge.approve(number, { by: 'Ann', now: site.now });
    git(bare, 'update-ref', `refs/heads/${branch}`, head, other); // what she approved of is not there any more
    const following = follow(site);
    const stopped = expect(following).rejects.toMatchObject({ message: `#${number} was closed` });
    const said = await saying(site, 'waits for somebody else');
    const more = git(bare, 'commit-tree', `${head}^{tree}`, '-p', other, '-m', 'More');
    git(bare, 'update-ref', `refs/heads/${branch}`, more, head);
    expect(said + (await saying(site, 'it has changed'))).toContain(`#${number} (it has changed) waits`);
    await pullClose(as(site, 'Ann'), number, undefined);
    await stopped;
    expect(site.output()).toContain(`to go on: sluice pr merge ${number}, then sluice publish`);
  });

  it('is of a pull request', async () => {
    const values = { team: 'infra', to: 'stable', reason: 'r', follow: true };
    const site = await waveSite();
    const run = HOTFIX.run(site.world(), new Args(['harbor-tls'], values));
    await expect(run).rejects.toMatchObject({ code: 'USAGE', hint: 'Add --propose.' });
  });

  it('ended by ctrl-C says how to go on, and the same command goes on', async () => {
    const site = await waveSite();
    const args = ['hotfix', 'harbor-tls', '--team', 'infra', '--to', 'stable', '--reason', 'exploited'];
    const where = ['--repo', site.repoDir, '--mirror', site.mirrorDir, '--now', site.now.toISOString()];
    const child = spawn(process.execPath, [
      CLI,
      ...args,
      '--propose',
      '--follow',
      '--by',
      'tester',
      ...where,
    ]);
    let said = '';
    const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)));
    child.stdout.resume();
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('waits for somebody else')) child.kill('SIGINT');
    });
    expect(await ended).toBe('SIGINT');
    const { number } = await proposed(site);
    expect(said).toContain(`to go on: sluice pr merge ${number}, then sluice publish; or the same command`);
    await pullApprove(as(site, 'Ann'), number);
    await follow(site, { reason: 'exploited' });
    expect(await (await forgeOf(site)).get(number)).toMatchObject({ state: 'merged' });
    expect(await isPublished(site, 'infra', 'stable')).toBe(true);
  });
});
