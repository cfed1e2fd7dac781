import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { movedUnder } from '../../src/flows/check.ts';
import { checkWorkTree } from '../../src/flows/check-tree.ts';
import { diff } from '../../src/flows/diff.ts';
import { freeMirror } from '../../src/flows/publish.ts';
import { pullShow } from '../../src/flows/pull.ts';
import type { Claim } from '../../src/flows/recompute.ts';
import { type GoodRequest, good, type RollbackRequest, rollback } from '../../src/flows/rollback.ts';
import type { State } from '../../src/flows/state.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { makeSite, type Site } from './site.ts';

const IDS = ['base', 'apps'].map((r) => `harbor-9-x86_64-${r}`);
const TEAM = 'policies/teams/infra.yaml';

interface Moved extends Site {
  readonly vendor: string;
  /** Main before the wave came to stable, and with it. */
  readonly before: string;
  readonly after: string;
  git(...args: string[]): string;
}

/** Stable has the vendor's wave of fixes since today; everything is published. One site for several tests, in their order. */
async function movedSite(
  start: string,
  o: { site?: Record<string, unknown>; stable?: Record<string, unknown> } = {},
): Promise<Moved> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-'));
  folders.push(dir);
  const vendor = join(dir, 'vendor');
  await layDemoUpstream(vendor, 'before');
  const site = await makeSite({
    dir,
    start,
    upstreams: Object.fromEntries(
      IDS.map((id) => [id, { baseurl: [`file://${vendor}/${id.split('-').at(-1)}`], keep: 1 }]),
    ),
    team: { tiers: { stable: { from: 'live', keep: '1', ...o.stable } } },
    site: { ...o.site },
  });
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
  await follow(site);
  await site.merge(await site.promote('stable'));
  const before = git('rev-parse', 'main');
  await site.publish();
  await layDemoUpstream(vendor, 'after');
  site.days(10);
  await follow(site);
  await site.merge(await site.promote('stable'));
  const after = git('rev-parse', 'main');
  await site.publish();
  site.output();
  return Object.assign(site, { vendor, before, after, git });
}

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** Live as the vendor has it now, whether a person must merge that or not. */
async function follow(site: Site): Promise<void> {
  const number = await site.sync();
  const { state } = await (await openLocalForge(`${site.repoDir}.git`)).get(number ?? 0);
  if (state === 'open') await site.merge(number);
}

async function back(site: Site, o: Partial<RollbackRequest> = {}): Promise<number | undefined> {
  const done = await rollback(site.world(), {
    team: 'infra',
    tier: 'stable',
    to: 'last-known-good',
    set: undefined,
    reason: 'logins fail since the wave, INC-4711',
    owner: undefined,
    until: undefined,
    how: 'propose',
    all: false,
    ...o,
  });
  return done[0]?.pull?.number;
}

async function mark(site: Site, o: Partial<GoodRequest> = {}): Promise<void> {
  const [done] = await good(site.world(), {
    team: 'infra',
    tier: 'stable',
    at: undefined,
    reason: 'the load test passed',
    owner: '@acme/ops',
    how: 'propose',
    ...o,
  });
  await site.merge(done?.pull?.number);
}

/** Every published document of stable but repomd.xml, by repository; the names have their checksums. */
function published(site: Site): Map<string, string> {
  const files = new Map<string, string>();
  for (const id of IDS.map((u) => `infra-stable-${u}`)) {
    const folder = join(site.mirrorDir, 'public', id, 'repodata');
    for (const name of readdirSync(folder).filter((n) => !n.startsWith('repomd.xml')))
      files.set(`${id}/${name}`, readFileSync(join(folder, name)).toString('base64'));
    files.set(
      `${id} links`,
      readFileSync(join(folder, 'repomd.xml'), 'utf8')
        .match(/<checksum[^\n]*/g)
        ?.sort()
        .join() ?? '',
    );
  }
  return files;
}

function manifests(site: Moved, commit: string): Map<string, string> {
  const paths = site.git('ls-tree', '-r', '--name-only', commit, 'snapshots/infra').split('\n');
  return new Map(paths.map((path) => [path, site.git('show', `${commit}:${path}`)]));
}

it('merged with what came to the tier since it would be a state that nobody saw', () => {
  const claim = { verb: 'rollback', team: 'infra', tier: 'stable', set: 'acme-9-x86_64' } as Claim;
  const state = (files: Record<string, string>) =>
    ({ files: new Map(Object.entries(files)) }) as unknown as State;
  const paths = ['stable/acme-9-x86_64', 'stable/acme-8-x86_64', 'unstable/acme-9-x86_64'].map(
    (path) => `snapshots/infra/${path}-base.lock`,
  );
  const [own = '', ...others] = paths;
  const head = Object.fromEntries(paths.map((path) => [path, 'as planned']));
  const elsewhere = { ...head, ...Object.fromEntries(others.map((path) => [path, 'another'])) };
  expect(movedUnder(claim, state(head), state(elsewhere))).toEqual([]); // another client set, another tier
  const under = state({ ...head, [own]: 'another' });
  expect(movedUnder(claim, state(head), under)).toMatchObject([{ code: 'FORGE_CONFLICT', at: own }]);
  const alone = { ...claim, set: 'acme-9-x86_64-base' };
  expect(movedUnder(alone, state(head), under)).toMatchObject([{ code: 'FORGE_CONFLICT', at: own }]);
});

