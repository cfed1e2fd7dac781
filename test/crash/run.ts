/**
 * test/crash/run.ts — `npm run test:crash [-- --only publish --what KILL --call rename --stride 3 --offset 1 --lanes 2]`: cuts sync, merge,
 * publish, add and the verbs of day 2 at every system call that changes the disk, runs them again, and compares every byte; a client
 * reads all the while.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareAll } from './day2.ts';
import { runMatrix, tasksOf } from './matrix.ts';
import { countCalls, expectedOf, type Point } from './points.ts';
import { CrashSite, type Operation } from './site.ts';

const KINDS = ['KILL', 'ENOSPC', 'EXDEV', 'EIO', 'EROFS'] as const satisfies readonly Point['what'][];

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    what: { type: 'string', multiple: true, default: [] },
    call: { type: 'string', multiple: true, default: [] },
    stride: { type: 'string', default: '1' },
    offset: { type: 'string', default: '0' },
    lanes: { type: 'string', default: '2' },
  },
});
const kinds = KINDS.filter((kind) => values.what.length === 0 || values.what.includes(kind));
const started = performance.now();
const say = (line: string) => process.stdout.write(`${line}\n`);

interface Lane {
  readonly site: CrashSite;
  readonly operations: readonly Operation[];
}

async function openLane(): Promise<Lane> {
  const site = new CrashSite(await mkdtemp(join(tmpdir(), 'sluice-crash-')));
  const operations = await prepareAll(site, values.only);
  return { site, operations };
}

const lanes = await Promise.all(Array.from({ length: Number(values.lanes) }, openLane));
let bad = 0;
try {
  const [first] = lanes;
  for (const operation of first?.operations ?? []) {
    const counts = first ? await countCalls(first.site, operation) : new Map<string, number>();
    const tasks = tasksOf(operation, counts, kinds)
      .filter(({ point }) => values.call.length === 0 || values.call.includes(point.call))
      .filter((_, n) => n % Number(values.stride) === Number(values.offset));
    const places = await Promise.all(
      lanes.map(async ({ site }) => ({ site, expected: await expectedOf(site, operation) })),
    );
    const rows = await runMatrix(places, tasks, say);
    for (const [name, { reached, rounds, wrong }] of rows) {
      bad += wrong.length;
      const verdict = wrong.length === 0 ? 'same bytes, no client failed' : `${wrong.length} WRONG`;
      say(
        `${name.padEnd(40)} ${String(reached).padStart(4)} points, ${rounds} rounds of a client: ${verdict}`,
      );
    }
    const points = [...rows.values()].reduce((n, row) => n + row.reached, 0);
    say(
      `${operation.name}: ${points} points were reached, ${((performance.now() - started) / 1000).toFixed(0)} s`,
    );
  }
} finally {
  for (const { site } of lanes) await rm(site.root, { recursive: true, force: true });
}
if (values.what.length === 0 && values.only.length === 0 && values.call.length === 0) {
  const full = spawnSync('unshare', ['-rm', process.execPath, join(import.meta.dirname, 'full.ts')], {
    stdio: 'inherit',
  });
  if (full.status !== 0) bad += 1;
}
say(bad === 0 ? 'all good' : `${bad} points are wrong`);
process.exitCode = bad === 0 ? 0 : 1;
