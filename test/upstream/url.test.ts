import { describe, expect, it } from 'vitest';
import { AddressGuard, reachOf } from '../../src/upstream/address.ts';
import { baseUrl, locate, redirected } from '../../src/upstream/url.ts';

const base = new URL('https://mirror.example/9/os/');
const strict = { at: 'primary', parentHref: false };
const UNSAFE_HREF = expect.objectContaining({ code: 'UNSAFE_PATH' });
const UNSAFE = expect.objectContaining({ code: 'UNSAFE_URL' });

describe('where a document or a package lies', () => {
  it.each([
    ['Packages/a/a-1.0-1.x86_64.rpm', 'https://mirror.example/9/os/Packages/a/a-1.0-1.x86_64.rpm'],
    ['libstdc++-11~rc1^git-1.rpm', 'https://mirror.example/9/os/libstdc++-11~rc1%5Egit-1.rpm'],
    ['a b.rpm', 'https://mirror.example/9/os/a%20b.rpm'],
    ['p/perl-1:2.rpm', 'https://mirror.example/9/os/p/perl-1:2.rpm'],
    ['gtk%2B-2.0.rpm', 'https://mirror.example/9/os/gtk%2B-2.0.rpm'],
    ['é.rpm', 'https://mirror.example/9/os/%C3%A9.rpm'],
  ])('%j is %s', (href, url) => {
    expect(locate([base], { href }, strict).href).toBe(url);
  });

  it.each([
    '../../../etc/cron.d/x',
    '/etc/x',
    'a/../../b',
    '..',
    '..%2f..%2fx',
    '%2e%2e/x',
    '%2E%2E/x',
    'a%5cb',
    '..\\x',
    'a\\b',
    '//evil/x.rpm',
    'https://evil/x',
    'https:\\evil\\x',
    'file:///etc/passwd',
    'javascript:alert(1)',
    `${'a'.repeat(5_000)}`,
    'a\0b',
    'a%00b',
    'a\nb',
    'a%0ab',
    '\ta',
    'a\tb',
    '\u202egpj.rpm',
    'a\u200bb',
    'a\u2028b',
    '',
    'a%zz',
    '%',
    'a?b',
    'a#b',
    '-rf',
    'a.rpm.',
    'a.rpm ',
    'e\u0301.rpm',
  ])('%j is refused', (href) => {
    expect(() => locate([base], { href }, strict)).toThrow(UNSAFE_HREF);
  });

  it('may lead out of the base where the policy allows it, on the same server', () => {
    const open = { ...strict, parentHref: true };
    expect(locate([base], { href: '../Packages/a.rpm' }, open).href).toBe(
      'https://mirror.example/9/Packages/a.rpm',
    );
    expect(() => locate([base], { href: '//evil/a.rpm' }, open)).toThrow(UNSAFE_HREF);
    expect(() => locate([base], { href: '..%2fa.rpm' }, open)).toThrow(UNSAFE_HREF);
  });

  it.each([
    ['https://mirror.example/9/os/sub/', true],
    ['https://mirror.example/9/os', true],
    ['https://mirror.example/9/os-evil/', false], // a prefix of the text, another folder (CVE-2020-14352)
    ['https://mirror.example/8/', false],
    ['http://mirror.example/9/os/', false],
    ['https://mirror.example:444/9/os/', false],
    ['https://evil.example/9/os/', false],
    ['https://mirror.example@evil.example/9/os/', false],
    ['https://user:secret@mirror.example/9/os/', false],
    ['file:///9/os/', false],
    ['media://1', false],
    ['../', false],
  ])('xml:base %j: %s', (xmlBase, fine) => {
    const located = () => locate([base], { href: 'a.rpm', base: xmlBase }, strict).href;
    if (fine) expect(located()).toMatch(/^https:\/\/mirror\.example\/9\/os\//);
    else expect(located).toThrow(UNSAFE);
  });

  it('stays within a folder, for file: too', () => {
    const local = new URL('file:///srv/repo/');
    expect(locate([local], { href: 'a.rpm' }, strict).pathname).toBe('/srv/repo/a.rpm');
    expect(() => locate([local], { href: 'a.rpm', base: 'file:///etc/' }, strict)).toThrow(UNSAFE);
    expect(() => locate([local], { href: 'passwd', base: 'file:///srv/repo-evil/' }, strict)).toThrow(UNSAFE);
  });
});

describe('a base URL', () => {
  it('gets its slash', () => expect(baseUrl('http://h/a', 'p').href).toBe('http://h/a/'));
  it.each(['ftp://h/', 'h/a', '', 'http://u:p@h/', 'http://h/?x', 'http://h/#x', 'file://host/a'])(
    '%j is refused',
    (text) => {
      expect(() => baseUrl(text, 'p')).toThrow(UNSAFE);
    },
  );
});

describe('a redirect', () => {
  it.each([
    ['http://a/x', 'https://b/y', true],
    ['http://a/x', 'http://b/y', true],
    ['https://a/x', '/y', true],
    ['https://a/x', 'http://a/x', false],
    ['https://a/x', '//b/y', true],
    ['http://a/x', 'file:///etc/passwd', false],
    ['http://a/x', 'https://u:p@b/', false],
    ['http://a/x', 'http://[', false],
  ])('from %s to %s: %s', (from, to, fine) => {
    if (fine) expect(redirected(new URL(from), to)).toBeInstanceOf(URL);
    else expect(() => redirected(new URL(from), to)).toThrow(UNSAFE);
  });
});

describe('an address', () => {
  it.each([
    ['8.8.8.8', 'public'],
    ['2a00::1', 'public'],
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.31.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.0.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd00::1', 'private'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['0.0.0.0', 'special'],
    ['::', 'special'],
    ['255.255.255.255', 'special'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['224.0.0.1', 'special'],
  ])('%s is %s', (address, reach) => expect(reachOf(address)).toBe(reach));

  const names: Record<string, string> = {
    'public.example': '8.8.8.8',
    'inside.example': '10.0.0.1',
    'meta.example': '169.254.169.254',
  };
  const resolve = async (host: string) => [{ address: names[host] ?? '9.9.9.9', family: 4 }];
  const looked = (guard: AddressGuard, host: string) =>
    new Promise((done) =>
      guard.lookup(host, {}, (error, address) => done(error ? (error as { code?: string }).code : address)),
    );

  it('behind a name is judged when the connection is made', async () => {
    const guard = new AddressGuard([new URL('https://public.example/')], resolve);
    expect(await looked(guard, 'public.example')).toBe('8.8.8.8');
    expect(await looked(guard, 'inside.example')).toBe('UNSAFE_URL');
    expect(await looked(guard, 'meta.example')).toBe('UNSAFE_URL');
    for (const url of [
      'http://127.0.0.1/',
      'http://2130706433/',
      'http://0x7f.1/',
      'http://[::ffff:10.0.0.1]/',
    ]) {
      await expect(guard.checkUrl(new URL(url))).rejects.toMatchObject({ code: 'UNSAFE_URL' });
    }
  });

  it('of a private network is fine for a base in one, the metadata service is not', async () => {
    const guard = new AddressGuard([new URL('https://inside.example/')], resolve);
    expect(await looked(guard, 'inside.example')).toBe('10.0.0.1');
    expect(await looked(guard, 'meta.example')).toBe('UNSAFE_URL');
    await expect(guard.checkUrl(new URL('http://127.0.0.1/'))).rejects.toMatchObject({ code: 'UNSAFE_URL' });
  });
});
