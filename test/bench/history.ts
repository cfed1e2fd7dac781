/** How long the history clock takes: `node test/bench/history.ts [commits=1000] [pins=17649]`. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openHistory } from '../../src/forge/history.ts';
import { git, type MadeCommit, makeHistory } from '../fixtures/gitHistory.ts';

const [commits = 1000, pins = 17_649] = process.argv.slice(2).map(Number);
const LOCK = 'snapshots/vendor/live/centos-9-x86_64-appstream.lock';
const DAY_MS = 86_400_000;
const START = Date.parse('2024-01-01T00:00:00Z');

/** A sync a day, merged, with sixty builds that are new. */
function* dailySyncs(): Generator<MadeCommit> {
  const releases = new Array<number>(pins).fill(0);
  const line = (i: number): string => {
    const hex = createHash('sha256').update(`${i} ${releases[i]}`).digest('hex');
    const nevra = `package-${String(i).padStart(6, '0')}-1.2.3-${releases[i]}.el9.x86_64`;
    return `${nevra} sha256:${hex} ${1000 + i} ${hex.slice(0, 12)}\n\n`;
  };
  const lines = releases.map((_, i) => line(i));
  for (let day = 0; day < commits; day++) {
    for (let n = 0; n < 60; n++) {
      const i = (day * 7919 + n * 104_729) % pins;
      releases[i] = (releases[i] ?? 0) + 1;
      lines[i] = line(i);
    }
    const time = (START + day * DAY_MS) / 1000;
    yield { time, side: time - 60, files: { [LOCK]: lines.join('') } };
  }
}

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  const result = await work();
  console.log(`${name.padEnd(28)} ${Math.round(performance.now() - start)} ms (${result})`);
}

const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
try {
  makeHistory(dir, dailySyncs());
  git(dir, 'gc', '-q');
  const history = await openHistory(dir, 'main');
  const tip = history.timeOf(history.commit).getTime();
  const window = (days: number): Date => new Date(tip - days * DAY_MS);
  await measure('open', async () => (await openHistory(dir, 'main')).chain.length);
  await measure('stays, 10 days', async () => (await history.stays(LOCK, window(10))).size);
  await measure('stays, 90 days', async () => (await history.stays(LOCK, window(90))).size);
  await measure('stays, all', async () => (await history.stays(LOCK, undefined)).size);
  const foreign = new Set(['nobody-1-1.x86_64 sha256:00']); // the worst case: read to the beginning, and not found
  await measure('lastListed', async () => (await history.lastListed(LOCK, foreign)).size);
  await measure('seenAt', async () => (await history.seenAt(LOCK)).size);
  await measure('pathChanges', async () => (await history.pathChanges([LOCK])).length);
  await measure(
    'pathChanges, the newest',
    async () => (await history.pathChanges([LOCK], { limit: 1 })).length,
  );
  console.log(`${Math.round(process.resourceUsage().maxRSS / 1000)} MB at most`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
