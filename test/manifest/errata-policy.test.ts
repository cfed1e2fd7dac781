import { describe, expect, it } from 'vitest';
import { readErrataFix, readErrataInit } from '../../src/manifest/errata-parts.ts';
import { errataOfGroup, namedErrata } from '../../src/manifest/errata-policy.ts';
import { lintPolicies } from '../../src/manifest/load.ts';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';
import { formatEvr } from '../../src/rpm/evr.ts';

const HEAD = 'apiVersion: sluice/v1\nkind: ErrataPolicy\n';
const files = (text: string) => new Map([['policies/errata.yaml', `${HEAD}${text}`]]);
const policyOf = (text: string) => loadPolicies(files(text)).errata;
const TWO = `defaults: { a-1-x86_64: 2026-01-01, b-2-x86_64: 2026-02-01 }
groups:
  early: { a-1-x86_64: 2026-03-01 }
  late: { c-3-x86_64: 2026-01-05 }
`;

describe('policies/errata.yaml', () => {
  it('says which set the hosts of a group get: its own, and the defaults for the rest', () => {
    const of = (group: string) =>
      errataOfGroup(policyOf(TWO), group).map(({ set, date }) => `${set} ${date}`);
    expect(of('default')).toEqual(['a-1-x86_64 2026-01-01', 'b-2-x86_64 2026-02-01']);
    expect(of('early')).toEqual(['a-1-x86_64 2026-03-01', 'b-2-x86_64 2026-02-01']);
    expect(of('late')).toEqual(['a-1-x86_64 2026-01-01', 'b-2-x86_64 2026-02-01', 'c-3-x86_64 2026-01-05']);
    expect(() => of('other')).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', hint: expect.stringContaining('early') }),
    );
    expect(() => errataOfGroup(undefined, 'default')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('names each set once, with the first place', () => {
    const named = namedErrata(policyOf(`${TWO}  again: { a-1-x86_64: 2026-03-01 }\n`));
    expect(named.map(({ set, date, at }) => `${set} ${date} ${at}`)).toEqual([
      'a-1-x86_64 2026-01-01 policies/errata.yaml:3:25',
      'a-1-x86_64 2026-03-01 policies/errata.yaml:7:24',
      'b-2-x86_64 2026-02-01 policies/errata.yaml:3:49',
      'c-3-x86_64 2026-01-05 policies/errata.yaml:6:23',
    ]);
    expect(namedErrata(undefined)).toEqual([]);
  });

  it.each([
    ['defaults: { a-1: 2026-01-01 }', ':3:13', '"a-1"'],
    ['defaults: { a-1-x86_64: 2026-02-30 }', ':3:25', 'a day of the calendar'],
    ['defaults: { a-1-x86_64: today }', ':3:25', 'a day such as'],
    ['groups: { default: { a-1-x86_64: 2026-01-01 } }', ':3:11', 'the group of all others'],
    ['groups: { Upper: { a-1-x86_64: 2026-01-01 } }', ':3:11', '"Upper"'],
    ['groups: { x: 2026-01-01 }', ':3:14', 'a map from a client set'],
    ['kernels: { a-1-x86_64: newest }', ':3:24', 'version and release'],
    ['keepInstallonly: 0', ':3:18', 'from 1 to 99'],
    ['colour: red', ':3:1', 'unknown key'],
  ])('refuses %s at %s', (text, at, message) => {
    const faults = collectComplaints(files(`${text}\n`));
    expect(faults.map((f) => f.at)).toContain(`policies/errata.yaml${at}`);
    expect(faults.map((f) => f.message).join()).toContain(message);
  });

  it('warns of hosts without a set, and of lines that say nothing', () => {
    const policies = loadPolicies(files(`${TWO}  same: { a-1-x86_64: 2026-01-01 }\n`));
    expect(lintPolicies(policies).map(({ at, message }) => `${at} ${message.split(':')[0]}`)).toEqual([
      'policies/errata.yaml:6:23 c-3-x86_64 has no default',
      'policies/errata.yaml:7:23 the group same says what the default says',
    ]);
  });

  it('a team cannot be called errata, which is where sets are published', () => {
    const team = `apiVersion: sluice/v1\nkind: Team\nteam: errata\nrepositories: [a-1-x86_64-base]\ntiers: { t: { from: live } }\n`;
    const faults = collectComplaints(new Map([['policies/teams/errata.yaml', team]]));
    expect(faults.map((f) => f.message).join()).toContain('published errata sets have that name');
  });
});

const NAME = 'set: a-1-x86_64\ndate: 2026-01-01\n';
const init = (text: string) =>
  readErrataInit(
    `apiVersion: sluice/v1\nkind: ErrataInit\n${text}`,
    'errata/a-1-x86_64/2026-01-01.init.yaml',
  );
const fix = (text: string) =>
  readErrataFix(`apiVersion: sluice/v1\nkind: ErrataFix\n${text}`, 'errata/a-1-x86_64/2026-01-01.fix.yaml');

describe('parts of a set', () => {
  it('are read with their places', () => {
    const { evr, at } = init(`${NAME}kernel: 1:5.14.0-503.el9\nreason: it boots\n`);
    expect([formatEvr(evr), at]).toEqual(['1:5.14.0-503.el9', 'errata/a-1-x86_64/2026-01-01.init.yaml:5:9']);
    const removals = fix(`${NAME}remove:\n  - { match: "^a$", reason: r }\n  - { glob: "b*", reason: r }\n`);
    expect(removals.map(({ pattern, at: place }) => `${pattern.kind} ${pattern.text} ${place}`)).toEqual([
      'regex ^a$ errata/a-1-x86_64/2026-01-01.fix.yaml:6:5',
      'glob b* errata/a-1-x86_64/2026-01-01.fix.yaml:7:5',
    ]);
  });

  it.each([
    [() => init(`${NAME}kernel: 5.14.0-503.el9\n`), 'lacks the key "reason"'],
    [() => init(`${NAME}kernel: newest\nreason: r\n`), 'version and release'],
    [() => init('set: b-1-x86_64\ndate: 2026-01-01\nkernel: 1-1\nreason: r\n'), 'does not belong here'],
    [() => fix(`${NAME}remove: []\n`), 'a list of 1 to'],
    [() => fix(`${NAME}remove: [{ reason: r }]\n`), 'must have match or glob'],
    [() => fix(`${NAME}remove: [{ match: a, glob: a, reason: r }]\n`), 'must have match or glob'],
    [() => fix(`${NAME}remove: [{ match: "(a", reason: r }]\n`), 'is not a regular expression'],
    [() => fix(`${NAME}remove: [{ match: a }]\n`), 'lacks the key "reason"'],
    [
      () => fix(`set: a-1-x86_64\ndate: 2026-01-02\nremove: [{ match: a, reason: r }]\n`),
      'does not belong here',
    ],
  ])('%#: are refused, with the place', (read, message) => {
    expect(read).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message),
        at: expect.stringMatching(/^errata\/a-1-x86_64\/2026-01-01\.(init|fix)\.yaml:\d+:\d+$/),
      }),
    );
  });
});
