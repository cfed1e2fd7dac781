import { expect, it } from 'vitest';
import { collectComplaints } from '../../src/manifest/policy.ts';
import { files, TEAM } from './policies.ts';
import { said } from './samples.ts';

it.each([
  [
    'a baseline of a tier that rolls',
    'keep: 2 }',
    'keep: 2, baseline: baselines/x }',
    '7:56',
    'tiers.unstable.baseline says nothing of a tier that rolls',
  ],
  [
    'a baseline that is elsewhere',
    'mode: updates-only',
    'mode: updates-only, baseline: ../x',
    '9:106',
    'tiers.stable.baseline must be a file such as',
  ],
  [
    'a baseline of another client set',
    'mode: updates-only',
    'mode: updates-only, baseline: { rocky-8-x86_64: baselines/x }',
    '9:124',
    "tiers.stable.baseline.rocky-8-x86_64 must be one of the team's client sets",
  ],
  [
    'an exception of a tier that rolls',
    'keep: 2 }',
    'keep: 2, exceptions: [{ match: ^a$, reason: b, owner: c, until: 2027-01-01 }] }',
    '7:56',
    'tiers.unstable.exceptions are of a frozen tier',
  ],
  [
    'an exception without an end',
    'mode: updates-only',
    'mode: frozen, exceptions: [{ match: ^a$, reason: b, owner: c }]',
    '9:103',
    'tiers.stable.exceptions[0] lacks the key "until"',
  ],
  [
    'an exception with an end that is no day',
    'mode: updates-only',
    'mode: frozen, exceptions: [{ match: ^a$, reason: b, owner: c, until: 2027-02-30 }]',
    '9:145',
    'tiers.stable.exceptions[0].until must be a day of the calendar',
  ],
  [
    'an exception for everything',
    'mode: updates-only',
    'mode: frozen, exceptions: [{ reason: b, owner: c, until: 2027-02-03 }]',
    '9:103',
    'tiers.stable.exceptions[0] must say what it matches',
  ],
])('%s is refused', (_, from, to, place, message) => {
  const path = 'policies/teams/infra.yaml';
  const [first, ...more] = collectComplaints(files({ [path]: TEAM.replace(from, to) })).map(said);
  expect(first).toContain(`POLICY_INVALID ${path}:${place} ${message}`);
  expect(more).toEqual([]);
});
