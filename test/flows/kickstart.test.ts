import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseChecksum } from '../../src/base/checksum.ts';
import { askCatalog } from '../../src/flows/hosted.ts';
import { freeMirror, verifyMirror, verifyServed } from '../../src/flows/publish.ts';
import { rollback } from '../../src/flows/rollback.ts';
import { readState } from '../../src/flows/state.ts';
import { treeWords } from '../../src/flows/trees.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { answerFile, serve } from '../fixtures/server.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import { type Files, makeRepository, serveRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const ID = 'vendor-9-x86_64-base';

/** A vendor's repository from which hosts can be installed; another `build` is other images. */
function vendor(build: number, change: Readonly<Record<string, Buffer | undefined>> = {}): Files {
  const files = makeRepository({ builds: [{ name: 'alpha' }], timestamp: 1_700_000_000 });
  const images: Record<string, Buffer> = {
    'images/install.img': Buffer.from(`installer ${build}`),
    'images/pxeboot/vmlinuz': Buffer.from(`kernel ${build}`),
    'images/pxeboot/initrd.img': Buffer.from('the same in every build'),
    'EFI/BOOT/BOOTX64.EFI': Buffer.from('the same in every build'),
  };
  const sums = Object.entries(images).map(([path, bytes]) => `${path} = sha256:${sha256(bytes)}`);
  const treeinfo = `[checksums]
${sums.join('\n')}

[header]
type = productmd.treeinfo
version = 1.2

[images-x86_64]
initrd = images/pxeboot/initrd.img
kernel = images/pxeboot/vmlinuz

[release]
name = Test Linux
short = TL
version = 9.${build}

[stage2]
mainimage = images/install.img

[tree]
arch = x86_64
build_timestamp = ${1_700_000_000 + build}
platforms = x86_64
variants = Base,Elsewhere

[variant-Base]
id = Base
name = Base
packages = Packages
repository = .
type = variant
uid = Base

[variant-Elsewhere]
id = Elsewhere
name = Elsewhere
packages = ../elsewhere/Packages
repository = ../elsewhere
type = variant
uid = Elsewhere
`;
  const all = { '.treeinfo': Buffer.from(treeinfo), ...images, ...change };
  for (const [path, bytes] of Object.entries(all)) if (bytes) files.set(path, bytes);
  return files;
}

/** `unstable` takes what live has had for two days, `stable` what unstable has had for one. */
async function siteOf(first: Files): Promise<{ site: Site; show(files: Files): void }> {
  let files = first;
  const server = await serveRepository(() => files);
  const site = await makeSite({
    upstreams: { [ID]: { baseurl: [server.url], kickstart: true } },
    team: {
      tiers: {
        unstable: { from: 'live', wait: { seen: '2d' } },
        stable: { from: 'unstable', wait: { inParent: '1d' } },
      },
    },
  });
  return {
    site,
    show: (next) => {
      files = next;
    },
  };
}

async function merged(site: Site, number: number | undefined): Promise<string> {
  if (number === undefined) return '';
  const forge = await openLocalForge(`${site.repoDir}.git`);
  const { state, body } = await forge.get(number);
  if (state === 'open') await site.merge(number); // live follows by itself
  return body;
}

const git = (site: Site, ...args: string[]) =>
  execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
const folder = (site: Site, tier: string) => join(site.mirrorDir, 'public', `${tier}-${ID}`);
const served = (site: Site, tier: string, path: string) =>
  readFileSync(join(folder(site, tier), path), 'utf8');
const pinned = (site: Site, tier: string) =>
  /^kickstart: "(sha256:[0-9a-f]{64})"$/m.exec(
    readFileSync(join(site.repoDir, 'snapshots', ...tier.split('-'), `${ID}.yaml`), 'utf8'),
  )?.[1];

it('an installation tree goes through the tiers, pinned by its digest, and is published with its images', async () => {
  const { site, show } = await siteOf(vendor(1));
  const imported = await merged(site, await site.sync());
  expect(imported).toMatch(/### Installation tree[\s\S]*`sha256:[0-9a-f]{12}` \| Test Linux 9\.1, 4 files/);
  site.days(2);
  await merged(site, await site.promote('unstable'));
  site.days(1);
  await merged(site, await site.promote('stable'));
  await site.publish();
  const before = git(site, 'rev-parse', 'main');
  const first = `sha256:${sha256(vendor(1).get('.treeinfo') ?? '')}`;
  for (const tier of ['vendor-live', 'infra-unstable', 'infra-stable'])
    expect(pinned(site, tier)).toBe(first);

  // The vendor exchanges the images, and no package.
  show(vendor(2));
  await merged(site, await site.sync());
  expect(pinned(site, 'vendor-live')).not.toBe(first);
  site.output();
  expect(await site.promote('unstable')).toBeUndefined();
  expect(site.output()).toMatch(/installation tree Test Linux 9\.2, 4 files stays: .*until/);
  site.days(2);
  expect(await merged(site, await site.promote('unstable'))).toMatch(/Test Linux 9\.2/);
  await site.publish();
  expect(served(site, 'infra-unstable', 'images/pxeboot/vmlinuz')).toBe('kernel 2');
  expect(served(site, 'infra-stable', 'images/pxeboot/vmlinuz')).toBe('kernel 1');
  const treeinfo = served(site, 'infra-stable', '.treeinfo');
  expect(treeinfo).toMatch(/variants = Base\n/);
  expect(treeinfo).not.toContain('lsewhere');
  const inode = (tier: string) => statSync(join(folder(site, tier), 'images/pxeboot/initrd.img')).ino;
  expect(inode('infra-stable')).toBe(inode('infra-unstable'));

  // As an installer takes it: .treeinfo, what it names, and the metadata, each from one URL.
  const server = await serve((request, response) => {
    const path = join(
      site.mirrorDir,
      decodeURIComponent((request.url ?? '').replace('/public', 'public').slice(1)),
    );
    let bytes: Buffer | undefined;
    try {
      bytes = readFileSync(
        join(path.includes('/catalog/') ? path : join(site.mirrorDir, 'public', request.url ?? '')),
      );
    } catch {}
    answerFile(
      request,
      response,
      bytes,
      `"${createHash('sha256')
        .update(bytes ?? '')
        .digest('hex')}"`,
    );
  });
  const base = `${server.url}infra-stable-${ID}/`;
  for (const line of /\[checksums\]\n([^[]+)/.exec(treeinfo)?.[1]?.trim().split('\n') ?? []) {
    const [path, sum] = line.split(' = ');
    const bytes = Buffer.from(await (await fetch(base + path)).arrayBuffer());
    expect(`sha256:${sha256(bytes)}`).toBe(sum);
  }
  expect((await fetch(`${base}repodata/repomd.xml`)).status).toBe(200);

  const at = git(site, 'rev-parse', 'main');
  const statement = readFileSync(join(site.mirrorDir, 'public/at', at, 'statement.json'), 'utf8');
  expect(JSON.parse(statement).subject).toContainEqual({
    name: `infra-stable-${ID}/.treeinfo`,
    digest: { sha256: sha256(treeinfo) },
  });

  // A check on a host without a mirror takes the .treeinfo that git names from where the catalog is served.
  const state = await readState(await openRepository(`${site.repoDir}.git`), at);
  const policy = { ...state.policies.site, catalogUrl: `${server.url}catalog` };
  const hosting = { ...state, policies: { ...state.policies, site: policy } };
  const hosted = await askCatalog({ ...site.world(), mirrorDir: undefined }, hosting, [], (catalog) =>
    treeWords(catalog, [parseChecksum(first)]),
  );
  expect(hosted).toMatchObject({ kind: 'asked', hosted: true });
  if (hosted.kind === 'asked') expect(hosted.answer(parseChecksum(first))).toBe('Test Linux 9.1, 4 files');

  // An image that the pool lost comes back with the next sync.
  const kernel = sha256('kernel 2');
  const inPool = join(site.mirrorDir, 'pool/sha256', kernel.slice(0, 2), `${kernel}.rpm`);
  unlinkSync(inPool);
  await site.sync();
  expect(readFileSync(inPool, 'utf8')).toBe('kernel 2');

  // Nothing is freed that a tier has; everything is proved; what was put there or exchanged is named.
  await freeMirror(site.world(), { dryRun: false });
  expect(await verifyMirror(site.world())).toBe(true);
  const look = { url: server.url, at: undefined, metadata: false };
  site.output();
  const isServed = await verifyServed(site.world(), look);
  expect([isServed, site.output()]).toEqual([true, expect.stringMatching(/all as the commit says/)]);
  const image = join(folder(site, 'infra-stable'), 'images/install.img');
  unlinkSync(image);
  writeFileSync(image, 'installer X');
  writeFileSync(join(folder(site, 'infra-stable'), 'images/updates.img'), 'run me');
  expect(await verifyMirror(site.world())).toBe(false);
  expect(site.output()).toMatch(/install\.img[\s\S]*updates\.img/);
  expect(await verifyServed(site.world(), look)).toBe(false);
  expect(site.output()).toMatch(/images\/install\.img/);
  await site.publish();
  expect(await verifyMirror(site.world())).toBe(true);
  expect(served(site, 'infra-stable', 'images/install.img')).toBe('installer 1');

  // A tier goes back to the tree that it had, which no other tier but stable has any more, if the mirror has its images.
  const back = {
    team: 'infra',
    tier: 'unstable',
    to: before,
    reason: 'hosts do not boot',
    how: 'propose',
  } as const;
  const others = { set: undefined, owner: undefined, until: undefined, all: false };
  const lost = sha256('kernel 1');
  const gone = join(site.mirrorDir, 'pool/sha256', lost.slice(0, 2), `${lost}.rpm`);
  renameSync(gone, `${gone}.away`);
  await expect(rollback(site.world(), { ...back, ...others })).rejects.toMatchObject({
    code: 'POOL_MISSING',
    message: expect.stringContaining('images/pxeboot/vmlinuz of its installation tree'),
  });
  renameSync(`${gone}.away`, gone);
  const [proposed] = await rollback(site.world(), { ...back, ...others });
  const body = await merged(site, proposed?.pull?.number);
  expect(body).toMatch(/### Installation tree[\s\S]*Test Linux 9\.1, 4 files/);
  expect(body).toContain('its installation tree goes back too. Holds are of builds');
  expect(pinned(site, 'infra-unstable')).toBe(first);
  await site.publish();
  expect(served(site, 'infra-unstable', 'images/pxeboot/vmlinuz')).toBe('kernel 1');
});

it('what cannot be verified stops the sync and changes nothing; a tree of nobody stops the merge', async () => {
  const image = 'images/pxeboot/vmlinuz';
  const { site, show } = await siteOf(vendor(1, { [image]: Buffer.from('kernel X') }));
  await expect(site.sync()).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
    message: expect.stringContaining(image),
  });
  const missing = vendor(1);
  missing.delete(image);
  show(missing);
  await expect(site.sync()).rejects.toMatchObject({
    code: 'HTTP_STATUS',
    message: expect.stringContaining(image),
  });
  const none = vendor(1);
  none.delete('.treeinfo');
  show(none);
  await expect(site.sync()).rejects.toMatchObject({
    code: 'HTTP_STATUS',
    message: expect.stringContaining('no installation tree'),
    hint: expect.stringContaining('kickstart'),
  });
  const leaving = vendor(1, { '.treeinfo': Buffer.from(`[checksums]\n../x = sha256:${'0'.repeat(64)}\n`) });
  show(leaving);
  await expect(site.sync()).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
  expect(await filesBelow(join(site.repoDir, 'snapshots')).catch(() => [])).toEqual([]);

  show(vendor(5));
  await merged(site, await site.sync());
  show(vendor(4));
  await expect(site.sync()).rejects.toMatchObject({ code: 'UPSTREAM_ROLLBACK' });
  const other = `kickstart: "sha256:${'1'.repeat(64)}"`;
  const byHand = site.change({
    [`snapshots/vendor/live/${ID}.yaml`]: (text) => text.replace(/^kickstart: .*$/m, other),
  });
  await expect(byHand).rejects.toMatchObject({ code: 'PROVENANCE' });
  site.days(2);
  await merged(site, await site.promote('unstable'));
  const inTier = site.change({
    [`snapshots/infra/unstable/${ID}.yaml`]: (text) => text.replace(/^kickstart: .*$/m, other),
  });
  await expect(inTier).rejects.toMatchObject({
    code: 'MANIFEST_INVALID',
    message: expect.stringContaining('tree'),
  });
  // Both pull requests are open still: what they name is no reason to keep or to stop anything.
  await freeMirror(site.world(), { dryRun: false });
});
