import { describe, expect, it } from 'vitest';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';
import { originsText, permitsOrigin, wantsSigned } from '../../src/manifest/provenance-policy.ts';
import { files, TEAM, UPSTREAM } from './policies.ts';
import { said } from './samples.ts';

const BASEOS = 'rocky-9-x86_64-baseos';
const APPSTREAM = 'rocky-9-x86_64-appstream';

/** The team's policy with a rule of its own, and one of its tier unstable; baseos has to be signed. */
function policies(rule: string | undefined, ofTier?: string) {
  const tier = ofTier === undefined ? '' : `, provenance: ${ofTier}`;
  const team = TEAM.replace('keep: 2 }', `keep: 2${tier} }`);
  return files({
    'policies/teams/infra.yaml': rule === undefined ? team : `${team}provenance: ${rule}\n`,
    [`policies/upstreams/${BASEOS}.yaml`]: UPSTREAM.replace(
      /packages: .*/,
      'packages: { signatures: required }',
    ),
  });
}

const tiersOf = (rule: string | undefined, ofTier?: string) =>
  loadPolicies(policies(rule, ofTier)).teams.get('infra')?.tiers ?? [];
const complaintsOf = (rule: string | undefined, ofTier?: string) =>
  collectComplaints(policies(rule, ofTier)).map(said);

describe('provenance', () => {
  it('of the team counts in every tier, and a tier’s own counts beside it', () => {
    const [unstable, stable] = tiersOf(
      '{ origins: [rocky-9-*] }',
      `{ origins: ["*-baseos"], signed: required }`,
    );
    if (!unstable || !stable) throw new Error('no tiers');
    expect([unstable, stable].map((tier) => permitsOrigin(tier, BASEOS))).toEqual([true, true]);
    expect([unstable, stable].map((tier) => permitsOrigin(tier, APPSTREAM))).toEqual([false, true]);
    expect([unstable, stable].map((tier) => permitsOrigin(tier, 'epel-9-x86_64-baseos'))).toEqual([
      false,
      false,
    ]);
    expect([unstable, stable].map(wantsSigned)).toEqual([true, false]);
    expect(originsText(unstable)).toBe('rocky-9-* and of *-baseos');
  });

  it('that is not there permits everything and wants nothing', () => {
    const [unstable] = tiersOf(undefined);
    if (!unstable) throw new Error('no tier');
    expect(unstable).not.toHaveProperty('provenance');
    expect([permitsOrigin(unstable, APPSTREAM), wantsSigned(unstable)]).toEqual([true, false]);
  });

  it.each([
    [
      '{ origins: [rocky-9-x86_64-*, rocy-*] }',
      /:20:\d+ provenance: no upstream has an id such as "rocy-\*"$/,
    ],
    [
      '{ origins: ["*-baseos"] }',
      /:4:\d+ repositories\[1\] names rocky-9-x86_64-appstream, which the team's/,
    ],
    [
      '{ signed: required }',
      /:20:1 provenance: nothing of rocky-9-x86_64-appstream can be shown to be signed: its policy asks/,
    ],
    ['{ origins: ["rocky-[9"] }', /:20:\d+ provenance\.origins\[0\]: "rocky-\[9" is not a glob/],
    ['{}', /provenance must be a map of origins and signed, at least one of them/],
    ['{ origins: [] }', /provenance\.origins must be a list of 1 to 1,000 globs/],
    ['{ signed: none }', /provenance\.signed must be required/],
    ['{ origin: ["*"] }', /provenance has the unknown key "origin"/],
  ])('%s is refused', (rule, complaint) => {
    expect(complaintsOf(rule)).toEqual([expect.stringMatching(complaint)]);
  });
});
