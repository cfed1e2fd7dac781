/**
 * An emergency, timed: from the command to a fix that can be installed, in two tiers of three teams, each of them all of AppStream
 * (17,649 builds, thin). Warm: catalog, trees and compiled code are there, and pages in memory. First as one command (`hotfix --follow`,
 * with somebody who approves as soon as there is a pull request), whose own steps are shown, then from the same state as a process for
 * each verb, with one pull request and with one for each team. `node test/bench/emergency.ts`; one line of JSON. It ends with 1 where
 * the one command takes its ten seconds, without the review.
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { appendFile, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initStateRepository } from '../../src/flows/init.ts';
import { decompress } from '../../src/repodata/compression.ts';
import { git } from '../fixtures/gitHistory.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { type Figures, figuresOf, MEASURED } from './figures.ts';
import { HEAP } from './heap.ts';

const TEAMS = ['infra', 'web', 'hpc'];
const SOURCE = 'httpd';
/** Its newest build, of which AppStream has eleven packages. */
const FIX = /-(1:)?2\.4\.62-1\.el9\.\w+$/;
const ID = 'centos-9-x86_64-appstream';
/** Of the one command, without the time in which it waits for the review. */
const MOST_SECONDS = 10;
if (CORPUS === undefined) throw new Error('no corpus beside the project');
const source = join(CORPUS, 'centos-9-appstream-2025-01');

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
const kept = `${dir}.kept`;
const server = createServer(async (request, response) => {
  const path = join(source, new URL(request.url ?? '/', 'http://x').pathname);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return response.writeHead(404).end();
  const etag = `"${found.size}-${found.mtimeMs}"`;
  if (request.headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end();
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
  await writePolicies(state);
  await sluice('sync', '--propose');
  await sluice('pr', 'merge', '2');
  now += 3 * 86_400_000;
  const list = join(dir, 'before');
  await writeFile(list, withoutTheFix().join('\n'));
  let pull = 3;
  for (const tier of ['unstable', 'stable']) {
    for (const team of TEAMS) {
      const from = team === 'infra' ? [list] : ['--like', 'infra'];
      await sluice('fill', ...from, '--team', team, '--tier', tier, '--propose');
      await sluice('pr', 'merge', String(pull));
      pull += 1;
    }
  }
  await sluice('publish');
  now += 86_400_000;
  const words = [SOURCE, '--all-teams', '--to', 'stable', '--reason', 'a bench'];
  const asIs = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
  await cp(dir, kept, asIs);
  const again = async () => {
    await rm(dir, { recursive: true, force: true });
    await cp(kept, dir, asIs);
    git(state, 'status'); // a copy's times are other than those that git and the mirror remember
    await sluice('publish');
    await sluice('hotfix', ...words); // warm
  };
  await again();
  const { seconds, review, ...followed } = await follow([...words, '--together']);
  const report: Record<string, unknown> = { 'one command': { seconds, review, ...followed } };
  await again();
  report['one pull request'] = await apart([...words, '--together'], [pull]);
  await again();
  report['one of each team'] = await apart(
    words,
    TEAMS.map((_, i) => pull + i),
  );
  console.log(JSON.stringify(report));
  if (seconds > MOST_SECONDS) process.exitCode = 1;
} finally {
  server.close();
  for (const folder of [dir, kept]) await rm(folder, { recursive: true, force: true });
}

/** `hotfix --follow`, and a reviewer at work beside it. */
async function follow(words: readonly string[]) {
  let reviewing: Promise<unknown> | undefined;
  const { stdout, ...figures } = await run(['hotfix', ...words, '--propose', '--follow', '--json'], {
    said: (text) => {
      const [, number] = /^#(\d+) waits for somebody else/m.exec(text) ?? [];
      if (number !== undefined) reviewing ??= run(['pr', 'approve', number], { by: 'reviewer' });
    },
  });
  await reviewing;
  await refuseUnlessPublished();
  const { steps, seconds: all } = JSON.parse(stdout) as Followed;
  const review = steps.find(({ step }) => step.startsWith('waited'))?.seconds ?? 0;
  const own = Object.fromEntries(steps.map(({ step, seconds }) => [step, seconds]));
  return { seconds: Math.round((all - review) * 100) / 100, review, steps: own, ...figures };
}

interface Followed {
  readonly seconds: number;
  readonly steps: readonly { readonly step: string; readonly seconds: number }[];
}

/** A process for each verb. */
async function apart(words: readonly string[], pulls: readonly number[]) {
  const steps = {
    'plan (shown only)': await sluice('hotfix', ...words),
    'hotfix --propose': await sluice('hotfix', ...words, '--propose'),
    'pr merge': await sluice('pr', 'merge', ...pulls.map(String)),
    publish: await sluice('publish'),
  };
  await refuseUnlessPublished();
  const timed = [steps['hotfix --propose'], steps['pr merge'], steps.publish];
  const sum = (of: 'ms' | 'cpuMs') => timed.reduce((n, figures) => n + figures[of], 0);
  const rssMB = Math.max(...timed.map((figures) => figures.rssMB));
  return { ...steps, 'from the command to the client': { ms: sum('ms'), cpuMs: sum('cpuMs'), rssMB } };
}

/** All builds but those of the fix: `rpm -qa` of tiers that lack it. */
function withoutTheFix(): string[] {
  const lock = git(join(dir, 'state'), 'show', `origin/main:snapshots/vendor/live/${ID}.lock`);
  const builds = lock.split('\n').flatMap((line) => /^(\S+) sha256:/.exec(line)?.[1] ?? []);
  return builds.filter((build) => !FIX.test(build));
}

/** What dnf reads of each tier names every build of the fix. */
async function refuseUnlessPublished(): Promise<void> {
  for (const team of TEAMS) {
    for (const tier of ['unstable', 'stable']) {
      const repodata = join(dir, 'mirror/public', `${team}-${tier}-${ID}`, 'repodata');
      const primary = (await readdir(repodata)).find((name) => name.includes('primary.xml')) ?? '';
      const chunks: Buffer[] = [];
      const read = createReadStream(join(repodata, primary));
      for await (const chunk of decompress(read, { maxBytes: 1 << 30, at: primary })) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString('utf8');
      const found = text.split('<rpm:sourcerpm>httpd-2.4.62-1.el9.src.rpm<').length - 1;
      if (found !== 11) throw new Error(`${team}/${tier} has ${found} of the 11 builds of the fix`);
    }
  }
}

/** Two more teams; the corpus lacks two documents of this repository, and clients have BaseOS besides. By a reviewed pull request. */
async function writePolicies(state: string): Promise<void> {
  const absent = 'absent: { filelists: "the corpus lacks it", other: "the corpus lacks it" }\n';
  await appendFile(join(state, `policies/upstreams/${ID}.yaml`), absent);
  const team = join(state, 'policies/teams/infra.yaml');
  await appendFile(team, 'complete: false\n');
  const text = await readFile(team, 'utf8');
  for (const other of TEAMS.slice(1)) {
    await writeFile(
      join(state, `policies/teams/${other}.yaml`),
      text.replace(/^team: infra$/m, `team: ${other}`),
    );
  }
  git(state, 'checkout', '-q', '-b', 'policies');
  git(state, 'add', '-A');
  git(state, 'commit', '-qm', 'Policies');
  git(state, 'push', '-q', 'origin', 'policies');
  git(state, 'checkout', '-q', 'main');
  await sluice('pr', 'open', 'policies', '--title', 'Policies');
  await sluice('pr', 'merge', '1');
}

async function sluice(...args: string[]): Promise<Figures> {
  const { stdout: _, ...figures } = await run(args);
  return figures;
}

async function run(
  args: readonly string[],
  o: { readonly by?: string; readonly said?: (text: string) => void } = {},
): Promise<Figures & { readonly stdout: string }> {
  const all = [...HEAP, ...MEASURED, ...args, '--repo', join(dir, 'state'), '--mirror', join(dir, 'mirror')];
  const child = spawn(
    process.execPath,
    [...all, '--now', new Date(now).toISOString(), '--by', o.by ?? 'bench'],
    { env: { ...process.env, NODE_COMPILE_CACHE: join(dir, 'compiled') } }, // users run compiled files
  );
  let [stdout, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
    o.said?.(errors);
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (status !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${status}: ${errors}`);
  return { ...figuresOf(errors), stdout };
}
