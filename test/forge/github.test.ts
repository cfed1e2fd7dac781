import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Draft, Forge } from '../../src/forge/forge.ts';
import { githubOf } from '../fixtures/githubForge.ts';
import { draftOf, LATER, NOW, PATH, pins } from '../fixtures/localForge.ts';
import { beginMain, testForge } from '../fixtures/testForge.ts';

const FIRST = { [PATH]: pins(), README: 'state\n' };
const NEXT = new Map([[PATH, pins({ 0: '1-3' })]]);

async function begin(kind: 'app' | 'actions' | 'key' = 'app') {
  const test = await testForge();
  await beginMain(test, FIRST);
  return { test, bot: (await githubOf(test, kind)).forge };
}

async function plan(forge: Forge, changed: Partial<Draft> = {}): Promise<Draft> {
  return draftOf(forge as Parameters<typeof draftOf>[0], { isPlan: true, labels: ['sluice'], ...changed });
}

describe('one intent, one pull request', () => {
  it('two bots at once leave one pull request, which the next run finds in order', async () => {
    const { test, bot } = await begin();
    const other = (await githubOf(test, 'app')).forge;
    const draft = await plan(bot, { labels: [] });
    await other.tip();
    const both = await Promise.allSettled([
      bot.propose(draft, { now: NOW }),
      other.propose(draft, { now: NOW }),
    ]);
    for (const one of both)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(both.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(test.state.openPulls).toHaveLength(1);
    const third = (await githubOf(test, 'app')).forge;
    expect(await third.propose(draft, { now: LATER })).toMatchObject({
      outcome: expect.stringMatching(/^u/),
    });
    const pull = await third.get(1);
    expect(pull.proposed).toBe(pull.head);
  });

  it('a head that moves between the look and the write is nobody’s loss', async () => {
    const { test, bot } = await begin();
    const { branch } = await plan(bot);
    await bot.propose(await plan(bot, { labels: [] }), { now: NOW });
    test.faults.add({ kind: 'moved-head', branch, method: 'GET', route: 'git/get-ref' });
    const next = bot.propose(await plan(bot, { files: NEXT, labels: [] }), { now: LATER });
    await expect(next).rejects.toMatchObject({ code: 'FORGE_CONFLICT' });
    expect(test.faults.unmet).toEqual([]);
    const pull = await bot.get(1);
    expect(pull.head).not.toBe(pull.proposed);
  });

  it.each(['pulls/create', 'git/create-ref', 'git/create-commit'])(
    'a 502 after %s: done once',
    async (route) => {
      const { test, bot } = await begin();
      test.faults.add({ kind: '502-after', method: 'POST', route });
      expect(await bot.propose(await plan(bot, { labels: [] }), { now: NOW })).toEqual({
        number: 1,
        outcome: 'opened',
      });
      expect(test.faults.unmet).toEqual([]);
      expect(test.state.openPulls).toHaveLength(1);
      expect(test.requests.filter((r) => r.method === 'POST' && r.route.endsWith('/pulls'))).toHaveLength(1);
    },
  );

  it('is frozen by an approval until the next window, and keeps it', async () => {
    const { test, bot } = await begin();
    await bot.propose(await plan(bot, { labels: [] }), { now: NOW });
    const person = (await githubOf(test, 'user', { login: 'anna' })).forge;
    await person.approve(1, { by: 'anna', now: NOW });
    const [approval] = (await bot.get(1)).approvals;
    const soon = new Date((approval?.at.getTime() ?? 0) + 86_400_000);
    const next = await plan(bot, { files: NEXT, labels: [] });
    expect(await bot.propose(next, { now: soon })).toMatchObject({ number: 1, outcome: 'frozen' });
    expect((await bot.get(1)).approvals.map(({ by }) => by)).toEqual(['anna']);
    const late = new Date(soon.getTime() + 7 * 86_400_000);
    expect(await bot.propose(next, { now: late })).toMatchObject({ outcome: 'updated' });
  });

  it('closed by people, it is not opened again for the same plan; withdrawn by the bot, it is', async () => {
    const { test, bot } = await begin();
    const draft = await plan(bot, { labels: [] });
    await bot.propose(draft, { now: NOW });
    await (await githubOf(test, 'user', { login: 'anna' })).forge.close(1, { by: 'anna', now: NOW });
    const again = (await githubOf(test, 'app')).forge;
    expect(await again.propose(draft, { now: LATER })).toMatchObject({ number: 1, outcome: 'declined' });
    expect(await again.propose({ ...draft, files: NEXT }, { now: LATER })).toMatchObject({
      number: 2,
      outcome: 'opened',
    });
    const act = { by: 'sluice', now: LATER, comment: 'Nothing is left.' };
    expect(await again.withdraw(draft.branch, act)).toBe(2);
    expect(await again.withdraw(draft.branch, act)).toBeUndefined();
    expect(await again.propose({ ...draft, files: NEXT }, { now: LATER })).toMatchObject({
      number: 3,
      outcome: 'opened',
    });
  });
});

describe('what a run costs', () => {
  it('without news at most ten requests and no write; a promotion at most thirty', async () => {
    const { test, bot } = await begin();
    const draft = await plan(bot);
    const before = test.requests.length;
    await bot.propose(draft, { now: NOW });
    expect(test.requests.length - before).toBeLessThanOrEqual(30);
    const next = (await githubOf(test, 'app')).forge;
    const from = test.requests.length;
    await next.tip();
    expect(await next.propose({ ...draft, labels: [] }, { now: LATER })).toMatchObject({
      outcome: 'unchanged',
    });
    const quiet = test.requests.slice(from);
    expect(quiet.length).toBeLessThanOrEqual(10);
    expect(quiet.filter(({ method, route }) => method !== 'GET' && !route.startsWith('git '))).toEqual([]);
  });
});

describe('tokens', () => {
  it('of an App are minted from its key, and again where one ends in mid-run', async () => {
    const { test, bot } = await begin('key');
    await bot.tip();
    const draft = await plan(bot, { labels: [] });
    test.faults.add({ kind: 'expired-token', method: 'POST', route: 'git/create-tree' });
    expect(await bot.propose(draft, { now: NOW })).toEqual({ number: 1, outcome: 'opened' });
    expect(test.faults.unmet).toEqual([]);
    expect(test.requests.filter(({ route }) => route.endsWith('/access_tokens'))).toHaveLength(2);
    expect(
      execFileSync('git', ['--git-dir', test.dir, 'log', '-1', '--format=%ae', draft.branch], {
        encoding: 'utf8',
      }),
    ).toMatch(/bot/);
  });

  it('GITHUB_TOKEN may not open pull requests unless the repository lets it: a fault says so', async () => {
    const { test, bot } = await begin('actions');
    const draft = await plan(bot, { labels: [] });
    await expect(bot.propose(draft, { now: NOW })).rejects.toMatchObject({ code: 'FORGE_REFUSED' });
    test.settings.actionsMayOpenPulls = true;
    expect(await bot.propose(draft, { now: LATER })).toMatchObject({ outcome: 'opened' });
  });

  it('are in no fault', async () => {
    const test = await testForge();
    await beginMain(test, FIRST);
    const { forge, token } = await githubOf(test, 'app', { token: 'ghs_wrong0000000000' });
    const fault = await forge.get(1).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'FORGE_REFUSED' });
    const { inspect } = await import('node:util');
    expect(inspect(fault, { depth: 9 })).not.toContain(token);
  });
});
