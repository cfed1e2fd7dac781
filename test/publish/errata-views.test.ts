import { readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderErrata } from '../../src/manifest/errata.ts';
import { compareNevra } from '../../src/rpm/nevra.ts';
import { liveFiles, makeWorld, type Sample, sample, siteFile, upstreamFile, type World } from './world.ts';

const SET = 'harbor-9-x86_64';
const [OLD, NEW] = ['2026-01-01', '2026-01-02'];
const id = (date: string) => `errata-${date.replaceAll('-', '')}-${SET}-base`;
const LIVE_ID = 'vendor-live-harbor-9-x86_64-base';
const [A1, A2, B1] = [sample('a-1-1.x86_64'), sample('a-2-1.x86_64'), sample('b-1-1.x86_64')];
const errataFile = (date: string, commit: string, ...samples: Sample[]) => ({
  [`errata/${SET}/${date}.yaml`]: renderErrata({
    set: SET,
    date,
    from: 'live',
    commit,
    repositories: [`${SET}-base`],
    kernels: false,
    builds: samples.map(({ pin }) => pin.nevra).sort(compareNevra),
  }),
});
const policy = (...dates: string[]) => ({
  'policies/errata.yaml': `apiVersion: sluice/v1\nkind: ErrataPolicy\ngroups:\n${dates
    .map((date, i) => `  g${i}: { ${SET}: ${date} }\n`)
    .join('')}`,
});
const tree = (world: World, name: string) => readlinkSync(join(world.mirror, 'public', name));

async function twoSets() {
  const world = await makeWorld();
  await world.take(A1, A2, B1);
  const first = world.main.commit(1_000, { ...siteFile(), ...upstreamFile(), ...liveFiles([A1, B1]) });
  const second = world.main.commit(2_000, liveFiles([A2, B1]));
  world.main.commit(3_000, { ...errataFile(OLD, first, A1, B1), ...errataFile(NEW, second, A2, B1) });
  return world;
}

describe('views of errata sets', () => {
  it('begin with the commit that names them, and stay as they are whatever live does', async () => {
    const world = await twoSets();
    const named = world.main.commit(4_000, policy(OLD, NEW));
    const done = await world.publish();
    expect(done.repositories.map((r) => `${r.id} ${r.outcome}`)).toEqual(
      [id(OLD), id(NEW), LIVE_ID].map((one) => `${one} published`),
    );
    for (const date of [OLD, NEW]) expect(tree(world, id(date))).toBe(`tree/${id(date)}/${named}`);
    const repomd = () => readFile(join(world.mirror, 'public', id(OLD), 'repodata/repomd.xml'));
    const before = await repomd();
    const c = sample('c-1-1.x86_64');
    await world.take(c);
    world.main.commit(5_000, { ...liveFiles([A2, B1, c]), ...policy(NEW, OLD) }); // other groups, the same sets
    const later = await world.publish();
    expect(later.repositories.map((r) => `${r.id} ${r.outcome}`)).toEqual([
      `${id(OLD)} unchanged`,
      `${id(NEW)} unchanged`,
      `${LIVE_ID} published`,
    ]);
    expect(await repomd()).toEqual(before);
  });

  it('go when nobody names them; one that cannot be read keeps what it had, and holds back no other', async () => {
    const world = await twoSets();
    const named = world.main.commit(4_000, policy(OLD, NEW));
    await world.publish();
    const d = sample('d-1-1.x86_64');
    await world.take(d);
    world.main.commit(5_000, { ...liveFiles([A2, B1, d]), [`errata/${SET}/${OLD}.yaml`]: 'not a set\n' });
    const broken = await world.publish();
    expect(broken.failed.map((f) => `${f.id} ${f.fault.code}`)).toEqual([`${id(OLD)} MANIFEST_INVALID`]);
    expect(broken.removed).toEqual([]);
    expect(tree(world, id(OLD))).toBe(`tree/${id(OLD)}/${named}`);
    expect(broken.repositories.map((r) => r.id)).toEqual([id(NEW), LIVE_ID]);
    world.main.commit(6_000, policy(NEW));
    const gone = await world.publish();
    expect([gone.failed, gone.removed]).toEqual([[], [id(OLD)]]);
    world.main.commit(7_000, { 'policies/errata.yaml': undefined });
    expect((await world.publish()).removed).toEqual([id(NEW)]);
  });

  it('stop at a package that the pool lost, with its name, and keep what they had', async () => {
    const world = await twoSets();
    const first = world.main.commits[0]?.id ?? '';
    world.main.commit(4_000, policy(NEW));
    await world.publish();
    await world.pool.remove(A1.pin.checksum);
    world.main.commit(5_000, { ...errataFile(OLD, first, A1, B1), ...policy(OLD, NEW) });
    const done = await world.publish();
    expect(done.failed.map((f) => `${f.id} ${f.fault.code} ${f.fault.at}`)).toEqual([
      `${id(OLD)} POOL_MISSING ${id(OLD)}: a-1-1.x86_64`,
    ]);
    expect(done.repositories.map((r) => r.id)).toEqual([id(NEW), LIVE_ID]);
  });
});
