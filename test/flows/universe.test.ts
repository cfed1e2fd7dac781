import { describe, expect, it } from 'vitest';
import { loadFacts } from '../../src/flows/facts.ts';
import { filelistsNotes, loadUniverse, type Universe, universes } from '../../src/flows/universe.ts';
import { makeSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import type { Catalog } from '../../src/pool/catalog.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { madeCatalog } from '../fixtures/catalog.ts';

const LIVE = 'vendor-live-rocky-9-x86_64-base';
const APPS = 'vendor-live-rocky-9-x86_64-apps';
const STABLE = 'infra-stable-rocky-9-x86_64-base';

/** A catalog that counts what it is asked for. */
function counted(catalog: Catalog) {
  const asked = { primaries: [] as number[], filelists: 0 };
  const counting: Catalog = {
    ...catalog,
    getPrimaries(ids) {
      if (ids.length > 0) asked.primaries.push(ids.length);
      return catalog.getPrimaries(ids);
    },
    scanFilelists(ids) {
      asked.filelists += 1;
      return catalog.scanFilelists(ids);
    },
  };
  return { asked, counting };
}

const members = ({ index }: Universe, set: Uint8Array): string[] =>
  [...set.keys()].filter((build) => set[build] === 1).map((build) => formatNevra(index.nevra(build)));

/** By name of the build and of what it requires: who satisfies it. */
function satisfiers({ index }: Universe): Record<string, string[]> {
  const said: Record<string, string[]> = {};
  for (let build = 0; build < index.size; build += 1) {
    for (const number of index.relation(build, 'requires')) {
      const names = [...index.satisfiersOf(number)].map((other) => index.nevra(other).name);
      said[`${index.nevra(build).name}: ${index.capability(number).name}`] = names;
    }
  }
  return said;
}

describe('a universe', () => {
  it('has each record once, and a set for each snapshot', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const [old, next] = [{ nevra: 'a-1-1.x86_64' }, { nevra: 'a-10-1.x86_64' }];
    const other = { nevra: 'a-10-1.x86_64', requires: ['b'] }; // the same build with another record
    const live = await snapshot(LIVE, [next, old, { nevra: 'a-10-1.src' }, { nevra: 'B-1-1.noarch' }]);
    const stable = await snapshot(STABLE, [old]);
    const apps = await snapshot(APPS, [other]);
    const universe = await loadUniverse(catalog, [live, stable, apps]);
    expect(universe.index.size).toBe(4);
    expect(members(universe, universe.setOf([stable]))).toEqual(['a-1-1.x86_64']);
    expect(members(universe, universe.setOf([live]))).toEqual([
      'B-1-1.noarch',
      'a-1-1.x86_64',
      'a-10-1.x86_64',
    ]);
    expect(members(universe, universe.setOf([stable, apps]))).toEqual(['a-1-1.x86_64', 'a-10-1.x86_64']);
    expect(members(universe, universe.setOf([live, apps]))).toHaveLength(4);
    expect(universe.setOf([])).toEqual(new Uint8Array(4));
    for (const pin of [...live.pins, ...apps.pins]) {
      const number = universe.numbers.get(pin.record);
      if (pin.nevra.arch === 'src')
        expect(number).toBeUndefined(); // asks for what builds it
      else expect(formatNevra(universe.index.nevra(number ?? -1))).toBe(formatNevra(pin.nevra));
    }
    const again = await loadUniverse(catalog, [apps, stable, live]);
    expect(again.numbers).toEqual(universe.numbers); // whatever the order
    const stranger = await snapshot(STABLE, [{ nevra: 'c-1-1.x86_64' }]);
    expect(() => universe.setOf([stranger])).toThrow('not in the universe');
  });

  it('is read once for facts too, and is kept as long as the builds are the same', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const { asked, counting } = counted(catalog);
    const live = await snapshot(LIVE, [
      { nevra: 'a-1-1.x86_64' },
      { nevra: 'a-1-1.src' },
      { nevra: 'b-1-1.noarch' },
    ]);
    const load = universes(counting);
    const universe = await load([live]);
    const facts = await loadFacts(counting, [live], universe.primaries);
    expect(live.pins.map((pin) => facts.build(pin).source)).toEqual(['a', 'a', 'b']);
    expect(asked.primaries).toEqual([3]);
    const stable = makeSnapshot({ ...live, pins: live.pins.slice(0, 1) });
    expect(await load([stable, live])).toBe(universe); // another target
    const more = await snapshot(APPS, [{ nevra: 'c-1-1.x86_64' }]);
    const larger = await load([live, more], universe.primaries);
    expect(larger.index.size).toBe(3);
    expect(asked.primaries).toEqual([3, 1]);
    expect((await load([live])).index.size).toBe(2); // fewer is another one: what it has must not depend on the past
  });

  it('says which record is lost', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const live = await snapshot(LIVE, [{ nevra: 'a-1-1.x86_64' }]);
    const lost = makeSnapshot({
      ...live,
      pins: live.pins.map((pin) => ({ ...pin, record: '0123456789ab' })),
    });
    await expect(loadUniverse(catalog, [lost])).rejects.toMatchObject({
      code: 'CATALOG_MISSING',
      message: 'the catalog has no record 0123456789ab',
    });
  });
});

