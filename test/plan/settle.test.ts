import { describe, expect, it } from 'vitest';
import { planPromotion } from '../../src/plan/promote.ts';
import type { Plan } from '../../src/plan/types.ts';
import { formatNevra, nameArch, parseNevra } from '../../src/rpm/nevra.ts';
import { ALL } from '../fixtures/sample.ts';
import { chooser } from '../fixtures/versions.ts';
import { type Given, inputOf } from './world.ts';

const NOW = '2026-03-10T00:00:00Z';
const LATER = '2027-01-01T00:00:00Z';
const [RIPE, YOUNG] = ['2026-01-01', '2026-03-09'];

/** Names with one build in the target and a newer one in the parent; what each of the two requires. */
function world(
  names: readonly string[],
  requires: (i: number, version: number) => readonly string[],
  o: { young?: readonly string[]; more?: Partial<Given> } = {},
): Given {
  const builds = (version: number) => names.map((name) => `${name}-${version}-1.noarch`);
  const lists = [1, 2].flatMap((v) => names.map((name, i) => [`${name}-${v}-1.noarch`, requires(i, v)]));
  return {
    now: NOW,
    tier: { wait: { inParent: '10d' }, keep: '1' },
    parent: Object.fromEntries(
      builds(2).map((b, i) => [b, o.young?.includes(names[i] ?? '') ? YOUNG : RIPE]),
    ),
    target: builds(1),
    requires: Object.fromEntries(lists) as Given['requires'] & object,
    ...o.more,
  };
}

/** How long a chain is: 5,000 in the long run, and in both the limit is the same few seconds. */
const LONG = ALL ? 5_000 : 1_500;
const MANY = ALL ? 10_000 : 3_000;

const numbered = (n: number, stem = 'n'): string[] => Array.from({ length: n }, (_, i) => `${stem}${i}`);

interface Measured {
  readonly plan: Plan;
  readonly moved: number;
  readonly stayed: number;
  /** Longest sentence of a reason. */
  readonly longest: number;
}

function planOf(given: Given): Measured {
  const input = inputOf(given);
  const start = process.cpuUsage(); // whatever else the machine does
  const plan = planPromotion(input);
  const { user, system } = process.cpuUsage(start);
  expect((user + system) / 1000).toBeLessThan(6_000);
  const [{ changes, staying }] = plan.repositories as [Plan['repositories'][0]];
  const moved = changes.filter(({ kind }) => kind === 'update' || kind === 'add').length;
  const longest = Math.max(0, ...staying.map(({ reason }) => reason.why.length));
  return { plan, moved, stayed: staying.length, longest };
}

describe('what is large and tangled is planned within seconds', () => {
  it('a chain of thousands, where the last one waits, and where none does', () => {
    const names = numbered(LONG);
    const next = (i: number, v: number) => (i + 1 < names.length ? [`n${i + 1} = ${v}-1`] : []);
    expect(planOf(world(names, next)).moved).toBe(LONG);
    const { moved, stayed, longest } = planOf(world(names, next, { young: [`n${LONG - 1}`] }));
    expect([moved, stayed]).toEqual([0, LONG]);
    expect(longest).toBeLessThan(1_000);
  });

  it('a chain of thousands the other way: each newer build takes away what the next one needs', () => {
    const names = numbered(LONG);
    const before = (i: number, v: number) => (i > 0 ? [`n${i - 1} = ${v}-1`] : []);
    expect(planOf(world(names, before, { young: [`n${LONG - 1}`] })).moved).toBe(0);
    expect(planOf(world(names, before, { young: ['n0'] })).moved).toBe(0);
  });

  it('a named one that needs thousands of others, one after the other', () => {
    const names = numbered(LONG);
    const next = (i: number, v: number) => (i + 1 < names.length ? [`n${i + 1} = ${v}-1`] : []);
    expect(planOf(world(names, next, { more: { named: ['n0'] } })).moved).toBe(LONG);
    const frozen = { named: ['n0'], tier: { wait: { inParent: '10d' }, keep: '1', mode: 'frozen' } };
    expect(planOf(world(names, next, { young: [`n${LONG - 1}`], more: frozen })).moved).toBe(0);
  });

  it('families in lockstep: a cycle of 100, and 300 that all need each other by one of them', () => {
    const cycle = (i: number, v: number) => [`n${(i + 1) % 100} = ${v}-1`];
    expect(planOf(world(numbered(100), cycle)).moved).toBe(100);
    expect(planOf(world(numbered(100), cycle, { young: ['n57'] })).moved).toBe(0);
    const hub = (i: number, v: number) =>
      i === 0 ? numbered(300).map((name) => `${name} = ${v}-1`) : [`n0 = ${v}-1`];
    expect(planOf(world(numbered(300), hub)).moved).toBe(300);
    expect(planOf(world(numbered(300), hub, { young: ['n299'] })).moved).toBe(0);
    const all = (_: number, v: number) => numbered(120).map((name) => `${name} = ${v}-1`);
    expect(planOf(world(numbered(120), all)).moved).toBe(120);
    expect(planOf(world(numbered(120), all, { young: ['n0'] })).moved).toBe(0);
  });

  it('thousands of alternatives, of which the last one is ripe', () => {
    const names = numbered(MANY);
    const given = world(names, () => [], {
      more: { provides: Object.fromEntries(names.map((name) => [`${name}-2-1.noarch`, ['some']])) },
    });
    const young = Object.fromEntries(Object.keys(given.parent).map((build) => [build, YOUNG]));
    const parent = { ...young, [`n${MANY - 1}-2-1.noarch`]: RIPE, 'user-2-1.noarch': RIPE };
    const requires = { 'user-2-1.noarch': ['some'] };
    const target = [...(given.target ?? []), 'user-1-1.noarch'];
    expect(planOf({ ...given, parent, requires, target }).moved).toBe(2);
    expect(
      planOf({ ...given, parent: { ...parent, [`n${MANY - 1}-2-1.noarch`]: YOUNG }, requires, target }).moved,
    ).toBe(0);
  });

  it('a provider that obsoletes itself, and requires itself', () => {
    const given = world(['self', 'other'], (i) => (i === 0 ? ['self', 'self-less'] : ['self-less']), {
      more: { obsoletes: { self: ['self', 'self-less'] }, provides: { self: ['self-less'] } },
    });
    expect(planOf(given).moved).toBe(2);
    expect(planOf({ ...given, parent: { ...given.parent, 'self-2-1.noarch': YOUNG } }).moved).toBe(1);
  });

  it('many pairs, of which only one of each may move', () => {
    const names = numbered(ALL ? 4_000 : 600);
    const rival = (i: number, v: number) => (v === 1 ? [] : [`n${i ^ 1} = 1-1`]);
    expect(planOf(world(names, rival)).moved).toBe(names.length / 2);
  });
});

