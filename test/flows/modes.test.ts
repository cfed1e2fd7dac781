import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkFiles, checkMoves } from '../../src/flows/check.ts';
import { fillPlan } from '../../src/flows/plan-fill.ts';
import { promotionPlan } from '../../src/flows/plan-promote.ts';
import { type State, stateOf, teamOf, tierOf } from '../../src/flows/state.ts';
import type { History } from '../../src/forge/history.ts';
import { lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import type { Plan } from '../../src/plan/types.ts';
import { body } from '../../src/report/body.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { type MadeBuild, madeCatalog } from '../fixtures/catalog.ts';

const ID = 'rocky-9-x86_64-base';
const SET = 'rocky-9-x86_64';
const NONE = { signatures: 'none', reason: 'a test' };
const NOW = new Date('2026-03-10T12:00:00Z');
/** Everything has always stood where it stands; the tip is of that day. */
const HISTORY = {
  commit: 'none',
  chain: [{ id: 'none', time: NOW }],
  stays: async () => ({ get: () => ({ began: new Date(0), exact: false }) }),
} as unknown as History;

const builds = (...nevras: string[]): MadeBuild[] => nevras.map((nevra) => ({ nevra }));

async function world() {
  const { catalog, snapshot } = await madeCatalog();
  const state = async (
    tier: Readonly<Record<string, unknown>>,
    own: Readonly<Record<'live' | 'stable', readonly MadeBuild[]>>,
    more: Readonly<Record<string, string>> = {},
  ): Promise<State> => {
    const head = { apiVersion: 'sluice/v1' };
    const upstream = { ...head, kind: 'Upstream', id: ID, baseurl: ['https://vendor.example/'] };
    const team = {
      ...head,
      kind: 'Team',
      team: 'infra',
      repositories: [ID],
      tiers: { stable: { from: 'live', ...tier } },
    };
    const files = new Map([
      [
        `policies/upstreams/${ID}.yaml`,
        stringify({ ...upstream, packages: { ...NONE }, metadata: { ...NONE } }),
      ],
      ['policies/teams/infra.yaml', stringify(team)],
      ...Object.entries(more),
    ]);
    for (const [id, list] of [
      [`vendor-live-${ID}`, own.live],
      [`infra-stable-${ID}`, own.stable],
    ] as const) {
      const made = await snapshot(id, list);
      const { yaml, lock } = renderSnapshot(makeSnapshot(made));
      files.set(snapshotPath(made.repository), yaml).set(lockPath(made.repository), lock);
    }
    return stateOf(HISTORY, files);
  };
  const scope = (of: State) => {
    const team = teamOf(of.policies, 'infra');
    return { team, tier: tierOf(team, 'stable'), set: SET };
  };
  return { catalog, state, scope };
}

const has = (plan: Plan) =>
  plan.repositories.flatMap((r) => r.after.pins.map(({ nevra }) => formatNevra(nevra)));
const checked = async (state: State) => {
  const files = new Map([...state.files].map(([path, text]) => [path, { text, mode: '100644' }]));
  return (await checkFiles(files, HISTORY)).checked;
};

describe('a tier of updates with a baseline', () => {
  const tier = { mode: 'updates-only', baseline: { [SET]: 'baselines/image.txt' } };
  const live = builds('a-2-1.noarch', 'b-2-1.noarch', 'new-1-1.noarch');

  it('gets its first content, and all later, of the names that the baseline has', async () => {
    const { catalog, state, scope } = await world();
    const list = { 'baselines/image.txt': 'a-1-1.noarch\nb-1-1.noarch\n' };
    const main = await state(tier, { live, stable: [] }, list);
    const filled = await fillPlan(main, catalog, scope(main), {}, NOW);
    expect(has(filled)).toEqual(['a-2-1.noarch', 'b-2-1.noarch']);
    expect(filled.repositories[0]?.notes.join()).toContain(
      'one name is not in baselines/image.txt, and nothing of that comes in',
    );
    const named = await fillPlan(main, catalog, scope(main), { list: ['new-1-1.noarch'] }, NOW);
    expect(has(named)).toEqual(['new-1-1.noarch']); // a person named it
    const promoted = await promotionPlan(main, catalog, scope(main), { named: [], now: NOW });
    expect(has(promoted)).toEqual(['a-2-1.noarch', 'b-2-1.noarch']);
  });

  it('is refused by check where the list is missing or cannot be read', async () => {
    const { state } = await world();
    const said = async (files: Readonly<Record<string, string>>) =>
      (await checked(await state(tier, { live, stable: [] }, files))).complaints.map(
        ({ code, at }) => `${code} ${at}`,
      );
    expect(await said({})).toEqual([
      expect.stringMatching(/^NOT_FOUND policies\/teams\/infra\.yaml:\d+:\d+$/),
    ]);
    expect(await said({ 'baselines/image.txt': 'nonsense\n' })).toEqual(['MALFORMED baselines/image.txt:1']);
    expect(await said({ 'baselines/image.txt': 'a-1-1.noarch\n' })).toEqual([]);
  });
});

describe('a frozen tier', () => {
  const live = builds('a-1-1.noarch', 'a-2-1.noarch', 'b-1-1.noarch', 'b-2-1.noarch');
  const stable = builds('a-1-1.noarch', 'b-1-1.noarch');
  const except = (until: string) => ({
    mode: 'frozen',
    exceptions: [{ match: '^a$', reason: 'CVE-2026-1', owner: 'ops', until }],
  });

  it('moves by its exceptions, and the pull request says by which', async () => {
    const { catalog, state, scope } = await world();
    const main = await state(except('2026-03-10'), { live, stable });
    const plan = await promotionPlan(main, catalog, scope(main), { named: [], now: NOW });
    expect(has(plan)).toEqual(['a-1-1.noarch', 'a-2-1.noarch', 'b-1-1.noarch']);
    const text = body(plan, { base: 'b', plan: 'p', catalog: [], mirrorUrl: undefined, version: '0' });
    expect(text).toContain('moves by exception: ^a&#36; until 2026-03-10 \\(CVE-2026-1, ops\\)');
    expect((await checked(main)).warnings).toEqual([]);
  });

  it('is asked again at the merge: by then the exception may have ended', async () => {
    const { state } = await world();
    const main = await state(except('2026-03-09'), { live, stable });
    const moved = await state(except('2026-03-09'), { live, stable: [...stable, ...builds('a-2-1.noarch')] });
    const claim = (...named: string[]) => ({ verb: 'promote', all: () => named });
    const said = async (now: string, ...named: string[]) => {
      const found = await checkMoves(main, moved, {
        claim: claim(...named),
        proven: true,
        now: new Date(now),
      });
      return found.map((f) => f.message);
    };
    expect(await said('2026-03-09T23:59:59Z')).toEqual([]);
    expect(await said('2026-03-10T00:00:00Z')).toEqual([
      'stable is frozen, and no exception that is in force lets a-2-1.noarch in',
    ]);
    expect(await said('2026-03-10T00:00:00Z', 'a')).toEqual([]); // a person named it
    expect((await checked(main)).warnings.map((f) => f.message)).toEqual([
      'an exception of infra/stable ended on 2026-03-09 and lets nothing in any more: CVE-2026-1',
    ]);
  });
});
