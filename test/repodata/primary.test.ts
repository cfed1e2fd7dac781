import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { filelistsDocument, filesOf, pkgidOf } from '../../src/repodata/filelists.ts';
import { otherDocument } from '../../src/repodata/other.ts';
import { identify, primaryDocument, readPackage, relocate } from '../../src/repodata/primary.ts';
import { recordDigest, recordId } from '../../src/repodata/record.ts';
import { packageElement } from '../fixtures/repodata.ts';
import { fault } from './fault.ts';

const DIGEST = '4f'.repeat(32);
const MISSING = 'METADATA_INVALID';

it('reads a package', () => {
  expect(readPackage(packageElement(), 'primary')).toEqual({
    nevra: { name: 'openssl', evr: { epoch: 1, version: '3.0.7', release: '28.el9' }, arch: 'x86_64' },
    checksum: { type: 'sha256', hex: DIGEST },
    size: 1768432,
    installedSize: 2100000,
    buildTime: 1700000000,
    fileTime: 1700000001,
    href: 'Packages/openssl-3.0.7-28.el9.x86_64.rpm',
    sourceRpm: 'openssl-3.0.7-28.el9.src.rpm',
    summary: 'Cryptography & TLS',
    vendor: 'CentOS',
    license: 'ASL 2.0',
    provides: [{ name: 'openssl', flags: 'EQ', epoch: 1, version: '3.0.7', release: '28.el9' }],
    requires: [
      { name: 'openssl-libs(x86-64)', flags: 'EQ', epoch: 1, version: '3.0.7', release: '28.el9' },
      { name: '/bin/sh', pre: true },
    ],
    obsoletes: [],
    conflicts: [],
    recommends: [],
    suggests: [],
    supplements: [],
    enhances: [],
    files: ['/usr/bin/openssl'],
  });
});

it('identifies it with the same words', () => {
  const whole = readPackage(packageElement(), 'primary');
  const { nevra, checksum, size, href, sourceRpm, fileTime, buildTime } = whole;
  expect(identify(packageElement(), 'primary')).toEqual({
    nevra,
    checksum,
    size,
    href,
    sourceRpm,
    fileTime,
    buildTime,
  });
});

it('takes single quotes, any order of attributes, references and spaces', () => {
  const element = packageElement({
    version: "<version\n rel = '28.el9' ver='3.0.&#55;' epoch = '1' />",
    location: "<location href='Packages/openssl&#x2d;3.0.7-28.el9.x86_64.rpm'></location>",
    name: '<name>open<!-- x -->ss<![CDATA[l]]></name>',
  });
  expect(readPackage(element, 'x')).toEqual(readPackage(packageElement(), 'x'));
});

it.each([
  [
    'md5 without a policy question',
    '<checksum type="md5" pkgid="YES">d41d8cd98f00b204e9800998ecf8427e</checksum>',
    'none',
  ],
  ['sha, the old name of sha1', `<checksum type="sha" pkgid="YES">${'a'.repeat(40)}</checksum>`, 'none'],
  [
    'upper-case digits, which are folded',
    `<checksum type="sha256" pkgid="YES">${'4F'.repeat(32)}</checksum>`,
    'none',
  ],
  ['an unknown type', `<checksum type="crc32" pkgid="YES">${DIGEST}</checksum>`, 'MALFORMED'],
  ['no type', `<checksum pkgid="YES">${DIGEST}</checksum>`, 'MALFORMED'],
  [
    'a type of Object.prototype',
    `<checksum type="constructor" pkgid="YES">${DIGEST}</checksum>`,
    'MALFORMED',
  ],
  ['no digits', '<checksum type="sha256" pkgid="YES"/>', 'MALFORMED'],
  ['too few digits', `<checksum type="sha256" pkgid="YES">${DIGEST.slice(2)}</checksum>`, 'MALFORMED'],
  ['a path for digits', '<checksum type="sha256" pkgid="YES">../../x</checksum>', 'MALFORMED'],
  ['pkgid NO', `<checksum type="sha256" pkgid="NO">${DIGEST}</checksum>`, MISSING],
  ['no checksum', '', MISSING],
  ['two checksums', `<checksum type="sha256">${DIGEST}</checksum>`.repeat(2), MISSING],
  ['elements inside', `<checksum type="sha256"><b>${DIGEST}</b></checksum>`, MISSING],
])('a checksum with %s', (_, checksum, code) => {
  expect(fault(() => identify(packageElement({ checksum }), 'x'))).toBe(code);
});

