import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPromotion } from '../../src/plan/promote.ts';
import type { Plan } from '../../src/plan/types.ts';
import { compareEvr } from '../../src/rpm/evr.ts';
import { formatNevra, type Nevra, nameArch, parseNevra } from '../../src/rpm/nevra.ts';
import { ALL } from '../fixtures/sample.ts';
import { type Given, inputOf } from './world.ts';

const RUNS = ALL ? 1_000 : 200;
const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay'];
const VERSIONS = [1, 2, 3];
const NOW = '2026-03-10T00:00:00Z';
const LATER = '2027-01-01T00:00:00Z';
const [RIPE, YOUNG] = ['2026-01-01', '2026-03-05'];

const requirement = fc
  .tuple(
    fc.constantFrom(...NAMES, 'nobody'),
    fc.constantFrom('', '=', '>=', '<'),
    fc.constantFrom(...VERSIONS),
  )
  .map(([name, operator, version]) => (operator === '' ? name : `${name} ${operator} ${version}-1`));

const build = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VERSIONS))
  .map(([name, version]) => `${name}-${version}-1.noarch`);

/** Small sets in which nearly everything depends on something: half of the builds are too young. */
const world: fc.Arbitrary<Given> = fc
  .record({
    parent: fc.uniqueArray(build, { minLength: 1, maxLength: 14 }),
    target: fc.uniqueArray(build, { minLength: 1, maxLength: 8 }),
    also: fc.uniqueArray(build, { maxLength: 1 }),
    young: fc.uniqueArray(build, { maxLength: 4 }),
    keep: fc.constantFrom('1', '2'),
    requires: fc.dictionary(build, fc.array(requirement, { maxLength: 3 }), { maxKeys: 16 }),
    advised: fc.uniqueArray(build, { maxLength: 2 }),
    mode: fc.constantFrom('rolling', 'updates-only'),
  })
  .map(({ parent, young, advised, keep, mode, ...rest }) => ({
    ...rest,
    now: NOW,
    tier: { wait: { inParent: '10d' }, keep, mode },
    parent: Object.fromEntries(parent.map((b) => [b, young.includes(b) ? YOUNG : RIPE])),
    advisories: advised.map((b, i) => ({ id: `SA-${i}`, severity: 'important', builds: [b] })),
  }));

/** By its own reading of the given: the unmet requirements of a set, as `name.arch lacks name`. */
function lacks(given: Given, nevras: readonly string[], newestOnly: boolean): Set<string> {
  const all = [...new Set([...nevras, ...(given.also ?? [])])].map((text) => parseNevra(text));
  const seen = newestOnly
    ? all.filter((n) => !all.some((o) => nameArch(o) === nameArch(n) && compareEvr(o.evr, n.evr) > 0))
    : all;
  const found = new Set<string>();
  for (const nevra of seen) {
    for (const text of given.requires?.[formatNevra(nevra)] ?? []) {
      const [name = '', operator, version] = text.split(' ');
      if (!seen.some((other) => other.name === name && meets(other, operator, version))) {
        found.add(`${nameArch(nevra)} lacks ${name}`);
      }
    }
  }
  return found;
}

function meets({ evr }: Nevra, operator = '', version = ''): boolean {
  const [has, wanted] = [Number(evr.version), Number(version.split('-')[0])];
  if (operator === '=') return has === wanted;
  if (operator === '>=') return has >= wanted;
  if (operator === '<') return has < wanted;
  return true;
}

const pinsOf = (plan: Plan): string[] =>
  plan.repositories.flatMap((r) => r.after.pins.map((pin) => formatNevra(pin.nevra)));

const breaksNothing = (given: Given, after: readonly string[]): boolean =>
  [false, true].every((newestOnly) => {
    const before = lacks(given, given.target ?? [], newestOnly);
    return [...lacks(given, after, newestOnly)].every((lack) => before.has(lack));
  });

