import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decompressAll } from '../../src/repodata/compression.ts';
import { type Relation, readPackage } from '../../src/repodata/primary.ts';
import { formatCapability } from '../../src/rpm/capability.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { corpusRepositories, document, elementsOf, orAbsent, repomdOf } from '../fixtures/repodata.ts';

const SETS = [
  'centos-9-appstream-2025-01',
  'centos-9-baseos/v1-2024-03',
  'opensuse-11.0-update',
  'pgdg13',
  'pgdg-common',
];
const RELATIONS_OF_LIBSOLV: readonly Relation[] = [
  'provides',
  'requires',
  'obsoletes',
  'conflicts',
  'recommends',
  'suggests',
];

/** One build as dumpsolv prints it: scalar fields, and lists of dependencies. */
interface Solvable {
  readonly fields: Map<string, string>;
  readonly lists: Map<string, string[]>;
}

function solvables(primary: Buffer): Solvable[] {
  const dump = execFileSync('sh', ['-c', 'rpmmd2solv | dumpsolv /dev/stdin'], {
    input: primary,
    maxBuffer: 1 << 30,
  });
  const found: Solvable[] = [];
  let list: string[] | undefined;
  for (const line of dump.toString('utf8').split('\n')) {
    const current = found.at(-1);
    if (/^solvable \d+ \(\d+\):$/.test(line)) found.push({ fields: new Map(), lists: new Map() });
    else if (current && line.startsWith('  ')) list?.push(line.slice(2));
    else if (current) {
      const [, key = '', value = ''] = /^solvable:([a-z]+):(?: (.*))?$/.exec(line) ?? [];
      list = value === '' && key !== '' ? [] : undefined;
      if (list) current.lists.set(key, list);
      else if (key) current.fields.set(key, value);
    }
  }
  return found;
}

/** libsolv parses rich dependencies and SUSE's `namespace:`; those have their own printed form. */
const isPlain = (text: string): boolean =>
  !/^\(|namespace:|^solvable:| [|&+] | (?:IF|UNLESS|WITH|ELSE) /.test(text);

describe.skipIf(!CORPUS || !oracle('rpmmd2solv'))('libsolv reads the same builds and dependencies', () => {
  it.each(orAbsent(corpusRepositories().filter((path) => SETS.includes(path))))('from %s', async (path) => {
    const folder = join(CORPUS ?? '', path);
    const bytes = document(folder, repomdOf(folder), 'primary') ?? Buffer.alloc(0);
    const theirs = solvables(await decompressAll(bytes, { maxBytes: 1 << 30, at: path }));
    const ours = (await elementsOf(bytes, 'package', path)).map((element) => readPackage(element, path));
    expect(ours.length).toBe(theirs.length);
    let compared = 0;
    for (const [i, mine] of ours.entries()) {
      const other = theirs[i];
      const name = mine.nevra.name;
      expect([name, mine.nevra.arch, formatEvr(mine.nevra.evr)]).toEqual(
        ['name', 'arch', 'evr'].map((field) => other?.fields.get(field)),
      );
      expect(other?.fields.get('checksum')).toContain(mine.checksum.hex);
      // libsolv makes provides of listed files that something requires, and drops a build's requirement of its own file.
      const ownFile = (text: string): boolean => text.startsWith('/') && mine.files.includes(text);
      const compares = (text: string): boolean => isPlain(text) && !ownFile(text);
      for (const relation of RELATIONS_OF_LIBSOLV) {
        const known = new Set((other?.lists.get(relation) ?? []).filter(compares));
        // This dumpsolv prints Debian's `<<` and `>>`.
        const read = mine[relation]
          .map((c) => formatCapability(c).replace(/ ([<>]) /, ' $1$1 '))
          .map((text) => text.replace(/^\(([^ ()]+)\)$/, '$1')) // a rich dependency on one name is that name
          .filter(compares);
        expect([...new Set(read)].sort(), `${name} ${relation}`).toEqual([...known].sort());
        compared += read.length;
      }
    }
    expect(compared).toBeGreaterThan(1000);
  });
});
