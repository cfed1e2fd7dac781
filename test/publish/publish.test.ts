import {
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../src/base/fault.ts';
import { formatRepositoryId, parseRepositoryId } from '../../src/manifest/ids.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { readRepomd } from '../../src/repodata/repomd.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import {
  files,
  ID,
  LIVE,
  liveFiles,
  Main,
  makeWorld,
  nevraOf,
  STABLE,
  sample,
  siteFile,
  UNSTABLE,
  upstreamFile,
  type World,
} from './world.ts';

const A1 = sample('a-1.0-1.x86_64');
const A2 = sample('a-1.1-1.x86_64');
const B1 = sample('b-2:1.0-1.noarch');
const BASICS = { ...siteFile(), ...upstreamFile() };

async function simple(): Promise<World> {
  const world = await makeWorld();
  await world.take(A1, A2, B1);
  world.main.commit(1_000, { ...BASICS, ...liveFiles([A1, A2, B1]), ...files(UNSTABLE, [A1, B1]) });
  return world;
}

/** The open text of a document of the current tree. */
async function text(world: World, type: string, id = ID): Promise<string | undefined> {
  const tree = join(world.mirror, 'public', id);
  const record = readRepomd(await readFile(join(tree, 'repodata/repomd.xml')), 'x').records.find(
    (r) => r.type === type,
  );
  if (!record) return undefined;
  return (
    await decompressAll(await readFile(join(tree, record.href)), { maxBytes: 1 << 30, at: type })
  ).toString();
}

/** Every file and symlink of `public`, with its bytes. */
async function everything(world: World): Promise<Map<string, string>> {
  const root = join(world.mirror, 'public');
  const found = new Map<string, string>();
  for (const path of await filesBelow(root)) {
    const full = join(root, path);
    const link = (await lstat(full)).isSymbolicLink();
    found.set(path, link ? `-> ${await readlink(full)}` : (await readFile(full)).toString('base64'));
  }
  return found;
}

describe('a publication', () => {
  it('is an immutable tree, links by our own names, a pointer and a line', async () => {
    const world = await simple();
    const commit = world.main.commits[0]?.id;
    const done = await world.publish();
    expect(done.failed).toEqual([]);
    expect(done.repositories.map((r) => [r.id, r.revision, r.outcome, r.linked])).toEqual([
      [ID, commit, 'published', 2],
      [formatRepositoryId(LIVE), commit, 'published', 3],
    ]);
    const open = join(world.mirror, 'public');
    expect(await readlink(join(open, ID))).toBe(`tree/${ID}/${commit}`);
    expect(await readlink(join(open, 'at', commit ?? '', ID))).toBe(`../../tree/${ID}/${commit}`);
    expect(await readlink(join(open, ID, 'packages'))).toBe(`../../../packages/${ID}`);
    expect(await readFile(join(open, ID, 'mirrorlist'), 'utf8')).toBe(
      `https://mirror.example/public/tree/${ID}/${commit}/\n`,
    );
    const name = `a-1.0-1.x86_64.${A1.pin.checksum.hex.slice(0, 8)}.rpm`;
    const [linked, pooled] = await Promise.all([
      stat(join(open, ID, 'packages', name)),
      stat(world.pool.path(A1.pin.checksum)),
    ]);
    expect(linked.ino).toBe(pooled.ino);
    expect(linked.mode & 0o777).toBe(0o444);
    expect(await readdir(join(open, 'packages', ID))).toHaveLength(2);
    expect(await readdir(join(world.mirror, 'tmp'))).toEqual([]);
  });

  it('carries the upstream’s own elements but for the location, in the order of the lock', async () => {
    const world = await simple();
    await world.publish();
    const primary = (await text(world, 'primary')) ?? '';
    const name = (hex: string) => `packages/a-1.0-1.x86_64.${hex.slice(0, 8)}.rpm`;
    const element = A1.record.primary
      .toString()
      .replace('href="Packages/a-1.0-1.x86_64.rpm"', `href="${name(A1.pin.checksum.hex)}"`);
    expect(primary).toContain(element);
    expect(primary.indexOf('<name>a<')).toBeLessThan(primary.indexOf('<name>b<'));
    expect(primary).toContain('packages="2"');
    expect(await text(world, 'filelists')).toContain('/usr/share/b');
    const repomd = readRepomd(await readFile(join(world.mirror, 'public', ID, 'repodata/repomd.xml')), 'x');
    expect(repomd.revision).toBe(world.main.commits[0]?.id);
    expect(repomd.records.map((r) => [r.type, r.timestamp])).toEqual([
      ['primary', 1000],
      ['filelists', 1000],
      ['other', 1000],
    ]);
    for (const r of repomd.records) {
      expect(r.href).toBe(`repodata/${r.checksum.hex}-${r.type}.xml.zst`);
      expect(Buffer.byteLength((await text(world, r.type)) ?? '')).toBe(r.openSize);
    }
  });

  it('has no filelists where no record has them, and all packages in them where one has', async () => {
    const world = await makeWorld();
    const bare = sample('bare-1-1.x86_64', { filelists: false, other: false });
    const half = sample('half-1-1.x86_64', { other: false });
    await world.take(bare, half);
    world.main.commit(1, { ...BASICS, ...liveFiles([bare]), ...files(UNSTABLE, [bare, half]) });
    expect((await world.publish()).failed).toEqual([]);
    expect(await text(world, 'filelists', formatRepositoryId(LIVE))).toBeUndefined();
    expect(await text(world, 'other')).toBeUndefined();
    const filelists = (await text(world, 'filelists')) ?? '';
    expect(filelists).toContain('packages="2"');
    expect(filelists).toContain(`pkgid="${bare.pin.checksum.hex}" name="bare" arch="x86_64"`);
  });

  it('can be empty', async () => {
    const world = await makeWorld();
    world.main.commit(1, { ...BASICS, ...liveFiles([]), ...files(UNSTABLE, []) });
    expect((await world.publish()).failed).toEqual([]);
    expect(await text(world, 'primary')).toContain('packages="0"');
  });

  it('is gzip where the site says so', async () => {
    const world = await makeWorld();
    await world.take(A1);
    const site = siteFile('compression: gzip\n');
    world.main.commit(1, { ...BASICS, ...site, ...liveFiles([A1]), ...files(UNSTABLE, [A1]) });
    await world.publish();
    const names = await readdir(join(world.mirror, 'public', ID, 'repodata'));
    expect(names.filter((n) => n.endsWith('.xml.gz'))).toHaveLength(3);
    expect(await text(world, 'primary')).toContain('<name>a<');
    await expect(stat(join(world.mirror, 'public', ID, 'mirrorlist'))).rejects.toThrow('ENOENT');
  });

  it('points at the upstream where it is thin', async () => {
    const world = await makeWorld();
    const up = sample('up-1-1.x86_64', { href: '../Packages/up.rpm' });
    await world.catalog.putRecords([A1.record, up.record]);
    const thin = upstreamFile('content: thin\nparentHref: true\n');
    world.main.commit(1, { ...BASICS, ...thin, ...liveFiles([A1, up]) });
    expect((await world.publish()).failed).toEqual([]);
    const id = formatRepositoryId(LIVE);
    const primary = (await text(world, 'primary', id)) ?? '';
    const base = 'https://upstream.example/9/base/x86_64/';
    expect(primary).toContain(`<location xml:base="${base}os/" href="Packages/a-1.0-1.x86_64.rpm"/>`);
    expect(primary).toContain(`<location xml:base="${base}" href="Packages/up.rpm"/>`);
    await expect(lstat(join(world.mirror, 'public', id, 'packages'))).rejects.toThrow('ENOENT');
  });
});

describe('the same commit', () => {
  it('gives the same bytes in two folders, at two times, with and without frames', async () => {
    const main = new Main();
    const worlds = [await makeWorld(main), await makeWorld(main)] as const;
    for (const world of worlds) await world.take(A1, A2, B1);
    main.commit(1_000, { ...BASICS, ...liveFiles([A1, A2, B1]), ...files(UNSTABLE, [A1, B1]) });
    await worlds[0].publish();
    main.commit(2_000, files(UNSTABLE, [A2, B1]));
    main.commit(3_000, { 'docs/x.md': 'nothing to do with it' });
    await worlds[0].publish({ now: new Date('2026-02-01T00:00:00Z') });
    await worlds[1].publish({ now: new Date('2027-03-04T05:06:07Z') });
    const [a, b] = [await everything(worlds[0]), await everything(worlds[1])];
    for (const [path, bytes] of b) expect([path, a.get(path)]).toEqual([path, bytes]);
    expect(b.size).toBeGreaterThan(10);
  });

  it('is left alone by a second run: not one file is written', async () => {
    const world = await simple();
    await world.publish();
    const before = await everything(world);
    const state = await stat(join(world.mirror, 'state/publish', `${ID}.json`));
    const history = world.main.history();
    const again = await world.publish({ history, now: new Date('2026-01-02T00:00:00Z') });
    expect(again.repositories.map((r) => r.outcome)).toEqual(['unchanged', 'unchanged']);
    expect(await everything(world)).toEqual(before);
    expect((await stat(join(world.mirror, 'state/publish', `${ID}.json`))).mtimeMs).toBe(state.mtimeMs);
    expect(history.asked).toEqual([]); // nothing was even read
  });
});

describe('the revision', () => {
  const revisionOf = async (world: World, id = ID) =>
    (await world.publish()).repositories.find((r) => r.id === id)?.revision;

  it('is the commit at which the content began, not the last that touched its files', async () => {
    const world = await simple();
    const first = await revisionOf(world);
    world.main.commit(2_000, { 'docs/x.md': 'x' });
    expect(await revisionOf(world)).toBe(first);
    world.main.commit(3_000, upstreamFile('# a comment\n'));
    expect(await revisionOf(world)).toBe(first);
    world.main.commit(4_000, liveFiles([A2, B1])); // live moves on; nothing of it is projected here
    expect(await revisionOf(world)).toBe(first);
    const second = world.main.commit(5_000, files(UNSTABLE, [A2, B1]));
    expect(await revisionOf(world)).toBe(second);
  });

  it('does not move with a mark that clients do not see', async () => {
    const world = await simple();
    const id = formatRepositoryId(LIVE);
    const first = await revisionOf(world, id);
    const marked = { ...A1, pin: { ...A1.pin, withdrawn: true } };
    world.main.commit(2_000, liveFiles([marked, A2, B1]));
    expect(await revisionOf(world, id)).toBe(first);
  });

  it('is a new one when the content comes back, also when the mirror slept meanwhile', async () => {
    const [awake, asleep] = [await simple(), await makeWorld()];
    await asleep.take(A1, A2, B1);
    const main = awake.main;
    const at = (world: World, n?: number) => world.publish({ history: main.history(n) });
    await at(awake);
    await at(asleep);
    main.commit(2_000, files(UNSTABLE, [A2, B1]));
    await at(awake);
    const back = main.commit(3_000, files(UNSTABLE, [A1, B1]));
    for (const world of [awake, asleep]) {
      const done = await at(world);
      expect(done.repositories.find((r) => r.id === ID)?.revision).toBe(back);
    }
  });

  it('needs no documents of commits before what is published', async () => {
    const world = await simple();
    const first = await revisionOf(world);
    for (let i = 0; i < 80; i++) world.main.commit(2_000 + i, upstreamFile(`# ${i}\n`));
    const history = world.main.history();
    const done = await world.publish({ history });
    expect(done.repositories.find((r) => r.id === ID)?.revision).toBe(first);
  });

  it('is found over a long stay by a mirror that is new', async () => {
    const world = await simple();
    const first = world.main.commits[0]?.id;
    for (let i = 0; i < 30; i++) world.main.commit(2_000 + i, upstreamFile(`# ${i}\n`));
    expect(await revisionOf(world)).toBe(first);
  });
});

describe('a change', () => {
  it('switches once, keeps the earlier tree and its links, and remembers since when', async () => {
    const world = await simple();
    await world.publish();
    const [first] = world.main.commits;
    const second = world.main.commit(2_000, files(UNSTABLE, [A2, B1]));
    await world.publish({ now: new Date('2026-01-05T00:00:00Z') });
    const open = join(world.mirror, 'public');
    expect(await readlink(join(open, ID))).toBe(`tree/${ID}/${second}`);
    expect((await readdir(join(open, 'tree', ID))).sort()).toEqual([first?.id, second].sort());
    expect(await readdir(join(open, 'packages', ID))).toHaveLength(3);
    const state = JSON.parse(await readFile(join(world.mirror, 'state/publish', `${ID}.json`), 'utf8'));
    expect(state.earlier).toEqual([{ revision: first?.id, until: '2026-01-05T00:00:00.000Z' }]);
    expect(state.current.since).toBe('2026-01-05T00:00:00.000Z');
  });

  it('of mirrorUrl makes a new tree, because the line is in it', async () => {
    const world = await simple();
    await world.publish();
    world.main.commit(2_000, siteFile('mirrorUrl: https://new.example\n'));
    await world.publish();
    expect(await readFile(join(world.mirror, 'public', ID, 'mirrorlist'), 'utf8')).toContain(
      'https://new.example/tree/',
    );
  });

  it('that takes a repository away takes its pointer at once, and nothing else', async () => {
    const world = await simple();
    await world.publish();
    const gone = Object.fromEntries(Object.keys(files(UNSTABLE, [])).map((path) => [path, undefined]));
    world.main.commit(2_000, gone);
    const done = await world.publish();
    expect(done.removed).toEqual([ID]);
    await expect(lstat(join(world.mirror, 'public', ID))).rejects.toThrow('ENOENT');
    expect(await readdir(join(world.mirror, 'public/tree', ID))).toHaveLength(1);
    expect((await world.publish()).removed).toEqual([]);
    world.main.commit(3_000, files(UNSTABLE, [A1, B1]));
    expect((await world.publish()).repositories.map((r) => r.id)).toContain(ID);
  });
});

describe('a view', () => {
  it('of an older commit switches nothing', async () => {
    const world = await simple();
    const first = world.main.commits[0]?.id ?? '';
    world.main.commit(2_000, files(UNSTABLE, [A2, B1]));
    await world.publish();
    const current = await readlink(join(world.mirror, 'public', ID));
    await world.publish({ history: world.main.history(0), view: { kind: 'at', commit: first } });
    expect(await readlink(join(world.mirror, 'public', ID))).toBe(current);
    expect(await readlink(join(world.mirror, 'public/at', first, ID))).toBe(`../../tree/${ID}/${first}`);
  });
});

describe('what must not be published', () => {
  it('holds back its own client set, whole, and no other', async () => {
    const world = await makeWorld();
    const apps = parseRepositoryId('infra-unstable-harbor-9-x86_64-apps');
    const appsLive = { ...apps, team: 'vendor', tier: 'live' };
    await world.take(A1, B1);
    world.main.commit(1_000, {
      ...BASICS,
      ...upstreamFile('', appsLive),
      ...liveFiles([A1]),
      ...liveFiles([B1], {}, {}, appsLive),
      ...files(UNSTABLE, [A1]),
      ...files(apps, [B1]),
      ...files(STABLE, [A1]),
    });
    await world.publish();
    world.main.commit(2_000, {
      ...files(UNSTABLE, [A1, B1]),
      ...files(apps, [A2, B1]),
      ...files(STABLE, [A1, B1]),
    });
    const before = await readlink(join(world.mirror, 'public', ID));
    const done = await world.publish();
    expect(done.failed.map(({ id, fault }) => [id, fault.code])).toEqual([
      [formatRepositoryId(apps), 'POOL_MISSING'],
    ]);
    expect(done.failed[0]?.fault.at).toContain(nevraOf(A2));
    expect(await readlink(join(world.mirror, 'public', ID))).toBe(before);
    expect(done.repositories.find((r) => r.id === formatRepositoryId(STABLE))?.outcome).toBe('published');
    await world.take(A2);
    const healed = await world.publish();
    expect(healed.failed).toEqual([]);
    expect(await readlink(join(world.mirror, 'public', ID))).not.toBe(before);
  });

  const refusals: readonly [string, (world: World) => Promise<void>, string][] = [
    ['a pool file that is missing', (w) => rm(w.pool.path(A1.pin.checksum)), 'POOL_MISSING'],
    ['a pool file of another size', async (w) => replace(w, 'short'), 'POOL_CORRUPT'],
    [
      'a pool file that was written to through a link',
      async (w) => {
        const path = w.pool.path(A1.pin.checksum);
        await link(path, join(w.mirror, 'elsewhere'));
        await writeThrough(path, A1.bytes.length);
      },
      'POOL_CORRUPT',
    ],
    [
      'a symlink in place of a pool file',
      async (w) => {
        const path = w.pool.path(A1.pin.checksum);
        await writeFile(join(w.mirror, 'evil'), A1.bytes);
        await rm(path);
        await symlink(join(w.mirror, 'evil'), path);
      },
      'POOL_MISSING',
    ],
    ['a missing record', (w) => rm(join(w.mirror, 'catalog'), { recursive: true }), 'CATALOG_MISSING'],
  ];
  it.each(refusals)('is %s', async (_, spoil, code) => {
    const world = await simple();
    await spoil(world);
    const fresh = { catalog: (await import('../../src/pool/catalog.ts')).openCatalog(world.mirror) };
    const done = await world.publish(fresh);
    expect(done.failed.find(({ id }) => id === ID)?.fault.code).toBe(code);
    await expect(lstat(join(world.mirror, 'public', ID))).rejects.toThrow('ENOENT');
  });

  it('is a build that was recalled, whatever was merged', async () => {
    const world = await simple();
    const refuse = (_: string, pin: { nevra: { name: string } }) =>
      pin.nevra.name === 'b' ? 'recalled: CVE' : undefined;
    const done = await world.publish({ refuse });
    expect(done.failed.map(({ fault }) => fault.code)).toEqual(['FORGE_REFUSED', 'FORGE_REFUSED']);
    expect(done.repositories).toEqual([]);
  });

  it('is a record of another build under this pin', async () => {
    const world = await simple();
    const wrong = { ...A1, pin: { ...A1.pin, record: B1.pin.record } };
    world.main.commit(2_000, files(UNSTABLE, [wrong]));
    const done = await world.publish();
    expect(done.failed.map(({ id, fault }) => [id, fault.code])).toEqual([[ID, 'LOCK_MISMATCH']]);
  });

  it('is a main that lost what was published', async () => {
    const world = await simple();
    world.main.commit(2_000, { x: 'y' });
    await world.publish();
    await expect(world.publish({ history: world.main.history(0) })).rejects.toMatchObject({
      code: 'HISTORY_REFUSED',
    });
  });

  it('is anything while another run holds the mirror', async () => {
    const world = await simple();
    const { lockMirror } = await import('../../src/pool/disk.ts');
    await using _held = await lockMirror(world.mirror);
    await expect(world.publish()).rejects.toMatchObject({ code: 'LOCKED' });
  });
});

describe('a run', () => {
  it('mends what it finds: a lost link, a damaged tree, a lost state, a damaged frame', async () => {
    const world = await simple();
    await world.publish();
    const good = await everything(world);
    const open = join(world.mirror, 'public');
    await rm(join(open, 'packages', ID, (await readdir(join(open, 'packages', ID)))[0] ?? ''));
    await rm(join(open, ID));
    const repodata = join(
      open,
      'tree',
      formatRepositoryId(LIVE),
      world.main.commits[0]?.id ?? '',
      'repodata',
    );
    const primary = (await readdir(repodata)).find((n) => n.includes('primary')) ?? '';
    await rm(join(repodata, primary));
    await writeFile(join(repodata, primary), 'damaged');
    await rm(join(world.mirror, 'state'), { recursive: true });
    for (const frame of await filesBelow(join(world.mirror, 'catalog/frames'))) {
      await writeFile(join(world.mirror, 'catalog/frames', frame), 'sluice-frame-1\n\0 damaged');
    }
    expect((await world.publish()).failed).toEqual([]);
    expect(await everything(world)).toEqual(good);
  });

  it('takes a pool file whose time alone changed, after reading it again', async () => {
    const world = await simple();
    const path = world.pool.path(A1.pin.checksum);
    await link(path, join(world.mirror, 'elsewhere'));
    await utimes(path, 5, 5);
    expect((await world.publish()).failed).toEqual([]);
  });

  it('refuses a folder in the place of a pointer rather than removing it', async () => {
    const world = await simple();
    await mkdir(join(world.mirror, 'public', ID), { recursive: true });
    const thrown = await world.publish().catch((error: unknown) => error);
    expect(codeOf(thrown)).toBe('POOL_CONFLICT');
  });
});

async function replace(world: World, content: string): Promise<void> {
  const path = world.pool.path(A1.pin.checksum);
  await rm(path);
  await writeFile(path, content, { mode: 0o444 });
}

async function writeThrough(path: string, length: number): Promise<void> {
  const { chmod } = await import('node:fs/promises');
  await chmod(path, 0o644);
  await writeFile(path, 'x'.repeat(length));
  await chmod(path, 0o444);
}
