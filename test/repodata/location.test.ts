import { expect, it } from 'vitest';
import { safeBase, safeHref } from '../../src/repodata/location.ts';
import { identify, readPackage, relocate } from '../../src/repodata/primary.ts';
import { readRepomd } from '../../src/repodata/repomd.ts';
import { packageElement } from '../fixtures/repodata.ts';
import { fault } from './fault.ts';

const escapeXml = (text: string): string => text.replace(/[&<"\n\t]/g, (c) => `&#${c.charCodeAt(0)};`);

const HOSTILE: readonly [string, string][] = [
  ['../../../etc/cron.d/x', 'climbs'],
  ['/etc/x', 'absolute'],
  ['a/../../b', 'climbs in the middle'],
  ['a/../b', 'climbs inside'],
  ['..%2f..%2fx', 'encoded separator'],
  ['%2e%2e/x', 'encoded dots'],
  ['%2E%2E/x', 'encoded dots, upper case'],
  ['.%2e/x', 'half-encoded dots'],
  ['%252e%252e/x', 'encoded twice'],
  ['a%5c..%5cb', 'encoded backslash'],
  ['..\\x', 'backslash'],
  ['//evil/x.rpm', 'another host'],
  ['https://evil/x', 'another server'],
  ['file:///etc/passwd', 'a local file'],
  ['C:x.rpm', 'a drive'],
  ['a'.repeat(5_000), '5,000 characters'],
  ['a\nb', 'LF'],
  ['a\tb', 'TAB'],
  ['a%00b', 'encoded NUL'],
  ['a%0ab', 'encoded LF'],
  ['a%zz', 'broken escape'],
  ['a%ff', 'escape that is no UTF-8'],
  ['-rf', 'leading hyphen'],
  ['a/--upload-pack=x', 'leading hyphen in a segment'],
  ['a./b', 'trailing dot'],
  ['a /b', 'trailing space'],
  ['x.rpm ', 'trailing space at the end'],
  ['x.rpm.', 'trailing dot at the end'],
  ['a//b', 'empty segment'],
  ['a/', 'empty last segment'],
  ['./a', 'dot segment'],
  ['.', 'only a dot'],
  ['', 'empty'],
  ['a?b', 'query'],
  ['a#b', 'fragment'],
  ['cafe\u0301.rpm', 'not NFC'],
  ['a\u202emgp.rpm', 'right-to-left override'],
  ['a\u2066b', 'bidi isolate'],
  ['a\u200bb', 'zero width'],
  ['a%E2%80%AEb', 'encoded right-to-left override'],
  ['a\u0085b', 'C1 control'],
];

it.each(HOSTILE)('refuses the location %j of a package: %s', (href) => {
  const location = `<location href="${escapeXml(href)}"/>`;
  expect(fault(() => identify(packageElement({ location }), 'primary'))).toBe('UNSAFE_PATH');
  expect(fault(() => safeHref(href, 'x', { parentHref: !href.startsWith('../') }))).toBe('UNSAFE_PATH');
});

it.each(HOSTILE)('refuses the location %j of a repomd record: %s', (href) => {
  const repomd = `<repomd><data type="primary"><checksum type="sha256">${'0'.repeat(64)}</checksum><location href="${escapeXml(href)}"/></data></repomd>`;
  expect(fault(() => readRepomd(Buffer.from(repomd), 'repomd.xml'))).toBe('UNSAFE_PATH');
});

it('refuses a NUL wherever it stands, already as XML', () => {
  expect(fault(() => safeHref('a\0b', 'x'))).toBe('UNSAFE_PATH');
  expect(fault(() => identify(packageElement({ location: '<location href="a\0b"/>' }), 'x'))).toBe(
    'METADATA_INVALID',
  );
  expect(fault(() => identify(packageElement({ location: '<location href="a&#0;b"/>' }), 'x'))).toBe(
    'METADATA_INVALID',
  );
});

it.each([
  'Packages/o/openssl-3.0.7-28.el9.x86_64.rpm',
  'libstdc++-11.4.1-2.el9.x86_64.rpm',
  'Packages/gtk%2B-1.2.rpm',
  'a/b~rc1^git.rpm',
  'rpm/src/x.src.rpm',
  'Pakete/Käse-1-1.noarch.rpm',
  'with space/a b.rpm',
  '.hidden/x.rpm',
])('takes %s', (href) => {
  expect(safeHref(href, 'x')).toBe(href);
});

it('takes a location beside the repository only where that is allowed, and only at the beginning', () => {
  expect(safeHref('../../Packages/a.rpm', 'x', { parentHref: true })).toBe('../../Packages/a.rpm');
  for (const href of ['..', '../..', '../a/../b', '../%2e%2e/a']) {
    expect(
      fault(() => safeHref(href, 'x', { parentHref: true })),
      href,
    ).toBe('UNSAFE_PATH');
  }
  const element = packageElement({ location: '<location href="../pool/a.rpm"/>' });
  expect(fault(() => identify(element, 'x'))).toBe('UNSAFE_PATH');
  expect(identify(element, 'x', { parentHref: true }).href).toBe('../pool/a.rpm');
  expect(readPackage(element, 'x').href).toBe('../pool/a.rpm');
});

it.each([
  'file:///etc/',
  'media://disk#1',
  '//evil/',
  '../other',
  'https:\\\\evil\\x',
  'https://user:secret@host/',
  'https://host/?token=x',
  'https://host/#x',
  'https:///x',
  'https://ho\u202est/',
  'http://a b/',
  'javascript:alert(1)',
])('refuses the base %j', (base) => {
  expect(fault(() => safeBase(base, 'x'))).toBe('UNSAFE_URL');
  const location = `<location xml:base="${escapeXml(base)}" href="a.rpm"/>`;
  expect(fault(() => identify(packageElement({ location }), 'x'))).toBe('UNSAFE_URL');
});

it('takes an http(s) base and writes it back', () => {
  const base = 'https://cdn.example.org/9/os/';
  const moved = relocate(packageElement(), { href: 'Packages/a&b.rpm', base });
  expect(identify(moved, 'x')).toMatchObject({ base, href: 'Packages/a&b.rpm' });
});

it('keeps packages apart whose locations differ only by case, or not at all: names come from the identity', () => {
  const other = packageElement({
    name: '<name>OpenSSL</name>',
    location: '<location href="Packages/OPENSSL-3.0.7-28.el9.x86_64.rpm"/>',
  });
  const same = packageElement({ name: '<name>libressl</name>' });
  const names = [packageElement(), other, same].map((element) => identify(element, 'x').nevra.name);
  expect(names).toEqual(['openssl', 'OpenSSL', 'libressl']);
});
