import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { obey } from '../../src/flows/commands.ts';
import { forgeOf } from '../../src/flows/forge-of.ts';
import { promote } from '../../src/flows/promote.ts';
import { checkPull, pullComment, pullShow } from '../../src/flows/pull.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { type GithubSite, onGithub } from './githubSite.ts';
import { siteAgain } from './site.ts';
import { makeWaveSite } from './waveSite.ts';

const wave = siteAgain(async (dir) => {
  const site = await makeWaveSite(dir);
  site.days(3);
  return site;
});
const BRANCH = 'sluice/promote/infra/unstable/harbor-9-x86_64';
const PROMOTE = { packages: [], team: 'infra', to: 'unstable', how: 'propose', all: false } as const;
/** All that the wave brings but for three parts. */
const MOST =
  '/sluice drop harbor-audit harbor-db harbor-libc harbor-log harbor-release harbor-tzdata harbor-web kernel';

async function start() {
  const g = await onGithub(await wave());
  await promote(g.world(), PROMOTE);
  const number = g.pullOn(BRANCH) as number;
  g.site.output();
  return { ...g, number };
}

const pullOf = async (g: GithubSite, number: number) => {
  const world = g.world();
  return (await forgeOf(world, await openRepository(g.site.repoDir))).get(number);
};
/** What the check says of it: nothing, and that it is its plan. */
async function expectGreen(g: GithubSite, number: number) {
  const verdict = await checkPull(g.world(), await openRepository(g.site.repoDir), await pullOf(g, number));
  expect(verdict).toMatchObject({ complaints: [], differences: [] });
}
const writes = (g: GithubSite, from: number) =>
  g.forge.requests
    .slice(from)
    .filter((r) => !['GET', 'HEAD'].includes(r.method) && !r.route.startsWith('git '));
const asks = (g: GithubSite, from: number) =>
  g.forge.requests.slice(from).filter((r) => !r.route.startsWith('git '));
const answersTo = (g: GithubSite, on: number, id: number) =>
  g.said(on).filter((text) => text.endsWith(`<!-- sluice:comment command-${id} -->`));

describe('who is obeyed, and what is a command', () => {
  it('each command has one answer; what only looks like one, and what is said by others, has none', async () => {
    const g = await start();
    const { number } = g;
    const explain = g.say(number, '/sluice explain harbor-shell');
    const hold = g.say(
      number,
      '/sluice hold harbor-tls* until 60d because x: "y" #1 `id` $(id) Sluice-Now: 1 <!-- --> | @all **b**\nSluice-Verb: rollback',
    );
    const skip = g.say(number, '/sluice hold harbor-cron until 60d because [skip ci]');
    const unknown = g.say(number, '/sluice drop harbor-nothing');
    const edited = g.say(number, '/sluice split');
    const comment = g.forge.state.comments.find(({ id }) => id === edited);
    if (comment) comment.updatedAt = new Date(g.site.now.getTime() + 1000).toISOString();
    const none = ['> /sluice split', '```\n/sluice split\n```', 'as anna says\n/sluice split'].map((text) =>
      g.say(number, text),
    );
    none.push(
      g.say(number, '/sluice split', 'sluice[bot]'),
      g.say(number, '/sluice split', 'github-actions[bot]'),
    );
    for (let i = 0; i < 3; i += 1) none.push(g.say(number, '/sluice rebuild', 'mallory'));
    const head = (await pullOf(g, number)).head;
    await obey(g.world());

    expect(answersTo(g, number, explain).join()).toMatch(/→ unstable +5\.1\.8-9\.h9 +may move now/);
    expect(answersTo(g, number, hold).join()).toContain('Proposed: #2 opened.');
    expect(answersTo(g, number, skip).join()).toMatch(/\*\*Not done:\*\*.*skip its checks/);
    expect(answersTo(g, number, unknown).join()).toContain('1 does not move harbor-nothing');
    expect(answersTo(g, number, edited).join()).toContain('was edited');
    for (const id of [explain, hold, skip, unknown, edited]) expect(answersTo(g, number, id)).toHaveLength(1);
    for (const id of none) expect(answersTo(g, number, id)).toEqual([]);
    const notes = g.said(number).filter((text) => text.includes('people who may write'));
    expect(notes).toHaveLength(1);
    expect((await pullOf(g, number)).head).toBe(head);

    const held = await pullOf(g, 2);
    expect(held.trailers.filter(([key]) => key === 'Sluice-Verb')).toEqual([['Sluice-Verb', 'hold']]);
    expect(held.trailers).toContainEqual(['Sluice-Owner', '@anna']);
    await expectGreen(g, 2);
    expect(held.body).not.toMatch(/@all|\*\*b\*\*|<!-- -->/);

    const [from, count] = [g.forge.requests.length, g.forge.state.comments.length];
    await obey(g.world());
    expect(g.forge.state.comments).toHaveLength(count);
    expect(writes(g, from)).toEqual([]);
    expect(asks(g, from).length).toBeLessThanOrEqual(5); // comments, mallory, pull requests, issues
  }, 60_000);

  it('an answer that a gateway swallowed, two runs at once, and runs that were cut off give one answer', async () => {
    const g = await start();
    const { number } = g;
    const first = g.say(number, '/sluice explain harbor-cron');
    g.forge.faults.add({ kind: '502-after', method: 'POST', route: 'issues/create-comment' });
    await obey(g.world());
    expect(g.forge.faults.unmet).toEqual([]);
    expect(answersTo(g, number, first)).toHaveLength(1);

    const both = g.say(number, '/sluice promote harbor-cron');
    await Promise.all([obey(g.world()), obey(g.world())]);
    expect(answersTo(g, number, both)).toHaveLength(1);
    expect(g.forge.state.openPulls).toHaveLength(2);

    const cut = g.say(number, '/sluice explain harbor-edit');
    g.forge.faults.add({ kind: '502', method: 'POST', route: 'issues/create-comment' });
    await expect(obey(g.world())).rejects.toMatchObject({ code: 'NETWORK' });
    await obey(g.world());
    expect(answersTo(g, number, cut)).toEqual([]); // the other run may still be at it
    g.site.now = new Date(g.site.now.getTime() + 61 * 60_000);
    await obey(g.world());
    expect(answersTo(g, number, cut)).toHaveLength(1);

    const poison = g.say(number, '/sluice explain harbor-web');
    for (let run = 0; run < 3; run += 1) {
      g.forge.faults.add({ kind: '502', method: 'POST', route: 'issues/create-comment' });
      await expect(obey(g.world())).rejects.toMatchObject({ code: 'NETWORK' });
      g.site.now = new Date(g.site.now.getTime() + 61 * 60_000);
    }
    await obey(g.world());
    expect(answersTo(g, number, poison).join()).toContain('begun three times');
  }, 60_000);
});

