/**
 * The command line on AppStream (17,649 builds, thin, over HTTP), each verb a whole process: first sync, a sync with nothing
 * new, a promotion of all of it, its check on a host without a mirror (with an empty cache, then with a full one), check, publish,
 * publish with nothing new. `node test/bench/flows.ts`; one line of JSON.
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initStateRepository } from '../../src/flows/init.ts';
import { git } from '../fixtures/gitHistory.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { type Figures, figuresOf, MEASURED } from './figures.ts';
import { HEAP } from './heap.ts';

const RUNS = 5;
const ID = 'centos-9-x86_64-appstream';
if (CORPUS === undefined) throw new Error('no corpus beside the project');
const source = join(CORPUS, 'centos-9-appstream-2025-01');

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
let requests = 0;
let sent = 0;
const server = createServer(async (request, response) => {
  requests += 1;
  const asked = new URL(request.url ?? '/', 'http://x').pathname;
  const path = asked.startsWith('/catalog/') ? join(dir, 'mirror', asked) : join(source, asked);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return response.writeHead(404).end();
  const etag = `"${found.size}-${found.mtimeMs}"`;
  if (request.headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end();
  sent += found.size;
  response.writeHead(200, { etag, 'content-length': found.size });
  return createReadStream(path).pipe(response);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
let now = Date.parse('2026-01-01T06:00:00Z');

try {
  const state = join(dir, 'state');
  await initStateRepository({
    dir: state,
    distros: [`${ID}=http://127.0.0.1:${port}/`],
    team: 'infra',
    content: 'thin',
    mirrorUrl: `file://${dir}/mirror/public`,
    now: new Date(now),
    by: 'bench',
    sluiceVersion: '0.0.0',
  });
  await allowAbsent(state);
  const report: Record<string, Figures | number> = {};
  report['first sync'] = await sluice('sync', '--propose');
  report['merge of 17,649 builds'] = await sluice('pr', 'merge', '2');
  const before = requests;
  report['sync with nothing new'] = await median(() => sluice('sync', '--propose'));
  report['requests of a sync with nothing new'] = (requests - before) / (RUNS + 1);
  now += 3 * 86_400_000;
  report['promotion of all'] = await sluice('promote', '--to', 'unstable', '--propose');
  await checkHosted(report);
  await sluice('pr', 'merge', '3');
  report['check'] = await median(() => sluice('check'));
  report['check --provenance'] = await median(() => sluice('check', '--provenance'));
  report['promotion with nothing ripe'] = await median(() =>
    sluice('promote', '--to', 'unstable', '--propose'),
  );
  report['first publish'] = await sluice('publish');
  report['publish with nothing new'] = await median(() => sluice('publish'));
  console.log(JSON.stringify(report));
} finally {
  server.close();
  await rm(dir, { recursive: true, force: true });
}

/**
 * The corpus lacks two documents of this repository, and clients have BaseOS besides: the policies say so, by a reviewed pull
 * request. Without the second nothing of AppStream would move.
 */
async function allowAbsent(state: string): Promise<void> {
  const absent = 'absent: { filelists: "the corpus lacks it", other: "the corpus lacks it" }\n';
  await appendFile(join(state, `policies/upstreams/${ID}.yaml`), absent);
  await appendFile(join(state, 'policies/teams/infra.yaml'), 'complete: false\n');
  await appendFile(join(state, 'policies/site.yaml'), `catalogUrl: http://127.0.0.1:${port}/catalog\n`);
  git(state, 'checkout', '-q', '-b', 'absent');
  git(state, 'commit', '-qam', 'What is absent');
  git(state, 'push', '-q', 'origin', 'absent');
  git(state, 'checkout', '-q', 'main');
  await sluice('pr', 'open', 'absent', '--title', 'What is absent');
  await sluice('pr', 'merge', '1');
}

/** As a hosted runner would, on the pull request that promotes all. */
async function checkHosted(report: Record<string, Figures | number>): Promise<void> {
  const clone = join(dir, 'clone');
  git(dir, 'clone', '-q', `${dir}/state.git`, clone);
  git(clone, 'checkout', '-q', '--detach', `origin/sluice/promote/infra/unstable/centos-9-x86_64`);
  const check = () => run(['check', '--repo', clone, '--cache', join(dir, 'cache')]);
  const [asked, bytes] = [requests, sent];
  report['check without a mirror, nothing cached'] = await check();
  report['its requests'] = requests - asked;
  report['its bytes'] = sent - bytes;
  report['check without a mirror, all cached'] = await median(check);
  report['requests of those'] = requests - asked - (report['its requests'] as number);
}

function sluice(...args: string[]): Promise<Figures> {
  return run([...args, '--repo', join(dir, 'state'), '--mirror', join(dir, 'mirror')]);
}

async function run(args: readonly string[]): Promise<Figures> {
  const all = [...HEAP, ...MEASURED, ...args];
  const child = spawn(
    process.execPath,
    [...all, '--now', new Date(now).toISOString(), '--by', 'bench'],
    { env: { ...process.env, NODE_COMPILE_CACHE: join(dir, 'compiled') } }, // users run compiled files
  );
  let errors = '';
  child.stdout.resume();
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (status !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${status}: ${errors}`);
  return figuresOf(errors);
}

/** By time, of five runs after one that does not count. */
async function median(run: () => Promise<Figures>): Promise<Figures> {
  await run();
  const runs: Figures[] = [];
  for (let i = 0; i < RUNS; i++) runs.push(await run());
  return runs.sort((a, b) => a.ms - b.ms)[Math.floor(RUNS / 2)] as Figures;
}
