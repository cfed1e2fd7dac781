import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { type ImportRequest, importFrom } from '../../src/flows/import-pins.ts';
import { pullMerge } from '../../src/flows/pull.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { parseSnapshotPath } from '../../src/manifest/ids.ts';
import { parseSnapshot } from '../../src/manifest/snapshot.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { makeSite, type Site } from './site.ts';

const BASE = 'harbor-9-x86_64-base';
const STABLE = `snapshots/infra/stable/${BASE}`;
const POLICY = 'policies/teams/infra.yaml';
let site: Site;
let vendor: string;

/** Unstable has the vendor's wave, stable has what was before it. */
beforeAll(async () => {
  vendor = mkdtempSync(join(tmpdir(), 'sluice-vendor-'));
  site = await makeSite({
    dir: mkdtempSync(join(tmpdir(), 'sluice-import-')),
    upstreams: { [BASE]: { baseurl: [`file://${vendor}/base`], content: 'thin' } },
    team: { holds: [{ match: '^harbor-audit$', reason: 'theirs', owner: 'sec' }] },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await site.sync();
  await site.merge(await site.promote('unstable'));
  site.days(2);
}, 60_000);

afterAll(() => {
  for (const folder of [vendor, site.dir]) rmSync(folder, { recursive: true, force: true });
});

const importing = (request: Partial<ImportRequest> & Pick<ImportRequest, 'kind' | 'text'>) =>
  importFrom(site.world(), {
    file: '/etc/list.txt',
    team: 'infra',
    tier: 'stable',
    owner: '@acme/ops',
    holdsOnly: false,
    how: 'propose',
    all: false,
    ...request,
  });

const text = (path: string): string =>
  execFileSync('git', ['-C', `${site.repoDir}.git`, 'show', `main:${path}`], { encoding: 'utf8' });
const stable = (): string[] => {
  const files = { yaml: text(`${STABLE}.yaml`), lock: text(`${STABLE}.lock`) };
  expect(parseSnapshotPath(`${STABLE}.yaml`)).toBeDefined();
  return parseSnapshot(files, `${STABLE}.yaml`).pins.map(({ nevra }) => formatNevra(nevra));
};

const INSTALLED =
  'harbor-tls-3.0.7-25.h9_1.x86_64\nharbor-tls-libs-3.0.7-25.h9_1.x86_64\nharbor-filesystem-3.16-2.h9.noarch\nours-1-1.noarch\n';

it('what a host has installed becomes holds and just those builds, by a pull request that proves itself', async () => {
  const before = stable();
  const policy = text(POLICY);
  const [done] = await importing({
    kind: 'rpm-qa',
    text: INSTALLED,
    until: '2027-01-31',
    reason: 'from Bcfg2',
  });
  const out = site.output();
  expect(out).toMatch(
    /line 4 +"ours-1-1.noarch" +taken +held by \^ours\$; no build .* there is no such build to pin/,
  );
  expect(done?.pull?.number).toBeDefined();
  const repo = await openRepository(`${site.repoDir}.git`);
  const trailers = new Map(await repo.trailers(`refs/heads/sluice/import/infra/stable/harbor-9-x86_64`));
  expect(trailers.get('Sluice-Verb')).toBe('import');
  await pullMerge(site.world(), done?.pull?.number ?? 0);
  const added = stable().filter((build) => !before.includes(build));
  expect(added).toEqual(['harbor-tls-libs-1:3.0.7-25.h9_1.x86_64', 'harbor-tls-1:3.0.7-25.h9_1.x86_64']);
  expect(before.filter((build) => !stable().includes(build))).toEqual([]);
  const hold =
    '  - match: "^(harbor-tls|harbor-tls-libs|harbor-filesystem|ours)$"\n    tier: stable\n    reason: "from Bcfg2"\n    owner: "@acme/ops"\n    until: 2027-01-31\n';
  expect(text(POLICY)).toBe(policy.replace('owner: sec\n', `owner: sec\n${hold}`));
});

it('and what was imported is there already; the rest of the tier goes on, and what is held does not', async () => {
  const [again] = await importing({
    kind: 'rpm-qa',
    text: INSTALLED,
    until: '2027-01-31',
    reason: 'from Bcfg2',
  });
  expect([again?.files.size, again?.pull]).toEqual([0, undefined]);
  expect(site.output()).toContain('nothing to do');
  await layDemoUpstream(vendor, 'later');
  await site.sync();
  await site.merge(await site.promote('unstable'));
  site.days(2);
  const before = stable();
  await site.merge(await site.promote('stable'));
  const moved = stable().filter((build) => !before.includes(build));
  expect(moved.length).toBeGreaterThan(3);
  expect(moved.filter((build) => /^harbor-(tls|filesystem)/.test(build))).toEqual([]);
});

it('excludes are holds alone, and a machine is told of every line', async () => {
  const out: string[] = [];
  const world = { ...site.world(), json: true, print: (line: string) => out.push(line) };
  const list = '[main]\ngpgcheck=1\nexclude=kernel* *.i686 harbor-audit\n';
  const [done] = await importFrom(world, {
    kind: 'excludes',
    text: list,
    file: 'dnf.conf',
    team: 'infra',
    tier: 'stable',
    owner: 'ops',
    holdsOnly: false,
    how: 'propose',
    all: false,
  });
  expect([...(done?.files.keys() ?? [])]).toEqual([POLICY]);
  expect(done?.accounts?.map(({ line, outcome }) => `${line} ${outcome}`).sort()).toEqual([
    '2 not taken',
    '3 not taken',
    '3 taken',
    '3 there already',
  ]);
  await pullMerge(site.world(), done?.pull?.number ?? 0);
  expect(text(POLICY)).toContain(
    '- glob: "kernel*"\n    tier: stable\n    reason: "pinned on clients by dnf.conf, line 3"',
  );
});

it('a pull request whose trailers say something else is not merged', async () => {
  const [done] = await importing({ kind: 'versionlock', text: 'harbor-shell-0:5.1.8-9.h9.*\n' });
  const branch = 'sluice/import/infra/stable/harbor-9-x86_64';
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', site.repoDir, '-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args]);
  git('fetch', '-q', 'origin', `+${branch}:refs/remotes/origin/${branch}`);
  git('switch', '-qC', 'edit', `origin/${branch}`);
  const file = join(site.repoDir, POLICY);
  execFileSync('sed', ['-i', 's/harbor-shell/harbor-edit/', file]);
  expect(readFileSync(file, 'utf8')).toContain('^harbor-edit$');
  git('commit', '-qam', 'My change');
  git('push', '-q', 'origin', `edit:${branch}`);
  git('switch', '-q', 'main');
  await expect(pullMerge(site.world(), done?.pull?.number ?? 0)).rejects.toMatchObject({
    code: 'PLAN_DIFFERS',
  });
});

it.each([
  [{ kind: 'versionlock', text: '# nothing\n' }, 'USAGE', 'it pins nothing'],
  [{ kind: 'versionlock', text: 'a-1-1.*\n', until: 'soon' }, 'USAGE', '--until "soon" is no day'],
  [
    { kind: 'versionlock', text: 'a-1-1.*\n', until: '2027-02-30' },
    'POLICY_INVALID',
    'a day of the calendar',
  ],
  [{ kind: 'versionlock', text: 'a-1-1.*\n', set: 'rocky-9-x86_64' }, 'NOT_FOUND', 'no client set'],
  [{ kind: 'versionlock', text: 'a-1-1.*\n', tier: 'gone' }, 'NOT_FOUND', 'has no tier'],
  [{ kind: 'versionlock', text: 'a-1-1.*\n', reason: 'x\ny' }, 'MALFORMED', '--reason'],
] as const)('%j is refused, and nothing changes', async (request, code, message) => {
  const main = text(POLICY);
  await expect(importing(request)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  expect(text(POLICY)).toBe(main);
});
