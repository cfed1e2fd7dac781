import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, realpath, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { SILENT } from '../../src/base/progress.ts';
import { type CheckOptions, checkWorkTree, fixWorkTree } from '../../src/flows/check-tree.ts';
import type { World } from '../../src/flows/context.ts';
import { explain } from '../../src/flows/explain.ts';
import { askCatalog } from '../../src/flows/hosted.ts';
import { readState } from '../../src/flows/state.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { parseRepositoryId } from '../../src/manifest/ids.ts';
import { readPins } from '../../src/manifest/snapshot.ts';
import type { Catalog } from '../../src/pool/catalog.ts';
import { answerFile, startServer, type TestServer } from '../fixtures/server.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const BASE = 'harbor-9-x86_64-base';
const APPS = 'harbor-9-x86_64-apps'; // has modules
const STABLE = `snapshots/infra/stable/${BASE}`;
const PROMOTION = 'sluice/promote/infra/stable/harbor-9-x86_64';
const SYNC = 'sluice/sync/vendor/live/harbor-9-x86_64';

interface Answer {
  readonly bytes?: Buffer | undefined;
  readonly location?: string;
  /** Never ends. */
  readonly endless?: boolean;
  readonly cut?: boolean;
}
/** What the server says instead, by path below the mirror. */
type Lie = (path: string, bytes: Buffer | undefined) => Answer | undefined;

let site: Site;
let server: TestServer;
let shared: string;
let lie: Lie = () => undefined;
const cleaning: (() => unknown)[] = [];

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-'));
  cleaning.push(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const mirror = join(dir, 'mirror');
  const started = await startServer(async (request, response) => {
    const asked = decodeURIComponent(request.url ?? '').slice(1);
    const path = join(mirror, asked.startsWith('catalog/') ? '' : 'public', asked);
    const folder = await realpath(dirname(path)).catch(() => dirname(path));
    const bytes = await readFile(join(folder, basename(path))).catch(() => undefined);
    const other = lie(asked, bytes);
    if (other?.location !== undefined)
      return void response.writeHead(302, { location: other.location }).end();
    if (other?.endless) {
      const more = () => void (response.destroyed || response.write(Buffer.alloc(1 << 20), more));
      return more();
    }
    if (other?.cut) return void response.destroy();
    answerFile(request, response, other ? other.bytes : bytes, '"one"');
  });
  server = started;
  cleaning.push(() => started.close());
  const vendor = join(dir, 'vendor');
  site = await makeSite({
    dir,
    upstreams: {
      [BASE]: { baseurl: [`file://${vendor}/base`] },
      [APPS]: { baseurl: [`file://${vendor}/apps`] },
    },
    site: { mirrorUrl: server.url, catalogUrl: `${server.url}catalog` },
  });
  await layVendor(vendor, 'before');
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.merge(await site.promote('stable'));
  await layVendor(vendor, 'after');
  await site.sync(); // merges itself
  await site.merge(await site.promote('unstable'));
  site.days(2);
  await site.publish();
  await site.promote('stable');
  await layVendor(vendor, 'later');
  await site.sync();
  shared = await makeBroken(dir);
});
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});
beforeEach(() => {
  lie = () => undefined;
  server.requests.length = 0;
});

/** One of its repositories has an element that Sluice writes anew: it is not found by its own bytes. */
async function layVendor(vendor: string, when: Parameters<typeof layDemoUpstream>[1]): Promise<void> {
  await layDemoUpstream(vendor, when);
  const [primary, repomd] = ['primary.xml.gz', 'repomd.xml'].map((name) =>
    join(vendor, 'apps/repodata', name),
  );
  const before = readFileSync(primary as string);
  const text = gunzipSync(before);
  const other = Buffer.from(text.toString().replace('<name>', '<!-- by hand --><name>'));
  const after = gzipSync(other);
  const said = readFileSync(repomd as string, 'utf8')
    .replace(sha256(before), sha256(after))
    .replace(sha256(text), sha256(other))
    .replace(`<size>${before.length}<`, `<size>${after.length}<`)
    .replace(`<open-size>${text.length}<`, `<open-size>${other.length}<`);
  writeFileSync(primary as string, after);
  writeFileSync(repomd as string, said);
}

function git(dir: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
  return execFileSync('git', ['-C', dir, ...identity, ...args], { encoding: 'utf8' }).trim();
}

/** What a hosted runner has: a clone at a pull request's head. */
async function cloneAt(branch: string, parent?: string): Promise<string> {
  const dir = join(parent ?? (await tempDir()), 'clone');
  execFileSync('git', ['clone', '-q', `${site.repoDir}.git`, dir]);
  git(dir, 'checkout', '-q', '--detach', `origin/${branch}`);
  return dir;
}

