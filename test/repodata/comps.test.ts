import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectComps, readCompsNames } from '../../src/repodata/comps.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { fault } from './fault.ts';

const COMPS = `<?xml version='1.0' encoding='UTF-8'?>
<!DOCTYPE comps
  PUBLIC '-//Red Hat, Inc.//DTD Comps info//EN'
  'comps.dtd'>
<comps>
  <group>
    <id>core</id>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
      <packagereq type="optional" basearchonly="true">vim &amp; co</packagereq>
      <packagereq>curl</packagereq><packagereq>dnf</packagereq>
    </packagelist>
  </group>
</comps>
`;

it('lists what groups ask for', () => {
  expect(readCompsNames(Buffer.from(COMPS), 'comps')).toEqual(['bash', 'vim & co', 'curl', 'dnf']);
});

it('drops requests, and changes no other byte', () => {
  const kept = projectComps(Buffer.from(COMPS), (name) => name !== 'bash' && name !== 'curl').toString();
  expect(kept).toBe(
    COMPS.replace('\n      <packagereq type="mandatory">bash</packagereq>', '').replace(
      '<packagereq>curl</packagereq>',
      '',
    ),
  );
  expect(projectComps(Buffer.from(COMPS), () => true).toString()).toBe(COMPS);
  expect(projectComps(Buffer.from(COMPS), () => false).toString()).not.toContain('packagereq');
});

it('is not misled by comments and CDATA', () => {
  const text = '<comps><!-- <packagereq>a</packagereq> --><packagereq><![CDATA[b]]></packagereq></comps>';
  expect(readCompsNames(Buffer.from(text), 'x')).toEqual(['b']);
  expect(projectComps(Buffer.from(text), () => false).toString()).toBe(
    '<comps><!-- <packagereq>a</packagereq> --></comps>',
  );
});

it.each([
  ['an internal subset', '<!DOCTYPE comps [<!ENTITY a "b">]><comps/>'],
  ['a public identifier with a subset', '<!DOCTYPE comps PUBLIC "a" "b" [<!ENTITY a "b">]><comps/>'],
  ['a system identifier alone', '<!DOCTYPE comps SYSTEM "file:///etc/passwd"><comps/>'],
  ['two document types', '<!DOCTYPE comps PUBLIC "a" "b"><!DOCTYPE comps PUBLIC "a" "b"><comps/>'],
  ['a document type inside', '<comps><!DOCTYPE comps PUBLIC "a" "b"></comps>'],
  ['an undeclared entity', '<comps>&a;</comps>'],
  ['another document', '<metadata/>'],
  ['mis-nesting', '<comps><group></comps></group>'],
  ['a request with elements inside', '<comps><packagereq><b>x</b></packagereq></comps>'],
])('refuses %s', (_, text) => {
  expect(fault(() => readCompsNames(Buffer.from(text), 'x'))).toBe('METADATA_INVALID');
});

describe.skipIf(CORPUS === undefined || !oracle('comps2solv'))('libsolv', () => {
  const path = join(CORPUS ?? '', 'comps/fedora-21-comps.xml');
  it.skipIf(!existsSync(path))('reads a projection as the original without the names that are gone', () => {
    const bytes = readFileSync(path);
    const keep = (name: string): boolean => name.length % 2 === 0;
    /** `<group> <list> <name>[ IF <name>]`: libsolv orders a list by when it first saw each name. */
    const asked = (input: Buffer): string[] => {
      const dump = execFileSync('sh', ['-c', 'comps2solv | dumpsolv /dev/stdin'], {
        input,
        maxBuffer: 1 << 30,
      });
      const found: string[] = [];
      let [group, list] = ['', ''];
      for (const line of dump.toString().split('\n')) {
        group = /^solvable:name: (.*)$/.exec(line)?.[1] ?? group;
        list = /^solvable:([a-z]+):$/.exec(line)?.[1] ?? list;
        if (line.startsWith('  ')) found.push(`${group} ${list} ${line.trim()}`);
      }
      return found.sort();
    };
    const theirs = asked(bytes).filter((line) => keep(line.split(' ')[2] ?? ''));
    const ours = asked(projectComps(bytes, keep)).filter((line) => keep(line.split(' ')[2] ?? ''));
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(1000);
    expect(readCompsNames(projectComps(bytes, keep), 'x')).toEqual(readCompsNames(bytes, 'x').filter(keep));
  });
});
