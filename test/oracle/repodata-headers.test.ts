import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readChunks } from '../../src/pool/disk.ts';
import { canonicalElement } from '../../src/repodata/canonical.ts';
import { pkgidOf } from '../../src/repodata/filelists.ts';
import { headerElements } from '../../src/repodata/headerElements.ts';
import { identify } from '../../src/repodata/primary.ts';
import type { PackageRecord } from '../../src/repodata/record.ts';
import { openRpm } from '../../src/rpm/header.ts';
import { unfoundedClaims } from '../../src/upstream/claims.ts';
import { CORPUS, isSampledPackage, oracle } from '../fixtures/oracle.ts';
import { document, elementsOf, repomdOf } from '../fixtures/repodata.ts';
import { header, int16, int32, int64, rpmBytes, type Tag, tags, text, texts } from '../fixtures/rpmFile.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const DEMO = fileURLToPath(new URL('../fixtures/demo/packages', import.meta.url));

/** A string as these bytes, not as UTF-8. */
function raw(tag: number, value: string): Tag {
  return { tag, type: 6, count: 1, data: Buffer.from(`${value}\0`, 'latin1') };
}

function byTag(all: readonly Tag[]): Tag[] {
  return [...all].sort((a, b) => a.tag - b.tag);
}

type Row = readonly [name: string, flags: number, version: string];

function relations([names, flags, versions]: readonly [number, number, number], ...rows: Row[]): Tag[] {
  return [
    texts(
      names,
      rows.map(([name]) => name),
    ),
    int32(flags, ...rows.map(([, sense]) => sense)),
    texts(
      versions,
      rows.map(([, , version]) => version),
    ),
  ];
}

const PROVIDES = [1047, 1112, 1113] as const;
const REQUIRES = [1049, 1048, 1050] as const;
const CONFLICTS = [1054, 1053, 1055] as const;
const RECOMMENDS = [5046, 5048, 5047] as const;
const SUPPLEMENTS = [5052, 5054, 5053] as const;
const OLD_SUGGESTS = [1156, 1158, 1157] as const;
const OLD_ENHANCES = [1159, 1161, 1160] as const;

/** Folder, name, mode, flags: each file in a folder of its own. */
function filesOf(...files: readonly (readonly [string, string, number, number])[]): Tag[] {
  return [
    int16(1030, ...files.map(([, , mode]) => mode)),
    int32(1037, ...files.map(([, , , flags]) => flags)),
    int32(1116, ...files.map((_, i) => i)),
    texts(
      1117,
      files.map(([, name]) => name),
    ),
    texts(
      1118,
      files.map(([folder]) => folder),
    ),
  ];
}

function changes(...entries: readonly (readonly [number, string, string])[]): Tag[] {
  return [
    int32(1080, ...entries.map(([date]) => date)),
    texts(
      1081,
      entries.map(([, author]) => author),
    ),
    texts(
      1082,
      entries.map(([, , said]) => said),
    ),
  ];
}

const libc = (...names: string[]) => relations(REQUIRES, ...names.map((name): Row => [name, 1 << 14, '']));

