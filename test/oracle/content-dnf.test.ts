import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import type { Checksum } from '../../src/base/checksum.ts';
import { formatRepositoryId, type RepositoryName } from '../../src/manifest/ids.ts';
import type { Pin } from '../../src/manifest/snapshot.ts';
import { decompressAll, once } from '../../src/repodata/compression.ts';
import { type ModuleDocument, readModules, writeModules } from '../../src/repodata/modules.ts';
import { canonicalElement, identify, primaryDocument } from '../../src/repodata/primary.ts';
import { type PackageRecord, recordId } from '../../src/repodata/record.ts';
import { readUpdateinfo } from '../../src/repodata/updateinfo.ts';
import { formatNevra, type Nevra, parseNevra } from '../../src/rpm/nevra.ts';
import { readServed, served } from '../fixtures/clientSets.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { document, joined, repomdOf, writeRepository } from '../fixtures/repodata.ts';
import { header, int32, rpmBytes, tags, text, texts } from '../fixtures/rpmFile.ts';
import { ALL, sampled } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { APPS, BASE, liveOf, pinned, takeDemo } from '../publish/demo.ts';
import { filesOf, LIVE, makeWorld, siteFile, snapshotOf, upstreamFile } from '../publish/world.ts';

const run = promisify(execFile);
const corpus = (path: string) => join(CORPUS ?? '/nowhere', path);

/** A vendor's repository: elements of primary.xml, and its other documents as text. */
interface Vendor {
  readonly repo: string;
  readonly elements: readonly Buffer[];
  readonly documents: Readonly<Partial<Record<'modules' | 'updateinfo' | 'group', Buffer>>>;
}

/** Which builds and streams of a vendor a tier has. */
interface Tier {
  readonly has: (nevra: Nevra) => boolean;
  readonly streams?: (document: ModuleDocument) => boolean;
}

/** Folders of each vendor as it is, and as a tier of ours is published. */
async function published(
  vendors: readonly Vendor[],
  tier: Tier,
): Promise<{ theirs: string[]; ours: string[] }> {
  const world = await makeWorld();
  const [theirs, ours]: [string[], string[]] = [[], []];
  const files: Record<string, string> = { ...siteFile() };
  for (const { repo, elements, documents } of vendors) {
    const folder = await tempDir();
    const all = new Map([['primary', joined(primaryDocument(elements.length), elements)]]);
    for (const [type, bytes] of Object.entries(documents)) all.set(type, bytes);
    await writeRepository(folder, { tags: { content: [], repo: [], distro: [] }, records: [] }, all, 'gzip');
    theirs.push(folder);
    const repository: RepositoryName = { ...LIVE, repo };
    const records = elements.map((e): PackageRecord => ({ primary: canonicalElement(Buffer.from(e)) }));
    await world.catalog.putRecords(records);
    const pins = records.map((record): Pin => {
      const { nevra, checksum, size } = identify(record.primary, repo);
      return { nevra, checksum, size, record: recordId(record), withdrawn: false };
    });
    const sums = new Map<string, Checksum>();
    for (const [type, bytes] of Object.entries(documents)) sums.set(type, await world.document(bytes));
    const streams = documents.modules ? readModules(documents.modules, repo).filter((d) => d.nsvca) : [];
    const modulesOf = (of: readonly ModuleDocument[]) =>
      new Map(of.map((d) => [d.nsvca as string, d.digest]));
    const upstream = {
      timestamp: 1,
      repomd: { type: 'sha256', hex: '0'.repeat(64) } as const,
      documents: sums,
    };
    const mine: RepositoryName = { ...repository, team: 'infra', tier: 'stable' };
    Object.assign(files, upstreamFile('content: thin\n', repository));
    Object.assign(
      files,
      filesOf(snapshotOf(repository, [], { pins, modules: modulesOf(streams), upstream })),
    );
    const own = pins.filter(({ nevra }) => tier.has(nevra));
    const modules = modulesOf(streams.filter(tier.streams ?? (() => true)));
    Object.assign(files, filesOf(snapshotOf(mine, [], { pins: own, modules })));
    ours.push(join(world.mirror, 'public', formatRepositoryId(mine)));
  }
  world.main.commit(1_770_000_000, files);
  expect((await world.publish()).failed).toEqual([]);
  return { theirs, ours };
}

/** One host's dnf over these repositories, which have the same ids whoever serves them. */
class Host {
  readonly #dir: string;
  readonly #repos: string[];

  private constructor(dir: string, folders: readonly string[]) {
    this.#dir = dir;
    this.#repos = folders.flatMap((folder, n) => ['--repofrompath', `repo${n},file://${folder}`]);
  }

