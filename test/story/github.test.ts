import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import type { Client } from '../fixtures/dnfClient.ts';
import { oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import type { Run } from '../testforge/actions/run.ts';
import { mergeTogether } from '../testforge/merge-queue.ts';
import { importRuleset } from '../testforge/ruleset.ts';
import type { CheckRun } from '../testforge/state.ts';
import { Clients } from './clients.ts';
import { type Block, blocksOf, permissionsOf } from './page.ts';
import { People } from './people.ts';
import { makeSetting, type Setting } from './setting.ts';

/**
 * `docs/github.md` from nothing to a rollback, as a newcomer follows it: its commands are run as they stand there, and from then on
 * the only things that happen are what people do in a browser, what the vendor does, and the steps of the workflow files that
 * `sluice init --github` wrote, which the test forge executes. After each merge dnf is asked through nginx.
 */
const PAGE = blocksOf('github.md');
/** As root, on a host with systemd; `examples.test.ts` and `watch.test.ts` have what they start. YAML is not a command. */
const NOT_HERE = [/^cp .*sluice-watch\.service/, /^npx sluice publish --watch/, /^mainSignedBy:/];
const ran = new Set<Block>();

let s: Setting;
let people: People;
let clients: Clients;
let stable: Client;

beforeAll(async () => {
  s = await makeSetting('2026-03-02T08:00:00Z');
  people = new People(s);
});
afterAll(async () => {
  clients?.stop();
  await s?.stop();
});

/** The next block of the page that is for a shell and was not run yet; it begins so. */
function next(start: string): string {
  const block = PAGE.find((b) => !ran.has(b) && b.text.startsWith(start));
  if (!block) throw new Error(`docs/github.md has no commands that begin with ${start}`);
  ran.add(block);
  return block.text;
}

/** Runs it. `seven`: the number of what the page calls pull request 7. */
async function follow(start: string, seven = 7): Promise<string> {
  return s.shell(next(start).replace(/ 7$/m, ` ${seven}`));
}

/** What ended, in turn; the logs where it is not that. */
function ended(runs: readonly Run[], ...expected: readonly string[]): void {
  const are = runs.map(
    ({ workflow: w, occasion, conclusion }) => `${w.name} on ${occasion.name}: ${conclusion}`,
  );
  const logs = runs.flatMap(({ jobs }) => jobs.map(({ log }) => log)).join('');
  expect(are, logs).toEqual(expected);
}

function logOf(runs: readonly Run[], name: string): string {
  return runs
    .filter(({ workflow }) => workflow.name === name)
    .flatMap(({ jobs }) => jobs.map(({ log }) => log))
    .join('');
}

/** The mirror's next look at what is open: the check stands on the head, as the App's. */
async function mirrorSays(number: number | undefined, conclusion = 'success'): Promise<CheckRun | undefined> {
  const issue = s.forge.state.issue(number ?? 0);
  const ofHead = () =>
    s.forge.state.checks.filter(({ name, sha }) => name === 'sluice/mirror' && sha === issue?.pull?.headSha);
  expect(ofHead()).toEqual([]);
  s.forward(await s.actions.nextSchedule('sluice-mirror'));
  ended(await s.actions.schedule('sluice-mirror'), 'mirror on schedule: success');
  expect(ofHead()).toMatchObject([{ conclusion, by: s.forge.state.actor('sluice[bot]') }]);
  return ofHead()[0];
}

/** What a merge starts on the mirror, in the order of their files' names; then clients have what main says. */
async function served(): Promise<void> {
  ended(await s.actions.settle(), 'mirror on push: success', 'publish on push: success');
  await clients.haveWhatMainSays();
}

const root = process.getuid?.() === 0; // chroot(2) is root's
/** What a run of half a minute has no time for: `npm run test:all`. */
const inAll = ALL ? it : () => {};

describe.skipIf(!oracle('dnf') || !root)('docs/github.md, followed to the letter', () => {
  it('1: the state repository, the first import, and the word that it goes to GitHub', async () => {
    await follow('export SLUICE_MIRROR');
    await follow('cd /srv/sluice/state && npm install');
    const site = join(s.state, 'policies/site.yaml');
    const text = readFileSync(site, 'utf8');
    const forge = 'forge: { github: acme/rpm-state';
    expect(readFileSync(new URL('../../docs/github.md', import.meta.url), 'utf8')).toContain(
      `\`${forge} }\``,
    );
    const there = text
      .replace('# catalogUrl:', 'catalogUrl:')
      .replace(/^forge: local$/m, `${forge}, api: "${s.forge.url}" }`); // github.com's is the default
    writeFileSync(site, there);
    await follow('git switch -c github');
    expect(await s.shell('git status --short')).toBe('');
  });

  it('2 to 4: the repository, the App, the rules; main publishes itself, and nobody pushes to it any more', async () => {
    const { forge, actions } = s;
    forge.settings.private = true;
    forge.settings.mergeMethods = ['merge'];
    forge.settings.teams = { 'acme/infra': ['anna', 'ben'] };
    Object.assign(forge.settings.access, { anna: 'write', ben: 'write' });
    await follow('git remote set-url origin');
    await follow('export SLUICE_GITHUB_TOKEN');
    forge.settings.appPermissions = permissionsOf('github.md');
    forge.settings.runners = [{ name: 'mirror', status: 'online', labels: ['sluice-mirror'] }];
    Object.assign(actions.settings.vars, { SLUICE_APP_ID: '1', SLUICE_MIRROR: s.mirror });
    const secrets = { SLUICE_APP_PRIVATE_KEY: forge.app.privateKey() };
    actions.settings.environments['sluice'] = { branches: ['main'], secrets };
    const rules = importRuleset(await s.onMain('docs/ruleset.json'));
    // "As source choose GitHub Actions for the first and your App for the second"
    const checks = rules.checks.map((check, n) => ({ ...check, appId: [15368, 1][n] ?? 0 }));
    expect(checks.map(({ context }) => context)).toEqual(['sluice/plan', 'sluice/mirror']);
    forge.settings.rules = { ...rules, checks };

    ended(await actions.settle(), 'mirror on push: success', 'publish on push: success');
    const token = forge.tokenOf('app');
    const doctor = await s.shell(`SLUICE_GITHUB_TOKEN=${token} npx sluice doctor --repo .`);
    expect(doctor.split('\n').filter((line) => /^(?:wrong|unknown)/.test(line))).toEqual([]);
    expect(doctor).toContain('workflows: 10 active');
    expect(await s.shell('git push origin HEAD~1:main --force', { fails: true })).toContain('GH013');

    clients = await Clients.of(s);
    await clients.haveWhatMainSays();
    stable = await clients.host('stable');
    await stable.dnf('install', 'harbor-tls', 'harbor-shell');
    expect(await stable.installed('harbor-tls')).toBe('harbor-tls-3.0.7-24.h9.x86_64');
  });

  it('upstream has something new: a pull request, checked, reviewed, merged, served', async () => {
    await layDemoUpstream(s.vendor, 'after');
    s.forward(await s.actions.nextSchedule('sluice-upstream'));
    const { rules } = s.forge.settings;
    if (!rules) throw new Error('main has no rules');
    s.forge.settings.rules = { ...rules, approvals: 0, codeOwners: false, lastPush: false };
    const runs = await s.actions.schedule('sluice-upstream');
    ended(runs, 'upstream on schedule: success', 'check on pull_request: success');
    expect(logOf(runs, 'upstream')).toContain("main's rules want more than its own check"); // no review, but two checks
    s.forge.settings.rules = rules;
    const [pull] = people.open();
    expect(pull).toMatchObject({ by: { login: 'sluice[bot]' }, labels: ['sluice', 'sluice:sync'] });
    expect(runs[1]?.jobs[0]?.summary).toContain('## ');

    if (ALL) await writesNothing(); // `test/forge/github.test.ts` asks for it each time
    const number = pull?.number ?? 0;
    expect(await people.merge('ben', number)).toContain('At least 1 approving review is required');
    expect(await people.approve('anna', number)).toBe(200);
    expect(await people.merge('ben', number)).toContain('"sluice/mirror" is expected');
    await mirrorSays(number);
    expect(await people.merge('ben', number)).toBe('merged');
    await served();
    expect(await follow('npx sluice verify')).toContain('all as the commit says');
  });

  /** The next look at the same upstream, while its pull request waits. */
  async function writesNothing(): Promise<void> {
    s.forward(await s.actions.nextSchedule('sluice-upstream'));
    const [events, asked] = [s.forge.state.events.length, s.forge.requests.length];
    const runs = await s.actions.schedule('sluice-upstream');
    ended(runs, 'upstream on schedule: success');
    expect(logOf(runs, 'upstream')).toContain("main's rules want more than its own check");
    const requests = s.forge.requests.slice(asked).filter(({ route }) => !/^git |installation/.test(route));
    expect(requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(requests.length).toBeLessThanOrEqual(10);
    expect(s.forge.state.events.length).toBe(events);
  }

  inAll('7: after its wait a wave moves to unstable', async () => {
    s.forward(3);
    s.forward(await s.actions.nextSchedule('sluice-promote'));
    const asked = s.forge.requests.length;
    const runs = await s.actions.schedule('sluice-promote');
    ended(runs, 'promote on schedule: success', 'check on pull_request: success');
    expect(
      s.forge.requests.slice(asked).filter(({ route }) => !route.startsWith('git ')).length,
    ).toBeLessThanOrEqual(30);
    const [pull] = people.open();
    expect(pull?.title).toMatch(/^Promote 12 source packages to infra\/unstable/);
    await mirrorSays(pull?.number);
    const hold = await asksForHold(pull?.number ?? 0);
    expect(await people.review('ben', pull?.number)).toBe('merged');
    await served();
    expect(await people.review('ben', hold)).toBe('merged');
    await served();
    expect(await s.onMain('policies/teams/infra.yaml')).toContain('the audit is not over');
  });

  /** A person asks by a comment below a pull request, and gets one answer; what he asked for is another pull request. */
  async function asksForHold(on: number): Promise<number> {
    await people.say('anna', on, '/sluice hold harbor-cron until 2026-05-04 because the audit is not over');
    const runs = await s.actions.settle();
    ended(
      runs,
      ...['ask on issue_comment: success', 'commands on workflow_dispatch: success'],
      'check on pull_request: success',
      'ask on issue_comment: skipped', // the answer is a comment, too
    );
    const [hold] = people.open();
    expect(hold).toMatchObject({ by: { login: 'sluice[bot]' }, labels: ['sluice', 'sluice:hold'] });
    const said = () => s.forge.state.comments.filter(({ issue }) => issue === on);
    expect(said().map(({ by }) => by.login)).toEqual(['anna', 'sluice[bot]']);
    expect(said()[1]?.body).toContain(`Proposed: #${hold?.number} `);
    await mirrorSays(hold?.number);
    s.forward(await s.actions.nextSchedule('sluice-commands'));
    const again = await s.actions.schedule('sluice-commands');
    ended(again, 'commands on schedule: success');
    expect(logOf(again, 'commands')).toContain('nobody asked for anything');
    expect(said().length).toBe(2);
    return hold?.number ?? 0;
  }

  it('a person who edits a pin by hand: red, at file and line, and the rules keep it out whoever approves', async () => {
    const path = 'snapshots/infra/stable/harbor-9-x86_64-base.yaml';
    const number = await people.propose('anna', 'by-hand', path, (text) =>
      text.replace(/^( {2}harbor-tls\.x86_64: ).*$/m, '$1"1:3.0.7-25.h9_1"'),
    );
    const runs = await s.actions.settle();
    ended(runs, 'check on pull_request: failure');
    expect(runs[0]?.jobs.map(({ name, conclusion }) => [name, conclusion])).toEqual([
      ['plan', 'failure'],
      ['sluice/plan', 'failure'],
    ]);
    expect(runs[0]?.jobs[0]?.notes).toContainEqual(
      expect.objectContaining({ level: 'failure', path, line: expect.any(Number) }),
    );
    expect(await people.approve('ben', number)).toBe(200);
    expect(await people.merge('ben', number)).toContain('"sluice/plan" is failing');
    await people.close('anna', number);
    await clients.haveWhatMainSays();
  });

  it('a hotfix by the form: stable has the fix today, and nothing that was typed is run', async () => {
    const trace = join(s.state, '..', 'ran');
    const reason = `CVE-2026-10108 is exploited $(touch ${trace}) \`touch ${trace}\` "; touch ${trace} ::stop-commands::x`;
    const inputs = { packages: 'CVE-2026-10108', teams: 'infra', tier: 'stable', reason };
    const runs = await s.actions.dispatch('sluice-hotfix', inputs, 'anna');
    ended(runs, 'hotfix on workflow_dispatch: success', 'check on pull_request: success');
    const [pull] = people.open();
    expect(pull?.body).toContain('CVE-2026-10108 is exploited');
    expect(pull?.labels).toEqual(['sluice', 'sluice:hotfix']);
    expect(existsSync(trace)).toBe(false);
    await tried(pull?.number ?? 0);
    expect(await people.review('ben', pull?.number)).toBe('merged');
    await served();
    expect(existsSync(join(s.mirror, 'public/pr', String(pull?.number)))).toBe(false);
    await stable.dnf('--refresh', 'upgrade', '--security');
    expect(await stable.installed('harbor-tls')).toBe('harbor-tls-3.0.7-25.h9_1.x86_64');
    expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
  });

  /** The preview by nginx, on one host, before it is merged. */
  async function tried(number: number): Promise<void> {
    const check = await mirrorSays(number);
    const id = 'infra-stable-harbor-9-x86_64-base';
    expect(check).toMatchObject({ detailsUrl: `${s.url}/pr/${number}/` });
    expect(check?.summary).toContain(`--repofrompath=pr-${id},${s.url}/pr/${number}/${id}/`);
    const said = await follow('npx sluice check --pulls', number);
    expect(said).toMatch(new RegExp(`^#${number} +green`, 'm'));
    const dnf = s
      .asHere(next('dnf --repofrompath='))
      .replaceAll('rocky-9-x86_64-baseos', 'harbor-9-x86_64-base');
    const words = dnf.replace('/pr/7/', `/pr/${number}/`).replaceAll("'", '').split(' ').slice(1);
    const found = await stable.dnf(...words).catch((error) => error);
    expect(found).toMatchObject({
      code: 100,
      stdout: expect.stringMatching(/^harbor-tls\.x86_64 +1:3\.0\.7-25/m),
    }); // "100 if there are updates"
  }

  inAll('the merge queue: a promotion and a policy together, each judged on the one before it', async () => {
    s.forward(8);
    s.forward(await s.actions.nextSchedule('sluice-promote'));
    ended(
      await s.actions.schedule('sluice-promote'),
      'promote on schedule: success',
      'check on pull_request: success',
    );
    const [promotion] = people.open();
    const number = promotion?.number ?? 0;
    expect(promotion?.title).toContain('to infra/stable');
    const policy = await people.propose('anna', 'keep-less', 'policies/site.yaml', (text) =>
      text.replace('retain: 400d', 'retain: 300d'),
    );
    ended(await s.actions.settle(), 'check on pull_request: success');
    for (const n of [policy, number]) expect(await people.approve('ben', n)).toBe(200);
    const { rules } = s.forge.settings;
    if (!rules) throw new Error('main has no rules');
    const checks = rules.checks.filter(({ context }) => context !== 'sluice/mirror');
    s.forge.settings.rules = { ...rules, checks }; // "With a merge queue take sluice/mirror out of the required checks"
    const groups: Run[] = [];
    const settle = async () => groups.push(...(await s.actions.settle()));
    const by = s.forge.state.actor('ben');
    expect(await mergeTogether(s.forge.world, [policy, number], by, settle)).toEqual([]);
    ended(groups, 'check on merge_group: success', 'check on merge_group: success');
    s.forge.settings.rules = rules;
    expect(people.open()).toEqual([]);
    await served();
    await stable.dnf('--refresh', 'upgrade');
    expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-9.h9.x86_64');
  });

  inAll('a rollback by a person: back to what stable was, by the same review', async () => {
    await s.shell(
      `npx sluice rollback infra stable --to ${ALL ? 'HEAD~2' : 'HEAD~1'} --reason "The new shell breaks logins" --propose`,
    );
    ended(await s.actions.settle(), 'check on pull_request: success');
    const [pull] = people.open();
    expect(pull).toMatchObject({ by: { login: 'anna' }, labels: ['sluice', 'sluice:rollback'] });
    expect(await people.approve('anna', pull?.number ?? 0)).toBe(422); // one's own
    await mirrorSays(pull?.number);
    expect(await people.review('ben', pull?.number)).toBe('merged');
    await served();
    await stable.dnf('--refresh', 'distro-sync');
    expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
    expect(await stable.installed('harbor-tls')).toBe(
      ALL ? 'harbor-tls-3.0.7-25.h9_1.x86_64' : 'harbor-tls-3.0.7-24.h9.x86_64',
    );
  });

  inAll('without the App: the job’s own token renews a hold, and the check waits for a person', async () => {
    delete s.actions.settings.vars['SLUICE_APP_ID'];
    s.forge.settings.actionsMayOpenPulls = true;
    s.forward(new Date('2027-02-25T00:00:00Z'));
    s.forward(await s.actions.nextSchedule('sluice-holds'));
    ended(await s.actions.schedule('sluice-holds'), 'holds on schedule: success');
    const [pull] = people.open();
    expect(pull).toMatchObject({ by: { login: 'github-actions[bot]' } });
    const number = pull?.number ?? 0;
    expect(await people.approve('ben', number)).toBe(200);
    expect(await people.merge('ben', number)).toContain('"sluice/plan" is expected');
    const [waiting] = s.actions.of(number);
    ended(await s.actions.approve(waiting as Run), 'check on pull_request: success');
    const { rules } = s.forge.settings;
    if (!rules) throw new Error('main has no rules');
    const checks = rules.checks.map((check) => ({ ...check, appId: 15368 })); // of whom else, where there is no App?
    s.forge.settings.rules = { ...rules, checks };
    expect(await people.merge('ben', number)).toContain('"sluice/mirror" is expected');
    s.forward(await s.actions.nextSchedule('sluice-mirror'));
    ended(await s.actions.schedule('sluice-mirror'), 'mirror on schedule: success');
    expect(await people.merge('ben', number)).toBe('merged');
    await served();
  });

  it('the dashboard: one issue, which the workflow writes, and the same as text', async () => {
    if (ALL) {
      s.forward(await s.actions.nextSchedule('sluice-dashboard'));
      ended(await s.actions.schedule('sluice-dashboard'), 'dashboard on schedule: success');
      const boards = s.forge.state.issues.filter(({ pull }) => !pull);
      expect(boards).toMatchObject([{ title: 'Staging dashboard', state: 'open' }]);
    }
    expect(await follow('npx sluice dashboard')).toContain(ALL ? 'infra/stable' : '### Upstreams');
  });

  it('no command of the page was left out', () => {
    const left = PAGE.filter((b) => !ran.has(b) && !NOT_HERE.some((not) => not.test(b.text)));
    expect(left.map(({ text }) => text)).toEqual([]);
  });

  it('no secret is in a log, an annotation, a body or a comment', () => {
    const secrets = [...s.forge.state.tokens.keys(), s.forge.app.privateKey().split('\n')[1] ?? ''];
    const said = JSON.stringify([
      s.actions.runs.map(({ jobs }) => jobs),
      s.forge.state.issues,
      s.forge.state.comments,
    ]);
    expect(secrets.filter((secret) => said.includes(secret))).toEqual([]);
  });
});
