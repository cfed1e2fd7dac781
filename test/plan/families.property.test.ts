import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPromotion } from '../../src/plan/promote.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';
import { ALL } from '../fixtures/sample.ts';
import { type Given, inputOf } from './world.ts';

const RUNS = ALL ? 1_000 : 200;
const SOURCES = { ada: 'a', abe: 'a', amy: 'a', bob: 'b', bea: 'b', cyd: 'c' } as const;
const NAMES = Object.keys(SOURCES) as (keyof typeof SOURCES)[];
const VERSIONS = [1, 2, 3, 4];
const [RIPE, YOUNG] = ['2026-01-01', '2026-03-05'];

const build = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VERSIONS))
  .map(([name, version]) => `${name}-${version}-1.noarch`);
const requirement = fc
  .tuple(fc.constantFrom(...NAMES, 'nobody'), fc.constantFrom('', ' >= 2-1', ' = 3-1', ' < 3-1'))
  .map(([name, range]) => `${name}${range}`);

const world: fc.Arbitrary<Given> = fc
  .record({
    parent: fc.uniqueArray(build, { minLength: 3, maxLength: 16 }),
    target: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 2 }),
    young: fc.uniqueArray(build, { maxLength: 4 }),
    requires: fc.dictionary(build, fc.array(requirement, { maxLength: 2 }), { maxKeys: 10 }),
    withdrawn: fc.uniqueArray(build, { maxLength: 1 }),
    advised: fc.uniqueArray(build, { maxLength: 1 }),
    named: fc.uniqueArray(fc.constantFrom('', ...NAMES), { maxLength: 1 }),
    keep: fc.constantFrom('1', '2'),
  })
  .map(({ parent, target, young, withdrawn, advised, named, keep, requires }) => ({
    now: '2026-03-10T00:00:00Z',
    severity: 'trusted',
    sources: SOURCES,
    tier: { wait: { inParent: '10d' }, security: { critical: '1d' }, keep },
    parent: Object.fromEntries(parent.map((b) => [b, young.includes(b) ? YOUNG : RIPE])),
    target: target.map((name) => `${name}-1-1.noarch`),
    requires,
    withdrawn: withdrawn.filter((b) => parent.includes(b)),
    advisories: advised.map((b, i) => ({ id: `SA-${i}`, severity: 'critical', builds: [b] })),
    named: named.filter((name) => parent.some((b) => b.startsWith(`${name}-`))),
  }));

const versionOf = (nevra: string): number => Number(parseNevra(nevra).evr.version);
const nameOf = (nevra: string) => parseNevra(nevra).name as keyof typeof SOURCES;

/**
 * Siblings that the target had, that the parent has in the version to which `moved` moved, and that got neither there nor beyond
 * (where a later version has no binary of one name any more).
 */
function leftBehind(given: Given, moved: string, after: readonly string[]): string[] {
  const siblings = (given.target ?? []).map(nameOf).filter((n) => SOURCES[n] === SOURCES[nameOf(moved)]);
  const newest = (name: string) =>
    Math.max(...after.filter((build) => nameOf(build) === name).map(versionOf));
  return siblings
    .filter(
      (name) => `${name}-${versionOf(moved)}-1.noarch` in given.parent && newest(name) < versionOf(moved),
    )
    .map((name) => `${name}-${versionOf(moved)}-1.noarch`);
}

describe('the binaries of one source package that the target has', () => {
  it('are never split by a promotion that has all of them in the parent', () => {
    let families = 0;
    fc.assert(
      fc.property(world, (given) => {
        const [plan] = planPromotion(inputOf(given)).repositories;
        const after = (plan?.after.pins ?? []).map((pin) => formatNevra(pin.nevra));
        for (const change of plan?.changes ?? []) {
          const isNew = change.kind === 'add' && given.named?.length === 0; // and waits for the rest
          if (change.kind !== 'update' && !isNew) continue;
          expect(leftBehind(given, formatNevra(change.to.nevra), after)).toEqual([]);
          families += 1;
        }
      }),
      { numRuns: RUNS },
    );
    expect(families).toBeGreaterThan(RUNS / 2);
  });

  it('are split where the policy says loose: the property can fail', () => {
    const given: Given = {
      now: '2026-03-10T00:00:00Z',
      team: { families: 'loose' },
      tier: { wait: { inParent: '10d' } },
      sources: SOURCES,
      parent: { 'ada-2-1.noarch': RIPE, 'abe-2-1.noarch': YOUNG },
      target: ['ada-1-1.noarch', 'abe-1-1.noarch'],
    };
    const [plan] = planPromotion(inputOf(given)).repositories;
    const after = (plan?.after.pins ?? []).map((pin) => formatNevra(pin.nevra));
    expect(leftBehind(given, 'ada-2-1.noarch', after)).toEqual(['abe-2-1.noarch']);
  });

  it('all move when nothing is in the way', () => {
    fc.assert(
      fc.property(world, (given) => {
        const free = { ...given, requires: {}, withdrawn: [], named: [], now: '2027-01-01T00:00:00Z' };
        const [plan] = planPromotion(inputOf(free)).repositories;
        expect(plan?.staying).toEqual([]);
      }),
      { numRuns: RUNS / 4 },
    );
  });
});