describe('what is wrong with a manifest or with metadata', () => {
  it('a record of another build', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const live = await snapshot(LIVE, [{ nevra: 'a-1-1.x86_64' }, { nevra: 'b-1-1.x86_64' }]);
    const [a, b] = live.pins;
    if (!a || !b) throw new Error('no pins');
    const forged = makeSnapshot({ ...live, pins: [{ ...a, record: b.record }] });
    await expect(loadUniverse(catalog, [live, forged])).rejects.toMatchObject({
      code: 'LOCK_MISMATCH',
      at: 'snapshots/vendor/live/rocky-9-x86_64-base.lock',
      message: expect.stringMatching(
        /^a-1-1\.x86_64 has the record [0-9a-f]{12}, which is that of b-1-1\.x86_64$/,
      ),
    });
  });

  it.each([
    [
      '10,000 alternatives',
      `(${Array.from({ length: 10_000 }, (_, i) => `/opt/${i}`).join(' or ')})`,
      10_000,
    ],
    ['parentheses that never close', `(${'/a('.repeat(50_000)}`, 1],
    ['one path of 200,000 parentheses', `(/a${'()'.repeat(100_000)} or b)`, 1],
    ['a hundred ifs', `${'('.repeat(100)}/x${' if /y)'.repeat(100)}`, 2],
  ])('a rich dependency with %s takes a moment', async (_, rich, paths) => {
    const { catalog, snapshot } = await madeCatalog();
    const live = await snapshot(LIVE, [{ nevra: 'a-1-1.x86_64', requires: [rich], filelists: ['/opt/7'] }]);
    const start = performance.now();
    const { files } = await loadUniverse(catalog, [live]);
    expect(new Set([...(files?.asked.values() ?? [])].flat()).size).toBe(paths);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('files', () => {
  const owner = {
    nevra: 'owner-1-1.x86_64',
    files: ['/usr/bin/known', '/etc/known'],
    filelists: [
      '/usr/share/data',
      '/usr/share/a(b)',
      '/usr/lib/x&y',
      '/usr/lib/weak',
      '/usr/lib/other',
      '/opt/bin/odd',
    ],
  };

  it('are looked up in filelists where something asks for what primary does not have', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const asker = {
      nevra: 'asker-1-1.x86_64',
      requires: [
        '/usr/bin/known',
        '/usr/share/data',
        '/usr/lib/x&y',
        '/opt/bin/odd',
        '/usr/share/none',
        '(/usr/share/a(b) if (/usr/lib/other and /bin/none))',
      ],
      recommends: ['/usr/lib/weak'],
    };
    const live = await snapshot(LIVE, [owner, asker]);
    const { asked, counting } = counted(catalog);
    const universe = await loadUniverse(counting, [live]);
    expect(satisfiers(universe)).toMatchObject({
      'asker: /usr/bin/known': ['owner'],
      'asker: /usr/share/data': ['owner'],
      'asker: /usr/lib/x&y': ['owner'],
      'asker: /opt/bin/odd': ['owner'], // by its form primary should list it; not every program writes what it should
      'asker: /usr/share/none': [],
    });
    const [asks, owns] = [0, 1].map((build) => universe.index.filesOf(build));
    expect(asks).toEqual([]);
    expect(owns?.sort()).toEqual([...owner.files, ...owner.filelists].sort());
    expect(universe.index.satisfying({ name: '/usr/share/a(b)' })).toEqual([1]);
    expect([...(universe.files?.asked.values() ?? [])].flat().sort()).toEqual([
      '/bin/none',
      '/opt/bin/odd',
      '/usr/lib/other',
      '/usr/lib/weak',
      '/usr/lib/x&y',
      '/usr/share/a(b)',
      '/usr/share/data',
      '/usr/share/none',
    ]);
    expect(asked.filelists).toBe(1);
    expect(filelistsNotes(universe, [live])).toEqual(new Map());
  });

  it('know an owner beside the build that provides the path by name', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const live = await snapshot(LIVE, [
      { nevra: 'named-1-1.x86_64', provides: ['/usr/share/data'] },
      owner,
      { nevra: 'asker-1-1.x86_64', requires: ['/usr/share/data'] },
    ]);
    expect(satisfiers(await loadUniverse(catalog, [live]))).toEqual({
      'asker: /usr/share/data': ['named', 'owner'],
    });
  });

  it('are not even opened where primaries have the answers', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const { asked, counting } = counted(catalog);
    const live = await snapshot(LIVE, [
      owner,
      { nevra: 'shell-1-1.x86_64', provides: ['/bin/sh'] },
      {
        nevra: 'asker-1-1.x86_64',
        requires: ['/bin/sh', '/etc/known', '(/bin/sh or foo)', 'a(/b)', 'owner'],
      },
      { nevra: 'late-1-1.x86_64', obsoletes: ['/usr/share/data'], provides: ['/usr/share/data'] },
    ]);
    const universe = await loadUniverse(counting, [live]);
    expect([asked.filelists, universe.files]).toEqual([0, undefined]);
    expect(filelistsNotes(universe, [live])).toEqual(new Map());
  });

  it('of a repository without filelists count as far as primary lists them, and that is said', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const asker = {
      nevra: 'asker-1-1.x86_64',
      requires: ['/usr/share/data', '/usr/bin/known', '/usr/share/more'],
    };
    const bare = await snapshot(LIVE, [
      { ...owner, filelists: null },
      { nevra: 'x-1-1.src', filelists: null },
    ]);
    const apps = await snapshot(APPS, [asker]);
    const quiet = await snapshot(STABLE, [{ nevra: 'quiet-1-1.x86_64' }]);
    const universe = await loadUniverse(catalog, [bare, apps, quiet]);
    expect(satisfiers(universe)).toEqual({
      'asker: /usr/share/data': [],
      'asker: /usr/bin/known': ['owner'],
      'asker: /usr/share/more': [],
    });
    const notes = (...snapshots: Snapshot[]) => [...filelistsNotes(universe, snapshots)];
    expect(notes(bare, apps)).toEqual([
      [
        LIVE,
        `${LIVE} has no filelists: of files that dependencies ask for (/usr/share/data and 1 more), only those that primary.xml lists are known`,
      ],
    ]);
    const half = makeSnapshot({ ...quiet, pins: [...quiet.pins, ...bare.pins] });
    expect(notes(half, apps)).toEqual([
      [
        STABLE,
        expect.stringMatching(/^infra-stable-rocky-9-x86_64-base has no filelists of 1 of its 2 builds: of/),
      ],
    ]);
    expect(notes(bare, quiet)).toEqual([]); // nobody there asks
    expect(notes(apps)).toEqual([]);
  });
});
