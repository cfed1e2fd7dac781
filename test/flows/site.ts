import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { stringify } from 'yaml';
import { SILENT } from '../../src/base/progress.ts';
import type { World } from '../../src/flows/context.ts';
import { promote } from '../../src/flows/promote.ts';
import { publishMain } from '../../src/flows/publish.ts';
import { pullMerge } from '../../src/flows/pull.ts';
import { pullOpen } from '../../src/flows/pull-open.ts';
import { type SyncRequest, sync } from '../../src/flows/sync.ts';
import { initLocalForge } from '../../src/forge/local.ts';
import { createRepository } from '../../src/forge/repository.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const DAY = 86_400_000;

/** A site in a temporary folder: state repository, local forge, mirror, and a clock that the test turns. */
export interface Site {
  readonly dir: string;
  readonly repoDir: string;
  readonly mirrorDir: string;
  now: Date;
  /** What the flows printed since the last time. */
  output(): string;
  world(): World;
  days(n: number): void;
  sync(o?: Partial<SyncRequest>): Promise<number | undefined>;
  promote(tier: string): Promise<number | undefined>;
  merge(number: number | undefined): Promise<void>;
  publish(): Promise<void>;
  /** Files of main, by a branch, a pull request and its merge. */
  change(files: Readonly<Record<string, string | ((text: string) => string)>>): Promise<void>;
}

export interface SiteOptions {
  /** An empty folder that outlives the test; a new one otherwise. */
  readonly dir?: string;
  readonly start?: string;
  readonly upstreams: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly team?: Readonly<Record<string, unknown>>;
  readonly site?: Readonly<Record<string, unknown>>;
  /** Further files, by path: keys. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const PLAIN = { aliasDuplicateObjects: false };
const NONE = { signatures: 'none', reason: 'a test' };

/** Policies are given as what differs from: no signatures, one team `infra` with unstable (at once) and stable (a day). */
export async function makeSite(o: SiteOptions): Promise<Site> {
  const dir = o.dir ?? (await tempDir());
  const [repoDir, mirrorDir] = [join(dir, 'state'), join(dir, 'mirror')];
  const files = new Map<string, string>(Object.entries(o.files ?? {}));
  for (const [id, policy] of Object.entries(o.upstreams)) {
    const full = { apiVersion: 'sluice/v1', kind: 'Upstream', id, packages: NONE, metadata: NONE, ...policy };
    files.set(`policies/upstreams/${id}.yaml`, stringify(full, PLAIN));
  }
  const team = {
    apiVersion: 'sluice/v1',
    kind: 'Team',
    team: 'infra',
    repositories: Object.keys(o.upstreams),
    tiers: { unstable: { from: 'live' }, stable: { from: 'unstable', wait: { inParent: '1d' } } },
    ...o.team,
  };
  files.set('policies/teams/infra.yaml', stringify(team, PLAIN));
  const site = { apiVersion: 'sluice/v1', kind: 'Site', mirrorUrl: `file://${mirrorDir}/public`, ...o.site };
  files.set('policies/site.yaml', stringify(site, PLAIN));
  const start = new Date(o.start ?? '2026-01-01T06:00:00Z');
  await createRepository(repoDir, { files, title: 'Policies', now: start });
  await initLocalForge(`${repoDir}.git`, { from: repoDir });
  execFileSync('git', ['-C', repoDir, 'remote', 'add', 'origin', `${repoDir}.git`]);
  const said: string[] = [];
  let changed = 0;
  const self: Site = {
    dir,
    repoDir,
    mirrorDir,
    now: start,
    output: () => said.splice(0).join(''),
    world: () => ({
      repoDir,
      mirrorDir,
      now: self.now,
      by: 'tester',
      env: o.env ?? {},
      progress: { ...SILENT, say: (line) => said.push(`${line}\n`) },
      print: (text) => said.push(text),
      json: false,
    }),
    days(n) {
      self.now = new Date(self.now.getTime() + n * DAY);
    },
    async sync(request = {}) {
      const done = await sync(self.world(), { upstreams: [], how: 'propose', all: false, ...request });
      return done[0]?.pull?.number;
    },
    async promote(tier) {
      const [done] = await promote(self.world(), {
        packages: [],
        team: 'infra',
        to: tier,
        how: 'propose',
        all: false,
      });
      return done?.pull?.number;
    },
    async merge(number) {
      if (number !== undefined) await pullMerge(self.world(), number);
    },
    async publish() {
      await publishMain(self.world(), undefined);
    },
    async change(changes) {
      const git = (...args: string[]) =>
        execFileSync('git', [
          '-C',
          repoDir,
          '-c',
          'user.name=Ben',
          '-c',
          'user.email=ben@example.org',
          ...args,
        ]);
      changed += 1;
      const branch = `change-${changed}`;
      git('fetch', '-q', 'origin');
      git('switch', '-qc', branch, 'origin/main');
      for (const [path, change] of Object.entries(changes)) {
        const file = join(repoDir, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, typeof change === 'string' ? change : change(readFileSync(file, 'utf8')));
      }
      git('add', '-A');
      git('commit', '-qm', 'A change');
      git('push', '-q', 'origin', branch);
      git('switch', '-q', 'main');
      await pullMerge(self.world(), await pullOpen(self.world(), branch, 'A change'));
    },
  };
  return self;
}

/**
 * One site for the tests of a file, made once in the folder that `make` is given: each call puts the folder and the clock back to what
 * they were then. For tests that run one after the other.
 */
export function siteAgain<T extends Site>(make: (dir: string) => Promise<T>): () => Promise<T> {
  let made: Promise<{ site: T; now: Date; root: string }> | undefined;
  const begin = async () => {
    const root = await mkdtemp(join(tmpdir(), 'sluice-site-'));
    mkdirSync(join(root, 'site'));
    const site = await make(join(root, 'site'));
    execFileSync('cp', ['-a', join(root, 'site'), join(root, 'kept')]); // links stay links
    return { site, now: site.now, root };
  };
  afterAll(async () => {
    if (made) await rm((await made).root, { recursive: true, force: true });
  });
  return async () => {
    made ??= begin();
    const { site, now, root } = await made;
    await rm(join(root, 'site'), { recursive: true, force: true });
    execFileSync('cp', ['-a', join(root, 'kept'), join(root, 'site')]);
    site.now = now;
    site.output();
    return site;
  };
}
