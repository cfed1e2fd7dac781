import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Capability, type Flags, formatCapability, overlaps } from '../../src/rpm/capability.ts';
import { oracle } from '../fixtures/oracle.ts';
import { chooser, mutate, type Next, randomVersion } from '../fixtures/versions.ts';
import { capability, RANGES } from '../rpm/ranges.ts';

type Pair = readonly [provide: Capability, require: Capability];

const FLAGS: readonly Flags[] = ['LT', 'LE', 'EQ', 'GE', 'GT'];
const PYTHON = '/usr/bin/python3'; // the system's own, which has rpm's binding because dnf needs it

/** Half of the pairs differ in nothing but operator and release: there the answer hangs on the finer rules. */
function randomPairs(count: number): Pair[] {
  const next = chooser(count);
  return Array.from({ length: count }, (): Pair => {
    const version = next(2) ? `1.${next(3)}` : randomVersion(next);
    const other = next(3) ? version : mutate(version, next);
    return [randomRange(version, next), randomRange(other, next)];
  });
}

function randomRange(version: string, next: Next): Capability {
  if (next(30) === 0) return { name: 'a' };
  return {
    name: 'a',
    flags: FLAGS[next(FLAGS.length)],
    epoch: [undefined, undefined, 0, 1, 2][next(5)],
    version,
    release: [undefined, undefined, '1', '2', '1.el9'][next(5)],
  };
}

const pairs: readonly Pair[] = [
  ...RANGES.map(([provide, require]): Pair => [capability(provide), capability(require)]),
  ...randomPairs(6_000),
];

/** The pairs on which an oracle and we differ, as people would write them. */
function differences(theirs: readonly boolean[]): string[] {
  expect(theirs).toHaveLength(pairs.length);
  for (const answer of [true, false])
    expect(theirs.filter((x) => x === answer).length).toBeGreaterThan(1_000);
  return pairs.flatMap(([provide, require], i) =>
    overlaps(provide, require) === theirs[i]
      ? []
      : [`${formatCapability(provide)} | ${formatCapability(require)}: ${theirs[i]}`],
  );
}

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rpm-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One package that provides and one that requires for each pair, in a repository for libsolv. */
function repository(): string {
  const entry = (c: Capability, name: string): string => {
    const part = (key: string, value: string | number | undefined): string =>
      value === undefined ? '' : ` ${key}="${value}"`;
    const evr = part('epoch', c.epoch) + part('ver', c.version) + part('rel', c.release);
    return `<rpm:entry name="${name}"${part('flags', c.flags)}${evr}/>`;
  };
  const element = (name: string, inside: string): string =>
    `<package type="rpm"><name>${name}</name><arch>x86_64</arch><version epoch="0" ver="1" rel="1"/>` +
    `<checksum type="sha256" pkgid="YES">${Buffer.from(name).toString('hex').padStart(64, '0')}</checksum>` +
    `<location href="${name}.rpm"/><format>${inside}</format></package>\n`;
  const packages = pairs.map(
    ([provide, require], i) =>
      element(`p${i}`, `<rpm:provides>${entry(provide, `a${i}`)}</rpm:provides>`) +
      element(`r${i}`, `<rpm:requires>${entry(require, `a${i}`)}</rpm:requires>`),
  );
  const namespaces =
    'xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<metadata ${namespaces} packages="${2 * pairs.length}">\n${packages.join('')}</metadata>\n`;
}

const LIBSOLV = ['rpmmd2solv', 'testsolv'].every(oracle);

it.skipIf(!LIBSOLV)('libsolv says which of 6,000 requirements are met', () => {
  const out = inFolder((folder) => {
    const options = { cwd: folder, maxBuffer: 1 << 26 };
    const solv = execFileSync('rpmmd2solv', { ...options, input: repository() });
    writeFileSync(join(folder, 'pairs.solv'), solv);
    const jobs = pairs.map((_, i) => `job install name r${i} [weak]\n`); // what cannot be installed is left out
    writeFileSync(
      join(folder, 'pairs.t'),
      `repo pairs 0 solv pairs.solv\nsystem x86_64 rpm\n${jobs.join('')}result transaction,problems <inline>\n`,
    );
    return execFileSync('testsolv', ['-r', 'pairs.t'], options).toString();
  });
  const met = new Set([...out.matchAll(/^install r(\d+)-/gm)].map(([, i]) => Number(i)));
  expect(out).not.toContain('problem');
  expect(differences(pairs.map((_, i) => met.has(i)))).toEqual([]);
});

/** True when the system's Python has rpm's binding; like `oracle`, in CI it is an error when it has not. */
function rpmBinding(): boolean {
  if (!oracle('dnf')) return false;
  const found = spawnSync(PYTHON, ['-c', 'import rpm']).status === 0;
  if (!found && process.env['CI'])
    throw new Error(`${PYTHON} has no rpm binding, which dnf should have brought along`);
  return found;
}

describe.skipIf(!rpmBinding())("rpm's own rpmds", () => {
  it('says which of 6,000 pairs overlap', () => {
    const script = `
import rpm, sys
SENSE = {'<': rpm.RPMSENSE_LESS, '=': rpm.RPMSENSE_EQUAL, '>': rpm.RPMSENSE_GREATER}
def ds(text):
    name, operator, evr = (text.split(' ') + ['', ''])[:3]
    return rpm.ds((name, sum(SENSE[c] for c in operator), evr), rpm.RPMTAG_PROVIDENAME)
for line in sys.stdin:
    provide, require = line.rstrip('\\n').split('|')
    print(int(ds(provide).Compare(ds(require))))
`;
    const input = pairs.map((pair) => `${pair.map(formatCapability).join('|')}\n`).join('');
    const out = execFileSync(PYTHON, ['-c', script], { input, encoding: 'utf8' });
    expect(
      differences(
        out
          .trimEnd()
          .split('\n')
          .map((line) => line === '1'),
      ),
    ).toEqual([]);
  });
});
