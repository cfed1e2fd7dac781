import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { UpstreamPolicy } from '../../src/manifest/policy.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import {
  type Build,
  type Files,
  makeRepository,
  rpmOf,
  serveRepository,
  sha256,
} from '../fixtures/upstreamRepository.ts';
import { emptyMirror } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

/** Fetched from a server and read. */
async function readFrom(files: Files, change: Partial<UpstreamPolicy> = {}, base = '') {
  const server = await serveRepository(() => files);
  const mirror = await emptyMirror();
  const policy = policyOf(server.url + base, change);
  const { state } = await mirror.fetched(policy);
  return { mirror, policy, state, read: () => readUpstream(mirror.catalog, policy, state) };
}

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'read',
    (error) => error.code,
  );
const text = (files: Files, type: string) =>
  [...files].find(([path]) => path.includes(`-${type}.`))?.[1] ?? Buffer.alloc(0);

describe('what an upstream lists', () => {
  it('is its builds in order, with their records in the catalog', async () => {
    const builds: Build[] = [{ name: 'b' }, { name: 'a', version: '1.10' }, { name: 'a', version: '1.9' }];
    const { mirror, read } = await readFrom(makeRepository({ builds }));
    const content = await read();
    expect(content.builds.map(({ pin }) => formatNevra(pin.nevra))).toEqual([
      'a-3:1.9-1.el9.x86_64',
      'a-3:1.10-1.el9.x86_64',
      'b-3:1.0-1.el9.x86_64',
    ]);
    const [, , b] = content.builds;
    expect(b).toMatchObject({
      pin: {
        checksum: { type: 'sha256', hex: sha256(rpmOf('b')) },
        size: rpmOf('b').length,
        withdrawn: false,
      },
      href: 'Packages/b-3-1.0.rpm',
      sourceRpm: 'hello-2.0-1.el9.src.rpm',
      fileTime: 1_700_000_000,
    });
    const records = await mirror.catalog.getRecords(content.builds.map(({ pin }) => pin.record));
    expect([...records.values()].map((r) => r.primary)).toEqual(content.builds.map((build) => build.primary));
    expect(records.get(b?.pin.record ?? '')?.filelists?.toString()).toContain(
      `pkgid="${b?.pin.checksum.hex}"`,
    );
    expect(records.get(b?.pin.record ?? '')?.other?.toString()).toContain(
      '<changelog author="a" date="1">b</changelog>',
    );
    expect([content.modules, content.advisories, content.comps]).toEqual([[], [], undefined]);
  });

  it('is the same when it is read again, and nothing is written', async () => {
    const { mirror, read } = await readFrom(makeRepository({ builds: [{ name: 'a' }, { name: 'b' }] }));
    const first = await read();
    const packs = await mirror.catalog.listPacks();
    expect(await read()).toEqual(first);
    expect(await mirror.catalog.listPacks()).toEqual(packs);
  });

  it('is the same whatever order filelists and other have', async () => {
    const builds = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
    const straight = makeRepository({ builds });
    const mixed = [builds[3], builds[1], builds[0], builds[2]].flatMap((build) => build ?? []);
    const filelists = text(makeRepository({ builds: mixed }), 'filelists');
    const { read } = await readFrom(makeRepository({ builds, documents: { filelists } }));
    const { read: plain } = await readFrom(straight);
    expect((await read()).builds.map((b) => b.pin)).toEqual((await plain()).builds.map((b) => b.pin));
  });

  it('has records without filelists where the policy says that they are absent', async () => {
    const files = makeRepository({ builds: [{ name: 'a' }], documents: { filelists: undefined } });
    const { mirror, read } = await readFrom(files);
    const [build] = (await read()).builds;
    const record = (await mirror.catalog.getRecords([build?.pin.record ?? ''])).get(build?.pin.record ?? '');
    expect(Object.keys(record ?? {})).toEqual(['primary', 'other']);
  });

  it('may be nothing', async () => {
    const { mirror, read } = await readFrom(makeRepository({ builds: [] }));
    expect((await read()).builds).toEqual([]);
    expect(await mirror.catalog.listPacks()).toEqual([]);
  });

  it('twice with one checksum is one build', async () => {
    const { read } = await readFrom(
      makeRepository({ builds: [{ name: 'a' }, { name: 'b' }, { name: 'a', href: 'other/a.rpm' }] }),
    );
    const content = await read();
    expect(content.builds.map((b) => b.href)).toEqual(['Packages/a-3-1.0.rpm', 'Packages/b-3-1.0.rpm']);
  });

  it('twice with two checksums is a fault', async () => {
    const twice = [{ name: 'a' }, { name: 'a', bytes: rpmOf('a', '1.0', 5), href: 'other/a.rpm' }];
    const { mirror, read } = await readFrom(makeRepository({ builds: twice }));
    expect(await codeOf(read())).toBe('UPSTREAM_INCONSISTENT');
    expect(await mirror.catalog.listPacks()).toEqual([]);
  });

  it('comes with its comps, modules and advisories', async () => {
    const comps = '<comps><group><id>core</id></group></comps>';
    const documents = {
      group_gz: gzipSync(comps),
      updateinfo: gzipSync('<?xml version="1.0"?>\n<updates></updates>\n'),
    };
    const { read } = await readFrom(makeRepository({ builds: [{ name: 'a' }], documents }));
    const content = await read();
    expect([content.comps?.toString(), content.advisories]).toEqual([comps, []]);
  });
});

