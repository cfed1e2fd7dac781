import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planPromotion } from '../../src/plan/promote.ts';
import type { Change } from '../../src/plan/types.ts';
import { formatNevra, nameArch, parseNevra } from '../../src/rpm/nevra.ts';
import { ALL } from '../fixtures/sample.ts';
import { type Given, inputOf } from './world.ts';

const RUNS = ALL ? 1_000 : 150;
const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve'];
const NOW = '2026-03-10T12:00:00Z';

const build = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(1, 2, 3))
  .map(([name, version]) => `${name}-${version}-1.noarch`);
const requirement = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(1, 2, 3))
  .map(([name, version]) => `${name} >= ${version}-1`);
const exception = fc.record({
  match: fc.constantFrom(...NAMES).map((name) => `^${name}$`),
  reason: fc.constant('a fix'),
  owner: fc.constant('ops'),
  until: fc.constantFrom('2026-03-09', '2026-03-10', '2026-04-01'),
});

const world = fc
  .record({
    parent: fc.uniqueArray(build, { minLength: 1, maxLength: 12 }),
    target: fc.uniqueArray(build, { maxLength: 6 }),
    requires: fc.dictionary(build, fc.array(requirement, { maxLength: 2 }), { maxKeys: 8 }),
    obsoletes: fc.dictionary(
      fc.constantFrom(...NAMES),
      fc.array(fc.constantFrom(...NAMES), { maxLength: 1 }),
      {
        maxKeys: 2,
      },
    ),
    exceptions: fc.array(exception, { maxLength: 3 }),
    image: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 }),
  })
  .map(({ parent, exceptions, image, ...rest }) => {
    const stood = Object.fromEntries(parent.map((text) => [text, '2026-01-01']));
    return { exceptions, image, given: { ...rest, now: NOW, parent: stood } };
  });

const nameOf = (change: Change): string => {
  if (change.kind === 'module' || change.kind === 'tree') throw new Error('builds alone are here');
  return ('to' in change ? change.to : change.from).nevra.name;
};
const changesOf = (given: Given): readonly Change[] => {
  return planPromotion(inputOf(given)).repositories.flatMap((r) => r.changes);
};

it('a frozen tier changes only by name: by that of a person, or of an exception that has not ended', () => {
  fc.assert(
    fc.property(world, ({ given, exceptions }) => {
      const tier = { mode: 'frozen', exceptions };
      const open = exceptions
        .filter(({ until }) => until >= NOW.slice(0, 10))
        .map(({ match }) => match.slice(1, -1));
      const changes = changesOf({ ...given, tier });
      for (const change of changes) expect(open).toContain(nameOf(change));
      expect(changesOf({ ...given, tier: { mode: 'frozen' } })).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

it('a tier of updates gets no name that neither it nor its baseline has, but for what is needed and what replaces', () => {
  fc.assert(
    fc.property(world, ({ given, image }) => {
      const baseline = image.map((name) => `${name}-1-1.noarch`).join('\n');
      const tier = { mode: 'updates-only', baseline: 'baselines/image.txt' };
      const there = new Set(
        [...given.target, ...baseline.split('\n')].filter(Boolean).map((t) => nameArch(parseNevra(t))),
      );
      for (const change of changesOf({ ...given, tier, baseline })) {
        if (change.kind !== 'add' || there.has(nameArch(change.to.nevra))) continue;
        const isShown = change.along !== undefined || change.replaces !== undefined;
        expect(isShown, formatNevra(change.to.nevra)).toBe(true);
        if (change.replaces !== undefined) expect([...there]).toContain(`${change.replaces}.noarch`);
      }
    }),
    { numRuns: RUNS },
  );
});
