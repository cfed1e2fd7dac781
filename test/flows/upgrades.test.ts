import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { stateOf, teamOf, tierOf } from '../../src/flows/state.ts';
import { withUpgrades } from '../../src/flows/upgrades.ts';
import type { History } from '../../src/forge/history.ts';
import { lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { renderSnapshot } from '../../src/manifest/snapshot.ts';
import type { Plan } from '../../src/plan/types.ts';
import { body } from '../../src/report/body.ts';
import { madeCatalog } from '../fixtures/catalog.ts';

const ID = 'rocky-9-x86_64-base';
const HISTORY = { commit: 'none', chain: [] } as unknown as History; // nothing is asked of it
const NONE = { signatures: 'none', reason: 'a test' };

it('a plan says which host of a profile could no longer upgrade, and what of it nobody knows', async () => {
  const { catalog, snapshot } = await madeCatalog();
  const [old, web, db] = ['lib-1-1.noarch', 'web-1-1.noarch', 'db-1-1.noarch'].map((nevra) => ({ nevra }));
  const next = { nevra: 'web-2-1.noarch', conflicts: ['db'] };
  if (!old || !web || !db) throw new Error('no builds');
  const before = await snapshot(`infra-stable-${ID}`, [old, web, db]);
  const after = await snapshot(`infra-stable-${ID}`, [old, web, db, next]);
  const live = await snapshot(`vendor-live-${ID}`, [old, web, db, next]);
  const upstream = {
    id: ID,
    baseurl: ['https://vendor.example/'],
    packages: { ...NONE },
    metadata: { ...NONE },
  };
  const team = { team: 'infra', repositories: [ID], tiers: { stable: { from: 'live' } } };
  const profiles = ['profiles/both.txt', 'profiles/web.txt'];
  const head = { apiVersion: 'sluice/v1' };
  const files = new Map([
    [`policies/upstreams/${ID}.yaml`, stringify({ ...head, kind: 'Upstream', ...upstream })],
    ['policies/teams/infra.yaml', stringify({ ...head, kind: 'Team', ...team, profiles })],
    ['profiles/both.txt', 'web-1-1.noarch\ndb-1-1.noarch\ngone-1-1.noarch\n'],
    ['profiles/web.txt', 'web-1-1.noarch\nlib-1-1.noarch\n'],
  ]);
  for (const one of [before, live]) {
    const { yaml, lock } = renderSnapshot(one);
    files.set(snapshotPath(one.repository), yaml).set(lockPath(one.repository), lock);
  }
  const state = stateOf(HISTORY, files);
  const infra = teamOf(state.policies, 'infra');
  const to = after.pins.find((pin) => pin.nevra.evr.version === '2');
  const from = before.pins.find((pin) => pin.nevra.name === 'web');
  if (!to || !from) throw new Error('no pins');
  const plan: Plan = {
    verb: 'promote',
    team: 'infra',
    tier: 'stable',
    set: 'rocky-9-x86_64',
    from: 'live',
    now: new Date('2026-03-01T00:00:00Z'),
    about: new Map(),
    repositories: [
      {
        repository: after.repository,
        before,
        after,
        changes: [{ kind: 'update', from, to, source: 'web', past: [] }],
        staying: [],
        attention: [],
        notes: [],
      },
    ],
  };
  const scope = { team: infra, tier: tierOf(infra, 'stable'), set: 'rocky-9-x86_64' };
  const asked = await withUpgrades(plan, state, catalog, scope);
  const [repository] = asked.repositories;
  expect(repository?.troubles?.map(({ who, what }) => [who, what])).toEqual([
    ['profiles/both.txt', 'cannot upgrade'],
  ]);
  expect(repository?.notes).toEqual([expect.stringContaining('profiles/both.txt: 1 of 3 packages')]);
  const text = body(asked, { base: 'b', plan: 'p', catalog: [], mirrorUrl: undefined, version: '0' });
  expect(text).toContain('profiles/both.txt');
  expect(text).toContain('web-2-1.noarch conflicts with db');
});
