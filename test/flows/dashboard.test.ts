import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { Fault } from '../../src/base/fault.ts';
import { obey } from '../../src/flows/commands.ts';
import { showDashboard, writeDashboard } from '../../src/flows/dashboard.ts';
import { promote } from '../../src/flows/promote.ts';
import { sync } from '../../src/flows/sync.ts';
import { readLooks } from '../../src/flows/sync-record.ts';
import { type GithubSite, onGithub } from './githubSite.ts';
import { siteAgain } from './site.ts';
import { makeWaveSite } from './waveSite.ts';

const HELD = { glob: 'harbor-cron', reason: 'until the audit', owner: '@acme/ops', until: '2026-04-01' };
const wave = siteAgain(async (dir) => {
  const site = await makeWaveSite(dir);
  site.days(3);
  await site.change({
    'policies/teams/infra.yaml': (text) => `${text}holds:\n  - ${JSON.stringify(HELD)}\n`,
  });
  return site;
});
const PROMOTE = { packages: [], team: 'infra', to: 'unstable', how: 'propose', all: false } as const;
const BRANCH = 'sluice/promote/infra/unstable/harbor-9-x86_64';

const boards = ({ forge }: GithubSite) => forge.state.issues.filter(({ pull }) => !pull);
/** As a person does in a browser, which sends CRLF. */
function tick(g: GithubSite, number: number, what: string) {
  const issue = g.forge.state.issue(number);
  const before = issue?.body ?? '';
  const after = before.replace(`- [ ] <!-- sluice:${what} -->`, `- [x] <!-- sluice:${what} -->`);
  expect(after).not.toBe(before);
  if (issue) issue.body = after.replaceAll('\n', '\r\n');
  g.site.now = new Date(g.site.now.getTime() + 60_000);
}

