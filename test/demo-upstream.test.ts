import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_REPOSITORIES, layDemoUpstream, listDemoPackages } from '../scripts/demoUpstream.ts';
import { byCodeUnit } from '../src/base/order.ts';
import { oracle } from './fixtures/oracle.ts';
import { sampled } from './fixtures/sample.ts';

const COMMITTED = fileURLToPath(new URL('fixtures/demo/', import.meta.url));
const BUILD = fileURLToPath(new URL('../scripts/build-demo-upstream', import.meta.url));
const STATES = ['before', 'after', 'later'] as const;

const dir = mkdtempSync(join(tmpdir(), 'demo-upstream-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.skipIf(!oracle('rpmbuild') || !oracle('createrepo_c'))('built anew', () => {
  const rebuilt = join(dir, 'rebuilt');
  const builtWith = (root: string) => readFileSync(join(root, 'built-with.txt'), 'utf8');

  beforeAll(() => {
    execFileSync(BUILD, [rebuilt], { stdio: ['ignore', 'ignore', 'inherit'] });
  });

  it('every package has the same content, and the same bytes from the same programs', () => {
    const [now, then] = [digestsBelow(join(rebuilt, 'packages')), digestsBelow(join(COMMITTED, 'packages'))];
    expect([...now.keys()]).toEqual([...then.keys()]);
    expect(contentOf(join(rebuilt, 'packages'), now)).toEqual(contentOf(join(COMMITTED, 'packages'), then));
    if (builtWith(rebuilt) === builtWith(COMMITTED)) expect(now).toEqual(then);
  });

  it('every document lists the same packages, and has the same bytes from the same programs', () => {
    const [now, then] = [digestsBelow(join(rebuilt, 'repodata')), digestsBelow(join(COMMITTED, 'repodata'))];
    const locations = (root: string, path: string) =>
      [...open(join(root, 'repodata', path)).matchAll(/<location href="([^"]+)"/g)].map((m) => m[1]).sort();
    for (const path of [...then.keys()].filter((p) => p.endsWith('primary.xml.gz'))) {
      expect(locations(rebuilt, path)).toEqual(locations(COMMITTED, path));
    }
    if (builtWith(rebuilt) === builtWith(COMMITTED)) expect(now).toEqual(then);
  });
});

describe.each(STATES)('laid in the state %s', (state) => {
  const root = join(dir, state);
  beforeAll(() => layDemoUpstream(root, state));

  it.each(DEMO_REPOSITORIES)('%s has what its metadata says, and nothing else', (repository) => {
    const tree = join(root, repository);
    const repomd = readFileSync(join(tree, 'repodata/repomd.xml'), 'utf8');
    const records = [...repomd.matchAll(/<checksum type="sha256">(\w+)<[\s\S]*?href="([^"]+)"/g)];
    expect(records.map(([, , href = '']) => basename(href)).sort()).toEqual(
      readdirSync(join(tree, 'repodata'))
        .filter((f) => f !== 'repomd.xml')
        .sort(),
    );
    for (const [, sum, href = ''] of records) expect(sha256(join(tree, href))).toBe(sum);

    const primary = open(join(tree, 'repodata/primary.xml.gz'));
    const listed = [...primary.matchAll(/pkgid="YES">(\w+)<[\s\S]*?<location href="Packages\/([^"]+)"/g)];
    expect(listed.map(([, , file]) => file).sort()).toEqual(readdirSync(join(tree, 'Packages')).sort());
    for (const [, sum, file = ''] of listed) expect(sha256(join(tree, 'Packages', file))).toBe(sum);
  });

  it('lists what states/*.txt says', async () => {
    const laid = DEMO_REPOSITORIES.flatMap((r) =>
      readdirSync(join(root, r, 'Packages')).map((f) => `${r}/${f}`),
    );
    expect(laid.sort()).toEqual((await listDemoPackages(state)).sort());
  });

  if (!sampled(STATES, 2).includes(state)) return; // seconds of dnf
  it.skipIf(!oracle('dnf'))('dnf sees every build', async () => {
    const hotfixes = DEMO_REPOSITORIES.map((r) => `--setopt=${r}.module_hotfixes=1`); // or streams are filtered out
    const seen = dnf(root, [
      ...hotfixes,
      'repoquery',
      '--available',
      '--qf',
      '%{name}-%{version}-%{release}.%{arch}.rpm\n',
    ]);
    const files = (await listDemoPackages(state)).map((path) => basename(path));
    expect(
      seen
        .split('\n')
        .filter((line) => line !== '')
        .sort(),
    ).toEqual(files.sort());
  });

  it.skipIf(!oracle('dnf'))('dnf finds no requirement that leaves the set', () => {
    expect(dnf(root, ['repoclosure'])).toBe('');
  });

  it.skipIf(!oracle('dnf') || process.getuid?.() !== 0)(
    'dnf installs the shell, and the wiki with its stream',
    () => {
      const target = join(dir, `root-${state}`);
      dnf(root, [
        '-y',
        '--nogpgcheck',
        `--installroot=${target}`,
        'install',
        'harbor-shell',
        'harbor-wiki',
        'kernel',
      ]);
      expect(existsSync(join(target, 'usr/bin/harbor-shell'))).toBe(true);
      const installed = execFileSync('rpm', ['--root', target, '-qa', '--qf', '%{NAME} %{VERSION}\n'], {
        encoding: 'utf8',
      });
      expect(installed).toMatch(state === 'before' ? /^harbor-db 15\.4$/m : /^harbor-db 15\.6$/m);
      expect(installed).toMatch(state === 'before' ? /^harbor-release 9\.0$/m : /^harbor-release 9\.1$/m);
    },
  );
});

