import { execFile, execFileSync } from 'node:child_process';
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readClientPins, readingsOf } from '../../src/manifest/client-pins.ts';
import { compileGlob, compileRegex } from '../../src/manifest/pattern.ts';
import type { WrittenHold } from '../../src/plan/importPins.ts';
import { importPins } from '../../src/plan/importPins.ts';
import { compareEvr } from '../../src/rpm/evr.ts';
import { formatNevra, type Nevra, parseNevra } from '../../src/rpm/nevra.ts';
import { oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { DEMO } from '../publish/demo.ts';

const SCRIPT = fileURLToPath(new URL('../fixtures/dnf-pins.py', import.meta.url));
const CASES = ALL ? 300 : 30;

interface Case {
  readonly excludes?: readonly string[];
  readonly locks?: readonly string[];
}

/** What dnf is left with of a repository that has every build of the demo. */
async function dnfLeaves(cases: readonly Case[]): Promise<string[][]> {
  const path = join(await tempDir(), 'base');
  cpSync(join(DEMO, 'packages/base'), path, { recursive: true });
  execFileSync('createrepo_c', ['-q', path]);
  return new Promise((resolve, reject) => {
    const child = execFile('/usr/bin/python3', [SCRIPT], { maxBuffer: 1 << 28 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(JSON.parse(stdout) as string[][]);
    });
    child.stdin?.end(JSON.stringify({ path, cases }));
  });
}

/** The builds, as their files are named (a file name has no epoch: dnf's own list of everything says it). */
function nevras(all: readonly string[]): Nevra[] {
  expect(all).toHaveLength(readdirSync(join(DEMO, 'packages/base')).length);
  return all.map((text) => parseNevra(text));
}

const importing = (
  kind: 'versionlock' | 'excludes',
  text: string,
  all: readonly Nevra[],
  target: readonly Nevra[],
) =>
  importPins({
    pins: readClientPins(kind, text, 'x').pins,
    parent: all,
    target,
    tier: 'stable',
    holds: [],
    reason: () => 'a test',
    owner: 'ops',
    together: false,
  });

function holds(written: readonly WrittenHold[], { name }: Nevra): boolean {
  return written.some(({ pattern }) =>
    ('match' in pattern ? compileRegex(pattern.match) : compileGlob(pattern.glob)).matches(name),
  );
}

/** One letter of every third pattern becomes a glob, or the tail does. */
const globbed = (text: string): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(text.length - 1), fc.constantFrom('', '', '?', '*', 'tail')).map(([at, how]) => {
    if (how === '') return text;
    return how === 'tail' ? `${text.slice(0, at + 1)}*` : `${text.slice(0, at)}${how}${text.slice(at + 1)}`;
  });

const patternsOf = (all: readonly Nevra[]) =>
  fc
    .tuple(fc.constantFrom(...all), fc.constantFrom('nevra', 'nevr', 'nev', 'na', 'name', 'epoch'))
    .chain(([{ name, evr, arch }, form]) => {
      const { epoch, version, release } = evr;
      const forms: Readonly<Record<string, string>> = {
        nevra: `${name}-${version}-${release}.${arch}`,
        epoch: `${name}-${epoch}:${version}-${release}.*`,
        nevr: `${name}-${version}-${release}`,
        nev: `${name}-${version}`,
        na: `${name}.${arch}`,
        name,
      };
      return globbed(forms[form] ?? name);
    });

