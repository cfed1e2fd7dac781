import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { checkPulls, lookAtPulls } from '../../src/flows/check-pulls.ts';
import { promote } from '../../src/flows/promote.ts';
import { freeMirror, verifyMirror } from '../../src/flows/publish.ts';
import { pullClose, pullList, pullShow } from '../../src/flows/pull.ts';
import { pullOpen } from '../../src/flows/pull-open.ts';
import { recall } from '../../src/flows/recall.ts';
import { watchMain } from '../../src/flows/watch.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { parseSnapshot } from '../../src/manifest/snapshot.ts';
import { openPool } from '../../src/pool/pool.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { CLI } from '../fixtures/cli.ts';
import { checksOn, envOf } from '../fixtures/githubForge.ts';
import { startGpg } from '../fixtures/gpg.ts';
import { freePort, serveMirror } from '../fixtures/nginx.ts';
import { has, oracle } from '../fixtures/oracle.ts';
import { sampled } from '../fixtures/sample.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { testForge } from '../fixtures/testForge.ts';
import { makeSite, siteAgain } from './site.ts';

const ID = 'harbor-9-x86_64-base';
const STABLE = `infra-stable-${ID}`;
const LOCK = `snapshots/infra/stable/${ID}.lock`;
const NO_WAIT = { numbers: [], patience: 0 };

const cleaning: (() => unknown)[] = [];
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});

