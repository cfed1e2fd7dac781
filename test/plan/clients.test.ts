import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientsOf } from '../../src/plan/clients.ts';
import type { ClientSet } from '../../src/plan/sight.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { defaults, type ServedRepository, served, setOf, stream } from '../fixtures/clientSets.ts';
import { fault } from '../repodata/fault.ts';
import { CASES } from './moduleCases.ts';
import { randomModules } from './randomModules.ts';

/** By label: what the client sees, in order; the arch is left out where it is the clients' own. */
function told(set: ClientSet): Record<string, string> {
  const { clients } = clientsOf(set);
  const names = (sees: Uint8Array): string =>
    [...sees.entries()]
      .flatMap(([n, bit]) => (bit === 1 ? [formatNevra(set.index.nevra(n)).replace('.x86_64', '')] : []))
      .sort()
      .join(' ');
  return Object.fromEntries(clients.map(({ label, sees }) => [label.replace('newest, ', ''), names(sees)]));
}

/** As `told`, of a case by the beginning of its name. test/oracle/clients-dnf.test.ts puts every one of them to dnf. */
function caseOf(what: string): Record<string, string> {
  const found = CASES.find((c) => c.what.startsWith(what))!;
  const { 'every build': _, ...others } = told(setOf(found.repositories, found.platform ?? 'el9'));
  return others;
}

describe('what the clients of a set see', () => {
  it('without modules: every build, and the newest of each name.arch', () => {
    const one = served('one', [
      'a-1-1.x86_64',
      'a-1:0-1.x86_64',
      'a-9-1.i686',
      'a-9-1.aarch64',
      'b-2~rc1-1.noarch',
    ]);
    const two = served('two', ['a-1:0-1.x86_64', 'b-2-1.noarch', 'b-10-1.src']);
    const set = setOf([one, two]);
    expect(told(set)).toEqual({
      'every build': 'a-1-1 a-1:0-1 a-1:0-1 a-9-1.i686 b-10-1.src b-2-1.noarch b-2~rc1-1.noarch',
      'default streams': 'a-1:0-1 a-1:0-1 a-9-1.i686 b-10-1.src b-2-1.noarch',
    });
    set.members[1] = 0; // the universe has more than the set
    set.members[6] = 0;
    expect(told(set)['default streams']).toBe('a-1:0-1 a-9-1.i686 b-10-1.src b-2~rc1-1.noarch');
  });

  it.each([
    ['no default', { 'default streams': 'web-3-1', 'with web:1': 'web-1-1', 'with web:2': 'web-2-1' }],
    ['a default hides a newer build', { 'default streams': 'web-1-1', 'with web:2': 'web-2-1' }],
    ['a build that provides a name', { 'default streams': 'db-1-1.noarch other-1-1.src web-1-1' }],
    [
      'two default streams that need each other',
      { 'default streams': 'db-1-1 web-1-1', 'with db:2': 'db-2-1 web-3-1' },
    ],
    ['a default whose requirement nobody has', { 'default streams': 'db-2-1 web-3-1' }],
    [
      'a stream pulls a stream',
      { 'default streams': 'db-1-1 web-1-1', 'with db:2': 'db-2-1 web-1-1', 'with web:2': 'db-2-1 web-2-1' },
    ],
    [
      'two contexts, each for another',
      { 'default streams': 'db-1-1 web-1-1', 'with db:2': 'db-2-1 web-2-1' },
    ],
    ['versions of one stream', { 'default streams': 'web-2-1' }],
    ['a build that two streams list', { 'default streams': 'web-3-1', 'with web:2': 'web-3-1' }],
    ['an artifact that is not there', { 'default streams': '' }],
  ] as const)('%s', (what, expected) => {
    expect(caseOf(what)).toEqual(expected);
  });

  it('names streams that no client can enable', () => {
    const found = CASES.find((c) => c.what.startsWith('a default whose requirement'))!;
    expect(clientsOf(setOf(found.repositories)).unusable).toEqual(['db:1', 'web:1', 'web:2']);
  });

  it('takes the platform from the set’s own release, and any where there is none', () => {
    const modules = [
      stream('web:1', ['web-0:1-1.x86_64'], { requires: 'platform: [el8]' }),
      defaults('web:1'),
    ];
    const builds = ['web-1-1.x86_64', 'web-2-1.x86_64'];
    const release = (version: number, platform: string) =>
      `os-release-${version}-1.noarch provides system-release base-module(platform:${platform})`;
    const newest = (...more: string[]) =>
      told(setOf([served('one', [...builds, ...more], modules)]))
        ['default streams']?.split(' ')
        .at(-1);
    expect(newest()).toBe('web-1-1');
    expect(newest(release(8, 'el8'))).toBe('web-1-1');
    expect(newest(release(8, 'el8'), release(9, 'el9'))).toBe('web-2-1');
  });

  it('hides nothing of a repository with module_hotfixes', () => {
    const modules = [
      stream('web:1', ['web-0:1-1.x86_64'], {}),
      stream('web:2', ['web-0:2-1.x86_64']),
      defaults('web:1'),
    ];
    const one = served('one', ['web-1-1.x86_64', 'web-2-1.x86_64'], modules);
    const two = { ...served('two', ['web-3-1.x86_64']), moduleHotfixes: true };
    expect(told(setOf([one, two]))['default streams']).toBe('web-3-1');
    expect(told(setOf([one, { ...two, moduleHotfixes: false }]))['default streams']).toBe('web-1-1');
  });

  it('gives one object to clients that see the same', () => {
    const modules = [stream('web:1', ['web-0:1-1.x86_64']), stream('web:2', ['web-0:1-1.x86_64'])];
    const { clients } = clientsOf(setOf([served('one', ['web-1-1.x86_64'], modules)]));
    expect(clients.map(({ label }) => label)).toEqual([
      'every build',
      'newest, default streams',
      'newest, with web:1',
      'newest, with web:2',
    ]);
    expect(new Set(clients.map(({ sees }) => sees)).size).toBe(2);
    expect(clients[3]?.sees).toBe(clients[0]?.sees);
  });
});

