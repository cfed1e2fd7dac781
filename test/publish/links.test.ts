import { describe, expect, it } from 'vitest';
import type { Pin } from '../../src/manifest/snapshot.ts';
import { linkNames } from '../../src/publish/links.ts';
import { parseNevra } from '../../src/rpm/nevra.ts';

function pin(nevra: string, digits: string): Pin {
  const hex = digits.padEnd(64, '0');
  return {
    nevra: parseNevra(nevra),
    checksum: { type: 'sha256', hex },
    size: 1,
    record: '0'.repeat(12),
    withdrawn: false,
  };
}

describe('the file name of a package', () => {
  it('is the identity and eight digits of the checksum', () => {
    expect(linkNames([pin('openssl-1:3.0.7-28.el9.x86_64', '4f0c12345')])).toEqual([
      'openssl-3.0.7-28.el9.x86_64.4f0c1234.rpm',
    ]);
  });

  it('is another one for a re-rolled build, and for an epoch twin', () => {
    const names = linkNames([pin('a-1.0-1.x86_64', 'aaaaaaaa'), pin('a-1:1.0-1.x86_64', 'bbbbbbbb')]);
    expect(new Set(names).size).toBe(2);
    expect(names[0]).not.toBe(linkNames([pin('a-1.0-1.x86_64', 'cccccccc')])[0]);
  });

  it('gets more digits where eight do not tell two apart, and only there', () => {
    const names = linkNames([
      pin('a-1.0-1.x86_64', 'aaaaaaaa11112222'),
      pin('a-1:1.0-1.x86_64', 'aaaaaaaa11113333'),
      pin('a-2:1.0-1.x86_64', 'bbbbbbbb'),
    ]);
    expect(names).toEqual([
      'a-1.0-1.x86_64.aaaaaaaa11112222.rpm',
      'a-1.0-1.x86_64.aaaaaaaa11113333.rpm',
      'a-1.0-1.x86_64.bbbbbbbb.rpm',
    ]);
  });

  it('ends even where two builds claim to be one file', () => {
    const [a, b] = linkNames([pin('a-1.0-1.x86_64', 'aa'), pin('a-1:1.0-1.x86_64', 'aa')]);
    expect(a).toBe(b);
  });

  it('fits into a directory entry, whatever the upstream calls its builds', () => {
    const long = `${'n'.repeat(200)}-${'1'.repeat(200)}-${'2'.repeat(200)}.x86_64`;
    const twins = [pin(long, 'aaaaaaaa'), pin(`${long.slice(0, -7)}3.x86_64`, 'bbbbbbbb')];
    const names = linkNames(twins);
    for (const name of names) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(new Set(names).size).toBe(2);
  });
});