/** Stable is a wave behind unstable, and published; a promotion is open that would bring it there. */
const site = siteAgain(async (dir) => {
  const gpg = startGpg((clean) => cleaning.push(clean));
  const key = gpg.makeKey('site');
  const vendor = join(dir, 'vendor');
  const port = await freePort();
  const made = await makeSite({
    dir,
    start: '2026-03-01T06:00:00Z',
    upstreams: Object.fromEntries(
      ['base', 'apps'].map((r) => [`harbor-9-x86_64-${r}`, { baseurl: [`file://${vendor}/${r}`] }]),
    ),
    site: {
      mirrorUrl: `http://127.0.0.1:${port}`,
      signing: [{ file: 'keys/site', fingerprint: key.fingerprint }],
    },
    files: { 'policies/keys/site': key.publicKey },
    env: { ...process.env, ...gpg.env },
  });
  await layDemoUpstream(vendor, 'before');
  await made.merge(await made.sync());
  await made.merge(await made.promote('unstable'));
  made.days(2);
  await made.merge(await made.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await made.sync(); // merges itself
  await made.merge(await made.promote('unstable'));
  made.days(2);
  await made.publish();
  const number = (await made.promote('stable')) ?? 0;
  return Object.assign(made, { vendor, port, number, gpg });
});

type Given = Awaited<ReturnType<typeof site>>;

async function checked(given: Given, numbers: readonly number[] = []) {
  const done = await lookAtPulls(given.world(), { ...NO_WAIT, numbers });
  expect(done.faults).toEqual([]);
  return done;
}

/** Ids and pins of what the open promotion brings. */
async function pinsOf(given: Given) {
  const forge = await openLocalForge(`${given.repoDir}.git`);
  const { head } = await forge.get(given.number);
  const show = (path: string) =>
    execFileSync('git', ['-C', `${given.repoDir}.git`, 'show', `${head}:${path}`], { encoding: 'utf8' });
  const yaml = LOCK.replace('.lock', '.yaml');
  const { pins } = parseSnapshot({ yaml: show(yaml), lock: show(LOCK) }, yaml);
  const before = execFileSync('git', ['-C', `${given.repoDir}.git`, 'show', `main:${LOCK}`], {
    encoding: 'utf8',
  });
  const fresh = pins.filter(({ checksum }) => !before.includes(checksum.hex));
  const pool = openPool(given.mirrorDir);
  return {
    forge,
    head,
    fresh: fresh.map((pin) => ({ pin, build: formatNevra(pin.nevra), path: pool.path(pin.checksum) })),
  };
}

const preview = (given: Given, ...path: string[]) =>
  join(given.mirrorDir, 'public/pr', String(given.number), ...path);

/** Everything that a run could have written. */
async function everything(given: Given): Promise<string> {
  const refs = execFileSync('git', ['-C', `${given.repoDir}.git`, 'for-each-ref'], { encoding: 'utf8' });
  const times: string[] = [];
  for (const folder of ['public', 'state', 'pool'].map((name) => join(given.mirrorDir, name))) {
    for (const path of await filesBelow(folder))
      times.push(`${path} ${lstatSync(join(folder, path)).mtimeMs}`);
  }
  return [refs, ...times.filter((line) => !line.includes('/locks/'))].join('\n');
}

describe('a pull request that the mirror can serve', () => {
  it('is green, and its sets can be tried; nothing of it is among what is served, and a quiet run writes nothing', async () => {
    const given = await site();
    const served = readFileSync(join(given.mirrorDir, 'public', STABLE, 'repodata/repomd.xml'), 'utf8');
    const { pulls } = await checked(given);
    expect(pulls).toMatchObject([{ number: given.number, green: true, outcome: 'set' }]);
    const [check] = (await (await openLocalForge(`${given.repoDir}.git`)).get(given.number)).checks ?? [];
    const url = `http://127.0.0.1:${given.port}/pr/${given.number}/`;
    expect(check).toMatchObject({ name: 'sluice/mirror', state: 'success', url });
    expect(check?.title).toMatch(/^\d+ files verified, 1 set to try/);
    expect(check?.summary).toContain(`${url}${STABLE}/`);
    const found = readFileSync(preview(given, STABLE, 'repodata/repomd.xml'), 'utf8');
    expect(found).not.toBe(served);
    expect(existsSync(preview(given, STABLE, 'repodata/repomd.xml.asc'))).toBe(true);
    expect(existsSync(preview(given, STABLE, 'mirrorlist'))).toBe(false);
    // what nobody merged has no name among what clients follow, and what is served is still what main says
    const { fresh } = await pinsOf(given);
    const links = readdirSync(join(given.mirrorDir, 'public/packages', STABLE)).join(' ');
    for (const { pin } of fresh) expect(links).not.toContain(pin.checksum.hex.slice(0, 8));
    expect(await verifyMirror(given.world())).toBe(true);

    const before = await everything(given);
    expect((await checked(given)).pulls).toMatchObject([{ outcome: 'known', green: true }]);
    expect(await everything(given)).toBe(before);
    given.days(1.1); // what time could have made worse is asked again, and is as it was
    expect((await checked(given)).pulls).toMatchObject([{ outcome: 'unchanged', green: true }]);
    await pullShow(given.world(), given.number, { diff: false });
    expect(given.output()).toMatch(/sluice\/mirror +success: \d+ files verified/);
  });

  it.skipIf(!(has('nginx') || has('/usr/sbin/nginx') || oracle('nginx')) || !oracle('dnf'))(
    'dnf takes it by --repofrompath, as the check says',
    async () => {
      const given = await site();
      await checked(given);
      const server = await serveMirror(given.mirrorDir, given.port);
      onTestFinished(() => server.stop());
      const { forge, fresh } = await pinsOf(given);
      const [check] = (await forge.get(given.number)).checks ?? [];
      const names = [...(check?.summary ?? '').matchAll(/--repofrompath=(\S+)/g)].map(
        ([, name]) => name as string,
      );
      expect(names.map((name) => name.split(',')[0])).toEqual(
        ['apps', 'base'].map((r) => `pr-infra-stable-harbor-9-x86_64-${r}`),
      );
      const dir = await tempDir();
      await writeFile(join(dir, 'dnf.conf'), '[main]\ngpgcheck=0\n');
      const own = [
        '-q',
        '-y',
        '-c',
        join(dir, 'dnf.conf'),
        `--installroot=${dir}/root`,
        '--disableplugin=local',
      ];
      const more = [`--setopt=reposdir=${dir}`, `--setopt=cachedir=${dir}/cache`, `--setopt=logdir=${dir}`];
      const dnf = (...args: string[]) =>
        execFileSync('dnf', [...own, ...more, '--releasever=9', '--forcearch=x86_64', ...args], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
          env: { ...process.env, LC_ALL: 'C' },
        });
      const from = names.map((name) => `--repofrompath=${name}`);
      const text = dnf(...from, '--disablerepo=*', '--enablerepo=pr-*', 'repoquery');
      const plain = (build: string) =>
        build.includes(':') ? build : build.replace(/-(?=[^-]+-[^-]+$)/, '-0:');
      for (const { build } of fresh) expect(text.split('\n')).toContain(plain(build));
      const [one] = fresh;
      dnf(
        ...from,
        '--disablerepo=*',
        '--enablerepo=pr-*',
        'download',
        `--destdir=${dir}`,
        one?.pin.nevra.name ?? '',
      );
      expect(readdirSync(dir).filter((name) => name.endsWith('.rpm')).length).toBeGreaterThan(0);
    },
  );

  it('keeps what gc would take, and goes with the pull request; also where a run was cut off', async () => {
    const given = await site();
    await checked(given);
    given.days(500);
    await freeMirror(given.world(), { dryRun: false });
    const links = preview(given, STABLE, 'packages');
    for (const name of readdirSync(links)) expect(statSync(join(links, name)).size).toBeGreaterThan(0);
    const { fresh } = await pinsOf(given);
    for (const { path } of fresh) expect(existsSync(path)).toBe(true);

    await pullClose(given.world(), given.number, undefined);
    expect((await checked(given)).removed).toEqual([given.number]);
    expect(existsSync(preview(given))).toBe(false);
    const state = join(given.mirrorDir, 'state/pr');
    expect(readdirSync(state)).toEqual(['locks']);
    execFileSync('mkdir', ['-p', preview(given, 'tree'), join(state, '77')]); // of runs that were killed half way
    expect((await checked(given)).removed).toEqual([given.number, 77]);
    expect([existsSync(preview(given)), readdirSync(state)]).toEqual([false, ['locks']]);
    expect((await checked(given)).removed).toEqual([]);
  });
});

