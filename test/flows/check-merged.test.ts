import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { SILENT } from '../../src/base/progress.ts';
import { checkMerged } from '../../src/flows/check-merged.ts';
import type { World } from '../../src/flows/context.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeSite, type Site } from './site.ts';

const BASE = 'harbor-9-x86_64-base';
const PROMOTION = 'origin/sluice/promote/infra/stable/harbor-9-x86_64';
const SYNC = 'origin/sluice/sync/vendor/live/harbor-9-x86_64';
const STABLE = `snapshots/infra/stable/${BASE}.yaml`;

let site: Site;
const cleaning: (() => unknown)[] = [];

/** Two pull requests that are open, and a mirror that serves what main says. */
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-'));
  cleaning.push(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const server = await startServer(async (request, response) => {
    const asked = decodeURIComponent(request.url ?? '').slice(1);
    const path = join(dir, 'mirror', asked.startsWith('catalog/') ? '' : 'public', asked);
    const folder = await realpath(dirname(path)).catch(() => dirname(path));
    answerFile(
      request,
      response,
      await readFile(join(folder, basename(path))).catch(() => undefined),
      '"one"',
    );
  });
  cleaning.push(() => server.close());
  const vendor = join(dir, 'vendor');
  site = await makeSite({
    dir,
    upstreams: { [BASE]: { baseurl: [`file://${vendor}/base`] } },
    site: { mirrorUrl: server.url, catalogUrl: `${server.url}catalog` },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await site.sync(); // merges itself
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.publish();
  await site.promote('stable');
  await layDemoUpstream(vendor, 'later');
  await site.sync();
});
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});

function git(dir: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
  return execFileSync('git', ['-C', dir, ...identity, ...args], { encoding: 'utf8' }).trim();
}

/** What `actions/checkout` leaves of a pull request (or of a queue's group): the merges that the code host made, on no branch. */
async function runner(heads: readonly string[], edit?: (dir: string) => void): Promise<string> {
  const dir = join(await tempDir(), 'clone');
  execFileSync('git', ['clone', '-q', `${site.repoDir}.git`, dir]);
  const merged: string[] = [];
  for (const [i, head] of heads.entries()) {
    git(dir, 'checkout', '-q', '--detach', head);
    if (i === 0) edit?.(dir);
    merged.push(git(dir, 'rev-parse', 'HEAD'));
  }
  git(dir, 'checkout', '-q', '--detach', 'origin/main');
  for (const head of merged) git(dir, 'merge', '-q', '--no-ff', '-m', 'Merge pull request', head);
  git(dir, 'remote', 'set-url', 'origin', join(dir, 'nowhere')); // no credentials: nothing can be fetched
  return dir;
}

async function checked(repoDir: string, o: Partial<World> = {}) {
  const printed: string[] = [];
  const said: string[] = [];
  const world: World = {
    ...site.world(),
    repoDir,
    mirrorDir: undefined,
    json: true,
    print: (text) => printed.push(text),
    progress: { ...SILENT, say: (line) => said.push(line) },
    ...o,
  };
  const good = await checkMerged(world, git(repoDir, 'rev-parse', 'HEAD'));
  const found = world.json ? JSON.parse(printed.join('')) : {};
  const lines = (faults: { code: string; at?: string }[] = []) =>
    faults.map(({ code, at }) => `${code} ${at}`);
  const [complaints, warnings] = [lines(found.complaints), lines(found.warnings)];
  return { good, heads: found.heads?.length, complaints, warnings, text: printed.join(''), said };
}

function replaced(dir: string, path: string, from: RegExp, to: string): void {
  const text = readFileSync(join(dir, path), 'utf8');
  expect(text).toMatch(from);
  writeFileSync(join(dir, path), text.replace(from, to));
}

it('the merge of a bot\u2019s pull request is its plan, recomputed from a served catalog', async () => {
  expect(await checked(await runner([PROMOTION]))).toMatchObject({
    good: true,
    heads: 1,
    complaints: [],
    warnings: [],
  });
});

