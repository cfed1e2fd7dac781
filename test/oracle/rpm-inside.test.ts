import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readChunks } from '../../src/pool/disk.ts';
import { openRpm } from '../../src/rpm/header.ts';
import { type Inside, insideOf } from '../../src/rpm/inside.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const SETS = ['rpms-al2023', 'pgdg-signed-series', 'rpms-rpm-tests', 'rpms-rpm-rs'];
const UNCHECKED = ['-qp', '--nosignature', '--nodigest', '--qf'];
const SCRIPTS = {
  '%pre': 'PREIN',
  '%post': 'POSTIN',
  '%preun': 'PREUN',
  '%postun': 'POSTUN',
  '%pretrans': 'PRETRANS',
  '%posttrans': 'POSTTRANS',
  '%verify': 'VERIFYSCRIPT',
};
const FILES = [
  'FILENAMES',
  'FILEMODES',
  'FILEUSERNAME',
  'FILEGROUPNAME',
  'FILECAPS',
  'FILEDIGESTS',
  'FILELINKTOS',
  'FILEFLAGS',
];

async function ours(path: string): Promise<Inside | undefined> {
  try {
    const rpm = await openRpm(readChunks(path), path);
    await rpm.close();
    return insideOf(rpm.header, path);
  } catch {
    return undefined; // not a header that we read: oracle/rpm-headers holds that against rpm
  }
}

function rpm(format: string, path: string): string {
  return execFileSync('rpm', [...UNCHECKED, format, path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** What rpm says, in one answer: words, scripts, triggers and files, parted by bytes that none of them has. */
function theirs(path: string) {
  const script = Object.values(SCRIPTS).map((tag) => `[%{${tag}PROG} ]\x02%{${tag}}`);
  const triggers = ['', 'FILE', 'TRANSFILE'].map(
    (kind) => `[%%${kind.toLowerCase()}trigger%{${kind}TRIGGERTYPE} -- %{${kind}TRIGGERCONDS}\x02]`,
  );
  const files = `[${FILES.map((tag) => `%{${tag}}`).join('\x02')}\x03]`;
  const answer = rpm(['%{VENDOR}', '%{LICENSE}', ...script, ...triggers, files].join('\x01'), path).split(
    '\x01',
  );
  const absent = (text: string | undefined) => (text === '(none)' || text === undefined ? '' : text);
  const [vendor, license] = answer;
  const scripts = new Map<string, string>();
  for (const [i, name] of Object.keys(SCRIPTS).entries()) {
    const [program = '', text] = (answer[2 + i] ?? '').split('\x02');
    const interpreter = absent(program.trim());
    if (interpreter !== '' || absent(text) !== '') scripts.set(name, `${interpreter}\n${absent(text)}`);
  }
  const listed = answer.slice(2 + script.length, -1).flatMap((list) => list.split('\x02').slice(0, -1));
  const conditions = listed.filter((line) => !line.includes('(none)'));
  const found = new Map<string, string>();
  for (const line of (answer.at(-1) ?? '').split('\x03').slice(0, -1)) {
    const [name = '', mode, user, group, capabilities, digest, link, flags] = line.split('\x02');
    const isDirectory = (Number(mode) & 0o170000) === 0o040000;
    if (name === '(none)' || isDirectory || (Number(flags) & 64) !== 0) continue;
    found.set(
      name,
      [Number(mode) & 0xffff, user, group, absent(capabilities), absent(digest) || absent(link)].join('|'),
    );
  }
  return { vendor: absent(vendor), license: absent(license), scripts, conditions, files: found };
}

async function compare(path: string): Promise<boolean> {
  const inside = await ours(path);
  if (!inside) return false;
  const expected = theirs(path);
  const scripts = [...(inside.scripts ?? [])];
  const isTrigger = (name: string) => /^%\w*trigger/.test(name);
  expect(new Map(scripts.filter(([name]) => name in SCRIPTS)), path).toEqual(expected.scripts);
  expect(
    scripts.flatMap(([name]) => (isTrigger(name) ? [name] : [])),
    path,
  ).toEqual(expected.conditions);
  const files = [...inside.files].map(([name, f]) => {
    return [name, [f?.mode, f?.user, f?.group, f?.capabilities, f?.content].join('|')] as const;
  });
  expect(new Map(files), path).toEqual(expected.files);
  expect({ vendor: inside.vendor, license: inside.license }, path).toEqual({
    vendor: expected.vendor,
    license: expected.license,
  });
  return true;
}

describe.skipIf(!CORPUS || !oracle('rpm'))('rpm sees the same inside of every package of', () => {
  it.each(SETS)('%s', async (set) => {
    const folder = join(CORPUS ?? '', set);
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.rpm'))
      .map((name) => join(folder, name));
    let compared = 0;
    for (const path of paths.filter((_, i) => process.env['SLUICE_CORPUS'] === 'all' || i % 3 === 0)) {
      if (await compare(path)) compared += 1;
    }
    expect(compared).toBeGreaterThan(4);
  });
});

const SPEC = `
Name: inside
Version: 1.0
Release: 1
Summary: all that a package can run
License: MIT and more
Vendor: Acme
BuildArch: noarch
%description
A test.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc
echo a > %{buildroot}/usr/bin/a
ln -s a %{buildroot}/usr/bin/b
touch %{buildroot}/etc/ghost
%pretrans
echo pretrans
%pre
echo pre
%post -p /bin/true
%preun
echo preun
%postun
echo "postun; \`id\`"
%posttrans
echo posttrans
%verifyscript
echo verify
%triggerin -- bash < 5, zsh
echo trigger
%triggerun -- bash
echo un
%triggerpostun -- fish >= 2:1.0-3
echo postun
%filetriggerin -- /usr/lib /usr/share
cat
%transfiletriggerpostun -- /etc
true
%files
%attr(4755, root, daemon) %caps(cap_net_raw=ep) /usr/bin/a
/usr/bin/b
%ghost /etc/ghost
%dir %attr(2775, root, mail) /etc
`;

describe.skipIf(!oracle('rpmbuild'))('and of one that rpmbuild made with every kind of script', () => {
  it('it names each as a spec does', async () => {
    const top = await tempDir();
    mkdirSync(join(top, 'SPECS'));
    writeFileSync(join(top, 'SPECS', 'inside.spec'), SPEC);
    execFileSync('rpmbuild', ['-bb', '--define', `_topdir ${top}`, join(top, 'SPECS', 'inside.spec')], {
      stdio: 'ignore',
    });
    const path = join(top, 'RPMS', 'noarch', 'inside-1.0-1.noarch.rpm');
    expect(existsSync(path)).toBe(true);
    expect(await compare(path)).toBe(true);
    const inside = await ours(path);
    expect([...(inside?.scripts?.keys() ?? [])].sort()).toEqual([
      '%filetriggerin -- /usr/lib, /usr/share',
      '%post',
      '%posttrans',
      '%postun',
      '%pre',
      '%pretrans',
      '%preun',
      '%transfiletriggerpostun -- /etc',
      '%triggerin -- bash < 5, zsh',
      '%triggerpostun -- fish >= 2:1.0-3',
      '%triggerun -- bash',
      '%verify',
    ]);
    expect(inside?.files.get('/usr/bin/a')).toMatchObject({ mode: 0o104755, group: 'daemon' });
    expect([...(inside?.files.keys() ?? [])]).toEqual(['/usr/bin/a', '/usr/bin/b']);
  });
});
