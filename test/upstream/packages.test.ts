import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SILENT } from '../../src/base/progress.ts';
import { sweepTemporary } from '../../src/pool/disk.ts';
import { openPool } from '../../src/pool/pool.ts';
import { fetchPackages, type WantedPackage } from '../../src/upstream/packages.ts';
import { answerFile, serve } from '../fixtures/server.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { type Files, rpmOf, serveRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { QUICK } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

function wanted(name: string, bytes: Buffer, change: Partial<WantedPackage> = {}): WantedPackage {
  const nevra = { name, evr: { epoch: 3, version: '1.0', release: '1.el9' }, arch: 'x86_64' };
  const checksum = { type: 'sha256', hex: sha256(bytes) } as const;
  const pin = { nevra, checksum, size: bytes.length, record: '0'.repeat(12), withdrawn: false };
  return { pin, href: `Packages/${name}.rpm`, ...change };
}

/** Twenty packages, served as they are. */
function twenty() {
  const names = Array.from({ length: 20 }, (_, n) => `pkg${n}`);
  const files: Files = new Map(names.map((name) => [`Packages/${name}.rpm`, rpmOf(name, '1.0', 50_000)]));
  const all = names.map((name) => wanted(name, files.get(`Packages/${name}.rpm`) ?? Buffer.alloc(0)));
  return { files, all };
}

async function emptyPool() {
  const mirrorRoot = await tempDir();
  return {
    mirrorRoot,
    pool: openPool(mirrorRoot),
    options: { pool: openPool(mirrorRoot), progress: SILENT, timing: QUICK },
  };
}

describe('packages', () => {
  it('arrive in the pool, at most eight at once, and only once', async () => {
    const { files, all } = twenty();
    const server = await serve((request, response) => {
      const bytes = files.get((request.url ?? '').slice(1));
      setTimeout(() => answerFile(request, response, bytes, '"x"'), 20); // long enough to meet the others
    });
    const { mirrorRoot, pool, options } = await emptyPool();
    const bytes = all.reduce((sum, { pin }) => sum + pin.size, 0);
    let told = 0;
    const progress = {
      ...SILENT,
      advance: (by: number) => {
        told += by;
      },
    };
    const policy = policyOf(server.url);
    expect(await fetchPackages(policy, server.url, [...all, ...all], { ...options, progress })).toEqual({
      fetched: 20,
      bytes,
      refused: new Map(),
    });
    expect([told, server.requests.length, server.atOnce()]).toEqual([bytes, 20, expect.any(Number)]);
    expect(server.atOnce()).toBeGreaterThan(1);
    expect(server.atOnce()).toBeLessThanOrEqual(8);
    for (const { pin } of all) await pool.verify(pin.checksum);
    expect((await filesBelow(mirrorRoot)).filter((path) => !path.startsWith('pool/'))).toEqual([
      'state/verdicts/test-9-x86_64-main.json',
    ]);
    expect(await fetchPackages(policy, server.url, all, options)).toMatchObject({ fetched: 0, bytes: 0 });
    expect(server.requests).toHaveLength(20);
  });

  it('that fail do not stop the others; the next run fetches what is missing', async () => {
    const { files, all } = twenty();
    const partly = new Map(files);
    partly.delete('Packages/pkg3.rpm');
    partly.set('Packages/pkg7.rpm', Buffer.from('damaged'));
    let served = partly;
    const server = await serveRepository(() => served);
    const { options, pool } = await emptyPool();
    const policy = policyOf(server.url);
    await expect(fetchPackages(policy, server.url, all, options)).rejects.toMatchObject({
      message: expect.stringMatching(/^2 of 20 packages/),
    });
    expect((await Array.fromAsync(pool.list())).length).toBe(18);
    served = files;
    expect(await fetchPackages(policy, server.url, all, options)).toMatchObject({ fetched: 2 });
  });

  it('come from another base URL when the first lacks or damages them', async () => {
    const { files, all } = twenty();
    const damaged = await serveRepository(() =>
      new Map(files).set('Packages/pkg1.rpm', Buffer.alloc(files.get('Packages/pkg1.rpm')?.length ?? 0)),
    );
    const fine = await serveRepository(() => files);
    const { options } = await emptyPool();
    const policy = policyOf(['http://127.0.0.1:9/', damaged.url, fine.url]);
    expect(await fetchPackages(policy, damaged.url, all, options)).toMatchObject({ fetched: 20 });
    expect(fine.requests.map((r) => r.path)).toEqual(['/Packages/pkg1.rpm']);
  });

  it('that were cut are taken up by the next run', async () => {
    const bytes = rpmOf('big', '1.0', 3_000_000);
    let cut = true;
    const server = await serveRepository(
      () => new Map([['Packages/big.rpm', bytes]]),
      (_request, response) => {
        if (!cut) return false;
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 500_000), () => setTimeout(() => response.destroy(), 30));
        return true;
      },
    );
    const { mirrorRoot, pool, options } = await emptyPool();
    const policy = policyOf(server.url);
    const item = wanted('big', bytes);
    await expect(
      fetchPackages(policy, server.url, [item], { ...options, timing: { ...QUICK, attempts: 1 } }),
    ).rejects.toMatchObject({ code: 'NETWORK' });
    await sweepTemporary(mirrorRoot, new Date());
    cut = false;
    await fetchPackages(policy, server.url, [item], options);
    expect(server.requests.map((r) => r.status)).toEqual([200, 206]);
    expect(await readFile(pool.path(item.pin.checksum))).toEqual(bytes);
    expect((await filesBelow(mirrorRoot)).filter((path) => path.startsWith('tmp/'))).toEqual([]);
  });
});

