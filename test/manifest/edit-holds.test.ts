import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editHolds } from '../../src/manifest/edit-holds.ts';
import { type HoldEntry, holdPattern, isSameHold, isWrittenAs } from '../../src/manifest/hold-entry.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';

const PATH = 'policies/teams/infra.yaml';
const UPSTREAM = `apiVersion: sluice/v1
kind: Upstream
id: rocky-9-x86_64-baseos
baseurl: [https://vendor.example/]
packages: { signatures: none, reason: a test }
metadata: { signatures: none, reason: a test }
`;
const HEAD = `# Ours. Ask before you change it.
apiVersion: sluice/v1
kind: Team
team: infra
repositories:   [rocky-9-x86_64-baseos]   # more to come
tiers:
  stable: { from: live }   # the only one
  # a second one is planned

`;
const holdsOf = (text: string) => {
  const files = { [PATH]: text, 'policies/upstreams/rocky-9-x86_64-baseos.yaml': UPSTREAM };
  return loadPolicies(new Map(Object.entries(files))).teams.get('infra')?.holds ?? [];
};
const ENTRY: HoldEntry = { glob: 'mysql*', reason: 'a load test', owner: '@acme/db', until: '2027-03-31' };
const LINES = '  - glob: "mysql*"\n    reason: "a load test"\n    owner: "@acme/db"\n    until: 2027-03-31\n';

describe('a hold is written into a policy', () => {
  it.each([
    ['without any, below the tiers', HEAD, `${HEAD.slice(0, -1)}holds:\n${LINES}\n`],
    ['without a line end', HEAD.trimEnd(), `${HEAD.trimEnd()}\nholds:\n${LINES}`],
    ['with an empty list', `${HEAD}holds: []\ndeny: []\n`, `${HEAD}holds:\n${LINES}deny: []\n`],
    ['with an empty value', `${HEAD}holds:\n`, `${HEAD}holds:\n${LINES}`],
    [
      'after others, as far in as they are',
      `${HEAD}holds:\n    # the kernel\n    - { match: "^kernel$", reason: r, owner: o }   # Ann\n\n# the end\n`,
      `${HEAD}holds:\n    # the kernel\n    - { match: "^kernel$", reason: r, owner: o }   # Ann\n${LINES.replaceAll(/^/gm, '  ').slice(0, -2)}\n# the end\n`,
    ],
    [
      'in a list on one line',
      `${HEAD}holds: [{ match: "^kernel$", reason: r, owner: o }] # all\n`,
      `${HEAD}holds: [{ match: "^kernel$", reason: r, owner: o }, { glob: "mysql*", reason: "a load test", owner: "@acme/db", until: 2027-03-31 }] # all\n`,
    ],
  ])('%s', (_, before, after) => {
    expect(editHolds(before, PATH, { kind: 'add', entry: ENTRY })).toBe(after);
    expect(holdsOf(after).at(-1)).toMatchObject({ reason: 'a load test', until: '2027-03-31' });
    const index = holdsOf(after).length - 1;
    const back = editHolds(after, PATH, { kind: 'drop', index });
    expect(holdsOf(back)).toHaveLength(index);
    if (before.endsWith('\n') && index > 0) expect(back).toBe(before);
  });

  it('renewing changes the one value, in whichever layout, and adds an end where there was none', () => {
    const block = `${HEAD}holds:\n${LINES}  - match: "^a$" # why\n    reason: r\n    owner: o # her\n  - {match: "^b$", reason: r, owner: o}\n`;
    const to = { until: '2028-01-01' };
    const first = editHolds(block, PATH, { kind: 'change', index: 0, to: { ...to, reason: 'longer' } });
    expect(first).toBe(block.replace('2027-03-31', '2028-01-01').replace('a load test', 'longer'));
    expect(editHolds(block, PATH, { kind: 'change', index: 1, to })).toBe(
      block.replace('owner: o # her\n', 'owner: o # her\n    until: 2028-01-01\n'),
    );
    expect(editHolds(block, PATH, { kind: 'change', index: 2, to })).toBe(
      block.replace('owner: o}', 'owner: o, until: 2028-01-01}'),
    );
  });

  it('a file that cannot be edited line by line is a fault with the entry, and nothing else', () => {
    const flow = '{ team: infra, tiers: { stable: { from: live } } }\n';
    expect(() => editHolds(flow, PATH, { kind: 'add', entry: ENTRY })).toThrow(
      expect.objectContaining({ code: 'POLICY_INVALID', hint: expect.stringContaining('mysql*') }),
    );
  });

  it('what was added and dropped again leaves every byte as it was', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9+.-]{0,8}$/);
    const layout = fc.record({
      indent: fc.constantFrom('', '  ', '      '),
      flow: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
      comment: fc.constantFrom('', ' # see 4711'),
      tail: fc.constantFrom('', '\n# the end\n', 'deny:\n  - match: "^x$"\n'),
      at: fc.nat(),
    });
    const property = fc.property(layout, word, word, ({ indent, flow, comment, tail, at }, name, reason) => {
      const items = flow.map((isFlow, i) =>
        isFlow
          ? `${indent}- { glob: "p${i}", reason: r, owner: o }${comment}\n`
          : `${indent}- glob: "p${i}"${comment}\n${indent}  reason: r\n\n${indent}  owner: o\n`,
      );
      const text = `${HEAD}holds:\n${items.join('')}${tail}`;
      const entry = { glob: name, reason: JSON.stringify(reason), owner: '@a: #b', until: '2027-01-01' };
      const more = editHolds(text, PATH, { kind: 'add', entry });
      expect(holdsOf(more)).toHaveLength(flow.length + 1);
      expect(isSameHold(holdsOf(more).at(-1) as never, entry)).toBe(true);
      expect(editHolds(more, PATH, { kind: 'drop', index: flow.length })).toBe(text);
      const index = at % flow.length;
      const without = editHolds(more, PATH, { kind: 'drop', index });
      expect(holdsOf(without)).toEqual(
        holdsOf(more)
          .filter((_, i) => i !== index)
          .map((hold) => ({ ...hold, match: expect.anything(), at: expect.anything() })),
      );
    });
    fc.assert(property, { numRuns: 25 });
  });
});

describe('what people type as a pattern', () => {
  it.each([
    ['kernel', false, { glob: 'kernel' }],
    ['gcc-c++', false, { glob: 'gcc-c++' }],
    ['python3.11', false, { glob: 'python3.11' }],
    ['*', false, { glob: '*' }],
    ['kernel-{core,modules}', false, { glob: 'kernel-{core,modules}' }],
    ['^(.*-)?mysql.*', false, { match: '^(.*-)?mysql.*' }],
    ['kernel.*', false, { match: 'kernel.*' }],
    ['gcc-c++', true, { source: '^gcc-c\\+\\+$' }],
    ['mysql*', true, { source: '^mysql.*$' }],
    ['^mysql$', true, { source: '^mysql$' }],
  ] as const)('%s (source: %s)', (text, source, expected) => {
    expect(holdPattern(text, source)).toEqual(expected);
    const [hold] = holdsOf(
      editHolds(HEAD, PATH, { kind: 'add', entry: { ...ENTRY, glob: undefined, ...expected } as HoldEntry }),
    );
    expect(hold && isWrittenAs(hold, text)).toBe(true);
  });

  it('a pattern that cannot be read is a fault', () => {
    expect(() => holdPattern('^(?=a)', false)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
    expect(() => holdPattern('a{b', false)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
    expect(() => holdPattern('', false)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }));
  });
});
