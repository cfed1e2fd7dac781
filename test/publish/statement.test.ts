import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatRepositoryId, lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { gc } from '../../src/publish/gc.ts';
import { PREDICATE_TYPE } from '../../src/publish/statement.ts';
import {
  files,
  ID,
  LIVE,
  liveFiles,
  Main,
  makeWorld,
  sample,
  sha256Hex,
  siteFile,
  UNSTABLE,
  upstreamFile,
  type World,
} from './world.ts';

const A = sample('a-1.0-1.x86_64');
const B = sample('b-1.0-1.x86_64');
const DAY = 86_400_000;

async function world(main = new Main()): Promise<World> {
  const made = await makeWorld(main);
  await made.take(A, B);
  if (main.commits.length === 0) {
    main.commit(1_000, { ...siteFile(), ...upstreamFile(), ...liveFiles([A]), ...files(UNSTABLE, [A]) });
  }
  return made;
}

const path = (w: World, commit = w.main.history().commit) =>
  join(w.mirror, 'public/at', commit, 'statement.json');

describe('the statement of a commit', () => {
  it('names the repomd.xml of each repository, and what of git it is made from', async () => {
    const w = await world();
    const first = w.main.history().commit;
    await w.publish();
    const second = w.main.commit(2_000, files(UNSTABLE, [B]));
    await w.publish();
    const said = JSON.parse(await readFile(path(w), 'utf8'));
    const blobs = await w.main.history().entries('');
    const repomd = async (id: string) =>
      sha256Hex(await readFile(join(w.mirror, 'public', id, 'repodata/repomd.xml')));
    const live = formatRepositoryId(LIVE);
    expect(said).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: PREDICATE_TYPE,
      subject: [
        { name: `${ID}/repodata/repomd.xml`, digest: { sha256: await repomd(ID) } },
        { name: `${live}/repodata/repomd.xml`, digest: { sha256: await repomd(live) } },
      ],
    });
    expect(said.predicate.commit).toEqual({
      digest: { gitCommit: second },
      time: '1970-01-01T00:33:20.000Z',
    });
    const [unstable, vendor] = said.predicate.repositories;
    expect([unstable.revision.digest.gitCommit, vendor.revision.digest.gitCommit]).toEqual([second, first]);
    expect(unstable.files).toEqual(
      [snapshotPath(UNSTABLE), lockPath(UNSTABLE)].map((name) => ({
        name,
        digest: { gitBlob: blobs.get(name)?.id },
      })),
    );
  });

  it('is equal to the byte on every mirror, whenever and after whatever it was written', async () => {
    const main = new Main();
    const one = await world(main);
    await one.publish();
    main.commit(2_000, files(UNSTABLE, [A, B]));
    await one.publish();
    const other = await world(main);
    await other.publish({ now: new Date('2027-05-05T00:00:00Z') });
    expect(await readFile(path(other))).toEqual(await readFile(path(one)));
    await one.publish({ history: main.history(0), view: { kind: 'at', commit: main.history(0).commit } });
    await other.publish({ history: main.history(0), view: { kind: 'at', commit: main.history(0).commit } });
    const early = main.history(0).commit;
    expect(await readFile(path(other, early))).toEqual(await readFile(path(one, early)));
  });

  it('comes back with the next publication where it was lost or changed', async () => {
    const w = await world();
    await w.publish();
    const before = await readFile(path(w));
    await rm(path(w));
    await w.publish();
    expect(await readFile(path(w))).toEqual(before);
    await rm(path(w));
    await writeFile(path(w), '{}\n');
    await w.publish();
    expect(await readFile(path(w))).toEqual(before);
  });

  it('is not made of a commit that is published in part', async () => {
    const w = await world();
    await rm(w.pool.path(A.pin.checksum));
    const { failed } = await w.publish();
    expect(failed.map(({ fault }) => fault.code)).toEqual(['POOL_MISSING', 'POOL_MISSING']);
    await expect(readFile(path(w))).rejects.toMatchObject({ code: 'ENOENT' });
    await w.take(A);
    expect((await w.publish()).failed).toEqual([]);
    expect(JSON.parse(await readFile(path(w), 'utf8')).subject).toHaveLength(2);
  });

  it('goes with its view', async () => {
    const w = await world();
    const first = w.main.history().commit;
    await w.publish();
    const second = w.main.commit(2_000, files(UNSTABLE, [B]));
    await w.publish();
    const retained = { commits: new Set([second]), pulls: new Set<number>(), snapshots: [] };
    const now = new Date(Date.now() + 1000 * DAY);
    await gc({ ...w, retained, grace: DAY, now, dryRun: false });
    expect(await readdir(join(w.mirror, 'public/at'))).toEqual([second]);
    await expect(readFile(path(w, first))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(JSON.parse(await readFile(path(w, second), 'utf8')).subject).toHaveLength(2);
  });
});
