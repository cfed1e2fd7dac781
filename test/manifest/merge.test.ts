import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockPath } from '../../src/manifest/ids.ts';
import {
  makeSnapshot,
  type Pin,
  parseSnapshot,
  renderSnapshot,
  type Snapshot,
} from '../../src/manifest/snapshot.ts';
import { PARENT, pin, STABLE, STABLE_PATH } from './samples.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-merge-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const NAMES = 200;
const LOCK = lockPath(STABLE);

function snapshotOf(builds: ReadonlyMap<number, number>): Snapshot {
  const pins: Pin[] = [];
  for (const [name, build] of builds)
    pins.push(pin(`package${name}-1.${build}-1.el9.x86_64`, name * 100 + build));
  return makeSnapshot({ repository: STABLE, from: PARENT, pins });
}

const base = new Map(Array.from({ length: NAMES }, (_, name) => [name, 0]));

/** Two people bump different packages, most of them neighbours. */
const disjointBumps = fc
  .tuple(
    fc.nat(NAMES - 41),
    fc.array(fc.constantFrom('ours', 'theirs', 'neither'), { minLength: 40, maxLength: 40 }),
  )
  .map(([first, sides]) => {
    const bumped = (...whose: string[]) =>
      snapshotOf(
        new Map(
          [...base].map(([name, build]) => [name, whose.includes(sides[name - first] ?? '') ? 1 : build]),
        ),
      );
    return { ours: bumped('ours'), theirs: bumped('theirs'), both: bumped('ours', 'theirs') };
  });

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', ['-C', folder, ...identity, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('disjoint bumps merge as text', () => {
  it('with git merge-file, both files, in 40 samples', () => {
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    let samples = 0;
    fc.assert(
      fc.property(disjointBumps, ({ ours, theirs, both }) => {
        for (const file of ['yaml', 'lock'] as const) {
          const names = [ours, snapshotOf(base), theirs].map((s, i) =>
            write(`${i}`, renderSnapshot(s)[file]),
          );
          const merged = execFileSync('git', ['merge-file', '-p', ...names], { encoding: 'utf8' }); // fails on a conflict
          expect(merged).toBe(renderSnapshot(both)[file]);
        }
        samples += 1;
      }),
      { numRuns: 40 },
    );
    expect(samples).toBeGreaterThanOrEqual(40);
  });

  it('with git merge, and the merged tree is a snapshot', () => {
    const put = (s: Snapshot, branch: string) => {
      const { yaml, lock } = renderSnapshot(s);
      for (const [path, text] of [
        [STABLE_PATH, yaml],
        [LOCK, lock],
      ] as const) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      git('add', '-A');
      git('commit', '-qm', branch, '--allow-empty');
    };
    git('init', '-q', '-b', 'main');
    put(snapshotOf(base), 'base');
    for (const { ours, theirs, both } of fc.sample(disjointBumps, { numRuns: 5, seed: 7 })) {
      git('checkout', '-q', '-B', 'ours', 'main');
      put(ours, 'ours');
      git('checkout', '-q', '-B', 'theirs', 'main');
      put(theirs, 'theirs');
      git('merge', '-q', '-m', 'both', 'ours');
      const files = { yaml: git('show', `HEAD:${STABLE_PATH}`), lock: git('show', `HEAD:${LOCK}`) };
      expect(parseSnapshot(files, STABLE_PATH)).toEqual(both);
    }
  });

  it('but two bumps of one package conflict', () => {
    const write = (name: string, s: Snapshot) => {
      writeFileSync(join(folder, name), renderSnapshot(s).yaml);
      return join(folder, name);
    };
    const names = [1, 0, 2].map((build) => write(`${build}`, snapshotOf(new Map([...base, [9, build]]))));
    expect(() => execFileSync('git', ['merge-file', '-p', ...names], { stdio: 'pipe' })).toThrow();
  });
});