describe('a promotion of any set', () => {
  it('adds no break for any client', () => {
    fc.assert(
      fc.property(world, (given) => {
        const after = pinsOf(planPromotion(inputOf(given)));
        for (const newestOnly of [false, true]) {
          const before = lacks(given, given.target ?? [], newestOnly);
          expect([...lacks(given, after, newestOnly).difference(before)]).toEqual([]);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('is the same whatever the order of what is given', () => {
    fc.assert(
      fc.property(world, fc.infiniteStream(fc.nat()), (given, random) => {
        const shuffled = <T>(list: readonly T[]): T[] =>
          list
            .map((item) => ({ item, at: random.next().value }))
            .sort((a, b) => a.at - b.at)
            .map(({ item }) => item);
        const other: Given = {
          ...given,
          parent: Object.fromEntries(shuffled(Object.entries(given.parent))),
          target: shuffled(given.target ?? []),
          requires: Object.fromEntries(shuffled(Object.entries(given.requires ?? {}))),
        };
        const [a, b] = [planPromotion(inputOf(given)), planPromotion(inputOf(other))];
        expect(pinsOf(b)).toEqual(pinsOf(a));
        const named = (plan: Plan) =>
          plan.repositories.flatMap((r) => r.staying.map((s) => [formatNevra(s.build.nevra), s.reason.kind]));
        expect(named(b)).toEqual(named(a));
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('leaves nothing behind that could have moved, alone or with one other', () => {
    fc.assert(
      fc.property(world, (given) => {
        const plan = planPromotion(inputOf(given));
        const after = pinsOf(plan);
        const stays = plan.repositories.flatMap((r) =>
          r.staying.filter((s) => 'other' in s.reason || s.reason.kind === 'broken'),
        );
        const ripe = stays.map((s) => formatNevra(s.build.nevra)).filter((n) => given.parent[n] === RIPE);
        for (const a of ripe) {
          for (const b of ripe) {
            const then = kept([...new Set([...after, a, b])], [a, b], Number(given.tier?.['keep']));
            expect(breaksNothing(given, then), `${a} with ${b}`).toBe(false);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('waits no longer than for the youngest: when all are ripe, what still stays lacks something for ever', () => {
    fc.assert(
      fc.property(world, (given) => {
        const plan = planPromotion(inputOf({ ...given, now: LATER }));
        for (const { staying } of plan.repositories) {
          for (const { reason } of staying) expect(['broken', 'mode', 'with']).toContain(reason.kind);
          for (const { reason } of staying) if (reason.kind === 'with') expect(reason.until).toBeUndefined();
        }
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('pulls nothing that could be left out', () => {
    fc.assert(
      fc.property(world, fc.constantFrom(...NAMES), (given, name) => {
        const asked = { ...given, named: [name], tier: { ...given.tier, mode: 'frozen' } };
        const plan = planPromotion(inputOf(asked));
        const after = pinsOf(plan);
        expect(breaksNothing(given, after)).toBe(true);
        for (const { changes } of plan.repositories) {
          for (const change of changes) {
            if (!('along' in change) || !change.along) continue;
            const nevra = formatNevra(change.to.nevra);
            const gone = changes.flatMap((c) => (c.kind === 'drop' ? [formatNevra(c.from.nevra)] : []));
            const own = gone.filter((g) => nameArch(parseNevra(g)) === nameArch(change.to.nevra));
            const without = [...after.filter((n) => n !== nevra), ...own];
            expect(breaksNothing(given, without), `without ${nevra}`).toBe(false);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });
});

it('an answer comes where a build that moved is pulled further by one that came along for it', () => {
  const parent = ['ada-1', 'bob-2', 'dan-2', 'bob-1', 'ada-2', 'bob-3', 'ada-3', 'dan-3', 'cyd-1'];
  const given: Given = {
    now: NOW,
    parent: Object.fromEntries(parent.map((b) => [`${b}-1.noarch`, RIPE])),
    target: ['dan-2-1.noarch', 'cyd-2-1.noarch'],
    requires: {
      'cyd-3-1.noarch': ['cyd >= 2-1'],
      'ada-2-1.noarch': ['cyd < 3-1', 'ada = 2-1'],
      'ada-1-1.noarch': ['ada >= 1-1'],
      'bob-3-1.noarch': ['bob < 2-1', 'ada = 3-1', 'ada < 1-1'],
      'bob-1-1.noarch': ['cyd >= 2-1'],
      'ada-3-1.noarch': ['cyd'],
      'bob-2-1.noarch': ['dan', 'dan = 2-1'],
      'dan-3-1.noarch': ['nobody', 'ada >= 1-1', 'bob'],
    },
  };
  const after = pinsOf(planPromotion(inputOf(given)));
  expect(breaksNothing(given, after)).toBe(true);
  expect(after).toContain('ada-3-1.noarch');
});

/** Without what `keep` lets go of the names that move, where no child waits for anything. */
function kept(nevras: readonly string[], moved: readonly string[], keep: number): string[] {
  const names = new Set(moved.map((text) => nameArch(parseNevra(text))));
  return nevras.filter((text) => {
    const nevra = parseNevra(text);
    if (!names.has(nameArch(nevra))) return true;
    const newer = nevras
      .map((other) => parseNevra(other))
      .filter((o) => {
        return nameArch(o) === nameArch(nevra) && compareEvr(o.evr, nevra.evr) > 0;
      });
    return newer.length < keep;
  });
}