describe('a build that is not as its lock says', () => {
  const CASES = [
    ['damaged', (path: string) => writeFileSync(path, Buffer.alloc(statSync(path).size, 7)), 'POOL_CORRUPT'],
    ['cut', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 99)), 'POOL_CORRUPT'],
    [
      'replaced by a link',
      (path: string) => {
        renameSync(path, `${path}.real`);
        execFileSync('ln', ['-s', `${path}.real`, path]);
      },
      'POOL_MISSING',
    ],
    ['gone, here and upstream', (path: string) => rmSync(path), 'POOL_MISSING'],
  ] as const;
  it.each(sampled<readonly [string, (path: string) => void, string]>(CASES, 3))(
    '%s: red, by its name and its line, and no preview',
    async (how, spoil, code) => {
      const given = await site();
      await checked(given); // green, with a preview
      const { forge, fresh } = await pinsOf(given);
      const [{ build, path }] = fresh as [(typeof fresh)[number]];
      rmSync(join(given.vendor, 'base', 'Packages'), { recursive: true });
      chmodSync(path, 0o644);
      spoil(path);
      const { pulls } = await checked(given, [given.number]);
      expect(pulls).toMatchObject([{ green: false, outcome: 'set' }]);
      const [check] = (await forge.get(given.number)).checks ?? [];
      expect(check?.title, how).toContain(build);
      expect(check?.annotations).toMatchObject([
        { path: LOCK, title: code, message: expect.stringContaining(build) },
      ]);
      const head = readFileSync(join(given.repoDir, LOCK), 'utf8');
      expect(head).not.toContain(build); // the line is of what would be merged
      expect(existsSync(preview(given))).toBe(false);
      await pullList(given.world(), 'open');
      expect(given.output()).toContain('red: sluice/mirror');
      expect(await checkPulls(given.world(), { ...NO_WAIT, numbers: [given.number] })).toBe(false);
    },
  );

  it('gone here, and still upstream: fetched, and green', async () => {
    const given = await site();
    const { fresh } = await pinsOf(given);
    for (const { path } of fresh) rmSync(path);
    expect((await checked(given)).pulls).toMatchObject([{ green: true }]);
    for (const { path } of fresh) expect(existsSync(path)).toBe(true);
  });
});

it('a recall that is merged after it was green turns it red, because main moved', async () => {
  const given = await site();
  await checked(given);
  const { forge, fresh } = await pinsOf(given);
  const name = fresh[0]?.build ?? '';
  const [done] = await recall(given.world(), {
    what: name,
    reason: 'a trojan',
    cascade: true,
    how: 'propose',
    all: false,
  });
  await given.merge(done?.pull?.number);
  expect((await checked(given)).pulls).toMatchObject([
    { number: given.number, green: false, outcome: 'set' },
  ]);
  const { checks, head } = await forge.get(given.number);
  expect(checks).toMatchObject([{ head, state: 'failure' }]);
  expect(existsSync(preview(given))).toBe(false);
});

