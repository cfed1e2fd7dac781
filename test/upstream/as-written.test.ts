import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openCatalog } from '../../src/pool/catalog.ts';
import { putAsWritten } from '../../src/upstream/as-written.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { type Files, makeRepository, serveRepository } from '../fixtures/upstreamRepository.ts';
import { emptyMirror } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

/** Ids as sync pins them, and a second catalog that took the documents as they are written. */
async function bothWays(files: Files) {
  const server = await serveRepository(() => files);
  const mirror = await emptyMirror();
  const policy = policyOf(server.url);
  const { state } = await mirror.fetched(policy);
  const { builds } = await readUpstream(mirror.catalog, policy, state);
  const pins = builds.map(({ pin }) => pin);
  const other = { ...openCatalog(await tempDir()), readDocument: mirror.catalog.readDocument };
  const seen: string[] = [];
  const listed = await putAsWritten(other, state, policy.id, (text) => void seen.push(text));
  const missing = await other.hasRecords(pins.map(({ record }) => record));
  return { pins, listed, seen, missing: pins.filter(({ record }) => missing.has(record)), other, mirror };
}

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

it('has every record that sync pins, and says what primary lists', async () => {
  const { pins, listed, seen, missing, other, mirror } = await bothWays(makeRepository({ builds }));
  expect(missing).toEqual([]);
  expect([...(listed ?? [])]).toEqual(pins.map(({ checksum }) => checksum.hex));
  expect(seen).toHaveLength(3);
  const ids = pins.map(({ record }) => record);
  expect(await other.getRecords(ids)).toEqual(await mirror.catalog.getRecords(ids));
});

it('has not what sync writes anew, which is listed all the same', async () => {
  const files = withPrimary((text) => text.replace('<name>b</name>', '<!-- hm --><name>b</name>'));
  const { listed, missing } = await bothWays(files);
  expect(missing.map(({ nevra }) => nevra.name)).toEqual(['b']);
  expect(listed?.has(missing[0]?.checksum.hex ?? '')).toBe(true);
});

it('takes nothing where it would have to read to join the documents', async () => {
  const files = withPrimary((text) => text.replaceAll('pkgid="YES"', "pkgid='YES'"));
  const { pins, listed, missing, other } = await bothWays(files);
  expect(listed).toBeUndefined();
  expect(missing).toEqual(pins);
  expect(await other.listPacks()).toEqual([]);
});
