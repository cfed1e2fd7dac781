import { loadPolicies } from '../../src/manifest/policy.ts';
import { lockstepRule, ownerOf } from '../../src/plan/lockstep.ts';
import { planLockstep } from '../../src/plan/planLockstep.ts';
import { type PromoteInput, planPromotion } from '../../src/plan/promote.ts';
import type { Plan } from '../../src/plan/types.ts';
import { type Given, inputOf } from './world.ts';

/** A group and its teams, each with what differs from the rest. */
export interface GivenLockstep extends Partial<Given> {
  readonly now: string;
  /** Lines of the group's `packages`. */
  readonly packages: string;
  readonly teams: Readonly<Record<string, Partial<Given>>>;
}

export function lockstepWorld(given: GivenLockstep) {
  const names = Object.keys(given.teams).sort();
  const { packages, teams: _, ...rest } = given;
  const members = names.map((name) => memberOf(name, { parent: {}, ...rest, ...given.teams[name] }));
  const policy = `apiVersion: sluice/v1\nkind: Lockstep\nid: fabric\npackages: ${packages}\nreason: one fabric\nowner: "@acme/hpc"\n`;
  const files = names.map((team): [string, string] => [
    `policies/teams/${team}.yaml`,
    `apiVersion: sluice/v1\nkind: Team\nteam: ${team}\nrepositories: [${UPSTREAM.id}]\ntiers: { stable: { from: live } }\n`,
  ]);
  const policies = loadPolicies(
    new Map([
      ['policies/lockstep/fabric.yaml', policy],
      [`policies/upstreams/${UPSTREAM.id}.yaml`, UPSTREAM.text],
      ...files,
    ]),
  );
  const group = policies.lockstep.get('fabric');
  if (!group) throw new Error('no group');
  const set = { group, tier: 'stable', teams: names };
  const owns = (name: string) => ownerOf(name, [set]) !== undefined;
  return {
    owns,
    together: (): Plan =>
      planLockstep({ ...set, set: 'harbor-9-x86_64', members, owns, now: new Date(given.now) }),
    alone: (team: string): Plan => {
      const member = members.find((m) => m.team.team === team) as PromoteInput;
      const rule = lockstepRule([set], team);
      return planPromotion({ ...member, ...(rule ? { lockstep: rule } : {}) });
    },
  };
}

const UPSTREAM = {
  id: 'harbor-9-x86_64-base',
  text: `apiVersion: sluice/v1
kind: Upstream
id: harbor-9-x86_64-base
baseurl: [https://vendor.example/base/]
packages: { signatures: none, reason: a test }
metadata: { signatures: none, reason: a test }
`,
};

function memberOf(team: string, given: Given): PromoteInput {
  const input = inputOf(given);
  const repositories = input.repositories.map((r) => {
    const repository = { ...r.repository, team };
    const target = r.target && { ...r.target, repository };
    return { ...r, repository, target };
  });
  return { ...input, team: { ...input.team, team }, repositories };
}