it('outside a window it is red and can be tried; it is asked again when the window opens', async () => {
  const given = await site();
  await given.change({
    'policies/teams/infra.yaml': (text) =>
      text.replace(/( +)(wait:)/, '$1window: { days: [mon], from: "09:00", to: "17:00", zone: UTC }\n$1$2'),
  });
  given.now = new Date('2026-03-08T22:00:00Z'); // a Sunday
  const [closed] = (await checked(given)).pulls;
  expect(closed).toMatchObject({ green: false, title: expect.stringContaining('window') });
  expect(existsSync(preview(given, STABLE))).toBe(true);
  given.now = new Date('2026-03-08T22:30:00Z');
  expect((await checked(given)).pulls).toMatchObject([{ outcome: 'known' }]);
  given.now = new Date('2026-03-09T09:00:00Z');
  expect((await checked(given)).pulls).toMatchObject([{ green: true, outcome: 'set' }]);
  given.now = new Date('2026-03-09T17:00:00Z');
  expect((await checked(given)).pulls).toMatchObject([{ green: false, outcome: 'set' }]);
});

it('two at once: one looks, the other says who does; while somebody publishes nothing is said or remembered', async () => {
  let given = await site();
  const refusedOf = async () =>
    (await Promise.allSettled([checked(given), checked(given)])).filter((one) => one.status === 'rejected');
  let refused = await refusedOf();
  for (let round = 1; refused.length === 0 && round < 10; round += 1) {
    given = await site(); // one was done before the other came to it
    refused = await refusedOf();
  }
  expect(refused).toMatchObject([{ reason: { code: 'LOCKED' } }]);
  given.days(2);
  const held = spawn(process.execPath, ['-e', HOLD, given.mirrorDir], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void held.kill());
  await new Promise((resolve) => held.stdout.once('data', resolve));
  const before = await everything(given);
  const { pulls, faults } = await lookAtPulls(given.world(), NO_WAIT);
  expect([pulls, faults]).toMatchObject([[], [{ code: 'LOCKED' }]]);
  expect(await everything(given)).toBe(before);
});

/** Another process that holds the mirror. */
const HOLD = `import(${JSON.stringify(new URL('../../src/pool/lock.ts', import.meta.url).href)}).then(async (m) => {
  await m.lockMirror(process.argv[1]); console.log('held'); process.stdin.resume();
});`;

