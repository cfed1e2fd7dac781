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
async function follow(start: string): Promise<string> {
  const block = PAGE.find((b) => !ran.has(b) && b.text.startsWith(start));
  if (!block) throw new Error(`docs/github.md has no commands that begin with ${start}`);
  ran.add(block);
  return s.shell(block.text);
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
    const checks = rules.checks.map((check) => ({ ...check, appId: 15368 })); // "Bind it to GitHub Actions as its source"
    forge.settings.rules = { ...rules, checks };

    ended(await actions.settle(), 'publish on push: success');
    const token = forge.tokenOf('app');
    const doctor = await s.shell(`SLUICE_GITHUB_TOKEN=${token} npx sluice doctor --repo .`);
    expect(doctor.split('\n').filter((line) => /^(?:wrong|unknown)/.test(line))).toEqual([]);
    expect(doctor).toContain('workflows: 6 active');
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
    expect(logOf(runs, 'upstream')).toContain('stays open'); // nobody need review it, but the check had not reported yet
    s.forge.settings.rules = rules;
    const [pull] = people.open();
    expect(pull).toMatchObject({ by: { login: 'sluice[bot]' }, labels: ['sluice', 'sluice:sync'] });
    expect(runs[1]?.jobs[0]?.summary).toContain('## ');

    await writesNothing();
    const number = pull?.number ?? 0;
    expect(await people.merge('ben', number)).toContain('At least 1 approving review is required');
    expect(await people.approve('anna', number)).toBe(200);
    expect(await people.merge('ben', number)).toBe('merged');
    ended(await s.actions.settle(), 'publish on push: success');
    await clients.haveWhatMainSays();
    expect(await follow('npx sluice verify')).toContain('all as the commit says');
  });

  /** The next look at the same upstream, while its pull request waits. */
  async function writesNothing(): Promise<void> {
    s.forward(await s.actions.nextSchedule('sluice-upstream'));
    const [events, asked] = [s.forge.state.events.length, s.forge.requests.length];
    const runs = await s.actions.schedule('sluice-upstream');
    ended(runs, 'upstream on schedule: success');
    expect(logOf(runs, 'upstream')).toContain('waits for a review');
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
    expect(await people.review('ben', pull?.number)).toBe('merged');
    ended(await s.actions.settle(), 'publish on push: success');
    await clients.haveWhatMainSays();
  });

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
    expect(await people.review('ben', pull?.number)).toBe('merged');
    ended(await s.actions.settle(), 'publish on push: success');
    await clients.haveWhatMainSays();
    await stable.dnf('--refresh', 'upgrade', '--security');
    expect(await stable.installed('harbor-tls')).toBe('harbor-tls-3.0.7-25.h9_1.x86_64');
    expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
  });

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
    const groups: Run[] = [];
    const settle = async () => groups.push(...(await s.actions.settle()));
    const by = s.forge.state.actor('ben');
    expect(await mergeTogether(s.forge.world, [policy, number], by, settle)).toEqual([]);
    ended(groups, 'check on merge_group: success', 'check on merge_group: success');
    expect(people.open()).toEqual([]);
    ended(await s.actions.settle(), 'publish on push: success');
    await clients.haveWhatMainSays();
    await stable.dnf('--refresh', 'upgrade');
    expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-9.h9.x86_64');
  });

  it('a rollback by a person: back to what stable was, by the same review', async () => {
    await s.shell(
      `npx sluice rollback infra stable --to ${ALL ? 'HEAD~2' : 'HEAD~1'} --reason "The new shell breaks logins" --propose`,
    );
    ended(await s.actions.settle(), 'check on pull_request: success');
    const [pull] = people.open();
    expect(pull).toMatchObject({ by: { login: 'anna' }, labels: ['sluice', 'sluice:rollback'] });
    expect(await people.approve('anna', pull?.number ?? 0)).toBe(422); // one's own
    expect(await people.review('ben', pull?.number)).toBe('merged');
    ended(await s.actions.settle(), 'publish on push: success');
    await clients.haveWhatMainSays();
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
    expect(await people.merge('ben', number)).toBe('merged');
    ended(await s.actions.settle(), 'publish on push: success');
    await clients.haveWhatMainSays();
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
