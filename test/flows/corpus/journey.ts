import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Fault } from '../../../src/base/fault.ts';
import { planFiles } from '../../../src/flows/proposal.ts';
import { readClaim, recompute } from '../../../src/flows/recompute.ts';
import { readState } from '../../../src/flows/state.ts';
import { openLocalForge } from '../../../src/forge/local.ts';
import { openRepository } from '../../../src/forge/repository.ts';
import { openCatalog } from '../../../src/pool/catalog.ts';
import { filesBelow, tempDir } from '../../fixtures/tempDir.ts';
import type { Site } from '../site.ts';

/** One line of a lock as it stands in git, read without the project's reader. */
export interface Line {
  /** With the epoch always written. */
  readonly nevra: string;
  readonly checksum: string;
  readonly withdrawn: boolean;
}

/** The locks of main by repository id. */
export function locksOf(site: Site): Map<string, Line[]> {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const locks = new Map<string, Line[]>();
  for (const path of git('ls-tree', '-r', '--name-only', 'main', 'snapshots').split('\n')) {
    if (!path.endsWith('.lock')) continue;
    const id = path.slice('snapshots/'.length, -'.lock'.length).replaceAll('/', '-');
    const lines = git('show', `main:${path}`).split('\n').filter(Boolean);
    locks.set(
      id,
      lines.map((line) => {
        const [nevra = '', checksum = '', , , withdrawn] = line.split(' ');
        const full = /-\d+:[^-]+-[^-]+$/.test(nevra) ? nevra : nevra.replace(/-([^-]+-[^-]+)$/, '-0:$1');
        return { nevra: full, checksum, withdrawn: withdrawn === 'withdrawn' };
      }),
    );
  }
  return locks;
}

/** Merges what is still open: live's own pull requests merge themselves where no row asks for a person. */
export async function mergeOpen(site: Site, number: number | undefined): Promise<void> {
  if (number === undefined) return;
  const pull = await openLocalForge(`${site.repoDir}.git`).then((forge) => forge.get(number));
  if (pull.state === 'open') await site.merge(number);
}

/** Everything that a run could have changed in git: the forge with its objects and pull requests, the clone, its refs. */
export async function gitDigest(site: Site): Promise<string> {
  const hash = createHash('sha256');
  for (const root of [`${site.repoDir}.git`, site.repoDir]) {
    for (const path of await filesBelow(root)) {
      if (/^\.git\/(?:FETCH_HEAD|index)$/.test(path)) continue; // written by every fetch, however little it brings
      const full = join(root, path);
      const bytes = lstatSync(full).isSymbolicLink() ? readlinkSync(full) : readFileSync(full);
      hash.update(`${path}\0`).update(bytes);
    }
  }
  return hash.digest('hex');
}

/** Nothing new upstream and nothing ripe: no flow changes a byte, none opens anything. */
export async function expectNothingToDo(site: Site): Promise<void> {
  const before = await gitDigest(site);
  expect([await site.sync(), await site.promote('unstable'), await site.promote('stable')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(await gitDigest(site)).toBe(before);
}

/** The NEVRAs with epochs that a stop names, from the command that its hint gives. */
export async function stopOf(run: Promise<unknown>): Promise<{ code: string; nevras: string[] } | undefined> {
  try {
    await run;
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const named = /--rerolled (.*) --reason/.exec(error.hint)?.[1] ?? '';
    return { code: error.code, nevras: named.split(' ').filter(Boolean) };
  }
}

/**
 * Every merged pull request, recomputed in a fresh clone beside a copy of the catalog and nothing else: the files of each
 * bot's commit, byte by byte. Says how many there were.
 */
export async function recomputeAll(site: Site): Promise<number> {
  const dir = await tempDir();
  const [clone, mirror] = [join(dir, 'clone'), join(dir, 'mirror')];
  execFileSync('git', ['clone', '-q', '--no-hardlinks', `${site.repoDir}.git`, clone]);
  await mkdir(mirror);
  await cp(join(site.mirrorDir, 'catalog'), join(mirror, 'catalog'), { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', clone, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const repo = await openRepository(clone);
  const catalog = openCatalog(mirror);
  const merges = git('log', '--merges', '--first-parent', '--format=%P', 'main').split('\n').filter(Boolean);
  for (const parents of merges) {
    const head = parents.split(' ')[1] ?? '';
    const base = git('rev-parse', `${head}^`).trim();
    const trailers = git('log', '-1', '--format=%(trailers:only,unfold)', head).split('\n').filter(Boolean);
    const claim = readClaim(trailers.map((line) => line.split(/: (.*)/s) as [string, string]));
    if (!claim) throw new Error(`${head} claims no plan`);
    const before = await readState(repo, base);
    const plan = await recompute(claim, before, await readState(repo, head), catalog);
    const files = planFiles([plan], before);
    const changed = git('diff', '--name-only', base, head).split('\n').filter(Boolean);
    expect([...files.keys()]).toEqual(changed);
    for (const [path, text] of files) expect(git('show', `${head}:${path}`) === text, path).toBe(true);
  }
  expect(existsSync(join(mirror, 'pool'))).toBe(false);
  return merges.length;
}

/** What stands below public/ as a repository. */
export function published(site: Site): string[] {
  const ids = readdirSync(join(site.mirrorDir, 'public'));
  return ids.filter((id) => id.split('-').length > 5).sort();
}