/** What distributions' packages hold now and then, and what none should. */
const MADE_UP: Readonly<Record<string, readonly Tag[]>> = {
  'a source package': [
    int32(1106, 1),
    ...filesOf(['', 'made-up.spec', 0o100644, 32], ['', 'one.tar.gz', 0o100644, 0]),
  ],
  'texts with every character that XML minds': [
    text(1011, 'A & B <"vendor">\u007f'),
    text(1015, "tab\there, return\r, line\nfeed, 'quotes', ]]>"),
    text(1020, 'https://example.org/?a=1&b=2'),
    text(1007, ' spaces around '),
  ],
  'texts beyond ASCII': [
    text(1011, 'Žižek & Ünïcode 漢字 😀 e\u0301\u00a0x'),
    ...changes([1, 'Žižek 😀', 'Ž 😀']),
  ],
  'Latin-1, and an encoding of Windows': [
    raw(1011, 'Fran\u00e7ois \u00dcnal'),
    raw(1015, 'smart \u0093quotes\u0094 and a dash \u0096'),
    { ...texts(1081, ['x']), data: Buffer.from('Fran\u00e7ois <f@example.org>\0', 'latin1') },
    int32(1080, 5),
    texts(1082, ['é']),
  ],
  'relations of every kind, with and without versions': [
    ...relations(
      PROVIDES,
      ['hello', 8, '3:2.0-1.el9'],
      ['hello(x86-64)', 8, '3:2.0-1.el9'],
      ['config(hello)', 8 | (1 << 28), '0:1'],
      ['bundled(x)', 8, ''],
      ['"quoted" & <sharp>', 0, '1.0'],
      ['no-release', 8, '1.0-'],
      ['empty-epoch', 8, ':1.0'],
      ['no-version', 8, '-1'],
      ['two-hyphens', 8, '1-2-3'],
      ['ünï', 8, '1é'],
    ),
    ...relations(
      CONFLICTS,
      ['old', 2, '1'],
      ['older', 10, '1:1-1'],
      ['new', 4, '2'],
      ['newer', 12, '2~rc1^git'],
    ),
    ...relations(RECOMMENDS, ['(docs if man)', 0, ''], ['(a >= 1 and (b or c < 2))', 1 << 6, '']),
    ...relations(SUPPLEMENTS, ['(hello and langpacks-de)', 0, '']),
  ],
  'requirements: repeated, met by the package itself, of rpm, before scripts': [
    ...relations(PROVIDES, ['hello', 8, '3:2.0-1.el9'], ['self', 0, '']),
    ...relations(
      REQUIRES,
      ['/bin/sh', 1 << 9, ''],
      ['/bin/sh', 1 << 10, ''],
      ['/bin/sh', 1 << 11, ''],
      ['/bin/sh', 1 << 8, ''],
      ['/usr/bin/own', 0, ''],
      ['/usr/share/own', 0, ''],
      ['a', 12, '1'],
      ['a', 12, '1'],
      ['a', 12, '2'],
      ['a', 12, '1'],
      ['a', (1 << 6) | 12, '1'],
      ['hello', 8, '3:2.0-1.el9'],
      ['hello', 12, '3:2.0-1.el9'],
      ['rpmlib(CompressedFileNames)', (1 << 24) | 10, '3.0.4-1'],
      ['self', 0, ''],
      ['transaction', 1 << 5, ''],
      ['transaction', 1 << 7, ''],
      ['(x if y)', 0, ''],
    ),
    ...filesOf(['/usr/bin/', 'own', 0o100755, 0], ['/usr/share/', 'own', 0o100644, 0]),
  ],
  'a C library: the newest version, last': libc(
    'libc.so.6()(64bit)',
    'libc.so.6(GLIBC_2.2.5)(64bit)',
    'libc.so.6(GLIBC_2.34)(64bit)',
    'libc.so.6(GLIBC_2.4)(64bit)',
    'libm.so.6()(64bit)',
    'libz.so.1()(64bit)',
  ),
  'a C library: the first of several without a version': libc(
    'libc.so.6(GLIBC_PRIVATE)',
    'libc.so.6(X)',
    'libz',
  ),
  'a C library: brackets before none': libc('libc.so.6', 'libc.so.6()', 'libz'),
  'a C library: a version before a word': libc(
    'libc.so.6(GLIBC_PRIVATE)(64bit)',
    'libc.so.6(GLIBC_2.0)',
    'z',
  ),
  'a C library: the same again': libc('libc.so.6(GLIBC_2.0)', 'libc.so.6(GLIBC_2.0)(64bit)', 'z'),
  'weak relations of old rpm': [
    ...relations(REQUIRES, ['wanted', 1 << 19, ''], ['needed', 0, '']),
    ...relations(OLD_SUGGESTS, ['suggested', 0, ''], ['recommended', (1 << 27) | 12, '1']),
    ...relations(OLD_ENHANCES, ['enhanced', 0, ''], ['supplemented', 1 << 27, '']),
  ],
  'files: folders, ghosts, those of primary': filesOf(
    ['/etc/', 'made-up.conf', 0o100644, 1],
    ['/etc/', 'made-up.d', 0o040755, 64],
    ['/var/log/', 'made-up.log', 0o100600, 64],
    ['/usr/lib/', 'sendmail', 0o120777, 0],
    ['/opt/cabin/', 'a file', 0o100644, 0],
    ['/usr/sbin/', 'made-up & co', 0o100755, 0],
    ['/usr/share/bin', 'ary', 0o100644, 0],
    ['/usr/share/', '漢字 😀', 0o100644, 0],
    ['/', '', 0o040755, 0],
  ),
  'changes: more than ten, several a day, spaces after names': changes(
    ...Array.from(
      { length: 12 },
      (_, i) => [1_000_000 - 100 * Math.floor(i / 3), `A ${i}  `, `- ${i}`] as const,
    ),
  ),
  'changes: of days that count on into the next': changes(
    [7, 'a', 'x'],
    [6, ' ', 'y'],
    [6, 'c', 'z'],
    [7, 'd', ''],
  ),
  'sizes beyond four gigabytes': [int64(5009, 5_000_000_000n)],
};

