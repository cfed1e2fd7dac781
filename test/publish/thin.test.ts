import { describe, expect, it } from 'vitest';
import { codeOf } from '../../src/base/fault.ts';
import { thinLocation } from '../../src/publish/thin.ts';

const AT = 'a test';
const os = { kind: 'thin', baseurl: 'https://up.example/9/base/os', parentHref: true } as const;

describe('where a thin publication points', () => {
  it.each([
    ['Packages/a.rpm', undefined, 'https://up.example/9/base/os/', 'Packages/a.rpm'],
    ['../a.rpm', undefined, 'https://up.example/9/base/', 'a.rpm'],
    ['../../Packages/a+b.rpm', undefined, 'https://up.example/9/', 'Packages/a+b.rpm'],
    ['a.rpm', 'https://up.example/other', 'https://up.example/other/', 'a.rpm'],
    ['../a.rpm', 'https://up.example/x/y/', 'https://up.example/x/', 'a.rpm'],
  ])('%s of %s', (href, base, wantedBase, wantedHref) => {
    const found = thinLocation(os, base === undefined ? { href } : { href, base }, AT);
    expect(found).toEqual({ base: wantedBase, href: wantedHref });
    // dnf and yum join the two as text; a browser's rules must say the same
    expect(`${found.base}${found.href}`).toBe(
      new URL(href, `${base ?? os.baseurl}/`.replace(/\/+$/, '/')).href,
    );
  });

  it.each([
    ['../a.rpm', undefined, { ...os, parentHref: false }, 'UNSAFE_PATH'],
    ['/etc/passwd', undefined, os, 'UNSAFE_PATH'],
    ['https://evil.example/a.rpm', undefined, os, 'UNSAFE_PATH'],
    ['//evil.example/a.rpm', undefined, os, 'UNSAFE_PATH'],
    ['%2e%2e/a.rpm', undefined, os, 'UNSAFE_PATH'],
    ['Packages/\ta.rpm', undefined, os, 'UNSAFE_PATH'],
    ['a.rpm', 'https://evil.example/', os, 'UNSAFE_URL'],
    ['a.rpm', 'http://up.example/9/base/os/', os, 'UNSAFE_URL'],
    ['a.rpm', 'file:///etc/', os, 'UNSAFE_URL'],
    ['../../../../a.rpm', undefined, os, 'UNSAFE_URL'],
    ['a.rpm', undefined, { ...os, baseurl: 'file:///srv/os/' }, 'NOT_SUPPORTED'],
  ])('refuses %s of %s', (href, base, locations, code) => {
    let thrown: unknown;
    try {
      thinLocation(locations, base === undefined ? { href } : { href, base }, AT);
    } catch (error) {
      thrown = error;
    }
    expect(codeOf(thrown)).toBe(code);
  });
});