it('one issue says what waits, what is held, what is open and how fresh it is; without news nothing is written', async () => {
  const g = await onGithub(await wave());
  await sync(g.world(), { upstreams: [], how: 'propose', all: false });
  await promote(g.world(), PROMOTE);
  await writeDashboard(g.world());
  const [board] = boards(g);
  expect(board?.title).toBe('Staging dashboard');
  const body = board?.body ?? '';
  expect(body).toMatch(/\| #1 \| Promote \d+ source packages to infra\/unstable/);
  expect(body).toMatch(/\| harbor-9-x86_64-base \| 2026-01-18 \| 20\d\d-\d\d-\d\d \| no limit of age \|/);
  expect(body).toMatch(/\| infra\/unstable harbor-9-x86_64 \| 2 \| 3 days \| 2 held \|/);
  expect(body).toContain('held by harbor-cron: until the audit \\(@\u200bacme/ops, until 2026-04-01\\)');
  expect(body).toContain('- [ ] <!-- sluice:promote infra/unstable harbor-9-x86_64 harbor-cron -->');

  const from = g.forge.requests.length;
  g.site.now = new Date(g.site.now.getTime() + 3_600_000);
  await writeDashboard(g.world());
  const asked = g.forge.requests.slice(from).filter(({ route }) => !route.startsWith('git '));
  expect(asked.filter(({ method }) => method !== 'GET')).toEqual([]);
  expect(asked.length).toBeLessThanOrEqual(10);

  g.site.output();
  await showDashboard(g.world());
  expect(g.site.output().trim()).toBe(body.replace(/\n*<!-- sluice:comment dashboard -->$/, ''));
}, 60_000);

it('boxes are obeyed and empty again; forged ones, and those in people’s notes, are nothing', async () => {
  const g = await onGithub(await wave());
  await promote(g.world(), PROMOTE);
  const number = g.pullOn(BRANCH) as number;
  await writeDashboard(g.world());
  const [board] = boards(g);
  const on = board?.number as number;
  const pull = () => g.forge.state.issue(number);
  const first = pull()?.pull?.headSha;

  const issue = pull();
  if (issue) issue.body += '\n- [x] <!-- sluice:rebuild --> below the marker: a note';
  const theirs = g.forge.state.id();
  g.forge.state.issues.push({
    ...(board as NonNullable<typeof board>),
    ...{ id: theirs, number: g.forge.state.issues.length + 1, by: g.forge.state.actor('mallory') },
    body: `- [x] <!-- sluice:sync --> x\n\n<!-- sluice:comment dashboard -->`,
  });
  await obey(g.world());
  expect(pull()?.pull?.headSha).toBe(first);

  tick(g, number, 'rebuild');
  await obey(g.world());
  expect(pull()?.pull?.headSha).not.toBe(first);
  expect(pull()?.body).toContain('- [ ] <!-- sluice:rebuild -->');
  expect(pull()?.body).toContain('below the marker: a note');

  tick(g, on, 'promote infra/unstable harbor-9-x86_64 harbor-cron');
  tick(g, on, `rebuild ${number}`);
  const second = pull()?.pull?.headSha;
  await obey(g.world());
  expect(g.pullOn(`${BRANCH}+harbor-cron`)).toBeDefined();
  expect(pull()?.pull?.headSha).not.toBe(second);
  expect(boards(g)[0]?.body).not.toContain('- [x]');
  g.say(on, '/sluice rebuild');
  g.say(on, '/sluice explain harbor-cron');
  await obey(g.world());
  expect(g.said(on).join()).toContain('this is no pull request');
  expect(g.said(on).join()).toContain('harbor-cron.x86_64 in harbor-9-x86_64-base');
  const count = g.forge.state.comments.length;
  await obey(g.world());
  expect(g.forge.state.comments).toHaveLength(count);

  g.forge.state.close(g.forge.state.issue(number) as never, g.forge.state.actor('anna'), null);
  await writeDashboard(g.world());
  expect(boards(g)[0]?.body).toContain('### Declined');
  tick(g, on, `again ${number}`);
  await obey(g.world());
  expect(g.pullOn(BRANCH)).toBeGreaterThan(number);
}, 60_000);

it('what people ticked and nobody has done yet stays ticked when there is other news', async () => {
  const g = await onGithub(await wave());
  await writeDashboard(g.world());
  const on = boards(g)[0]?.number as number;
  const what = 'promote infra/unstable harbor-9-x86_64 harbor-cron';
  tick(g, on, what);
  await promote(g.world(), PROMOTE);
  await writeDashboard(g.world());
  expect(boards(g)[0]?.body).toContain('### Open pull requests');
  expect(boards(g)[0]?.body).toContain(`- [x] <!-- sluice:${what} -->`);
  await obey(g.world());
  expect(g.pullOn(`${BRANCH}+harbor-cron`)).toBeDefined();
  expect(boards(g)[0]?.body).not.toContain('- [x]');
}, 60_000);

it('one that people closed is opened anew; of two that were opened at once the older one stays', async () => {
  const g = await onGithub(await wave());
  await Promise.all([writeDashboard(g.world()), writeDashboard(g.world())]);
  const open = () => boards(g).filter(({ state }) => state === 'open');
  expect(open()).toHaveLength(1);
  const [first] = open();
  g.forge.state.close(first as never, g.forge.state.actor('anna'), 'completed');
  g.forge.faults.add({ kind: '502-after', method: 'POST', route: 'issues/create' });
  await writeDashboard(g.world());
  expect(open()).toHaveLength(1);
  expect(open()[0]?.number).not.toBe(first?.number);
}, 60_000);

it('a code host that refuses the proposal is no trouble of the upstream; a vendor that is gone is', async () => {
  const site = await wave();
  await layDemoUpstream(site.vendor, 'later');
  site.days(1);
  const trouble = async () => [...(await readLooks(site.mirrorDir)).values()].map((look) => look.trouble);
  const propose = () => sync(site.world(), { upstreams: [], how: 'propose', all: false });
  const git = (...args: string[]) => execFileSync('git', ['-C', `${site.repoDir}.git`, ...args]);
  git('branch', 'sluice', 'main'); // beside it there is no room for sluice/sync/…
  await expect(propose()).rejects.toMatchObject({ code: expect.stringMatching(/^(?:GIT|FORGE)/) });
  expect(new Set(await trouble())).toEqual(new Set([null]));
  git('branch', '-D', 'sluice');
  await rm(site.vendor, { recursive: true });
  await expect(propose()).rejects.toBeInstanceOf(Fault);
  expect(await trouble()).not.toContain(null);
});
