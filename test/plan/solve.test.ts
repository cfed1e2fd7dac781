import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Clauses, type Client, dnfClient } from '../../src/plan/clauses.ts';
import { sentence } from '../../src/plan/explain.ts';
import { type Answer, installable, resolvable, uninstallable, upgradable } from '../../src/plan/solve.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { holds, parseRich } from '../../src/rpm/rich.ts';
import { rpmFeatures, rpmMeets } from '../../src/rpm/rpmlib.ts';
import { packageXml, universeOf } from '../fixtures/libsolv.ts';
import { fault } from '../repodata/fault.ts';

type Relations = Parameters<typeof packageXml>[1];

/** Builds written as `name evr arch`, with their relations. */
function world(builds: Readonly<Record<string, Relations>>, client: Client = dnfClient('x86_64')) {
  const elements = Object.entries(builds).map(([text, relations]) => {
    const [name = '', evr = '1-1', arch = 'x86_64'] = text.split(' ');
    const provides = [`${name} = ${evr}`, ...(relations.provides ?? [])];
    return packageXml({ name, evr, arch }, { ...relations, provides });
  });
  const universe = universeOf(elements);
  const clauses = new Clauses(universe, new Uint8Array(universe.index.size).fill(1), client);
  const names = Object.keys(builds);
  const at = (text: string): number => names.indexOf(text);
  return { clauses, at, ask: (text: string) => told(installable(clauses, at(text)), clauses) };
}

function told(answer: Answer, clauses: Clauses): string[] {
  return answer.kind === 'yes'
    ? answer.builds.map((build) => formatNevra(clauses.nevra(build))).sort()
    : ['no', ...answer.because.map((reason) => sentence(reason, clauses))];
}

