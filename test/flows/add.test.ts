import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { add } from '../../src/flows/add.ts';
import { writeRepofile } from '../../src/flows/publish.ts';
import { lockMirror } from '../../src/pool/disk.ts';
import { identify } from '../../src/repodata/primary.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { Client } from '../fixtures/dnfClient.ts';
import { startGpg } from '../fixtures/gpg.ts';
import { oracle } from '../fixtures/oracle.ts';
import { document, elementsOf, repomdOf } from '../fixtures/repodata.ts';
import { buildRpm } from '../fixtures/rpmbuild.ts';
import { header, rpmBytes, tags, text } from '../fixtures/rpmFile.ts';
import { makeSigner, type Signer, signedRpm } from '../fixtures/signer.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { makeSite, type Site } from './site.ts';

const ID = 'test-9-x86_64-acme';
const VENDOR = 'test-9-x86_64-main';
const LIVE = 'snapshots/vendor/live/test-9-x86_64-acme.yaml';

let team: Signer;
let stranger: Signer;

beforeAll(async () => {
  [team, stranger] = await Promise.all([makeSigner('team'), makeSigner('stranger')]);
});

async function ownSite(key: { fingerprint: string; publicKey: string } = team): Promise<Site> {
  return await makeSite({
    upstreams: {
      [ID]: {
        source: 'added',
        keys: [{ file: 'keys/acme', fingerprint: key.fingerprint }],
        packages: { signatures: 'required' },
      },
      [VENDOR]: { baseurl: ['http://127.0.0.1:9/'] },
    },
    team: { repositories: [ID] },
    files: { 'policies/keys/acme': key.publicKey },
  });
}

async function fileOf(bytes: Buffer, name = 'built.rpm'): Promise<string> {
  const path = join(await tempDir(), name);
  writeFileSync(path, bytes);
  return path;
}

const signed = async (name: string, version = '1.0', signer: Signer | undefined = team) =>
  await fileOf(await signedRpm(name, version, signer), `${name}.rpm`);

async function addTo(site: Site, files: readonly string[], how: 'show' | 'write' | 'propose' = 'propose') {
  const [done] = await add(site.world(), { files, to: ID, how, all: true });
  return done?.pull;
}

/** Merges what has not merged itself: after the first, a sync that is green does. */
async function settle(site: Site, pull: { readonly number: number } | undefined): Promise<void> {
  if (!pull) throw new Error('there is no pull request');
  if (!new RegExp(`merged #${pull.number}\\b`).test(site.output())) await site.merge(pull.number);
}

/** Everything that an add could change, by path: what is derived from nothing but metadata apart. */
async function everything(site: Site): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const root of [site.mirrorDir, site.repoDir, `${site.repoDir}.git`]) {
    for (const path of await filesBelow(root)) {
      if (/^(?:catalog|locks)\/|FETCH_HEAD$|origin\/main$/.test(path)) continue; // what any look at a state brings
      found.set(
        join(root, path),
        createHash('sha256')
          .update(readFileSync(join(root, path)))
          .digest('hex'),
      );
    }
  }
  return found;
}

const manifest = (site: Site) =>
  execFileSync('git', ['-C', `${site.repoDir}.git`, 'show', `main:${LIVE}`], { encoding: 'utf8' });