it('a state laid over another one is that state', async () => {
  const over = join(dir, 'over');
  for (const state of STATES) await layDemoUpstream(over, state);
  expect(digestsBelow(over)).toEqual(digestsBelow(join(dir, 'later')));
});

describe.skipIf(!oracle('rpm'))('the story', () => {
  const evrs = async (state: (typeof STATES)[number], name: string) => {
    const found = [...(await builds(state)).entries()].filter(([nevra]) => nevra.startsWith(`${name} `));
    return found.map(([nevra]) => nevra.slice(name.length + 1)).sort(byCodeUnit);
  };

  it('brings one new name', async () => {
    const names = async (state: (typeof STATES)[number]) =>
      new Set([...(await builds(state)).keys()].map((n) => n.split(' ')[0]));
    expect([...(await names('after')).difference(await names('before'))]).toEqual(['harbor-audit']);
  });

  it('raises an epoch over a lower version', async () => {
    expect(await evrs('before', 'harbor-log')).toEqual(['8.2310-1.h9.x86_64']);
    expect(await evrs('after', 'harbor-log')).toEqual(['1:8.2102-3.h9.x86_64']);
  });

  it('has several builds of a name at once', async () => {
    expect(await evrs('after', 'harbor-cron')).toHaveLength(3);
    expect(await evrs('after', 'kernel-core')).toHaveLength(3);
  });

  it('pulls one build back', async () => {
    const history = await Promise.all(STATES.map((state) => evrs(state, 'harbor-edit')));
    expect(history).toEqual([['9.0-1.h9.x86_64'], ['9.1-1.h9.x86_64'], ['9.0-1.h9.x86_64']]);
  });

  it('labels what the module documents list, and nothing else', async () => {
    for (const state of STATES) {
      const labelled = [...(await builds(state))].filter(([, label]) => label !== '(none)');
      const documents = open(join(dir, state, 'apps/repodata/modules.yaml.gz')).split('...\n');
      for (const [nevra, label] of labelled) {
        const [name, evra] = nevra.split(' ');
        const [module, stream, version] = label.split(':');
        const document = documents.find((d) =>
          d.includes(`name: ${module}\n  stream: "${stream}"\n  version: ${version}\n`),
        );
        expect(document).toContain(`- ${name}-0:${evra}\n`);
      }
      const artifacts = documents.flatMap((d) => [...d.matchAll(/^ {4}- .*-0:/gm)]);
      expect(labelled).toHaveLength(artifacts.length);
    }
  });

  it('names the builds of its advisories as they are', async () => {
    const packages = [...(await builds('after')).keys()];
    for (const repository of DEMO_REPOSITORIES) {
      const xml = open(join(dir, 'after', repository, 'repodata/updateinfo.xml.gz'));
      const named = [
        ...xml.matchAll(/<package name="(.*?)" version="(.*?)" release="(.*?)" epoch="(.*?)" arch="(.*?)"/g),
      ];
      expect(named.length).toBeGreaterThan(0);
      for (const [, name, version, release, epoch, arch] of named) {
        if (name === 'harbor-shell') continue; // an older advisory, of a build that is no longer listed
        expect(packages).toContain(
          `${name} ${epoch === '0' ? '' : `${epoch}:`}${version}-${release}.${arch}`,
        );
      }
    }
  });
});

/** Each build of a state as `name [epoch:]version-release.arch`, with its modularity label. */
async function builds(state: (typeof STATES)[number]): Promise<Map<string, string>> {
  const files = (await listDemoPackages(state)).map((path) => join(COMMITTED, 'packages', path));
  const format = '%{NAME} %{EVR}.%{ARCH} %{MODULARITYLABEL}\n';
  const lines = execFileSync('rpm', ['-qp', '--nosignature', '--qf', format, ...files], { encoding: 'utf8' });
  return new Map(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]),
  );
}

/** What a package says and holds, as rpm reads it; `rpmlib()` requirements are the packager's, not the spec's. */
function contentOf(root: string, files: ReadonlyMap<string, string>): string[] {
  const format =
    '%{NEVRA} %{BUILDTIME} %{SOURCERPM} %{SUMMARY}\n[ requires %{REQUIRENEVRS}\n][ provides %{PROVIDENEVRS}\n][ file %{FILENAMES} %{FILEMODES:perms} %{FILEDIGESTS} %{FILEMTIMES}\n]';
  const paths = [...files.keys()].map((path) => join(root, path));
  const text = execFileSync('rpm', ['-qp', '--nosignature', '--qf', format, ...paths], { encoding: 'utf8' });
  return text.split('\n').filter((line) => !line.includes('rpmlib('));
}

/** dnf as a client that knows these two repositories and nothing else. */
function dnf(root: string, command: string[]): string {
  const options = [
    ...[
      '--quiet',
      '--releasever=9',
      '--forcearch=x86_64',
      '--setopt=reposdir=/dev/null',
      '--setopt=module_platform_id=platform:h9',
    ],
    ...[
      `--setopt=cachedir=${root}.cache`,
      `--setopt=logdir=${root}.log`,
      `--setopt=persistdir=${root}.persist`,
      '--disableplugin=local', // it would keep what is installed, and offer it to every later dnf of this machine
    ],
    ...DEMO_REPOSITORIES.map((r) => `--repofrompath=${r},file://${join(root, r)}`),
  ];
  return execFileSync('dnf', [...options, ...command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Path below the folder → sha256, in order of path. */
function digestsBelow(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.sort(byCodeUnit).map((path) => [path.slice(folder.length + 1), sha256(path)]));
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function open(gzipped: string): string {
  return gunzipSync(readFileSync(gzipped)).toString('utf8');
}
