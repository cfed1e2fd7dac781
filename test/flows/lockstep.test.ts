import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { fixWorkTree } from '../../src/flows/check-tree.ts';
import { explain } from '../../src/flows/explain.ts';
import { hotfix } from '../../src/flows/hotfix.ts';
import { promote } from '../../src/flows/promote.ts';
import { promoteLockstep } from '../../src/flows/promote-lockstep.ts';
import { rollback } from '../../src/flows/rollback.ts';
import { Args } from '../../src/flows/verb.ts';
import { VERBS } from '../../src/flows/verbs.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { makeRepository } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const ID = 'harbor-9-x86_64-base';
const GROUP = 'policies/lockstep/fabric.yaml';
const POLICY = {
  apiVersion: 'sluice/v1',
  kind: 'Lockstep',
  id: 'fabric',
  packages: [{ glob: 'lustre*' }],
  reason: 'clients and servers of one file system',
  owner: '@acme/hpc',
};

const dir = mkdtempSync(join(tmpdir(), 'sluice-lockstep-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let site: Site;
let release: (version: string) => Promise<void>;

/** One tier for each team; viz waits a day longer. Web has another tier, and no part in this. */
beforeAll(async () => {
  const vendor = join(dir, 'vendor');
  let timestamp = 0;
  const lay = (version: string) => {
    timestamp += 1;
    const builds = ['bash', 'lustre', 'lustre-client'].map((name) => {
      return { name, version, sourcerpm: `${name.slice(0, 6)}-${version}-1.el9.src.rpm` };
    });
    const files = makeRepository({ builds, timestamp });
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(vendor, path)), { recursive: true });
      writeFileSync(join(vendor, path), bytes);
    }
  };
  const team = (name: string, tiers: object) =>
    stringify({ apiVersion: 'sluice/v1', kind: 'Team', team: name, repositories: [ID], tiers });
  lay('1.0');
  site = await makeSite({
    dir,
    upstreams: { [ID]: { baseurl: [`${pathToFileURL(vendor).href}/`] } },
    team: { tiers: { stable: { from: 'live', wait: { inParent: '1d' } } } },
    files: {
      'policies/teams/viz.yaml': team('viz', { stable: { from: 'live', wait: { inParent: '2d' } } }),
      'policies/teams/web.yaml': team('web', { prod: { from: 'live' } }),
      [GROUP]: stringify(POLICY),
    },
  });
  release = async (version) => {
    lay(version);
    await site.sync(); // merges itself
  };
  await site.merge(await site.sync());
  site.days(2);
  await site.merge(await together());
  site.output();
}, 120_000);

const git = (...args: string[]) =>
  execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
const versions = () =>
  ['infra', 'viz'].map((team) => {
    const text = git('show', `main:snapshots/${team}/stable/${ID}.yaml`);
    return /^ {2}lustre\.x86_64: (.*)$/m.exec(text)?.[1]?.replace(/.*"3:([^-]*)-.*/, '$1');
  });

async function together(): Promise<number | undefined> {
  const done = await promoteLockstep(site.world(), { group: 'fabric', how: 'propose', all: false });
  expect(done).toHaveLength(1);
  return done[0]?.pull?.number;
}

const fix = (team: string | undefined) =>
  hotfix(site.world(), {
    named: ['lustre'],
    team,
    to: 'stable',
    reason: 'it eats files',
    overrideHolds: undefined,
    sync: false,
    how: 'propose',
    all: false,
  });

const LONG = 120_000;

it('moves for all teams of its group in one pull request, when the last of them may', {
  timeout: LONG,
}, async () => {
  expect(versions()).toEqual(['1.0', '1.0']);
  await release('2.0');
  site.days(1);
  const alone = { packages: [], team: 'infra', to: 'stable', how: 'show', all: false } as const;
  const [own] = await promote(site.world(), alone);
  const moving = (own?.plan.repositories ?? []).flatMap(({ changes }) =>
    changes.flatMap((c) => ('to' in c && c.kind !== 'module' ? c.to.nevra.name : [])),
  );
  expect(moving).toEqual(['bash']);
  expect(site.output()).toContain(
    'moves in lockstep with team viz: sluice promote --lockstep fabric --to stable',
  );
  const [named] = await promote(site.world(), { ...alone, packages: ['lustre'] });
  expect(named?.files.size).toBe(0);
  site.output();
  await explain(site.world(), 'lustre', 'infra');
  expect(site.output()).toContain('in lockstep');
  expect(await together()).toBeUndefined();
  expect(site.output()).toMatch(/infra\/stable .*viz keeps it back: it waits there, 1 of 2 days in live/);
  site.days(1);
  const number = await together();
  const pull = await (await openLocalForge(`${site.repoDir}.git`)).get(number ?? 0);
  expect(pull.title).toBe(
    'Promote lustre 3:2.0-1.el9 in lockstep to stable of infra and viz (harbor 9 x86_64)',
  );
  expect(pull.body).toMatch(/`fabric`: clients and servers of one file system/);
  expect(pull.trailers).toEqual(expect.arrayContaining([['Sluice-Lockstep', 'fabric']]));
  await site.merge(number);
  expect(versions()).toEqual(['2.0', '2.0']);
});

it.each([
  ['of a group that there is not', ['fabrik'], undefined, 'NOT_FOUND', /Name one of: fabric/],
  ['into a tier that only one team has', ['fabric', 'prod'], undefined, 'NOT_FOUND', /Name one of: stable/],
  ['past holds without a reason', ['fabric', 'stable'], ' ', 'MALFORMED', /Correct/],
] as const)('%s is refused', async (_, [group, to], overrideHolds, code, hint) => {
  const asked = promoteLockstep(site.world(), { group, to, overrideHolds, how: 'propose', all: false });
  await expect(asked).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) });
});