describe('builds of a team’s own', () => {
  it.skipIf(!oracle('rpmbuild') || !oracle('rpmsign') || !oracle('dnf') || process.getuid?.() !== 0)(
    'go from rpmbuild through review and tiers to a client that checks their signatures',
    async () => {
      const gpg = startGpg();
      const key = gpg.makeKey('acme');
      const site = await ownSite(key);
      const by = { gpg, key: key.fingerprint };
      const [agent, data] = await Promise.all([
        buildRpm('acme-agent', '2.1', { ...by, lines: 'Requires: (acme-data >= 2 or acme-none)' }),
        buildRpm('acme-data', '2.0', { ...by, arch: 'noarch' }),
      ]);
      const pull = await addTo(site, [agent, data]);
      const said = site.output();
      expect(said).toMatch(new RegExp(`acme-agent-2.1-1.acme.x86_64: new, signed by ${key.fingerprint}\n`));
      expect(said).toMatch(/pull request #1 opened/);
      await site.merge(pull?.number);
      expect(manifest(site)).toMatch(
        /acme-agent\.x86_64: "2\.1-1\.acme"\n+ {2}acme-data\.noarch: "2\.0-1\.acme"/,
      );
      await site.merge(await site.promote('unstable'));
      await site.publish();

      const tree = join(site.mirrorDir, 'public', `infra-unstable-${ID}`);
      const primary = document(tree, repomdOf(tree), 'primary') ?? Buffer.alloc(0);
      const listed = (await elementsOf(primary, 'package', tree)).map((e) =>
        formatNevra(identify(e, tree).nevra),
      );
      expect(listed.sort()).toEqual(['acme-agent-2.1-1.acme.x86_64', 'acme-data-2.0-1.acme.noarch']);
      site.output();
      await writeRepofile(site.world(), { team: 'infra', tier: 'unstable', at: undefined });
      const repofile = site.output();
      expect(repofile).toMatch(/^gpgcheck=1$/m);
      const client = await Client.of(repofile);
      await client.dnf('install', 'acme-agent');
      expect(await client.installed('acme-data')).toBe('acme-data-2.0-1.acme.noarch');
    },
  );

  it('are shown without being taken in, then taken in once, and found again', async () => {
    const site = await ownSite();
    const files = [await signed('alpha'), await signed('beta')];
    const before = await everything(site);
    expect(await addTo(site, files, 'show')).toBeUndefined();
    expect(site.output()).toMatch(/alpha-3:1\.0-1\.el9\.x86_64: new[\s\S]*beta/);
    expect(await everything(site)).toEqual(before);
    const twice = [...files, await fileOf(readFileSync(files[0] ?? ''))];
    expect(await addTo(site, twice)).toMatchObject({ number: 1, outcome: 'opened' });
    expect(site.output()).toMatch(/alpha-3:1\.0-1\.el9\.x86_64: the same file as another one/);
    const taken = await everything(site);
    writeFileSync(join(site.mirrorDir, 'added', ID, 'repodata', 'left.xml.gz'), 'by a killed run');
    site.output();
    expect(await addTo(site, [files[0] ?? '', files[0] ?? ''])).toMatchObject({
      number: 1,
      outcome: 'unchanged',
    });
    expect(site.output()).toMatch(/alpha-3:1\.0-1\.el9\.x86_64: was added before\n/);
    expect(await everything(site)).toEqual(taken);
    await site.merge(1);
    expect(await addTo(site, files)).toBeUndefined();
    expect(site.output()).toMatch(/test-9-x86_64-acme: unchanged/);
    const copies = execFileSync('find', [site.mirrorDir, '-name', '*.rpm', '-links', '1'], {
      encoding: 'utf8',
    });
    expect(copies).toBe(''); // the pool and the folder have one copy between them
  });

  it('go on from what was added before, and are held back by tiers as any other', async () => {
    const site = await ownSite();
    await settle(site, await addTo(site, [await signed('alpha')]));
    await site.merge(await site.promote('unstable'));
    site.days(3);
    await settle(site, await addTo(site, [await signed('alpha', '2.0')]));
    expect(manifest(site)).toMatch(/alpha\.x86_64: \["3:1\.0-1\.el9", "3:2\.0-1\.el9"\]/);
    site.output();
    await site.promote('stable'); // a day in unstable is over for 1.0 alone
    expect(site.output()).toMatch(/hello +new → 3:1\.0-1\.el9 +1 build +≥ 3 days in unstable/);
  });
});

describe('what is refused, before anything is changed:', () => {
  const header2 = (arch: string) => rpmBytes({ header: header(63, tags({ arch: text(1022, arch) })) }).bytes;
  const cases: readonly [string, () => Promise<string>, string, RegExp][] = [
    [
      'no RPM',
      async () => await fileOf(Buffer.from('#!/bin/sh\n'.repeat(50))),
      'RPM_INVALID',
      /^it is not an RPM file$/,
    ],
    ['an empty file', async () => await fileOf(Buffer.alloc(0)), 'RPM_INVALID', /^it ends within the lead$/],
    ['one that is cut', async () => await fileOf((await signedRpm('x', '1', team)).subarray(0, -3)), 'RPM_INVALID', /its digest does not hold/], // biome-ignore format: one case
    ['not signed', async () => await fileOf(await signedRpm('x', '1', undefined)), 'SIGNATURE_INVALID', /^x-3:1-1\.el9\.x86_64: it is not signed$/], // biome-ignore format: one case
    ['signed by a stranger', async () => await signed('x', '1', stranger), 'SIGNATURE_INVALID', /which is not a key of the policy$/], // biome-ignore format: one case
    ['a digest of the payload that does not hold', async () => await fileOf(await signedRpm('x', '1', team, { digest: 'ab'.repeat(32) })), 'RPM_INVALID', /its digest does not hold \(Payload SHA256\)$/], // biome-ignore format: one case
    ['another arch', async () => await fileOf(header2('aarch64')), 'USAGE', /^hello-3:2\.0-1\.el9\.aarch64 is not for test-9-x86_64-acme, which takes x86_64, noarch, /], // biome-ignore format: one case
    ['sources', async () => await fileOf(rpmBytes({ header: header(63, tags({ sourceRpm: undefined })) }).bytes), 'USAGE', /\.src is not for test-9/], // biome-ignore format: one case
    ['a folder', async () => await tempDir(), 'USAGE', /^it is a folder, not a file$/],
    ['a symlink', async () => link(await signed('x')), 'USAGE', /^it is a symlink, not a file$/],
    ['a pipe', async () => pipe(await tempDir()), 'USAGE', /^it is a pipe, a socket or a device/],
    ['nothing', async () => join(await tempDir(), 'gone.rpm'), 'NOT_FOUND', /^there is no such file$/],
  ];
  it('every file that is not a sound package of the team’s', async () => {
    const site = await ownSite();
    await addTo(site, [await signed('alpha')], 'write');
    const good = await signed('good');
    const before = await everything(site);
    for (const [what, make, code, message] of cases) {
      const at = await make();
      const said = { code, message: expect.stringMatching(message), at };
      await expect(addTo(site, [good, at]), what).rejects.toMatchObject(said);
    }
    expect(await everything(site)).toEqual(before);
  });

  it('other bytes under a name that is taken: by what was added, by one beside it, by live', async () => {
    const site = await ownSite();
    const first = await signed('alpha');
    const resigned = await fileOf(await signedRpm('alpha', '1.0', team)); // a signature has salt in it
    const rerolled = { code: 'UPSTREAM_REROLLED', hint: 'Build it again with a new release.' };
    const before = await everything(site);
    await expect(addTo(site, [first, resigned])).rejects.toMatchObject({
      ...rerolled,
      message: expect.stringMatching(/^alpha-3:1\.0-1\.el9\.x86_64 would be two files: sha256:\S+ \(.*alpha\.rpm\) and sha256:\S+ \(.*built\.rpm\)$/), // biome-ignore format: one pattern
    });
    expect(await everything(site)).toEqual(before);
    await settle(site, await addTo(site, [first]));
    await expect(addTo(site, [resigned])).rejects.toMatchObject({
      ...rerolled,
      message: expect.stringMatching(/\(added before\) and/),
    });
    rmSync(join(site.mirrorDir, 'added'), { recursive: true });
    await expect(addTo(site, [resigned])).rejects.toMatchObject({
      ...rerolled,
      message: expect.stringMatching(/\(in live\) and/),
    });
  });

  it('several at once are all named', async () => {
    const site = await ownSite();
    const files = [await signed('x', '1', stranger), await fileOf(Buffer.from('no')), await signed('good')];
    await expect(addTo(site, files)).rejects.toMatchObject({
      message: expect.stringMatching(/^2 of 3 files cannot be added, first: x-3:1/),
    });
    expect(site.output()).toMatch(/x\.rpm: x-3:1[\s\S]*built\.rpm: it ends within the lead/);
  });

  it('an upstream that is fetched, one that is not there, no file', async () => {
    const site = await ownSite();
    const files = [await signed('x')];
    const to = (id: string) => add(site.world(), { files, to: id, how: 'show', all: false });
    await expect(to(VENDOR)).rejects.toMatchObject({ code: 'USAGE', hint: `Name one of: ${ID}.` });
    await expect(to('other-9-x86_64-x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(addTo(site, [])).rejects.toMatchObject({ code: 'USAGE', message: 'no file is named' });
    await using _lock = await lockMirror(site.mirrorDir);
    const before = await everything(site);
    await expect(addTo(site, files)).rejects.toMatchObject({ code: 'LOCKED' });
    expect(await everything(site)).toEqual(before);
  });
});

describe('the folder below the mirror', () => {
  it('that is still empty is said, and stops nobody', async () => {
    const site = await ownSite();
    await site.sync({ upstreams: [ID] });
    expect(site.output()).toMatch(/nothing was added yet: sluice add FILE\.rpm --to test-9-x86_64-acme/);
  });

  it('after a run that was killed is finished by the next sync, or add', async () => {
    const site = await ownSite();
    const [alpha, beta] = [await signed('alpha'), await signed('beta')];
    const folder = join(site.mirrorDir, 'added', ID);
    await addTo(site, [alpha]);
    const repomd = readFileSync(join(folder, 'repodata/repomd.xml'));
    const kept = join(await tempDir(), 'kept');
    execFileSync('cp', ['-al', folder, kept]);
    await addTo(site, [beta]); // cut off before repomd.xml: the package is there, and nothing names it
    for (const name of await filesBelow(join(kept, 'repodata'))) {
      rmSync(join(folder, 'repodata', name), { force: true });
      writeFileSync(join(folder, 'repodata', name), readFileSync(join(kept, 'repodata', name)));
    }
    expect(readFileSync(join(folder, 'repodata/repomd.xml'))).toEqual(repomd);
    await site.merge(await site.sync({ upstreams: [ID] }));
    expect(manifest(site)).not.toMatch(/beta/);
    await settle(site, await addTo(site, [beta]));
    expect(manifest(site)).toMatch(/beta\.x86_64/);
    expect(await filesBelow(join(folder, 'packages'))).toHaveLength(2);
    expect(await filesBelow(join(folder, 'repodata'))).toHaveLength(4);
  });

  it('that is damaged or lost is said, and what is added again is no rollback', async () => {
    const site = await ownSite();
    const files = [await signed('alpha'), await signed('beta')];
    await settle(site, await addTo(site, files));
    const folder = join(site.mirrorDir, 'added', ID);
    const primary = (await filesBelow(folder)).find((name) => name.includes('primary')) ?? '';
    writeFileSync(join(folder, primary), 'nonsense');
    await expect(addTo(site, files)).rejects.toMatchObject({ code: 'METADATA_INVALID' });
    rmSync(folder, { recursive: true });
    await expect(site.sync({ upstreams: [ID] })).rejects.toMatchObject({ code: 'NOT_FOUND', at: folder });
    site.days(1);
    await settle(site, await addTo(site, [files[0] ?? '']));
    expect(manifest(site)).toMatch(/withdrawn/);
  });
});

function link(target: string): string {
  const path = `${target}.link`;
  symlinkSync(target, path);
  return path;
}

function pipe(folder: string): string {
  const path = join(folder, 'pipe.rpm');
  execFileSync('mkfifo', [path]);
  return path;
}
