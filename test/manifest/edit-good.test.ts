import { expect, it } from 'vitest';
import { setGood } from '../../src/manifest/edit-good.ts';
import { addHolds } from '../../src/manifest/edit-holds.ts';
import type { HoldEntry } from '../../src/manifest/hold-entry.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';
import { FILES, TEAM, WEB } from './policies.ts';

const PATH = 'policies/teams/infra.yaml';
const HOLD: HoldEntry = {
  source: '^(openssl|gtk\\+)$',
  tier: 'stable',
  reason: 'rolled back to 0123456789ab: "it" breaks: logins # so',
  owner: 'Anna <anna@example.org>',
  until: '2026-12-05',
};
const GOOD = {
  commit: 'a'.repeat(40),
  since: '2026-11-21T09:00:00.000Z',
  reason: 'load test',
  owner: '@acme/ops',
};

function team(text: string) {
  return loadPolicies(new Map([...Object.entries(FILES), [PATH, text]])).teams.get('infra');
}

/** Lines that were there before, in their order. */
function keeps(before: string, after: string): boolean {
  const lines = after.split('\n');
  return before.split('\n').every((line) => {
    const at = lines.indexOf(line);
    lines.splice(0, at + 1);
    return at >= 0;
  });
}

it.each([
  ['after the others', TEAM],
  ['with comments around', TEAM.replace('deny:', '  # of the last hold\n\n# what never comes\ndeny:')],
  ['at the end of a file without its last line end', TEAM.slice(0, TEAM.indexOf('deny:') - 1)],
  ['where there is none', TEAM.replace(/holds:[\s\S]*deny/, 'deny')],
  [
    'where the list is not indented',
    TEAM.replace(/holds:[\s\S]*deny/, 'holds:\n- { match: ^a$, reason: r, owner: o }\ndeny'),
  ],
  ['where a reason is a block', TEAM.replace('reason: customers', 'reason: |\n      two\n      lines')],
])('a hold is added %s, and every line stays', (_, text) => {
  const after = addHolds(text, PATH, [HOLD]);
  expect(keeps(text.replace(/\n$/, ''), after)).toBe(true);
  const holds = team(after)?.holds ?? [];
  expect(holds).toHaveLength((team(text)?.holds ?? []).length + 1);
  expect(holds.at(-1)).toMatchObject({
    tier: 'stable',
    reason: HOLD.reason,
    owner: HOLD.owner,
    until: HOLD.until,
  });
  expect(holds.at(-1)?.source?.matches('gtk+')).toBe(true);
});

it.each([
  ['an empty list', 'holds: []'],
  ['a list in brackets', 'holds: [{ match: ^a$, reason: r, owner: o }] # ours'],
  ['nothing', 'holds:'],
  ['a document that is ended', '...'],
])('a hold is added where the policy has %s', (_, line) => {
  const text = `${TEAM.replace(/holds:[\s\S]*deny/, 'deny')}${line}\n`;
  const read = () => team(addHolds(text, PATH, [HOLD, { ...HOLD, tier: 'unstable' }]));
  expect(
    read()
      ?.holds.slice(-2)
      .map((h) => h.tier),
  ).toEqual(['stable', 'unstable']);
});

it('a mark is set in a tier of either style, and replaces the one before', () => {
  const first = setGood(TEAM, PATH, 'stable', GOOD);
  expect(team(first)?.tiers.find((t) => t.name === 'stable')?.good).toMatchObject({ commit: GOOD.commit });
  const again = setGood(first, PATH, 'stable', { ...GOOD, commit: 'b'.repeat(40) });
  expect(again).toBe(first.replace('a'.repeat(40), 'b'.repeat(40)));
  expect(keeps(TEAM.replace(/^ +window.*\n/m, ''), again.replace(/^ +window.*\n/m, ''))).toBe(true);
  const block = WEB.replace(
    'tiers: { prod: { from: live } }',
    'tiers:\n  prod:\n    from: live # ours\n  # next\n  dev: { from: live }',
  );
  const after = setGood(block, 'policies/teams/web.yaml', 'prod', GOOD);
  expect(keeps(block, after)).toBe(true);
  expect(after.split('\n')[7]).toMatch(/^ {4}good: \{ commit: a+, since: "2026/);
});