it.each([
  ['0', '<size package="0"/>', 'MALFORMED'],
  ['negative', '<size package="-1"/>', 'MALFORMED'],
  ['2^63', '<size package="9223372036854775808"/>', 'MALFORMED'],
  ['2^53', '<size package="9007199254740992"/>', 'MALFORMED'],
  ['1e3', '<size package="1e3"/>', 'MALFORMED'],
  ['0x1F', '<size package="0x1F"/>', 'MALFORMED'],
  ['empty', '<size package=""/>', 'MALFORMED'],
  ['absent', '<size installed="1"/>', MISSING],
  ['nowhere', '', MISSING],
  ['twice', '<size package="1"/><size package="2"/>', MISSING],
  ['as large as can be counted', '<size package="9007199254740991"/>', 'none'],
])('a size that is %s', (_, size, code) => {
  expect(fault(() => identify(packageElement({ size }), 'x'))).toBe(code);
});

it.each([
  ['an empty epoch', 'epoch="" ver="1" rel="1"', 'none'],
  ['no epoch', 'ver="1" rel="1"', 'none'],
  ['epoch 007', 'epoch="007" ver="1" rel="1"', 'MALFORMED'],
  ['epoch -1', 'epoch="-1" ver="1" rel="1"', 'MALFORMED'],
  ['epoch 99999999999', 'epoch="99999999999" ver="1" rel="1"', 'MALFORMED'],
  ['an epoch of Arabic digits', 'epoch="١" ver="1" rel="1"', 'MALFORMED'],
  ['a hyphen', 'epoch="0" ver="1-2" rel="1"', 'MALFORMED'],
  ['a colon', 'epoch="0" ver="1:2" rel="1"', 'MALFORMED'],
  ['a slash', 'epoch="0" ver="../1" rel="1"', 'MALFORMED'],
  ['an empty version', 'epoch="0" ver="" rel="1"', 'MALFORMED'],
  ['no version', 'epoch="0" rel="1"', MISSING],
  ['no release', 'epoch="0" ver="1"', MISSING],
  ['spaces', 'epoch="0" ver="1" rel="1 2"', 'MALFORMED'],
  ['unicode digits', 'epoch="0" ver="１" rel="1"', 'MALFORMED'],
  ['a tilde and a caret', 'epoch="0" ver="1.0~rc1^git" rel="1"', 'none'],
])('a version with %s', (_, attributes, code) => {
  expect(fault(() => identify(packageElement({ version: `<version ${attributes}/>` }), 'x'))).toBe(code);
});

it.each(['1.10', '1.1', '1e3', '007', '0x1F', '1.0'])('keeps the version %s as text', (ver) => {
  const element = packageElement({ version: `<version epoch="0" ver="${ver}" rel="1"/>` });
  expect(identify(element, 'x').nevra.evr.version).toBe(ver);
});

it.each([
  ['two locations', { location: '<location href="a.rpm"/><location href="b.rpm"/>' }],
  ['a location behind the format', { format: '</format><location href="b.rpm"/><format>' }],
  ['two names', { name: '<name>a</name><name>b</name>' }],
  ['two arches', { arch: '<arch>a</arch><arch>b</arch>' }],
  ['two versions', { version: '<version ver="1" rel="1"/><version ver="2" rel="1"/>' }],
  ['no name', { name: '' }],
  ['no location', { location: '' }],
  ['a location without href', { location: '<location/>' }],
])('refuses %s: a client might read it the other way', (_, parts) => {
  expect(fault(() => identify(packageElement(parts), 'x'))).toBe(MISSING);
  expect(fault(() => readPackage(packageElement(parts), 'x'))).toBe(MISSING);
});

