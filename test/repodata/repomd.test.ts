import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Checksum } from '../../src/base/checksum.ts';
import { newestTimestamp, readRepomd, writeRepomd } from '../../src/repodata/repomd.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { corpusRepositories, orAbsent } from '../fixtures/repodata.ts';
import { fault } from './fault.ts';

const ZERO = '0'.repeat(64);
const record = (inside = '', type = 'primary'): string =>
  `<data type="${type}"><checksum type="sha256">${ZERO}</checksum><location href="repodata/x.xml"/>${inside}</data>`;
const read = (inside: string) => readRepomd(Buffer.from(`<repomd>${inside}</repomd>`), 'repomd.xml');

it('reads and writes what createrepo_c writes, to the byte', () => {
  const text = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>9-stream</revision>
  <tags>
    <content>binary-x86_64</content>
    <distro cpeid="cpe:/o:centos-stream:centos-stream:9">CentOS Stream 9 &amp; more</distro>
  </tags>
  <data type="primary">
    <checksum type="sha256">${ZERO}</checksum>
    <open-checksum type="sha256">${'1'.repeat(64)}</open-checksum>
    <location xml:base="https://cdn.example.org/" href="repodata/primary.xml.gz"/>
    <timestamp>1736761560</timestamp>
    <size>10</size>
    <open-size>20</open-size>
  </data>
  <data type="primary_db">
    <checksum type="sha256">${ZERO}</checksum>
    <location href="repodata/primary.sqlite.xz"/>
    <timestamp>1736761573</timestamp>
    <database_version>10</database_version>
  </data>
</repomd>
`;
  const repomd = readRepomd(Buffer.from(text), 'repomd.xml');
  expect(repomd.tags.distro).toEqual([
    { cpeid: 'cpe:/o:centos-stream:centos-stream:9', name: 'CentOS Stream 9 & more' },
  ]);
  expect(newestTimestamp(repomd)).toBe(1736761573);
  expect(writeRepomd(repomd).toString()).toBe(text);
});

it('never takes a revision for a number, and knows the age of an empty index', () => {
  expect(read('<revision>9e15</revision>').revision).toBe('9e15');
  expect(newestTimestamp(read(''))).toBe(0);
});

it('reads fractions of seconds, other prefixes and what it does not know', () => {
  const text = `<r:repomd xmlns:r="http://linux.duke.edu/metadata/repo"><r:data type="primary"><r:checksum type="sha">${'a'.repeat(40)}</r:checksum><r:location href="repodata/x"/><r:timestamp>12.75</r:timestamp><r:header-size>7</r:header-size></r:data><r:new><r:data/></r:new></r:repomd>`;
  expect(readRepomd(Buffer.from(text), 'x').records).toEqual([
    { type: 'primary', href: 'repodata/x', checksum: { type: 'sha1', hex: 'a'.repeat(40) }, timestamp: 12 },
  ]);
});

it.each([
  ['two records of a type', record() + record(), 'METADATA_INVALID'],
  ['two locations', record('<location href="y"/>'), 'METADATA_INVALID'],
  ['two checksums', record(`<checksum type="sha256">${ZERO}</checksum>`), 'METADATA_INVALID'],
  ['no checksum', '<data type="primary"><location href="x"/></data>', 'METADATA_INVALID'],
  [
    'no location',
    `<data type="primary"><checksum type="sha256">${ZERO}</checksum></data>`,
    'METADATA_INVALID',
  ],
  ['two revisions', '<revision>1</revision><revision>2</revision>', 'METADATA_INVALID'],
  ['an empty type', record('', ''), 'MALFORMED'],
  ['a path as type', record('', '../x'), 'MALFORMED'],
  ['a negative size', record('<size>-1</size>'), 'MALFORMED'],
  ['a size of 2^63', record('<size>9223372036854775808</size>'), 'MALFORMED'],
  ['an open-size of 1e99', record('<open-size>1e99</open-size>'), 'MALFORMED'],
  ['a timestamp of words', record('<timestamp>today</timestamp>'), 'MALFORMED'],
  ['an unknown checksum', record('<open-checksum type="crc">00</open-checksum>'), 'MALFORMED'],
  [
    'a base of another scheme',
    `<data type="a"><checksum type="sha256">${ZERO}</checksum><location xml:base="file:///" href="x"/></data>`,
    'UNSAFE_URL',
  ],
  ['mis-nesting', '<data type="a"><size>1</data></size>', 'METADATA_INVALID'],
])('refuses %s', (_, inside, code) => {
  expect(fault(() => read(inside))).toBe(code);
});

it.each([
  ['HTML', '<html/>'],
  ['nothing', ''],
  ['a DOCTYPE', '<!DOCTYPE repomd><repomd/>'],
  ['a laughing DOCTYPE', '<!DOCTYPE r [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><repomd>&c;</repomd>'],
  ['another encoding', '<?xml version="1.0" encoding="latin1"?><repomd/>'],
  ['a cut one', '<repomd><data type="primary">'],
  ['5 MB', `<repomd>${' '.repeat(5 << 20)}</repomd>`],
])('refuses %s instead of a repomd.xml', (_, text) => {
  expect(fault(() => readRepomd(Buffer.from(text), 'x'))).toBe('METADATA_INVALID');
});

/** The records as libsolv reads them, each one a map of `location`, `checksum`, `size`, … */
function libsolvReads(repomd: Buffer): { revision: string | undefined; records: Map<string, string>[] } {
  const dump = execFileSync('sh', ['-c', 'repomdxml2solv | dumpsolv /dev/stdin'], {
    input: repomd,
  }).toString();
  const records: Map<string, string>[] = [];
  for (const [, key = '', value = ''] of dump.matchAll(/^ {2}repository:repomd:([a-z]+): (.*)$/gm)) {
    if (key === 'type') records.push(new Map());
    records.at(-1)?.set(key, value);
  }
  return { revision: /^repository:revision: (.*)$/m.exec(dump)?.[1], records };
}

const digest = (sum: Checksum | undefined): string | undefined => sum && `${sum.hex} (${sum.type})`;
const word = (number: number | undefined): string | undefined => (number ? String(number) : undefined);

describe('of the corpus', () => {
  it.skipIf(!CORPUS || !oracle('repomdxml2solv')).each(orAbsent(corpusRepositories()))(
    '%s: libsolv reads the same',
    (path) => {
      const bytes = readFileSync(join(CORPUS ?? '', path, 'repodata/repomd.xml'));
      const ours = readRepomd(bytes, path);
      const theirs = libsolvReads(bytes);
      expect(ours.records.map((r) => [r.type, r.href, digest(r.checksum), digest(r.openChecksum)])).toEqual(
        theirs.records.map((r) => ['type', 'location', 'checksum', 'openchecksum'].map((key) => r.get(key))),
      );
      expect(ours.records.map((r) => [word(r.timestamp), word(r.size)])).toEqual(
        theirs.records.map((r) => [r.get('timestamp'), r.get('size')]),
      );
      expect(ours.revision).toBe(theirs.revision);
      expect(libsolvReads(writeRepomd(ours))).toEqual(theirs);
      expect(readRepomd(writeRepomd(ours), path)).toEqual(ours);
    },
  );
});