describe('documents that do not belong together', () => {
  const builds = [{ name: 'a' }, { name: 'b' }];
  const three = makeRepository({ builds: [...builds, { name: 'c' }] });
  const others = makeRepository({ builds: [{ name: 'a' }, { name: 'c' }] });
  const twiceA = makeRepository({ builds: [{ name: 'a' }, { name: 'a' }] });
  const none = makeRepository({ builds: [] });
  const filelistsOf = (files: Files) =>
    makeRepository({ builds, documents: { filelists: text(files, 'filelists') } });

  it.each([
    ['filelists has one more', filelistsOf(three)],
    ['filelists has another', filelistsOf(others)],
    ['filelists has one twice', filelistsOf(twiceA)],
    ['filelists has none', filelistsOf(none)],
    ['primary has one more', makeRepository({ builds, documents: { primary: text(three, 'primary') } })],
    ['other has another', makeRepository({ builds, documents: { other: text(others, 'other') } })],
  ])('%s: stop, and no record is written', async (_what, files) => {
    const { mirror, read } = await readFrom(files);
    expect(await codeOf(read())).toBe('UPSTREAM_INCONSISTENT');
    expect(await mirror.catalog.listPacks()).toEqual([]);
  });

  it('are skipped and said where the policy names them', async () => {
    const server = await serveRepository(() => filelistsOf(others));
    const mirror = await emptyMirror();
    const policy = policyOf(server.url, { absent: new Map([['filelists', 'stale']]) });
    const { state, skipped } = await mirror.fetched(policy);
    expect(skipped).toEqual([{ type: 'filelists', reason: expect.stringMatching(/^stale \(/) }]);
    expect((await readUpstream(mirror.catalog, policy, state)).builds).toHaveLength(2);
    expect(await mirror.fetch(policy, { accepted: state })).toMatchObject({ kind: 'unchanged' });
  });

  it('are taken where the policy names them and they are in order', async () => {
    const { state } = await readFrom(makeRepository({ builds }), {
      absent: new Map([['filelists', 'stale']]),
    });
    expect(state.documents.has('filelists')).toBe(true);
  });
});

describe('group 1: a package that points elsewhere', () => {
  it.each([
    '../../../etc/cron.d/x',
    '/etc/x',
    'a/../../b',
    '..%2f..%2fx',
    '%2e%2e/x',
    '..\\x',
    '//evil/x.rpm',
    'https://evil/x',
    'file:///etc/passwd',
    'a'.repeat(5_000),
    'a&#9;b',
    'a&#10;b',
    '-x',
    'x.',
    'x ',
    '&#x202e;mpr',
    'e&#x301;',
  ])('%s', async (href) => {
    const { mirror, read } = await readFrom(makeRepository({ builds: [{ name: 'a', href }] }));
    expect(await codeOf(read())).toBe('UNSAFE_PATH');
    expect(await mirror.catalog.listPacks()).toEqual([]);
  });

  it.each(['http://evil.example/', 'https://u@evil.example/', 'file:///etc/', 'media:///'])(
    'xml:base %s',
    async (xmlBase) => {
      const { read } = await readFrom(makeRepository({ builds: [{ name: 'a', xmlBase }] }));
      expect(await codeOf(read())).toBe('UNSAFE_URL');
    },
  );

  it('above the base, where the policy allows it', async () => {
    const files = makeRepository({ builds: [{ name: 'a', href: '../pool/a.rpm' }] });
    const below: Files = new Map([...files].map(([path, bytes]) => [`os/${path}`, bytes]));
    const { read } = await readFrom(below, { parentHref: true }, 'os/');
    expect((await read()).builds.map((b) => b.href)).toEqual(['../pool/a.rpm']);
    const strict = await readFrom(below, {}, 'os/');
    expect(await codeOf(strict.read())).toBe('UNSAFE_PATH');
  });
});

describe('group 3 and 4: what primary says of a package', () => {
  it.each([
    ['md5', { checksumType: 'md5' }, ['METADATA_INVALID']],
    ['sha1', { checksumType: 'sha1' }, ['METADATA_INVALID']],
    [
      'an unknown checksum type',
      { checksumType: 'crc32', pkgid: '00000000' },
      ['METADATA_INVALID', 'MALFORMED'],
    ],
    ['an empty checksum', { pkgid: '' }, ['METADATA_INVALID', 'MALFORMED']],
    ['a checksum of a wrong length', { pkgid: 'abc' }, ['METADATA_INVALID', 'MALFORMED']],
    ['size 0', { size: 0 }, ['METADATA_INVALID', 'MALFORMED']],
    ['a negative size', { size: -1 }, ['METADATA_INVALID', 'MALFORMED']],
    ['size 2^63', { size: '9223372036854775808' }, ['METADATA_INVALID', 'MALFORMED']],
  ] as [string, Partial<Build>, string[]][])('%s', async (_what, change, codes) => {
    const { mirror, read } = await readFrom(makeRepository({ builds: [{ name: 'a', ...change }] }));
    expect(codes).toContain(await codeOf(read()));
    expect(await mirror.catalog.listPacks()).toEqual([]);
  });

  it.each(['md5', 'sha1'] as const)('%s is taken where the policy names it', async (type) => {
    const files = makeRepository({ builds: [{ name: 'a', checksumType: type }] });
    const { read } = await readFrom(files, { weakChecksums: [type] });
    expect((await read()).builds[0]?.pin.checksum.type).toBe(type);
  });
});
