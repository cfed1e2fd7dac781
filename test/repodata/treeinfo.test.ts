import { describe, expect, it } from 'vitest';
import { projectTreeinfo, readTreeinfo } from '../../src/repodata/treeinfo.ts';
import { fault } from './fault.ts';

const SUM = `sha256:${'a'.repeat(64)}`;

/** As EL 9 has it: two variants, of which the second one lies beside this repository. */
const EL9 = `[checksums]
images/boot.iso = ${SUM}
images/install.img = sha256:${'b'.repeat(64)}
images/pxeboot/vmlinuz = ${SUM}
repodata/repomd.xml = ${SUM}

[general]
; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.
arch = x86_64
family = Test Linux
name = Test Linux 9.4
packagedir = Packages
platforms = x86_64,xen
repository = .
timestamp = 1714521600
variant = AppStream
variants = AppStream,BaseOS
version = 9.4

[header]
type = productmd.treeinfo
version = 1.2

[images-x86_64]
boot.iso = images/boot.iso
kernel = images/pxeboot/vmlinuz

[release]
name = Test Linux
short = TL
version = 9.4

[stage2]
mainimage = images/install.img

[tree]
arch = x86_64
build_timestamp = 1714521600
platforms = x86_64,xen
variants = AppStream,BaseOS

[variant-AppStream]
id = AppStream
name = AppStream
packages = ../../../AppStream/x86_64/os/Packages
repository = ../../../AppStream/x86_64/os
type = variant
uid = AppStream

[variant-BaseOS]
addons = BaseOS-HA
id = BaseOS
name = BaseOS
packages = Packages
repository = .
type = variant
uid = BaseOS

[addon-BaseOS-HA]
id = HA
name = HA
repository = addons/HA
type = addon
`;

const read = (text: string) => readTreeinfo(Buffer.from(text), '.treeinfo');
const project = (text: string) => projectTreeinfo(Buffer.from(text), '.treeinfo').toString();

it('reads which files a tree has, and what it is', () => {
  expect(read(EL9)).toMatchObject({ timestamp: 1714521600, release: 'Test Linux 9.4' });
  expect(read(EL9).files.map(({ path, checksum }) => [path, checksum.hex[0]])).toEqual([
    ['images/boot.iso', 'a'],
    ['images/install.img', 'b'],
    ['images/pxeboot/vmlinuz', 'a'],
  ]);
  expect(read(EL9.replaceAll('\n', '\r\n')).files).toEqual(read(EL9).files);
});

it('is published with our folders, without what lies in other repositories; all else is the vendor’s', () => {
  const ours = project(EL9);
  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  const gone = lines(EL9).filter((line) => !lines(ours).includes(line));
  const come = lines(ours).filter((line) => !lines(EL9).includes(line));
  expect(come).toEqual([
    'packagedir = packages',
    'variant = BaseOS',
    'variants = BaseOS',
    'variants = BaseOS',
    'packages = packages',
  ]);
  expect(ours).not.toMatch(/AppStream|addon|repomd|\.\.\//);
  expect(gone.filter((line) => !/Packages|AppStream|HA|addon|repomd/.test(line))).toEqual([]);
  expect(project(ours)).toBe(ours);
  expect(read(ours)).toEqual(read(EL9));
});

it('reads what is older than variants, and tells what belongs to no variant of here', () => {
  const el7 = `[general]\nname = Old-7\nfamily = Old\ntimestamp = 1.5\nvariant = \nversion = 7\npackagedir = \n\n[stage2]\nmainimage = LiveOS/squashfs.img\n\n[checksums]\nLiveOS/squashfs.img = ${SUM}\n`;
  expect(read(el7)).toMatchObject({ release: 'Old 7', timestamp: 1.5 });
  expect(project(el7)).toBe(el7);
  const elsewhere = EL9.replace('repository = .\ntype', 'repository = ../baseos\ntype');
  expect(fault(() => read(elsewhere))).toBe('METADATA_INVALID');
});

const checksums = (...lines: string[]) => `[checksums]\n${lines.join('\n')}\n`;

describe('hostile', () => {
  it.each([
    ['leaves its folder', checksums(`../../etc/passwd = ${SUM}`), 'UNSAFE_PATH'],
    ['leaves it later', checksums(`images/../../x = ${SUM}`), 'UNSAFE_PATH'],
    ['is absolute', checksums(`/etc/passwd = ${SUM}`), 'UNSAFE_PATH'],
    ['hides a path', checksums(`images/%2e%2e/x = ${SUM}`), 'UNSAFE_PATH'],
    ['is percent-encoded', checksums(`images/a%41 = ${SUM}`), 'METADATA_INVALID'],
    ['is ours', checksums(`packages/x.rpm = ${SUM}`), 'METADATA_INVALID'],
    ['is ours in other letters', checksums(`RepoData/x = ${SUM}`), 'METADATA_INVALID'],
    ['is the list of mirrors', checksums(`mirrorlist = ${SUM}`), 'METADATA_INVALID'],
    ['is itself', checksums(`.treeinfo = ${SUM}`), 'METADATA_INVALID'],
    ['has no checksum', checksums('images/x = '), 'MALFORMED'],
    ['has half a checksum', checksums('images/x = sha256:abcd'), 'MALFORMED'],
    ['is a file and a folder', checksums(`images/x = ${SUM}`, `images/x/y = ${SUM}`), 'METADATA_INVALID'],
    ['is there twice', checksums(`images/x = ${SUM}`, `images/x = ${SUM}`), 'METADATA_INVALID'],
    ['differs in case only', checksums(`images/x = ${SUM}`, `Images/X = ${SUM}`), 'METADATA_INVALID'],
    ['is nothing', '[checksums]\n', 'METADATA_INVALID'],
    ['is a page', '<html>\nNot found\n', 'METADATA_INVALID'],
    ['is JSON', '{"a": 1}', 'METADATA_INVALID'],
    ['goes on in the next line', checksums(`images/x = ${SUM}`, '  more'), 'METADATA_INVALID'],
    ['has a section twice', `${checksums(`a/x = ${SUM}`)}${checksums(`b/x = ${SUM}`)}`, 'METADATA_INVALID'],
    ['is too large', `${checksums(`images/x = ${SUM}`)}${'; x\n'.repeat(300_000)}`, 'METADATA_INVALID'],
    [
      'has too many files',
      checksums(...Array.from({ length: 501 }, (_, n) => `images/${n} = ${SUM}`)),
      'METADATA_INVALID',
    ],
    [
      'boots what it does not vouch for',
      `${checksums(`images/x = ${SUM}`)}[images-x86_64]\nkernel = images/vmlinuz\n`,
      'METADATA_INVALID',
    ],
    [
      'installs what it does not vouch for',
      `${checksums(`images/x = ${SUM}`)}[stage2]\nmainimage = images/evil.img\n`,
      'METADATA_INVALID',
    ],
    [
      'is no UTF-8',
      Buffer.concat([Buffer.from(checksums(`images/x = ${SUM}`)), Buffer.from([0xff])]),
      'METADATA_INVALID',
    ],
  ] as const)('a tree that %s', (_, text, code) => {
    expect(fault(() => readTreeinfo(Buffer.from(text), '.treeinfo'))).toBe(code);
  });

  it('__proto__ is a section like any other', () => {
    expect(fault(() => read('[__proto__]\na = b\n'))).toBe('METADATA_INVALID');
  });
});