async function checked(repoDir: string, o: Partial<World> = {}, options: CheckOptions = {}) {
  const [printed, said]: [string[], string[]] = [[], []];
  const world: World = {
    ...site.world(),
    repoDir,
    mirrorDir: undefined,
    json: true,
    print: (text) => printed.push(text),
    progress: { ...SILENT, say: (line) => said.push(line) },
    ...o,
  };
  const good = await checkWorkTree(world, options);
  const text = printed.join('');
  return { ...(world.json ? JSON.parse(text) : {}), good, text, said: said.join('\n') };
}

function edit(repoDir: string, path: string, change: (text: string) => string): void {
  const before = readFileSync(join(repoDir, path), 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(join(repoDir, path), after);
}

const EQUAL = { good: true, complaints: [], plan: 'equal', notAsked: null };

/** By what the document is, as the catalog serves it. */
async function documentPath(repoDir: string, type: string): Promise<string> {
  const path = `snapshots/vendor/live/${BASE}.yaml`;
  const { upstream } = readPins(readFileSync(join(repoDir, path), 'utf8'), path);
  const sum = type === 'repomd' ? upstream?.repomd : upstream?.documents.get(type);
  return `catalog/documents/${sum?.type}/${sum?.hex}`;
}

describe('a bot’s plan is recomputed without a mirror', () => {
  it.each([
    ['promotion', PROMOTION],
    ['sync', SYNC],
  ])('a %s', async (_, branch) => {
    const clone = await cloneAt(branch);
    expect(await checked(clone)).toMatchObject(EQUAL);
    expect(await checked(clone, { mirrorDir: site.mirrorDir })).toMatchObject(EQUAL);
    expect((await checked(clone, { json: false })).text).toContain('recomputed');
  });

  it('is refused where it is another one, and is for people to approve where they changed it', async () => {
    const clone = await cloneAt(PROMOTION);
    edit(clone, `${STABLE}.yaml`, (text) => text.replace(/ {2}harbor-audit[^\n]*\n\n/, ''));
    await fixWorkTree({ ...site.world(), repoDir: clone });
    const changed = await checked(clone);
    expect(changed).toMatchObject({ good: true, plan: 'differs', warnings: [{ code: 'PLAN_DIFFERS' }] });
    git(clone, 'commit', '-qa', '--amend', '--no-edit'); // under the bot's own trailers
    const tampered = {
      code: 'PLAN_DIFFERS',
      at: `${STABLE}.lock`,
      message: expect.stringContaining('is not the plan'),
    };
    expect(await checked(clone)).toMatchObject({ good: false, plan: 'differs', complaints: [tampered] });
    expect(await checked(clone, { mirrorDir: site.mirrorDir })).toMatchObject({ complaints: [tampered] });
  });

  it('a document that a head claims and no mirror took in is none', async () => {
    const clone = await cloneAt(SYNC);
    const sum = (await documentPath(clone, 'primary')).split('/').at(-1) ?? '';
    edit(clone, `snapshots/vendor/live/${BASE}.yaml`, (text) => text.replace(sum, 'a'.repeat(64)));
    git(clone, 'commit', '-qa', '--amend', '--no-edit');
    expect(await checked(clone)).toMatchObject({ good: false });
  });
});

/** The shell without the libc that it needs: made once, for tests that only look. */
async function makeBroken(dir: string): Promise<string> {
  const clone = await cloneAt('main', dir);
  edit(clone, `${STABLE}.yaml`, (text) => text.replace('"5.1.8-6.h9"', '"5.1.8-9.h9"'));
  await fixWorkTree({ ...site.world(), repoDir: clone });
  return clone;
}

async function copy(): Promise<string> {
  const dir = await tempDir();
  await cp(shared, dir, { recursive: true });
  return dir;
}

describe('client sets are asked without a mirror', () => {
  it('a break is refused in the same words as with one', async () => {
    const clone = shared;
    const hosted = await checked(clone);
    const { complaints } = await checked(clone, { mirrorDir: site.mirrorDir });
    expect(complaints).toMatchObject([
      { code: 'BROKEN_SET', at: expect.stringMatching(/base\.yaml:\d+:\d+$/) },
    ]);
    expect(hosted).toMatchObject({ good: false, complaints, notAsked: null });
    expect(hosted.sets).toMatchObject([{ tier: 'stable', added: { requirements: 1 } }]); // unstable is as it was
    expect(hosted.said).toMatch(/no upstream lists any more/); // live's tree had them
    const paths = server.requests.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length); // nothing twice
    expect(paths.length).toBe(17); // of both: repomd.xml and three lists, of vendor and tree; modules.yaml
    expect(JSON.stringify(server.requests.map(({ headers }) => headers))).not.toMatch(
      /authorization|cookie/i,
    );
  });

  it('nothing is fetched where nothing is another’s', async () => {
    const clone = await cloneAt('main');
    const { text } = await checked(clone, { json: false });
    expect(text).toContain('client sets: as main has them');
    expect(server.requests).toEqual([]);
  });

  it('a line with another build’s record, or with nobody’s, is found', async () => {
    const clone = await copy();
    const lock = readFileSync(join(clone, `${STABLE}.lock`), 'utf8');
    const record = /^harbor-cron-\S+ \S+ \d+ (\w{12})$/m.exec(lock)?.[1] ?? '';
    edit(clone, `${STABLE}.lock`, (text) =>
      text.replace(/^(harbor-shell-\S+ \S+ \d+ )\w{12}$/m, `$1${record}`),
    );
    expect(await checked(clone)).toMatchObject({
      complaints: [{ code: 'LOCK_MISMATCH', at: `${STABLE}.lock` }],
    });
    edit(clone, `${STABLE}.lock`, (text) =>
      text.replace(/^(harbor-shell-\S+ \S+ \d+ )\w{12}$/m, '$1000000000000'),
    );
    const { good, complaints } = await checked(clone);
    expect(good).toBe(false);
    expect(complaints).toMatchObject([
      { message: expect.stringContaining('000000000000 of harbor-shell-5.1.8-9') },
    ]);
  });

  it('explain needs no mirror either', async () => {
    const printed: string[] = [];
    const world = {
      ...site.world(),
      repoDir: await cloneAt('main'),
      print: (text: string) => void printed.push(text),
    };
    await explain(world, 'harbor-shell', 'infra');
    const withMirror = printed.splice(0).join('');
    await explain({ ...world, mirrorDir: undefined }, 'harbor-shell', 'infra');
    expect(printed.join('')).toBe(withMirror);
  });
});

