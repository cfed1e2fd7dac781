import { describe, expect, it } from 'vitest';
import { planPromotion } from '../../src/plan/promote.ts';
import { body } from '../../src/report/body.ts';
import { columns, terminal } from '../../src/report/terminal.ts';
import { inputOf } from '../plan/world.ts';

/** What an upstream may write where an advisory's id belongs: it comes before a reviewer as the reason of an early move. */
const IDS = [
  ['a terminal escape (C1)', 'HSA-1\u009b2J\u009b1;1Hall is well'],
  ['text that runs backwards', 'HSA-1\u202edevorppa'],
  ['a new row of the table', 'HSA-1 | **approved** |\n| x | y |'],
  ['markup', '</details><script>alert(1)</script>'],
  ['a picture', '![](https://tracker.example/x.gif)'],
  ['a mention and a reference', '@torvalds fixes #1, org/repo#2'],
  ['a marker of ours', '<!-- sluice:v1 approved -->'],
] as const;

/** C0 but for the line end, C1, bidi and zero-width characters; the one that breaks mentions is ours. */
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200c-\u200f\u202a-\u202e\u2066-\u2069]/;

const PROVENANCE = {
  base: 'a'.repeat(40),
  plan: 'sha256:b',
  catalog: [],
  mirrorUrl: undefined,
  version: '0.1.0',
};

function planWith(id: string) {
  return planPromotion(
    inputOf({
      now: '2026-03-10T00:00:00Z',
      severity: 'trusted',
      tier: { wait: { inParent: '7d', seen: '10d' }, security: { critical: '1d', important: '5d' } },
      advisories: [
        { id, severity: 'critical', builds: ['openssl-2-1.x86_64'] },
        { id, severity: 'important', builds: ['curl-2-1.x86_64'] },
      ],
      parent: { 'openssl-2-1.x86_64': '2026-03-08', 'curl-2-1.x86_64': '2026-03-08' },
      target: ['openssl-1-1.x86_64', 'curl-1-1.x86_64'],
    }),
  );
}

describe('the id of an advisory that moves a build early, and of one that does not yet', () => {
  it.each(IDS)('%s: in a terminal', (_what, id) => {
    const text = terminal(planWith(id));
    expect(text).toContain('moves early: 1d after it was seen, for critical ');
    expect(text).toContain('5d after it was seen, for important ');
    expect(text).not.toMatch(UNSEEN);
    expect(text.split('\n')).toHaveLength(terminal(planWith('HSA-1')).split('\n').length);
  });

  it.each(IDS)('%s: in a pull request', (_what, id) => {
    const [text, plain] = [body(planWith(id), PROVENANCE), body(planWith('HSA-1'), PROVENANCE)];
    expect(text).toContain('moves early: 1d after it was seen, for critical ');
    expect(text).not.toMatch(UNSEEN);
    expect(text).not.toMatch(/<script|<!-- sluice:v1 approved|!\[\]|@torvalds|repo#2|\*\*approved\*\*/);
    expect(text.split('\n')).toHaveLength(plain.split('\n').length);
    expect(text.match(/<\/details>/g)?.length).toBe(plain.match(/<\/details>/g)?.length);
  });
});

it('a list for the terminal has no cell that speaks to it, whoever calls', () => {
  expect(columns([['#1', 'a\u001b[2Jb\u009b2J', 'c\u202ed\ne']], '')).toBe('#1  a [2Jb 2J  c d e\n');
});
