import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareEvr, type Evr, evr, formatEvr, parseEpoch, parseEvr, vercmp } from '../../src/rpm/evr.ts';
import { VERSIONS } from './versions.ts';

const MALFORMED = expect.objectContaining({ code: 'MALFORMED' });

describe('vercmp', () => {
  it.each(VERSIONS)('%j against %j is %i: %s', (a, b, order) => {
    expect(vercmp(a, b)).toBe(order);
    expect(vercmp(b, a)).toBe(order === 0 ? 0 : -order);
  });

  it('takes no longer than linear time on long equal runs', () => {
    const long = '0'.repeat(200_000);
    const began = performance.now();
    expect(vercmp(`${long}1`, `${long}2`)).toBe(-1);
    expect(vercmp(`1${'.'.repeat(200_000)}1`, '1.1')).toBe(0);
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe('compareEvr', () => {
  it.each([
    ['1:1.0-1', '2.0-1', 1, 'the epoch wins'],
    ['4294967295:1-1', '4294967294:1-1', 1, 'up to 32 bits'],
    ['1.0-2', '1.0-10', -1, 'the release is a version too'],
    ['1.0-1.el9', '1.0-1.el9_4', -1, 'a minor release of a distribution'],
    ['1.0-1', '1_0-1', 0, 'rpm takes these for equal'],
  ] as const)('%s against %s is %i: %s', (a, b, order, _why) => {
    expect(compareEvr(parseEvr(a), parseEvr(b))).toBe(order);
    expect(compareEvr(parseEvr(b), parseEvr(a))).toBe(order === 0 ? 0 : -order);
  });
});

const part = fc.stringMatching(/^[A-Za-z0-9._+~^]{1,12}$/);
const anyEvr = fc.record({ epoch: fc.nat(0xffff_ffff), version: part, release: part });

describe('parseEvr and formatEvr', () => {
  it.each([
    ['3.0.7-28.el9', { epoch: 0, version: '3.0.7', release: '28.el9' }],
    ['1:3.0.7-28.el9', { epoch: 1, version: '3.0.7', release: '28.el9' }],
    ['0:3.0.7-28.el9', { epoch: 0, version: '3.0.7', release: '28.el9' }],
    ['1.0~rc1^git2+dfsg-1_2', { epoch: 0, version: '1.0~rc1^git2+dfsg', release: '1_2' }],
    ['2.10-1', { epoch: 0, version: '2.10', release: '1' }],
    ['1e3-007', { epoch: 0, version: '1e3', release: '007' }],
  ])('reads %s', (text, expected: Evr) => {
    expect(parseEvr(text)).toEqual(expected);
  });

  it.each([
    '',
    '1.0',
    '-1',
    '1.0-',
    '1.0-1-1',
    ':1.0-1',
    '007:1.0-1',
    '-1:1.0-1',
    '4294967296:1.0-1',
    '99999999999:1.0-1',
    '1:2:1.0-1',
    'a:1.0-1',
    '1 :1.0-1',
    '1.0 -1',
    '1.0-1 ',
    '1.0-1\n',
    '1/0-1',
    '1.0-1%',
    '١:1.0-1',
    '1.٣-1',
    '1.0-ä',
    '1.0-1\0',
    `${'1'.repeat(257)}-1`,
    `1-${'1'.repeat(257)}`,
    '1.0-1|2',
    '1.0-$(id)',
    '1.0-`id`',
  ])('refuses %j', (text) => {
    expect(() => parseEvr(text, 'here')).toThrow(MALFORMED);
    expect(() => parseEvr(text, 'here')).toThrow(expect.objectContaining({ at: 'here' }));
  });

  it('reads back what it wrote, and never writes an epoch of 0', () => {
    fc.assert(
      fc.property(anyEvr, (e) => {
        expect(parseEvr(formatEvr(e))).toEqual(e);
        expect(formatEvr(e).startsWith('0:')).toBe(false);
      }),
    );
  });

  it('orders any two as their mirror image', () => {
    fc.assert(
      fc.property(anyEvr, anyEvr, (a, b) => {
        expect(compareEvr(a, b) + compareEvr(b, a)).toBe(0);
        expect(compareEvr(a, a)).toBe(0);
      }),
    );
  });
});

describe('an epoch from metadata', () => {
  it.each([
    [undefined, 0],
    ['', 0],
    ['0', 0],
    ['7', 7],
    ['4294967295', 4294967295],
  ])('%j is %i', (text, expected) => {
    expect(parseEpoch(text)).toBe(expected);
    expect(evr({ epoch: text, version: '1', release: '1' }).epoch).toBe(expected);
  });

  it.each([
    '007',
    '00',
    '+1',
    '-1',
    ' 1',
    '1 ',
    '1.0',
    '0x1',
    '1e3',
    '4294967296',
    '99999999999',
    'None',
    '(none)',
    '٣',
  ])('%j is refused', (text) => {
    expect(() => parseEpoch(text)).toThrow(MALFORMED);
  });
});
