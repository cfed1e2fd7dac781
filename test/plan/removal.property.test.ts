import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planRemoval } from '../../src/plan/remove.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';
import { removeInput } from './removing.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const word = fc.constantFrom(...NAMES);

/** Builds in one or two versions, each with needs: a name, a version of it, or a capability that some provide. */
const world = fc.record({
  builds: fc.uniqueArray(fc.tuple(word, fc.constantFrom('1', '2')), {
    minLength: 2,
    maxLength: 10,
    selector: ([name, version]) => `${name}-${version}`,
  }),
  needs: fc.array(
    fc.tuple(
      word,
      fc.constantFrom('1', '2'),
      fc.oneof(
        word,
        word.map((n) => `${n} = 1-1`),
        word.map((n) => `cap(${n})`),
      ),
    ),
    { maxLength: 12 },
  ),
  provides: fc.array(fc.tuple(word, word), { maxLength: 5 }),
  gone: fc.uniqueArray(word, { minLength: 1, maxLength: 2 }),
});

/** Asked without any of the code under test: what a client sees, and what of that has a need that nobody in sight meets. */
function unmet(
  set: readonly string[],
  requires: ReadonlyMap<string, string[]>,
  provides: ReadonlyMap<string, string[]>,
) {
  const newest = set.filter((build) => !set.some((o) => o[0] === build[0] && o > build));
  return [set, newest].map((sees) => {
    const met = (need: string) => {
      const [name, version] = need.split(' = ');
      return sees.some((b) =>
        version === undefined
          ? b[0] === need || (provides.get(b[0] as string) ?? []).includes(need)
          : b === `${name}-${version}`,
      );
    };
    return sees.flatMap((b) =>
      (requires.get(b) ?? []).filter((need) => !met(need)).map((need) => ({ b, need })),
    );
  });
}

it('a removal leaves nothing that lost its last provider, and takes only what lost one', () => {
  fc.assert(
    fc.property(world, ({ builds, needs, provides, gone }) => {
      const set = builds.map(([name, version]) => `${name}-${version}-1`);
      const requires = Map.groupBy(needs, ([name, version]) => `${name}-${version}-1`);
      const wants = new Map([...requires].map(([b, list]) => [b, list.map(([, , need]) => need)]));
      const gives = new Map(
        NAMES.map((n) => [n, provides.filter(([by]) => by === n).map(([, cap]) => `cap(${cap})`)] as const),
      );
      const present = gone.filter((name) => builds.some(([n]) => n === name));
      fc.pre(present.length > 0);
      const plan = planRemoval(
        removeInput({
          now: '2026-03-10T00:00:00Z',
          parent: {},
          target: set.map((b) => `${b}.noarch`),
          requires: Object.fromEntries([...wants].map(([b, list]) => [`${b}.noarch`, list])),
          provides: Object.fromEntries(gives),
          remove: present,
        }),
      );
      const left = plan.repositories.flatMap((r) =>
        r.after.pins.map((p) => formatNevra(p.nevra).replace('.noarch', '')),
      );
      expect(left.filter((b) => present.includes(b[0] as (typeof present)[number]))).toEqual([]);
      const before = unmet(set, wants, gives);
      const after = unmet(left, wants, gives);
      // an old break of any version of the name is carried: vendors ship such
      const base = (need: string) => need.split(' ')[0];
      for (const [i, broken] of after.entries()) {
        const known = before[i]?.map(({ b, need }) => `${b[0]} ${base(need)}`) ?? [];
        expect(broken.filter(({ b, need }) => !known.includes(`${b[0]} ${base(need)}`))).toEqual([]);
      }
      const along = (plan.cascade ?? [])
        .filter(({ needs }) => needs !== undefined)
        .map(({ build }) => build[0]);
      const lost = set.filter((b) => !left.includes(b)).map((b) => b[0] as string);
      expect(lost.filter((name) => !present.includes(name as 'a') && !along.includes(name))).toEqual([]);
      for (const row of plan.cascade ?? []) {
        const { name, evr } = parseNevra(row.build);
        if (row.needs === undefined) continue;
        const b = `${name}-${evr.version}-1`;
        const again = unmet([...left, b].sort(), wants, gives);
        expect(again.some((list) => list.some((x) => x.b === b && x.need === row.needs))).toBe(true);
      }
    }),
    { numRuns: 100 },
  );
});
