import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { SILENT } from '../../src/base/progress.ts';
import { checkWorkTree } from '../../src/flows/check-tree.ts';
import { clientSetOf } from '../../src/flows/client-set.ts';
import { matchProfile, readProfiles, unmatchedNote } from '../../src/flows/profiles.ts';
import { readState, teamOf } from '../../src/flows/state.ts';
import { loadUniverse } from '../../src/flows/universe.ts';
import { createRepository } from '../../src/forge/repository.ts';
import { formatRepositoryId, lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { renderSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { readInstalled } from '../../src/rpm/installed.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { type MadeBuild, madeCatalog } from '../fixtures/catalog.ts';
import { oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { DEMO } from '../publish/demo.ts';
import { makeSite } from './site.ts';

const NONE = { signatures: 'none', reason: 'a test' };
const HEAD = { apiVersion: 'sluice/v1' };

function policies(team: Readonly<Record<string, unknown>>, upstreams: Readonly<Record<string, object>>) {
  const files = new Map<string, string>();
  for (const [id, more] of Object.entries(upstreams)) {
    const upstream = {
      ...HEAD,
      kind: 'Upstream',
      id,
      baseurl: ['file:///x/'],
      packages: NONE,
      metadata: NONE,
    };
    files.set(
      `policies/upstreams/${id}.yaml`,
      stringify({ ...upstream, ...more }, { aliasDuplicateObjects: false }),
    );
  }
  const infra = { ...HEAD, kind: 'Team', team: 'infra', tiers: { stable: { from: 'live' } }, ...team };
  files.set('policies/teams/infra.yaml', stringify(infra));
  return files;
}

function withSnapshots(files: Map<string, string>, snapshots: readonly Snapshot[]): Map<string, string> {
  for (const snapshot of snapshots) {
    const { yaml, lock } = renderSnapshot(snapshot);
    files.set(snapshotPath(snapshot.repository), yaml);
    files.set(lockPath(snapshot.repository), lock);
  }
  return files;
}

async function committed(files: ReadonlyMap<string, string>) {
  const dir = join(await tempDir(), 'state');
  const repo = await createRepository(dir, {
    files,
    title: 'A state',
    now: new Date('2026-01-01T00:00:00Z'),
  });
  const state = await readState(repo, 'main');
  return { dir, repo, state, team: teamOf(state.policies, 'infra') };
}

describe('a client set', () => {
  it('has live, every tier of the team, and what its clients have also', async () => {
    const { snapshot } = await madeCatalog();
    const build = (name: string): MadeBuild[] => [{ nevra: `${name}-1-1.x86_64` }];
    const snapshots = await Promise.all(
      [
        'vendor-live-rocky-9-x86_64-base',
        'infra-stable-rocky-9-x86_64-base',
        'vendor-live-rocky-9-x86_64-debug',
        'vendor-live-epel-9-x86_64-all',
        'vendor-live-rocky-8-x86_64-base',
      ].map((id, i) => snapshot(id, build(`b${i}`))),
    );
    const team = {
      repositories: ['rocky-9-x86_64-base', 'rocky-9-x86_64-debug', 'rocky-8-x86_64-base'],
      also: ['epel-9-x86_64-all', 'epel-8-x86_64-all'],
    };
    const debug = { 'rocky-9-x86_64-debug': { alone: true } };
    const plain = ['rocky-9-x86_64-base', 'rocky-8-x86_64-base', 'epel-9-x86_64-all', 'epel-8-x86_64-all'];
    const upstreams = { ...Object.fromEntries(plain.map((id) => [id, {}])), ...debug };
    const { state, team: infra } = await committed(withSnapshots(policies(team, upstreams), snapshots));
    const said = (set: string) => {
      const { own, also, notes } = clientSetOf(state, infra, set);
      const ids = (list: readonly Snapshot[]) => list.map(({ repository }) => formatRepositoryId(repository));
      return { own: ids(own), also: ids(also), notes };
    };
    expect(said('rocky-9-x86_64')).toEqual({
      own: ['vendor-live-rocky-9-x86_64-base', 'infra-stable-rocky-9-x86_64-base'],
      also: ['vendor-live-epel-9-x86_64-all'],
      notes: [],
    });
    expect(said('rocky-8-x86_64')).toEqual({
      own: ['vendor-live-rocky-8-x86_64-base'],
      also: [],
      notes: ['vendor-live-epel-8-x86_64-all (also) has no manifest yet: dependencies see nothing of it'],
    });
    expect(said('rocky-9-x86_64-debug')).toEqual({ own: [], also: [], notes: [] }); // it stands alone
  });
});

describe('profiles', () => {
  const BUILDS: readonly MadeBuild[] = [
    'a-1-1.x86_64',
    'a-2-1.x86_64',
    'b-5:1-1.noarch',
    'b-6:1-1.noarch',
    'c-7:1-1.x86_64',
  ].map((nevra) => ({ nevra }));
  const TEXT = 'a-1-1.x86_64\nb-1-1.noarch\nc 0 1 1 x86_64\nd-1-1.x86_64\ngpg-pubkey-1-1\n';
  const upstreams = { 'rocky-9-x86_64-base': {}, 'rocky-8-x86_64-base': {} };
  const repositories = Object.keys(upstreams);

  it('are matched with builds by name, arch, version, release, and epoch where they say one', async () => {
    const { catalog, snapshot } = await madeCatalog();
    const live = await snapshot('vendor-live-rocky-9-x86_64-base', BUILDS);
    const stable = await snapshot('infra-stable-rocky-9-x86_64-base', BUILDS.slice(1, 3));
    const { index, setOf } = await loadUniverse(catalog, [live, stable]);
    const profile = { file: 'profiles/web.txt', installed: readInstalled(TEXT, 'profiles/web.txt') };
    const said = (within: Uint8Array) => {
      const matched = matchProfile(profile, index, within);
      const builds = [...matched.builds.keys()].filter((build) => matched.builds[build] === 1);
      return {
        builds: builds.map((build) => formatNevra(index.nevra(build))),
        unmatched: matched.unmatched.map(({ nevra, at }) => `${nevra.name} ${at}`),
        note: unmatchedNote(matched, profile.installed.length),
      };
    };
    expect(said(setOf([live]))).toEqual({
      builds: ['a-1-1.x86_64', 'b-6:1-1.noarch'],
      unmatched: ['c profiles/web.txt:3', 'd profiles/web.txt:4'], // c has epoch 7, and the list says 0
      note: 'profiles/web.txt: 2 of 4 packages are in none of its repositories, and nothing is said of them: c-1-1.x86_64 and 1 more',
    });
    expect(said(setOf([stable])).builds).toEqual(['b-5:1-1.noarch']);
    expect(matchProfile({ file: 'x', installed: [] }, index, setOf([live])).unmatched).toEqual([]);
    expect(unmatchedNote({ file: 'x', builds: setOf([]), unmatched: [] }, 0)).toBeUndefined();
  });

  it('are read from the commit, each for its client sets', async () => {
    const listed = ['profiles/web.txt', { file: 'profiles/db.txt', for: ['rocky-8-x86_64'] }];
    const files = policies({ repositories, profiles: listed }, upstreams);
    files.set('profiles/web.txt', TEXT).set('profiles/db.txt', 'db-1-1.x86_64\n');
    const { dir, state, team } = await committed(files);
    writeFileSync(join(dir, 'profiles/web.txt'), 'not what was committed');
    const read = (set?: string) =>
      readProfiles(state, team, set).map(({ file, installed }) => `${file} ${installed.length}`);
    expect(read('rocky-9-x86_64')).toEqual(['profiles/web.txt 4']);
    expect(read('rocky-8-x86_64')).toEqual(['profiles/web.txt 4', 'profiles/db.txt 1']);
    expect(read()).toHaveLength(2);
  });

  it('that are not there, or cannot be read, are refused with their place, by check too', async () => {
    const site = await makeSite({
      upstreams: { 'rocky-9-x86_64-base': { baseurl: ['file:///x/'] } },
      team: { profiles: ['profiles/web.txt'] },
      files: { 'profiles/web.txt': 'a-1-1.x86_64\n' },
    });
    const complaints = async (): Promise<unknown> => {
      site.output();
      await checkWorkTree({ ...site.world(), json: true, progress: SILENT });
      const { complaints: found } = JSON.parse(site.output()) as {
        complaints: { code: string; at: string }[];
      };
      return found.map(({ code, at }) => `${code} ${at}`);
    };
    expect(await complaints()).toEqual([]);
    writeFileSync(join(site.repoDir, 'profiles/web.txt'), 'a-1-1.x86_64\nnonsense\n');
    expect(await complaints()).toEqual(['MALFORMED profiles/web.txt:2']);
    rmSync(join(site.repoDir, 'profiles/web.txt'));
    expect(await complaints()).toEqual([
      expect.stringMatching(/^NOT_FOUND policies\/teams\/infra\.yaml:\d+:\d+$/),
    ]);
    mkdirSync(join(site.repoDir, 'profiles/sub'), { recursive: true });
    writeFileSync(join(site.repoDir, 'profiles/sub/x'), '');
    expect(await complaints()).toEqual(['UNSAFE_PATH profiles/sub/x']);
  });

  it.skipIf(!oracle('rpm'))('say what rpm says that a host has, in either form', async () => {
    const root = await tempDir();
    const folder = join(DEMO, 'packages/base');
    const names = readdirSync(folder).filter((name) => name.endsWith('.rpm'));
    const rpm = (...args: string[]): string =>
      execFileSync('rpm', ['--root', root, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    rpm('--import', join(DEMO, 'keys/RPM-GPG-KEY-harbor-9'));
    const how = [
      '--justdb',
      '--nodeps',
      '--noscripts',
      '--force',
      '--nosignature',
      '--ignorearch',
      '--ignoreos',
    ];
    rpm('-i', ...how, ...names.map((name) => join(folder, name)));
    const plain = readInstalled(rpm('-qa'), 'plain');
    const words = readInstalled(
      rpm('-qa', '--qf', '%{name} %{epochnum} %{version} %{release} %{arch}\\n'),
      'words',
    );
    expect(rpm('-qa')).toContain('gpg-pubkey-');
    expect(words.length).toBe(names.length);
    const noEpoch = ({ nevra }: (typeof words)[number]) =>
      formatNevra({ ...nevra, evr: { ...nevra.evr, epoch: 0 } });
    expect(plain.map(noEpoch).sort()).toEqual([...new Set(words.map(noEpoch))].sort());
    expect(words.some(({ nevra }) => nevra.evr.epoch > 0)).toBe(true);
  });
});
