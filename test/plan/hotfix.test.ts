import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { Fault } from '../../src/base/fault.ts';
import { planHotfix } from '../../src/plan/hotfix.ts';
import type { Change, Plan } from '../../src/plan/types.ts';
import { reviewLines } from '../../src/report/hotfix.ts';
import { compareEvr, formatEvr } from '../../src/rpm/evr.ts';
import { formatNevra, nameArch } from '../../src/rpm/nevra.ts';
import { type GivenHotfix, hotfixInput } from './hotfixWorld.ts';

const dir = new URL('../scenarios/hotfix/', import.meta.url);

it.each(readdirSync(dir))('hotfix: %s', async (name) => {
  const text = readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8');
  const lines = said(parse(text, { schema: 'failsafe' }) as GivenHotfix);
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(new URL(`${name}/expected.txt`, dir).pathname);
});

function said(given: GivenHotfix): string[] {
  try {
    return planned(planHotfix(hotfixInput(given)));
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return [`${fault.code}: ${fault.message}`, `at ${fault.at}`, `hint: ${fault.hint}`];
  }
}

function planned(plan: Plan): string[] {
  return [
    ...plan.repositories.flatMap(({ repository, changes, staying, after, notes }) => [
      `${repository.tier}:`,
      ...changes.map((change) => `  ${say(change)}`),
      ...staying.map(
        (s) => `  ${formatNevra(s.build.nevra)} stays: ${'why' in s.reason ? s.reason.why : ''}`,
      ),
      ...notes.map((note) => `  noted: ${note}`),
      `  has ${after.pins.map((pin) => formatNevra(pin.nevra)).join(' ')}`,
    ]),
    ...reviewLines(plan),
  ];
}

function say(change: Change): string {
  if (change.kind === 'module') return `module ${change.nsvca} ${change.to ? 'comes' : 'goes'}`;
  if (change.kind === 'tree') throw new Error('no trees here');
  if (!('to' in change)) return `- ${formatNevra(change.from.nevra)}: ${change.why}`;
  const past = 'past' in change && change.past.length > 0 ? ` past ${change.past.join(', ')}` : '';
  const along =
    'along' in change && change.along
      ? ` because ${change.along.map(({ build, needs }) => `${build} needs ${needs}`).join(', ')}`
      : '';
  const from = 'from' in change ? `${formatEvr(change.from.nevra.evr)} → ` : '';
  return `${change.to.nevra.name}: ${from}${formatEvr(change.to.nevra.evr)}${past}${along}`;
}

const NAMES = ['a', 'b', 'c', 'd'];
const build = fc.tuple(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 4 }));
const needs = fc.record({ of: build, on: build });

it('never lowers, never touches what nothing asked for needs, and leaves no tier behind another', () => {
  let moved = 0;
  fc.assert(
    fc.property(
      fc.array(build, { minLength: 4, maxLength: 12 }),
      fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 12, maxLength: 12 }),
      fc.array(needs, { maxLength: 6 }),
      fc.constantFrom(...NAMES),
      fc.boolean(),
      (builds, places, requires, name, newer) => {
        const given = randomWorld(builds, places, requires, name, newer);
        const input = hotfixInput(given);
        let plan: Plan;
        try {
          plan = planHotfix(input);
        } catch (fault) {
          if (fault instanceof Fault) return; // what cannot be closed changes nothing
          throw fault;
        }
        const reached = neededBy(name, requires);
        for (const { repository, before, after, changes } of plan.repositories) {
          if (changes.length > 0) moved += 1;
          expect(after.repository).toEqual(repository);
          const newest = new Map(after.pins.map((pin) => [nameArch(pin.nevra), pin]));
          for (const pin of before?.pins ?? []) {
            const now = newest.get(nameArch(pin.nevra));
            expect(now && compareEvr(now.nevra.evr, pin.nevra.evr)).toBeGreaterThanOrEqual(0);
            const older = changes.filter(
              (c) =>
                (c.kind === 'add' || c.kind === 'update') &&
                nameArch(c.to.nevra) === nameArch(pin.nevra) &&
                compareEvr(c.to.nevra.evr, pin.nevra.evr) < 0,
            );
            expect(older).toEqual([]); // nor beside what it has
          }
          for (const change of changes) {
            if (change.kind !== 'module' && 'to' in change) expect(reached).toContain(change.to.nevra.name);
          }
        }
        const [stable, unstable] = plan.repositories.map(
          ({ after }) => new Map(after.pins.map((pin) => [nameArch(pin.nevra), pin])),
        );
        for (const change of plan.repositories[0]?.changes ?? []) {
          if (change.kind === 'module' || !('to' in change)) continue;
          const parent = unstable?.get(nameArch(change.to.nevra));
          expect(parent && compareEvr(parent.nevra.evr, change.to.nevra.evr)).toBeGreaterThanOrEqual(0);
        }
        expect(stable).toBeDefined();
        const again = planHotfix(hotfixInput(afterwards(given, plan)));
        expect(again.repositories.flatMap(({ changes }) => changes)).toEqual([]);
      },
    ),
    { numRuns: 150, seed: 20261121 },
  );
  expect(moved).toBeGreaterThan(50);
});

const DAY = '2026-03-01';

function nevra([name, version]: readonly [string, number]): string {
  return `${name}-${version}-1.x86_64`;
}

/** `places`: of each build, whether only live has it, unstable too, or both tiers. */
function randomWorld(
  builds: readonly (readonly [string, number])[],
  places: readonly number[],
  requires: readonly { readonly of: readonly [string, number]; readonly on: readonly [string, number] }[],
  name: string,
  newer: boolean,
): GivenHotfix {
  const all = [...new Set([...builds.map(nevra), nevra([name, newer ? 5 : 1])])];
  const at = (least: number) =>
    Object.fromEntries(all.filter((_, i) => (places[i] ?? 0) >= least).map((n) => [n, DAY]));
  const byBuild: Record<string, string[]> = {};
  for (const { of, on } of requires) {
    byBuild[nevra(of)] = [...(byBuild[nevra(of)] ?? []), `${on[0]} >= ${on[1]}`];
  }
  return {
    now: '2026-03-10T00:00:00Z',
    named: [name],
    live: Object.fromEntries(Object.entries(at(0)).filter(([n]) => !n.includes('-4-'))), // the vendor has dropped some
    unstable: at(1),
    stable: at(2),
    requires: byBuild,
  };
}

/** By names: what the named one could need, in whichever build. */
function neededBy(
  name: string,
  requires: readonly { readonly of: readonly [string, number]; readonly on: readonly [string, number] }[],
): string[] {
  const reached = new Set([name]);
  for (const one of reached) {
    for (const { of, on } of requires) {
      if (of[0] === one) reached.add(on[0]);
      if (on[0] === one) reached.add(of[0]); // what needed its older build may have to give way
    }
  }
  return [...reached];
}

function afterwards(given: GivenHotfix, plan: Plan): GivenHotfix {
  const has = (tier: string) => {
    const own = plan.repositories.filter(({ repository }) => repository.tier === tier);
    return Object.fromEntries(own.flatMap(({ after }) => after.pins.map((p) => [formatNevra(p.nevra), DAY])));
  };
  return { ...given, unstable: has('unstable'), stable: has('stable') };
}
