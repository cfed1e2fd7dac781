import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { formatRepositoryId, type RepositoryName } from '../../src/manifest/ids.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';
import type { Pin } from '../../src/manifest/snapshot.ts';
import { repofile } from '../../src/publish/repofile.ts';
import { verify } from '../../src/publish/verify.ts';
import { decompress, decompressAll } from '../../src/repodata/compression.ts';
import { cutElements } from '../../src/repodata/elements.ts';
import { canonicalElement, identify } from '../../src/repodata/primary.ts';
import { type PackageRecord, recordId } from '../../src/repodata/record.ts';
import { readRepomd } from '../../src/repodata/repomd.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { answerFile, serve } from '../fixtures/server.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { APPS, BASE, liveOf, pinned, takeDemo } from '../publish/demo.ts';
import {
  filesOf,
  LIVE,
  makeWorld,
  siteFile,
  snapshotOf,
  upstreamFile,
  type World,
} from '../publish/world.ts';

const run = promisify(execFile);
const MAX = { maxBuffer: 256 << 20 };

async function dnf(root: string, repos: string, ...args: string[]): Promise<string[]> {
  await mkdir(join(root, 'repos'), { recursive: true });
  const file = join(root, 'repos/test.repo');
  const before = await readFile(file, 'utf8').catch(() => '');
  if (before !== repos) await writeFile(file, repos); // a newer .repo file makes the cache stale
  const fixed = ['-q', '-y', '--installroot', join(root, 'root'), `--setopt=reposdir=${join(root, 'repos')}`];
  const more = [
    `--setopt=cachedir=${join(root, 'cache')}`,
    '--releasever=9',
    '--forcearch=x86_64',
    '--disableplugin=*',
  ];
  const { stdout } = await run('dnf', [...fixed, ...more, ...args], MAX);
  return stdout.split('\n').filter(Boolean);
}

function fileRepo(world: World, repository: RepositoryName): string {
  const id = formatRepositoryId(repository);
  return `[${id}]\nname=x\nbaseurl=${pathToFileURL(join(world.mirror, 'public', id)).href}/\ngpgcheck=0\nenabled=1\n`;
}

const NEVRA = '%{name}-%{epoch}:%{version}-%{release}.%{arch}';
const says = ({ nevra: { name, evr, arch } }: Pin) =>
  `${name}-${evr.epoch}:${evr.version}-${evr.release}.${arch}`;

/** The demo's two upstreams, and a team that has some of them: no newest kernel, no newest web server, one stream. */
async function demo(site = siteFile()) {
  const world = await makeWorld();
  const [base, apps] = [await takeDemo(world, BASE, 'after'), await takeDemo(world, APPS, 'after')];
  const mine = [
    pinned(
      base,
      'stable',
      ({ nevra }) => !(nevra.name.startsWith('kernel') && nevra.evr.release === '17.h9'),
    ),
    pinned(
      apps,
      'stable',
      ({ nevra }) => !['harbor-web'].includes(nevra.name) && !nevra.evr.version.startsWith('15.'),
      (document) => document.stream === '16',
    ),
  ] as const;
  const policies = { ...site, ...upstreamFile(), ...upstreamFile('', APPS) };
  world.main.commit(1_770_000_000, {
    ...policies,
    ...liveOf(base),
    ...liveOf(apps),
    ...mine[0].files,
    ...mine[1].files,
  });
  expect((await world.publish()).failed).toEqual([]);
  return { world, base, apps, mine, policies };
}

async function openDocument(folder: string, type: string): Promise<string> {
  const repomd = readRepomd(await readFile(join(folder, 'repodata/repomd.xml')), folder);
  const record = repomd.records.find((r) => r.type === type);
  if (!record) return '';
  return (
    await decompressAll(await readFile(join(folder, record.href)), { maxBytes: 1 << 30, at: type })
  ).toString();
}

/**
 * libsolv's own view of documents: each solvable as one text, attributes and their entries in order, without where
 * the file lies (which is ours to say).
 */
