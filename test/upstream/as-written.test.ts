import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Checksum } from '../../src/base/checksum.ts';
import { type Catalog, openCatalog } from '../../src/pool/catalog.ts';
import { recordId } from '../../src/repodata/record.ts';
import { AsWritten, pkgidIn, putAsWritten } from '../../src/upstream/as-written.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { type Files, makeRepository, serveRepository } from '../fixtures/upstreamRepository.ts';
import { emptyMirror } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

const builds = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
const primaryOf = (files: Files) => {
  const [, primary] = [...files].find(([path]) => path.includes('-primary.')) ?? [];
  return gunzipSync(primary ?? '').toString();
};
const withPrimary = (change: (text: string) => string) =>
  makeRepository({
    builds,
    documents: { primary: gzipSync(change(primaryOf(makeRepository({ builds })))) },
  });

describe.each(['held', 'in packs'])('%s', (how) => {
  /** Ids as sync pins them, and a second catalog that took the documents as they are written. */
  async function bothWays(files: Files) {
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    const policy = policyOf(server.url);
    const { state } = await mirror.fetched(policy);
    const { builds } = await readUpstream(mirror.catalog, policy, state);
    const pins = builds.map(({ pin }) => pin);
    const read: Checksum[] = [];
    const readDocument: Catalog['readDocument'] = (sum) => {
      read.push(sum);
      return mirror.catalog.readDocument(sum);
    };
    const packs = { ...openCatalog(await tempDir()), readDocument };
    const written = new AsWritten(packs);
    const other = how === 'held' ? written.over(packs) : packs;
    const listed = await (how === 'held' ? written.take : putAsWritten(packs))(state, policy.id);
    const missing = await other.hasRecords(pins.map(({ record }) => record));
    const typesRead = () =>
      [...state.documents].filter(([, sum]) => read.includes(sum)).map(([type]) => type);
    return {
      pins,
      listed,
      missing: pins.filter(({ record }) => missing.has(record)),
      other,
      mirror,
      read,
      typesRead,
    };
  }

  it('has every record that sync pins, and says what primary lists', async () => {
    const { pins, listed, missing, other, mirror } = await bothWays(makeRepository({ builds }));
    expect(missing).toEqual([]);
    const ids = pins.map(({ record }) => record);
    expect(listed).toEqual(ids);
    expect(await other.getRecords(ids)).toEqual(await mirror.catalog.getRecords(ids));
    const some = [ids[2], ids[0]] as string[];
    expect([...(await other.getRecords(some))]).toEqual([...(await mirror.catalog.getRecords(some))]);
    expect([...(await other.getPrimaries(some))]).toEqual([...(await mirror.catalog.getPrimaries(some))]);
    expect([...(await other.getOthers(some))]).toEqual([...(await mirror.catalog.getOthers(some))]);
    const scanned = async (catalog: Catalog) => {
      const all = await Array.fromAsync(catalog.scanFilelists(some));
      return all.sort((a, b) => (a.id < b.id ? -1 : 1));
    };
    expect(await scanned(other)).toEqual(await scanned(mirror.catalog));
    expect(await scanned(other)).toHaveLength(2);
    await expect(other.getRecords(['0123456789ab', ...ids])).rejects.toMatchObject({
      code: 'CATALOG_MISSING',
    });
    expect(await other.hasRecords([...ids, '0123456789ab'])).toEqual(new Set(['0123456789ab']));
  });

  it('opens no document again for primaries, and filelists alone for paths', async () => {
    const { pins, other, read, typesRead } = await bothWays(makeRepository({ builds }));
    expect(typesRead()).toEqual(expect.arrayContaining(['primary', 'filelists', 'other']));
    read.length = 0;
    const ids = pins.map(({ record }) => record);
    await other.getPrimaries(ids);
    expect(typesRead()).toEqual([]);
    await Array.fromAsync(other.scanFilelists(ids));
    expect(typesRead()).toEqual(how === 'held' ? ['filelists'] : []);
  });

  it('has not what sync writes anew, which is listed all the same, and which can be put beside', async () => {
    const files = withPrimary((text) => text.replace('<name>b</name>', '<!-- hm --><name>b</name>'));
    const { pins, listed, missing, other, mirror } = await bothWays(files);
    expect(missing.map(({ nevra }) => nevra.name)).toEqual(['b']);
    const primaries = await other.getPrimaries(listed ?? []);
    expect([...primaries.values()].map(pkgidIn)).toContain(missing[0]?.checksum.hex);
    const ids = pins.map(({ record }) => record);
    const records = [...(await mirror.catalog.getRecords(ids)).values()];
    expect(await other.putRecords(records)).toBe(1); // the others are there
    expect([...(await other.getRecords(ids)).values()].map(recordId)).toEqual(ids);
    expect((await Array.fromAsync(other.scanFilelists(ids))).map(({ id }) => id).sort()).toEqual(ids.sort());
  });

  it('takes nothing where it would have to read to join the documents', async () => {
    const files = withPrimary((text) => text.replaceAll('pkgid="YES"', "pkgid='YES'"));
    const { pins, listed, missing, other } = await bothWays(files);
    expect(listed).toBeUndefined();
    expect(missing).toEqual(pins);
    expect(await other.listPacks()).toEqual([]);
  });

  it('takes nothing of documents that do not belong together', async () => {
    const two = makeRepository({ builds: builds.slice(0, 2) });
    const files = makeRepository({ builds, documents: { filelists: filelistsOf(two) } });
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    const policy = policyOf(server.url);
    const { state } = await mirror.fetched(policy);
    const packs = { ...openCatalog(await tempDir()), readDocument: mirror.catalog.readDocument };
    const written = new AsWritten(packs);
    const take = how === 'held' ? written.take : putAsWritten(packs);
    expect(await take(state, policy.id)).toBeUndefined();
    expect(await packs.listPacks()).toEqual([]);
  });
});

function filelistsOf(files: Files): Buffer {
  const [, bytes] = [...files].find(([path]) => path.includes('-filelists.')) ?? [];
  return Buffer.from(bytes ?? '');
}
