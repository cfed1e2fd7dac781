import { createHash } from 'node:crypto';
import { chmod, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCatalog } from '../../src/pool/catalog.ts';
import { sweepTemporary } from '../../src/pool/disk.ts';
import { writePack } from '../../src/pool/pack.ts';
import { type PackageRecord, recordId } from '../../src/repodata/record.ts';
import { oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { underStrace } from '../fixtures/strace.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { chunked, RECORDS, sha256Of } from './samples.ts';

const ids = RECORDS.map(recordId);
const STEPS = fileURLToPath(new URL('steps.ts', import.meta.url));

async function catalogWithRecords() {
  const mirror = await tempDir();
  const catalog = openCatalog(mirror);
  await catalog.putRecords(RECORDS);
  const [pack] = await catalog.listPacks();
  if (!pack) throw new Error('no pack');
  return { mirror, catalog, pack: join(mirror, 'catalog', 'packs', pack.name) };
}

/** Elements that do not compress: enough of them fill many frames. */
function manyRecords(count: number, bytes: number): PackageRecord[] {
  return Array.from({ length: count }, (_, n) => {
    const text = createHash('shake256', { outputLength: bytes / 2 })
      .update(`${n}`)
      .digest('hex');
    return { primary: Buffer.from(`<p>${text}</p>`), filelists: Buffer.from(`<f>${n}</f>`) };
  });
}

describe('records', () => {
  it('come back as they were, in the order asked for', async () => {
    const { catalog } = await catalogWithRecords();
    const asked = [...ids].reverse();
    const found = await catalog.getRecords(asked);
    expect([...found.keys()]).toEqual(asked);
    expect([...found.values()]).toEqual([...RECORDS].reverse());
    expect([...(await catalog.getPrimaries(ids)).values()]).toEqual(RECORDS.map((r) => r.primary));
  });

  it('come back from many frames, and from many packs', async () => {
    const mirror = await tempDir();
    const all = manyRecords(300, 40_000);
    for (let n = 0; n < 300; n += 30) await openCatalog(mirror).putRecords(all.slice(n, n + 30));
    const catalog = openCatalog(mirror);
    expect(await catalog.listPacks()).toHaveLength(10);
    expect([...(await catalog.getRecords(all.map(recordId))).values()]).toEqual(all);
  });

  it('are written once: a second time makes no pack and changes no byte', async () => {
    const { mirror, catalog } = await catalogWithRecords();
    const before = await filesBelow(mirror);
    expect(await catalog.putRecords(RECORDS)).toBe(0);
    expect(await openCatalog(mirror).putRecords([...RECORDS, ...RECORDS])).toBe(0);
    expect(await filesBelow(mirror)).toEqual(before);
  });

  it('give equal packs for equal records', async () => {
    const [a, b] = [await catalogWithRecords(), await catalogWithRecords()];
    expect(await readFile(`${a.pack}.zst`)).toEqual(await readFile(`${b.pack}.zst`));
    expect(await readFile(`${a.pack}.idx`)).toEqual(await readFile(`${b.pack}.idx`));
  });

  it('of another process are seen', async () => {
    const { mirror, catalog } = await catalogWithRecords();
    const [late] = manyRecords(1, 100);
    if (!late) throw new Error('no record');
    await openCatalog(mirror).putRecords([late]);
    expect(await catalog.hasRecords([...ids, recordId(late)])).toEqual(new Set());
    expect(await catalog.hasRecords([...ids, '000000000000'])).toEqual(new Set(['000000000000']));
  });

  it('that are missing are named', async () => {
    const { catalog } = await catalogWithRecords();
    const asked = catalog.getRecords([...ids, '0123456789ab']);
    await expect(asked).rejects.toMatchObject({
      code: 'CATALOG_MISSING',
      message: expect.stringMatching(/0123456789ab/),
    });
  });

  it('that share an id and differ are refused, and nothing is lost', async () => {
    const { mirror, catalog } = await catalogWithRecords();
    const twin = `${ids[0]}${'f'.repeat(52)}`;
    async function* forged() {
      yield { digest: twin, record: { primary: Buffer.from('<package/>') } };
    }
    await writePack(mirror, join(mirror, 'catalog', 'packs'), forged());
    await expect(catalog.hasRecords(['000000000000'])).rejects.toMatchObject({ code: 'CATALOG_CORRUPT' });
    expect([...(await catalog.getRecords(ids)).values()]).toEqual([...RECORDS]);
  });

  it('whose source breaks off make no pack', async () => {
    const mirror = await tempDir();
    async function* broken() {
      yield* RECORDS;
      throw new Error('cut');
    }
    await expect(openCatalog(mirror).putRecords(broken())).rejects.toThrow('cut');
    expect(await filesBelow(mirror)).toEqual([]);
  });

  it('that nobody names any more go, the others stay', async () => {
    const { mirror, catalog } = await catalogWithRecords();
    const more = manyRecords(5, 1_000);
    await catalog.putRecords(more);
    const keep = new Set([ids[0] ?? '', ...more.map(recordId)]);
    expect((await catalog.compact(keep)).freed).toBeGreaterThan(0);
    expect(await catalog.listPacks()).toHaveLength(1);
    expect(await openCatalog(mirror).hasRecords([...ids, ...keep])).toEqual(new Set(ids.slice(1)));
    expect([...(await catalog.getRecords([...keep])).values()]).toEqual([RECORDS[0], ...more]);
    expect(await catalog.compact(keep)).toEqual({ freed: 0 });
    await catalog.compact(new Set());
    expect(await filesBelow(mirror)).toEqual([]);
  });
});

describe('a damaged pack', () => {
  it('is whole to begin with', async () => {
    const { catalog } = await catalogWithRecords();
    for (const pack of await catalog.listPacks()) await catalog.verifyPack(pack.name);
  });

  it.each(['.zst', '.idx'])('is found, wherever a bit of its %s flips', async (extension) => {
    const { mirror, catalog, pack } = await catalogWithRecords();
    const name = pack.slice(-64);
    const path = `${pack}${extension}`;
    await chmod(path, 0o644);
    const good = await readFile(path);
    for (let at = 0; at < good.length; at += 1) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      await writeFile(path, bad);
      await expect(catalog.verifyPack(name)).rejects.toMatchObject({ code: 'CATALOG_CORRUPT' });
      const read = openCatalog(mirror).getRecords(ids);
      const outcome = await read.then(
        (found) => [...found.values()],
        (error) => error.code,
      );
      if (outcome !== 'CATALOG_CORRUPT') expect(outcome).toEqual([...RECORDS]); // a bit that means nothing
    }
  });

  it.each([0, 1, 50])('is found when it is cut to %i bytes, or not there', async (length) => {
    const { mirror, pack } = await catalogWithRecords();
    await chmod(`${pack}.zst`, 0o644);
    await truncate(`${pack}.zst`, length);
    await expect(openCatalog(mirror).getRecords(ids)).rejects.toMatchObject({ code: 'CATALOG_CORRUPT' });
    await rm(`${pack}.zst`);
    await expect(openCatalog(mirror).getRecords(ids)).rejects.toMatchObject({ code: 'CATALOG_CORRUPT' });
  });
});

