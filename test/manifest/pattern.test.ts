import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, compileRegex, lintPattern } from '../../src/manifest/pattern.ts';
import { oracle } from '../fixtures/oracle.ts';
import { faultOf } from './samples.ts';

describe('regular expressions', () => {
  it.each([
    ['^kernel(-.*)?$', ['kernel', 'kernel-core', 'kernel-tools'], ['kernelshark', 'my-kernel', 'kernel_x']],
    ['^kernel(-.*)?', ['kernel', 'kernel-core', 'kernelshark'], ['my-kernel']], // as in the paper: unanchored at its end
    ['^(.*-)?mysql.*', ['mysql', 'python-mysql', 'mysql-server', 'mysqld'], ['mariadb']],
    ['ssl', ['openssl', 'ssl', 'openssl-libs'], ['gnutls']],
    ['^a$|^b', ['a', 'b', 'bc'], ['ab', 'ca']],
    ['(?i)^KERNEL$', ['kernel', 'Kernel'], ['kernel-core']],
    ['^libstdc\\+\\+$', ['libstdc++'], ['libstdc']],
  ])('%s searches anywhere in the name', (text, yes, no) => {
    const pattern = compileRegex(text);
    expect(yes.filter((name) => !pattern.matches(name))).toEqual([]);
    expect(no.filter((name) => pattern.matches(name))).toEqual([]);
  });

  it('agree with this runtime’s own engine where both have the syntax (2,000 pairs)', () => {
    const atom = fc.constantFrom('a', 'b', '-', '.', '[ab]', '[^a]', '\\.', '(a|b)', '(-.*)', '^', '$');
    const text = fc.array(fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?')), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(text, fc.stringMatching(/^[ab.-]{0,8}$/), (parts, name) => {
        const regex = parts
          .map(([a, quantifier]) => (a === '^' || a === '$' ? a : `${a}${quantifier}`))
          .join('');
        expect(compileRegex(regex).matches(name), `${regex} on ${name}`).toBe(new RegExp(regex).test(name));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['^(a+)+$', `${'a'.repeat(50_000)}!`],
    ['^(a|aa)*$', `${'a'.repeat(50_000)}!`],
    ['^(.*a){20}$', `${'a'.repeat(5_000)}!`],
    ['(x+x+)+y', 'x'.repeat(50_000)],
  ])('%s takes linear time', (text, name) => {
    const began = process.cpuUsage();
    expect(compileRegex(text).matches(name)).toBe(false);
    expect(process.cpuUsage(began).user).toBeLessThan(5_000_000); // V8 needs 44 s for 31 characters of the first
  });

  it.each([
    ['', 'an empty regular expression would match every package', 'Write the pattern, or leave the key out.'],
    [
      '^(?!kernel)',
      'is not a regular expression that can be used here',
      'Write it without look-around: name what is meant, or use several entries.',
    ],
    [
      'foo(?=bar)',
      'is not a regular expression',
      'Write it without look-around: name what is meant, or use several entries.',
    ],
    [
      '(?<=a)b',
      'is not a regular expression',
      'Write it without look-around: name what is meant, or use several entries.',
    ],
    [
      '(?<!a)b',
      'is not a regular expression',
      'Write it without look-around: name what is meant, or use several entries.',
    ],
    ['(a)\\1', 'is not a regular expression', 'Write it without back-references.'],
    ['(', 'is not a regular expression', 'Use the RE2 syntax (https://github.com/google/re2/wiki/Syntax).'],
    ['[a', 'is not a regular expression', 'Use the RE2 syntax (https://github.com/google/re2/wiki/Syntax).'],
    ['*', 'is not a regular expression', 'Use the RE2 syntax (https://github.com/google/re2/wiki/Syntax).'],
    [
      'a{1001}',
      'is not a regular expression',
      'Use the RE2 syntax (https://github.com/google/re2/wiki/Syntax).',
    ],
    [
      '((a{100}){100}){100}',
      'is not a regular expression',
      'Use the RE2 syntax (https://github.com/google/re2/wiki/Syntax).',
    ],
    ['a'.repeat(2_001), 'a regular expression of 2001 characters', 'Split it into several entries.'],
  ])('%j is refused', (text, message, hint) => {
    const fault = faultOf(() => compileRegex(text, 'policies/teams/a.yaml:1:2'));
    expect(fault).toMatch(/^POLICY_INVALID policies\/teams\/a\.yaml:1:2 /);
    expect(fault).toContain(message);
    expect(() => compileRegex(text)).toThrow(expect.objectContaining({ hint }));
  });

  it.each([
    ['^kernel(-.*)?', true],
    ['kernel', true],
    ['^a$|^b', true],
    ['^(a|b)', true],
    ['^cost\\$', true],
    ['(-.*)?', true], // matches everything
    ['^kernel(-.*)?$', false],
    ['^a$|^b$', false],
    ['^(a|b$)', false],
    ['^mysql.*', false], // says itself that it goes on
    ['^a\\z', false],
    ['^[|(]a$', false],
  ])('%s is warned of: %s', (text, warned) => {
    expect(lintPattern(compileRegex(text)) !== undefined).toBe(warned);
  });
});

describe('globs', () => {
  it.each([
    ['kernel-*', ['kernel-core', 'kernel-'], ['kernel', 'my-kernel-core']],
    ['kernel', ['kernel'], ['kernel-core']],
    ['lib?', ['liba'], ['lib', 'libab']],
    ['[ab]c', ['ac', 'bc'], ['cc']],
    ['[!ab]c', ['cc'], ['ac']],
    ['[a-c]', ['b'], ['d', '-']],
    ['[]x]', ['x'], ['y']],
    ['{mysql,mariadb}*', ['mysql-server', 'mariadb'], ['postgresql']],
    ['{a,b{c,d}}', ['a', 'bc', 'bd'], ['b', 'b{c']],
    ['libstdc++', ['libstdc++'], ['libstdc']],
    ['a.b', ['a.b'], ['axb']],
    ['a\\*', ['a*'], ['ab']],
    ['a,b', ['a,b'], ['a']],
    ['a}', ['a}'], ['a']],
  ])('%s covers the whole name', (text, yes, no) => {
    const pattern = compileGlob(text);
    expect(yes.filter((name) => !pattern.matches(name))).toEqual([]);
    expect(no.filter((name) => pattern.matches(name))).toEqual([]);
  });

  it.skipIf(!oracle('bash'))('mean what bash means by them (600 pairs)', () => {
    const piece = fc.constantFrom('a', 'b', '-', '.', '+', '*', '?', '[ab]', '[!a]', '[a-c]', '[^b]');
    const glob = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
    const name = fc.stringMatching(/^[abc.+-]{0,6}$/);
    const pairs = fc.sample(fc.tuple(glob, name), { numRuns: 600, seed: 11 });
    const script = 'while IFS= read -r g && IFS= read -r n; do [[ $n == $g ]] && echo 1 || echo 0; done';
    const input = pairs.map(([g, n]) => `${g}\n${n}\n`).join('');
    const answers = execFileSync('bash', ['--norc', '-c', script], {
      input,
      encoding: 'utf8',
      env: { LC_ALL: 'C' },
    })
      .trim()
      .split('\n');
    expect(answers).toHaveLength(pairs.length);
    expect(new Set(answers)).toEqual(new Set(['0', '1']));
    pairs.forEach(([g, n], i) => {
      expect(compileGlob(g).matches(n), `${g} on ${n}`).toBe(answers[i] === '1');
    });
  });

  it.each(['', '[a', '{a', 'a\\', '[z-a]', '[]', `${'a*'.repeat(1_001)}`])('%j is refused', (text) => {
    expect(faultOf(() => compileGlob(text, 'x:1:1'))).toMatch(/^POLICY_INVALID x:1:1 /);
  });

  it('take linear time', () => {
    const began = process.cpuUsage();
    expect(compileGlob('*a'.repeat(50)).matches(`${'a'.repeat(20_000)}!`)).toBe(false);
    expect(process.cpuUsage(began).user).toBeLessThan(5_000_000);
  });
});
