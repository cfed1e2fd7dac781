/**
 * `node test/bench/closure.ts`: dependencies of AppStream with BaseOS; three lines of JSON, times in milliseconds.
 *
 * whole: a process that reads both primaries, indexes them, and lists what is unmet for the client that sees every build and for the
 * one that takes the newest, beside `dnf repoclosure` (every build only) with an empty cache; alternating, medians.
 * ten: a plan of ten builds in a process that has the universe and the state before.
 * series: AppStream of four dates, each promoted to the next; the first plan of a state, and the same again.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plan } from '../../src/plan/types.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { CorpusTiers } from '../fixtures/corpusTiers.ts';
import { CORPUS, has } from '../fixtures/oracle.ts';
import { document, repomdOf, writeRepository } from '../fixtures/repodata.ts';
import { HEAP } from './heap.ts';

const RUNS = 5;
const APPSTREAM = 'centos-9-appstream-2025-01';
const REPOSITORIES = [APPSTREAM, 'centos-9-baseos/v1-2024-03'];
/** The newest builds of ten packages, three of module streams among them. */
const TEN = 'vim-enhanced nginx httpd git podman buildah firefox ruby php-cli nodejs'.split(' ');
const UNMET = fileURLToPath(new URL('unmet.ts', import.meta.url));
if (CORPUS === undefined) throw new Error('no corpus');

const root = mkdtempSync(join(tmpdir(), 'bench-'));
try {
  await whole();
  await ten();
  await series();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function whole(): Promise<void> {
  const folders: string[] = [];
  for (const path of REPOSITORIES) {
    const from = join(CORPUS ?? '', path);
    const repomd = repomdOf(from);
    const primary = document(from, repomd, 'primary') ?? Buffer.alloc(0);
    const open = await decompressAll(primary, { maxBytes: 2 ** 31, at: path });
    folders.push(join(root, String(folders.length)));
    await writeRepository(folders.at(-1) ?? '', repomd, new Map([['primary', open]]), 'gzip');
  }
  const ours = () =>
    run(process.execPath, [...HEAP, UNMET, ...folders.map((f) => join(f, 'repodata/primary.gz'))]);
  const theirs = () => {
    const dir = mkdtempSync(join(root, 'dnf-'));
    mkdirSync(join(dir, 'log'));
    const repositories = folders.flatMap((folder, i) => [
      `--repofrompath=r${i},file://${folder}`,
      `--setopt=r${i}.module_hotfixes=1`,
    ]);
    return run('dnf', [
      ...['-q', '--disableplugin=local', '--releasever=9', '--forcearch=x86_64'],
      ...[`--installroot=${dir}/root`, `--setopt=reposdir=${dir}/none`, `--setopt=cachedir=${dir}/cache`],
      ...[`--setopt=logdir=${dir}/log`, '--setopt=module_platform_id=platform:el9', ...repositories],
      'repoclosure',
    ]);
  };
  const times: [number, number][] = [];
  let said = ours().out; // once, so that the files are in memory for both
  for (let i = 0; i < RUNS; i += 1) {
    const mine = ours();
    said = mine.out;
    times.push([mine.ms, has('dnf') ? theirs().ms : Number.NaN]);
  }
  const [ms, dnfMs] = [median(times.map(([a]) => a)), median(times.map(([, b]) => b))];
  const ratio = Math.round((100 * ms) / dnfMs) / 100;
  console.log(JSON.stringify({ whole: { ...JSON.parse(said), ms, dnfMs, ratio } }));
}

function run(command: string, args: readonly string[]): { ms: number; out: string } {
  const start = performance.now();
  const env = { ...process.env, LC_ALL: 'C', NODE_COMPILE_CACHE: join(root, 'compiled') }; // users run compiled files
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8', env, maxBuffer: 1 << 28 });
  const ms = Math.round(performance.now() - start);
  if (status !== 0 && !/ended with unresolved dependencies/.test(stderr)) throw new Error(stderr);
  return { ms, out: stdout };
}

async function ten(): Promise<void> {
  const tiers = await CorpusTiers.open(join(root, 'ten'), { keep: 12 });
  const parent = await tiers.appstream(APPSTREAM);
  const { pins } = parent.live;
  const fresh = new Set(
    TEN.map((name) => pins.findLast((p) => p.nevra.name === name && p.nevra.arch === 'x86_64')),
  );
  const state = tiers.state(
    parent,
    tiers.target(
      parent,
      pins.filter((pin) => !fresh.has(pin)),
    ),
  );
  const now = new Date('2026-01-01T00:00:00Z');
  const first = await timed(() => tiers.plan(state, now));
  const times: number[] = [];
  for (let i = 0; i < 30; i += 1) times.push((await timed(() => tiers.plan(state, now))).ms);
  const { closure } = await tiers.closure(state);
  const repositories = [{ repository: 'centos-9-x86_64-appstream', modules: parent.live.modules }];
  const clients = closure.filters(repositories, () => true).length;
  const counts = countsOf(first.result);
  console.log(JSON.stringify({ ten: { ...counts, clients, firstMs: first.ms, warmMs: median(times) } }));
}

async function series(): Promise<void> {
  const [start = '', ...dates] = ['2023-01-01', '2023-07-01', '2024-01-01', '2024-07-01'];
  const tiers = await CorpusTiers.open(join(root, 'series'), { wait: { seen: '30d' } });
  const at = (date: string) => tiers.appstream(`centos-9-appstream-series/latest-${date}`);
  const first = await at(start);
  let target = tiers.target(first, first.live.pins);
  const steps: object[] = [];
  for (const date of dates) {
    const state = tiers.state(await at(date), target);
    const now = new Date(`${date}T00:00:00Z`);
    const cold = await timed(() => tiers.plan(state, now));
    const warm = await timed(() => tiers.plan(state, now));
    target = warm.result.repositories[0]?.after ?? target;
    steps.push({ date, ...countsOf(warm.result), coldMs: cold.ms, warmMs: warm.ms });
  }
  console.log(JSON.stringify({ series: steps }));
}

function countsOf({ repositories: [plan] }: Plan): { moved: number; stayed: number } {
  const moved = plan?.changes.filter(({ kind }) => kind === 'add' || kind === 'update').length ?? 0;
  return { moved, stayed: plan?.staying.length ?? 0 };
}

async function timed<T>(what: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const start = performance.now();
  const result = await what();
  return { ms: Math.round(performance.now() - start), result };
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}
