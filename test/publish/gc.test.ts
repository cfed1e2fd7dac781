import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatRepositoryId } from '../../src/manifest/ids.ts';
import type { Snapshot } from '../../src/manifest/snapshot.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { type GcEntry, type GcOptions, gc } from '../../src/publish/gc.ts';
import { verify } from '../../src/publish/verify.ts';
import { ALL } from '../fixtures/sample.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import {
  files,
  filesOf,
  ID,
  LIVE,
  liveFiles,
  Main,
  makeWorld,
  type Sample,
  STABLE,
  sample,
  siteFile,
  snapshotOf,
  UNSTABLE,
  upstreamFile,
  type World,
} from './world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Long after every file here was made: nothing is new any more. */
const LATER = Date.now() + 1000 * DAY;

function collect(world: World, o: Partial<GcOptions> = {}) {
  return gc({
    mirror: world.mirror,
    pool: world.pool,
    catalog: openCatalog(world.mirror),
    retained: { commits: new Set(), pulls: new Set(), snapshots: [] },
    grace: 72 * HOUR,
    now: new Date(LATER),
    dryRun: false,
    ...o,
  });
}

const A1 = sample('a-1-1.x86_64');
const A2 = sample('a-2-1.x86_64');
const A3 = sample('a-3-1.x86_64');

/** Published a-1, then a-2 an hour before LATER. */
async function moved(): Promise<{ world: World; commits: [string, string] }> {
  const world = await makeWorld();
  await world.take(A1, A2, A3);
  const basics = { ...siteFile(), ...upstreamFile() };
  const first = world.main.commit(1_000, { ...basics, ...liveFiles([A1]), ...files(UNSTABLE, [A1]) });
  await world.publish({ now: new Date(LATER - 9 * DAY) });
  const second = world.main.commit(2_000, files(UNSTABLE, [A2]));
  await world.publish({ now: new Date(LATER - HOUR) });
  return { world, commits: [first, second] };
}

const tip = (snapshots: readonly Snapshot[], commits: readonly string[]) => ({
  commits: new Set(commits),
  pulls: new Set<number>(),
  snapshots,
});

