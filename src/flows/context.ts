import { existsSync } from 'node:fs';
import { Fault } from '../base/fault.ts';
import type { Progress } from '../base/progress.ts';
import { finishLocalForge } from '../forge/local.ts';
import { openRepository, type Repository } from '../forge/repository.ts';
import { type Catalog, openCatalog } from '../pool/catalog.ts';
import { openPool, type Pool } from '../pool/pool.ts';
import { forgeOf, forgePlace, isRemote, shareForges } from './forge-of.ts';

/** What the command line knows of the world: read once, at the entry, and handed down. */
export interface World {
  readonly repoDir: string;
  readonly mirrorDir: string | undefined;
  /** Where a host without a mirror keeps upstream documents from one run to the next; absent: nowhere. */
  readonly cacheDir?: string | undefined;
  readonly now: Date;
  /** What the time is by now, for a command that stays; absent: it is always `now`. */
  readonly clock?: () => Date;
  /** Milliseconds since the command began. */
  readonly elapsed?: () => number;
  /** Who acts: the name that approvals, merges and comments carry. */
  readonly by: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly progress: Progress;
  /** Results, for people or machines: standard output. */
  readonly print: (text: string) => void;
  readonly json: boolean;
}

export interface Mirror {
  readonly root: string;
  readonly catalog: Catalog;
  readonly pool: Pool;
}

export const MIRROR_HINT = 'Name its root with --mirror DIR, or in the environment variable SLUICE_MIRROR.';

/** What was read of a catalog once need not be read again by the next thing that a command does. */
const mirrors = new WeakMap<World, Mirror>();

export function mirrorOf(world: World): Mirror {
  const known = mirrors.get(world);
  if (known) return known;
  if (world.mirrorDir === undefined) {
    throw new Fault('USAGE', 'no mirror is named', { hint: MIRROR_HINT });
  }
  const root = world.mirrorDir;
  const mirror = { root, catalog: openCatalog(root), pool: openPool(root) };
  mirrors.set(world, mirror);
  return mirror;
}

/** The same world with the time that it is by now: for what is judged after a wait. What was read of the catalog is still known. */
export function later(world: World): World {
  const since = Math.floor(world.elapsed?.() ?? 0);
  const now: World = { ...world, now: new Date(world.now.getTime() + since) };
  const known = mirrors.get(world);
  if (known) mirrors.set(now, known);
  return now;
}

/** The same world with somebody else acting in it, who reads what is printed. */
export function actingAs(world: World, who: Pick<World, 'by' | 'print'>): World {
  const acting: World = { ...world, ...who, json: false };
  const known = mirrors.get(world);
  if (known) mirrors.set(acting, known);
  shareForges(world, acting);
  return acting;
}

/** The state repository, and the revision that commands build on: origin's main where there is one, else main. */
export async function openState(world: World): Promise<{ repo: Repository; main: string }> {
  const repo = await openRepository(world.repoDir);
  const origin = repo.bare ? repo.root : await repo.origin();
  if (origin !== undefined && !isRemote(origin) && existsSync(origin)) await finishLocalForge(origin);
  if (origin === undefined || repo.bare) return { repo, main: 'main' };
  const fetched = isRemote(origin) && (await forgePlace(repo)) !== 'local';
  if (fetched) await (await forgeOf(world, repo)).tip(); // with the token, which git alone would not have
  const updated = await repo.update({ fetched });
  if (updated.kind === 'dirty' || updated.kind === 'diverged') {
    world.progress.say(`${repo.root}: your main is ${updated.kind}; commands build on origin's main`);
  }
  const changed = await repo.uncommitted();
  if (changed.length > 0) {
    world.progress.say(`not committed, and so not looked at: ${changed.slice(0, 5).join(', ')}`);
  }
  return { repo, main: 'origin/main' };
}

/** The forge's own repository, which has every head; the clone itself where there is no local forge. */
export async function forgeRepository(repo: Repository): Promise<Repository> {
  const origin = repo.bare ? undefined : await repo.origin();
  return origin === undefined || isRemote(origin) ? repo : openRepository(origin);
}
