import { expect, it } from 'vitest';
import { Output, readAssignments } from './actions/commands.ts';
import { nextTime } from './actions/cron.ts';
import { condition, evaluate, fill, type Scope } from './actions/expression.ts';
import { Unknown } from './actions/unknown.ts';
import { readWorkflow } from './actions/workflow.ts';

const scope: Scope = {
  contexts: {
    github: { ref: 'refs/heads/main', event: { number: 7, labels: ['a', 'B'] }, event_name: 'push' },
    vars: { ID: '' },
    needs: { plan: { result: 'success' } },
  },
  closed: ['github', 'needs'],
  status: 'success',
  where: 'a test',
};

it.each([
  [`github.ref == 'refs/heads/main'`, true],
  [`github.ref == 'REFS/HEADS/MAIN'`, true], // "ignores case when comparing strings"
  [`vars.ID != ''`, false],
  [`vars.MISSING`, null],
  [`github.event.number || github.sha`, 7], // what does not count is not asked
  [`github.event.pull_request.number`, null],
  [`github.event_name == 'pull_request' && 'a' || 'b'`, 'b'],
  [`!(1 < 2) == false`, true],
  [`null == 0`, true],
  [`'1' == 1`, true],
  [`'it''s'`, "it's"],
  [`github.event['number'] >= 7`, true],
  [`contains(github.event.labels, 'b')`, true],
  [`contains('Hello', 'ELL') && startsWith('abc', 'A') && endsWith('abc', 'C')`, true],
  [`format('{0}-{1} {{}}', 'a', 2)`, 'a-2 {}'],
  [`join(github.event.labels, '+')`, 'a+B'],
  [`fromJSON('{"a":[1]}').a[0]`, 1],
  [`needs.plan.result`, 'success'],
  [`always() && success() && !failure() && !cancelled()`, true],
  [`1 && 2 == 2`, true],
] as const)('%s', (text, expected) => {
  expect(evaluate(text, scope)).toBe(expected);
});

it.each([
  ...[
    'github.shaa',
    'needs.other.result',
    'secrets.X',
    'hashFiles(1)',
    'a b',
    "'open",
    'github.event.*',
    '1 +',
  ],
])('%s is not known, and fails', (text) => {
  expect(() => evaluate(text, scope)).toThrow(Unknown);
});

it('a text is filled in, and a condition without a status function means success() as well', () => {
  expect(fill('a-${{ github.event.number }}-${{ vars.ID }}', scope)).toBe('a-7-');
  expect(fill("${{ format('{0}}}', 'x') }}", scope)).toBe('x}');
  expect(() => fill('${{ github.ref', scope)).toThrow(Unknown);
  const failed: Scope = { ...scope, status: 'failure' };
  expect([
    condition('true', failed),
    condition('always()', failed),
    condition('${{ failure() }}', failed),
  ]).toEqual([false, true, true]);
});

const job = (rest: string, on = 'push') => `on: ${on}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n${rest}`;
const STEP = '    steps: [{ run: "true" }]\n';

it.each([
  ['a key of a job', job(`${STEP}    strategy: { matrix: { a: [1] } }\n`)],
  ['a key of a step', job('    steps: [{ run: "true", whatever: 1 }]\n')],
  ['an event', job(STEP, '{ release: { types: [published] } }')],
  ['a filter', job(STEP, '{ push: { paths: [a] } }')],
  ['a permission', job(`${STEP}    permissions: { id-token: write }\n`)],
  ['a level', job(`${STEP}    permissions: { contents: admin }\n`)],
  ['all permissions', job(`${STEP}    permissions: write-all\n`)],
  ['a called workflow', 'on: push\njobs: { a: { uses: ./x.yml } }\n'],
  ['an environment with an address', job(`${STEP}    environment: { name: a }\n`)],
])('a workflow with %s that is not known fails', (_, text) => {
  expect(() => readWorkflow('w.yml', text)).toThrow(Unknown);
});

it.each([
  ['17 3,9,15,21 * * *', '2026-03-02T08:00:00Z', '2026-03-02T09:17:00.000Z'],
  ['43 5 * * *', '2026-03-02T05:43:30Z', '2026-03-03T05:43:00.000Z'],
  ['7,37 * * * *', '2026-12-31T23:40:00Z', '2027-01-01T00:07:00.000Z'],
  ['3-10/7 1 1 * 1', '2026-03-02T01:03:00Z', '2026-03-02T01:10:00.000Z'],
])('%s after %s is %s', (cron, after, expected) => {
  expect(nextTime(cron, new Date(after)).toISOString()).toBe(expected);
});

it('what a step prints: annotations, masks, and nothing between stop-commands', () => {
  const output = new Output(new Set(['s3cret']), 'a test');
  const lines = [
    '::error file=a%2Cb.yaml,line=3,col=1,title=T%3A::bad%0Athing s3cret',
    '::add-mask::other',
    'other s3cret',
    '::stop-commands::x9',
    '::error::not one',
    '::x9::',
    '::warning::w',
    'a::error::no command',
  ];
  for (const line of lines) output.add(line);
  expect(output.notes).toEqual([
    { level: 'failure', path: 'a,b.yaml', line: 3, message: 'bad\nthing ***', title: 'T:' },
    { level: 'warning', path: '.github', line: 1, message: 'w' },
  ]);
  expect(output.log).toContain('*** ***\n');
  for (let n = 0; n < 20; n += 1) output.add(`::error::${n}`);
  expect(output.notes.filter(({ level }) => level === 'failure')).toHaveLength(10);
  expect(() => output.add('::set-output name=a::b')).toThrow(Unknown);
});

it('what a step assigns: by line, and as a text', () => {
  expect(readAssignments('a=1=2\nb<<END\nx\n\ny\nEND\n', 'w')).toEqual({ a: '1=2', b: 'x\n\ny' });
  expect(() => readAssignments('b<<END\nx\n', 'w')).toThrow(/no line END/);
});
