import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.ts';
import { body, jobSummary } from '../../src/report/body.ts';
import { digest } from '../../src/report/digest.ts';
import { BODY_LIMIT, JOB_SUMMARY_LIMIT, TITLE_LIMIT } from '../../src/report/limits.ts';
import { parseMarker } from '../../src/report/marker.ts';
import { title } from '../../src/report/title.ts';
import { pin } from '../plan/world.ts';
import { HOSTILE } from './bodies.ts';
import { advisory, FROM, GITHUB, type Given, type Moving, NOW, planOf } from './plans.ts';
import { expectWellFormed } from './well-formed.ts';

const words = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ maxLength: 60 }),
);
const evr = fc
  .tuple(fc.nat(99), fc.constantFrom('~rc1', '^git1', '', '.0_1'))
  .map(([v, more]) => `${v}${more}-1.el9`);
const some = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined, freq: 2 });

const moving = (i: number): fc.Arbitrary<Moving> =>
  fc
    .record({
      from: some(evr),
      to: evr,
      kind: some(fc.constantFrom('rerolled', 'resigned')),
      summary: words,
      past: fc.array(words, { maxLength: 2 }),
      first: some(words),
      entries: fc.integer({ min: 1, max: 12 }),
      advised: some(fc.record({ id: words, title: words, cve: words, url: words })),
      names: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ kind, first, entries, advised, names, ...m }): Moving => {
      const source = `p${i}_${i % 3 === 0 ? '_x_' : ''}`;
      return {
        ...m,
        source,
        names: Array.from({ length: names }, (_, k) => `${source}${k === 0 ? '' : `-${k}`}`),
        ...(kind ? { kind } : {}),
        ...(first === undefined ? {} : { changelog: { first, entries, complete: entries > 3 } }),
        ...(advised
          ? {
              advisories: [
                advisory(advised.id, { title: advised.title, cves: [advised.cve], url: advised.url }),
              ],
            }
          : {}),
      };
    });

const given: fc.Arbitrary<Given> = fc.nat({ max: 40 }).chain((n) =>
  fc.record({
    verb: fc.constantFrom('promote', 'sync', 'init', 'hotfix', 'import', 'fill', 'rollback'),
    moving: fc.tuple(...Array.from({ length: n }, (_, i) => moving(i))),
    notes: fc.array(words, { maxLength: 30 }),
    reason: words,
    attention: fc.array(
      words.map((why) => ({ build: pin('eyes-1-1.x86_64'), why })),
      { maxLength: 8 },
    ),
    staying: fc.array(
      words.map((why) => ({
        build: pin('waits-1-1.x86_64'),
        source: 'waits',
        has: undefined,
        reason: { kind: 'wait', until: NOW, why } as const,
      })),
      { maxLength: 8 },
    ),
  }),
);

/** As a run on another day of the same facts makes it: nothing shared, other order of what has none. */
function again(plan: Plan): Plan {
  const copy = structuredClone(plan);
  return { ...copy, about: new Map([...copy.about].reverse()) };
}

it('any plan: within the limit, closed, every row that needs eyes there, no marker or box but ours, equal bytes', () => {
  fc.assert(
    fc.property(given, (facts) => {
      const plan = planOf(facts);
      const text = body(plan, FROM, GITHUB);
      expect(text.length).toBeLessThanOrEqual(BODY_LIMIT);
      expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
      expectWellFormed(text);
      const eyes = text.split('### Needs attention')[1]?.split('\n###')[0] ?? '';
      expect((eyes.match(/^\| \*\*/gm) ?? []).length).toBe(digest(plan).attention.length);
      expect(text.match(/<!--.*?-->/g) ?? []).toEqual(['<!-- sluice:rebuild -->']);
      expect(text.match(/^\s*[-*+] \[[ xX]\]/gm)).toHaveLength(1);
      expect(text).not.toMatch(/^\s*\/sluice/m);
      expect(parseMarker(text)).toBeUndefined();
      expect(body(again(plan), FROM, GITHUB)).toBe(text);
      expect(title(plan).length).toBeLessThanOrEqual(TITLE_LIMIT);
    }),
    { numRuns: 25, seed: 6 },
  );
});

it('any plan and any limit: never longer, never left open', () => {
  fc.assert(
    fc.property(given, fc.integer({ min: 600, max: 20_000 }), (facts, bodyLimit) => {
      const text = body(planOf(facts), FROM, { ...GITHUB, bodyLimit });
      expect(text.length).toBeLessThanOrEqual(bodyLimit);
      expectWellFormed(text);
    }),
    { numRuns: 25, seed: 6 },
  );
});

it('any plan: the summary of a job is within its bytes', () => {
  fc.assert(
    fc.property(given, (facts) => {
      const text = jobSummary(planOf(facts), FROM);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(JOB_SUMMARY_LIMIT);
      expectWellFormed(text);
    }),
    { numRuns: 5, seed: 6 },
  );
});
