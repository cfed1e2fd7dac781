import { link, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { formatRepositoryId } from '../../src/manifest/ids.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { pointAt } from '../../src/pool/disk.ts';
import { verify } from '../../src/publish/verify.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import {
  files,
  ID,
  LIVE,
  liveFiles,
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

async function published(): Promise<World> {
  const world = await makeWorld();
  await world.take(A, B);
  world.main.commit(1_000, {
    ...siteFile(),
    ...upstreamFile(),
    ...liveFiles([A, B]),
    ...files(UNSTABLE, [A, B]),
  });
  expect((await world.publish()).failed).toEqual([]);
  return world;
}

function verifyWorld({ mirror, pool, main }: World) {
  return verify({ mirror, pool, catalog: openCatalog(mirror), history: main.history() });
}

describe('verify', () => {
  it('finds nothing on a mirror that is what the commit says', async () => {
    const world = await published();
    expect(await verifyWorld(world)).toEqual({ differences: [], repositories: 2, links: 4, files: 2 });
  });

  const statement = (w: World) => join(w.mirror, 'public/at', w.main.history().commit, 'statement.json');
  const tree = (w: World) => join(w.mirror, 'public', ID);
  const document = async (w: World, type: string) =>
    join(tree(w), 'repodata', (await readdir(join(tree(w), 'repodata'))).find((n) => n.includes(type)) ?? '');
  const packageOf = async (w: World) =>
    join(w.mirror, 'public/packages', ID, (await readdir(join(w.mirror, 'public/packages', ID)))[0] ?? '');
  const rewrite = async (path: string, change: (bytes: Buffer) => Buffer | string) => {
    const bytes = await readFile(path);
    await rm(path);
    await writeFile(path, change(bytes));
  };
  const flip = (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    copy[copy.length - 5] = (copy[copy.length - 5] ?? 0) ^ 1;
    return copy;
  };

  const damages: readonly [string, (w: World) => Promise<unknown>, readonly string[]][] = [
    ['a lost pointer', (w) => rm(tree(w)), ['POINTER']],
    [
      'a pointer to another tree',
      async (w) => pointAt(tree(w), join(w.mirror, 'public/tree', ID, 'f'.repeat(40))),
      ['POINTER'],
    ],
    [
      'a pointer that nobody asked for',
      (w) => symlink('x', join(w.mirror, 'public/x-x-x-1-x-x')),
      ['POINTER_EXTRA'],
    ],
    [
      'a lost view',
      (w) => rm(join(w.mirror, 'public/at'), { recursive: true }),
      ['POINTER', 'POINTER', 'STATEMENT'],
    ],
    ['a lost statement', (w) => rm(statement(w)), ['STATEMENT']],
    ['another statement', (w) => rewrite(statement(w), flip), ['STATEMENT']],
    [
      'a lost tree',
      async (w) => rm(join(w.mirror, 'public/tree', ID), { recursive: true }),
      ['TREE_MISSING'],
    ],
    ['one bit of primary', async (w) => rewrite(await document(w, 'primary'), flip), ['REPODATA']],
    ['a lost filelists', async (w) => rm(await document(w, 'filelists')), ['REPODATA']],
    ['a file too many', (w) => writeFile(join(tree(w), 'repodata/extra.xml'), ''), ['REPODATA']],
    [
      'a repomd.xml with another time',
      (w) => rewrite(join(tree(w), 'repodata/repomd.xml'), (b) => b.toString().replace('>1000<', '>1001<')),
      ['REPODATA'],
    ],
    [
      'a repomd.xml that is none',
      (w) => rewrite(join(tree(w), 'repodata/repomd.xml'), () => '<html/>'),
      ['REPODATA'],
    ],
    [
      'another mirrorlist',
      (w) => rewrite(join(tree(w), 'mirrorlist'), () => 'https://evil.example/\n'),
      ['TREE'],
    ],
    ['a lost link to the packages', (w) => rm(join(tree(w), 'packages')), ['TREE']],
    ['a lost package link', async (w) => rm(await packageOf(w)), ['LINK_MISSING']],
    ['a package of another size', async (w) => rewrite(await packageOf(w), () => 'x'), ['LINK_DIFFERS']],
    ['a package of the same size', async (w) => rewrite(await packageOf(w), flip), ['LINK_DIFFERS']],
    [
      'a symlink in place of a package',
      async (w) => {
        const path = await packageOf(w);
        await rm(path);
        await symlink('/etc/passwd', path);
      },
      ['LINK_DIFFERS'],
    ],
    ['a lost pool file', (w) => rm(w.pool.path(A.pin.checksum)), ['POOL_MISSING']],
    [
      'a pool file that was written to, and its time put back',
      async (w) => {
        const path = w.pool.path(A.pin.checksum);
        await rm(path);
        await writeFile(path, flip(A.bytes));
        await utimes(path, 946_684_800, 946_684_800);
      },
      ['POOL_CORRUPT'],
    ],
    [
      'a catalog that cannot be read',
      (w) => rm(join(w.mirror, 'catalog/packs'), { recursive: true }),
      ['UNREADABLE', 'UNREADABLE'],
    ],
  ];
  it.each(damages)('tells of %s, and repairs nothing', async (_, damage, codes) => {
    const world = await published();
    await damage(world);
    const before = await filesBelow(world.mirror);
    const { differences } = await verifyWorld(world);
    expect(differences.map((d) => d.code).sort()).toEqual([...codes].sort());
    for (const { path, says } of differences)
      expect([path, says].every((text) => text.length > 3)).toBe(true);
    expect(await filesBelow(world.mirror)).toEqual(before);
    if (codes.includes('UNREADABLE') || codes.some((c) => c.startsWith('POOL'))) return;
    expect((await verifyWorld(world)).differences).toEqual(differences);
  });

  it('does not believe the cache of frames', async () => {
    const world = await published();
    for (const frame of await filesBelow(join(world.mirror, 'catalog/frames'))) {
      await writeFile(join(world.mirror, 'catalog/frames', frame), 'damaged');
    }
    expect((await verifyWorld(world)).differences).toEqual([]);
  });

  it('takes an older inode with the same bytes: the pool made a second copy', async () => {
    const world = await published();
    const path = await packageOf(world);
    const bytes = await readFile(path);
    await rm(path);
    await writeFile(path, bytes);
    expect((await verifyWorld(world)).differences).toEqual([]);
    await link(path, join(world.mirror, 'x'));
  });

  it('accepts what another version of the compressor wrote, if it says the same, and only then', async () => {
    const world = await published();
    const state = join(world.mirror, 'state/publish', `${ID}.json`);
    const repomd = join(tree(world), 'repodata/repomd.xml');
    // primary again, in one frame and at another level, as an older zstd might have done it
    const old = await document(world, 'primary');
    const text = await decompressAll(await readFile(old), { maxBytes: 1 << 20, at: old });
    const bytes = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    const [hex, was] = [sha256Hex(bytes), basename(old).slice(0, 64)];
    await rm(old);
    await writeFile(join(dirname(old), basename(old).replace(was, hex)), bytes);
    const size = (text: string) =>
      text.replace(/(primary\.xml\.zst"\/>[\s\S]*?<size>)\d+/, `$1${bytes.length}`);
    await rewrite(repomd, (b) => size(b.toString().replaceAll(was, hex)));
    expect((await verifyWorld(world)).differences.map((d) => d.code)).toEqual(['REPODATA']);
    await writeFile(
      state,
      (await readFile(state, 'utf8')).replace(/"codec":"[^"]*"/, '"codec":"zstd 0.0.1"'),
    );
    // what was stated is the tree that was there before
    expect((await verifyWorld(world)).differences.map((d) => d.code)).toEqual(['STATEMENT']);
    // publishing again after the state was lost keeps that tree: clients may be reading it
    await rm(state);
    const before = await readFile(repomd);
    expect((await world.publish()).failed).toEqual([]);
    expect(await readFile(repomd)).toEqual(before);
    expect(await readFile(statement(world), 'utf8')).toContain(sha256Hex(before));
  });

  it('says when a commit pins what was never published', async () => {
    const world = await published();
    world.main.commit(2_000, files(UNSTABLE, [A]));
    const { differences } = await verifyWorld(world);
    expect(differences.map((d) => d.code)).toContain('TREE_MISSING');
    expect(differences.some((d) => d.path.includes(formatRepositoryId(LIVE)) && d.code !== 'POINTER')).toBe(
      false,
    );
  });
});