describe('gc', () => {
  it('frees what nothing reaches, and keeps what is current or in its grace', async () => {
    const { world, commits } = await moved();
    const retained = tip([snapshotOf(UNSTABLE, [A2]), snapshotOf(LIVE, [A1])], [commits[1]]);
    await collect(world, { retained });
    const [has1, has2, has3] = await Promise.all([A1, A2, A3].map(({ pin }) => world.pool.has(pin.checksum)));
    expect([has1, has2, has3]).toEqual([true, true, false]); // a-1: live; a-3: nobody
    expect((await readdir(join(world.mirror, 'public/tree', ID))).sort()).toEqual([...commits].sort());
    expect(await readdir(join(world.mirror, 'public/packages', ID))).toHaveLength(2); // the earlier tree's too
    await collect(world, { retained, now: new Date(LATER + 72 * HOUR) });
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toEqual([commits[1]]);
    expect(await readdir(join(world.mirror, 'public/packages', ID))).toHaveLength(1);
    expect(await readdir(join(world.mirror, 'public/at'))).toEqual([commits[1]]);
    const catalog = openCatalog(world.mirror);
    expect((await verify({ ...world, catalog, history: world.main.history() })).differences).toEqual([]);
  });

  it('keeps the builds of a tree in its grace even where no retained commit has them', async () => {
    const { world, commits } = await moved();
    const retained = tip([snapshotOf(UNSTABLE, [A2])], [commits[1]]);
    await collect(world, { retained });
    expect(await world.pool.has(A1.pin.checksum)).toBe(true);
    const tree = join(world.mirror, 'public/tree', ID, commits[0]);
    for (const name of await readdir(join(tree, 'packages'))) await lstat(join(tree, 'packages', name));
  });

  it('keeps the view of a retained commit, and of an open pull request, with all that they need', async () => {
    const { world, commits } = await moved();
    const now = new Date(LATER + 99 * DAY);
    const both = [snapshotOf(UNSTABLE, [A2]), snapshotOf(UNSTABLE, [A1]), snapshotOf(LIVE, [A1])];
    const preview = { number: 7, main: world.main.history(), shows: () => true };
    await world.publish({ history: world.main.history(0), preview });
    await collect(world, { retained: { ...tip(both, [commits[1]]), pulls: new Set([7]) }, now });
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toEqual([commits[1]]);
    const [pointed] = await readdir(join(world.mirror, 'public/pr/7/tree', ID));
    expect(await readlink(join(world.mirror, 'public/pr/7', ID))).toBe(`tree/${ID}/${pointed}`);
    const linked = join(world.mirror, 'public/pr/7', ID, 'packages');
    for (const name of await readdir(linked)) await lstat(join(linked, name));
    expect(await readdir(linked)).toHaveLength(1);
    expect(await world.pool.has(A1.pin.checksum)).toBe(true);
    // what it shows is served already: it stands on that tree, which stays with it
    await world.publish({ preview: { ...preview, main: world.main.history(0) } });
    expect(await readlink(join(world.mirror, 'public/pr/7', ID))).toBe(`../../tree/${ID}/${commits[1]}`);
    await collect(world, { retained: { ...tip(both, [commits[1]]), pulls: new Set([7]) }, now });
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toEqual([commits[1]]);
    expect(await readdir(join(world.mirror, 'public/pr/7/packages', ID))).toEqual([]); // no tree of its own names any
    await collect(world, {
      retained: tip([snapshotOf(UNSTABLE, [A2]), snapshotOf(LIVE, [A1])], [commits[1]]),
      now,
    });
    expect(await readdir(join(world.mirror, 'public/pr'))).toEqual([]);
    expect(await readdir(join(world.mirror, 'state/pr'))).toEqual([]);
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toEqual([commits[1]]);
  });

  it('never frees what came in lately: its commit may still be on its way', async () => {
    const { world } = await moved();
    await collect(world, { now: new Date() });
    expect(await world.pool.has(A3.pin.checksum)).toBe(true);
    expect([...(await openCatalog(world.mirror).hasRecords([A3.pin.record]))]).toEqual([]);
  });

  it('frees documents, records and frames by the same rule', async () => {
    const { world, commits } = await moved();
    const [kept, dropped] = [await world.document('kept'), await world.document('dropped')];
    const upstream = {
      timestamp: 1,
      repomd: kept,
      documents: new Map([['primary', kept]]),
    };
    const retained = tip([snapshotOf(UNSTABLE, [A2]), snapshotOf(LIVE, [A1], { upstream })], commits);
    await collect(world, { retained });
    expect(await world.catalog.hasDocument(kept)).toBe(true);
    expect(await world.catalog.hasDocument(dropped)).toBe(false);
    const missing = await openCatalog(world.mirror).hasRecords([A1, A2, A3].map(({ pin }) => pin.record));
    expect([...missing]).toEqual([A3.pin.record]);
    const state = JSON.parse(await readFile(join(world.mirror, 'state/publish', `${ID}.json`), 'utf8'));
    const frames = (await filesBelow(join(world.mirror, 'catalog/frames'))).map((path) => path.slice(3));
    expect(frames).toEqual(expect.arrayContaining(state.current.frames));
  });

  it('leaves nothing for the next publication to do', async () => {
    const { world, commits } = await moved();
    const retained = tip([snapshotOf(UNSTABLE, [A2]), snapshotOf(LIVE, [A1])], [commits[1]]);
    await collect(world, { retained, now: new Date(LATER + 99 * DAY) });
    const history = world.main.history();
    const done = await world.publish({ history, catalog: openCatalog(world.mirror) });
    expect(done.repositories.map((r) => r.outcome)).toEqual(['unchanged', 'unchanged']);
    expect(history.asked).toEqual([]);
  });

  it('says in a dry run what a run does, and touches nothing', async () => {
    const { world, commits } = await moved();
    const retained = tip([snapshotOf(UNSTABLE, [A2]), snapshotOf(LIVE, [A1])], [commits[1]]);
    const now = new Date(LATER + 99 * DAY);
    const before = await filesBelow(world.mirror);
    const told: GcEntry[] = [];
    const dry = await collect(world, { retained, now, dryRun: true, tell: (e) => told.push(e) });
    expect(await filesBelow(world.mirror)).toEqual(before);
    const done: GcEntry[] = [];
    const wet = await collect(world, { retained, now, tell: (e) => done.push(e) });
    const key = (e: GcEntry) => `${e.kind} ${e.path} ${e.fate} ${e.reason}`;
    expect(told.map(key).sort()).toEqual(done.map(key).sort());
    expect([dry.freed, dry.kept]).toEqual([wet.freed, wet.kept]);
    expect(told.filter((e) => e.fate === 'freed').length).toBeGreaterThan(3);
    for (const { reason } of told) expect(reason.length).toBeGreaterThan(5);
    const freed = told.filter((e) => e.fate === 'freed' && e.kind !== 'record');
    for (const { path } of freed) await expect(lstat(path)).rejects.toThrow('ENOENT');
  });

  it('frees the trees of a repository that is gone once their grace has ended', async () => {
    const { world, commits } = await moved();
    const gone = Object.fromEntries(Object.keys(files(UNSTABLE, [])).map((path) => [path, undefined]));
    const third = world.main.commit(3_000, gone);
    await world.publish({ now: new Date(LATER) });
    const retained = tip([snapshotOf(LIVE, [A1])], [third]);
    await collect(world, { retained, now: new Date(LATER + HOUR) });
    expect((await readdir(join(world.mirror, 'public/tree', ID))).sort()).toEqual([...commits].sort());
    await collect(world, { retained, now: new Date(LATER + 99 * DAY) });
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toEqual([]);
    expect(await readdir(join(world.mirror, 'public/packages', ID))).toEqual([]);
    expect(await world.pool.has(A2.pin.checksum)).toBe(false);
  });

  it('gives a tree that no state knows a whole grace', async () => {
    const { world, commits } = await moved();
    const { rm } = await import('node:fs/promises');
    await rm(join(world.mirror, 'state/publish'), { recursive: true });
    const retained = tip([snapshotOf(UNSTABLE, [A2])], [commits[1]]);
    await collect(world, { retained, now: new Date(LATER + 99 * DAY) });
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toHaveLength(2);
    await collect(world, { retained, now: new Date(LATER + 103 * DAY) });
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toEqual([commits[1]]);
  });
});

