import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import type { Capability } from '../../src/rpm/capability.ts';
import { capabilitiesOf, formatRich, holds, parseRich, type Rich } from '../../src/rpm/rich.ts';
import { capability } from './ranges.ts';

const leaf = (text: string): Rich => ({ kind: 'capability', capability: capability(text) });

/** The text, and what it is in its one spelling. */
const READ: readonly (readonly [text: string, spelled: string])[] = [
  ['(a)', 'a'],
  ['( a ,and b, )', '(a and b)'],
  ['((a) or ((b)))', '(a or b)'],
  ['(a or b or c)', '(a or b or c)'],
  ['((a or b) or c)', '((a or b) or c)'],
  ['(foo >= 1:2-3)', 'foo >= 1:2-3'],
  ['(foo => 0:2 and bar == 1-2-3)', '(foo >= 2 and bar = 1-2-3)'],
  ['(foo >= 007:1 or b)', '(foo >= 7:1 or b)'],
  ['(foo>=1 or b)', '(foo>=1 or b)'],
  ['(perl(Foo::Bar) < 2 with perl(Foo::Bar) >= 1)', '(perl(Foo::Bar) < 2 with perl(Foo::Bar) >= 1)'],
  ['(libc.so.6(GLIBC_2.34)(64bit) or font(:lang=de))', '(libc.so.6(GLIBC_2.34)(64bit) or font(:lang=de))'],
  ['(a if b)', '(a if b)'],
  ['(a if b else c)', '(a if b else c)'],
  ['(a if (b else c))', '(a if b else c)'],
  ['(a unless (b or c) else (d and e))', '(a unless (b or c) else (d and e))'],
  ['((a without b) with (c or d))', '((a without b) with (c or d))'],
  ['(and and or)', '(and and or)'],
];

const REFUSED: readonly (readonly [text: string, why: RegExp])[] = [
  ['', /no opening bracket/],
  ['a', /no opening bracket/],
  ['()', /nothing between brackets/],
  ['(a and )', /nothing after an operator/],
  ['(a', /not closed/],
  ['(a and (b)', /not closed/],
  ['(a and b) c', /text after its end \(character 10\)/],
  ['(a b)', /"b" is no operator/],
  ['(a AND b)', /"AND" is no operator/],
  ['(a >= )', /without a version/],
  ['(a and b or c)', /or after and/],
  ['(a if b if c)', /more than one if/],
  ['(a if b else c else d)', /more than one else/],
  ['(a without b without c)', /more than one without/],
  ['((a and b) with c)', /only or, with and without may stand within with/],
  ['(a without (b or (c if d)))', /within without/],
  ['(a else b)', /an else without/],
  ['((a else b) or c)', /an else without/],
  ['(a if (b else c) else d)', /an else without/],
  ['(a >= 4294967296:1)', /an epoch of more than 32 bits/],
];

describe('parseRich', () => {
  it.each(READ)('%s', (text, spelled) => {
    expect(formatRich(parseRich(text))).toBe(spelled);
  });

  it.each(REFUSED)('refuses %s', (text, why) => {
    const fault = faultOf(() => parseRich(text, 'a.rpm'));
    expect([fault.code, fault.at]).toEqual(['DEPENDENCY_INVALID', 'a.rpm']);
    expect(fault.message).toMatch(why);
  });

  it('knows what belongs to what', () => {
    expect(parseRich('(a if (b and c) else d)')).toEqual({
      kind: 'if',
      what: leaf('a'),
      when: { kind: 'and', of: [leaf('b'), leaf('c')] },
      otherwise: leaf('d'),
    });
  });

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(rich(3), (r) => {
        if (r.kind !== 'capability') expect(parseRich(formatRich(r))).toEqual(r);
      }),
    );
  });

  it('reads brackets a hundred deep, and names what is deeper', () => {
    const nested = (depth: number) => `${'(a and '.repeat(depth)}b${')'.repeat(depth)}`;
    expect([...capabilitiesOf(parseRich(nested(100)))]).toHaveLength(101);
    for (const depth of [201, 10_000]) {
      expect(faultOf(() => parseRich(nested(depth))).message).toContain('more than 200 brackets');
    }
    expect(faultOf(() => parseRich('('.repeat(1_000_000))).code).toBe('DEPENDENCY_INVALID');
  });

  it('reads ten thousand alternatives at once', () => {
    const names = Array.from({ length: 10_000 }, (_, n) => `name${n} >= 1:${n}-1`);
    const began = performance.now();
    const read = parseRich(`(${names.join(' or ')})`);
    expect(performance.now() - began).toBeLessThan(500);
    expect(read.kind === 'or' && read.of).toHaveLength(10_000);
  });
});

/** Installed: `ab` provides a and b, `c` provides c. Nobody provides x. */
const HOLDS: readonly (readonly [text: string, met: boolean])[] = [
  ['(a and c)', true],
  ['(a and x)', false],
  ['(x or c)', true],
  ['(a with b)', true],
  ['(a with c)', false],
  ['(a without c)', true],
  ['(a without b)', false],
  ['((a or c) without b)', true],
  ['((a without b) or c)', true],
  ['(x if y)', true],
  ['(x if c)', false],
  ['(x if c else a)', false],
  ['(x if y else a)', true],
  ['(a if y else x)', false],
  ['(a unless y)', true],
  ['(a unless c)', false],
  ['(x unless c else a)', true],
  ['(a unless c else x)', false],
  ['((x if c) or a)', true],
];

describe('holds', () => {
  const builds = [
    { name: 'ab', provides: ['a', 'b'], installed: true },
    { name: 'c', provides: ['c'], installed: true },
    { name: 'y', provides: ['y'], installed: false },
  ];
  it.each(HOLDS)('%s: %s', (text, met) => {
    const satisfiers = (c: Capability) => builds.filter((b) => b.provides.includes(c.name));
    expect(holds(parseRich(text), satisfiers, (b) => b.installed)).toBe(met);
  });
});

function rich(depth: number): fc.Arbitrary<Rich> {
  const name = fc.constantFrom('a', 'b', 'perl(A::B)', 'libc.so.6(GLIBC_2.34)(64bit)', 'and');
  const lone = fc
    .tuple(name, fc.constantFrom('', ' < 1', ' >= 1:2-3', ' = 1.0~rc1'))
    .map(([n, range]) => leaf(n + range));
  if (depth === 0) return lone;
  const one: fc.Arbitrary<Rich> = fc.oneof(
    lone,
    fc.record({ kind: fc.constantFrom('with', 'or'), of: fc.array(lone, { minLength: 2, maxLength: 4 }) }),
    fc.record({ kind: fc.constant('without'), of: lone, but: lone }),
  );
  const part = rich(depth - 1);
  return fc.oneof(
    one,
    fc.record({ kind: fc.constantFrom('and', 'or'), of: fc.array(part, { minLength: 2, maxLength: 4 }) }),
    fc.record({
      kind: fc.constantFrom('if', 'unless'),
      what: part,
      when: part,
      otherwise: fc.option(part, { nil: undefined }),
    }),
  ) as fc.Arbitrary<Rich>;
}

function faultOf(call: () => unknown): Fault {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
  throw new Error('no Fault');
}
