import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differingLines, readLockLine } from '../../src/forge/lock-lines.ts';

const SUM = `sha256:${'4f'.repeat(32)}`;

it.each([
  [`openssl-1:3.0.7-28.el9.x86_64 ${SUM} 1768432 9be1c07d42aa`, { withdrawn: false }],
  [`openssl-1:3.0.7-28.el9.x86_64 ${SUM} 1768432 9be1c07d42aa withdrawn`, { withdrawn: true }],
] as const)('reads %s', (text, expected) => {
  expect(readLockLine(text)).toEqual({ nevra: 'openssl-1:3.0.7-28.el9.x86_64', checksum: SUM, ...expected });
});

it('reads the line of a manifest that pins an installation tree, and no other of its lines', () => {
  const line = `kickstart: "${SUM}"`;
  expect(readLockLine(line)).toEqual({ nevra: '.treeinfo', checksum: SUM, withdrawn: false });
  for (const other of [
    ` ${line}`,
    `${line} `,
    `repomd: "${SUM}"`,
    `kickstart: ${SUM}`,
    `  modules: "${SUM}"`,
  ])
    expect(readLockLine(other)).toBeUndefined();
});

it.each([
  '',
  'openssl',
  `a ${SUM} 1`,
  `a ${SUM} 1 9be1c07d42a`,
  `a ${SUM} x 9be1c07d42aa`,
  `a ${SUM} 1 9be1c07d42aa  withdrawn`,
  `a ${SUM} 1 9be1c07d42aa withdrawn `,
  ` a ${SUM} 1 9be1c07d42aa`,
  `a ${SUM} 1 9be1c07d42aa\r`,
  'a sha256 1 9be1c07d42aa',
  'a __proto__:1 1 9be1c07d42aa',
])('takes %j for no line', (text) => {
  expect(readLockLine(text)).toBeUndefined();
});

describe('differingLines', () => {
  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
  const minus = (a: string[], b: string[]): string[] => {
    const left = [...a];
    for (const line of b) {
      const at = left.indexOf(line);
      if (at < 0) throw new Error(`took ${line}, which is not there`);
      left.splice(at, 1);
    }
    return left.sort();
  };
  const agree = (a: string, b: string): void => {
    const { gone, come } = differingLines(Buffer.from(a), Buffer.from(b));
    expect(minus(lines(a), gone)).toEqual(minus(lines(b), come));
  };

  it.each([
    ['', ''],
    ['', 'a\n'],
    ['a', 'a\n'],
    ['a\n', 'a'],
    ['\n\n\n', '\n'],
    ['a\n\nb\n', 'b\n\na\n'],
    ['a\na\na\n', 'a\n'],
    ['ab\n', 'abc\n'],
    ['x\nab', 'x\nabc'],
  ])('%j and %j', (a, b) => {
    agree(a, b);
    agree(b, a);
  });

  it('what is left after taking `gone` and `come` is the same on both sides (random texts)', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'ab', 'c', '', 'abc'), { maxLength: 40 })
      .chain((some) => fc.constantFrom('\n', '').map((end) => some.join('\n') + end));
    fc.assert(fc.property(text, text, agree), { numRuns: 3000 });
  });

  it('gives few lines for few changes in a long text, wherever they are', () => {
    const long = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
    const a = Buffer.from(long.join('\n\n'));
    for (const at of [0, 1, 9_999, 19_998]) {
      const b = Buffer.from(long.toSpliced(at, 1, 'new', 'newer').join('\n\n'));
      expect(differingLines(a, b)).toEqual({ gone: [`line ${at}`], come: ['new', 'newer'] });
    }
    const later = Buffer.from(long.slice(1_500).join('\n\n'));
    expect(differingLines(a, later)).toEqual({ gone: long.slice(0, 1_500), come: [] });
  });
});
