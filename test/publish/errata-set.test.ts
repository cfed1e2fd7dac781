import { describe, expect, it } from 'vitest';
import { type ErrataSet, errataPath, renderErrata } from '../../src/manifest/errata.ts';
import { errataPartPath } from '../../src/manifest/errata-parts.ts';
import { lockPath, snapshotPath, upstreamId } from '../../src/manifest/ids.ts';
import { loadPolicies } from '../../src/manifest/policy.ts';
import { makeSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { errataSnapshots } from '../../src/publish/errata-set.ts';
import { compareNevra, formatNevra, parseNevra } from '../../src/rpm/nevra.ts';
import { LIVE, sample } from './world.ts';

const APPS = { ...LIVE, repo: 'apps' };
const chosen = { set: 'harbor-9-x86_64', date: '2026-01-02', at: 'policies/errata.yaml:3:30' };
const kernel = (evr: string) => [`kernel-core-${evr}.x86_64`, `kernel-${evr}.x86_64`];

type Builds = Readonly<Record<'base' | 'apps', readonly string[]>>;

/** Both manifests of live, as texts. */
function manifests({ base, apps }: Builds): Map<string, string> {
  const files = new Map<string, string>();
  for (const [repository, builds] of [
    [LIVE, base],
    [APPS, apps],
  ] as const) {
    const pins = builds.map((build) => sample(build).pin);
    const { yaml, lock } = renderSnapshot(makeSnapshot({ repository, from: upstreamId(repository), pins }));
    files.set(snapshotPath(repository), yaml).set(lockPath(repository), lock);
  }
  return files;
}

function setOf(builds: readonly string[], o: Partial<ErrataSet> = {}): [string, string] {
  const nevras = builds.map((build) => parseNevra(build)).sort(compareNevra);
  const head = { ...chosen, from: 'directory', repositories: [], kernels: false, ...o };
  return [errataPath(chosen), renderErrata({ ...head, builds: nevras })];
}

/** `past`: the newest first. `made` has each repository's builds, as `apps: build`. */
async function made(
  now: ReadonlyMap<string, string>,
  past: readonly ReadonlyMap<string, string>[],
  site = '',
) {
  const of = (files: ReadonlyMap<string, string> | undefined, paths: readonly string[]) =>
    new Map(paths.flatMap((path) => (files?.has(path) ? [[path, files.get(path) ?? '']] : [])));
  const read: string[] = [];
  const texts = {
    readMany: async (paths: readonly string[]) => of(now, paths),
    readAt: async (paths: readonly string[], commit: string) => {
      read.push(commit);
      return of(past[Number.parseInt(commit, 16)], paths);
    },
    changes: async () => past.map((_, i) => ({ id: i.toString(16).padStart(40, '0') })),
  };
  const policies = loadPolicies(
    new Map([['policies/site.yaml', `apiVersion: sluice/v1\nkind: Site\n${site}`]]),
  );
  const { snapshots, ofLive } = await errataSnapshots(texts, policies, chosen, [APPS, LIVE]);
  const builds = snapshots.flatMap(({ repository, pins }) =>
    pins.map(({ nevra }) => `${repository.repo}: ${formatNevra(nevra)}`),
  );
  return { builds, ofLive, read };
}

const BEFORE = { base: ['a-1-1.x86_64', ...kernel('6.1-1')], apps: ['w-1-1.noarch'] };
const NOW = { base: ['a-2-1.x86_64', ...kernel('6.1-3')], apps: ['w-2-1.noarch'] };
const site = (evr: string) => `kernels: { harbor-9-x86_64: ${evr} }\n`;

describe('the manifests of a set', () => {
  it('of a commit are those of that commit, whatever live has become', async () => {
    const [path, text] = setOf(['a-1-1.x86_64', 'w-1-1.noarch'], {
      from: 'live',
      commit: '0'.repeat(40),
      repositories: ['harbor-9-x86_64-apps', 'harbor-9-x86_64-base'],
    });
    const now = new Map([...manifests(NOW), [path, text]]);
    const set = await made(now, [manifests(BEFORE)]);
    expect(set.builds).toEqual(['apps: w-1-1.noarch', 'base: a-1-1.x86_64']);
    expect(set.ofLive).toBe(false);
    const withKernel = await made(now, [manifests(BEFORE)], site('6.1-1'));
    expect(withKernel.builds.filter((b) => b.includes('kernel'))).toEqual(
      kernel('6.1-1').map((b) => `base: ${b}`),
    );
    const newer = await made(now, [manifests(BEFORE)], site('6.1-3')); // it is in live only
    expect(newer.builds.filter((b) => b.includes('kernel'))).toEqual(
      kernel('6.1-3').map((b) => `base: ${b}`),
    );
    expect(newer.ofLive).toBe(true);
  });

  it('of a folder are where live has the builds, or had them last', async () => {
    const files = (builds: readonly string[]) => new Map([...manifests(NOW), setOf(builds)]);
    expect((await made(files(['a-2-1.x86_64', 'w-2-1.noarch']), [])).builds).toEqual([
      'apps: w-2-1.noarch',
      'base: a-2-1.x86_64',
    ]);
    const past = [manifests(NOW), manifests(BEFORE), manifests({ base: [], apps: [] })];
    const old = await made(files(['a-1-1.x86_64', 'w-2-1.noarch']), past);
    expect(old.builds).toEqual(['apps: w-2-1.noarch', 'base: a-1-1.x86_64']);
    expect(old.read.map((id) => Number.parseInt(id, 16))).toEqual([0, 1]); // no further than need be
    await expect(made(files(['a-1-1.x86_64', 'b-1-1.x86_64']), past)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      at: chosen.at,
      message: expect.stringMatching(/live never had b-1-1\.x86_64, which/),
    });
  });

  it('have a kernel that live dropped long ago, and say of one that it never had which there are', async () => {
    const now = new Map([...manifests(NOW), setOf(['a-2-1.x86_64'])]);
    const past = [manifests(NOW), manifests(BEFORE)];
    const set = await made(now, past, site('6.1-1'));
    expect(set.builds).toEqual(['base: a-2-1.x86_64', ...kernel('6.1-1').map((b) => `base: ${b}`)]);
    await expect(made(now, past, site('6.1-2'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      at: 'policies/site.yaml:3:29',
      hint: 'Name one of: 6.1-3.',
    });
  });

  it('are refused where the set is not there, and where a part is of another one', async () => {
    await expect(made(manifests(NOW), [])).rejects.toMatchObject({ code: 'NOT_FOUND', at: chosen.at });
    const part =
      'apiVersion: sluice/v1\nkind: ErrataInit\nset: harbor-9-x86_64\ndate: 2026-01-03\nkernel: 6.1-3\nreason: r\n';
    const files = new Map([
      ...manifests(NOW),
      setOf(['a-2-1.x86_64']),
      [errataPartPath(chosen, 'init'), part] as const,
    ]);
    await expect(made(files, [])).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });
});
