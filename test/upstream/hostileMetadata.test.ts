import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { filesBelow } from '../fixtures/tempDir.ts';
import { makeRepository, serveRepository } from '../fixtures/upstreamRepository.ts';
import { emptyMirror } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

const repository = makeRepository({ builds: [{ name: 'a' }, { name: 'b' }] });
const other = [...repository].find(([path]) => path.includes('-other.'))?.[1] ?? Buffer.alloc(0);

describe('group 1: a record of repomd.xml that points elsewhere', () => {
  it.each([
    '../../../etc/cron.d/x',
    '/etc/x',
    'a/../../b',
    '..%2f..%2fx',
    '%2e%2e/x',
    '..\\x',
    '//evil/x',
    'https://evil/x',
    'file:///etc/passwd',
    'a'.repeat(5_000),
    'a&#9;b',
    'a&#10;b',
    '-x',
    'x.',
    'x ',
    '&#x202e;gpj',
  ])('%s', async (href) => {
    const files = makeRepository({
      builds: [{ name: 'a' }],
      record: (type, xml) => (type === 'other' ? xml.replace(/href="[^"]*"/, `href="${href}"`) : xml),
    });
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    await expect(mirror.fetch(policyOf(server.url))).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    expect(server.requests.map((r) => r.path)).toEqual(['/repodata/repomd.xml']);
    expect(await filesBelow(mirror.mirrorRoot)).toEqual([]);
  });

  it.each(['http://evil.example/', 'file:///etc/', 'https://user@evil.example/'])(
    'xml:base %s',
    async (base) => {
      const files = makeRepository({
        builds: [{ name: 'a' }],
        record: (type, xml) =>
          type === 'other' ? xml.replace('<location ', `<location xml:base="${base}" `) : xml,
      });
      const server = await serveRepository(() => files);
      const mirror = await emptyMirror();
      await expect(mirror.fetch(policyOf(server.url))).rejects.toMatchObject({
        code: expect.stringMatching(/^UNSAFE_/),
      });
      expect(server.requests.some((r) => r.path.includes('-other.'))).toBe(false);
    },
  );
});

describe('group 3 and 4: checksums and sizes of documents', () => {
  const change = (replace: (xml: string) => string) =>
    makeRepository({
      builds: [{ name: 'a' }],
      record: (type, xml) => (type === 'other' ? replace(xml) : xml),
    });

  it.each([
    [
      'md5',
      (xml: string) =>
        xml.replace(/<checksum.*<\/checksum>/, `<checksum type="md5">${'0'.repeat(32)}</checksum>`),
      'METADATA_INVALID',
    ],
    [
      'sha1',
      (xml: string) =>
        xml.replace(/<checksum.*<\/checksum>/, `<checksum type="sha">${'0'.repeat(40)}</checksum>`),
      'METADATA_INVALID',
    ],
    ['an unknown type', (xml: string) => xml.replace('type="sha256"', 'type="sha3"'), 'METADATA_INVALID'],
    ['an empty type', (xml: string) => xml.replace('type="sha256"', 'type=""'), 'METADATA_INVALID'],
    [
      'a wrong length',
      (xml: string) => xml.replace(/<checksum type="sha256">../, '<checksum type="sha256">'),
      'METADATA_INVALID',
    ],
    ['no checksum', (xml: string) => xml.replace(/<checksum.*<\/checksum>/, ''), 'METADATA_INVALID'],
    [
      'another checksum',
      (xml: string) =>
        xml.replace(/<checksum.*<\/checksum>/, `<checksum type="sha256">${'0'.repeat(64)}</checksum>`),
      'UPSTREAM_INCONSISTENT',
    ],
    ['size 0', (xml: string) => xml.replace(/<size>\d+/, '<size>0'), 'UPSTREAM_INCONSISTENT'],
    ['a negative size', (xml: string) => xml.replace(/<size>\d+/, '<size>-1'), 'METADATA_INVALID'],
    ['size 2^63', (xml: string) => xml.replace(/<size>\d+/, '<size>9223372036854775808'), 'METADATA_INVALID'],
    [
      'a size that is too large to be true',
      (xml: string) => xml.replace(/<size>\d+/, '<size>9000000000'),
      'UPSTREAM_INCONSISTENT',
    ],
    [
      'a size that is one too small',
      (xml: string) => xml.replace(/<size>(\d+)/, (_m, n) => `<size>${Number(n) - 1}`),
      'UPSTREAM_INCONSISTENT',
    ],
    [
      'another open-size',
      (xml: string) => xml.replace('<size>', '<open-size>5</open-size><size>'),
      'UPSTREAM_INCONSISTENT',
    ],
    [
      'another open-checksum',
      (xml: string) =>
        xml.replace('<size>', `<open-checksum type="sha256">${'0'.repeat(64)}</open-checksum><size>`),
      'UPSTREAM_INCONSISTENT',
    ],
    [
      'a type that is a path',
      (xml: string) => xml.replace('type="other"', 'type="../x"'),
      'METADATA_INVALID',
    ],
  ])('%s', async (_what, replace, code) => {
    const files = change(replace);
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    const run = mirror.fetch(policyOf(server.url)).then(
      () => 'taken',
      (error) => error.code,
    );
    // Words that cannot be read are MALFORMED where a reader hands them to base/checksum.
    expect([code, ...(code === 'METADATA_INVALID' ? ['MALFORMED'] : [])]).toContain(await run);
    expect((await filesBelow(mirror.mirrorRoot)).filter((path) => path.startsWith('tmp/'))).toEqual([]);
  });

  it('upper-case digits are the same checksum; no size is bounded by the checksum alone', async () => {
    const files = change((xml) =>
      xml
        .replace(/(sha256">)([0-9a-f]{64})/, (_m, a, b) => a + b.toUpperCase())
        .replace(/<size>\d+<\/size>/, ''),
    );
    const server = await serveRepository(() => files);
    expect((await (await emptyMirror()).fetched(policyOf(server.url))).skipped).toEqual([]);
  });

  it('sha1 is taken where the policy names it', async () => {
    const sha1 = createHash('sha1').update(other).digest('hex');
    const files = makeRepository({
      builds: [{ name: 'a' }, { name: 'b' }],
      record: (type, xml) =>
        type === 'other'
          ? xml.replace(/<checksum.*<\/checksum>/, `<checksum type="sha">${sha1}</checksum>`)
          : xml,
    });
    const server = await serveRepository(() => files);
    const { state } = await (await emptyMirror()).fetched(policyOf(server.url, { weakChecksums: ['sha1'] }));
    expect(state.documents.get('other')).toEqual({ type: 'sha1', hex: sha1 });
  });

  it.each([
    ['a bomb', gzipSync(Buffer.alloc(64 << 20))],
    ['trailing garbage', Buffer.concat([gzipSync('<otherdata/>'), Buffer.from('garbage')])],
    ['a truncated member', gzipSync(Buffer.alloc(100_000, 'abc')).subarray(0, 60)],
  ])('a document that is %s when opened', async (_what, other) => {
    const files = makeRepository({
      builds: [{ name: 'a' }],
      documents: { other },
      record: (type, xml) =>
        type === 'other' ? xml.replace('<size>', '<open-size>100000</open-size><size>') : xml,
    });
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    await expect(mirror.fetch(policyOf(server.url))).rejects.toMatchObject({
      code: 'UPSTREAM_INCONSISTENT',
      message: expect.stringMatching(/other/),
    });
  });
});
