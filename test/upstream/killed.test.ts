import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/pool/disk.ts';
import { oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { underStrace } from '../fixtures/strace.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { makeRepository } from '../fixtures/upstreamRepository.ts';
import { syncOnce } from './syncOnce.ts';

const SYNC = fileURLToPath(new URL('syncOnce.ts', import.meta.url));
const CALLS = ['rename', 'fsync', 'fchmod', 'unlink', 'mkdir'];
/** Between kills: each run is half a second. */
const STRIDE = ALL ? 3 : 9;

async function folderOf(files: ReadonlyMap<string, Buffer>): Promise<string> {
  const folder = await tempDir();
  for (const [path, bytes] of files) await writeFileAtomic(join(folder, path), bytes);
  return pathToFileURL(folder).href;
}

async function contents(mirror: string): Promise<Map<string, string>> {
  const files = await filesBelow(mirror);
  return new Map(
    await Promise.all(files.map(async (f) => [f, await readFile(join(mirror, f), 'hex')] as const)),
  );
}

describe.skipIf(!oracle('strace'))('a sync', () => {
  it('killed at any step is finished by the next run, to the same bytes as one that was not', async () => {
    const base = await folderOf(makeRepository({ builds: [{ name: 'a' }, { name: 'b' }] }));
    const whole = await tempDir();
    await syncOnce(whole, base);
    const expected = await contents(whole);
    expect([...expected.keys()].filter((path) => path.startsWith('pool/'))).toHaveLength(2);
    let kills = 0;
    for (let when = 1, done = false; !done; when += STRIDE) {
      const mirror = await tempDir();
      done = !underStrace(SYNC, [mirror, base], { calls: CALLS, when, what: 'signal=KILL' }).killed;
      if (!done) kills += 1;
      await syncOnce(mirror, base);
      expect(await contents(mirror)).toEqual(expected);
      expect(when).toBeLessThan(500);
    }
    expect(kills).toBeGreaterThan(ALL ? 10 : 3);
  }, 300_000);

  it.each(['ENOSPC', 'EROFS', 'EIO'])('that meets %s says so', async (error) => {
    const base = await folderOf(makeRepository({ builds: [{ name: 'a' }] }));
    const calls = error === 'ENOSPC' ? ['pwrite64'] : error === 'EIO' ? ['fsync'] : ['rename'];
    const run = underStrace(SYNC, [await tempDir(), base], { calls, when: '2+', what: `error=${error}` });
    expect(run.stderr).toContain("code: 'DISK'");
    expect(run.stderr).toContain(`(${error})`);
  });
});