describe('a package that is not what the metadata says', () => {
  const bytes = rpmOf('evil');
  it.each([
    ['right bytes under a wrong name', wanted('good', bytes, { href: 'a.rpm' }), 'RPM_INVALID'],
    ['bytes that are no package', wanted('a', Buffer.from('text'), { href: 'text' }), 'RPM_INVALID'],
    [
      'a wrong size',
      (() => {
        const w = wanted('evil', bytes, { href: 'a.rpm' });
        return { ...w, pin: { ...w.pin, size: w.pin.size + 1 } };
      })(),
      'SIZE_MISMATCH',
    ],
    ['a place outside', wanted('evil', bytes, { href: '../../a.rpm' }), 'UNSAFE_PATH'],
    [
      'a place on another server',
      wanted('evil', bytes, { href: 'a.rpm', base: 'http://127.0.0.2/' }),
      'UNSAFE_URL',
    ],
  ] as [string, WantedPackage, string][])('%s: %s', async (_what, item, code) => {
    const server = await serveRepository(
      () =>
        new Map([
          ['a.rpm', bytes],
          ['text', Buffer.from('text')],
        ]),
    );
    const { mirrorRoot, options } = await emptyPool();
    const run = fetchPackages(policyOf(server.url), server.url, [item], options);
    await expect(run).rejects.toMatchObject({ code });
    expect(await filesBelow(mirrorRoot)).toEqual([]);
  });

  it('lies below xml:base, where that is on the same server', async () => {
    const server = await serveRepository(() => new Map([['repo/sub/a.rpm', bytes]]));
    const { options, pool } = await emptyPool();
    const base = `${server.url}repo/`;
    const item = wanted('evil', bytes, { href: 'a.rpm', base: `${base}sub/` });
    await fetchPackages(policyOf(base), base, [item], options);
    expect(await pool.has(item.pin.checksum)).toBe(true);
  });
});

it('a mirror that cannot be written ends the run at once', async () => {
  const { files, all } = twenty();
  const server = await serveRepository(() => files);
  const { mirrorRoot, options } = await emptyPool();
  await writeFile(join(mirrorRoot, 'pool'), 'a file where the folder must be');
  await expect(fetchPackages(policyOf(server.url), server.url, all, options)).rejects.toMatchObject({
    code: 'DISK',
  });
  expect(server.requests.length).toBeLessThanOrEqual(16);
});
