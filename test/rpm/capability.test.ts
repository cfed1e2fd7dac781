import { describe, expect, it } from 'vitest';
import { formatCapability, isFlags, overlaps } from '../../src/rpm/capability.ts';
import { capability, RANGES } from './ranges.ts';

describe('overlaps', () => {
  it.each(RANGES)('%s and %s: %j, %s', (provide, require, expected) => {
    expect(overlaps(capability(provide), capability(require))).toBe(expected);
    expect(overlaps(capability(require), capability(provide))).toBe(expected);
  });

  it('wants equal names, also of files, parts of libraries and rich dependencies', () => {
    expect(overlaps({ name: 'a' }, { name: 'A' })).toBe(false);
    expect(overlaps({ name: '/usr/bin/sh' }, { name: '/bin/sh' })).toBe(false);
    expect(overlaps({ name: 'libc.so.6(GLIBC_2.34)(64bit)' }, { name: 'libc.so.6(GLIBC_2.34)' })).toBe(false);
    expect(overlaps({ name: '(a if b)' }, { name: '(a if b)' })).toBe(true);
  });

  it('takes flags without a version, and a version without flags, for any version', () => {
    expect(overlaps({ name: 'a', flags: 'GT' }, { name: 'a', flags: 'LT', version: '1' })).toBe(true);
    expect(overlaps({ name: 'a', flags: 'EQ', version: '' }, { name: 'a', flags: 'EQ', version: '1' })).toBe(
      true,
    );
    expect(overlaps({ name: 'a', version: '2' }, { name: 'a', flags: 'EQ', version: '1' })).toBe(true);
  });
});

describe('formatCapability', () => {
  it.each([
    [{ name: 'libc.so.6(GLIBC_2.34)(64bit)' }, 'libc.so.6(GLIBC_2.34)(64bit)'],
    [{ name: 'openssl-libs', flags: 'GE', epoch: 1, version: '3.0' }, 'openssl-libs >= 1:3.0'],
    [{ name: 'bash', flags: 'EQ', epoch: 0, version: '5.1.8', release: '9.el9' }, 'bash = 5.1.8-9.el9'],
    [{ name: 'a', flags: 'LT', version: '1', pre: true }, 'a < 1'],
    [{ name: 'a', flags: 'LE', version: '1' }, 'a <= 1'],
    [{ name: 'a', flags: 'GT', version: '1', release: '' }, 'a > 1'],
    [{ name: 'a', flags: 'EQ' }, 'a'],
    [{ name: '(a >= 1 if b)' }, '(a >= 1 if b)'],
  ] as const)('%j is %s', (c, expected) => {
    expect(formatCapability(c)).toBe(expected);
  });
});

it('knows the five words of metadata and no other', () => {
  expect(['LT', 'LE', 'EQ', 'GE', 'GT'].every(isFlags)).toBe(true);
  expect(['', 'eq', 'NE', 'toString', '__proto__', '>='].some(isFlags)).toBe(false);
});