describe('installable', () => {
  it('brings what is required, the newest first', () => {
    const { ask } = world({ 'a 1-1': { requires: ['b >= 2'] }, 'b 1-1': {}, 'b 2-1': {}, 'b 3-1': {} });
    expect(ask('a 1-1')).toEqual(['a-1-1.x86_64', 'b-3-1.x86_64']);
  });

  it('says by which path something is missing, and nothing else', () => {
    const { ask } = world({
      a: { requires: ['b', 'd'] },
      b: { requires: ['c >= 2'] },
      'c 1-1': {},
      d: {},
    });
    expect(ask('a')).toEqual([
      'no',
      'a-1-1.x86_64 is asked for',
      'a-1-1.x86_64 requires b, which b-1-1.x86_64 provides',
      'b-1-1.x86_64 requires c >= 2, which nothing here provides',
    ]);
  });

  it('goes back from what conflicts, and says so where all ways end', () => {
    const { ask, clauses, at } = world({
      a: { requires: ['x', 'y'] },
      'x 2-1': { conflicts: ['y'] },
      'x 1-1': {},
      y: {},
      b: { requires: ['x >= 2', 'y'] },
    });
    expect(ask('a')).toEqual(['a-1-1.x86_64', 'x-1-1.x86_64', 'y-1-1.x86_64']);
    expect(ask('b')).toContain('x-2-1.x86_64 conflicts with y, which y-1-1.x86_64 provides');
    expect(resolvable(clauses, [[at('a')], [at('b')]]).kind).toBe('no');
  });

  it('obsoletes by name and version, never what somebody provides', () => {
    const { clauses, at } = world({
      new: { obsoletes: ['old < 2'] },
      'old 1-1': {},
      'old 2-1': {},
      other: { provides: ['old = 1'] },
      self: { provides: ['before = 1'], obsoletes: ['self', 'before'] },
    });
    const both = (x: string, y: string) => resolvable(clauses, [[at(x)], [at(y)]]).kind;
    expect(both('new', 'old 1-1')).toBe('no');
    expect([both('new', 'old 2-1'), both('new', 'other'), both('self', 'new')]).toEqual([
      'yes',
      'yes',
      'yes',
    ]);
  });

  it('has one build of a name, but for kernels', () => {
    const { clauses, at } = world({
      'a 1-1': {},
      'a 2-1': {},
      'kernel 5-1': { provides: ['installonlypkg(kernel)'] },
      'kernel 6-1': { provides: ['installonlypkg(kernel)'] },
    });
    const both = (x: string, y: string) => resolvable(clauses, [[at(x)], [at(y)]]).kind;
    expect([both('a 1-1', 'a 2-1'), both('kernel 5-1', 'kernel 6-1')]).toEqual(['no', 'yes']);
  });

  it('has 32 bits beside the same version of 64, and none of other arches', () => {
    const { ask } = world({
      'lib 2-1 i686': { provides: ['lib.so'] },
      'lib 2-1 x86_64': { provides: ['lib.so()(64bit)'] },
      'old 1-1 i686': { provides: ['old.so'] },
      'old 2-1 x86_64': {},
      'a 1-1 i686': { requires: ['lib.so'] },
      'b 1-1 i686': { requires: ['old.so'] },
      'c 1-1 aarch64': {},
    });
    expect(ask('a 1-1 i686')).toEqual(['a-1-1.i686', 'lib-2-1.i686', 'lib-2-1.x86_64']);
    expect(ask('b 1-1 i686').at(-1)).toMatch(/^old-1-1.i686 needs the same version of its better arch/);
    expect(ask('old 1-1 i686')).toEqual(['old-1-1.i686']);
    expect(ask('c 1-1 aarch64')).toEqual([
      'no',
      'c-1-1.aarch64 is not for clients of x86_64, or not in this set',
    ]);
  });

  it('takes from rpm what rpm has', () => {
    const { ask } = world({
      a: { requires: ['rpmlib(FileDigests) <= 4.6.0-1', 'config(a) = 1-1'], provides: ['config(a) = 1-1'] },
      b: { requires: ['rpmlib(Telepathy) <= 7-1'] },
      c: { requires: ['rpmlib(FileDigests) <= 4.5.0-1'] },
    });
    expect([ask('a')[0], ask('b')[0], ask('c')[0]]).toEqual(['a-1-1.x86_64', 'no', 'no']);
    expect(rpmFeatures().every(rpmMeets)).toBe(true);
  });

  it('compiles rich dependencies, positive and negative', () => {
    const { clauses, at, ask } = world({
      a: { requires: ['(x if y else z)'] },
      b: { conflicts: ['(x and y)'] },
      c: { requires: ['((x with part = 2) or (y and z))'] },
      d: { requires: ['(y unless x)'] },
      'x 1-1': { provides: ['part = 1'] },
      y: {},
      z: {},
    });
    const all = (...texts: string[]) =>
      resolvable(
        clauses,
        texts.map((text) => [at(text)]),
      ).kind;
    expect(ask('a')).toEqual(['a-1-1.x86_64', 'z-1-1.x86_64']);
    expect(told(resolvable(clauses, [[at('a')], [at('y')]]), clauses)).toContain('x-1-1.x86_64');
    expect([all('b', 'x 1-1'), all('b', 'y'), all('b', 'x 1-1', 'y')]).toEqual(['yes', 'yes', 'no']);
    expect(ask('c')).toEqual(['c-1-1.x86_64', 'y-1-1.x86_64', 'z-1-1.x86_64']);
    expect([all('d'), all('d', 'x 1-1'), all('a', 'b', 'y')]).toEqual(['yes', 'no', 'no']);
  });

  it('reads every rich dependency as rpm judges it, of every set of builds', () => {
    const names = ['p', 'q', 'r', 's'];
    const { rich } = fc.letrec<{ rich: string }>((tie) => ({
      rich: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.constantFrom(...names, 'pq', 'pq', 'none'),
        fc
          .tuple(tie('rich'), fc.constantFrom('and', 'or', 'if', 'unless'), tie('rich'))
          .map((t) => `(${t.join(' ')})`),
        fc
          .tuple(tie('rich'), fc.constantFrom('if', 'unless'), tie('rich'), tie('rich'))
          .map(([a, how, b, c]) => `(${a} ${how} ${b} else ${c})`),
        fc.constantFrom('(pq with p)', '(pq without p)', '((p or r) with pq)'),
      ),
    }));
    fc.assert(
      fc.property(rich, (text) => {
        const { clauses } = world({
          a: { requires: [`(${text})`] },
          b: { conflicts: [`(${text})`] },
          p: { provides: ['pq'] },
          q: { provides: ['pq'] },
          r: {},
          s: {},
        });
        for (let set = 0; set < 16; set += 1) {
          const chosen = [2, 3, 4, 5].filter((_, n) => (set >> n) % 2 === 1);
          const seen = clauses.seeing(Uint8Array.from([1, 1, ...[0, 1, 2, 3].map((n) => (set >> n) % 2)]));
          const stands = (owner: number) =>
            resolvable(
              seen,
              [owner, ...chosen].map((b) => [b]),
            ).kind === 'yes';
          const judged = holds(
            parseRich(`(${text})`),
            (c) => clauses.satisfiers.ofCapability(c),
            (b) => chosen.includes(b),
          );
          expect([text, chosen, stands(0), stands(1)]).toEqual([text, chosen, judged, !judged]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('gives every build of a universe the answer that it has alone', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const words = fc.array(
      fc.oneof(
        name,
        fc.tuple(name, fc.constantFrom('<', '=', '>='), fc.constantFrom('1', '2')).map((t) => t.join(' ')),
      ),
      { maxLength: 2 },
    );
    const relations = fc.record({
      requires: words,
      conflicts: fc.array(name, { maxLength: 1 }),
      obsoletes: words,
    });
    const key = fc.tuple(name, fc.constantFrom('1-1', '2-1')).map((t) => t.join(' '));
    fc.assert(
      fc.property(fc.dictionary(key, relations, { minKeys: 1, maxKeys: 8 }), (builds) => {
        const { clauses } = world(builds);
        const size = clauses.satisfiers.index.size;
        const all = Array.from({ length: size }, (_, n) => n);
        const not = uninstallable(clauses, all);
        for (const build of all) expect(not.has(build)).toBe(!bruteForce(clauses, build));
      }),
      { numRuns: 150 },
    );
  });
});

/** Whether some set of builds has this one and breaks no rule: all of them are tried. */
function bruteForce(clauses: Clauses, build: number): boolean {
  const size = clauses.satisfiers.index.size;
  const isIn = (set: number, b: number) => (set >> b) % 2 === 1;
  return Array.from({ length: 2 ** size }, (_, set) => set).some((set) => {
    if (!isIn(set, build)) return false;
    const chosen = Array.from({ length: size }, (_, b) => b).filter((b) => isIn(set, b));
    return chosen.every((b) =>
      clauses.of(b).every(({ literals }) => literals.some((l) => isIn(set, l >> 1) === (l % 2 === 0))),
    );
  });
}

describe('upgradable', () => {
  const builds = {
    'a 1-1': {},
    'a 2-1': { requires: ['lib = 2'] },
    'lib 1-1': {},
    'lib 2-1': {},
    'user 1-1': { requires: ['lib = 1'] },
    'gone 1-1': {},
    'heir 1-1': { obsoletes: ['gone'] },
  };
  it('goes to what is not lower, or to an heir; with best to the newest', () => {
    const { clauses, at } = world(builds);
    const installed = ['a 1-1', 'lib 1-1', 'gone 1-1'].map(at);
    const best = upgradable(clauses, installed, { best: true });
    expect(told(best, clauses)).toEqual(expect.arrayContaining(['a-2-1.x86_64', 'lib-2-1.x86_64']));
    const withUser = [...installed, at('user 1-1')];
    expect(upgradable(clauses, withUser, { best: false }).kind).toBe('yes');
    expect(told(upgradable(clauses, withUser, { best: true }), clauses)).toContain(
      'user-1-1.x86_64 requires lib = 1, which lib-1-1.x86_64 provides',
    );
  });

  it('keeps what the set has nothing for, and never goes down', () => {
    const { clauses, at } = world(builds);
    const only = clauses.seeing(
      Uint8Array.from(Object.keys(builds), (text) => (text === 'lib 1-1' || text === 'heir 1-1' ? 1 : 0)),
    );
    const kept = upgradable(only, [at('a 2-1'), at('lib 2-1')], { best: false });
    expect(told(kept, only)).toEqual(['a-2-1.x86_64', 'lib-2-1.x86_64']);
    expect(told(upgradable(only, [at('gone 1-1')], { best: true }), only)).toEqual(['heir-1-1.x86_64']);
  });
});

describe('bad input', () => {
  /** On a quiet machine none takes two seconds. */
  const within = <T>(call: () => T): T => {
    const began = performance.now();
    const result = call();
    expect(performance.now() - began).toBeLessThan(20_000);
    return result;
  };
  const many = (count: number, made: (n: number) => [string, Relations]) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => made(n)));

  it('a requirement that rpm cannot read is not met, a conflict is none', () => {
    const { ask } = world({ a: { requires: ['(b foo c)'] }, b: { conflicts: ['(a and'] } });
    expect(ask('a').at(-1)).toMatch(/requires \(b foo c\), which cannot be read: .*"foo" is no operator/);
    expect(ask('b')).toEqual(['b-1-1.x86_64']);
  });

  it('cycles end', () => {
    const { ask } = world({
      ...many(3_000, (n) => [`c${n}`, { requires: [`c${(n + 1) % 3_000}`] }]),
      ...many(100, (n) => [`d${n}`, { requires: [`d${(n + 1) % 100}`], conflicts: n === 50 ? ['d0'] : [] }]),
    });
    expect(within(() => ask('c0'))).toHaveLength(3_000);
    const why = within(() => ask('d0'));
    expect(why.at(-1)).toBe('d50-1-1.x86_64 conflicts with d0, which d0-1-1.x86_64 provides');
    expect(why).toHaveLength(53); // d1 to d50 by name, and d0 that asks for them
  });

  it('ten thousand alternatives: the last of which will do, and none of which', () => {
    const names = Array.from({ length: 10_000 }, (_, n) => `p${n}`);
    const { ask } = world({
      a: { requires: [`(${names.join(' or ')})`] },
      b: { requires: ['all'] },
      ...many(10_000, (n) => [`p${n}`, { provides: ['all'], requires: n === 9_999 ? [] : ['nothing'] }]),
    });
    expect(within(() => ask('a'))).toEqual(['a-1-1.x86_64', 'p9999-1-1.x86_64']);
    expect(within(() => ask('b'))).toEqual(['b-1-1.x86_64', 'p9999-1-1.x86_64']);
    const none = world({
      b: { requires: ['all'] },
      ...many(3_000, (n) => [`p${n}`, { provides: ['all'], requires: ['nothing'] }]),
    });
    expect(within(() => none.ask('b')).slice(0, 3)).toEqual([
      'no',
      'b-1-1.x86_64 is asked for',
      'b-1-1.x86_64 requires all, which p0-1-1.x86_64, p1-1-1.x86_64, p2-1-1.x86_64 and 2997 more provides',
    ]);
  });

  it.each([
    ['and', 'or'],
    ['if', 'or'],
    ['unless', 'and'],
  ])('a hundred deep, of %s and %s', (outer, inner) => {
    const nest = (n: number): string =>
      n === 0
        ? 'x'
        : `(y${n % 7} ${n % 2 ? outer : inner} ${nest(n - 1)}${n % 2 && outer !== 'and' ? ' else z' : ''})`;
    const { ask } = world({
      a: { requires: [nest(99)] },
      b: { conflicts: [nest(99)] },
      x: {},
      z: {},
      ...many(7, (n) => [`y${n}`, {}]),
    });
    const met = (nevras: string[]): boolean => {
      const satisfiers = ({ name }: { name: string }) =>
        nevras.filter((nevra) => nevra === `${name}-1-1.x86_64`);
      return holds(parseRich(nest(99)), satisfiers, () => true);
    };
    expect(met(within(() => ask('a')))).toBe(true);
    expect(met(within(() => ask('b')))).toBe(false);
    expect([ask('a')[0], ask('b')[0]]).toEqual(['a-1-1.x86_64', 'b-1-1.x86_64']);
  });

  it('pairs that in full would be two to the hundredth', () => {
    const pairs = Array.from({ length: 100 }, (_, n) => `(x${n} and y${n})`).join(' or ');
    const { ask } = world({ a: { requires: [`(${pairs})`] }, x99: {}, y99: {}, x98: {} });
    expect(within(() => ask('a'))).toEqual(['a-1-1.x86_64', 'x99-1-1.x86_64', 'y99-1-1.x86_64']);
  });

  it('a puzzle without an answer ends with one, or with a Fault', () => {
    // Pigeons: each needs a hole, and no two fit into one. Nothing learns that in less than exponential time.
    const [pigeons, holes] = [14, 13];
    const slots = Array.from(
      { length: pigeons * holes },
      (_, n) => [Math.floor(n / holes), n % holes] as const,
    );
    const { ask } = world({
      a: { requires: Array.from({ length: pigeons }, (_, p) => `pigeon${p}`) },
      ...Object.fromEntries(
        slots.map(([p, h]) => [
          `s${p}-${h}`,
          { provides: [`pigeon${p}`, `hole${h}`], conflicts: [`hole${h}`] },
        ]),
      ),
    });
    expect(within(() => fault(() => ask('a')))).toBe('TOO_LARGE');
  });
});
