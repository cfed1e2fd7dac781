import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareEvr, formatEvr, parseEvr, vercmp } from '../../src/rpm/evr.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { chooser, mutate, randomVersion } from '../fixtures/versions.ts';
import { VERSIONS } from '../rpm/versions.ts';

type Pair = readonly [string, string];

/** rpm's answers to all pairs, from one process. It reads both as `[epoch:]version[-release]`. */
function askRpm(pairs: readonly Pair[]): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rpm-'));
  try {
    const file = join(folder, 'pairs');
    writeFileSync(file, pairs.map(([a, b]) => `${a}\t${b}\n`).join(''));
    const each = `for line in io.lines('${file}') do local a, b = line:match('^(.*)\\t(.*)$') io.write(rpm.vercmp(a, b), '\\n') end`;
    const out = execFileSync('rpm', ['--eval', `%{lua: ${each}}`], { encoding: 'utf8', maxBuffer: 1 << 24 });
    const answers = out
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
    expect(answers).toHaveLength(pairs.length);
    return answers;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The pairs on which we and rpm differ, with both answers. */
function differences(
  pairs: readonly Pair[],
  answers: readonly number[],
  ours: (a: string, b: string) => number,
) {
  return pairs.flatMap(([a, b], i) =>
    ours(a, b) === answers[i] ? [] : [{ a, b, ours: ours(a, b), rpm: answers[i] }],
  );
}

describe.skipIf(!oracle('rpm'))('rpm says the same of', () => {
  it('our table of versions', () => {
    const rows = VERSIONS.filter((row) => row.slice(0, 2).every((text) => /^[^-:]+$/.test(String(text))));
    expect(rows.length).toBeGreaterThan(28); // rpm is not asked of '', nor of what it would read as an EVR
    const answers = askRpm(rows.map(([a, b]) => [a, b]));
    expect(rows.map(([a, b], i) => [a, b, answers[i]])).toEqual(rows.map((row) => row.slice(0, 3)));
  });

  it('20,000 random pairs of versions', () => {
    const next = chooser(20_000);
    const pairs = Array.from({ length: 20_000 }, (): Pair => {
      const a = randomVersion(next);
      return [a, next(3) === 0 ? randomVersion(next) : mutate(a, next)];
    });
    const answers = askRpm(pairs);
    for (const order of [-1, 0, 1]) expect(answers.filter((x) => x === order).length).toBeGreaterThan(2_000);
    expect(differences(pairs, answers, vercmp)).toEqual([]);
  });

  it('5,000 random pairs of EVRs', () => {
    const next = chooser(5_000);
    const text = (version: string, release: string): string =>
      formatEvr({ epoch: next(2) * next(3), version, release });
    const pairs = Array.from({ length: 5_000 }, (): Pair => {
      const [version, release] = [randomVersion(next), randomVersion(next)];
      const other = next(2) === 0 ? version : mutate(version, next);
      return [text(version, release), text(other, mutate(release, next))];
    });
    const answers = askRpm(pairs);
    for (const order of [-1, 0, 1]) expect(answers.filter((x) => x === order).length).toBeGreaterThan(300);
    expect(differences(pairs, answers, (a, b) => compareEvr(parseEvr(a), parseEvr(b)))).toEqual([]);
  });
});

const table = join(CORPUS ?? '', 'cases/rpmvercmp.tsv');

it.skipIf(!CORPUS || !existsSync(table))("rpm's own table of versions", () => {
  const rows = readFileSync(table, 'utf8').trimEnd().split('\n').slice(1);
  expect(rows.length).toBeGreaterThan(80);
  for (const row of rows) {
    const [a = '', b = '', expected] = row.split('\t');
    expect([a, b, vercmp(a, b)]).toEqual([a, b, Number(expected)]);
  }
});