describe('whatever the history', () => {
  const BUILDS: readonly Sample[] = Array.from({ length: 12 }, (_, i) => sample(`p${i % 4}-${i}-1.x86_64`));
  const REPOSITORIES = [LIVE, UNSTABLE, STABLE] as const;
  const step = fc.record({
    repository: fc.constantFrom(...REPOSITORIES),
    pins: fc.subarray([...BUILDS]),
    hours: fc.integer({ min: 1, max: 60 }),
    publish: fc.boolean(),
    collect: fc.boolean(),
  });

  it('every retained commit can be published again from what gc left, and every tree in its grace is whole', async () => {
    const failures: string[] = [];
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 10 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, keep) => {
          const world = await makeWorld(new Main());
          await world.take(...BUILDS);
          const basics = { ...siteFile(), ...upstreamFile() };
          world.main.commit(0, { ...basics, ...liveFiles([]), ...files(UNSTABLE, []), ...files(STABLE, []) });
          const said: Snapshot[][] = [REPOSITORIES.map((r) => snapshotOf(r, []))];
          const grace = 72 * HOUR;
          let time = LATER;
          const left = new Map<string, number>(); // pointers that were current, and until when
          let current = new Map<string, string>();
          for (const { repository, pins, hours, publish, collect: free } of steps) {
            time += hours * HOUR;
            await world.take(...pins);
            const changed = snapshotOf(repository, pins);
            world.main.commit(Math.floor(time / 1000), filesOf(changed));
            said.push([...(said.at(-1) ?? []).filter((s) => s.repository !== repository), changed]);
            const catalog = openCatalog(world.mirror);
            if (publish) {
              const done = await world.publish({ now: new Date(time), catalog });
              expect(done.failed).toEqual([]);
              const now = new Map(done.repositories.map((r) => [r.id, r.revision]));
              for (const [id, revision] of current)
                if (now.get(id) !== revision) left.set(`${id}/${revision}`, time);
              current = now;
            }
            if (!free) continue;
            const commits = world.main.commits.slice(-keep).map(({ id }) => id);
            const snapshots = said.slice(-keep).flat();
            await collect(world, {
              retained: { commits: new Set(commits), pulls: new Set(), snapshots },
              now: new Date(time),
              grace,
            });
            const alive = [...left].flatMap(([tree, until]) => (time - until < grace ? [tree] : []));
            for (const tree of [...alive, ...[...current].map(([id, revision]) => `${id}/${revision}`)]) {
              for (const wrong of await brokenLocations(world, tree)) failures.push(wrong);
            }
            // and every retained commit can still be published: nothing that it reaches is gone
            const missing = await openCatalog(world.mirror).hasRecords(
              snapshots.flatMap((s) => s.pins.map((p) => p.record)),
            );
            expect([...missing]).toEqual([]);
            for (const { pins: pinned } of snapshots) {
              for (const { checksum } of pinned) expect(await world.pool.has(checksum)).toBe(true);
            }
            const n = world.main.commits.length - Math.min(keep, world.main.commits.length);
            const at = world.main.commits[n]?.id ?? '';
            const again = await world.publish({
              history: world.main.history(n),
              view: { kind: 'at', commit: at },
              catalog: openCatalog(world.mirror),
              now: new Date(time),
            });
            expect(again.failed).toEqual([]);
            expect(again.repositories.map((r) => r.id)).toContain(formatRepositoryId(STABLE));
          }
          expect(failures).toEqual([]);
        },
      ),
      { numRuns: ALL ? 25 : 8 },
    );
  }, 120_000);
});

/** Locations of a tree's primary that lead nowhere, read without the code under test. */
async function brokenLocations(world: World, tree: string): Promise<string[]> {
  const { zstdDecompressSync } = await import('node:zlib');
  const { spawnSync } = await import('node:child_process');
  const folder = join(world.mirror, 'public/tree', tree);
  const names = await readdir(join(folder, 'repodata'));
  const primary = join(folder, 'repodata', names.find((n) => n.includes('-primary.')) ?? '');
  const said = spawnSync('zstd', ['-dc', primary], { encoding: 'utf8' });
  const text = said.status === 0 ? said.stdout : zstdDecompressSync(await readFile(primary)).toString();
  const broken: string[] = [];
  for (const [, href = ''] of text.matchAll(/<location href="([^"]+)"/g)) {
    await lstat(join(folder, href)).catch(() => broken.push(`${tree}: ${href}`));
  }
  return broken;
}
