import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectedOf, type Point, tryPoint } from '../crash/points.ts';
import { CrashSite, type Operation, prepare } from '../crash/site.ts';
import { oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';

/** Some of `npm run test:crash`, which tries every point. */
describe.skipIf(!oracle('strace'))('cut off, then run again, with a client reading all the while', () => {
  let site: CrashSite;
  let operations: readonly Operation[];
  const expected = new Map<string, readonly string[]>();

  beforeAll(async () => {
    site = new CrashSite(await mkdtemp(join(tmpdir(), 'sluice-crash-')));
    operations = await prepare(site, { quick: true });
  });
  afterAll(() => rm(site.root, { recursive: true, force: true }));

  const points: readonly (readonly [Operation['name'], Point])[] = [
    ['publish', { call: 'symlink', when: 2, what: 'KILL' }],
    ...(ALL ? ([['publish', { call: 'rename', when: 9, what: 'KILL' }]] as const) : []),
    ['publish', { call: 'link', when: 1, what: 'EXDEV' }],
    ['publish', { call: 'mkdir', when: 12, what: 'EROFS' }],
    ['sync', { call: 'fsync', when: 30, what: 'KILL' }],
    ['hotfix-write', { call: 'rename', when: 4, what: 'KILL' }],
  ];
  it.each(points)('%s: %o', async (name, point) => {
    const operation = operations.find((o) => o.name === name) as Operation;
    const known = expected.get(name) ?? (await expectedOf(site, operation));
    expected.set(name, known);
    const { reached, wrong, rounds } = await tryPoint(site, operation, point, known);
    expect(wrong).toEqual([]);
    expect(reached).toBe(true);
    expect(rounds).toBeGreaterThan(1);
  });
});
