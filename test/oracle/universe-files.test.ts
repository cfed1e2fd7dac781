import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadUniverse } from '../../src/flows/universe.ts';
import { makeSnapshot } from '../../src/manifest/snapshot.ts';
import { filelistsDocument, filesOf } from '../../src/repodata/filelists.ts';
import { primaryDocument } from '../../src/repodata/primary.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import {
  document,
  elementsOf,
  joined,
  packageElement,
  repomdOf,
  writeRepository,
} from '../fixtures/repodata.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { LIVE } from '../manifest/samples.ts';
import { emptyMirror } from '../upstream/mirrorOf.ts';
import { policyOf } from '../upstream/policyOf.ts';

const run = promisify(execFile);
const PYTHON = '/usr/bin/python3'; // the system's own, which has dnf

/** Of every path that any build of a repository requires: the builds that own or provide it, as dnf sees them. */
const ASK_DNF = `
import dnf, json, sys
url, cache = sys.argv[1:]
base = dnf.Base()
base.conf.cachedir = cache
base.conf.installroot = cache
base.conf.substitutions.update(arch='x86_64', basearch='x86_64', releasever='9')
base.repos.add_new_repo('x', base.conf, baseurl=[url], module_hotfixes=True)
base.fill_sack(load_system_repo=False)
everything = base.sack.query().available()
paths = {str(r).split(' ')[0] for p in everything for r in p.requires if str(r).startswith('/')}
say = lambda p: '%s-%s%s-%s.%s' % (p.name, '' if p.epoch == 0 else '%d:' % p.epoch, p.version, p.release, p.arch)
print(json.dumps({path: sorted({say(p) for how in ('file', 'provides') for p in everything.filter(**{how: path})}) for path in paths}))
`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const plainName = (text: string): boolean => /^[!-~]+$/.test(text);

/** The repository with one build more, which requires some hundred paths of all kinds, from all over the filelists. */
async function withAsker(path: string): Promise<{ folder: string; asked: readonly string[] }> {
  const source = join(CORPUS ?? '', path);
  const repomd = repomdOf(source);
  const read = async (type: string): Promise<Buffer[]> =>
    await elementsOf(document(source, repomd, type) ?? Buffer.alloc(0), 'package', path);
  const [primary, filelists] = [await read('primary'), await read('filelists')];
  const all = filelists.flatMap((element) => filesOf(element)).filter(plainName);
  const step = Math.floor(all.length / 100);
  const asked = [
    ...new Set(all.filter((file, i) => i % step === 0 || file.includes('&'))),
    '/usr/share/nowhere',
  ];
  const entries = asked.map((file) => `<rpm:entry name="${escaped(file)}"/>`);
  const asker = packageElement({
    name: '<name>asker</name>',
    format: `<rpm:requires>${entries.join('')}</rpm:requires>`,
  });
  const list = Buffer.from(
    `<package pkgid="${'4f'.repeat(32)}" name="asker" arch="x86_64"><version epoch="1" ver="3.0.7" rel="28.el9"/></package>`,
  );
  const folder = await tempDir();
  const documents = new Map([
    ['primary', joined(primaryDocument(primary.length + 1), [...primary, asker])],
    ['filelists', joined(filelistsDocument(filelists.length + 1), [...filelists, list])],
  ]);
  await writeRepository(folder, repomd, documents, 'gzip');
  return { folder, asked };
}

const SETS = ['centos-9-baseos/v1-2024-03', ...(ALL ? ['rpmsphere-series/v1-2024-10-29-16fc42e'] : [])];

it.skipIf(!CORPUS || !oracle('dnf')).each(SETS)(
  'dnf finds the same owners of every required path of %s',
  async (path) => {
    const { folder, asked } = await withAsker(path);
    const url = pathToFileURL(folder).href;
    const [{ stdout }, mirror] = await Promise.all([
      run(PYTHON, ['-c', ASK_DNF, url, await tempDir()], { maxBuffer: 64 << 20 }),
      emptyMirror(),
    ]);
    const policy = policyOf(url);
    const { state } = await mirror.fetched(policy);
    const { builds } = await readUpstream(mirror.catalog, policy, state);
    const snapshot = makeSnapshot({ repository: LIVE, from: 'x', pins: builds.map(({ pin }) => pin) });
    const { index, files } = await loadUniverse(mirror.catalog, [snapshot]);
    const ours: Record<string, string[]> = {};
    for (const number of index.distinct('requires')) {
      if (!index.isPath(number)) continue;
      const owners = [...index.satisfiersOf(number)].map((build) => {
        const { name, evr, arch } = index.nevra(build);
        return `${name}-${formatEvr(evr)}.${arch}`;
      });
      ours[index.capability(number).name] = owners
        .filter((text) => /\.(?:x86_64|i686|noarch)$/.test(text))
        .sort();
    }
    expect(ours).toEqual(JSON.parse(stdout));
    expect(files?.asked.size).toBeGreaterThan(50);
    expect(asked.filter((file) => ours[file]?.length).length).toBe(asked.length - 1);
  },
);
