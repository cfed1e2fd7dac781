import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareEvr } from '../../src/rpm/evr.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { Asked } from '../fixtures/scenario.ts';
import { type Job, readScenario } from '../fixtures/testtags.ts';

const TABLE = new URL('libsolv.md', import.meta.url);
const FOLDER = join(CORPUS ?? '', 'cases/libsolv/testcases');

const ROWS = [...readFileSync(TABLE, 'utf8').matchAll(/^\| (\S+\.t) \| (\w+) \| (.+) \|$/gm)].map(
  ([, path = '', question = '', why = '']) => ({ path, question, why }),
);

const hasProblem = ({ answer }: Job): boolean => answer.some((line) => /^(?:problem|proof) /.test(line));

/** Each question, of one job; what is returned is what we answer otherwise than libsolv. */
const QUESTIONS: Readonly<Record<string, (asked: Asked, job: Job) => string[]>> = {
  resolves: (asked, job) => {
    const ours = asked.resolves(job).kind;
    const theirs = hasProblem(job) ? 'no' : 'yes';
    return [...(ours === theirs ? [] : [`${theirs}, not ${ours}`]), ...closed(asked, job)];
  },
  closed,
  conflicts: (asked, job) => {
    const named = job.answer.filter((line) => line.startsWith('install ')).map((line) => line.slice(8));
    const erased = new Set(
      job.answer.filter((line) => line.startsWith('erase ')).map((l) => l.split(' ')[1]),
    );
    expect(erased.size).toBeGreaterThan(0);
    const coming = named.map((text) => asked.build(text));
    return asked.installed.flatMap((build) => {
      const goes = asked.together(job, [...coming, build]).kind === 'no';
      return goes === erased.has(asked.text(build))
        ? []
        : [`${asked.text(build)} ${goes ? 'goes' : 'stays'}`];
    });
  },
  rules: (asked, job) => {
    const rules = rulesOf(asked, job);
    expect(rules.length).toBeGreaterThan(0);
    const builds = [...new Set(rules.flat().map((literal) => Math.abs(literal) - 1))];
    return subsets(builds).flatMap((chosen) => {
      const theirs = rules.every((rule) => rule.some((l) => chosen.includes(Math.abs(l) - 1) === l > 0));
      const ours = asked.together(job, chosen).kind === 'yes';
      return ours === theirs ? [] : [`${chosen.map((build) => asked.text(build)).join(', ')}: ${ours}`];
    });
  },
  order: (_, { answer }) => {
    expect(answer.length).toBeGreaterThan(0);
    return answer.filter((line) => {
      const [, a = '', sign = '', b = ''] = /^job noop provides (\S+) ([<=>]) (\S+)$/.exec(line) ?? [];
      const evr = (version: string) => ({ epoch: 0, version, release: '0' });
      return ['<', '=', '>'][compareEvr(evr(a), evr(b)) + 1] !== sign;
    });
  },
};

function closed(asked: Asked, job: Job): string[] {
  return asked.isClosed(job).kind === 'yes' ? [] : ['what libsolv leaves is not closed'];
}

/** libsolv's rules about packages, each a list of builds plus one, denied ones negative. */
function rulesOf(asked: Asked, job: Job): number[][] {
  const rules = new Map<string, number[]>();
  for (const line of job.answer) {
    const [, id = '', sign, text = ''] = /^rule pkg (\w+) +(-?)(\S+)$/.exec(line) ?? [];
    if (id === '') continue;
    const literal = (asked.build(text) + 1) * (sign === '-' ? -1 : 1);
    rules.set(id, [...(rules.get(id) ?? []), literal]);
  }
  return [...rules.values()];
}

function subsets(of: readonly number[]): number[][] {
  return Array.from({ length: 2 ** of.length }, (_, bits) =>
    of.filter((_, place) => (bits >> place) % 2 === 1),
  );
}

describe.skipIf(CORPUS === undefined)('libsolv.md', () => {
  it('has every scenario once, with a reason', () => {
    expect(ROWS.map(({ path }) => path)).toEqual(globSync('**/*.t', { cwd: FOLDER }).sort());
    expect(ROWS).toHaveLength(113);
  });

  it('asks something of nearly all of them', () => {
    const silent = ROWS.filter(({ question }) => QUESTIONS[question] === undefined);
    expect(silent.every(({ question }) => question === 'none')).toBe(true);
    expect(silent.length).toBeLessThan(12);
  });
});

describe.skipIf(CORPUS === undefined)('our answer is that of libsolv', () => {
  it.each(ROWS.filter(({ question }) => question !== 'none'))('$path: $question', ({ path, question }) => {
    const scenario = readScenario(join(FOLDER, path));
    const asked = new Asked(scenario);
    for (const [n, job] of scenario.jobs.entries()) {
      expect({ job: n + 1, differs: QUESTIONS[question]?.(asked, job) }).toEqual({ job: n + 1, differs: [] });
    }
  });
});
