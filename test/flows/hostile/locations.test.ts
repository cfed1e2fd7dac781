import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sampled } from '../../fixtures/sample.ts';
import { makeRepository, rpmOf, sha256 } from '../../fixtures/upstreamRepository.ts';
import { expectLine, expectRefused, GOOD, ID, later, NEWER, sharedTarget, withDocument } from './attack.ts';

const target = sharedTarget();

/** Group 1: where metadata may point. As XML text, so that what XML can hide is hidden. */
const ELSEWHERE: readonly (readonly [what: string, href: string])[] = [
  ['../../../etc/cron.d/x', '../../../etc/cron.d/x'],
  ['/etc/x', '/etc/x'],
  ['a/../../b', 'a/../../b'],
  ['..%2f..%2fx', '..%2f..%2fx'],
  ['%2e%2e/x', '%2e%2e/x'],
  ['..\\x', '..\\x'],
  ['//evil/x.rpm', '//evil/x.rpm'],
  ['https://evil/x', 'https://evil/x'],
  ['file:///etc/passwd', 'file:///etc/passwd'],
  ['5,000 characters', 'a'.repeat(5_000)],
  ['NUL, percent-encoded', 'a%00b.rpm'],
  ['LF', 'a&#10;b.rpm'],
  ['TAB', 'a&#9;b.rpm'],
  ['a leading hyphen', '-rf.rpm'],
  ['a trailing dot', 'Packages/x.'],
  ['a trailing space', 'Packages/x '],
  ['a folder with a trailing dot', 'Packages./x.rpm'],
  ['not NFC', 'Packages/e&#x301;.rpm'],
  ['a right-to-left override', 'Packages/&#x202e;mpr.exe'],
  ['an empty location', ''],
  ['a query', 'Packages/x.rpm?y'],
  ['half a percent sign', 'Packages/%zz.rpm'],
];

describe('group 1: a package that points elsewhere', () => {
  it.each(sampled(ELSEWHERE))('%s', async (_what, href) => {
    await target().lay(
      withDocument('primary', (xml) => xml.replace('href="Packages/gamma.rpm"', `href="${href}"`), {
        more: { href: 'Packages/gamma.rpm' },
      }),
    );
    await expectRefused(target(), target().sync, {
      code: ['UNSAFE_PATH', 'METADATA_INVALID'],
      at: new RegExp(`^${ID}: primary`),
      says: /gamma|location/,
    });
  });

  it('a raw NUL is no XML', async () => {
    await target().lay(
      withDocument('primary', (xml) => xml.replace('Packages/gamma-3', 'Packages/\0gamma-3')),
    );
    await expectRefused(target(), target().sync, {
      code: ['METADATA_INVALID', 'UNSAFE_PATH'],
      at: new RegExp(`^${ID}: primary`),
    });
  });

  it('as it is typed', async () => {
    await target().lay(later({ href: '../../../etc/cron.d/x' }));
    await expectLine(
      target(),
      ['sync', '--propose'],
      new RegExp(
        `^${ID}: primary.*: UNSAFE_PATH: the location "../../../etc/cron.d/x" .*\\. Tell the upstream`,
      ),
    );
  });
});

describe('group 1: a record of repomd.xml that points elsewhere', () => {
  it.each(sampled(ELSEWHERE))('%s', async (_what, href) => {
    const record = (type: string, xml: string) =>
      type === 'other' ? xml.replace(/href="[^"]*"/, `href="${href}"`) : xml;
    await target().lay(later({}, { record }));
    await expectRefused(target(), target().sync, {
      code: ['UNSAFE_PATH', 'METADATA_INVALID'],
      at: /repomd\.xml/,
    });
  });
});

describe('group 1: xml:base', () => {
  it.each([
    ['another server', 'http://evil.example/', 'UNSAFE_URL'],
    ['a file', 'file:///etc/', 'UNSAFE_URL'],
    ['credentials', 'https://user@evil.example/', 'UNSAFE_URL'],
    ['no scheme', '//evil.example/', 'UNSAFE_URL'],
    ['a backslash', 'https:\\\\evil.example/', 'UNSAFE_URL'],
    ['a tab in it', 'https://ev&#9;il.example/', 'UNSAFE_URL'],
    ['javascript', 'javascript:alert(1)', 'UNSAFE_URL'],
  ] as const)('of a package: %s', async (_what, xmlBase, code) => {
    await target().lay(later({ xmlBase }));
    await expectRefused(target(), target().sync, { code, at: new RegExp(`^${ID}: primary`) });
  });

  it.each(['http://evil.example/', 'file:///etc/', '//evil.example/'])('of a record: %s', async (base) => {
    const record = (type: string, xml: string) =>
      type === 'other' ? xml.replace('<location ', `<location xml:base="${base}" `) : xml;
    await target().lay(later({}, { record }));
    await expectRefused(target(), target().sync, {
      code: ['UNSAFE_URL', 'UPSTREAM_INCONSISTENT'],
      at: /repomd\.xml/,
    });
  });
});

describe('group 1: deltas, which are not carried', () => {
  const delta = Buffer.from(
    `<prestodelta>${ELSEWHERE.map(([, href]) => `<newpackage name="gamma" epoch="3" version="1.0" release="1.el9" arch="x86_64"><delta oldepoch="0" oldversion="0" oldrelease="1"><filename>${href}</filename></delta></newpackage>`).join('')}</prestodelta>`,
  );

  it('a document that lists deltas everywhere is not even asked for', async () => {
    await target().lay(later(undefined, { documents: { prestodelta: delta } }));
    await rm(join(target().vendor, 'repodata', `${sha256(delta)}-prestodelta.xml.gz`)); // asking would fail
    await target().site.sync({ how: 'show' });
    expect(target().site.output()).toContain(
      `${ID}: prestodelta is not carried: delta packages are never carried`,
    );
  });

  it.each(sampled(ELSEWHERE))('the record of such a document at %s', async (_what, href) => {
    const record = (type: string, xml: string) =>
      type === 'prestodelta' ? xml.replace(/href="[^"]*"/, `href="${href}"`) : xml;
    await target().lay(later({}, { documents: { prestodelta: delta }, record }));
    await expectRefused(target(), target().sync, { code: 'UNSAFE_PATH', at: /repomd\.xml/ });
  });
});

describe('group 2: names that stand for two files', () => {
  it('a package whose header says another name', async () => {
    await target().lay(later({ bytes: rpmOf('sigma') }));
    const says = /calls it gamma-3:1\.0-1\.el9\.x86_64, the package itself sigma-3:1\.0/;
    await expectRefused(target(), target().sync, { code: 'RPM_INVALID', at: /^file:.*gamma/, says });
  });

  it('as it is typed', async () => {
    await target().lay(later({ bytes: rpmOf('sigma') }));
    const line = /^file:.*gamma-3-1\.0\.rpm: RPM_INVALID: .*\. Keep it out with a deny filter/;
    await expectLine(target(), ['sync', '--propose'], line);
  });

  it('one name and version, two files', async () => {
    const builds = [
      ...GOOD,
      { name: 'gamma', href: 'a/g.rpm' },
      { name: 'gamma', href: 'b/g.rpm', bytes: rpmOf('gamma', '1.0', 7) },
    ];
    await target().lay(makeRepository({ builds, timestamp: NEWER }));
    await expectRefused(target(), target().sync, {
      code: 'UPSTREAM_INCONSISTENT',
      at: new RegExp(`^${ID}: primary`),
      says: /gamma-3:1\.0-1\.el9\.x86_64 is listed twice/,
    });
  });
});
