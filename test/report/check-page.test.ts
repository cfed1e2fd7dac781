import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { checkPage } from '../../src/report/check-page.ts';
import { ANNOTATIONS_A_REQUEST, ANNOTATIONS_LIMIT, CHECK_LIMIT } from '../../src/report/limits.ts';
import { HOSTILE } from './bodies.ts';
import { expectWellFormed } from './well-formed.ts';

const fault = (at: string | undefined, message = 'it is held') =>
  new Fault('HELD', message, { hint: 'Ask its owner.', at });
const NONE = { complaints: [], warnings: [], differences: [], approved: false };
const DIFFERENT = [{ path: 'snapshots/infra/stable/a.yaml', kind: 'other' }] as const;

describe('the verdict', () => {
  it.each([
    ['a bot’s own commit that is its plan', NONE, 'success', 'Exactly its plan'],
    ['a person’s pull request', { ...NONE, differences: undefined }, 'success', 'Nothing against it'],
    [
      'what people added, and nobody approved',
      { ...NONE, differences: DIFFERENT },
      'failure',
      '1 file beyond the plan: an owner has to approve',
    ],
    [
      'the same, approved',
      { ...NONE, differences: DIFFERENT, approved: true },
      'success',
      'Its plan and approved edits',
    ],
    [
      'a complaint, whoever approved',
      { ...NONE, complaints: [fault('a/b.yaml:1:2')], approved: true },
      'failure',
      '1 complaint',
    ],
    ['a warning', { ...NONE, warnings: [fault(undefined)] }, 'success', 'Exactly its plan, 1 warning'],
  ] as const)('%s', (_what, found, conclusion, title) => {
    expect(checkPage(found)).toMatchObject({ conclusion, title });
  });
});

it('a complaint with a line is shown there, one without in the text alone', () => {
  const at = [
    'policies/teams/infra.yaml:12:3',
    'snapshots/a.lock:7',
    '#12',
    'https://a.example/b:1:2',
    '/etc/x:1:1',
    'policies/../x:1:1',
    undefined,
  ];
  const { annotations, text } = checkPage({ ...NONE, complaints: at.map((one) => fault(one)) });
  expect(annotations).toEqual([
    [
      {
        path: 'policies/teams/infra.yaml',
        start_line: 12,
        end_line: 12,
        start_column: 3,
        end_column: 3,
        annotation_level: 'failure',
        title: 'HELD',
        message: 'it is held\nAsk its owner.',
      },
      {
        path: 'snapshots/a.lock',
        start_line: 7,
        end_line: 7,
        annotation_level: 'failure',
        title: 'HELD',
        message: 'it is held\nAsk its owner.',
      },
    ],
  ]);
  expect(text.match(/it is held/g)).toHaveLength(at.length);
});

it('1,500 complaints and as many warnings and files are within every limit, complaints first', () => {
  const many = (word: string) =>
    Array.from({ length: 1_500 }, (_, i) =>
      fault(`policies/teams/a.yaml:${i + 1}:1`, `${word} ${HOSTILE[i % HOSTILE.length]}`),
    );
  const page = checkPage({
    complaints: many('no'),
    warnings: many('hm'),
    differences: Array.from({ length: 1_500 }, (_, i) => ({
      path: `snapshots/a/${i}.yaml`,
      kind: 'added' as const,
    })),
    approved: false,
  });
  expect(page.annotations.map((batch) => batch.length)).toEqual([50, 50, 50, 50]);
  expect(page.annotations.length * ANNOTATIONS_A_REQUEST).toBe(ANNOTATIONS_LIMIT);
  expect(page.annotations.flat().every((one) => one.annotation_level === 'failure')).toBe(true);
  expect(page.summary.length).toBeLessThanOrEqual(CHECK_LIMIT);
  expect(page.summary).toContain('2,800 more remarks');
  expect(page.text.length).toBeLessThanOrEqual(CHECK_LIMIT);
  expect(page.text).toMatch(/^### Complaints \(1,500\)\n\n- `policies\/teams\/a\.yaml:1:1`/);
  expect(page.text).not.toMatch(/<script|<!--|!\[\]|@torvalds/);
  expectWellFormed(page.text);
});
