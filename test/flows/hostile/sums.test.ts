import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { sampled } from '../../fixtures/sample.ts';
import { tempDir } from '../../fixtures/tempDir.ts';
import { type Build, type Files, makeRepository } from '../../fixtures/upstreamRepository.ts';
import {
  expectLine,
  expectRefused,
  git,
  ID,
  later,
  makeTarget,
  sharedTarget,
  withDocument,
} from './attack.ts';
import { bzip2, xz, zstd } from './packers.ts';

const target = sharedTarget();
const PRIMARY = new RegExp(`^${ID}: primary`);
const REPOMD = /repomd\.xml|^test-9-x86_64-main: |^file:.*repodata/;

/** Changes the checksum element of the new package alone. */
function withSum(change: (element: string) => string): Files {
  return withDocument('primary', (xml) => {
    const last = xml.lastIndexOf('<checksum');
    return xml.slice(0, last) + xml.slice(last).replace(/<checksum.*?<\/checksum>/, change);
  });
}

function withRecord(change: (xml: string) => string): Files {
  return later({}, { record: (type, xml) => (type === 'other' ? change(xml) : xml) });
}

describe('group 3: the checksum of a package', () => {
  it.each(
    sampled([
      ['an unknown type', (e: string) => e.replace('sha256', 'sha3')],
      ['an empty type', (e: string) => e.replace('sha256', '')],
      ['no type', (e: string) => e.replace('type="sha256"', '')],
      ['one digit less', (e: string) => e.replace(/[0-9a-f]<\//, '</')],
      ['one digit more', (e: string) => e.replace('</', '0</')],
      ['no digits', (e: string) => e.replace(/[0-9a-f]{64}/, '')],
      ['other letters', (e: string) => e.replace(/[0-9a-f]{2}<\//, 'zz</')],
      [
        'a path for digits',
        (e: string) => e.replace(/[0-9a-f]{64}/, '../../../../../etc/passwd'.padEnd(64, 'a')),
      ],
      ['none at all', () => ''],
      ['two of them', (e: string) => e + e],
      ['pkgid="NO"', (e: string) => e.replace('YES', 'NO')],
    ]),
  )('%s', async (_what, change) => {
    await target().lay(withSum(change));
    await expectRefused(target(), target().sync, {
      code: ['METADATA_INVALID', 'MALFORMED', 'UPSTREAM_INCONSISTENT'],
      at: PRIMARY,
    });
  });

  it.each(['md5', 'sha1'] as const)('%s, which the policy does not name', async (checksumType) => {
    await target().lay(later({ checksumType }));
    const fault = await expectRefused(target(), target().sync, {
      code: 'METADATA_INVALID',
      at: PRIMARY,
      says: /checksum, which can be forged/,
    });
    expect(fault.hint).toContain(`weakChecksums: [${checksumType}]`);
  });

  it('another file than the pkgid says', async () => {
    await target().lay(later({ pkgid: 'ab'.repeat(32) }));
    await expectRefused(target(), target().sync, { code: 'CHECKSUM_MISMATCH', at: /gamma/ });
  });

  it('filelists and other name another pkgid', async () => {
    await target().lay(
      withDocument('filelists', (xml) => xml.replace(/pkgid="[0-9a-f]{64}"/, `pkgid="${'cd'.repeat(32)}"`)),
    );
    await expectRefused(target(), target().sync, {
      code: 'UPSTREAM_INCONSISTENT',
      at: new RegExp(`^${ID}: filelists`),
    });
  });

  it('as it is typed', async () => {
    await target().lay(later({ pkgid: 'ab'.repeat(32) }));
    await expectLine(target(), ['sync', '--propose'], /gamma\S*: CHECKSUM_MISMATCH: /);
  });
});

describe('group 3: accepted by design', () => {
  const accepted = async (builds: readonly Build[], policy = {}, change?: (files: Files) => Files) => {
    const { site, lay } = await makeTarget(await tempDir(), { policy });
    const files = makeRepository({
      builds: [{ name: 'alpha' }, { name: 'beta' }, ...builds],
      timestamp: 1_700_086_400,
    });
    await lay(change ? change(files) : files);
    await site.sync(); // merges itself
    return git(`${site.repoDir}.git`, 'show', `main:snapshots/vendor/live/${ID}.lock`);
  };

  it.each(['md5', 'sha1'] as const)(
    '%s where the policy names it: old distributions have nothing else',
    async (checksumType) => {
      const lock = await accepted([{ name: 'gamma', checksumType }], { weakChecksums: [checksumType] });
      expect(lock).toMatch(new RegExp(`^gamma-\\S+ .*${checksumType}:[0-9a-f]{32}`, 'm'));
    },
  );

  it('upper-case hex is the same number: the lock has it in lower case', async () => {
    const lock = await accepted([], {}, () =>
      withSum((e) => e.replace(/[0-9a-f]{64}/, (hex) => hex.toUpperCase())),
    );
    expect(lock).toMatch(/^gamma-\S+ .*sha256:[0-9a-f]{64}/m);
  });
});

describe('group 3 and 4: the records of repomd.xml', () => {
  it.each(
    sampled([
      [
        'md5',
        (x: string) =>
          x.replace(/<checksum.*<\/checksum>/, `<checksum type="md5">${'0'.repeat(32)}</checksum>`),
      ],
      [
        'sha1',
        (x: string) =>
          x.replace(/<checksum.*<\/checksum>/, `<checksum type="sha">${'0'.repeat(40)}</checksum>`),
      ],
      ['an unknown type', (x: string) => x.replace('type="sha256"', 'type="sha3"')],
      ['an empty type', (x: string) => x.replace('type="sha256"', 'type=""')],
      ['a wrong length', (x: string) => x.replace(/(sha256">)../, '$1')],
      ['no checksum', (x: string) => x.replace(/<checksum.*<\/checksum>/, '')],
      [
        'the checksum of something else',
        (x: string) => x.replace(/(sha256">)[0-9a-f]{64}/, `$1${'ef'.repeat(32)}`),
      ],
      ['size 0', (x: string) => x.replace(/<size>\d+/, '<size>0')],
      ['a negative size', (x: string) => x.replace(/<size>\d+/, '<size>-1')],
      ['size 2^63', (x: string) => x.replace(/<size>\d+/, '<size>9223372036854775808')],
      [
        'a size that is one too small',
        (x: string) => x.replace(/<size>(\d+)/, (_m, n) => `<size>${Number(n) - 1}`),
      ],
      [
        'a size that is one too large',
        (x: string) => x.replace(/<size>(\d+)/, (_m, n) => `<size>${Number(n) + 1}`),
      ],
      ['another open-size', (x: string) => x.replace('<size>', '<open-size>5</open-size><size>')],
      [
        'an open-size that is no number',
        (x: string) => x.replace('<size>', '<open-size>1e9</open-size><size>'),
      ],
      [
        'another open-checksum',
        (x: string) =>
          x.replace('<size>', `<open-checksum type="sha256">${'0'.repeat(64)}</open-checksum><size>`),
      ],
      ['a timestamp that is no number', (x: string) => x.replace(/<timestamp>\d+/, '<timestamp>soon')],
      [
        'a timestamp past all dates',
        (x: string) => x.replace(/<timestamp>\d+/, '<timestamp>99999999999999999999'),
      ],
    ]),
  )('%s', async (_what, change) => {
    await target().lay(withRecord(change));
    await expectRefused(target(), target().sync, {
      code: ['METADATA_INVALID', 'MALFORMED', 'UPSTREAM_INCONSISTENT', 'SIZE_MISMATCH', 'CHECKSUM_MISMATCH'],
      at: REPOMD,
    });
  });
});

describe('group 4: the size of a package', () => {
  it.each(
    sampled([
      ['0', '0'],
      ['negative', '-1'],
      ['2^63', '9223372036854775808'],
      ['2^53', '9007199254740992'],
      ['a float', '1.5'],
      ['in hex', '0x10'],
      ['empty', ''],
      ['100 digits', '9'.repeat(100)],
    ]),
  )('%s', async (_what, size) => {
    await target().lay(later({ size }));
    await expectRefused(target(), target().sync, { code: ['METADATA_INVALID', 'MALFORMED'], at: PRIMARY });
  });

  it.each([
    ['one too small', -1],
    ['one too large', 1],
  ])('%s', async (_what, by) => {
    const bytes = Buffer.from((await import('../../fixtures/upstreamRepository.ts')).rpmOf('gamma'));
    await target().lay(later({ bytes, size: bytes.length + by }));
    await expectRefused(target(), target().sync, {
      code: ['SIZE_MISMATCH', 'TOO_LARGE', 'NETWORK'],
      at: /gamma/,
    });
  });
});

const PACKERS = { gz: gzipSync, xz, zst: zstd, bz2: bzip2 } as const;

describe.each(sampled(Object.entries(PACKERS), 3))('group 4: a document packed with %s', (kind, pack) => {
  const packed = (bytes: (xml: Buffer) => Buffer, o: { openSize?: number } = {}): Files => {
    const files = withDocument('other', (xml) => xml, { pack: bytes });
    if (o.openSize === undefined) return files;
    const at = 'repodata/repomd.xml';
    const text = files.get(at)?.toString() ?? '';
    const changed = text.replace(
      /(<data type="other">.*?)<size>/s,
      `$1<open-size>${o.openSize}</open-size><size>`,
    );
    return new Map([...files, [at, Buffer.from(changed)]]);
  };
  const wanted = {
    code: ['UPSTREAM_INCONSISTENT', 'TOO_LARGE', 'METADATA_INVALID'] as const,
    at: new RegExp(`^${ID}: other`),
  };

  it('a bomb behind its open-size', async () => {
    await target().lay(packed(() => pack(Buffer.alloc(64 << 20)), { openSize: 100_000 }));
    await expectRefused(target(), target().sync, wanted);
  });

  it('a truncated member', async () => {
    await target().lay(packed((xml) => pack(xml).subarray(0, -9)));
    await expectRefused(target(), target().sync, wanted);
  });

  it('trailing garbage', async () => {
    await target().lay(packed((xml) => Buffer.concat([pack(xml), Buffer.from('garbage after the end')])));
    await expectRefused(target(), target().sync, wanted);
  });

  it('packed twice', async () => {
    await target().lay(packed((xml) => pack(pack(xml))));
    await expectRefused(target(), target().sync, wanted);
  });

  it('a second member that is another document', async () => {
    await target().lay(packed((xml) => Buffer.concat([pack(xml), pack(xml)])));
    await expectRefused(target(), target().sync, wanted);
  });

  it(`as it is named .${kind} and is not`, async () => {
    await target().lay(packed((xml) => pack(xml).fill(0x58, 0, 4)));
    await expectRefused(target(), target().sync, wanted);
  });
});

it('group 4, as it is typed', async () => {
  await target().lay(withDocument('primary', (xml) => xml, { pack: (xml) => gzipSync(xml).subarray(0, -9) }));
  await expectLine(
    target(),
    ['sync', '--propose'],
    new RegExp(`^${ID}: primary\\S*: UPSTREAM_INCONSISTENT: repomd.xml lists primary, but: `),
  );
});