/** What createrepo_c writes of the packages in a folder, by file: the three elements as they stand. */
async function theirs(folder: string): Promise<Map<string, PackageRecord>> {
  const out = await tempDir();
  execFileSync('createrepo_c', ['-q', '--no-database', '--workers', '1', '-o', out, folder], {
    stdio: 'pipe',
  });
  const repomd = repomdOf(out);
  const of = async (type: string) => {
    const bytes = document(out, repomd, type) ?? Buffer.alloc(0);
    return await elementsOf(bytes, 'package', `createrepo_c: ${type}`);
  };
  const [primary, filelists, other] = await Promise.all([of('primary'), of('filelists'), of('other')]);
  return new Map(
    primary.map((element, i) => {
      const [files, changes] = [filelists[i] as Buffer, other[i] as Buffer];
      const { href, checksum } = identify(element, folder);
      expect([pkgidOf(files), pkgidOf(changes)]).toEqual([checksum.hex, checksum.hex]);
      return [href, { primary: element, filelists: files, other: changes }];
    }),
  );
}

/** Ours of one file, which is what a sync would keep, and claims nothing that the package does not say. */
async function ours(folder: string, href: string): Promise<PackageRecord> {
  const path = join(folder, href);
  const hex = createHash('sha256').update(readFileSync(path)).digest('hex');
  const { size, mtimeMs } = statSync(path);
  const fileTime = Math.floor(mtimeMs / 1000);
  const rpm = await openRpm(readChunks(path), path);
  await rpm.close();
  const facts = { checksum: { type: 'sha256' as const, hex }, size, fileTime, href };
  const record = headerElements(rpm, facts, path);
  for (const element of [record.primary, record.filelists, record.other]) {
    if (element) expect(canonicalElement(element)).toBe(element);
  }
  expect(unfoundedClaims(record.primary, rpm.header, path)).toBeUndefined();
  return record;
}

const asText = ({ primary, filelists, other }: PackageRecord) =>
  [primary, filelists, other].map((element) => element?.toString()).join('\n');

async function expectTheSame(folder: string, least: number): Promise<void> {
  const all = await theirs(folder);
  expect(all.size).toBeGreaterThanOrEqual(least);
  for (const [href, record] of all) {
    expect(`${href}\n${asText(await ours(folder, href))}`).toBe(`${href}\n${asText(record)}`);
  }
}

describe.skipIf(!oracle('createrepo_c'))(
  'from its header a package gets the metadata of createrepo_c:',
  () => {
    it.skipIf(!CORPUS).each([
      ['rpms-al2023', 18, 18],
      ['rpms-rpm-tests', 22, 22],
      ['rpms-rpm-rs', 38, 38],
      ['pgdg-signed-series', 40, 236],
    ])('%s', async (set, sampled, all) => {
      const folder = join(CORPUS ?? '', set);
      const names = globSync('**/*.rpm', { cwd: folder }).filter(isSampledPackage);
      const taken = await tempDir();
      for (const [i, name] of names.entries())
        cpSync(join(folder, name), join(taken, `${i}-${basename(name)}`));
      await expectTheSame(taken, process.env['SLUICE_CORPUS'] === 'all' ? all : sampled);
    });

    it('the packages of the demo', async () => {
      await expectTheSame(DEMO, 44);
    });

    it.each(Object.entries(MADE_UP))('made up: %s', async (name, more) => {
      const folder = await tempDir();
      const isSource = name.startsWith('a source package');
      const main = header(63, byTag(tags(isSource ? { sourceRpm: undefined, epoch: undefined } : {}, more)));
      writeFileSync(join(folder, 'made-up.rpm'), rpmBytes({ header: main, source: isSource }).bytes);
      await expectTheSame(folder, 1);
    });

    it.each([
      ['control characters', 'RPM_INVALID', [text(1011, 'made\u0001up')], 0],
      [
        'control characters in a file name',
        'RPM_INVALID',
        filesOf(['/usr/share/', 'a\u0002b', 0o100644, 0]),
        0,
      ],
      // createrepo_c leaves out the relation, and the package would be installed without what it needs
      ['an epoch that is no number', 'MALFORMED', relations(REQUIRES, ['a', 12, 'x:1']), 1],
    ] as const)('refused: %s', async (_, code, more, listed) => {
      const folder = await tempDir();
      writeFileSync(
        join(folder, 'made-up.rpm'),
        rpmBytes({ header: header(63, byTag(tags({}, more))) }).bytes,
      );
      expect((await theirs(folder)).size).toBe(listed);
      await expect(ours(folder, 'made-up.rpm')).rejects.toMatchObject({ code });
    });
  },
);