  /** `installed`: what its rpm database says, without a file on the disk. */
  static async of(folders: readonly string[], installed: readonly Nevra[] = []): Promise<Host> {
    const dir = await tempDir();
    const packages: string[] = [];
    for (const [n, { name, evr, arch }] of installed.entries()) {
      const own = [
        texts(1047, [name]),
        int32(1112, 8),
        texts(1113, [`${evr.epoch}:${evr.version}-${evr.release}`]),
      ];
      const said = {
        name: text(1000, name),
        version: text(1001, evr.version),
        release: text(1002, evr.release),
        epoch: int32(1003, evr.epoch),
        arch: text(1022, arch),
      };
      packages.push(join(dir, `${n}.rpm`));
      await writeFile(packages[n] as string, rpmBytes({ header: header(63, tags(said, own)) }).bytes);
    }
    await mkdir(join(dir, 'root'));
    const plainly = ['--justdb', '--nodeps', '--nodigest', '--nosignature', '--ignorearch', '--ignoreos'];
    if (packages.length > 0) await run('rpm', ['--root', join(dir, 'root'), ...plainly, '-i', ...packages]);
    return new Host(dir, folders);
  }

  async installed(): Promise<string[]> {
    const { stdout } = await run('rpm', ['--root', join(this.#dir, 'root'), '-qa']);
    return stdout.split('\n').filter(Boolean).sort();
  }

  /** Lines, but for those about which repository says it; sorted, because dnf's order is that of its tables. */
  async dnf(...args: string[]): Promise<string[]> {
    const own = [
      ...['-q', '-y', '--disableplugin=*', '--releasever=9', '--forcearch=x86_64', '--nogpgcheck'],
      ...[
        `--installroot=${this.#dir}/root`,
        '--setopt=reposdir=/nowhere',
        `--setopt=cachedir=${this.#dir}/cache`,
      ],
      ...[`--setopt=logdir=${this.#dir}`, '--setopt=module_platform_id=platform:el9', ...this.#repos],
    ];
    const env = { ...process.env, LC_ALL: 'C', COLUMNS: '400' };
    const { stdout } = await run('dnf', [...own, ...args], { maxBuffer: 1 << 28, env });
    return stdout
      .split('\n')
      .map((line) => line.trimEnd())
      .filter(Boolean);
  }
}

/** The same question to both, at once. */
function both(theirs: Host, ours: Host, ...args: string[]): Promise<string[][]> {
  return Promise.all([theirs.dnf(...args), ours.dnf(...args)]);
}

/** A document of a repository of the corpus, opened. */
async function open(folder: string, type: string): Promise<Buffer> {
  const bytes = document(folder, repomdOf(folder), type);
  if (!bytes) throw new Error(`${folder} has no ${type}`);
  return await decompressAll(bytes, { maxBytes: 1 << 28, at: type });
}

/** Of `dnf module list`: name, stream with its marks, profiles and summary, without the width of columns. */
function streamsIn(lines: readonly string[]): string[] {
  const rows = lines.filter((line) => !/^(?:Name|Hint:|repo\d|Last metadata)/.test(line));
  return [...new Set(rows.map((line) => line.replace(/\s+/g, ' ')))].sort();
}

const key = (row: string) => row.split(' ').slice(0, 2).join(':');

/** Packages are unpacked in a root of their own: chroot(2) is root's. */
const root = process.getuid?.() === 0;

describe.skipIf(!oracle('dnf') || !root)('dnf module install', () => {
  it('from a tier of one of two streams installs what the original installs', async () => {
    const vendor = join(await tempDir(), 'vendor');
    await layDemoUpstream(vendor, 'after');
    const world = await makeWorld();
    const [base, apps] = [await takeDemo(world, BASE, 'after'), await takeDemo(world, APPS, 'after')];
    const mine = [
      pinned(base, 'stable', () => true),
      pinned(
        apps,
        'stable',
        ({ nevra }) => !nevra.evr.version.startsWith('15.'),
        ({ stream }) => stream === '16',
      ),
    ];
    const policies = { ...siteFile(), ...upstreamFile(), ...upstreamFile('', APPS) };
    const tiers = Object.assign({}, ...mine.map(({ files }) => files));
    world.main.commit(1_770_000_000, { ...policies, ...liveOf(base), ...liveOf(apps), ...tiers });
    expect((await world.publish()).failed).toEqual([]);
    const folders = mine.map(({ repository }) =>
      join(world.mirror, 'public', formatRepositoryId(repository)),
    );
    const theirs = await Host.of(['base', 'apps'].map((name) => join(vendor, name)));
    const ours = await Host.of(folders);
    const platform = '--setopt=module_platform_id=platform:h9';
    const [all = [], list = []] = (await both(theirs, ours, platform, 'module', 'list')).map(streamsIn);
    expect(list).toEqual(all.filter((row) => key(row) === 'harbor-db:16'));
    expect(all.length).toBeGreaterThan(list.length);
    await both(theirs, ours, platform, 'module', 'install', 'harbor-db:16');
    const [installed = [], ourInstalled] = await Promise.all([theirs.installed(), ours.installed()]);
    expect(installed.some((line) => line.startsWith('harbor-db-16.'))).toBe(true);
    expect(ourInstalled).toEqual(installed);
  });
});

describe.skipIf(!oracle('dnf') || CORPUS === undefined)('dnf module', () => {
  it('of AppStream: what a tier has of its 31 documents is listed and told as from the original', async () => {
    const path = corpus('centos-9-appstream-2025-01');
    const modules = readModules(await open(path, 'modules'), path);
    const artifacts = modules.flatMap((d) => d.artifacts.map((a) => formatNevra(parseNevra(a))));
    const { elements } = ALL
      ? await readServed('appstream', path)
      : served('appstream', [...new Set(artifacts)]);
    const vendor: Vendor = { repo: 'base', elements, documents: { modules: writeModules(modules) } };
    const left = new Set(modules.filter((d) => d.name === 'nodejs' && d.stream !== '22').map((d) => d.nsvca));
    const gone = new Set(
      modules
        .filter((d) => left.has(d.nsvca))
        .flatMap((d) => d.artifacts.map((a) => formatNevra(parseNevra(a)))),
    );
    const { theirs, ours } = await published([vendor], {
      has: (nevra) => !gone.has(formatNevra(nevra)),
      streams: (d) => !left.has(d.nsvca),
    });
    const [vendors, mine] = [await Host.of(theirs), await Host.of(ours)];
    const [all = [], own = []] = (await both(vendors, mine, 'module', 'list')).map(streamsIn);
    expect(own).toEqual(all.filter((row) => key(row) === 'nodejs:22' || !row.startsWith('nodejs ')));
    expect(own.length).toBeGreaterThan(10);
    const streams = [
      ...new Set(modules.filter((d) => d.nsvca && !left.has(d.nsvca)).map((d) => `${d.name}:${d.stream}`)),
    ];
    for (const how of sampled([[], ['--profile']], 2)) {
      const [theirInfo, ourInfo] = await both(
        vendors,
        mine,
        'module',
        'info',
        ...how,
        ...sampled(streams, 3),
      );
      expect(ourInfo).toEqual(theirInfo);
    }
    await expect(mine.dnf('module', 'info', 'nodejs:18')).rejects.toThrow(/No matching Modules/);
    if (!ALL) return;
    // What a client sees once a stream is enabled.
    await both(vendors, mine, 'module', 'enable', 'nodejs:22', 'ruby:3.3');
    const query = ['repoquery', '--queryformat', '%{name}-%{epoch}:%{version}-%{release}.%{arch}'];
    const [seen = [], ourSight] = await both(vendors, mine, ...query);
    expect(ourSight).toEqual(seen.filter((line) => !gone.has(formatNevra(parseNevra(line)))));
  });

  it('of Fedora 29: whole, and with the streams of a module in several repositories', async () => {
    const documents = readModules(await readFile(corpus('modules/f29.yaml')), 'f29.yaml');
    const named = documents.filter((d) => d.kind === 'modulemd');
    const beside = documents.filter((d) => d.kind !== 'modulemd');
    const part = (n: number) => [...named.filter((_, i) => i % 3 === n), ...beside];
    const vendor = (repo: string, of: readonly ModuleDocument[]): Vendor => ({
      repo,
      elements: served(
        repo,
        of.flatMap((d) => d.artifacts.slice(0, 1).map((a) => formatNevra(parseNevra(a)))),
      ).elements,
      documents: { modules: writeModules(of) },
    });
    const whole = [vendor('base', documents)];
    const split = [0, 1, 2].map((n) => vendor(`part${n}`, part(n)));
    const names = [...new Set(named.map((d) => d.name as string))];
    const lists: string[][] = [];
    for (const vendors of [whole, split]) {
      const { theirs, ours } = await published(vendors, { has: () => true });
      const [them, us] = [await Host.of(theirs), await Host.of(ours)];
      const [original, list = []] = (await both(them, us, 'module', 'list')).map(streamsIn);
      expect(list).toEqual(original);
      lists.push(list);
      if (vendors === whole) continue;
      const [info, ourInfo] = await both(them, us, 'module', 'info', ...names);
      expect(ourInfo).toEqual(info);
    }
    expect(lists[1]).toEqual(lists[0]);
    expect(lists[0]?.length).toBeGreaterThan(30);
  });
});

/** Builds that advisories name for these clients, of some names, as elements of primary.xml. */
async function advised(path: string): Promise<{ builds: Nevra[]; vendor: Vendor; count: number }> {
  const updateinfo = await decompressAll(await readFile(corpus(path)), { maxBytes: 1 << 28, at: path });
  const advisories = await readUpdateinfo(once(updateinfo), path);
  const named = advisories.flatMap((a) => a.packages.map((p) => p.nevra));
  const fitting = named.filter(({ arch }) => arch === 'x86_64' || arch === 'noarch');
  const names = new Set(sampled([...new Set(fitting.map(({ name }) => name))], 15));
  const builds = new Map(fitting.filter(({ name }) => names.has(name)).map((n) => [formatNevra(n), n]));
  const { elements } = served('base', [...builds.keys()]);
  return {
    builds: [...builds.values()],
    vendor: { repo: 'base', elements, documents: { updateinfo } },
    count: advisories.length,
  };
}

describe.skipIf(!oracle('dnf') || CORPUS === undefined)('dnf updateinfo', () => {
  it.each([
    ['advisories/oracle-linux-updateinfo.xml.gz', 2494, []],
    ['advisories/rhel-updateinfo.xml', 427, ['--security', '--sec-severity', 'Critical']],
  ])('of %s: a tier says what the original says of what is there', async (path, count, how) => {
    const { builds, vendor, count: found } = await advised(path);
    expect(found).toBe(count);
    const digit = (n: Nevra) => createHash('sha256').update(formatNevra(n)).digest()[0] ?? 0;
    const has = (n: Nevra) => digit(n) % 2 === 0;
    const { theirs, ours } = await published([vendor], { has });
    const names = [...new Map(builds.map((n) => [`${n.name}.${n.arch}`, n])).values()];
    const old = names.map((n) => ({ ...n, evr: { epoch: 0, version: '0', release: '0' } }));
    const [vendors, mine] = [await Host.of(theirs, old), await Host.of(ours, old)];
    const there = new Set(builds.filter(has).map(rpmName));
    const isThere = (line: string) => there.has(line.split(/\s+/).at(-1) ?? '');
    const rows = (lines: readonly string[]) => lines.map((line) => line.replace(/\s+/g, ' ')).sort();
    const [all = [], own = []] = await both(vendors, mine, 'updateinfo', 'list', ...how);
    const expected = all.filter(isThere);
    expect(expected.length).toBeGreaterThan(30);
    expect(all.length).toBeGreaterThan(expected.length * 1.3);
    expect(rows(own)).toEqual(rows(expected));
    if (how.length === 0 && !ALL) return; // of Fedora's, which Oracle once took over: no severity, no CVE
    // What is told of one, with all of its words, and which ones a CVE leads to.
    const [id = ''] = (expected[0] ?? '').split(/\s+/);
    const [info = [], ourInfo] = await both(vendors, mine, 'updateinfo', 'info', '--advisory', id);
    expect(info.join('\n')).toContain(id);
    expect(ourInfo).toEqual(info);
    const cve = /CVE-\d{4}-\d{4,}/.exec(info.join('\n'))?.[0];
    if (cve === undefined) return;
    const [byCve = [], ourByCve = []] = await both(vendors, mine, 'updateinfo', 'list', '--cve', cve);
    expect(rows(ourByCve)).toEqual(rows(byCve.filter(isThere)));
    expect(ourByCve.length).toBeGreaterThan(0);
  });
});

/** As dnf prints builds: the epoch only where it is not 0, in front of the version. */
function rpmName({ name, evr, arch }: Nevra): string {
  return `${name}-${evr.epoch === 0 ? '' : `${evr.epoch}:`}${evr.version}-${evr.release}.${arch}`;
}

describe.skipIf(!oracle('dnf') || CORPUS === undefined)('dnf group', () => {
  it('of AppStream: groups, environments and langpacks as from the original, without what the tier lacks', async () => {
    const path = corpus('centos-9-appstream-2025-01');
    const group = await open(path, 'group');
    const text = group.toString();
    const names = new Set([...text.matchAll(/<packagereq[^>]*>([^<]+)</g)].map(([, name = '']) => name));
    const { elements } = served(
      'appstream',
      [...names].map((name) => `${name}-1-1.x86_64`),
    );
    const vendor: Vendor = { repo: 'base', elements, documents: { group } };
    const { theirs, ours } = await published([vendor], { has: ({ name }) => name !== 'mod_ssl' });
    const [vendors, mine] = [await Host.of(theirs), await Host.of(ours)];
    const [list, ourList] = await both(vendors, mine, 'group', 'list', '--ids');
    expect(ourList).toEqual(list);
    const ids = [...text.matchAll(/<(?:group|environment)>\s*<id>([^<]+)</g)].map(([, id = '']) => id);
    expect(ids.length).toBeGreaterThan(20);
    const [told = [], ourWords] = await both(vendors, mine, 'group', 'info', ...ids);
    expect(told.some((line) => line.trim() === 'mod_ssl')).toBe(true);
    expect(ourWords).toEqual(told.filter((line) => line.trim() !== 'mod_ssl'));
  });
});
