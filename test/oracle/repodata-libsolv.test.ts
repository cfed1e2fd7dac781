import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { decompressAll } from '../../src/repodata/compression.ts';
import { projectComps } from '../../src/repodata/comps.ts';
import { filelistsDocument } from '../../src/repodata/filelists.ts';
import { readModules, writeModules } from '../../src/repodata/modules.ts';
import { otherDocument } from '../../src/repodata/other.ts';
import { canonicalElement, primaryDocument } from '../../src/repodata/primary.ts';
import { projectUpdateinfo, readUpdateinfo } from '../../src/repodata/updateinfo.ts';
import { CORPUS, isSampled, oracle } from '../fixtures/oracle.ts';
import {
  corpusRepositories,
  document,
  elementsOf,
  joined,
  orAbsent,
  repomdOf,
  writeRepository,
} from '../fixtures/repodata.ts';
import { ALL, sampled } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const run = promisify(execFile);
const BIG = { maxBuffer: 1 << 30 };
const FRAMES = { primary: primaryDocument, filelists: filelistsDocument, other: otherDocument };

/** What names our own files and their times (sqlite's counts there). */
const DROPPED = /^repository:(?:repomd|timestamp):/;

/** All that libsolv knows of a repository, as text, line by line. */
async function libsolvReads(folder: string): Promise<string[]> {
  const solv = join(await tempDir(), 'repository.solv');
  await run('repo2solv', ['-F', '-X', '-o', solv, folder], BIG);
  const { stdout } = await run('dumpsolv', [solv], BIG);
  let dropped = true;
  return stdout.split('\n').filter((line) => {
    if (line.startsWith('repository:')) dropped = DROPPED.test(line);
    return !dropped && !line.includes(' size ');
  });
}

/** The upstream's own documents without its deltas, which are never carried: they change how libsolv orders lists. */
async function withoutDeltas(folder: string): Promise<string> {
  const repomd = await readFile(join(folder, 'repodata/repomd.xml'), 'utf8');
  const rest = repomd.replace(/<data type="deltainfo">.*?<\/data>/s, '');
  if (rest === repomd) return folder;
  const copy = join(await tempDir(), 'repodata');
  await mkdir(copy);
  for (const name of await readdir(join(folder, 'repodata'))) {
    if (name !== 'repomd.xml') await symlink(join(folder, 'repodata', name), join(copy, name));
  }
  await writeFile(join(copy, 'repomd.xml'), rest);
  return dirname(copy);
}

/** The repository written by us from the upstream's elements. */
async function rewritten(folder: string, how: 'gzip' | 'zstd'): Promise<{ ours: string; packages: number }> {
  const repomd = repomdOf(folder);
  const ours = await tempDir();
  const documents = new Map<string, Buffer>();
  let packages = 0;
  for (const type of ['primary', 'filelists', 'other'] as const) {
    const bytes = document(folder, repomd, type);
    if (bytes === undefined) continue;
    const elements = await elementsOf(bytes, 'package', type);
    if (type === 'primary') packages = elements.length;
    documents.set(
      type,
      joined(
        FRAMES[type](elements.length),
        elements.map((e) => canonicalElement(e, type)),
      ),
    );
  }
  const opened = async (type: string): Promise<Buffer | undefined> => {
    const bytes = document(folder, repomd, type);
    return bytes && (await decompressAll(bytes, { maxBytes: 2 ** 30, at: type }));
  };
  const updateinfo = await opened('updateinfo');
  if (updateinfo) {
    const all = projectUpdateinfo(await readUpdateinfo(chunksOf(updateinfo), 'updateinfo'), () => true);
    if (all) documents.set('updateinfo', all);
  }
  const modules = await opened('modules');
  if (modules) documents.set('modules', writeModules(readModules(modules, 'modules')));
  const comps = (await opened('group')) ?? (await opened('group_gz'));
  if (comps)
    documents.set(
      'group',
      projectComps(comps, () => true),
    );
  await writeRepository(ours, repomd, documents, how);
  return { ours, packages };
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let i = 0; i < bytes.length; i += 10_000) yield bytes.subarray(i, i + 10_000); // cuts elements anywhere
}

describe.skipIf(!CORPUS || !oracle('repo2solv'))(
  'libsolv reads from our documents what it reads from the upstream',
  () => {
    const some = corpusRepositories().filter(
      (path) => isSampled(path) && (ALL || !path.startsWith('rpmsphere')),
    );
    it.each(orAbsent(sampled(some, 5)))('%s', async (path) => {
      const folder = join(CORPUS ?? '', path);
      const { ours } = await rewritten(folder, path.length % 2 === 0 ? 'gzip' : 'zstd');
      const [theirs, mine] = await Promise.all([
        libsolvReads(await withoutDeltas(folder)),
        libsolvReads(ours),
      ]);
      const differs = theirs.findIndex((line, i) => line !== mine[i]);
      expect(
        differs < 0 ? [] : [theirs.slice(differs, differs + 5), mine.slice(differs, differs + 5)],
      ).toEqual([]);
      expect(mine.length).toBe(theirs.length);
    });
  },
);

describe.skipIf(!CORPUS || !oracle('dnf'))('dnf', () => {
  const modular = corpusRepositories().filter((path) => path.startsWith('centos-9-appstream-2025'));
  it.each(orAbsent(modular))('lists the same module streams and groups of %s', async (path) => {
    const folder = join(CORPUS ?? '', path);
    const { ours } = await rewritten(folder, 'zstd');
    const [theirs, mine] = await Promise.all([dnfLists(folder), dnfLists(ours)]);
    expect(mine).toEqual(theirs);
    expect(mine.filter((line) => /^nodejs +18 /.test(line))).toHaveLength(1);
  });

  async function dnfLists(folder: string): Promise<string[]> {
    const root = await tempDir();
    const dnf = async (...verb: string[]): Promise<string[]> => {
      const { stdout } = await run(
        'dnf',
        [
          ...['-q', '--installroot', root, '--setopt=reposdir=/nowhere', `--setopt=cachedir=${root}/cache`],
          ...[
            '--releasever=9',
            '--forcearch=x86_64',
            '--disableplugin=*',
            '--setopt=module_platform_id=platform:el9',
          ],
          ...[`--repofrompath=x,file://${folder}`, '--repo=x', ...verb],
        ],
        BIG,
      );
      return stdout.split('\n').filter((line) => line !== '');
    };
    return [...(await dnf('module', 'list')), ...(await dnf('group', 'list', '--hidden'))];
  }
});