describe('documents', () => {
  const text = Buffer.from('<updates/>\n');
  const sum = sha256Of(text);

  it('come back as downloaded', async () => {
    const mirror = await tempDir();
    const catalog = openCatalog(mirror);
    await catalog.putDocument(chunked(text), { checksum: sum, size: undefined });
    await catalog.putDocument(chunked(text), { checksum: sum, size: text.length });
    expect(Buffer.concat(await Array.fromAsync(catalog.readDocument(sum)))).toEqual(text);
    expect(await Array.fromAsync(catalog.listDocuments())).toEqual([{ checksum: sum, size: text.length }]);
    expect(await filesBelow(mirror)).toEqual([`catalog/documents/sha256/${sum.hex}`]);
    await catalog.removeDocument(sum);
    await expect(Array.fromAsync(catalog.readDocument(sum))).rejects.toMatchObject({
      code: 'CATALOG_MISSING',
    });
  });

  it('that changed on the disk are found when they are read', async () => {
    const mirror = await tempDir();
    const catalog = openCatalog(mirror);
    await catalog.putDocument(chunked(text), { checksum: sum, size: text.length });
    await chmod(catalog.documentPath(sum), 0o644);
    await writeFile(catalog.documentPath(sum), '<updat3s/>\n');
    await expect(Array.fromAsync(catalog.readDocument(sum))).rejects.toMatchObject({
      code: 'CATALOG_CORRUPT',
    });
  });
});

it.skipIf(!oracle('strace'))('killed at every step, a pack is there whole or not at all', async () => {
  for (let when = 1, done = false; !done; when += ALL ? 1 : 3) {
    const mirror = await tempDir();
    const calls = ['rename', 'fsync', 'fchmod', 'write', 'mkdir', 'unlink'];
    done = !underStrace(STEPS, ['records', mirror], { calls, when, what: 'signal=KILL' }).killed;
    const missing = await openCatalog(mirror).hasRecords(ids);
    expect([0, ids.length]).toContain(missing.size);
    await openCatalog(mirror).putRecords(RECORDS);
    expect([...(await openCatalog(mirror).getRecords(ids)).values()]).toEqual([...RECORDS]);
    await sweepTemporary(mirror, new Date());
    expect((await filesBelow(mirror)).filter((name) => name.startsWith('tmp/'))).toEqual([]);
    expect(when).toBeLessThan(100);
  }
});