async function libsolvSees(documents: readonly (readonly [type: string, text: string])[]): Promise<string[]> {
  const folder = await tempDir();
  const solvables: string[] = [];
  for (const [type, text] of documents) {
    const [xml, solv] = [join(folder, type), join(folder, `${type}.solv`)];
    await writeFile(xml, text);
    const tool = { updateinfo: 'updateinfoxml2solv', group: 'comps2solv' }[type] ?? 'rpmmd2solv';
    await run('sh', ['-c', `${tool} < "${xml}" > "${solv}"`], MAX);
    const { stdout } = await run('dumpsolv', [solv], MAX);
    for (const block of stdout.split(/^solvable \d+ \(\d+\):$/m).slice(1)) {
      const attributes: string[][] = [];
      for (const line of block.split('\n').filter(Boolean)) {
        if (line.startsWith(' ')) attributes.at(-1)?.push(line.trim());
        else attributes.push([line]);
      }
      const told = attributes.filter(([name]) => !/^solvable:media/.test(name ?? ''));
      solvables.push(
        told
          .map(([name, ...entries]) => [name, ...entries.sort()].join(' | '))
          .sort()
          .join('\n'),
      );
    }
  }
  return solvables.sort();
}

/** File names of the builds that a patch of libsolv's is about. */
function filesOfPatch(block: string): string[] {
  return [...new Set([...block.matchAll(/update:collection:filename: (\S+)/g)].map(([, name = '']) => name))];
}

/** As the upstream names it. */
const fileOf = ({ nevra: { name, evr, arch } }: Pin) => `${name}-${evr.version}-${evr.release}.${arch}.rpm`;

/** What one list has and the other does not: short, also where the lists are long. */
function differences(ours: readonly string[], theirs: readonly string[]): string[] {
  const [a, b] = [new Set(ours), new Set(theirs)];
  return [
    ...ours.filter((x) => !b.has(x)).map((x) => `+ ${x}`),
    ...theirs.filter((x) => !a.has(x)).map((x) => `- ${x}`),
  ].slice(0, 5);
}

