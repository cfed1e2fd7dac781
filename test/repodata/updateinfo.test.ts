import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decompress, decompressAll, once } from '../../src/repodata/compression.ts';
import {
  type Advisory,
  type AdvisoryRemark,
  formatAdvisory,
  projectUpdateinfo,
  readUpdateinfo,
} from '../../src/repodata/updateinfo.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { rejected } from './fault.ts';

const pkg = (name: string, more = ''): string =>
  `        <package name="${name}" version="1" release="1.el9" epoch="0" arch="x86_64">\n          <filename>${name}-1-1.el9.x86_64.rpm</filename>\n${more}        </package>\n`;
const update = (id: string, inside: string, severity = 'Important'): string =>
  `  <update from="x@y" status="final" type="security" version="3">
    <id>${id}</id>
    <title>openssl &lt;update&gt;</title>
    <issued date="2024-05-01 10:00:00"/>
    <updated date="2024-05-02 10:00:00"/>
    <severity>${severity}</severity>
    <references>
      <reference href="https://access.redhat.com/security/cve/CVE-2024-0001" id="CVE-2024-0001" type="cve" title="CVE-2024-0001"/>
      <reference href="javascript:alert(1)" id="2250000" type="bugzilla" title="fixes CVE-2024-9999"/>
      <reference href="https://x" id="CVE-2024-0001" type="self"/>
    </references>
    <pkglist>
      <collection short="x">
        <name>EL 9</name>
${inside}      </collection>
    </pkglist>
  </update>`;
const doc = (...updates: string[]): string =>
  `<?xml version="1.0"?>\n<updates>\n${updates.join('\n')}\n</updates>\n`;

async function read(text: string, remarks: AdvisoryRemark[] = []): Promise<Advisory[]> {
  return await readUpdateinfo(once(Buffer.from(text)), 'updateinfo', (remark) => remarks.push(remark));
}

it('reads an advisory', async () => {
  const sum = `<sum type="sha256">${'a'.repeat(64)}</sum><reboot_suggested>True</reboot_suggested>\n`;
  const text = doc(update('RHSA-2024:1', pkg('openssl', sum) + pkg('openssl-libs')));
  const [advisory] = await read(text);
  expect(advisory).toMatchObject({
    id: 'RHSA-2024:1',
    type: 'security',
    severity: 'important',
    severityText: 'Important',
    title: 'openssl <update>',
    issued: '2024-05-01 10:00:00',
    updated: '2024-05-02 10:00:00',
    cves: ['CVE-2024-0001'],
  });
  expect(advisory?.references).toHaveLength(3);
  expect(advisory?.packages).toMatchObject([
    {
      checksum: { type: 'sha256', hex: 'a'.repeat(64) },
      filename: 'openssl-1-1.el9.x86_64.rpm',
      reboot: true,
    },
    { filename: 'openssl-libs-1-1.el9.x86_64.rpm' },
  ]);
  expect(advisory && formatAdvisory(advisory)).toBe(
    'RHSA-2024:1 (important): openssl-1-1.el9.x86_64, openssl-libs-1-1.el9.x86_64',
  );
});

it.each([
  ['Critical', 'critical'],
  ['IMPORTANT', 'important'],
  ['medium', 'moderate'],
  ['Low ', 'low'],
  ['\n      Moderate\n', 'moderate'],
  ['None', 'none'],
  ['', 'none'],
  ['constructor', 'none'],
  ['criticality', 'none'],
])('takes the severity %j for %s', async (text, severity) => {
  const [advisory] = await read(doc(update('a', '', text)));
  expect(advisory?.severity).toBe(severity);
});

it('tells what vendors got wrong, and goes on', async () => {
  const remarks: AdvisoryRemark[] = [];
  const broken = '<package name="../evil" version="1" release="1" arch="x86_64"/><package name="a"/>';
  const badSum = pkg('b', '<sum type="sha256">zz</sum>');
  const twoIds = update('B', pkg('b')).replace('<title>', '<id>C</id><title>');
  const text = [
    ...[update('A', pkg('a')), update('A', broken + badSum), update('', pkg('c')), update('A\tB', pkg('c'))],
    ...[twoIds, update('D', pkg('d')), update('D', pkg('d'))],
  ];
  const advisories = await read(doc(...text), remarks);
  expect(advisories.map((a) => [a.id, a.packages.length])).toEqual([
    ['A', 1],
    ['A', 0],
    ['D', 1],
    ['D', 1],
  ]);
  expect(remarks.map(({ kind, advisory }) => [kind, advisory])).toEqual([
    ['package left out', 'A'],
    ['package left out', 'A'],
    ['package left out', 'A'],
    ['repeated', 'A'],
    ['left out', 'openssl <update>'],
    ['left out', 'A\tB'],
    ['left out', 'C'],
    ['equal', 'D'],
  ]);
  expect(remarks[0]?.why).toMatch(/evil/);
  expect(remarks[6]?.why).toBe('it has two <id>');
});

