import { describe, expect, it } from 'vitest';
import { addHolds } from '../../src/manifest/edit-holds.ts';
import type { HoldEntry } from '../../src/manifest/hold-entry.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';
import { files, TEAM, WEB } from './policies.ts';

const HOLD: HoldEntry = {
  match: '^libstdc\\+\\+$',
  tier: '1',
  reason: 'a "b": #c',
  owner: '@a/b',
};
const GLOB: HoldEntry = {
  glob: 'k*',
  tier: '1',
  reason: 'x',
  owner: 'y',
  until: '2027-01-01',
};
const BASE = TEAM.slice(0, TEAM.indexOf('holds:'));
const ONE = '{ match: "^a$", reason: r, owner: o }';

describe('holds are added to a policy', () => {
  it.each([
    ['a list of lines and a list behind it', TEAM],
    ['none at all', BASE],
    ['none, and no newline at the end', BASE.trimEnd()],
    ['an empty list', `${BASE}holds: []\n`],
    ['a list on one line', `${BASE}holds: [${ONE}] # all of ours\n`],
    ['a list on one line with a comma at its end', `${BASE}holds: [ ${ONE}, ]\n`],
    ['lines without indentation', `${BASE}holds:\n- ${ONE} # why\n# the end\ndeny: [{ match: ^x$ }]\n`],
    ['a last line that is the end of the file', `${BASE}holds:\n    - ${ONE}`],
    [
      'an entry of several lines',
      `${BASE}holds:\n  - match: "^a$"\n    reason: >-\n      one\n      two\n    owner: o\n\ndeny: [{ match: ^x$ }]\n`,
    ],
  ])('with %s', (_, text) => {
    const path = 'policies/teams/infra.yaml';
    const before = loadPolicies(files({ [path]: text })).teams.get('infra');
    const changed = addHolds(text, path, [HOLD, GLOB]);
    const after = loadPolicies(files({ [path]: changed })).teams.get('infra');
    const said = (h: { match?: { text: string }; reason: string; until?: string }) => [
      h.match?.text,
      h.reason,
      h.until,
    ];
    expect(after?.holds.map(said)).toEqual([
      ...(before?.holds.map(said) ?? []),
      ['^libstdc\\+\\+$', 'a "b": #c', undefined],
      ['k*', 'x', '2027-01-01'],
    ]);
    expect(after?.deny.length).toBe(before?.deny.length);
    const kept = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('holds:'));
    expect(changed.split('\n')).toEqual(expect.arrayContaining(kept)); // every other line, letter by letter
  });

  it('and none changes nothing', () => {
    expect(addHolds(WEB, 'x', [])).toBe(WEB);
  });
});