describe.skipIf(!oracle('dnf'))('dnf', () => {
  it('lists exactly what is pinned, from frames one after the other, in zstd and in gzip', async () => {
    for (const compression of ['zstd', 'gzip']) {
      const { world, mine } = await demo(
        siteFile(`mirrorUrl: http://x.example\ncompression: ${compression}\n`),
      );
      for (const { repository, pins } of mine) {
        const root = await tempDir();
        const listed = await dnf(
          root,
          fileRepo(world, repository),
          'repoquery',
          '--disable-modular-filtering',
          '--show-duplicates',
          '--qf',
          NEVRA,
        );
        expect(listed.sort()).toEqual(pins.map(says).sort());
        const files = await dnf(
          root,
          fileRepo(world, repository),
          'repoquery',
          '--disable-modular-filtering',
          '-l',
        );
        expect(files.some((line) => line.startsWith('/'))).toBe(true);
      }
    }
  });

  it('shows the streams that are pinned, the groups and the revision', async () => {
    const { world, mine, base, apps } = await demo();
    const root = await tempDir();
    const repos = mine.map(({ repository }) => fileRepo(world, repository)).join('\n');
    const streams = await dnf(root, repos, 'module', 'list');
    expect(streams.filter((l) => l.startsWith('harbor-db')).map((l) => l.split(/\s+/)[1])).toEqual(['16']);
    const info = await dnf(root, repos, 'repoinfo', formatRepositoryId(mine[0].repository));
    expect(info.join('\n')).toMatch(new RegExp(`Repo-revision *: ${world.main.commits[0]?.id}`));
    for (const { folder } of [base, apps]) {
      const comps = await readFile(join(folder, 'comps.xml'), 'utf8');
      for (const [, id] of comps.matchAll(/<group>\s*<id>([^<]+)</g)) {
        expect((await dnf(root, repos, 'group', 'info', id ?? '')).join('\n')).toMatch(/Mandatory|Default/);
      }
    }
  });

  it('follows the mirrorlist of our .repo file, installs, and still installs after a switch', async () => {
    // The server's URL is in the policy, so it comes first.
    const folder = await tempDir();
    let root = folder;
    const server = await serve(async (request, response) => {
      const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
      const bytes = await readFile(join(root, 'public', path)).catch(() => undefined);
      answerFile(
        request,
        response,
        bytes,
        `"${createHash('sha256')
          .update(bytes ?? '')
          .digest('hex')}"`,
      );
    });
    const { world, mine, policies, base } = await demo(siteFile(`mirrorUrl: ${server.url}\n`));
    root = world.mirror;
    const text = repofile({
      team: 'infra',
      tier: 'stable',
      repositories: mine.map(({ repository }) => repository),
      policies: loadPolicies(new Map(Object.entries(policies))),
    });
    const client = await tempDir();
    await dnf(client, text, 'makecache');
    // The next commit takes builds away; whoever read the metadata before still finishes.
    const less = pinned(base, 'stable', ({ nevra }) => nevra.name !== 'harbor-shell');
    world.main.commit(1_770_100_000, less.files);
    expect((await world.publish()).failed).toEqual([]);
    await dnf(client, text, 'install', 'harbor-shell');
    const installed = (await run('rpm', ['--root', join(client, 'root'), '-qa'])).stdout.split('\n');
    expect(installed.some((line) => line.startsWith('harbor-shell-5.1.8-9.h9'))).toBe(true);
    expect(server.requests.some(({ path }) => path.endsWith('/mirrorlist'))).toBe(true);
    expect(
      server.requests
        .filter(({ path }) => path.endsWith('.rpm'))
        .every(({ path }) => path.includes('/tree/')),
    ).toBe(true);
    const fresh = await tempDir();
    const listed = await dnf(fresh, text, 'repoquery', '--qf', '%{name}');
    expect(listed).not.toContain('harbor-shell');
    expect(listed).toContain('harbor-libc');
  });

  it('downloads from the upstream where the publication is thin', async () => {
    const world = await makeWorld();
    const base = await takeDemo(world, BASE, 'after');
    const packages = await serve(async (request, response) => {
      const name = (request.url ?? '').split('/').at(-1) ?? '';
      const bytes = await readFile(join(dirname(base.folder), '../../packages/base', name)).catch(
        () => undefined,
      );
      answerFile(request, response, bytes, '"x"');
    });
    const policy = upstreamFile('content: thin\n');
    const path = Object.keys(policy)[0] ?? '';
    const thin = {
      [path]: (policy[path] ?? '').replace(
        'https://upstream.example/9/base/x86_64/os/',
        `${packages.url}9/os/`,
      ),
    };
    world.main.commit(1_770_000_000, { ...siteFile(), ...thin, ...liveOf(base) });
    expect((await world.publish()).failed).toEqual([]);
    const client = await tempDir();
    await dnf(client, fileRepo(world, LIVE), 'install', 'harbor-libc');
    expect(packages.requests.some((r) => r.path.includes('/9/os/') && r.path.includes('harbor-libc-'))).toBe(
      true,
    );
  });
});

