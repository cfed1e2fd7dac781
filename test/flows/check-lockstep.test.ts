import { describe, expect, it } from 'vitest';
import { checkLockstepGroups } from '../../src/flows/check-lockstep.ts';
import { type State, stateOf } from '../../src/flows/state.ts';
import type { History } from '../../src/forge/history.ts';
import { lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { pin, UPSTREAM } from '../plan/world.ts';

const HISTORY = { commit: 'x', chain: [] } as unknown as History; // the check of groups asks nothing of it
const team = (name: string) =>
  `apiVersion: sluice/v1\nkind: Team\nteam: ${name}\nrepositories: [${UPSTREAM}]\ntiers: { stable: { from: live } }\n`;
const group = (id: string, glob: string) =>
  `apiVersion: sluice/v1\nkind: Lockstep\nid: ${id}\npackages: [{ glob: "${glob}" }]\nreason: one fabric\nowner: "@hpc"\n`;

type Groups = Readonly<Record<string, string>>;

function state(
  builds: Readonly<Record<string, readonly string[]>>,
  groups: Groups = { fabric: 'lustre*' },
): State {
  const files = new Map([
    [
      `policies/upstreams/${UPSTREAM}.yaml`,
      `apiVersion: sluice/v1\nkind: Upstream\nid: ${UPSTREAM}\nbaseurl: [https://vendor.example/base/]\npackages: { signatures: none, reason: a test }\nmetadata: { signatures: none, reason: a test }\n`,
    ],
    ...['hpc', 'viz', 'web'].map((name) => [`policies/teams/${name}.yaml`, team(name)] as const),
    ...Object.entries(groups).map(([id, glob]) => [`policies/lockstep/${id}.yaml`, group(id, glob)] as const),
  ]);
  for (const [owner, nevras] of Object.entries(builds)) {
    const tier = owner === 'vendor' ? 'live' : 'stable';
    const repository = { team: owner, tier, os: 'harbor', version: '9', arch: 'x86_64', repo: 'base' };
    const from = tier === 'live' ? UPSTREAM : `vendor-live-${UPSTREAM}`;
    const pins = nevras.map((nevra) => pin(nevra));
    const text = renderSnapshot(makeSnapshot({ repository, from, modules: new Map(), pins }));
    files.set(snapshotPath(repository), text.yaml).set(lockPath(repository), text.lock);
  }
  return stateOf(HISTORY, files);
}

const by = (verb: string, proven = true) => ({ claim: { verb, all: () => [] }, proven });
const said = (
  main: State,
  merged: State,
  spoken: Parameters<typeof checkLockstepGroups>[2] = by('promote'),
) => {
  const { complaints, warnings } = checkLockstepGroups(main, merged, spoken);
  return {
    complaints: complaints.map((f) => `${f.at}: ${f.message}`),
    warnings: warnings.map((f) => f.message),
  };
};
const NONE = { complaints: [], warnings: [] };
const [ONE, TWO, THREE] = ['lustre-1-1.x86_64', 'lustre-2-1.x86_64', 'lustre-3-1.x86_64'];
const same = state({ hpc: [ONE], viz: [ONE], web: ['bash-1-1.x86_64'] });

describe('the check of teams in lockstep', () => {
  it('has nothing to say where they have the same newest build, or one of them none', () => {
    expect(said(same, same)).toEqual(NONE);
    expect(said(same, state({ hpc: [ONE, TWO], viz: [TWO] }))).toEqual(NONE);
    expect(said(same, state({ hpc: [ONE], viz: [] }))).toEqual(NONE);
  });

  it('names team, tier, versions and the line where a merge parts them', () => {
    const { complaints } = said(same, state({ hpc: [ONE, TWO], viz: [ONE] }));
    expect(complaints).toEqual([
      expect.stringMatching(
        /^snapshots\/hpc\/stable\/.*\.yaml:\d+:\d+: teams would differ in lustre\.x86_64 of stable \(harbor-9-x86_64\): hpc 2-1, viz 1-1\. They are in lockstep by fabric: one fabric \(@hpc\)$/,
      ),
    ]);
  });

  it('lets a difference from before stand, or end; it does not let it change', () => {
    const apart = state({ hpc: [TWO], viz: [ONE] });
    expect(said(state({ hpc: [TWO], viz: [ONE] }, {}), apart)).toMatchObject({
      complaints: [],
      warnings: [expect.stringContaining('teams differ in lustre.x86_64')],
    });
    expect(said(apart, state({ hpc: [TWO], viz: [TWO] }))).toEqual(NONE);
    expect(said(apart, state({ hpc: [THREE], viz: [ONE] })).complaints).toHaveLength(1);
    expect(said(apart, state({ hpc: [TWO], viz: [ONE], web: [ONE] })).complaints).toHaveLength(1);
  });

  it.each([
    ['hotfix', /--all-teams/],
    ['rollback', /sluice recall/],
    ['fill', /--like/],
    ['promote', /sluice promote --lockstep fabric --to stable/],
  ])('says after a %s what to do', (verb, hint) => {
    const { complaints } = checkLockstepGroups(same, state({ hpc: [TWO], viz: [ONE] }), by(verb));
    expect(complaints[0]?.hint).toMatch(hint);
  });

  it('lets a proven recall part them, and nobody who only says that it is one', () => {
    const merged = state({ hpc: [ONE], viz: ['lustre-0-1.x86_64'] });
    expect(said(same, merged, by('recall'))).toMatchObject({ complaints: [], warnings: [expect.anything()] });
    expect(said(same, merged, by('recall', false)).complaints).toHaveLength(1);
  });

  it('finds a package in two groups: refused where policies make it so, told where upstream does', () => {
    const two = { fabric: 'lustre*', storage: '*-client' };
    const builds = { vendor: ['lustre-client-1-1.x86_64'], hpc: [ONE], viz: [ONE] };
    expect(said(state(builds), state(builds, two)).complaints).toEqual([
      expect.stringMatching(
        /^policies\/lockstep\/storage\.yaml:4:12: lustre-client is in two lockstep groups of the same team and tier, fabric and storage$/,
      ),
    ]);
    expect(said(state({ hpc: [ONE], viz: [ONE] }, two), state(builds, two))).toMatchObject({
      complaints: [],
      warnings: [expect.stringContaining('in two lockstep groups')],
    });
  });
});
