import { describe, expect, it } from 'vitest';
import { readBaseline } from '../../src/manifest/baseline.ts';
import { diffLists } from '../../src/plan/diffLists.ts';
import { readInstalled } from '../../src/rpm/installed.ts';
import { faultOf } from './samples.ts';

const has = (text: string, ...builds: string[]) => {
  const baseline = readBaseline(text, 'baselines/x');
  return builds.filter((build) => {
    const dot = build.lastIndexOf('.');
    return baseline.hasBuild({ name: build.slice(0, dot), arch: build.slice(dot + 1) });
  });
};

describe('a baseline', () => {
  it('is what rpm -qa prints: name and arch count, not the build', () => {
    const list = 'bash-5.1.8-9.el9.x86_64\ntzdata 0 2026a 1 noarch\ngpg-pubkey-1-2\n';
    expect(has(list, 'bash.x86_64', 'bash.i686', 'tzdata.noarch', 'gpg-pubkey.noarch')).toEqual([
      'bash.x86_64',
      'tzdata.noarch',
    ]);
    expect(readBaseline(list, 'x').hasName('tzdata')).toBe(true);
    expect(readBaseline(list, 'x').hasName('zsh')).toBe(false);
  });

  it('is what the %packages of a kickstart file name', () => {
    const text =
      'url --url=x\n%packages --nocore\nbash # the shell\npython3.11\nglibc.i686\nperl-*\n-perl-doc\n%end\n%post\nzsh\n%end\n';
    const all = [
      'bash.x86_64',
      'python3.11.x86_64',
      'glibc.i686',
      'glibc.x86_64',
      'perl-libs.noarch',
      'perl-doc.noarch',
    ];
    expect(has(text, ...all, 'zsh.x86_64')).toEqual(all.filter((b) => !/glibc.x86_64|perl-doc/.test(b)));
  });

  it.each([
    ['%packages\n@core\n', 'NOT_SUPPORTED', 'baselines/x:2'],
    ['%packages\nbash zsh\n', 'MALFORMED', 'baselines/x:2'],
    ['%packages\na[\n', 'POLICY_INVALID', 'baselines/x:2'],
    ['bash-5-1.x86_64\nbash\n', 'MALFORMED', 'baselines/x:2'],
    ['<html>', 'MALFORMED', 'baselines/x:1'],
  ])('%j is refused', (text, code, at) => {
    expect(faultOf(() => readBaseline(text, 'baselines/x'))).toContain(`${code} ${at}`);
  });
});

describe('two lists', () => {
  const rows = (a: string, b: string) =>
    diffLists(readInstalled(a, 'a'), readInstalled(b, 'b')).map(({ key, kind }) => `${key} ${kind}`);
  it.each([
    ['a-1-1.noarch', 'a-1-1.noarch', []],
    ['a-1-1.noarch', 'a 7 1 1 noarch', []], // rpm -qa prints no epoch
    ['a 0 1 1 noarch', 'a 7 1 1 noarch', ['a.noarch newer-in-b']],
    ['a-2-1.noarch', 'a 7 1 1 noarch', ['a.noarch newer-in-a']],
    ['a-1-1.noarch\nb-1-1.noarch', 'c-1-1.noarch\na-1-1.noarch', ['b.noarch only-a', 'c.noarch only-b']],
    ['k-1-1.noarch\nk-2-1.noarch', 'k-2-1.noarch', ['k.noarch other-builds']],
    ['a-1-1.x86_64', 'a-1-1.i686', ['a.i686 only-b', 'a.x86_64 only-a']],
    ['', '', []],
  ])('%j and %j', (a, b, expected) => {
    expect(rows(a, b)).toEqual(expected);
  });
});
