import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeSnapshot, type Pin } from '../../src/manifest/snapshot.ts';
import { linkNames } from '../../src/publish/links.ts';
import { cutRuns, LISTS } from '../../src/publish/runs.ts';
import { LIVE, sample } from './world.ts';

/** Enough builds for several runs, some names with more than one. */
const ALL = Array.from({ length: 400 }, (_, i) => sample(`package-${(i * 7919) % 311}-${i}-1.x86_64`).pin);

function ordered(pins: readonly Pin[]): readonly Pin[] {
  return makeSnapshot({ repository: LIVE, from: 'harbor-9-x86_64-base', pins }).pins;
}

function cut(pins: readonly Pin[]) {
  return cutRuns(pins, { kind: 'full', names: linkNames(pins) }, 'zstd');
}

describe('runs', () => {
  it('hold every pin once, in order, and never part the builds of one name.arch', () => {
    fc.assert(
      fc.property(fc.subarray(ALL), (some) => {
        const pins = ordered(some);
        const runs = cut(pins);
        expect(runs.flatMap(({ start, end }) => pins.slice(start, end))).toEqual(pins);
        for (const { start } of runs.slice(1))
          expect(pins[start]?.nevra.name).not.toBe(pins[start - 1]?.nevra.name);
        expect(runs.every(({ start, end }) => end > start)).toBe(true);
      }),
    );
  });

  it('change with one build only where it stands: at most two runs are new', () => {
    fc.assert(
      fc.property(fc.subarray(ALL, { minLength: 1 }), fc.nat(), (some, n) => {
        const without = some.filter((_, i) => i !== n % some.length);
        const before = new Set(cut(ordered(without)).map(({ keys }) => keys.primary));
        const fresh = cut(ordered(some)).filter(({ keys }) => !before.has(keys.primary));
        expect(fresh.length).toBeLessThanOrEqual(2); // its own run, and the one that it may have cut in two
      }),
    );
  });

  it('are several for a repository of some size', () => {
    expect(cut(ordered(ALL)).length).toBeGreaterThan(3);
    expect(cut([])).toEqual([]);
  });

  it('have keys that tell lists, codecs and locations apart', () => {
    const pins = ordered(ALL.slice(0, 3));
    const thin = (baseurl: string) =>
      cutRuns(pins, { kind: 'thin', baseurl, parentHref: false }, 'zstd')[0]?.keys;
    const full = cut(pins)[0]?.keys;
    const gzip = cutRuns(pins, { kind: 'full', names: linkNames(pins) }, 'gzip')[0]?.keys;
    const primaries = [full, gzip, thin('https://a.example/'), thin('https://b.example/')].map(
      (k) => k?.primary,
    );
    expect(new Set(primaries).size).toBe(4);
    expect(full?.filelists).toBe(thin('https://a.example/')?.filelists); // files lie where the record says
    for (const list of LISTS) expect(full?.[list]).toMatch(/^[0-9a-f]{64}$/);
  });
});