describe('what a pull request has', () => {
  it('drop leaves packages out with what needs them, for the check and for later runs; rebuild brings them back', async () => {
    const g = await start();
    const { number, forge } = g;
    const whole = await pullOf(g, number);
    forge.state.reviews.push({
      ...{ id: 9000, pull: number, by: forge.state.actor('anna'), body: '', state: 'APPROVED' },
      ...{ commit: whole.head, at: forge.state.now() },
    });
    const id = g.say(number, '/sluice drop harbor-libc kernel');
    await obey(g.world());
    const answer = answersTo(g, number, id).join();
    expect(answer).toContain('`harbor-shell-5.1.8-9.h9.x86_64`'); // it needs that libc
    expect(answer).toContain('/sluice hold harbor-libc kernel until 2026-02-17 because …');
    const less = await pullOf(g, number);
    expect(less.trailers.filter(([key]) => key === 'Sluice-Dropped')).toEqual([
      ['Sluice-Dropped', 'harbor-libc by anna'],
      ['Sluice-Dropped', 'kernel by anna'],
    ]);
    expect(less.body).toContain('left out of this pull request');
    expect(await (await forgeOf(g.world(), await openRepository(g.site.repoDir))).diff(number)).not.toMatch(
      /^\+.*(harbor-libc|harbor-shell|kernel)/m,
    );
    await expectGreen(g, number);
    const from = forge.requests.length;
    await promote(g.world(), PROMOTE);
    expect(writes(g, from)).toEqual([]);
    expect((await pullOf(g, number)).head).toBe(less.head);

    g.say(
      number,
      '/sluice drop harbor-audit harbor-cron harbor-edit harbor-monitor harbor-tls harbor-db harbor-release harbor-tzdata harbor-web harbor-log',
    );
    await obey(g.world());
    expect(g.said(number).at(-1)).toContain('nothing would be left');

    const clone = join(g.site.dir, 'anna');
    execFileSync('git', ['clone', '-q', '-b', BRANCH, forge.dir, clone]);
    writeFileSync(join(clone, 'README.md'), 'mine\n');
    execFileSync('git', ['-C', clone, 'add', '-A']);
    execFileSync('git', ['-C', clone, '-c', 'user.name=A', '-c', 'user.email=a@b', 'commit', '-qm', 'mine']);
    execFileSync('git', ['-C', clone, 'push', '-q', 'origin', BRANCH]);
    await forge.refresh();
    g.say(number, '/sluice drop harbor-cron');
    await obey(g.world());
    expect(g.said(number).at(-1)).toContain("has commits that are not the bot's");
    g.say(number, '/sluice rebuild');
    await obey(g.world());
    expect(g.said(number).at(-1)).toContain('without the commits that people made');
    const again = await pullOf(g, number);
    expect(again.proposed).toBe(again.head);
    expect(again.trailers.filter(([key]) => key === 'Sluice-Dropped')).toEqual([]);
    await expectGreen(g, number);
  }, 60_000);

  it('split: a pull request for each part, which the check makes again and later runs keep; the tier’s own has the rest', async () => {
    const g = await start();
    const { number, forge } = g;
    g.say(number, MOST);
    await obey(g.world());
    const id = g.say(number, '/sluice split');
    await obey(g.world());
    expect(answersTo(g, number, id).join()).toContain(
      '- #2: `harbor-cron`\n- #3: `harbor-edit`\n- #4: `harbor-monitor`, `harbor-tls`',
    );
    expect(forge.state.issue(number)).toMatchObject({ state: 'closed' });
    expect(g.said(number).join()).toContain('pull requests of its own');
    for (const part of [2, 3, 4]) await expectGreen(g, part);
    expect((await pullOf(g, 4)).trailers.filter(([key]) => key === 'Sluice-Only').map(([, v]) => v)).toEqual([
      'harbor-monitor',
      'harbor-tls',
    ]);
    await promote(g.world(), PROMOTE); // what was dropped comes back, since that pull request is closed; the parts stay
    const rest = g.pullOn(BRANCH) as number;
    const has = await (await forgeOf(g.world(), await openRepository(g.site.repoDir))).diff(rest);
    expect(has).toMatch(/^\+.*harbor-libc/m);
    expect(has).not.toMatch(/^\+.*(harbor-tls|harbor-cron|harbor-edit|harbor-monitor)/m);
    await expectGreen(g, rest);
    const from = forge.requests.length;
    await promote(g.world(), PROMOTE);
    expect(writes(g, from)).toEqual([]);

    g.say(3, '/sluice split');
    await obey(g.world());
    expect(g.said(3).at(-1)).toContain('is a part already');
    forge.state.close(forge.state.issue(3) as never, forge.state.actor('anna'), null);
    await promote(g.world(), PROMOTE);
    const after = await (await forgeOf(g.world(), await openRepository(g.site.repoDir))).diff(rest);
    expect(after).toMatch(/^\+.*harbor-edit/m);
    g.say(number, '/sluice rebuild');
    await obey(g.world());
    expect(g.said(number).at(-1)).toContain('1 is closed');
  }, 90_000);
});

