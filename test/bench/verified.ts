/**
 * A sync with nothing new of 17,649 signed and verified builds, whole processes: with `signatures: required`, and beside it the same
 * with `none`; what of the pool strace(1) sees opened. `node test/bench/verified.ts`; one line of JSON. Some minutes: it signs them all.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initStateRepository } from '../../src/flows/init.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { makeSigner, signedRpm } from '../fixtures/signer.ts';
import { type Build, makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { type Figures, figuresOf, MEASURED } from './figures.ts';
import { HEAP } from './heap.ts';

const BUILDS = Number(process.env['SLUICE_BENCH_BUILDS'] ?? 17_649);
const RUNS = 5;
const ID = 'test-9-x86_64-main';
const NOW = '2026-01-01T06:00:00Z';

const signer = await makeSigner('vendor');
const builds: Build[] = [];
for (let n = 0; n < BUILDS; n += 1) {
  const name = `package-${String(n).padStart(5, '0')}`;
  builds.push({ name, version: '1.0', bytes: await signedRpm(name, '1.0', signer) });
}
const files = makeRepository({ builds });
const tags = new Map([...files].map(([path, bytes]) => [path, `"${sha256(bytes)}"`]));
let requests = 0;
const server = await startServer((request, response) => {
  requests += 1;
  const path = (request.url ?? '').slice(1);
  answerFile(request, response, files.get(path), tags.get(path) ?? '');
});
const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));

/** A site whose live has all of them. */
async function site(signatures: 'required' | 'none') {
  const root = join(dir, signatures);
  const state = join(root, 'state');
  await initStateRepository({
    dir: state,
    distros: [`${ID}=${server.url}`],
    team: 'infra',
    content: 'full',
    mirrorUrl: `file://${root}/mirror/public`,
    now: new Date(NOW),
    by: 'bench',
    sluiceVersion: '0.0.0',
    keys:
      signatures === 'none'
        ? []
        : [{ file: 'vendor.asc', fingerprint: signer.fingerprint, from: server.url }],
    keyFiles: new Map(signatures === 'none' ? [] : [['vendor.asc', signer.publicKey]]),
  });
  const args = (...verb: string[]) => {
    const where = ['--repo', state, '--mirror', join(root, 'mirror'), '--now', NOW, '--by', 'bench'];
    return [...HEAP, ...MEASURED, ...verb, ...where];
  };
  const run = async (...verb: string[]): Promise<Figures> => {
    const child = spawn(process.execPath, args(...verb), { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    if (status !== 0)
      throw new Error(`sluice ${verb.join(' ')} ended with ${status}: ${errors.slice(-2_000)}`);
    return figuresOf(errors);
  };
  const first = await run('sync', '--propose');
  await run('pr', 'merge', '1');
  return { first, args, nothingNew: () => run('sync', '--propose') };
}

try {
  const [required, none] = [await site('required'), await site('none')];
  const times: Record<'required' | 'none', { ms: number; cpuMs: number; rssMB: number }[]> = {
    required: [],
    none: [],
  };
  const before = requests;
  for (let run = 0; run <= RUNS; run += 1) {
    times.required.push(await required.nothingNew());
    times.none.push(await none.nothingNew());
  }
  const asked = (requests - before) / (2 * (RUNS + 1));
  const median = (all: { ms: number; cpuMs: number }[]) =>
    all.slice(1).sort((a, b) => a.ms - b.ms)[RUNS >> 1];
  const trace = join(dir, 'trace');
  const traced = spawn(
    'strace',
    [
      '-f',
      '-qq',
      '-e',
      'trace=openat,open',
      '-o',
      trace,
      process.execPath,
      ...required.args('sync', '--propose'),
    ],
    { stdio: 'ignore' },
  );
  await new Promise((resolve) => traced.on('close', resolve));
  const opened = (await readFile(trace, 'utf8'))
    .split('\n')
    .filter((line) => /\/mirror\/pool\/.*\.rpm"/.test(line)).length;
  console.log(
    JSON.stringify({
      builds: BUILDS,
      'first sync, verified': required.first,
      'first sync, not verified': none.first,
      'nothing new, verified': median(times.required),
      'nothing new, not verified': median(times.none),
      'requests of each': asked,
      'files of the pool that were opened': opened,
    }),
  );
} finally {
  await server.close();
  await rm(dir, { recursive: true, force: true });
}
