import { describe, expect, it } from 'vitest';
import { NameArches } from '../../src/plan/nameArches.ts';
import { Requirements } from '../../src/plan/requirements.ts';
import { askUpgrades, type Upgrades } from '../../src/plan/upgrades.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';
import { packageXml, universeOf } from '../fixtures/libsolv.ts';

type Relations = Readonly<
  Partial<Record<'requires' | 'conflicts' | 'obsoletes' | 'provides', readonly string[]>>
>;

/** What is wrong after a plan that leaves `after` of `before`; hosts by file name. */
function asked(
  builds: Readonly<Record<string, Relations>>,
  o: {
    before: readonly string[];
    after: readonly string[];
    hosts?: Readonly<Record<string, readonly string[]>>;
  },
): Upgrades {
  const texts = Object.keys(builds);
  const satisfiers = universeOf(
    texts.map((text) => {
      const { name, arch } = parseNevra(text);
      const evr = text.slice(name.length + 1, -arch.length - 1);
      const relations = builds[text] ?? {};
      const provides = [`${name} = ${evr}`, ...(relations.provides ?? [])];
      return packageXml({ name, evr, arch }, { ...relations, provides });
    }),
  );
  const { index } = satisfiers;
  const number = (text: string) => {
    const found = texts.indexOf(text);
    if (found < 0 || formatNevra(index.nevra(found)) !== text) throw new Error(text);
    return found;
  };
  const setOf = (list: readonly string[]) => {
    const set = new Uint8Array(index.size);
    for (const text of list) set[number(text)] = 1;
    return set;
  };
  return askUpgrades({
    universe: { requirements: new Requirements(index), names: new NameArches(index) },
    satisfiers,
    arch: 'x86_64',
    before: setOf(o.before),
    after: setOf(o.after),
    hosts: Object.entries(o.hosts ?? {}).map(([file, list]) => ({ file, builds: list.map(number) })),
  });
}

describe('what clients can do after a plan', () => {
  it('is all well where the newest goes with what is there', () => {
    const builds = { 'app-1-1.noarch': {}, 'app-2-1.noarch': { requires: ['lib'] }, 'lib-1-1.noarch': {} };
    const found = asked(builds, { before: ['app-1-1.noarch', 'lib-1-1.noarch'], after: Object.keys(builds) });
    expect(found).toEqual({ troubles: [], asked: 1, left: 0 });
  });

  it('names a newest build that conflicts with what its clients have', () => {
    const builds = {
      'app-1-1.noarch': { requires: ['lib'] },
      'app-2-1.noarch': { requires: ['lib'], conflicts: ['lib < 2'] },
      'lib-1-1.noarch': {},
    };
    const found = asked(builds, { before: ['app-1-1.noarch', 'lib-1-1.noarch'], after: Object.keys(builds) });
    expect(found.troubles).toHaveLength(1);
    expect(found.troubles[0]).toMatchObject({ who: 'app-1-1.noarch', what: 'cannot upgrade' });
    expect(found.troubles[0]?.because).toContain(
      'app-2-1.noarch conflicts with lib < 2, which lib-1-1.noarch provides',
    );
  });

  it('lets a rename through that obsoletes the old name', () => {
    const builds = {
      'old-1-1.noarch': {},
      'new-2-1.noarch': { obsoletes: ['old < 2'], provides: ['old = 2-1'] },
      'app-1-1.noarch': { requires: ['old'] },
    };
    const found = asked(builds, {
      before: ['old-1-1.noarch', 'app-1-1.noarch'],
      after: ['new-2-1.noarch', 'app-1-1.noarch'],
    });
    expect(found.troubles).toEqual([]);
  });

  it('names what can no longer be installed, and not what could not be before', () => {
    const builds = {
      'app-1-1.noarch': { requires: ['lib = 1-1'] },
      'bad-1-1.noarch': { requires: ['lib = 1-1', 'nobody'] },
      'lib-1-1.noarch': {},
      'lib-2-1.noarch': {},
    };
    const found = asked(builds, {
      before: ['app-1-1.noarch', 'bad-1-1.noarch', 'lib-1-1.noarch'],
      after: ['app-1-1.noarch', 'bad-1-1.noarch', 'lib-2-1.noarch'],
    });
    expect(found.troubles.map(({ who, what }) => [who, what])).toEqual([
      ['app-1-1.noarch', 'can no longer be installed'],
    ]);
  });

  it('names a host whose packages cannot all go to the newest, though each of them can', () => {
    const builds = {
      'a-1-1.noarch': {},
      'a-2-1.noarch': { conflicts: ['b = 2-1'] },
      'b-1-1.noarch': {},
      'b-2-1.noarch': {},
    };
    const found = asked(builds, {
      before: ['a-1-1.noarch', 'b-1-1.noarch'],
      after: Object.keys(builds),
      hosts: { 'profiles/web.txt': ['a-1-1.noarch', 'b-1-1.noarch'], 'profiles/db.txt': ['b-1-1.noarch'] },
    });
    expect(found.troubles.map(({ who, what }) => [who, what])).toEqual([
      ['profiles/web.txt', 'cannot upgrade'],
    ]);
  });

  it('is not asked of what the plan does not touch', () => {
    const builds = { 'app-1-1.noarch': { conflicts: ['lib'] }, 'lib-1-1.noarch': {}, 'new-1-1.noarch': {} };
    const before = ['app-1-1.noarch', 'lib-1-1.noarch'];
    expect(asked(builds, { before, after: [...before, 'new-1-1.noarch'] }).asked).toBe(0);
  });
});