/** 200 names in up to four versions, requirements in all directions; two modules in two streams each. */
function tangled(seed: number): Given {
  const next = chooser(seed);
  const names = numbered(200);
  const version = () => next(4) + 1;
  const parent: Record<string, string> = {};
  const target: string[] = [];
  const requires: Record<string, string[]> = {};
  const operators = ['', '>=', '=', '<', '>='];
  const requirement = () => {
    const operator = operators[next(operators.length)] ?? '';
    return `n${next(200)}${operator && ` ${operator} ${version()}-1`}`;
  };
  for (const [i, name] of names.entries()) {
    const [here, there] = [version(), version()];
    target.push(`${name}-${here}-1.noarch`);
    for (const v of new Set([here, there, version()])) {
      const build = `${name}-${v}-1.noarch`;
      if (v >= here) parent[build] = next(8) === 0 ? YOUNG : RIPE;
      const list = Array.from({ length: next(4) }, requirement);
      if (next(3) === 0) list.push(`n${(i + 1) % 100} = ${v}-1`);
      if (next(6) === 0) list.push(`(n${next(200)} or n${next(200)} >= 3-1)`);
      requires[build] = list;
    }
  }
  const stream = (name: string, from: number, v: number): [string, string[]] => [
    `${name}:${v}:1:c0ffee:noarch`,
    numbered(200)
      .slice(from, from + 5)
      .map((n) => `${n}-${v}-1.noarch`),
  ];
  const keep = String(next(2) + 1);
  return {
    now: NOW,
    tier: { wait: { inParent: '10d' }, keep, mode: next(4) === 0 ? 'updates-only' : 'rolling' },
    parent,
    target,
    requires,
    streams: Object.fromEntries([
      stream('web', 150, 2),
      stream('web', 150, 3),
      stream('sql', 160, 3),
      stream('sql', 160, 4),
    ]),
  };
}

describe('sets of 200 names in which everything depends on something', () => {
  const lacksOf = (given: Given, nevras: readonly string[], newestOnly: boolean): Set<string> => {
    const all = [...new Set(nevras)].map((text) => parseNevra(text));
    const version = (n: (typeof all)[number]) => Number(n.evr.version);
    const best = new Map<string, number>();
    for (const n of all) best.set(n.name, Math.max(best.get(n.name) ?? 0, version(n)));
    const seen = newestOnly ? all.filter((n) => best.get(n.name) === version(n)) : all;
    const byName = Map.groupBy(seen, (n) => n.name);
    const isMet = (text: string): boolean => {
      const either = /^\((.*) or (.*)\)$/.exec(text);
      if (either) return isMet(either[1] ?? '') || isMet(either[2] ?? '');
      const [name = '', operator, evr = ''] = text.split(' ');
      const wanted = Number(evr.split('-')[0]);
      return (byName.get(name) ?? []).some((n) => {
        if (operator === '=') return version(n) === wanted;
        if (operator === '>=') return version(n) >= wanted;
        return operator === '<' ? version(n) < wanted : true;
      });
    };
    const lacks = new Set<string>();
    for (const n of seen) {
      for (const text of given.requires?.[formatNevra(n)] ?? []) {
        if (!isMet(text))
          lacks.add(`${nameArch(n)} lacks ${text.startsWith('(') ? text : text.split(' ')[0]}`);
      }
    }
    return lacks;
  };
  const pinsOf = (plan: Plan) =>
    plan.repositories.flatMap((r) => r.after.pins.map((pin) => formatNevra(pin.nevra)));

  it.each(Array.from({ length: ALL ? 200 : 12 }, (_, seed) => seed + 15))('seed %i', (seed) => {
    const given = tangled(seed);
    const { plan, moved } = planOf(given);
    const after = pinsOf(plan);
    for (const newestOnly of [false, true]) {
      const old = lacksOf(given, given.target ?? [], newestOnly);
      expect([...lacksOf(given, after, newestOnly).difference(old)], `newest only: ${newestOnly}`).toEqual(
        [],
      );
    }
    const shuffle = chooser(seed + 1_000);
    const entries = Object.entries(given.parent)
      .map((entry) => ({ entry, at: shuffle(1e9) }))
      .sort((a, b) => a.at - b.at);
    const other = {
      ...given,
      parent: Object.fromEntries(entries.map(({ entry }) => entry)),
      target: [...(given.target ?? [])].reverse(),
    };
    expect(pinsOf(planOf(other).plan)).toEqual(after);
    const again = planOf({ ...given, target: after });
    expect(again.moved, 'nothing is left for a second plan').toBe(0);
    const later = planOf({ ...given, now: LATER });
    expect(later.moved).toBeGreaterThanOrEqual(moved);
  });
});