it('each merge of a queue\u2019s group is judged on the one before', async () => {
  expect(await checked(await runner([PROMOTION, SYNC]))).toMatchObject({
    good: true,
    heads: 2,
    complaints: [],
  });
  const page = join(await tempDir(), 'summary.md');
  const env = { ...site.world().env, GITHUB_STEP_SUMMARY: page };
  const { good, text } = await checked(await runner([SYNC, PROMOTION]), { env }); // green alone: the sync says what was pulled back
  expect([good, text]).toEqual([false, expect.stringMatching(/upstream pulled \S+ back/)]);
  expect(readFileSync(page, 'utf8')).toMatch(/^## [\s\S]*upstream pulled \S+ back/);
});

it('a bot\u2019s commit that somebody amended is not its plan', async () => {
  const dir = await runner([PROMOTION], (at) => {
    mkdirSync(join(at, '.github/workflows'), { recursive: true });
    writeFileSync(join(at, '.github/workflows/x.yml'), 'on: push\n');
    git(at, 'add', '-A');
    git(at, 'commit', '-q', '--amend', '--no-edit');
  });
  expect(await checked(dir)).toMatchObject({
    good: false,
    complaints: ['PLAN_DIFFERS .github/workflows/x.yml'],
  });
});

it('the second merge of a group is judged like the first', async () => {
  const dir = await runner([PROMOTION, SYNC], (at) => {
    replaced(at, STABLE, /\n {2}[a-z-]+\.x86_64: [^\n]*/, '');
    git(at, 'commit', '-qa', '--amend', '--no-edit');
  });
  const { good, complaints } = await checked(dir);
  expect([good, complaints[0]]).toEqual([
    false,
    expect.stringMatching(/^(LOCK_MISMATCH|PLAN_DIFFERS|MANIFEST)/),
  ]);
});

it('what a person added on top is listed; their owners decide', async () => {
  const dir = await runner([PROMOTION], (at) => {
    replaced(at, 'policies/teams/infra.yaml', /$/, '\n# a note\n');
    git(at, 'commit', '-qam', 'A note');
  });
  expect(await checked(dir)).toMatchObject({
    good: true,
    warnings: ['PLAN_DIFFERS policies/teams/infra.yaml'],
  });
});

it('a person\u2019s pull request is judged by the rules: live has no build that no sync brought', async () => {
  const dir = await runner(['origin/main'], (at) => {
    const live = `snapshots/vendor/live/${BASE}.lock`;
    replaced(at, live, /sha256:[0-9a-f]{2}/, 'sha256:00');
    git(at, 'commit', '-qam', 'Other bytes');
  });
  expect((await checked(dir)).good).toBe(false);
});

/** One pin of a manifest, its YAML and its lock told the same story: what is put in its place (`''`: nothing). */
function repinned(at: string, tier: string, name: string, change: (line: string) => string): void {
  const [yaml, lock] = ['yaml', 'lock'].map((ext) => `snapshots/infra/${tier}/${BASE}.${ext}`) as [
    string,
    string,
  ];
  const all = readFileSync(join(at, lock), 'utf8').matchAll(
    new RegExp(`^${name}-(\\d\\S*)\\.(\\w+) .*$`, 'gm'),
  );
  const [line = '', evr = ''] = [...all].at(-1) ?? [];
  const now = change(line);
  const to = new RegExp(`^${name}-(\\d\\S*)\\.\\w+ `).exec(now)?.[1];
  replaced(at, lock, new RegExp(`^${escaped(line)}\\n`, 'm'), now === '' ? '' : `${now}\n`);
  const pin = new RegExp(`^( +${name}\\.\\w+:.*)"${escaped(evr)}"(.*)\\n`, 'm');
  if (to !== evr) replaced(at, yaml, pin, to === undefined ? '' : `$1"${to}"$2\n`);
  if (to === undefined) for (const path of [yaml, lock]) replaced(at, path, /\n\n\n/, '\n\n');
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** The newest one that a commit has there. */
function lineOf(at: string, rev: string, path: string, name: string): string {
  const text = git(at, 'show', `${rev}:snapshots/${path}/${BASE}.lock`);
  return [...text.matchAll(new RegExp(`^${name}-\\d.*$`, 'gm'))].at(-1)?.[0] ?? '';
}

// THREATS 3.6, group 12
it.each<readonly [string, (at: string) => void, RegExp]>([
  [
    'a build that does not exist',
    (at) => repinned(at, 'stable', 'harbor-cron', (l) => l.replace(/-\d\S*\.(\w+) /, '-9.9-9.h9.$1 ')),
    /^(LOCK_MISMATCH|MANIFEST_INVALID|NOT_FOUND) snapshots\/infra\/stable/,
  ],
  [
    'a build that its parent never had',
    (at) => repinned(at, 'stable', 'harbor-tzdata', () => lineOf(at, SYNC, 'vendor/live', 'harbor-tzdata')),
    /^(MANIFEST_INVALID snapshots\/infra\/stable|CATALOG_MISSING)/, // main's catalog has no such record
  ],
  [
    'another sha256',
    (at) => repinned(at, 'stable', 'harbor-cron', (l) => l.replace(/sha256:[0-9a-f]{8}/, 'sha256:00000000')),
    /^(LOCK_MISMATCH|MANIFEST_INVALID) snapshots\/infra\/stable/,
  ],
  [
    'removal of what others need',
    (at) => repinned(at, 'stable', 'harbor-libc', () => ''),
    /^(BROKEN_SET|MANIFEST_INVALID) snapshots\/infra\/stable/,
  ],
  [
    'a downgrade that is no rollback',
    (at) =>
      repinned(at, 'unstable', 'harbor-tzdata', () =>
        lineOf(at, 'origin/main', 'infra/stable', 'harbor-tzdata'),
      ),
    /^MANIFEST_INVALID snapshots\/infra\/unstable/,
  ],
])('a manifest of a person’s %s is refused at its file', async (_what, edit, complaint) => {
  const dir = await runner(['origin/main'], (at) => {
    edit(at);
    git(at, 'commit', '-qam', 'By hand');
  });
  const { good, complaints } = await checked(dir);
  expect([good, complaints]).toEqual([false, expect.arrayContaining([expect.stringMatching(complaint)])]);
});

it('without a catalog to ask, the check that a merge waits for is not green', async () => {
  const [policies, folder] = ['policies/site.yaml', `file://${site.mirrorDir}/public`];
  const text = readFileSync(join(site.repoDir, policies), 'utf8');
  await site.change({
    [policies]: text.replace(/^mirrorUrl: .*$/m, `mirrorUrl: ${folder}`).replace(/^catalogUrl.*\n/m, ''),
  });
  try {
    expect(await checked(await runner([PROMOTION]))).toMatchObject({
      good: false,
      complaints: ['CATALOG_MISSING policies/site.yaml'],
    });
  } finally {
    await site.change({ [policies]: text });
  }
});

it('under GitHub Actions complaints and warnings are annotations, at their file', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {});
  const dir = await runner([PROMOTION], (at) => {
    replaced(at, 'policies/teams/infra.yaml', /^team: infra$/m, 'team: infra\nowner: [');
    git(at, 'commit', '-qam', 'Broken');
  });
  const { good, text } = await checked(dir, { json: false, env: { GITHUB_ACTIONS: 'true' } });
  const lines = log.mock.calls.map(([line]) => String(line));
  log.mockRestore();
  expect([good, text]).toEqual([false, expect.stringMatching(/^checked [0-9a-f]{12}: 1 complaint/)]);
  expect(lines).toEqual([expect.stringMatching(/^::error file=policies\/teams\/infra\.yaml,line=\d+/)]);
});

it('a commit that main has, or that has nothing of main, is refused', async () => {
  const dir = await runner([PROMOTION]);
  git(dir, 'checkout', '-q', '--detach', 'origin/main');
  await expect(checked(dir)).rejects.toMatchObject({ code: 'USAGE' });
  git(dir, 'checkout', '-q', '--orphan', 'other');
  git(dir, 'commit', '-qm', 'Another history');
  await expect(checked(dir)).rejects.toMatchObject({ code: 'HISTORY_REFUSED' });
});