it.each([
  ['mis-nested', doc('<update><id>a</update></id>')],
  ['a DOCTYPE', `<!DOCTYPE updates>${doc()}`],
  ['a cut one', doc(update('a', pkg('a'))).slice(0, -30)],
])('refuses %s', async (_, text) => {
  expect(await rejected(read(text))).toBe('METADATA_INVALID');
});

describe('a projection', () => {
  it('keeps the packages that are there, drops advisories without any, and changes no other byte', async () => {
    const inside = pkg('openssl') + pkg('openssl-libs') + pkg('openssl-devel');
    const advisories = await read(
      doc(update('A', inside), update('B', pkg('curl')), update('C', pkg('openssl'))),
    );
    const projected = projectUpdateinfo(
      advisories,
      (n) => n.name === 'openssl' || n.name === 'openssl-devel',
    );
    const expected = [
      '<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n',
      update('A', pkg('openssl') + pkg('openssl-devel')).trimStart(),
      '\n',
      update('C', pkg('openssl')).trimStart(),
      '\n</updates>\n',
    ];
    expect(projected?.toString()).toBe(expected.join(''));
    expect(projectUpdateinfo(advisories, () => false)).toBeUndefined();
  });
  it('drops packages whose names are not to be had, and those on one line', async () => {
    const one =
      '<package name="../evil" version="1" release="1" arch="x"/><package name="a" version="1" release="1" arch="x"/>';
    const projected = projectUpdateinfo(await read(doc(update('A', one))), () => true)?.toString();
    expect(projected).not.toContain('evil');
    expect(projected).toContain('<package name="a"');
  });
});

describe.skipIf(CORPUS === undefined)('of the corpus', () => {
  const files: readonly [string, number, number][] = [
    ['advisories/oracle-linux-updateinfo.xml.gz', 2494, 81],
    ['advisories/rhel-updateinfo.xml', 427, 0],
    ['opensuse-11.0-update/repodata/updateinfo.xml.gz', 164, 32],
  ];
  it.each(files.filter(([path]) => existsSync(join(CORPUS ?? '', path))))(
    '%s has %i advisories, of which %i repeat an id, and libsolv reads all of them from our projection',
    async (path, count, repeated) => {
      const bytes = readFileSync(join(CORPUS ?? '', path));
      const lines: AdvisoryRemark[] = [];
      const source = decompress(once(bytes), { maxBytes: 1 << 30, at: path });
      const advisories = await readUpdateinfo(source, path, (line) => lines.push(line));
      expect([advisories.length, lines.length]).toEqual([count, repeated]);
      const everything = projectUpdateinfo(advisories, () => true) ?? Buffer.alloc(0);
      const x86 = projectUpdateinfo(advisories, (n) => n.arch === 'x86_64') ?? Buffer.alloc(0);
      const again = await read(x86.toString());
      const wanted = advisories.map((a) =>
        a.packages.map((p) => formatNevra(p.nevra)).filter((n) => n.endsWith('.x86_64')),
      );
      expect(again.map((a) => a.packages.map((p) => formatNevra(p.nevra)))).toEqual(
        wanted.filter((l) => l.length > 0),
      );
      if (!oracle('updateinfoxml2solv')) return;
      const dump = (input: Buffer): string[] =>
        execFileSync('sh', ['-c', 'updateinfoxml2solv | dumpsolv /dev/stdin'], { input, maxBuffer: 1 << 30 })
          .toString()
          .split('\n')
          .filter((line) => !/ size | took /.test(line));
      expect(dump(everything)).toEqual(dump(await decompressAll(bytes, { maxBytes: 1 << 30, at: path })));
    },
  );
});
