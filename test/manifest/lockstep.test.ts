import { describe, expect, it } from 'vitest';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';

const upstream = `apiVersion: sluice/v1
kind: Upstream
id: harbor-9-x86_64-base
baseurl: [https://vendor.example/base/]
packages: { signatures: none, reason: a test }
metadata: { signatures: none, reason: a test }
`;
const team = (name: string, tiers: string) =>
  `apiVersion: sluice/v1\nkind: Team\nteam: ${name}\nrepositories: [harbor-9-x86_64-base]\ntiers: ${tiers}\n`;
const group = (rest: string, id = 'fabric') =>
  `apiVersion: sluice/v1\nkind: Lockstep\nid: ${id}\nreason: one fabric\nowner: "@acme/hpc"\n${rest}\n`;
const TEAMS: readonly (readonly [string, string])[] = [
  ['policies/upstreams/harbor-9-x86_64-base.yaml', upstream],
  ['policies/teams/hpc.yaml', team('hpc', '{ test: { from: live }, stable: { from: test } }')],
  ['policies/teams/viz.yaml', team('viz', '{ stable: { from: live } }')],
  ['policies/teams/web.yaml', team('web', '{ prod: { from: live } }')],
];
const files = (text: string, ...more: [string, string][]) =>
  new Map([...TEAMS, ['policies/lockstep/fabric.yaml', text] as const, ...more]);
const said = (all: ReadonlyMap<string, string>) =>
  collectComplaints(all).map((f) => `${f.at}: ${f.code} ${f.message}`);

describe('a lockstep group', () => {
  it('is read with its patterns, and knows names', () => {
    const text = group(
      'packages:\n  - glob: lustre*\n  - { match: ^(rdma|verbs)$, except: [^rdma$] }\nteams: [hpc, viz]\ntiers: [stable]',
    );
    const known = loadPolicies(files(text)).lockstep.get('fabric');
    expect(known).toMatchObject({ teams: ['hpc', 'viz'], tiers: ['stable'], owner: '@acme/hpc' });
    const names = ['lustre', 'lustre-client', 'verbs', 'rdma', 'bash'];
    expect(names.filter((name) => known?.matches(name))).toEqual(['lustre', 'lustre-client', 'verbs']);
  });

  it('of a preset that the policy edits', () => {
    const text = group('packages: [{ preset: kernel-space, except: [^kernel-tools$], add: [^beegfs-.*$] }]');
    const known = loadPolicies(files(text)).lockstep.get('fabric');
    expect(['kernel-core', 'kernel-tools', 'beegfs-client'].map((n) => known?.matches(n))).toEqual([
      true,
      false,
      true,
    ]);
  });

  const glob = 'packages: [{ glob: lustre* }]';
  it.each([
    [
      'under another name',
      group(glob, 'other'),
      /^policies\/lockstep\/fabric\.yaml:3:5: POLICY_INVALID id must be the file's name/,
    ],
    [
      'of an unknown team',
      group(`${glob}\nteams: [hpc, vis]`),
      /:7:14: .*teams\[1\] must be one of the teams \(hpc, viz, web\), not vis/,
    ],
    ['of one team', group(`${glob}\nteams: [hpc]`), /:7:8: .*teams must be a list of 2 to 1,000 teams/],
    ['of a team twice', group(`${glob}\nteams: [hpc, viz, hpc]`), /:7:19: .*teams\[2\] names hpc twice/],
    [
      'of an unknown tier',
      group(`${glob}\ntiers: [stable, prd]`),
      /:7:17: .*tiers\[1\] names prd, which none of its teams has/,
    ],
    [
      'of a tier that one team has',
      group(`${glob}\ntiers: [test]`),
      /:7:9: .*tiers\[0\] names test, which of its teams only hpc has/,
    ],
    ['of teams without a common tier', group(`${glob}\nteams: [viz, web]`), /:3:5: .*keeps nothing together/],
    [
      'of an empty pattern',
      group('packages: [{ glob: "" }]'),
      /:6:20: .*an empty glob would match every package/,
    ],
    [
      'of no pattern',
      group('packages: [{ except: [^a$] }]'),
      /:6:12: .*packages\[0\] must say which packages/,
    ],
    ['of no packages', group('packages: []'), /:6:11: .*packages must be a list/],
    ['of a source package', group('packages: [{ source: ^lustre$ }]'), /:6:14: .*unknown key "source"/],
    [
      'of a pattern that goes back',
      group('packages: [{ match: (a)\\1 }]'),
      /:6:21: .*not a regular expression/,
    ],
    ['of an unknown preset', group('packages: [{ preset: kernels }]'), /:6:22: .*no preset "kernels"/],
    ['without a reason', group(glob).replace(/reason: .*\n/, ''), /lacks the key "reason"/],
  ])('%s is refused at its place', (_, text, message) => {
    expect(said(files(text)).join('\n')).toMatch(message);
  });

  it('that shares a pattern, a team and a tier with another one is refused; another tier is none of its', () => {
    const other = (rest: string): [string, string] => [
      'policies/lockstep/storage.yaml',
      group(`packages: [{ match: ^zfs$ }, { glob: lustre* }]\n${rest}`, 'storage'),
    ];
    expect(said(files(group(glob), other('')))).toEqual([
      'policies/lockstep/storage.yaml:6:30: POLICY_INVALID packages[1] is in the lockstep group fabric too, of some of the same teams and tiers',
    ]);
    const more: [string, string][] = [
      ['policies/teams/sea.yaml', team('sea', '{ prod: { from: live } }')],
      other('teams: [sea, web]'),
    ];
    expect(said(files(group(`${glob}\ntiers: [stable]`), ...more))).toEqual([]);
  });

  it('in a folder of a wrong name would be kept by nobody, and is refused', () => {
    expect(said(new Map([...TEAMS, ['policies/locksteps/fabric.yaml', group(glob)]])).join()).toMatch(
      /not a place for a policy/,
    );
  });
});
