import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareNevra,
  formatNevra,
  type Nevra,
  nameArch,
  nevra,
  parseNevra,
  sameNevra,
} from '../../src/rpm/nevra.ts';

const MALFORMED = expect.objectContaining({ code: 'MALFORMED' });

function build(name: string, epoch: number, version: string, release: string, arch: string): Nevra {
  return { name, evr: { epoch, version, release }, arch };
}

describe('parseNevra', () => {
  it.each([
    ['openssl-1:3.0.7-28.el9.x86_64', build('openssl', 1, '3.0.7', '28.el9', 'x86_64')],
    ['openssl-0:3.0.7-28.el9.x86_64', build('openssl', 0, '3.0.7', '28.el9', 'x86_64')],
    ['bash-5.1.8-9.el9.noarch', build('bash', 0, '5.1.8', '9.el9', 'noarch')],
    [
      'java-1.8.0-openjdk-1:1.8.0.392.b08-4.el9.x86_64',
      build('java-1.8.0-openjdk', 1, '1.8.0.392.b08', '4.el9', 'x86_64'),
    ],
    ['rpm-empty-0-0.src', build('rpm-empty', 0, '0', '0', 'src')],
    ['gcc-c++-11.4.1-2.1.el9.i686', build('gcc-c++', 0, '11.4.1', '2.1.el9', 'i686')],
    [
      'a-1.0~rc1-0.1^git.module_el9+1+abc.x86_64',
      build('a', 0, '1.0~rc1', '0.1^git.module_el9+1+abc', 'x86_64'),
    ],
    [
      'iomemory-vsl-2.6.35.12-88.fc14.x86_64-2.3.0.281-1.0.fc14.x86_64', // a name that holds another NEVRA
      build('iomemory-vsl-2.6.35.12-88.fc14.x86_64', 0, '2.3.0.281', '1.0.fc14', 'x86_64'),
    ],
  ])('reads %s', (text, expected) => {
    expect(parseNevra(text)).toEqual(expected);
    expect(parseNevra(formatNevra(expected))).toEqual(expected);
  });

  it.each([
    '',
    'bash',
    'bash.x86_64',
    'bash-5.1.8-9',
    'bash-5.1.8.x86_64',
    '-5.1.8-9.x86_64',
    'bash--9.x86_64',
    'bash-5.1.8-.x86_64',
    'bash-5.1.8-9.',
    'bash-5.1.8-9.x86-64',
    'bash-007:5.1.8-9.x86_64',
    'bash-:5.1.8-9.x86_64',
    '1:bash-5.1.8-9.x86_64',
    'bash-1:2:5.1.8-9.x86_64',
    'bash-5.1.8-1:9.x86_64',
    '../x-1-1.noarch',
    '.hidden-1-1.noarch',
    '-rf-1-1.noarch',
    'a/b-1-1.noarch',
    'a b-1-1.noarch',
    'a-1-1.noarch\n',
    'a\n-1-1.noarch',
    'ä-1-1.noarch',
    'a-1-1.nöarch',
    'a-1-١.noarch',
    'a%20-1-1.noarch',
    `${'a'.repeat(257)}-1-1.noarch`,
    `a-1-1.${'x'.repeat(257)}`,
    'a-1-1.no\0arch',
    '@a-1-1.noarch',
    'a\u202e-1-1.noarch',
  ])('refuses %j', (text) => {
    expect(() => parseNevra(text, 'lock:3')).toThrow(MALFORMED);
    expect(() => parseNevra(text, 'lock:3')).toThrow(expect.objectContaining({ at: 'lock:3' }));
  });

  it('does not slow down on a long hostile text', () => {
    const began = performance.now();
    expect(() => parseNevra('a-1'.repeat(30_000))).toThrow(MALFORMED);
    expect(() => parseNevra(`${'-1:'.repeat(30_000)}.x`)).toThrow(MALFORMED);
    expect(performance.now() - began).toBeLessThan(500);
  });

  it('reads back whatever formatNevra wrote', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9._+~^]{1,10}$/);
    const anyNevra = fc
      .tuple(
        fc.stringMatching(/^[A-Za-z0-9_+~^][A-Za-z0-9._+~^-]{0,20}$/),
        fc.nat(0xffff_ffff),
        part,
        part,
        fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/),
      )
      .map((fields) => build(...fields));
    fc.assert(
      fc.property(anyNevra, (n) => {
        expect(parseNevra(formatNevra(n))).toEqual(n);
      }),
    );
  });
});

describe('nevra', () => {
  const good = { name: 'bash', epoch: '0', version: '5.1.8', release: '9.el9', arch: 'x86_64' };

  it('takes fields as metadata writes them', () => {
    expect(nevra(good)).toEqual(build('bash', 0, '5.1.8', '9.el9', 'x86_64'));
    expect(nevra({ ...good, epoch: undefined })).toEqual(nevra(good));
    expect(nevra({ ...good, epoch: '2' }).evr.epoch).toBe(2);
  });

  it.each([
    ['package name', { name: '' }],
    ['package name', { name: '..' }],
    ['package name', { name: 'a:b' }],
    ['package name', { name: '__proto__/x' }],
    ['epoch', { epoch: '007' }],
    ['version', { version: '' }],
    ['version', { version: '1-2' }],
    ['version', { version: '1:2' }],
    ['release', { release: '1-2' }],
    ['release', { release: ' ' }],
    ['arch', { arch: '' }],
    ['arch', { arch: 'x86.64' }],
    ['arch', { arch: '(none)' }],
  ])('names the field that is wrong: %s %j', (what, wrong) => {
    expect(() => nevra({ ...good, ...wrong }, 'primary')).toThrow(MALFORMED);
    expect(() => nevra({ ...good, ...wrong }, 'primary')).toThrow(`not a valid ${what}`);
  });
});

describe('order and identity', () => {
  const sorted = [
    'B-9-1.noarch',
    'a-1-2.i686',
    'a-1-10.x86_64',
    'a-1:1-1.x86_64',
    'a-b-1-1.x86_64',
    'b-1.0-1.noarch',
    'b-1_0-1.noarch',
  ];

  it('sorts by name.arch in code units, then by EVR, then by text', () => {
    // 'a-b.x86_64' < 'a.i686' because '-' is before '.'
    const expected = [
      'B-9-1.noarch',
      'a-b-1-1.x86_64',
      'a-1-2.i686',
      'a-1-10.x86_64',
      'a-1:1-1.x86_64',
      'b-1.0-1.noarch',
      'b-1_0-1.noarch',
    ];
    expect(
      sorted
        .map((text) => parseNevra(text))
        .sort(compareNevra)
        .map(formatNevra),
    ).toEqual(expected);
    expect(
      sorted
        .toReversed()
        .map((text) => parseNevra(text))
        .sort(compareNevra)
        .map(formatNevra),
    ).toEqual(expected);
  });

  it('tells two spellings apart that rpm takes for equal', () => {
    const [a, b] = [parseNevra('b-1.0-1.noarch'), parseNevra('b-1_0-1.noarch')];
    expect(sameNevra(a, b)).toBe(false);
    expect(sameNevra(a, parseNevra('b-0:1.0-1.noarch'))).toBe(true);
    expect(compareNevra(a, b)).toBe(-1);
  });

  it('names a package without its build', () => {
    expect(nameArch(parseNevra('openssl-1:3.0.7-28.el9.x86_64'))).toBe('openssl.x86_64');
  });
});
