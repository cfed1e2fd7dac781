import { expect, it } from 'vitest';
import { checkScope } from '../../src/flows/check-scope.ts';
import { type State, stateOf } from '../../src/flows/state.ts';
import type { History } from '../../src/forge/history.ts';
import { lockPath, type RepositoryName, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, renderSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { treeChange } from '../../src/plan/kickstart.ts';
import type { Plan } from '../../src/plan/types.ts';

const repository: RepositoryName = {
  team: 'infra',
  tier: 'stable',
  os: 'harbor',
  version: '9',
  arch: 'x86_64',
  repo: 'base',
};
const tree = (digit: string) => ({ type: 'sha256', hex: digit.repeat(64) }) as const;

function manifest(digit?: string): Snapshot {
  const from = 'infra-unstable-harbor-9-x86_64-base';
  return makeSnapshot({ repository, from, pins: [], ...(digit ? { kickstart: tree(digit) } : {}) });
}

function state(snapshot: Snapshot): State {
  const { yaml, lock } = renderSnapshot(snapshot);
  const files = new Map([
    [snapshotPath(repository), yaml],
    [lockPath(repository), lock],
  ]);
  return stateOf({ commit: 'c0ffee' } as History, files);
}

function hotfix(before: Snapshot, after: Snapshot): Plan {
  const changes = before === after ? [] : [treeChange(before.kickstart, after.kickstart, undefined)];
  const own = { repository, before, after, changes, staying: [], attention: [], notes: [] };
  const now = new Date('2026-06-01');
  return {
    verb: 'hotfix',
    team: 'infra',
    tier: 'stable',
    set: 'harbor-9-x86_64',
    now,
    from: 'live',
    repositories: [own],
    about: new Map(),
  };
}

it('a merge of a hotfix changes no installation tree that its plan does not change', () => {
  const [none, one, two] = [manifest(), manifest('1'), manifest('2')];
  const said = (plan: Plan, main: Snapshot, merged: Snapshot) =>
    checkScope(plan, state(main), state(merged)).map(({ message }) => message);
  const id = 'infra-stable-harbor-9-x86_64-base';
  expect(said(hotfix(one, one), one, one)).toEqual([]);
  expect(said(hotfix(one, one), two, two)).toEqual([]); // main moved since
  expect(said(hotfix(one, one), one, two)).toEqual([
    expect.stringContaining(`sha256:${'2'.repeat(64)} of ${id} is no part of this hotfix`),
  ]);
  expect(said(hotfix(one, one), one, none)).toEqual([expect.stringContaining('is no part of this hotfix')]);
  expect(said(hotfix(one, two), one, two)).toEqual([]);
  expect(said(hotfix(one, two), one, none)).toHaveLength(1);
});
