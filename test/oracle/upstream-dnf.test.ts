import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { formatChecksum } from '../../src/base/checksum.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { emptyMirror } from '../upstream/mirrorOf.ts';
import { policyOf } from '../upstream/policyOf.ts';

const run = promisify(execFile);
const SETS = [
  'pgdg13',
  'pgdg-common',
  'rpmsphere-series/v4-2025-02-03-10e0007',
  'elrepo-series/002-2021-04-14-7da1e93b',
];

/** Every build that dnf sees, with its size, location and source package. */
async function dnfSees(folder: string): Promise<string[]> {
  const root = await tempDir();
  const format = '%{name}|%{epoch}|%{version}|%{release}|%{arch}|%{downloadsize}|%{location}|%{sourcerpm}';
  const { stdout } = await run(
    'dnf',
    [
      '-q',
      '--installroot',
      root,
      '--setopt=reposdir=/nowhere',
      `--setopt=cachedir=${root}/cache`,
      '--releasever=9',
      '--forcearch=x86_64',
      `--repofrompath=x,${pathToFileURL(folder).href}`,
      '--repo=x',
      '--disableplugin=*',
      'repoquery',
      '--show-duplicates',
      '--queryformat',
      format,
    ],
    { maxBuffer: 64 << 20 },
  );
  return stdout.split('\n').filter(Boolean).sort();
}

it.skipIf(!CORPUS || !oracle('dnf')).each(SETS.filter((path) => !CORPUS || existsSync(join(CORPUS, path))))(
  'dnf reads the same from %s',
  async (path) => {
    const folder = join(CORPUS ?? '', path);
    const mirror = await emptyMirror();
    const policy = policyOf(pathToFileURL(folder).href);
    const { state } = await mirror.fetched(policy);
    const { builds } = await readUpstream(mirror.catalog, policy, state);
    const seen = new Set(await dnfSees(folder));
    const known = builds.map(({ pin, href, sourceRpm }) => {
      const { name, evr, arch } = pin.nevra;
      return [name, evr.epoch, evr.version, evr.release, arch, pin.size, href, sourceRpm ?? '(none)'].join(
        '|',
      );
    });
    const missing = [...seen].filter((line) => !known.includes(line));
    expect(missing).toEqual([]);
    // dnf leaves out what another arch cannot install, and no more.
    const unseen = builds.filter((_, n) => !seen.has(known[n] ?? ''));
    expect(
      unseen
        .filter(({ pin }) => ['x86_64', 'noarch'].includes(pin.nevra.arch))
        .map(({ pin }) => formatChecksum(pin.checksum)),
    ).toEqual([]);
    expect(seen.size).toBeGreaterThan(30);
  },
);