describe.skipIf(!oracle('rpmmd2solv'))('libsolv', () => {
  it('sees in live all that it sees in the upstream’s own metadata', async () => {
    const { world, base, apps } = await demo();
    for (const taken of [base, apps]) {
      const tree = join(world.mirror, 'public', formatRepositoryId(taken.repository));
      const types = ['primary', 'filelists', 'updateinfo', 'group'];
      const [ours, theirs] = [[], []] as [[string, string][], [string, string][]];
      for (const type of types) {
        const own = (await readdir(taken.folder)).find(
          (n) => n === (type === 'group' ? 'comps.xml' : `${type}.xml.gz`),
        );
        if (own === undefined) continue;
        const bytes = await decompressAll(await readFile(join(taken.folder, own)), {
          maxBytes: 1 << 30,
          at: own,
        });
        theirs.push([type, bytes.toString()]);
        ours.push([type, await openDocument(tree, type)]);
      }
      const [a, b] = [await libsolvSees(ours), await libsolvSees(theirs)];
      expect(b.length).toBeGreaterThan(taken.pins.length);
      // An advisory about builds that the upstream no longer lists says nothing about this repository.
      const pins = new Set(taken.pins.map(fileOf));
      const about = b.filter(
        (block) => !block.includes('update:collection') || filesOfPatch(block).some((n) => pins.has(n)),
      );
      expect(differences(a, about)).toEqual([]);
      expect(a.length).toBe(about.length);
    }
  });

  it('sees advisories of a team about what it pins, and about nothing else', async () => {
    const { world, mine, base } = await demo();
    const all = await libsolvSees([
      [
        'updateinfo',
        await openDocument(join(world.mirror, 'public', formatRepositoryId(BASE)), 'updateinfo'),
      ],
    ]);
    const folder = join(world.mirror, 'public', formatRepositoryId(mine[0].repository));
    const some = (await libsolvSees([['updateinfo', await openDocument(folder, 'updateinfo')]])).flatMap(
      filesOfPatch,
    );
    const pins = new Set(mine[0].pins.map(fileOf));
    const unpinned = new Set(base.pins.map(fileOf).filter((name) => !pins.has(name)));
    expect(all.flatMap(filesOfPatch).some((name) => unpinned.has(name))).toBe(true);
    expect(some.filter((name) => !pins.has(name))).toEqual([]);
    expect(some.length).toBeGreaterThan(2);
  });

  const AT_SIZE = join(CORPUS ?? '/nowhere', ALL ? 'centos-9-appstream-2025-01/repodata' : 'pgdg13/repodata');
  it.skipIf(CORPUS === undefined)(
    'and dnf read a thousand builds (17,649 in test:all) in many frames; verify finds every byte again',
    async () => {
      const name = (await readdir(AT_SIZE)).find((n) => n.includes('primary')) ?? '';
      const world = await makeWorld();
      const pins: Pin[] = [];
      const records: PackageRecord[] = [];
      const source = createReadStream(join(AT_SIZE, name)) as AsyncIterable<Buffer>;
      for await (const batch of cutElements(decompress(source, { maxBytes: 1 << 30, at: name }), 'package', {
        at: name,
      })) {
        for (const element of batch) {
          const primary = canonicalElement(Buffer.from(element));
          const { nevra, checksum, size } = identify(primary, name);
          const filelists = Buffer.from(
            `<package pkgid="${checksum.hex}" name="${nevra.name}" arch="${nevra.arch}">\n  <version epoch="${nevra.evr.epoch}" ver="${nevra.evr.version}" rel="${nevra.evr.release}"/>\n  <file>/usr/share/${nevra.name}</file>\n</package>`,
          );
          const record = { primary, filelists };
          records.push(record);
          pins.push({ nevra, checksum, size, record: recordId(record), withdrawn: false });
        }
      }
      await world.catalog.putRecords(records);
      // sparse files of the right size stand for packages that the corpus does not have
      for (const pin of pins) {
        const path = world.pool.path(pin.checksum);
        await mkdir(dirname(path), { recursive: true });
        await using file = await open(path, 'w');
        await file.truncate(pin.size);
        await chmod(path, 0o444);
      }
      const upstream = {
        timestamp: 1,
        repomd: { type: 'sha256', hex: '0'.repeat(64) } as const,
        documents: new Map(),
      };
      world.main.commit(1_770_000_000, {
        ...siteFile(),
        ...upstreamFile(),
        ...filesOf(snapshotOf(LIVE, [], { pins, upstream })),
      });
      expect((await world.publish()).failed).toEqual([]);
      const listed = await dnf(
        await tempDir(),
        fileRepo(world, LIVE),
        'repoquery',
        '--disable-modular-filtering',
        '--show-duplicates',
        '--qf',
        NEVRA,
      );
      const known = pins.filter((p) => ['x86_64', 'noarch', 'i686'].includes(p.nevra.arch));
      expect(new Set(listed)).toEqual(new Set(known.map(says)));
      const tree = join(world.mirror, 'public', formatRepositoryId(LIVE));
      const ours = await libsolvSees([['primary', await openDocument(tree, 'primary')]]);
      const theirs = await libsolvSees([
        [
          'primary',
          (
            await decompressAll(await readFile(join(AT_SIZE, name)), { maxBytes: 1 << 30, at: name })
          ).toString(),
        ],
      ]);
      expect(ours.length).toBe(theirs.length);
      expect(differences(ours, theirs)).toEqual([]);
      const verified = await verify({
        ...world,
        history: world.main.history(),
        pool: { ...world.pool, verify: async () => {} },
      });
      expect(verified.differences).toEqual([]);
    },
    300_000,
  );
});
