import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { publishMain, verifyMirror, writeRepofile } from '../../src/flows/publish.ts';
import { Client } from '../fixtures/dnfClient.ts';
import { type Gpg, startGpg } from '../fixtures/gpg.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site, siteAgain } from './site.ts';

const run = promisify(execFile);
const ID = 'test-9-x86_64-main';
const STABLE = `infra-stable-${ID}`;
const isRoot = process.getuid?.() === 0;

type Key = ReturnType<Gpg['makeKey']>;

function signing(keys: Readonly<Record<string, Key>>) {
  const list = Object.entries(keys).map(([name, { fingerprint }]) => ({ file: `keys/${name}`, fingerprint }));
  return (text: string) => `${text.replace(/^signing:[\s\S]*$/m, '')}signing: ${JSON.stringify(list)}\n`;
}

async function asc(site: Site, id = STABLE): Promise<Buffer> {
  return await readFile(join(site.mirrorDir, 'public', id, 'repodata/repomd.xml.asc'));
}

const cleaning: (() => unknown)[] = [];
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});

/** A small site that signs with one key of a gpg of its own. */
const signingSite = siteAgain(async (dir) => {
  const gpg = startGpg((clean) => cleaning.push(clean));
  const [first, second] = [gpg.makeKey('first'), gpg.makeKey('second')];
  const files = makeRepository({ builds: [{ name: 'alpha' }] });
  const server = await startServer((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  cleaning.push(() => server.close());
  const site = await makeSite({
    dir,
    upstreams: { [ID]: { baseurl: [server.url] } },
    site: { signing: [{ file: 'keys/first', fingerprint: first.fingerprint }] },
    files: { 'policies/keys/first': first.publicKey },
    env: gpg.env,
  });
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  return Object.assign(site, { gpg, first, second });
});

async function gpgSays(gpg: Gpg, site: Site, id: string): Promise<string> {
  const repodata = join(site.mirrorDir, 'public', id, 'repodata');
  const files = [join(repodata, 'repomd.xml.asc'), join(repodata, 'repomd.xml')];
  const { stdout } = await run('gpg', ['--batch', '--status-fd', '1', '--verify', ...files], {
    env: { ...gpg.env },
  });
  return stdout;
}

describe('every published repomd.xml', () => {
  const LIVE = `vendor-live-${ID}`;

  it('is signed by each key of the site, and again only when that changes', async () => {
    const site = await signingSite();
    const { gpg, first, second } = site;
    await site.publish();
    expect(await gpgSays(gpg, site, LIVE)).toMatch(/GOODSIG .* first /);
    const before = await asc(site, LIVE);
    await site.publish();
    expect(await asc(site, LIVE)).toEqual(before);

    await site.change({
      'policies/keys/second': second.publicKey,
      'policies/site.yaml': signing({ first, second }),
    });
    await site.publish();
    const both = await gpgSays(gpg, site, LIVE);
    expect([/GOODSIG .* first /.test(both), /GOODSIG .* second /.test(both)]).toEqual([true, true]);
    expect(await verifyMirror(site.world())).toBe(true);

    await site.change({ 'policies/site.yaml': signing({ second }) });
    await site.publish();
    expect(await verifyMirror(site.world())).toBe(true);
    expect(await readFile(join(site.mirrorDir, 'public/keys/second'), 'utf8')).toBe(second.publicKey);
  });

  it('gets its signature back where it was lost or damaged, and verify names it until then', async () => {
    const site = await signingSite();
    await site.publish();
    const tree = join(site.mirrorDir, 'public', await readlink(join(site.mirrorDir, 'public', LIVE)));
    const path = join(tree, 'repodata/repomd.xml.asc');
    await chmod(path, 0o644);
    await writeFile(path, 'nonsense');
    site.output();
    expect(await verifyMirror(site.world())).toBe(false);
    expect(site.output()).toMatch(/SIGNATURE .*repomd\.xml\.asc/);
    await mkdir(join(tree, 'repodata/x')); // the folder changed: publish looks again
    await site.publish();
    expect((await asc(site, LIVE)).toString()).toMatch(/^-----BEGIN PGP SIGNATURE-----/);
    expect(await verifyMirror(site.world())).toBe(true);
  });

  it('switches nothing where it cannot be signed', async () => {
    const site = await signingSite();
    const { second } = site;
    await site.publish();
    const before = await readlink(join(site.mirrorDir, 'public', LIVE));
    const env = { ...site.world().env, SLUICE_SIGNER: '/bin/false' };
    await site.change({
      'policies/keys/second': second.publicKey,
      'policies/site.yaml': signing({ second }),
    });
    await expect(publishMain({ ...site.world(), env }, undefined)).rejects.toMatchObject({
      code: 'SIGNING_FAILED',
      message: expect.stringMatching(/repomd\.xml was not signed by [0-9A-F]{40}: \/bin\/false ended with 1/),
    });
    expect(await readlink(join(site.mirrorDir, 'public', LIVE))).toBe(before);
  });

  it('is signed by a program of the mirror’s own, which never sees git’s word for itself', async () => {
    const dir = await tempDir();
    const signer = join(dir, 'signer');
    await writeFile(
      signer,
      '#!/bin/sh\necho "$@" >>"$0.log"\nexec gpg --batch --local-user "$1" --armor --detach-sign\n',
    );
    await chmod(signer, 0o755);
    const site = await signingSite();
    const { gpg, first } = site;
    const env = { ...site.world().env, SLUICE_SIGNER: signer };
    await publishMain({ ...site.world(), env }, undefined);
    expect(await gpgSays(gpg, site, LIVE)).toMatch(/GOODSIG .* first /);
    expect(new Set((await readFile(`${signer}.log`, 'utf8')).trim().split('\n'))).toEqual(
      new Set([first.fingerprint]),
    );
  });
});

describe.skipIf(!CORPUS || !oracle('dnf') || !isRoot)('a client that checks every signature', () => {
  it('follows PostgreSQL’s signed packages through our tiers, and our key to the next', {
    timeout: 180_000,
  }, async () => {
    const gpg = startGpg();
    const [first, second] = [gpg.makeKey('first'), gpg.makeKey('second')];
    let version = 'v1';
    const server = await startServer(async (request, response) => {
      const path = join(CORPUS ?? '', 'pgdg-signed-series', version, decodeURIComponent(request.url ?? ''));
      const bytes = await readFile(path).catch(() => undefined);
      answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
    });
    onTestFinished(() => server.close());
    const vendor = await readFile(join(CORPUS ?? '', 'keys/postgresql/PGDG-RPM-GPG-KEY-RHEL'), 'utf8');
    const site = await makeSite({
      upstreams: {
        [ID]: {
          baseurl: [server.url],
          keys: [{ file: 'keys/pgdg', fingerprint: 'D4BF08AE67A0B4C7A1DBCCD240BCA2B408B40D20' }],
          packages: { signatures: 'required' },
        },
      },
      team: { tiers: { unstable: { from: 'live' }, stable: { from: 'unstable' } } },
      site: { signing: [{ file: 'keys/first', fingerprint: first.fingerprint }] },
      files: { 'policies/keys/first': first.publicKey, 'policies/keys/pgdg': vendor },
      env: gpg.env,
    });
    const step = async (next: string) => {
      version = next;
      site.days(1);
      const pull = await site.sync();
      if (/is green|merged #/.test(site.output()) === false) await site.merge(pull);
      await site.merge(await site.promote('unstable'));
      await site.merge(await site.promote('stable'));
      await site.publish();
    };
    await step('v1');
    const old = await Client.of(await repofile(site));
    await old.dnf('install', 'pgdg-srpm-macros');
    expect(await old.installed('pgdg-srpm-macros')).toBe('pgdg-srpm-macros-1.0.38-1PGDG.rhel8.noarch');

    await site.change({
      'policies/keys/second': second.publicKey,
      'policies/site.yaml': signing({ first, second }),
    });
    await step('v2');
    await old.dnf('--refresh', 'upgrade'); // knows only the first key
    const young = await Client.of(await repofile(site));
    await young.dnf('install', 'pgdg-srpm-macros');

    await site.change({ 'policies/site.yaml': signing({ second }) });
    await step('v3');
    await young.dnf('--refresh', 'upgrade');
    expect(await young.installed('pgdg-srpm-macros')).toMatch(/^pgdg-srpm-macros-/);
    await old.dnf('clean', 'all'); // with metadata of before it goes on from that
    await expect(old.dnf('makecache')).rejects.toMatchObject({
      stderr: expect.stringMatching(/GPG|signature|repomd/i),
    });
    expect(await verifyMirror(site.world())).toBe(true);
  });
});

async function repofile(site: Site): Promise<string> {
  site.output();
  await writeRepofile(site.world(), { team: 'infra', tier: 'stable', at: undefined });
  const text = site.output();
  expect(text).toMatch(/^gpgcheck=1$/m);
  expect(text).toMatch(/^repo_gpgcheck=1$/m);
  return text;
}
