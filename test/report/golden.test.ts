import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.ts';
import { body, jobSummary } from '../../src/report/body.ts';
import { digest } from '../../src/report/digest.ts';
import { BODY_LIMIT, JOB_SUMMARY_LIMIT, TITLE_LIMIT } from '../../src/report/limits.ts';
import { urgent } from '../../src/report/sections.ts';
import { title } from '../../src/report/title.ts';
import { hostile, small, upstream } from './bodies.ts';
import { advisory, FROM, GITHUB, planOf, wave } from './plans.ts';
import { expectWellFormed } from './well-formed.ts';

function facts(plan: Plan) {
  const text = body(plan, FROM, GITHUB);
  expectWellFormed(text);
  expect(text.length).toBeLessThanOrEqual(BODY_LIMIT);
  expect(title(plan).length).toBeLessThanOrEqual(TITLE_LIMIT);
  for (const { what } of digest(plan).attention) expect(text).toContain(`| **${what}** |`);
  return {
    title: title(plan),
    units: text.length,
    sha256: createHash('sha256').update(text).digest('hex'),
    headings: text.split('\n').filter((line) => /^###|^<details>|^… and/.test(line)),
  };
}

/** Made once: the first import has 17,649 builds and some. */
const IMPORT = wave(7_100, { verb: 'init' });
const WAVE = wave(4_000, { eyes: 80 });

describe('the body of a pull request, as committed beside this test', () => {
  it.each([
    ['small', small()],
    ['upstream', upstream()],
    ['hostile', hostile()],
  ] as const)('%s', async (name, plan) => {
    const text = body(plan, FROM, GITHUB);
    expectWellFormed(text);
    expect(text.length).toBeLessThanOrEqual(BODY_LIMIT);
    await expect(`${title(plan)}\n\n${text}`).toMatchFileSnapshot(`golden/${name}.md`);
  });

  it('of 500 and 4,000 source packages and of a first import: within the limit, all that need eyes there', async () => {
    const large = {
      500: facts(wave(500, { eyes: 12 })),
      4000: facts(WAVE),
      'first import of 17,649': facts(IMPORT),
    };
    await expect(`${JSON.stringify(large, null, 2)}\n`).toMatchFileSnapshot('golden/large.json');
  });

  it('has all of 4,000 in the summary of a job', () => {
    const text = jobSummary(WAVE, FROM);
    expectWellFormed(text);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(JOB_SUMMARY_LIMIT);
    expect(text).toContain('| package-03999 |');
    expect(text).not.toContain('… and');
    const most = jobSummary(IMPORT, FROM);
    expect(Buffer.byteLength(most)).toBeLessThanOrEqual(JOB_SUMMARY_LIMIT);
  });
});

it('a severe fix stands in the body by the very words that end the rest of a pull request; a first import has none', () => {
  const plan = small();
  const words = urgent(digest(plan));
  expect(words.length).toBeGreaterThan(0);
  for (const word of words) expect(body(plan, FROM, GITHUB)).toContain(word);
  expect(urgent(digest(IMPORT))).toEqual([]);
});

it('a forge without commands, boxes and labels gets none', () => {
  const text = body(small(), FROM);
  expect(text).not.toMatch(/`\/sluice|- \[ \]|stop-updating/);
  expect(body(small(), FROM, GITHUB)).toMatch(/`\/sluice drop NAME`[\s\S]*- \[ \] <!-- sluice:rebuild -->/);
});

it('routine rows go first, then advisories; what needs eyes only where it does not fit by itself, and that is said', () => {
  const at = (plan: Plan, bodyLimit: number) => body(plan, FROM, { ...GITHUB, bodyLimit });
  const plan = wave(300, { eyes: 20 });
  const [rows, fixes] = [/^\| package-\d+ \| \d/gm, /^\| \[RLSA/gm];
  const counts = [60_000, 16_000, 6_500, 3_300].map((limit) => {
    const text = at(plan, limit);
    expectWellFormed(text);
    expect(text.length).toBeLessThanOrEqual(limit);
    const eyes = (text.match(/^\| \*\*package/gm) ?? []).length;
    return { eyes, fixes: (text.match(fixes) ?? []).length, rows: (text.match(rows) ?? []).length };
  });
  const all = digest(plan).security.length;
  expect(counts[0]).toMatchObject({ eyes: 20, fixes: all });
  expect(counts[1]).toMatchObject({ eyes: 20, fixes: all });
  expect(counts[1]?.rows).toBeLessThan(counts[0]?.rows ?? 0);
  expect(counts[2]).toMatchObject({ eyes: 20, rows: 0 });
  expect(counts[2]?.fixes).toBeLessThan(all);
  expect(counts[3]).toMatchObject({ fixes: 0, rows: 0 });
  expect(counts[3]?.eyes).toBeLessThan(20);
  expect(at(plan, 3_300)).toMatch(/\*\*\d+ of 20 rows that need your eyes do not fit here\.\*\*/);
  expect(at(plan, 800).length).toBeLessThanOrEqual(800);
});

it('17,649 builds are words within 300 ms', () => {
  const plan = IMPORT;
  expect(digest(plan).moving).toBeGreaterThanOrEqual(17_649);
  const times = Array.from({ length: 6 }, () => {
    const before = process.threadCpuUsage(); // other tests run beside this one
    body(plan, FROM, GITHUB);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  });
  expect(Math.min(...times)).toBeLessThan(300);
});

it('a first import speaks of source packages, newest first, and of advisories in one sentence: nobody was exposed', () => {
  const one = (to: string) => ({
    source: 'NetworkManager',
    names: ['NetworkManager', 'NetworkManager-tui'],
    to,
  });
  const advised = {
    source: 'curl',
    to: '8.0-1.el9',
    advisories: [advisory('RLSA-2026:1', { severity: 'critical' })],
  };
  const moving = [one('1:1.9.5-1.el9'), one('1:1.51.4-1.el9'), one('1:1.10.2-1.el9'), advised];
  const text = body(planOf({ verb: 'init', moving }), FROM, GITHUB);
  expect(text).toContain('| NetworkManager | 1:1.51.4-1.el9 and 2 older | 6 |');
  expect(text).toMatch(
    /1 security advisory is of packages that were not there before[^|]*critical or important[^|]*RLSA-2026:1/,
  );
  expect(text).toContain('| curl | 8.0-1.el9 | 1 |');
  const promoted = body(
    planOf({
      moving: [
        { ...advised, from: '7.9-1.el9' },
        { ...advised, source: 'wget' },
      ],
    }),
    FROM,
  );
  expect(promoted).toMatch(/^\| \[RLSA-2026:1\].*curl 7\.9-1\.el9 → 8\.0-1\.el9/m);
});
