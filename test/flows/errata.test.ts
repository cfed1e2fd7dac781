import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { SILENT } from '../../src/base/progress.ts';
import { checkErrata } from '../../src/flows/check-errata.ts';
import { checkWorkTree } from '../../src/flows/check-tree.ts';
import { openState } from '../../src/flows/context.ts';
import { diff } from '../../src/flows/diff.ts';
import { type ErrataRequest, errata } from '../../src/flows/errata.ts';
import { pullMerge } from '../../src/flows/pull.ts';
import { pullOpen } from '../../src/flows/pull-open.ts';
import { readState } from '../../src/flows/state.ts';
import { readErrata } from '../../src/manifest/errata.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { DEMO } from '../publish/demo.ts';
import { makeSite, type Site } from './site.ts';

const SET = 'harbor-9-x86_64';
let site: Site;
let vendor: string;

/** Live as the vendor was on the first of January, and after its wave of the fifth; the tier has the first only. */
beforeAll(async () => {
  vendor = mkdtempSync(join(tmpdir(), 'sluice-vendor-'));
  const upstream = (repo: string) => ({ baseurl: [`file://${vendor}/${repo}`], content: 'thin' });
  site = await makeSite({
    dir: mkdtempSync(join(tmpdir(), 'sluice-errata-')),
    upstreams: { [`${SET}-base`]: upstream('base'), [`${SET}-apps`]: upstream('apps') },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(4);
  await layDemoUpstream(vendor, 'after');
  await site.sync();
}, 60_000);

afterAll(() => {
  for (const folder of [vendor, site.dir]) rmSync(folder, { recursive: true, force: true });
});

async function written(request: Partial<ErrataRequest> & { asOf: string }, world = site.world()) {
  const [out, log]: [string[], string[]] = [[], []];
  const progress = { ...SILENT, say: (line: string) => log.push(line) };
  await errata(
    { ...world, progress, print: (text) => out.push(text) },
    { upstreams: [], kernels: false, ...request },
  );
  return { text: out.join(''), log: log.join('\n') };
}

const builds = (text: string, path: string) => readErrata(text, path).builds.map(formatNevra);
const path = (date: string) => `errata/${SET}/${date}.yaml`;

describe('sluice errata', () => {
  it('writes what live had on a day: the newest of each name, without kernels; logs are apart', async () => {
    const { text, log } = await written({ asOf: '2026-01-01' });
    expect(log).toContain('kernel space left out');
    const first = builds(text, path('2026-01-01'));
    const second = builds((await written({ asOf: '2026-01-05' })).text, path('2026-01-05'));
    expect(first).toContain('harbor-tls-1:3.0.7-24.h9.x86_64');
    expect(second).toContain('harbor-tls-1:3.0.7-25.h9_1.x86_64');
    expect(second).not.toContain('harbor-tls-1:3.0.7-24.h9.x86_64');
    expect([...first, ...second].filter((b) => /^kernel/.test(b))).toEqual([]);
    const all = builds((await written({ asOf: '2026-01-05', kernels: true })).text, path('2026-01-05'));
    expect(all.filter((b) => /^kernel-6/.test(b))).toHaveLength(1);
    expect(second.filter((b) => b.startsWith('harbor-web')).length).toBeGreaterThan(0); // of apps too
  });

  it('gives equal bytes on any later day, whatever else main got', async () => {
    const { text } = await written({ asOf: '2026-01-04' });
    const again = await written(
      { asOf: '2026-01-04' },
      { ...site.world(), now: new Date('2027-01-01T00:00:00Z') },
    );
    expect(again.text).toBe(text);
    expect(text.split('\n').slice(1)).toEqual(
      (await written({ asOf: '2026-01-03' })).text
        .split('\n')
        .slice(1)
        .map((line) => line.replace('date: 2026-01-03', 'date: 2026-01-04'))
        .map((line) => (line.startsWith('digest:') ? /^digest: .*$/m.exec(text)?.[0] : line)),
    ); // live did not move between
  });

  it('writes what a tier had, which is not what live had', async () => {
    const { text } = await written({ asOf: '2026-01-05', team: 'infra', tier: 'unstable' });
    expect(text).toContain('from: infra/unstable\n');
    expect(builds(text, path('2026-01-05'))).toContain('harbor-tls-1:3.0.7-24.h9.x86_64');
  });

  it.each([
    [{ asOf: '2025-01-01' }, 'NOT_FOUND', 'no commit as old'],
    [{ asOf: '2026-02-30' }, 'USAGE', 'no day of the calendar'],
    [{ asOf: '2026-03-01' }, 'USAGE', 'has not come yet'],
    [{ asOf: '2026-01-01', team: 'infra' }, 'USAGE', 'belong together'],
    [{ asOf: '2026-01-01', set: 'rocky-9-x86_64' }, 'NOT_FOUND', 'has no client set'],
    [{ asOf: '2026-01-01', set: '../x' }, 'USAGE', 'is no client set'],
    [{ asOf: '2026-01-01', from: '/nonexistent' }, 'USAGE', '--set is missing'],
    [{ asOf: '2026-01-01', from: '/nonexistent', set: SET }, 'NOT_FOUND', 'no such folder'],
    [{ asOf: '2026-01-01', team: 'infra', tier: 'stable' }, 'NOT_FOUND', 'had no manifest'],
  ] as const)('refuses %j', async (request, code, message) => {
    await expect(written(request)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it.skipIf(!oracle('dnf'))(
    'of a folder and of a repository names what dnf takes for the newest',
    async () => {
      const root = await tempDir();
      const args = (repo: string) => [
        '-q',
        `--repofrompath=x,${join(vendor, repo)}`,
        '--repo=x',
        `--setopt=cachedir=${root}/cache`,
        `--installroot=${root}/root`,
        '--releasever=9',
        '--forcearch=x86_64',
        '--setopt=module_platform_id=platform:el9',
        '--disable-modular-filtering',
      ];
      const format = '--qf=%{name}-%{epoch}:%{version}-%{release}.%{arch}';
      const run = promisify(execFile);
      const { stdout } = await run('dnf', [...args('base'), 'repoquery', '--latest-limit=1', format]);
      const dnf = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('kernel'));
      const ours = async (from: string) =>
        builds((await written({ asOf: '2026-01-05', from, set: SET })).text, path('2026-01-05'));
      expect((await ours(join(vendor, 'base'))).sort()).toEqual(
        dnf.map((line) => line.replace('-0:', '-')).sort(),
      );
      const files = await ours(join(DEMO, 'packages/base')); // every state's builds, no metadata
      expect(files).toContain('harbor-cron-1.5.7-5.h9.x86_64');
      expect(files.filter((b) => b.startsWith('harbor-cron'))).toHaveLength(1);
      const streams = (await ours(join(vendor, 'apps'))).filter((b) => b.startsWith('harbor-db'));
      expect(streams.length).toBeGreaterThan(1); // one of each module stream
    },
  );
});

describe('a generated set', () => {
  const git = (...args: string[]) =>
    execFileSync('git', [
      '-C',
      site.repoDir,
      '-c',
      'user.name=Ann',
      '-c',
      'user.email=ann@example.org',
      ...args,
    ]);
  const file = (date: string) => join(site.repoDir, path(date));
  const put = (date: string, text: string) => {
    mkdirSync(dirname(file(date)), { recursive: true });
    writeFileSync(file(date), text);
  };
  const complaints = async (o: { mirror?: boolean } = {}): Promise<string[]> => {
    const said: string[] = [];
    const world = { ...site.world(), ...(o.mirror === false ? { mirrorDir: undefined } : {}) };
    await checkWorkTree({ ...world, json: true, progress: SILENT, print: (text) => said.push(text) });
    const found = JSON.parse(said.join('')) as { complaints: { code: string; at: string; hint: string }[] };
    return found.complaints.map(({ code, at }) => `${code} ${at}`);
  };

  it('is written again and compared: an edit is red, by check and at the merge, and others stand beside it', async () => {
    const [one, two] = [
      (await written({ asOf: '2026-01-01' })).text,
      (await written({ asOf: '2026-01-05' })).text,
    ];
    put('2026-01-01', one);
    put('2026-01-05', two);
    expect(await complaints()).toEqual([]);
    expect(await complaints({ mirror: false })).toEqual([]);
    const edited = two.replace('3.0.7-25.h9_1', '3.0.7-24.h9');
    expect(edited).not.toBe(two);
    put('2026-01-05', edited);
    const line = edited.slice(0, edited.indexOf('3.0.7-24.h9')).split('\n').length;
    expect(await complaints()).toEqual([
      expect.stringMatching(`^MANIFEST_NOT_CANONICAL ${path('2026-01-05')}:${line}:`),
    ]);
    expect(await complaints({ mirror: false })).toEqual([
      expect.stringMatching(/^MANIFEST_NOT_CANONICAL errata\/.*2026-01-05\.yaml:/),
    ]);
    git('switch', '-qc', 'sets');
    git('add', '-A');
    git('commit', '-qm', 'Two sets');
    git('push', '-q', 'origin', 'sets');
    const number = await pullOpen(site.world(), 'sets', 'Two sets');
    await expect(pullMerge(site.world(), number)).rejects.toMatchObject({ code: 'MANIFEST_NOT_CANONICAL' });
    put('2026-01-05', two);
    git('commit', '-qam', 'As it is written');
    git('push', '-q', 'origin', 'sets');
    await pullMerge(site.world(), number);
    git('switch', '-q', 'main');
    const { repo, main } = await openState(site.world());
    expect((await readState(repo, main)).files.get(path('2026-01-01'))).toBe(one);
    const said: string[] = [];
    const world = { ...site.world(), json: true, print: (text: string) => said.push(text) };
    await diff(world, 'infra/unstable', path('2026-01-01'));
    const [{ rows }] = JSON.parse(said.join('')) as [{ rows: { key: string; kind: string }[] }];
    expect(rows.filter(({ key }) => !key.startsWith('kernel'))).toEqual([]); // all but what a set leaves out
    expect(rows.map(({ key, kind }) => `${key} ${kind}`)).toContain('kernel.x86_64 only-a');
  });

  it('with anything else in it is red, with the place', async () => {
    const { repo, main } = await openState(site.world());
    const state = await readState(repo, main);
    const { text } = await written({ asOf: '2026-01-04' });
    const said = async (changed: string) => {
      const files = new Map([...state.files, [path('2026-01-04'), changed]]);
      const faults = await checkErrata(state, { ...state, files }, openCatalog(site.mirrorDir));
      return faults.map(({ code, at }) => `${code} ${at?.split(':')[0]}`);
    };
    expect(await said(text)).toEqual([]);
    const at = path('2026-01-04');
    const edited = (change: (whole: string) => string) => said(change(text));
    const more = 'packages:\n\n  aaa.noarch: "1-1"\n\n';
    const edit = [`MANIFEST_NOT_CANONICAL ${at}`];
    const invalid = [`MANIFEST_INVALID ${at}`];
    expect(await edited((t) => t.replace('packages:\n\n', more))).toEqual(edit);
    expect(await edited((t) => t.replace('\n\n  ', '\n  '))).toEqual(edit);
    expect(await edited((t) => t.replace('kernels: false', 'kernels: true'))).toEqual(edit);
    expect(await edited((t) => t.replace('date: 2026-01-04', 'date: 2026-01-03'))).toEqual(invalid);
    expect(await edited((t) => t.replace(/commit: "\w+"/, `commit: "${'0'.repeat(40)}"`))).toEqual([
      `NOT_FOUND ${at}`,
    ]);
    expect(await edited((t) => t.replace(/commit: "\w+"/, `commit: "${state.commit}"`))).toEqual(invalid);
    expect(await edited((t) => t.replace('from: live', 'from: directory'))).toEqual(invalid);
    expect(await edited((t) => t.replace('from: live', 'from: infra/other'))).toEqual([`NOT_FOUND ${at}`]);
    expect(await edited((t) => t.replace('kernels:', 'colour: red\nkernels:'))).toEqual(invalid);
    expect(await edited((t) => t.slice(0, t.indexOf('packages:')))).toEqual(invalid);
    expect(await said('kind: Errata\n')).toHaveLength(1);
    expect(await said('')).toHaveLength(1);
  });
});