it.skipIf(!oracle('dnf') || !oracle('createrepo_c'))(
  'exclude= hides from dnf what a hold keeps',
  async () => {
    const [everything = []] = await dnfLeaves([{}]);
    const all = nevras(everything);
    const patterns = [
      '*',
      '*.x86_64',
      '*.noarch',
      'harbor*',
      'kernel-c*e',
      'harbor-{tls,cron}',
      'harbor-tls-libs',
    ];
    patterns.push(...fc.sample(patternsOf(all), { numRuns: CASES, seed: 7 }));
    const left = await dnfLeaves(patterns.map((pattern) => ({ excludes: [pattern] })));
    const counts = { same: 0, wider: 0, refused: 0 };
    patterns.forEach((pattern, i) => {
      const hidden = new Set(all.map(full).filter((text) => !left[i]?.includes(text)));
      const { holds: written, accounts } = importing('excludes', `[main]\nexclude=${pattern}\n`, all, []);
      const [account] = accounts;
      const kept = new Set(all.filter((build) => holds(written, build)).map(full));
      if (account?.outcome === 'not taken') {
        counts.refused += 1;
        if (account.says === 'no package can have such a name') expect([...hidden], pattern).toEqual([]);
        else expect(pattern, account.says).toMatch(/^\*(\.|$)/);
      } else if (/a hold is of all/.test(account?.says ?? '')) {
        counts.wider += 1;
        expect(
          [...hidden].filter((text) => !kept.has(text)),
          pattern,
        ).toEqual([]);
        expect(kept.size, pattern).toBeGreaterThan(hidden.size);
      } else {
        counts.same += 1;
        expect([...kept].sort(), pattern).toEqual([...hidden].sort());
      }
    });
    expect(counts.same).toBeGreaterThan(5);
    expect(counts.wider).toBeGreaterThan(5);
  },
  60_000,
);

it.skipIf(!oracle('dnf') || !oracle('createrepo_c'))(
  'a lock lets dnf have what the tier then has',
  async () => {
    const [everything = []] = await dnfLeaves([{}]);
    const all = nevras(everything);
    const oldest = all.filter((b) => all.every((o) => o.name !== b.name || compareEvr(o.evr, b.evr) >= 0));
    const patterns = ['harbor-tls*-1:3.0.7-24.h9.*', 'gone-0:1-1.*', 'kernel*-6.1.0-12*'];
    patterns.push(
      ...fc.sample(patternsOf(all), { numRuns: CASES, seed: 11 }).filter((p) => !p.startsWith('*')),
    );
    const left = await dnfLeaves(patterns.map((pattern) => ({ locks: [pattern] })));
    let moved = 0;
    patterns.forEach((pattern, i) => {
      const { holds: written, builds, accounts } = importing('versionlock', `${pattern}\n`, all, oldest);
      expect(accounts, pattern).toHaveLength(1);
      const seen = (left[i] ?? []).map((text) => parseNevra(text));
      const hidden = all.filter((b) => !seen.some((o) => full(o) === full(b)));
      // dnf's plugin locks the names of readings that match nothing too: `kernel-modules`, read as version `modules` of
      // kernel, hides every kernel. That is nobody's wish, and `dnf versionlock add` writes no such line.
      const byMistake = readingsOf(pattern, 'versions').map(({ name }) => compileGlob(name));
      const missed = hidden.filter(
        (b) => !holds(written, b) && !byMistake.some((glob) => glob.matches(b.name)),
      );
      expect(missed.map(full), pattern).toEqual([]);
      for (const name of new Set(all.filter((b) => holds(written, b)).map((b) => b.name))) {
        const offered = seen.filter((b) => b.name === name);
        const best = offered.reduce<Nevra | undefined>(
          (a, b) => (a && compareEvr(a.evr, b.evr) >= 0 ? a : b),
          undefined,
        );
        const own = oldest.find((b) => b.name === name);
        const ours = builds.find((text) => parseNevra(text).name === name);
        if (ours !== undefined) moved += 1;
        if (best) expect(ours ?? (own && formatNevra(own)), pattern).toBe(formatNevra(best));
      }
    });
    expect(moved).toBeGreaterThan(10);
  },
  60_000,
);

function full({ name, evr, arch }: Nevra): string {
  return `${name}-${evr.epoch}:${evr.version}-${evr.release}.${arch}`;
}