function request(o: Partial<RollbackRequest>): RollbackRequest {
  const asked = {
    team: 'infra',
    tier: 'stable',
    set: undefined,
    reason: 'r',
    owner: undefined,
    until: undefined,
  };
  return { ...asked, to: '', how: 'show', all: false, ...o };
}

async function rollbackTo(site: Moved, to: string): Promise<void> {
  await site.merge(await back(site, { to }));
  await site.publish();
}

describe('a rollback', () => {
  let site: Moved;
  beforeAll(async () => {
    site = await movedSite('2026-03-02T09:00:00Z');
  });

  it('the plan says what changes, which fixes are lost, what else came since, and what hosts must do', async () => {
    const number = await back(site, { to: site.before });
    const said = site.output();
    expect(said).toContain(
      `Roll infra/stable (harbor 9 x86_64) back to ${site.before.slice(0, 12)} of 2026-03-02`,
    );
    expect(said).toMatch(/security fixes that are lost\n +critical/);
    expect(said).toMatch(/harbor-log +1:8\.2102-3\.h9 → 8\.2310-1\.h9/);
    expect(said).toMatch(new RegExp(`since then\\n +${site.after.slice(0, 12)} +2026-03-12 +promote`));
    expect(said).toContain('dnf --refresh distro-sync');
    await pullShow(site.world(), number ?? 0, { diff: false });
    const body = site.output();
    for (const head of ['Security fixes that are lost', 'Since then, and taken back', 'Goes back', 'Leaving'])
      expect(body).toContain(`### ${head}`);
    expect(body).toContain('Reason: logins fail since the wave, INC-4711');
  });

  it('COMMIT^ is what was before a merge; a date, a foreign commit and a typo are told apart', async () => {
    const [one] = await rollback(site.world(), request({ to: `${site.after}^` }));
    const [two] = await rollback(site.world(), request({ to: '2026-03-05' }));
    const moved = (files: ReadonlyMap<string, string> | undefined) =>
      [...(files ?? [])].filter(([path]) => path !== TEAM);
    expect(moved(one?.files)).toHaveLength(4);
    expect(moved(one?.files)).toEqual(moved(two?.files));
    const head = site.git('rev-parse', `${site.after}^2`);
    await expect(back(site, { to: head })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'Name a commit of main.',
    });
    await expect(back(site, { to: 'nonsense' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const policies = site.git('rev-list', '--first-parent', 'main').split('\n').at(-1) ?? '';
    await expect(back(site, { to: policies })).rejects.toMatchObject({ code: 'NOT_FOUND' }); // before the first build
    await expect(mark(site, { at: policies })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(back(site, { to: '2020-01-01' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(back(site, { to: site.before, until: '2026-03-11' })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(back(site, { to: site.before, reason: 'two\nlines' })).rejects.toMatchObject({
      code: 'MALFORMED',
    });
    expect(await back(site, { to: site.after })).toBeUndefined(); // as it is
    expect(site.git('rev-parse', 'main')).toBe(site.after);
  });

  it('a commit that only says that it is a rollback lowers nothing', async () => {
    const number = (await back(site, { to: site.before })) ?? 0;
    const { head, branch } = await (await openLocalForge(`${site.repoDir}.git`)).get(number);
    const run = (...args: string[]) =>
      execFileSync(
        'git',
        ['-C', site.repoDir, '-c', 'user.name=M', '-c', 'user.email=m@example.org', ...args],
        { encoding: 'utf8' },
      );
    run('fetch', '-q', 'origin');
    run('switch', '-q', '--detach', head);
    const path = join(site.repoDir, TEAM);
    writeFileSync(path, readFileSync(path, 'utf8').replace(/\nholds:[\s\S]*/, '\n')); // without its hold
    run('commit', '-qam', 'No hold');
    run('push', '-q', 'origin', `HEAD:${branch}`);
    run('switch', '-q', 'main');
    await expect(site.merge(number)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
    await (await openLocalForge(`${site.repoDir}.git`)).close(number, { by: 'tester', now: site.now });
  });
  it('promote, then rollback: the bytes of both manifest files and of every document but repomd.xml; and nothing comes again', async () => {
    const later = published(site);
    await rollbackTo(site, site.before);
    expect(manifests(site, 'main')).toEqual(manifests(site, site.before));
    expect(published(site)).not.toEqual(later);
    const first = published(site);
    const policy = site.git('show', `main:${TEAM}`);
    expect(policy).toContain(
      `reason: "rolled back to ${site.before.slice(0, 12)} of 2026-03-02: logins fail`,
    );
    expect(policy).toMatch(/until: 2026-03-26$/);

    // the next morning the bot has nothing to promote, and says for which hold
    site.days(1);
    site.output();
    expect(await site.promote('stable')).toBeUndefined();
    expect(site.output()).toMatch(
      /harbor-shell +5\.1\.8-9\.h9 .*by hand +held by source \^harbor-shell\$: rolled back to/,
    );

    // and forth again: the hold goes, the promotion gives the later bytes
    await site.change({ [TEAM]: (text) => text.slice(0, text.indexOf('holds:')) });
    await site.merge(await site.promote('stable'));
    await site.publish();
    expect(published(site)).toEqual(later);
    await rollbackTo(site, site.before);
    expect(published(site)).toEqual(first);
  });

  it('a last-known-good whose packages are lost is a warning of check; a mark on no commit of main is refused', async () => {
    await mark(site, { at: site.before });
    const line = site
      .git('show', `${site.before}:snapshots/infra/stable/${IDS[0]}.lock`)
      .match(/harbor-shell-\S+ sha256:(\w{2})(\w+)/);
    rmSync(join(site.mirrorDir, 'pool/sha256', line?.[1] ?? '', `${line?.[1]}${line?.[2]}.rpm`));
    site.output();
    expect(await checkWorkTree(site.world())).toBe(true);
    expect(site.output()).toContain('could not be rolled back to its last-known-good');
    await expect(mark(site, { at: site.before, reason: 'again' })).rejects.toMatchObject({
      code: 'POOL_MISSING',
    });
    const wrong = site.change({ [TEAM]: (text) => text.replace(site.before, 'f'.repeat(40)) });
    await expect(wrong).rejects.toMatchObject({
      code: 'POLICY_INVALID',
      at: expect.stringContaining(`${TEAM}:`),
    });
  });
});

describe('last-known-good and gc', () => {
  let site: Moved;
  beforeAll(async () => {
    const short = { retain: '1d', grace: '1h' }; // packages are as old as the test: only a later day is past their grace
    site = await movedSite('2031-03-02T09:00:00Z', { site: short, stable: { soak: '7d' } });
  });

  it('last-known-good: a mark by command is kept by gc, is what rollback and diff mean, and gives way to a later soak', async () => {
    // the first state stood ten days, the present one is new
    await back(site, { how: 'show' });
    expect(site.output()).toContain(
      'last-known-good: it stood from 2031-03-02 to 2031-03-12, longer than the soak of 7d',
    );
    await mark(site, { at: site.before });
    expect(site.git('show', `main:${TEAM}`)).toContain(`good: { commit: ${site.before}, since: "2031-03-12T`);
    site.days(8); // the present state came before the mark, so it is good by no soak
    await site.publish();
    await freeMirror(site.world(), { dryRun: false });
    site.output();
    await diff(site.world(), 'infra/stable@last-known-good', 'infra/stable');
    expect(site.output()).toMatch(/harbor-shell\.x86_64 +5\.1\.8-6\.h9 +older than +5\.1\.8-9\.h9/);
    expect(await checkWorkTree(site.world())).toBe(true);
    expect(site.output()).not.toContain('could not be rolled back');
    const number = await back(site);
    expect(site.output()).toContain(
      'last-known-good: marked by @acme/ops on 2031-03-12: the load test passed',
    );
    await site.merge(number);
    await site.publish();
    expect(manifests(site, 'main')).toEqual(manifests(site, site.before));
    const restored = site.git('rev-parse', 'main');
    site.days(8);
    await back(site, { how: 'show' }); // what was restored has stood for a week itself
    expect(site.output()).toContain(`is as it was at ${restored.slice(0, 12)}`);
  });

  it('a rollback across a gc is refused: what is missing is named, and nothing changes', async () => {
    const plain = (text: string) => text.replace(/\n +(good|soak):.*/g, '').replace(/holds:[\s\S]*/, '');
    await site.change({ [TEAM]: plain });
    await site.merge(await site.promote('stable')); // no tier has what was before the wave
    await layDemoUpstream(site.vendor, 'later');
    await follow(site); // and neither has live
    await site.publish();
    site.days(3);
    await site.change({ 'policies/README.md': 'A commit of that day.\n' });
    site.days(3);
    await freeMirror(site.world(), { dryRun: false });
    const main = site.git('rev-parse', 'main');
    await expect(back(site, { to: site.before })).rejects.toMatchObject({
      code: 'POOL_MISSING',
      message: expect.stringMatching(
        /harbor-shell-5\.1\.8-6\.h9\.x86_64: (gc freed its metadata|its package is not)/,
      ),
      hint: expect.stringContaining('1d'),
    });
    expect(site.git('rev-parse', 'main')).toBe(main);
    expect(await (await openLocalForge(`${site.repoDir}.git`)).list({ state: 'open' })).toEqual([]);
  });
});