it('refuses what is no package of RPM', () => {
  expect(fault(() => identify(Buffer.from('<patch/>'), 'x'))).toBe(MISSING);
  const deb = Buffer.from(packageElement().toString().replace('type="rpm"', 'type="deb"'));
  expect(fault(() => identify(deb, 'x'))).toBe(MISSING);
});

it.each([
  ['without a name', '<rpm:entry flags="EQ" ver="1"/>', MISSING],
  ['with an unknown comparison', '<rpm:entry name="a" flags="NE" ver="1"/>', 'MALFORMED'],
  ['with a comparison of Object.prototype', '<rpm:entry name="a" flags="toString" ver="1"/>', 'MALFORMED'],
  ['with epoch 007', '<rpm:entry name="a" flags="EQ" epoch="007" ver="1"/>', 'MALFORMED'],
])('refuses a requirement %s', (_, entry, code) => {
  const element = packageElement({ format: `<rpm:requires>${entry}</rpm:requires>` });
  expect(fault(() => readPackage(element, 'x'))).toBe(code);
});

it('moves a package and changes nothing else', () => {
  const text = packageElement().toString();
  const moved = relocate(packageElement(), { href: 'Packages/o/openssl.rpm' });
  expect(moved.toString()).toBe(text.replace(/<location[^>]*>/, '<location href="Packages/o/openssl.rpm"/>'));
  const timed = relocate(
    packageElement(),
    { href: 'a.rpm', base: 'https://cdn.example.org/' },
    99,
  ).toString();
  expect(timed).toContain('<location xml:base="https://cdn.example.org/" href="a.rpm"/>');
  expect(timed).toContain('<time file="99" build="1700000000"/>');
  expect(
    relocate(Buffer.from(timed), { href: 'Packages/openssl-3.0.7-28.el9.x86_64.rpm' }, 1700000001),
  ).toEqual(packageElement());
});

it('moves a package whose location has an end tag, quotes of the other kind and > inside', () => {
  const element = packageElement({ location: "<location a='>' href='x.rpm'></location  >" });
  expect(relocate(element, { href: 'y.rpm' })).toEqual(
    packageElement({ location: '<location href="y.rpm"/>' }),
  );
});

it('reads filelists and other', () => {
  const element = Buffer.from(
    `<package pkgid="${DIGEST}" name="a" arch="x">\n<version epoch="0" ver="1" rel="1"/>\n<file>/a&amp;b</file>\n<file type="dir">/etc</file>\n</package>`,
  );
  expect(pkgidOf(element)).toBe(DIGEST);
  expect(filesOf(element)).toEqual(['/a&b', '/etc']);
  expect(pkgidOf(Buffer.from(`<package arch='x' pkgid='${DIGEST.toUpperCase()}'/>`))).toBe(DIGEST);
  expect(fault(() => pkgidOf(Buffer.from('<package pkgid="../../x"/>')))).toBe(MISSING);
  expect(fault(() => pkgidOf(Buffer.from('<package/>')))).toBe(MISSING);
});

it('frames documents as createrepo_c does', () => {
  expect(primaryDocument(2).head.toString()).toBe(
    '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="2">\n',
  );
  expect(filelistsDocument(0).head.toString()).toContain(
    '<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="0">',
  );
  expect(otherDocument(1).head.toString() + otherDocument(1).tail.toString()).toContain(
    '<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1">\n</otherdata>',
  );
});

it('digests a record over all three elements and their absence', () => {
  const [primary, filelists, other] = ['p', 'f', 'o'].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const expected = createHash('sha256').update('sluice-record-v1\n1\np1\nf1\no').digest('hex');
  expect(recordDigest({ primary, filelists, other })).toBe(expected);
  expect(recordId({ primary, filelists, other })).toBe(expected.slice(0, 12));
  expect(recordDigest({ primary })).toBe(
    createHash('sha256').update('sluice-record-v1\n1\np-\n-\n').digest('hex'),
  );
  expect(recordDigest({ primary, other: filelists })).not.toBe(recordDigest({ primary, filelists }));
});
