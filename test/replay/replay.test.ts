import { describe, expect, it } from 'vitest';
import { CORPUS } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { type Measured, replay } from './replay.ts';
import { historyOf, locksOf } from './versions.ts';

const rows: (readonly [string, Measured])[] = [];
const SAMPLE = { versions: 2, after: 5 };
/** Until what the last version brought is in the last tier: reviews, a wait, rests of what was rewritten often, and two Tuesdays. */
const AFTER = 45;

describe.skipIf(!CORPUS)(
  'the histories of the corpus, day by day, with a reviewer who takes two days',
  () => {
    it.each(ALL ? ['acton-series', 'arrjay-series', 'centos-9-appstream-series'] : ['acton-series'])(
      '%s: no approval is lost, and nothing is written without news',
      { timeout: 3_600_000 },
      async (name) => {
        const { versions, policy } = historyOf(name);
        const some = ALL ? versions : versions.slice(0, SAMPLE.versions);
        const found = await replay({ versions: some, policy }, { after: ALL ? AFTER : SAMPLE.after });
        note(name, found);
        expectGood(found);
        if (ALL) expect(found.stillOpen).toBe(0);
      },
    );

    if (!ALL) return;
    it('eighty pushes of Fedora CoreOS’s bot: fewer proposals, and none that news keep from being merged', {
      timeout: 7_200_000,
    }, async () => {
      const history = await locksOf(2020, 80);
      const found = await replay(history, { after: AFTER });
      note(`fcos-locks (its bot: ${history.commits} pushes)`, found);
      expectGood(found);
      expect(found.stillOpen).toBe(0);
      expect(found.pulls).toBeLessThan(history.commits);
    });
  },
);

function note(name: string, found: Measured): void {
  rows.push([name, found]);
  if (ALL) console.log(table());
}

function expectGood(found: Measured): void {
  expect(found.faults).toEqual([]);
  expect(found.red).toEqual([]);
  expect(found.lost).toEqual([]);
  expect(found.writesWithoutNews).toEqual([]);
  expect(found.mostRequestsQuiet).toBeLessThanOrEqual(10);
  expect(found.mostRequestsBusy).toBeLessThanOrEqual(30);
  expect(found.mostRewritesInAnHour).toBeLessThanOrEqual(1);
  expect(found.merges).toBeGreaterThan(0);
  expect(found.longestDays).toBeLessThan(45); // it was 242 where news came every night
}

function table(): string {
  const heads = [
    'series',
    'days',
    'pull requests',
    'pushes',
    'rewrites',
    'most in an hour',
    'approvals',
    'lost',
  ];
  const more = ['merged', 'open for (days)', 'quiet runs', 'writes without news', 'requests: quiet', 'news'];
  const lines = rows.map(([name, m]) => [
    ...[name, m.days, m.pulls, m.pushes, m.rewrites, m.mostRewritesInAnHour, m.approvals, m.lost.length],
    ...[m.merges, m.longestDays.toFixed(0), m.quiet, m.writesWithoutNews.length, m.mostRequestsQuiet],
    m.mostRequestsBusy,
  ]);
  return [[...heads, ...more], ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
