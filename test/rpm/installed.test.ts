import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { installedKeys, readInstalled, withoutEpoch } from '../../src/rpm/installed.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';
import { CORPUS } from '../fixtures/oracle.ts';

const FILE = 'profiles/web.txt';
const told = (text: string): string[] =>
  readInstalled(text, FILE).map(
    ({ nevra, epochKnown, at }) => `${formatNevra(nevra)}${epochKnown ? '' : ' (any epoch)'} ${at}`,
  );

describe('a list of installed packages', () => {
  it('is what rpm -qa prints', () => {
    const text = `# web, 2026-11\r\nbash-5.1.8-9.el9.x86_64\r\n\n  tzdata-2022a-1.el9_0.noarch.rpm  \ngpg-pubkey-fd431d51-4ae0493b\ngpg-pubkey-5a6340b3-6229229e.(none)\nperl-libs-4:5.32.1-481.el9.x86_64\nbash-5.1.8-9.el9.x86_64\n`;
    expect(told(text)).toEqual([
      `bash-5.1.8-9.el9.x86_64 (any epoch) ${FILE}:2`,
      `tzdata-2022a-1.el9_0.noarch (any epoch) ${FILE}:4`,
      `perl-libs-4:5.32.1-481.el9.x86_64 ${FILE}:7`,
    ]);
  });
  it('or five words', () => {
    const text =
      'bash 0 5.1.8 9.el9 x86_64\nperl-libs 4 5.32.1 481.el9 x86_64\ngpg-pubkey 0 fd431d51 4ae0493b (none)\nacl (none) 2.2.51 14.el7 x86_64\na\t0\t1\t2\tnoarch\n';
    expect(told(text)).toEqual([
      `bash-5.1.8-9.el9.x86_64 ${FILE}:1`,
      `perl-libs-4:5.32.1-481.el9.x86_64 ${FILE}:2`,
      `acl-2.2.51-14.el7.x86_64 ${FILE}:4`,
      `a-1-2.noarch ${FILE}:5`,
    ]);
  });
  it('or columns that the first line names', () => {
    const rows =
      'name\tarch\tepoch\tversion\trelease\tlicense\nacl\tx86_64\t(none)\t2.2.51\t14.el7\tGPLv2+ and LGPL\nb\tnoarch\t3\t1\t2\t\ngpg-pubkey\t\t(none)\tf4a\t53a\tpubkey\n';
    expect(told(rows)).toEqual([`acl-2.2.51-14.el7.x86_64 ${FILE}:2`, `b-3:1-2.noarch ${FILE}:3`]);
    expect(told('\n# x\nname\tversion\trelease\tarch\r\na\t1\t2\tnoarch\r\n')).toEqual([
      `a-1-2.noarch (any epoch) ${FILE}:4`,
    ]);
    expect(told('')).toEqual([]);
  });
  it.each([
    ['bash-5.1.8-9.el9.x86_64\nbash 5.1.8-9.el9', 2, 'MALFORMED'],
    ['a\nbash-5.1.8-9.el9.x86_64', 1, 'MALFORMED'],
    ['bash-5.1.8', 1, 'MALFORMED'],
    ['bash x 5.1.8 9.el9 x86_64', 1, 'MALFORMED'],
    ['bash 01 5.1.8 9.el9 x86_64', 1, 'MALFORMED'],
    ['bash 0 5.1/8 9.el9 x86_64', 1, 'MALFORMED'],
    ['../../etc/passwd-1-1.noarch', 1, 'MALFORMED'],
    ['name\tversion\tarch\na\t1\tnoarch', 1, 'MALFORMED'],
    ['name\tversion\trelease\tarch\na\t1\tnoarch', 2, 'MALFORMED'],
    ['name\tversion\trelease\tarch\na\t1\t2\tnoarch\t5', 2, 'MALFORMED'],
    ['bash-1-1.noarch\nname\tversion\trelease\tarch\t', 2, 'MALFORMED'],
    [`${'x'.repeat(100_000)}`, 1, 'MALFORMED'],
    ['\0\0\0', 1, 'MALFORMED'],
  ])('%j is refused, and the line is named', (text, line, code) => {
    const found = fault(() => readInstalled(text, FILE));
    expect([found.code, found.at]).toEqual([code, `${FILE}:${line}`]);
    expect(found.message.length).toBeLessThan(300);
  });
  it('of a million lines is refused', () => {
    expect(fault(() => readInstalled('a-1-1.noarch\n'.repeat(1_000_000), FILE)).code).toBe('TOO_LARGE');
  });
  it('means any epoch where it says none', () => {
    const isListed = installedKeys(readInstalled('a-1-1.noarch\nb-2:1-1.noarch\nc 0 1 1 noarch\n', FILE));
    const asked = ['a-1-1', 'a-7:1-1', 'a-1-2', 'b-1-1', 'b-2:1-1', 'c-1-1', 'c-1:1-1', 'd-1-1'];
    expect(asked.filter((text) => isListed(parseNevra(`${text}.noarch`)))).toEqual([
      'a-1-1',
      'a-7:1-1',
      'b-2:1-1',
      'c-1-1',
    ]);
    expect(withoutEpoch(parseNevra('b-2:1-1.noarch'))).toBe('b-1-1.noarch');
  });

  const folder = join(CORPUS ?? '/nowhere', 'fleet');
  it.each(CORPUS ? readdirSync(folder) : [])('of a real host: %s', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const rows = text
      .trimEnd()
      .split('\n')
      .slice(1)
      .filter((line) => !line.startsWith('gpg-pubkey\t'));
    const found = readInstalled(text, name);
    expect(found.map(({ nevra }) => nevra.name).sort()).toEqual(
      [...new Set(rows.map((row) => row.split('\t').slice(0, 5).join('\t')))]
        .map((row) => row.split('\t')[0])
        .sort(),
    );
    expect(found.every(({ epochKnown }) => epochKnown === text.startsWith('name\tepoch\t'))).toBe(true);
    expect(found.length).toBeGreaterThan(100);
  });
});

function fault(read: () => unknown): Fault {
  try {
    read();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault');
}