it('the local forge has the same commands, and the same answers', async () => {
  const site = await wave();
  const page = join(site.dir, 'summary.md');
  const job = { ...site.world(), env: { ...site.world().env, GITHUB_STEP_SUMMARY: page } };
  await promote(job, PROMOTE);
  const shown = readFileSync(page, 'utf8');
  expect(shown).toMatch(/^> 19 builds of 13 source packages move/);
  await promote(job, PROMOTE);
  expect(readFileSync(page, 'utf8')).toBe(shown); // nothing new, nothing to read
  const forge = await forgeOf(site.world(), await openRepository(site.repoDir));
  const [pull] = await forge.list({ state: 'open' });
  const number = pull?.number as number;
  expect(pull?.body).toContain('`/sluice drop NAME`');
  expect(pull?.body).not.toContain('- [ ]');
  await pullComment({ ...site.world(), by: 'Anna <anna@example.org>' }, number, ['/sluice drop kernel']);
  expect(site.output()).toContain('now: sluice commands');
  await obey(site.world());
  await obey(site.world());
  const { comments, trailers } = await forge.get(number);
  expect(comments.map(({ by }) => by)).toEqual(['Anna <anna@example.org>', 'sluice <sluice@localhost>']);
  expect(comments[1]?.text).toContain('3 builds are left out of');
  expect(trailers).toContainEqual(['Sluice-Dropped', 'kernel by Anna <anna@example.org>']);
  await forge.comment(number, { by: 'Mallory', now: site.now, text: 'red: \x1b[31m\u202ex' });
  site.output();
  await pullShow(site.world(), number, { diff: false });
  const seen = site.output();
  expect(seen).toMatch(
    /^── Anna <anna@example\.org>, \S+\n\/sluice drop kernel\n\n── sluice <[\s\S]*3 builds are left out of/m,
  );
  expect(seen).toMatch(/^red: {2}\[31m x$/m);
  expect(seen).not.toContain('sluice:comment');
  await expect(pullComment(site.world(), number, ['a', 'b'])).rejects.toMatchObject({ code: 'USAGE' });
}, 30_000);
