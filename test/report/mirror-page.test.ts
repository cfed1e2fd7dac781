import { expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { CHECK_LIMIT, TITLE_LIMIT } from '../../src/report/limits.ts';
import { type MirrorFindings, mirrorPage } from '../../src/report/mirror-page.ts';
import { ALL } from '../fixtures/sample.ts';
import { HOSTILE } from './bodies.ts';
import { expectWellFormed } from './well-formed.ts';

const set = (n: number) => ({
  title: `team${n}/stable rocky-9-x86_64`,
  repositories: [{ id: `team${n}-stable-rocky-9-x86_64-base`, url: `https://m.example/pr/7/team${n}/` }],
});
const NONE: MirrorFindings = { complaints: [], warnings: [], builds: 212, preview: [set(1)] };
const fault = (message: string, at?: string) => new Fault('POOL_MISSING', message, { hint: 'Fetch it.', at });

it.each([
  ['all is there', NONE, 'success', '212 files verified, 1 set to try'],
  ['nothing is touched', { ...NONE, builds: 0, preview: [] }, 'success', 'Nothing against it'],
  [
    'one is gone',
    { ...NONE, complaints: [fault('a-1-1.x86_64 is gone')] },
    'failure',
    'a-1-1.x86_64 is gone',
  ],
  [
    'two are gone',
    { ...NONE, complaints: [fault('a is gone'), fault('b is gone')] },
    'failure',
    'a is gone, and 1 more',
  ],
] as const)('%s', (_what, found, conclusion, title) => {
  expect(mirrorPage(found)).toMatchObject({ conclusion, title });
});

it('the command to try it names each repository of a set, and nothing else', () => {
  const { summary } = mirrorPage(NONE);
  expect(summary).toContain(
    '--repofrompath=pr-team1-stable-rocky-9-x86_64-base,https://m.example/pr/7/team1/ --setopt=pr-team1-stable-rocky-9-x86_64-base.gpgcheck=1',
  );
  expect(mirrorPage({ ...NONE, preview: [] }).summary).toContain('There is no preview of it.');
});

it('whatever stands in a complaint, and however many there are, it fits and is disarmed', () => {
  const complaints = Array.from({ length: ALL ? 17_649 : 1_649 }, (_, i) =>
    fault(`${HOSTILE} ${i}`, `snapshots/a/b.lock:${i + 1}:1`),
  );
  const sets = Array.from({ length: 400 }, (_, i) => set(i));
  const page = mirrorPage({ ...NONE, complaints, preview: sets });
  expect(page.title.length).toBeLessThanOrEqual(TITLE_LIMIT);
  expect(page.annotations.map((batch) => batch.length)).toEqual([50, 50, 50, 50]);
  expect(page.summary).toContain(`${ALL ? '17,449' : '1,449'} more remarks have a line`);
  for (const text of [page.summary, page.text]) {
    expect(text.length).toBeLessThanOrEqual(CHECK_LIMIT);
    expectWellFormed(text);
  }
  expect(mirrorPage({ ...NONE, complaints, preview: sets })).toEqual(page);
});
