import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { pullShow } from '../../src/flows/pull.ts';
import { makeSigner, type Signer } from '../fixtures/signer.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import { type Files, makeRepository } from '../fixtures/upstreamRepository.ts';
import { build, ID, live, signedSite, signedSiteAgain } from './signedSite.ts';

const NONE = { signatures: 'none', reason: 'a test' };

let vendor: Signer;
let next: Signer;
let stranger: Signer;

beforeAll(async () => {
  [vendor, next, stranger] = await Promise.all([
    makeSigner('vendor'),
    makeSigner('next'),
    makeSigner('stranger'),
  ]);
});

describe('packages.signatures: required', () => {
  const required = signedSiteAgain({}, () => [vendor]);

  it('keeps out what is not signed, and names it everywhere', async () => {
    const { site, serve } = await required();
    serve(makeRepository({ builds: [await build('alpha', vendor), await build('beta', undefined)] }));
    const number = await site.sync();
    await pullShow(site.world(), number ?? 0, { diff: false });
    expect(site.output()).toMatch(/beta-3:1\.0-1\.el9\.x86_64.*quarantined: it is not signed/s);
    await site.merge(number);
    const manifest = await live(site);
    expect(manifest).toMatch(/alpha\.x86_64: "3:1\.0-1\.el9"/);
    expect(manifest).not.toMatch(/beta\.x86_64:/);
    expect(manifest).toMatch(
      /quarantined:\n\n {2}- build: "beta-3:1\.0-1\.el9\.x86_64"\n {4}checksum: "sha256:[0-9a-f]{64}"\n {4}reason: "it is not signed"/,
    );
    const stored = await filesBelow(site.mirrorDir);
    expect(stored.filter((path) => path.startsWith('pool/'))).toHaveLength(1);
    expect(stored.filter((path) => path.startsWith('quarantine/'))).toHaveLength(1);
    expect(await site.sync()).toBeUndefined();
  });

  it.each([
    [
      'by a stranger',
      async () => await build('beta', stranger),
      /signed by [0-9A-F]+, which is not a key of the policy/,
    ],
    [
      'and changed since in its header',
      async () => {
        const good = await build('beta', vendor);
        const bytes = Buffer.from(good.bytes);
        bytes.write('Jays', bytes.lastIndexOf('Says hello'));
        return { ...good, bytes };
      },
      /its digest does not hold \(Header SHA256\)/,
    ],
    [
      'with a broken payload',
      async () => await build('beta', vendor, { digest: '0'.repeat(64) }),
      /its digest does not hold \(Payload SHA256\)/,
    ],
  ])('keeps out what is signed %s', async (_how, make, why) => {
    const { site, serve } = await required();
    serve(makeRepository({ builds: [await build('alpha', vendor), await make()] }));
    const number = await site.sync();
    await pullShow(site.world(), number ?? 0, { diff: false });
    expect(site.output()).toMatch(why);
    await site.merge(number);
    expect(await live(site)).not.toMatch(/beta\.x86_64:/);
  });

  it('keeps out what metadata makes more of than the package is, and takes it in with its own metadata', async () => {
    const { site, serve } = await required();
    const builds = [await build('alpha', vendor), await build('beta', vendor)];
    const honest = makeRepository({ builds, timestamp: 1_700_086_400 });
    const [, packed] = [...honest].find(([path]) => path.includes('-primary.')) ?? [];
    const text = gunzipSync(packed ?? Buffer.alloc(0)).toString();
    const forged = text.replace(
      'ver="1.0" rel="1.el9"/>\n    </rpm:provides>',
      (all) => `${all}<rpm:requires><rpm:entry name="trojan"/></rpm:requires>`,
    );
    serve(makeRepository({ builds, documents: { primary: gzipSync(forged) } }));
    const number = await site.sync();
    expect(site.output()).toMatch(
      /alpha.*quarantined: the metadata says that it requires "trojan", and the package itself does not/s,
    );
    await site.merge(number);
    serve(honest);
    await site.sync();
    expect(site.output()).toMatch(/merged #2/);
    expect(await live(site)).toMatch(/alpha\.x86_64:/);
    expect(await live(site)).not.toMatch(/quarantined/);
  });

  it('lets in what a key that was added since has signed, without fetching it again', async () => {
    const { site, serve } = await required();
    const upstream = makeRepository({ builds: [await build('alpha', vendor), await build('beta', next)] });
    serve(upstream);
    await site.merge(await site.sync());
    await site.change({
      'policies/keys/key-1.asc': next.publicKey,
      [`policies/upstreams/${ID}.yaml`]: (text: string) =>
        text.replace(
          /^keys:\n/m,
          `keys:\n  - file: keys/key-1.asc\n    fingerprint: "${next.fingerprint}"\n`,
        ),
    });
    await site.sync();
    expect(site.output()).toMatch(/merged #3/); // nothing in it asks for a person
    const manifest = await live(site);
    expect(manifest).toMatch(/beta\.x86_64: "3:1\.0-1\.el9"/);
    expect(manifest).not.toMatch(/quarantined/);
    expect((await filesBelow(site.mirrorDir)).filter((path) => path.startsWith('quarantine/'))).toEqual([]);
  });

  it('a new build that is kept out takes nothing away', async () => {
    const { site, serve } = await signedSite({ keep: 1 }, [vendor]);
    serve(makeRepository({ builds: [await build('alpha', vendor)] }));
    await site.merge(await site.sync());
    await site.merge(await site.promote('unstable'));
    serve(
      makeRepository({
        builds: [await build('alpha', stranger, { version: '2.0' })],
        timestamp: 1_700_086_400,
      }),
    );
    await site.merge(await site.sync());
    const manifest = await live(site);
    expect(manifest).toMatch(/alpha\.x86_64: "3:1\.0-1\.el9"/);
    expect(manifest).not.toMatch(/withdrawn/);
  });

  it.each([
    ['is not there', () => undefined, /the key file is not there/],
    ['is another one', () => stranger.publicKey, /does not hold [0-9A-F]{40}, but [0-9A-F]{40}/],
    ['is no key', () => 'nonsense', /the key cannot be read/],
  ])('stops where the key %s', async (_what, text, message) => {
    const { site, serve } = await signedSite({}, [vendor], { texts: [text()] });
    serve(makeRepository({ builds: [await build('alpha', vendor)] }));
    await expect(site.sync()).rejects.toMatchObject({ message });
  });
});

describe('metadata.signatures: required', () => {
  const METADATA = { packages: NONE, metadata: { signatures: 'required' } };

  const required = signedSiteAgain(METADATA, () => [vendor]);

  async function signed(upstream: Files, ...signers: readonly Signer[]): Promise<Files> {
    const repomd = upstream.get('repodata/repomd.xml') ?? Buffer.alloc(0);
    const blocks = await Promise.all(signers.map((signer) => signer.armored(repomd)));
    return new Map(upstream).set('repodata/repomd.xml.asc', Buffer.concat(blocks));
  }

  const repository = (timestamp = 1_700_000_000) =>
    makeRepository({ builds: [{ name: 'alpha' }], timestamp });

  it('by one key, then by both, then by the next', async () => {
    const { site, serve } = await signedSite(METADATA, [vendor, next]);
    for (const [n, signers] of [[vendor], [vendor, next], [next], [next, stranger]].entries()) {
      serve(await signed(repository(1_700_000_000 + n * 86_400), ...signers));
      await site.merge(await site.sync());
    }
    expect(await site.sync()).toBeUndefined();
  });

  it.each([
    ['nobody signed', async () => repository(), /repomd\.xml is not signed/],
    ['a stranger signed', async () => await signed(repository(), stranger), /not a key of the policy/],
    [
      'has the signature of another repomd.xml',
      async () => {
        const other = await signed(repository(1_700_000_001), vendor);
        return new Map(repository()).set(
          'repodata/repomd.xml.asc',
          other.get('repodata/repomd.xml.asc') ?? Buffer.alloc(0),
        );
      },
      /the signature by key [0-9A-F]{40} does not hold/,
    ],
    [
      'is clear-signed',
      async () =>
        new Map(repository()).set(
          'repodata/repomd.xml.asc',
          Buffer.from('-----BEGIN PGP SIGNED MESSAGE-----\n'),
        ),
      /clear-signed/,
    ],
    [
      'has a signature of nothing',
      async () => new Map(repository()).set('repodata/repomd.xml.asc', Buffer.alloc(0)),
      /no signature|is not signed/,
    ],
  ])('stops where it %s', async (_what, make, message) => {
    const { site, serve } = await required();
    serve(await make());
    await expect(site.sync()).rejects.toMatchObject({ code: 'SIGNATURE_INVALID', message });
  });

  it('a signature that was there and is gone is a downgrade', async () => {
    const { site, serve } = await required();
    serve(await signed(repository(), vendor));
    await site.merge(await site.sync());
    serve(repository(1_700_086_400));
    await expect(site.sync()).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
      message: expect.stringMatching(/downgrade/),
    });
  });
});
