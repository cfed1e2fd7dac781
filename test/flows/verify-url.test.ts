import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { World } from '../../src/flows/context.ts';
import { verifyServed } from '../../src/flows/publish.ts';
import { NoAnswer } from '../../src/flows/served.ts';
import { type VerifiedUrl, verifyUrl } from '../../src/flows/verify-url.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { compress, decompressAll } from '../../src/repodata/compression.ts';
import { readRepomd, writeRepomd } from '../../src/repodata/repomd.ts';
import { startGpg } from '../fixtures/gpg.ts';
import { freePort, serveMirror } from '../fixtures/nginx.ts';
import { has } from '../fixtures/oracle.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { makeSigner } from '../fixtures/signer.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { type Build, type Files, makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const ID = 'test-9-x86_64-main';
const LIVE = `vendor-live-${ID}`;
const UNSTABLE = `infra-unstable-${ID}`;
const THIN = 'test-9-x86_64-thin';
const nginx = has('nginx') || has('/usr/sbin/nginx');

function build(name: string, version = '1.0'): Build {
  return { name, version, href: `Packages/${name[0]}/${name}-${version}-1.el9.x86_64.rpm` };
}

function upstream(builds: readonly Build[], title: string): Files {
  const files = builds.map(
    ({ name, version }) =>
      `<package name="${name}" version="${version}" release="1.el9" epoch="3" arch="x86_64"><filename>${name}.rpm</filename></package>`,
  );
  const updates = `<updates><update from="v" status="final" type="security" version="1"><id>V-1</id><title>${title}</title><issued date="2026-01-01"/><severity>Important</severity><pkglist><collection short="x"><name>x</name>${files.join('')}</collection></pkglist></update></updates>`;
  return makeRepository({ builds, documents: { updateinfo: gzipSync(updates) } });
}

/** Published twice: what `unstable` has is no longer listed by its vendor. The fresh clone knows no mirror. */
async function publishedSite(finished: (clean: () => unknown) => void) {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-'));
  finished(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const gpg = startGpg(finished);
  const key = gpg.makeKey('site');
  let files = upstream([build('alpha'), build('beta')], 'First');
  const vendor = await startServer((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  finished(() => vendor.close());
  const base = { baseurl: [vendor.url] };
  const site = await makeSite({
    dir,
    upstreams: { [ID]: base, [THIN]: { ...base, content: 'thin' } },
    site: { signing: [{ file: 'keys/site', fingerprint: key.fingerprint }] },
    files: { 'policies/keys/site': key.publicKey },
    env: gpg.env,
  });
  const syncAll = async () => {
    for (const id of [ID, THIN]) await site.merge(await site.sync({ upstreams: [id] }));
  };
  await syncAll();
  await site.merge(await site.promote('unstable'));
  await site.publish();
  const first = await commitOf(site);
  site.days(1);
  files = upstream([build('alpha', '2.0'), build('gamma')], 'Second');
  await syncAll();
  await site.publish();
  const clone = join(dir, 'clone');
  execFileSync('git', ['clone', '-q', `${site.repoDir}.git`, clone]);
  const history = await (await openRepository(clone)).history('origin/main');
  return { site, first, second: history.commit, clone, history };
}

let published: Awaited<ReturnType<typeof publishedSite>>;
const cleaning: (() => unknown)[] = [];
beforeAll(async () => {
  published = await publishedSite((clean) => cleaning.push(clean));
}, 60_000);
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});

async function commitOf(site: Site): Promise<string> {
  const git = ['-C', `${site.repoDir}.git`, 'rev-parse', 'main'];
  return execFileSync('git', git, { encoding: 'utf8' }).trim();
}

/** By path below the mirror, symlinks followed: other bytes, or none. */
type Lies = Readonly<Record<string, Buffer | undefined>>;

/** Serves public/ and catalog/ as the example of nginx does. */
async function serveLying(mirror: string) {
  let lies: Lies = {};
  let moved: (path: string) => string = (path) => path;
  const server = await startServer(async (request, response) => {
    const asked = moved(decodeURIComponent(request.url ?? '').slice(1));
    const path = join(mirror, asked.startsWith('catalog/') ? '' : 'public', asked);
    const folder = await realpath(dirname(path)).catch(() => dirname(path));
    const file = join(folder, basename(path)).slice((await realpath(mirror)).length + 1);
    const bytes = file in lies ? lies[file] : await readFile(join(mirror, file)).catch(() => undefined);
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  onTestFinished(() => server.close());
  return {
    server,
    tell: (next: Lies, to: typeof moved = (path) => path) => {
      lies = next;
      moved = to;
    },
  };
}

/** As the command line does, from the clone. */
async function verified(url: string, o: { at?: string; metadata?: boolean } = {}) {
  const { site, clone } = published;
  const printed: string[] = [];
  const world: World = {
    ...site.world(),
    repoDir: clone,
    mirrorDir: undefined,
    json: true,
    print: (text) => printed.push(text),
  };
  const good = await verifyServed(world, { url, at: o.at, metadata: o.metadata ?? false });
  const done = JSON.parse(printed.join('')) as VerifiedUrl;
  expect(good).toBe(done.differences.length === 0);
  return done;
}

/** The same without the command line, which takes a new folder each time. */
async function proved(url: string, folder: string) {
  const { history } = published;
  return await verifyUrl({ url: new URL(url), history, folder, look: 'current', packages: true });
}

const flip = (bytes: Buffer, at = bytes.length - 5) => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

describe('verify URL', () => {
  it('tells of each lie of a server, and of nothing else', { timeout: 60_000 }, async () => {
    const { site, first, second } = published;
    const { server, tell } = await serveLying(site.mirrorDir);
    const good = await verified(server.url);
    expect(good).toMatchObject({ commit: second, differences: [], repositories: 4, short: 2 });
    expect(good.thin).toEqual([`infra-unstable-${THIN}`, `vendor-live-${THIN}`]); // only their metadata
    expect(good.packages).toBe(6); // two tiers; live keeps what its vendor withdrew
    expect(await verified(server.url, { at: first })).toMatchObject({
      commit: first,
      differences: [],
      short: 0,
    });
    expect((await verified(server.url, { metadata: true })).packages).toBe(0);
    site.output();
    await verifyServed(
      { ...site.world(), mirrorDir: undefined },
      { url: server.url, at: undefined, metadata: false },
    );
    expect(site.output()).toMatch(
      /^[0-9a-f]{12}: 4 repositories, 6 packages hashed, .*: all as the commit says\nthin, .*\n2 builds that no upstream/,
    );

    const disk = (path: string) => readFile(join(site.mirrorDir, path));
    const treeOf = async (id: string) =>
      (await realpath(join(site.mirrorDir, 'public', id))).slice((await realpath(site.mirrorDir)).length + 1);
    const [live, unstable] = [await treeOf(LIVE), await treeOf(UNSTABLE)];
    const old = await treeOf(`at/${first}/${LIVE}`);
    const names = await readdir(join(site.mirrorDir, 'public/packages', UNSTABLE));
    const beta = `public/packages/${UNSTABLE}/${names.find((name) => name.startsWith('beta'))}`;
    const repomd = `${live}/repodata/repomd.xml`;
    const statement = `public/at/${second}/statement.json`;
    const documentOf = async (type: string) =>
      `${live}/${readRepomd(await disk(repomd), '').records.find((r) => r.type === type)?.href}`;
    /** A document with another content, and a repomd.xml that goes with it. */
    const forged = async (type: string, change: (text: string) => string): Promise<Lies> => {
      const found = readRepomd(await disk(repomd), '');
      const text = await decompressAll(await disk(await documentOf(type)), { maxBytes: 1 << 20, at: '' });
      const open = Buffer.from(change(text.toString()));
      expect(open).not.toEqual(text);
      const bytes = compress(open, 'zstd');
      const records = found.records.map((record) => {
        if (record.type !== type) return record;
        const href = record.href.replace(record.checksum.hex, sha256(bytes));
        const checksum = { type: 'sha256', hex: sha256(bytes) } as const;
        const openChecksum = { type: 'sha256', hex: sha256(open) } as const;
        return { ...record, href, checksum, openChecksum, size: bytes.length, openSize: open.length };
      });
      const href = records.find((record) => record.type === type)?.href;
      return { [repomd]: writeRepomd({ ...found, records }), [`${live}/${href}`]: bytes };
    };
    const stranger = await makeSigner('stranger');
    const extra = (text: string) => {
      const element = /<package type="rpm">.*?<\/package>\n/s.exec(text)?.[0] ?? '';
      const another = element.replace('<name>alpha', '<name>aardvark');
      const count = Number(/packages="(\d+)"/.exec(text)?.[1]);
      return text.replace(element, another + element).replace(/packages="\d+"/, `packages="${count + 1}"`);
    };
    const lies: Record<string, [Lies | ((path: string) => string), string, RegExp]> = {
      'a byte of a package': [{ [beta]: flip(await disk(beta)) }, 'LINK_DIFFERS', /it is sha256:/],
      'a package is missing': [{ [beta]: undefined }, 'LINK_MISSING', /404/],
      'a byte of primary': [
        { [await documentOf('primary')]: flip(await disk(await documentOf('primary'))) },
        'REPODATA',
        /not what repomd.xml says/,
      ],
      'a byte of repomd.xml': [
        { [repomd]: flip(await disk(repomd), (await disk(repomd)).indexOf('<open-size>') + 11) },
        'REPODATA',
        /not signed by/,
      ],
      'an older tree': [
        (path) => path.replace(new RegExp(`^${LIVE}/`), `${old.slice('public/'.length)}/`),
        'POINTER',
        /earlier state of main.*validly signed/,
      ],
      'a tree of nobody': [
        {
          [repomd]: Buffer.from(
            (await disk(repomd)).toString().replace(/(<revision>)[0-9a-f]{40}/, `$1${'a'.repeat(40)}`),
          ),
        },
        'POINTER',
        /no commit of this history.*not signed by/,
      ],
      'no tree': [{ [repomd]: undefined }, 'TREE_MISSING', /404/],
      'a tree for the mirrorlist alone': [
        (path) => path.replace(live.slice('public/'.length), old.slice('public/'.length)),
        'REPODATA',
        /is not the one below/,
      ],
      'another mirrorlist': [
        { [`${live}/mirrorlist`]: Buffer.from('https://evil/\n') },
        'TREE',
        /another tree/,
      ],
      'a repomd.xml without an end': [{ [repomd]: Buffer.alloc(5 << 20, ' ') }, 'TREE_MISSING', /more than/],
      'no signature': [{ [`${repomd}.asc`]: undefined }, 'SIGNATURE', /no signature/],
      'a stranger’s signature': [
        { [`${repomd}.asc`]: await stranger.armored(await disk(repomd)) },
        'SIGNATURE',
        /no signature/,
      ],
      'another key': [{ 'public/keys/site': Buffer.from(stranger.publicKey) }, 'KEY', /not the key/],
      'another statement': [
        {
          [statement]: Buffer.from(
            (await disk(statement)).toString().replace(/[0-9a-f]{64}/, 'b'.repeat(64)),
          ),
        },
        'STATEMENT',
        /not what the commit gives/,
      ],
      'a statement that nobody signed': [{ [`${statement}.asc`]: undefined }, 'SIGNATURE', /no signature/],
      'a package more': [await forged('primary', extra), 'REPODATA', /differs in primary; not signed/],
      'another advisory': [
        await forged('updateinfo', (text) => text.replace('Second', 'Nothing')),
        'REPODATA',
        /differs in updateinfo; not signed/,
      ],
    };
    const told: Record<string, string> = {};
    const folder = await tempDir(); // what was believed once is so because git said its checksum
    for (const [name, [lie, , says]] of Object.entries(lies)) {
      if (typeof lie === 'function') tell({}, lie);
      else tell(lie);
      const { differences } = await proved(server.url, folder);
      told[name] = differences
        .map((d) => `${d.code}${says.test(d.says) ? '' : ` ${d.path} ${d.says}`}`)
        .join();
    }
    expect(told).toEqual(Object.fromEntries(Object.entries(lies).map(([name, [, code]]) => [name, code])));

    // A record of the metadata that no vendor lists any more: 48 bits of its digest speak for it.
    const inUnstable = await forgedRecord(site.mirrorDir, unstable);
    tell(inUnstable);
    const { differences } = await proved(server.url, await tempDir());
    expect(differences.map((d) => [d.code, /no record is served that is the lock's/.test(d.says)])).toEqual([
      ['STATEMENT', false],
      ['REPODATA', true],
      ['SIGNATURE', false],
    ]);

    tell({}, (path) => path.replace(/^catalog\//, 'nothing/'));
    const without = await proved(server.url, await tempDir());
    expect(without.differences.map((d) => d.code)).toEqual(Array(4).fill('UNPROVED'));
    expect(without.differences[0]?.says).toMatch(/not compared with git: the document sha256:.* 404/);
    expect(without.packages).toBe(6); // their checksums are in git
  });

  it('takes another compressor’s bytes once they are opened and equal', async () => {
    const { site } = published;
    const { server, tell } = await serveLying(site.mirrorDir);
    const tree = (await realpath(join(site.mirrorDir, 'public', LIVE))).slice(
      (await realpath(site.mirrorDir)).length + 1,
    );
    const path = join(site.mirrorDir, tree, 'repodata/repomd.xml');
    const found = readRepomd(await readFile(path), '');
    const other = async (change: (text: Buffer) => Buffer): Promise<Lies> => {
      const lies: Record<string, Buffer> = {};
      const records = [];
      for (const record of found.records) {
        const bytes = await readFile(join(site.mirrorDir, tree, record.href));
        const again = gzipSync(change(await decompressAll(bytes, { maxBytes: 1 << 20, at: '' })), {
          level: 1,
        });
        const href = record.href.replace(record.checksum.hex, sha256(again));
        lies[`${tree}/${href}`] = again;
        const checksum = { type: 'sha256', hex: sha256(again) } as const;
        records.push({ ...record, href, checksum, size: again.length });
      }
      return { ...lies, [`${tree}/repodata/repomd.xml`]: writeRepomd({ ...found, records }) };
    };
    tell(await other((text) => text));
    const folder = await tempDir();
    const codes = async () => (await proved(server.url, folder)).differences.map((d) => d.code).sort();
    expect(await codes()).toEqual(['SIGNATURE', 'STATEMENT']); // it was signed and stated as it was before
    tell(await other((text) => Buffer.from(text.toString().replace('hello', 'jello'))));
    expect(await codes()).toContain('REPODATA');
  });

  it('calls a network failure one', async () => {
    const { site } = published;
    const { server } = await serveLying(site.mirrorDir);
    const url = new URL(server.url);
    const { history } = published;
    const timing = { attempts: 2, backoff: 1 };
    const folder = await tempDir();
    const gone = new URL(`http://127.0.0.1:${await freePort()}/`);
    const o = { history, folder, timing, look: 'current', packages: true } as const;
    const stopped = await verifyUrl({ ...o, url: gone }).catch((error: unknown) => error);
    expect(stopped).toBeInstanceOf(NoAnswer);
    expect((stopped as NoAnswer).fault).toMatchObject({
      code: 'NETWORK',
      hint: expect.stringMatching(/not proved/),
    });
    expect((await verifyUrl({ ...o, url })).differences).toEqual([]);
  });

  it('has a statement that plain gpg verifies with the key that is served', async () => {
    const { site, second } = published;
    const home = startGpg();
    const below = join(site.mirrorDir, 'public');
    const statement = join(below, 'at', second, 'statement.json');
    execFileSync('gpg', ['--batch', '--quiet', '--import', join(below, 'keys/site')], { env: home.env });
    const status = execFileSync('gpg', ['--status-fd', '1', '--verify', `${statement}.asc`, statement], {
      env: home.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(status).toMatch(/GOODSIG .* site /);
  });

  it.skipIf(!nginx)('proves what nginx serves by the example that init writes', async () => {
    const { site, first } = published;
    const port = await freePort();
    const server = await serveMirror(site.mirrorDir, port);
    onTestFinished(() => server.stop());
    const url = `http://127.0.0.1:${port}`;
    expect((await verified(url)).differences).toEqual([]);
    expect((await verified(url, { at: first })).differences).toEqual([]);
  });
});

/** beta's own element says something else, in a tree that agrees with itself. */
async function forgedRecord(mirror: string, tree: string): Promise<Lies> {
  const path = `${tree}/repodata/repomd.xml`;
  const found = readRepomd(await readFile(join(mirror, path)), '');
  const lies: Record<string, Buffer> = {};
  const records = [];
  for (const record of found.records) {
    if (record.type !== 'primary') {
      records.push(record);
      continue;
    }
    const bytes = await readFile(join(mirror, tree, record.href));
    const text = (await decompressAll(bytes, { maxBytes: 1 << 20, at: '' })).toString();
    const open = Buffer.from(text.replace('<rpm:entry name="beta"', '<rpm:entry name="betas"'));
    const again = compress(open, 'zstd');
    const href = record.href.replace(record.checksum.hex, sha256(again));
    lies[`${tree}/${href}`] = again;
    const checksum = { type: 'sha256', hex: sha256(again) } as const;
    const openChecksum = { type: 'sha256', hex: sha256(open) } as const;
    records.push({ ...record, href, checksum, openChecksum, size: again.length, openSize: open.length });
  }
  return { ...lies, [path]: writeRepomd({ ...found, records }) };
}