describe('of sets at random', () => {
  const seeds = fc.integer({ min: 0, max: 1_000_000 });
  const shuffled = <T>(items: readonly T[], by: number): T[] =>
    [...items.entries()]
      .sort(([a], [b]) => (((a + 7) * by) % 101) - (((b + 7) * by) % 101))
      .map(([, item]) => item);

  it('the order of the input never matters', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 2, max: 97 }), (seed, by) => {
        const repositories = randomModules(seed);
        const turned = shuffled(repositories, by).map(
          (r): ServedRepository => ({
            ...r,
            elements: shuffled(r.elements, by),
            modules: shuffled(r.modules, by),
          }),
        );
        expect(told(setOf(turned))).toEqual(told(setOf(repositories)));
      }),
      { numRuns: 40 },
    );
  });

  it('who takes the newest sees part of every build, and one EVR of each name.arch', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const set = setOf(randomModules(seed));
        const [every, ...newest] = clientsOf(set).clients;
        for (const { sees } of newest) {
          const builds = [...sees.entries()].filter(([, bit]) => bit === 1).map(([n]) => n);
          expect(builds.every((n) => every?.sees[n] === 1)).toBe(true);
          const evrs = new Map<string, string>();
          for (const { name, arch, evr } of builds.map((n) => set.index.nevra(n))) {
            const text = JSON.stringify(evr);
            expect(evrs.get(`${name}.${arch}`) ?? text).toBe(text);
            evrs.set(`${name}.${arch}`, text);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('crafted documents', () => {
  const quick = (modules: readonly string[], builds: readonly string[] = ['a-1-1.x86_64']) =>
    fault(() => clientsOf(setOf([served('one', builds, modules)])));

  it('of more streams than there can be clients are refused', () => {
    const many = Array.from({ length: 1_001 }, (_, n) => stream(`a:${n}`, ['a-0:1-1.x86_64']));
    expect(quick(many)).toBe('TOO_LARGE');
  });

  /** Defaults that each need a hole of their own, in any of the holes. */
  const pigeons = (count: number, holes: number): string[] => {
    const of = (n: number) => Array.from({ length: n }, (_, i) => i);
    const seek = of(count).flatMap((p) => [
      ...of(holes).map((h) =>
        stream(`p${p}:1`, [], { context: `h${h}`, fixed: true, requires: `hole${h}: [p${p}]` }),
      ),
      defaults(`p${p}:1`),
    ]);
    return [...seek, ...of(holes).flatMap((h) => of(count).map((p) => stream(`hole${h}:p${p}`, [])))];
  };

  it('with hard questions are answered, or refused in time', () => {
    expect(quick(pigeons(6, 5))).toBe('none');
    const started = performance.now();
    expect(quick(pigeons(12, 11))).toBe('TOO_LARGE');
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