it.each([
  [['bash'], {}],
  [[], { team: 'infra' }],
])('beside packages or a team is refused: the group names its own', async (operands, o) => {
  const verb = VERBS.find(({ name }) => name === 'promote');
  const args = new Args(operands, { lockstep: 'fabric', ...o });
  await expect(verb?.run(site.world(), args)).rejects.toMatchObject({ code: 'USAGE' });
});

it('is not parted by a hotfix or a rollback of one team, and hotfixed for all of them', {
  timeout: LONG,
}, async () => {
  await release('3.0');
  const before = git('rev-parse', 'main');
  await expect(fix('infra')).rejects.toMatchObject({
    code: 'LOCKSTEP',
    message: expect.stringMatching(
      /lustre(-client)?\.x86_64 of stable .*: infra 3:3\.0-1\.el9, viz 3:2\.0-1\.el9/,
    ),
    hint: expect.stringContaining('--all-teams'),
    at: expect.stringMatching(/^snapshots\/infra\/stable\/.*\.yaml:\d+:\d+$/),
  });
  const done = await fix(undefined);
  expect(done.map(({ plan }) => plan.teams)).toEqual([['infra', 'viz']]);
  const [again] = await fix(undefined);
  expect(again?.pull).toEqual({ number: done[0]?.pull?.number, outcome: 'unchanged' });
  await site.merge(done[0]?.pull?.number);
  expect(versions()).toEqual(['3.0', '3.0']);
  const rest = { set: undefined, owner: '@x', until: undefined, how: 'propose', all: false } as const;
  const back = rollback(site.world(), { team: 'infra', tier: 'stable', to: before, reason: 'no', ...rest });
  await expect(back).rejects.toMatchObject({
    code: 'LOCKSTEP',
    hint: expect.stringContaining('sluice recall'),
  });
});

it('that differed before it was kept together is named, and comes together', { timeout: LONG }, async () => {
  await release('4.0');
  const kept = stringify({ ...POLICY, packages: [{ glob: 'nothing-yet' }] });
  await site.change({ [GROUP]: kept });
  const [done] = await fix('infra');
  await site.merge(done?.pull?.number);
  expect(versions()).toEqual(['4.0', '3.0']);
  site.output();
  await site.change({ [GROUP]: stringify(POLICY) });
  expect(site.output()).toMatch(/warning: .*teams differ in lustre\.x86_64 of stable/);
  await expect(together()).rejects.toMatchObject({
    code: 'LOCKSTEP',
    at: 'viz/stable',
    message: expect.stringContaining('because of viz: it waits there'),
  });
  site.days(2);
  await site.merge(await together());
  expect(versions()).toEqual(['4.0', '4.0']);
});

it('is parted by no hand: the check names the line', { timeout: LONG }, async () => {
  await release('5.0');
  const live = git('show', `main:snapshots/vendor/live/${ID}.lock`);
  const path = `snapshots/infra/stable/${ID}`;
  const line = (text: string) => text.split('\n').find((l) => l.includes('lustre-3:5.0')) ?? '';
  expect(line(live)).not.toBe('');
  writeFileSync(
    join(site.repoDir, `${path}.yaml`),
    git('show', `main:${path}.yaml`)
      .replace(/^( {2}lustre\.x86_64: ).*$/m, '$1"3:5.0-1.el9"')
      .concat('\n'),
  );
  await fixWorkTree(site.world());
  const text = (suffix: string) => readFileSync(join(site.repoDir, `${path}.${suffix}`), 'utf8');
  const [yaml, lock] = [text('yaml'), text('lock')];
  execFileSync('git', ['-C', site.repoDir, 'checkout', '-q', '--', '.']);
  await expect(site.change({ [`${path}.yaml`]: yaml, [`${path}.lock`]: lock })).rejects.toMatchObject({
    code: 'LOCKSTEP',
    message: expect.stringContaining('infra 3:5.0-1.el9, viz 3:4.0-1.el9'),
    hint: expect.stringContaining('in the same pull request'),
    at: expect.stringMatching(/^snapshots\/infra\/stable\/.*\.yaml:\d+:\d+$/),
  });
});