it('who signs, and where the mirror asks, is main\u2019s word and not the pull request\u2019s', async () => {
  const given = await site();
  const { head } = await pinsOf(given);
  const who = ['-c', 'user.name=Mallory', '-c', 'user.email=mallory@example.org'];
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', given.repoDir, ...who, ...args], { encoding: 'utf8' }).trim();
  git('fetch', '-q', 'origin', `refs/pull/${given.number}/head`);
  git('switch', '-qc', 'mallory', head);
  const policy = join(given.repoDir, 'policies/site.yaml');
  writeFileSync(policy, readFileSync(policy, 'utf8').replace(/^signing:[\s\S]*?(?=^\S|(?![\s\S]))/m, ''));
  git('commit', '-qam', 'Sign nothing');
  git('push', '-q', 'origin', 'mallory');
  git('switch', '-q', 'main');
  const number = await pullOpen(given.world(), 'mallory', 'Harmless');
  expect(readFileSync(policy, 'utf8')).toContain('signing:');
  const { pulls } = await checked(given, [number]);
  expect(pulls).toMatchObject([{ number, green: true }]);
  const tree = join(given.mirrorDir, 'public/pr', String(number), STABLE, 'repodata');
  expect(readdirSync(tree)).toContain('repomd.xml.asc');
  const { env } = given.gpg;
  execFileSync('gpg', ['--batch', '--verify', join(tree, 'repomd.xml.asc'), join(tree, 'repomd.xml')], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
});

it('publish --watch says it after its publication', async () => {
  const given = await site();
  const stop = new AbortController();
  const printed: string[] = [];
  const print = (text: string) => {
    printed.push(text);
    if (text.startsWith('#')) stop.abort();
  };
  const late = setTimeout(() => stop.abort(), 60_000);
  await watchMain({ ...given.world(), clock: () => given.now, print }, { interval: 50, stop: stop.signal });
  clearTimeout(late);
  expect(printed.at(-1)).toMatch(new RegExp(`^#${given.number} green: \\d+ files verified`));
  const report = JSON.parse(readFileSync(join(given.mirrorDir, 'state/watch.json'), 'utf8'));
  expect(report.fault).toBeNull();
});

it('killed while it signs: nothing half is seen, and the next run finishes', async () => {
  const given = await site();
  const [signer, begun] = [join(given.dir, 'signer'), join(given.dir, 'begun')];
  await writeFile(signer, `#!/bin/sh\ntouch ${begun}\nsleep 60\n`);
  await chmod(signer, 0o755);
  const env = { ...process.env, ...given.gpg.env, SLUICE_SIGNER: signer };
  const args = [CLI, 'check', '--pulls', '--repo', given.repoDir, '--mirror', given.mirrorDir];
  const now = ['--now', given.now.toISOString()];
  const child = spawn(process.execPath, [...args, ...now], { env, stdio: 'ignore', detached: true });
  for (let tries = 0; tries < 800 && !existsSync(begun); tries += 1) await sleep(25);
  expect(existsSync(begun)).toBe(true);
  process.kill(-(child.pid ?? 0), 'SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  expect(existsSync(preview(given, STABLE))).toBe(false);
  expect((await (await openLocalForge(`${given.repoDir}.git`)).get(given.number)).checks).toBeUndefined();
  expect(await verifyMirror(given.world())).toBe(true);
  expect((await checked(given)).pulls).toMatchObject([{ green: true, outcome: 'set' }]);
  expect(existsSync(preview(given, STABLE, 'repodata/repomd.xml.asc'))).toBe(true);
  expect(readdirSync(join(given.mirrorDir, 'tmp')).filter((name) => name !== 'partial')).toEqual([]);
});

it('on GitHub: a check run; a quiet run writes nothing and asks little; a fork’s head is not looked at', async () => {
  const given = await site();
  const test = await testForge();
  await pullClose(given.world(), given.number, undefined);
  await given.change({
    'policies/site.yaml': (text) =>
      `${text}forge: { github: ${test.owner}/${test.repo}, api: "${test.url}" }\n`,
  });
  const git = (dir: string, ...args: string[]) =>
    execFileSync('git', ['-C', dir, ...args], { encoding: 'utf8' });
  git(`${given.repoDir}.git`, 'push', '-q', test.dir, 'main');
  await test.refresh();
  const repoDir = join(await tempDir(), 'clone');
  execFileSync('git', ['clone', '-q', test.dir, repoDir]);
  git(repoDir, 'remote', 'set-url', 'origin', test.gitUrl);
  const env = { ...given.world().env, SLUICE_GITHUB_THROTTLE: 'off', ...envOf('app', test.tokenOf('app')) };
  const world = () => ({ ...given.world(), repoDir, env });
  const [done] = await promote(world(), {
    packages: [],
    team: 'infra',
    to: 'stable',
    how: 'propose',
    all: false,
  });
  const number = done?.pull?.number ?? 0;
  const head = test.state.issue(number)?.pull?.headSha ?? '';
  const run = async () => {
    const before = test.requests.length;
    const { pulls, faults } = await lookAtPulls(world(), NO_WAIT);
    expect(faults).toEqual([]);
    const asked = test.requests.slice(before).filter(({ route }) => route.startsWith('/'));
    return { pulls, asked, writes: asked.filter(({ method }) => method !== 'GET') };
  };
  const first = await run();
  expect(first.pulls).toMatchObject([{ number, green: true, outcome: 'set' }]);
  expect(checksOn(test, head)).toMatchObject([{ name: 'sluice/mirror', state: 'success' }]);
  expect(first.writes).toHaveLength(1);
  const quiet = await run();
  expect([quiet.pulls[0]?.outcome, quiet.writes, quiet.asked.length <= 2]).toEqual(['known', [], true]);
  given.days(2);
  const daily = await run();
  expect([daily.pulls[0]?.outcome, daily.writes]).toEqual(['unchanged', []]);

  const pull = test.state.issue(number)?.pull;
  if (pull) pull.fork = 'mallory/state';
  const forked = await run();
  expect(forked.pulls).toEqual([]);
  expect(existsSync(join(given.mirrorDir, 'public/pr', String(number)))).toBe(false);
  expect(forked.writes).toEqual([]);
});
