import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { brokenReason, checkSets } from '../../src/flows/check-sets.ts';
import { type State, stateOf } from '../../src/flows/state.ts';
import type { History } from '../../src/forge/history.ts';
import { lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { type MadeBuild, madeCatalog } from '../fixtures/catalog.ts';

const [BASE, APPS, EPEL] = ['rocky-9-x86_64-base', 'rocky-9-x86_64-apps', 'epel-9-x86_64-all'];
const HISTORY = { commit: 'none', chain: [] } as unknown as History; // nothing is asked of it
const NONE = { signatures: 'none', reason: 'a test' };

type Builds = Readonly<Record<string, readonly MadeBuild[]>>;

/** States of policies and manifests in memory, with a catalog that has what their builds require. */
async function world() {
  const { catalog, snapshot } = await madeCatalog();
  const state = async (
    builds: Builds,
    team: Readonly<Record<string, unknown>> = {},
    change: (lock: string) => string = (lock) => lock,
  ): Promise<State> => {
    const files = new Map<string, string>();
    for (const id of [BASE, APPS, EPEL]) {
      const of = { id, baseurl: ['https://vendor.example/'], packages: { ...NONE }, metadata: { ...NONE } };
      files.set(
        `policies/upstreams/${id}.yaml`,
        stringify({ apiVersion: 'sluice/v1', kind: 'Upstream', ...of }),
      );
    }
    const tiers = { unstable: { from: 'live' }, stable: { from: 'unstable' } };
    const policy = { team: 'infra', repositories: [BASE, APPS], tiers, ...team };
    files.set('policies/teams/infra.yaml', stringify({ apiVersion: 'sluice/v1', kind: 'Team', ...policy }));
    for (const [id, own] of Object.entries(builds)) {
      const made = await snapshot(id, own);
      const from = id.replace('-stable-', '-unstable-');
      const { yaml, lock } = renderSnapshot(
        makeSnapshot({ ...made, from: id.startsWith('infra-stable') ? from : made.from }),
      );
      files.set(snapshotPath(made.repository), yaml);
      files.set(lockPath(made.repository), id.startsWith('infra-stable') ? change(lock) : lock);
    }
    return stateOf(HISTORY, files);
  };
  const faults = async (main: State, merged: State, which: 'changed' | 'all' = 'changed') =>
    (await checkSets(main, merged, catalog, which)).flatMap((set) => set.faults);
  return { state, faults };
}

const [stableBase, stableApps] = [`infra-stable-${BASE}`, `infra-stable-${APPS}`];
const WEB: MadeBuild = { nevra: 'web-1-1.x86_64', requires: ['tls', 'extra'] };
const TLS: MadeBuild = { nevra: 'tls-1-1.x86_64' };
const EXTRA: MadeBuild = { nevra: 'extra-1-1.x86_64' };

describe('a client set breaks by policy too', () => {
  it('where a repository leaves also:, or the team', async () => {
    const { state, faults } = await world();
    const builds = { [`vendor-live-${EPEL}`]: [EXTRA], [stableBase]: [TLS], [stableApps]: [WEB] };
    const main = await state(builds, { also: [EPEL] });
    expect(await faults(main, main)).toEqual([]);
    expect(await faults(main, await state(builds))).toMatchObject([
      {
        code: 'BROKEN_SET',
        message: 'web-1-1.x86_64 needs extra, which nothing in infra/stable rocky-9-x86_64 gives any client',
        hint: 'Keep the repository below also: that has extra-1-1.x86_64.',
        at: expect.stringMatching(/^snapshots\/infra\/stable\/rocky-9-x86_64-apps\.yaml:\d+:\d+$/),
      },
    ]);
    const left = await state(builds, { also: [EPEL], repositories: [APPS] });
    expect(await faults(main, left)).toMatchObject([{ hint: 'Keep tls-1-1.x86_64.' }]);
  });

  it('but not by what others do to what a team names: that is for check to say', async () => {
    const { state, faults } = await world();
    const rest = { [stableBase]: [TLS], [stableApps]: [WEB] };
    const main = await state({ ...rest, [`vendor-live-${EPEL}`]: [EXTRA] }, { also: [EPEL] });
    const merged = await state({ ...rest, [`vendor-live-${EPEL}`]: [] }, { also: [EPEL] });
    expect(await faults(main, merged)).toEqual([]);
    expect(await faults(main, merged, 'all')).toMatchObject([{ code: 'BROKEN_SET' }]);
  });
});

describe('main that cannot be read', () => {
  it('does not keep out the change that mends it, and is compared as far as it goes', async () => {
    const { state, faults } = await world();
    const live = { [`vendor-live-${BASE}`]: [TLS, EXTRA] };
    const lost = (lock: string) => lock.replace(/^(extra-.*) \w{12}$/m, '$1 000000000000');
    const main = await state({ ...live, [stableBase]: [TLS, EXTRA], [stableApps]: [] }, {}, lost);
    const mended = await state({ ...live, [stableBase]: [TLS], [stableApps]: [] });
    expect(await faults(main, mended)).toEqual([]);
    const breaking = await state({ ...live, [stableBase]: [TLS], [stableApps]: [WEB] });
    expect(await faults(main, breaking)).toMatchObject([
      { code: 'BROKEN_SET', message: expect.stringMatching(/needs extra/) },
    ]);
    await expect(faults(mended, main)).rejects.toMatchObject({ code: 'CATALOG_MISSING' });
  });
});

it('a binary whose record a source line names too is not overlooked', async () => {
  const { state, faults } = await world();
  const source: MadeBuild = { nevra: 'zzz-1-1.src' }; // its line comes after the other
  const both = { [stableBase]: [TLS], [stableApps]: [source, WEB] };
  const main = await state({ [stableBase]: [TLS], [stableApps]: [] });
  const same = (lock: string) => {
    const record = /^web-\S+x86_64 .* (\w{12})$/m.exec(lock)?.[1];
    return record === undefined ? lock : lock.replace(/^(zzz-.*) \w{12}$/m, `$1 ${record}`);
  };
  await expect(faults(main, await state(both, {}, same))).rejects.toMatchObject({ code: 'LOCK_MISMATCH' });
  expect(await faults(main, await state(both))).toHaveLength(1);
});

it('a line that names another build’s record is found though all of those records are known', async () => {
  const { state, faults } = await world();
  const builds = { [`vendor-live-${BASE}`]: [TLS, EXTRA], [`vendor-live-${APPS}`]: [WEB] };
  const main = await state({ ...builds, [stableBase]: [TLS], [stableApps]: [] });
  const honest = { ...builds, [stableBase]: [TLS, EXTRA], [stableApps]: [WEB] };
  expect(await faults(main, await state(honest))).toEqual([]);
  const record = /^tls-.* (\w{12})$/m.exec(main.files.get(`snapshots/infra/stable/${BASE}.lock`) ?? '')?.[1];
  const swapped = await state({ ...honest, [stableBase]: [TLS] }, {}, (lock) =>
    lock.replace(/^(web-.*) \w{12}$/m, `$1 ${record}`),
  );
  await expect(faults(main, swapped)).rejects.toMatchObject({ code: 'LOCK_MISMATCH' });
});

it('all sets together have no more than twenty in full', async () => {
  const { state, faults } = await world();
  const many = Array.from({ length: 60 }, (_, i): MadeBuild => {
    return { nevra: `p${i}-1-1.x86_64`, requires: [`q${i}`] };
  });
  const of = (apps: readonly MadeBuild[]) =>
    Object.fromEntries(
      ['unstable', 'stable'].flatMap((t) => [
        [`infra-${t}-${BASE}`, [TLS]],
        [`infra-${t}-${APPS}`, apps],
      ]),
    );
  const found = await faults(await state(of([])), await state(of(many)));
  expect(found).toHaveLength(22);
  expect(found.map(({ message }) => message).filter((m) => m.includes('would break'))).toEqual([
    'infra/unstable rocky-9-x86_64 would break 60 requirements of 60 builds; 40 of them are not listed',
    'infra/stable rocky-9-x86_64 would break 60 requirements of 60 builds; 60 of them are not listed',
  ]);
});

it('only a reason is a reason', () => {
  expect(brokenReason([['Sluice-Broken', 'libc comes tonight']])).toBe('libc comes tonight');
  expect(brokenReason([['Sluice-Broken', ' ']])).toBeUndefined();
  expect(brokenReason([['Sluice-Reason', 'because']])).toBeUndefined();
});