describe('a server that lies', () => {
  const isDocument = (path: string) => path.startsWith('catalog/documents/');
  const lies: Record<string, [Lie, RegExp]> = {
    'other bytes': [(path, b) => (isDocument(path) && b ? { bytes: flipped(b) } : undefined), /sha256:/],
    'a cut document': [
      (path, b) => (isDocument(path) && b ? { bytes: b.subarray(0, -9) } : undefined),
      /bytes|sha256/,
    ],
    'no document': [(path) => (isDocument(path) ? { bytes: undefined } : undefined), /404/],
    'a document without an end': [
      (path, b) => (isDocument(path) && b && b.length > 3_000 ? { endless: true } : undefined),
      /more than/,
    ],
    'a page of somebody else’s': [
      (path) => (isDocument(path) ? { location: 'http://169.254.169.254/latest/' } : undefined),
      /169\.254/,
    ],
    'a folder of this machine': [
      (path) => (isDocument(path) ? { location: 'file:///etc/passwd' } : undefined),
      /redirected to/,
    ],
    'no tree': [(path) => (isDocument(path) ? undefined : { bytes: undefined }), /404/],
    'another tree': [
      (path, b) => (isDocument(path) || !b ? undefined : { bytes: flipped(b) }),
      /no record is served/,
    ],
  };
  it.each(Object.entries(lies))('%s changes nothing, and is said', async (_, [told, why]) => {
    const clone = shared;
    const cacheDir = await tempDir();
    lie = told;
    const refused = await checked(clone, { cacheDir });
    expect(refused).toMatchObject({
      good: false,
      sets: null,
      notAsked: expect.stringMatching(why),
      complaints: [{ at: 'policies/site.yaml', message: expect.stringMatching(why) }],
    });
    for (const path of await filesBelow(join(cacheDir, 'catalog'))) {
      expect(sha256(await readFile(join(cacheDir, 'catalog', path)))).toBe(basename(path));
    }
  });

  it('withholds nothing unseen: what is not there is not taken for what main lost', async () => {
    const clone = shared;
    const hidden = await documentPath(clone, 'filelists');
    lie = (path) => (path === hidden ? { bytes: undefined } : undefined);
    expect(await checked(clone)).toMatchObject({ good: false, complaints: [{ at: 'policies/site.yaml' }] });
  });

  it('that cuts every answer is no answer', async () => {
    const clone = shared;
    const repo = await openRepository(clone);
    const main = await readState(repo, 'origin/main');
    const world = { ...site.world(), repoDir: clone, mirrorDir: undefined };
    const ask = async (catalog: Catalog) =>
      catalog.getPrimaries([main.snapshot(parseRepositoryId(`vendor-live-${BASE}`))?.pins[0]?.record ?? '']);
    const attempt = () => askCatalog(world, main, [], ask, { timing: { attempts: 1 } });
    expect(await attempt()).toMatchObject({ kind: 'asked' });
    lie = () => ({ cut: true });
    expect(await attempt()).toMatchObject({
      kind: 'not',
      fault: { message: expect.stringMatching(/no answer/) },
    });
  });

  it('has no say in whom its check asks: that is main’s', async () => {
    const clone = await copy();
    edit(clone, 'policies/site.yaml', (text) => text.replaceAll(server.url, 'http://elsewhere.invalid/'));
    expect(await checked(clone)).toMatchObject({ complaints: [{ code: 'BROKEN_SET' }] });
  });
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
}

describe('the cache', () => {
  it('answers for a network that is gone, and is not believed', async () => {
    const clone = shared;
    const cacheDir = join(await tempDir(), 'new');
    const cold = await checked(clone, { cacheDir });
    const asked = server.requests.length;
    expect(asked).toBeGreaterThan(0);
    lie = () => ({ bytes: undefined });
    const stale = join(cacheDir, 'catalog/documents/sha256', 'b'.repeat(64));
    writeFileSync(stale, 'old');
    await utimes(stale, site.now, new Date(site.now.getTime() - 31 * 86_400_000));
    const warm = await checked(clone, { cacheDir });
    expect(existsSync(stale)).toBe(false); // nobody asked for it in a month
    expect(warm).toMatchObject({ good: false, complaints: cold.complaints, sets: cold.sets });
    expect(server.requests.length).toBe(asked); // not one

    const documents = (await filesBelow(join(cacheDir, 'catalog'))).map((path) =>
      join(cacheDir, 'catalog', path),
    );
    for (const path of documents) {
      chmodSync(path, 0o644);
      writeFileSync(path, flipped(readFileSync(path)));
    }
    expect(await checked(clone, { cacheDir })).toMatchObject({
      good: false,
      sets: null,
      notAsked: expect.anything(),
    });
    for (const path of documents.filter((p) => existsSync(p))) {
      chmodSync(path, 0o644);
      writeFileSync(path, '');
    }
    for (const tree of await filesBelow(join(cacheDir, 'trees')))
      writeFileSync(join(cacheDir, 'trees', tree), '<x');
    lie = () => undefined;
    const mended = await checked(clone, { cacheDir });
    expect(mended).toMatchObject({ complaints: cold.complaints, sets: cold.sets });
    expect(mended.said).toContain('is not what its name says');
    expect(mended.said).toMatch(/took \d+ documents/);
  });
});

describe('where no policy names a catalog', () => {
  /** Main without it: the same commits, and one more. */
  async function without(change: (text: string) => string): Promise<string> {
    const clone = await copy();
    const other = await cloneAt('main');
    edit(other, 'policies/site.yaml', change);
    git(other, 'commit', '-qam', 'The site');
    git(clone, 'fetch', '-q', other, 'HEAD:refs/heads/site');
    edit(clone, 'policies/site.yaml', change);
    return clone;
  }

  it('the mirror’s own is asked; if it has none, the sets are left to the merge, and that is said', async () => {
    const clone = await without((text) => text.replace(/^catalogUrl.*\n/m, ''));
    expect(await checked(clone, {}, { base: 'site' })).toMatchObject({
      complaints: [{ code: 'BROKEN_SET' }],
    });
    lie = () => ({ bytes: undefined });
    const left = await checked(clone, {}, { base: 'site' });
    expect(left).toMatchObject({
      good: true,
      sets: null,
      notAsked: expect.stringMatching(/no catalogUrl, and .*404/),
    });
  });

  it('and without a mirrorUrl it is said that nobody is asked', async () => {
    const clone = await without((text) => text.replace(/^(catalogUrl|mirrorUrl).*\n/gm, ''));
    const { good, text } = await checked(clone, { json: false }, { base: 'site' });
    expect(good).toBe(true);
    expect(text).toContain(
      'not checked here, because no mirror is named (--mirror), and main has no catalogUrl',
    );
    expect(server.requests).toEqual([]);
  });

  it('a named one that cannot be reached fails the check', async () => {
    const clone = await without((text) =>
      text.replace(/^catalogUrl.*$/m, 'catalogUrl: http://no-such-host.invalid/'),
    );
    const { good, complaints } = await checked(clone, {}, { base: 'site' });
    expect(good).toBe(false);
    expect(complaints).toMatchObject([
      { at: 'policies/site.yaml', message: expect.stringMatching(/no-such-host/) },
    ]);
  });
});
