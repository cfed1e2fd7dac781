import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { groupBy } from '../../src/base/order.ts';
import { Requirements } from '../../src/plan/requirements.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { pkgidOf, plainFilesOf } from '../../src/repodata/filelists.ts';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { readPackage } from '../../src/repodata/primary.ts';
import { archesFor } from '../../src/rpm/arches.ts';
import { compareEvr, formatEvr } from '../../src/rpm/evr.ts';
import { nameArch } from '../../src/rpm/nevra.ts';
import { CORPUS, isSampled, oracle } from '../fixtures/oracle.ts';
import { corpusRepositories, document, elementsOf, repomdOf, writeRepository } from '../fixtures/repodata.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const run = promisify(execFile);

/** What a normal run asks: one of each kind. */
const OFTEN = ['arrjay-series/036', 'azurelinux-series/005', 'opensuse-11.0-update', 'pgdg-signed-series/v3'];

/** The corpus's repositories, each alone, and two that belong together. */
const SETS = [
  ...corpusRepositories()
    .filter((path) => path !== 'empty-repo-signed')
    .filter(isSampled)
    .filter((path) => ALL || OFTEN.some((start) => path.startsWith(start)))
    .map((path) => [path]),
  ['centos-9-baseos/v1-2024-03', 'centos-9-appstream-2025-01'],
];

interface Repository {
  readonly id: string;
  readonly folder: string;
  /** Its builds' numbers in the index. */
  readonly builds: readonly number[];
}

/** A set of repositories as we read it and as dnf can: without what the corpus lacks of them. */
async function load(paths: readonly string[]) {
  const index = new PackageIndex();
  const repositories: Repository[] = [];
  const filelists: [string, Buffer[]][] = [];
  const byId = new Map<string, number>();
  for (const [i, path] of paths.entries()) {
    const from = join(CORPUS ?? '', path);
    const repomd = repomdOf(from);
    const documents = new Map<string, Buffer>();
    for (const type of ['primary', 'filelists']) {
      const bytes = document(from, repomd, type);
      if (bytes === undefined) continue;
      const open = await decompressAll(bytes, { maxBytes: 2 ** 31, at: path });
      if (type === 'primary') {
        const builds: number[] = [];
        for (const element of await elementsOf(bytes, 'package', path)) {
          const { checksum } = readPackage(element, path);
          builds.push(index.add(element, path));
          byId.set(`${i} ${checksum.hex}`, builds.at(-1) as number);
        }
        repositories.push({ id: `repository${i}`, folder: await tempDir(), builds });
      } else {
        const elements = await elementsOf(bytes, 'package', path);
        if (elements.length !== repositories[i]?.builds.length) continue; // cut off by who kept it
        filelists.push([String(i), elements]);
      }
      documents.set(type, open);
    }
    await writeRepository(repositories[i]?.folder ?? '', repomd, documents, 'gzip');
  }
  const wanted = requiredPaths(index);
  for (const [i, elements] of filelists) {
    for (const element of elements) {
      const build = byId.get(`${i} ${pkgidOf(element)}`);
      const files = [...plainFilesOf(element)].filter((file) => wanted.has(file));
      if (build !== undefined && files.length > 0) index.addFiles(build, files);
    }
  }
  return { index, repositories };
}

function requiredPaths(index: PackageIndex): Set<string> {
  const paths = new Set<string>();
  for (let build = 0; build < index.size; build += 1) {
    for (const number of index.relation(build, 'requires')) {
      const { name } = index.capability(number);
      if (name.startsWith('/')) paths.add(name);
    }
  }
  return paths;
}

/** dnf's list, one line each: `name-evr.arch from repository: requirement`. */
async function repoclosure(repositories: readonly Repository[], ...options: string[]): Promise<Set<string>> {
  const dir = await tempDir();
  await mkdir(join(dir, 'log'));
  const own = [
    '-q',
    '--disableplugin=local',
    `--installroot=${join(dir, 'root')}`,
    `--setopt=reposdir=${join(dir, 'none')}`,
    `--setopt=cachedir=${join(dir, 'cache')}`,
    `--setopt=logdir=${join(dir, 'log')}`,
    '--setopt=module_platform_id=platform:el9',
    '--releasever=9',
    '--forcearch=x86_64',
    ...repositories.flatMap(({ id, folder }) => [
      `--repofrompath=${id},file://${folder}`,
      `--setopt=${id}.module_hotfixes=1`,
    ]),
  ];
  const printed = await run('dnf', [...own, 'repoclosure', ...options], {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 1 << 28,
  }).then(
    ({ stdout }) => stdout,
    (failed: { stdout: string; stderr: string }) => {
      if (!/Repoclosure ended with unresolved dependencies/.test(failed.stderr)) throw failed;
      return failed.stdout;
    },
  );
  const lines = new Set<string>();
  let build = '';
  for (const line of printed.split('\n')) {
    const named = /^package: (.*)$/.exec(line);
    if (named) build = named[1] ?? '';
    else if (line.startsWith('    ') && !/^ {4}\(/.test(line) && !/\.(?:no)?src from /.test(build))
      lines.add(`${build}: ${line.slice(4)}`);
  }
  return lines;
}

/** What repoclosure prints of a build; `dnf`'s own text of a package leaves an epoch of 0 out. */
function unsatisfied(
  { index, repositories }: { index: PackageIndex; repositories: readonly Repository[] },
  newestOnly: boolean,
): Set<string> {
  const requirements = new Requirements(index);
  const checked = repositories.map((r) => (newestOnly ? newest(index, r.builds) : r.builds));
  const available = newestOnly ? newest(index, checked.flat()) : checked.flat();
  const set = new Uint8Array(index.size);
  const arches = archesFor('x86_64');
  for (const build of available) if (arches.includes(index.nevra(build).arch)) set[build] = 1;
  const lines = new Set<string>();
  for (const [i, builds] of checked.entries()) {
    for (const build of builds) {
      if (/^(?:no)?src$/.test(index.nevra(build).arch)) continue;
      for (const requirement of requirements.of(build)) {
        if (requirements.isRich(requirement) || requirements.isMet(requirement, set)) continue;
        const { name, evr, arch } = index.nevra(build);
        lines.add(
          `${name}-${formatEvr(evr)}.${arch} from ${repositories[i]?.id}: ${requirements.text(requirement)}`,
        );
      }
    }
  }
  return lines;
}

function newest(index: PackageIndex, builds: readonly number[]): number[] {
  const evr = (build: number) => index.nevra(build).evr;
  return [...groupBy(builds, (build) => nameArch(index.nevra(build))).values()].flatMap((group) => {
    const best = group.reduce((a, b) => (compareEvr(evr(b), evr(a)) > 0 ? b : a));
    return group.filter((build) => compareEvr(evr(build), evr(best)) === 0);
  });
}

describe.skipIf(!CORPUS || !oracle('dnf'))('what nobody provides is what dnf repoclosure lists', () => {
  it.each(SETS.map((paths) => ({ paths, title: paths.join(' with ') })))('$title', async ({ paths }) => {
    const set = await load(paths);
    for (const [newestOnly, options] of [
      [false, []],
      [true, ['--newest', '--best']],
    ] as const) {
      if (paths.length > 1 && !newestOnly && !ALL) continue; // ten seconds of dnf

      const ours = unsatisfied(set, newestOnly);
      const theirs = await repoclosure(set.repositories, ...options);
      expect([...ours.difference(theirs)].sort(), 'only ours').toEqual([]);
      expect([...theirs.difference(ours)].sort(), "only dnf's").toEqual([]);
    }
  });
});
