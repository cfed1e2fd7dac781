import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../base/fault.ts';
import { byCodeUnit, groupBy } from '../base/order.ts';
import type { Check } from '../forge/check.ts';
import { BOT, type PullRequest } from '../forge/forge.ts';
import { clientSetKey, formatRepositoryId, type RepositoryName } from '../manifest/ids.ts';
import { lockPulls } from '../pool/disk.ts';
import { knownPreviews, removePreview } from '../publish/preview.ts';
import { mirrorPage, type PreviewedSet } from '../report/mirror-page.ts';
import { plain } from '../report/safe.ts';
import { columns } from '../report/terminal.ts';
import { BuildsHere } from './builds-here.ts';
import { againAt, type LookOptions, lookAtPull } from './check-pull-mirror.ts';
import { forgeRepository, mirrorOf, openState, type World } from './context.ts';
import { forgeOf } from './forge-of.ts';
import { isFresh, readLooked, writeLooked } from './pull-memory.ts';

export const MIRROR_CHECK = 'sluice/mirror';

export interface CheckPullsOptions {
  /** Only these, whatever is remembered of them; empty: all, those of which there may be news. */
  readonly numbers: readonly number[];
  /** Milliseconds that another run which holds the mirror is waited for. */
  readonly patience: number;
}

export interface CheckedPull {
  readonly number: number;
  readonly head: string;
  readonly green: boolean;
  readonly title: string;
  /** `known`: nothing could have changed; `unchanged`: looked at, and the same as before. */
  readonly outcome: 'set' | 'unchanged' | 'known';
  /** Where it can be tried. */
  readonly url?: string | undefined;
}

export interface CheckedPulls {
  readonly pulls: readonly CheckedPull[];
  /** Numbers whose previews went, because they are closed or merged. */
  readonly removed: readonly number[];
  readonly faults: readonly Fault[];
}

/** Prints what became of it; false where one that was named is red. Throws what kept it from looking. */
export async function checkPulls(world: World, o: CheckPullsOptions): Promise<boolean> {
  const done = await lookAtPulls(world, o);
  if (world.json) world.print(`${JSON.stringify({ ...done, faults: done.faults.map(said) }, null, 2)}\n`);
  else printPulls(world, done);
  if (done.faults.length > 1) for (const fault of done.faults) world.progress.say(fault.message);
  const [first] = done.faults;
  if (first) throw first;
  return o.numbers.length === 0 || done.pulls.every(({ green }) => green);
}

function said({ code, message, hint, at }: Fault) {
  return { code, message, hint, at };
}

function printPulls(world: World, { pulls, removed }: CheckedPulls): void {
  const rows = pulls.map(({ number, green, title, outcome, url }) => [
    `#${number}`,
    green ? 'green' : 'red',
    plain(title, 120),
    outcome === 'set' ? (url ?? '') : 'as before',
  ]);
  world.print(columns(rows, ''));
  for (const number of removed) world.print(`#${number}  closed or merged: its preview is gone\n`);
  if (rows.length === 0) world.print('no open pull requests\n');
}

/**
 * The check `sluice/mirror`: this host asks which pull requests are open, and says of each head whether it could serve what a merge would
 * make of main. Nothing of a pull request is run, and those of other people's copies are not looked at. What fails for one is no
 * reason to leave out the next.
 */
export async function lookAtPulls(world: World, o: CheckPullsOptions): Promise<CheckedPulls> {
  const mirror = mirrorOf(world);
  await using _lock = await lockPulls(mirror.root);
  const { repo, main } = await openState(world);
  const forge = await forgeOf(world, repo);
  const local = await forgeRepository(repo);
  const tip = await local.resolve(local === repo ? main : 'main');
  const open = (await forge.list({ state: 'open' })).filter(({ fromFork }) => !fromFork);
  const whenFree = <T>(work: () => Promise<T>) => patiently(o.patience, work);
  const removed = await removeEnded(mirror.root, open, whenFree);
  const look: LookOptions = { forge, local, builds: new BuildsHere(world, mirror), whenFree };
  const pulls: CheckedPull[] = [];
  const faults: Fault[] = [];
  for (const pull of wanted(open, o.numbers)) {
    try {
      pulls.push(await lookAtOne(world, pull, { ...look, tip, named: o.numbers.length > 0 }));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { code, message, hint, at } = error;
      faults.push(new Fault(code, `#${pull.number}: ${message}`, { hint, at, cause: error }));
    }
  }
  return { pulls, removed, faults };
}

function wanted(open: readonly PullRequest[], numbers: readonly number[]): readonly PullRequest[] {
  for (const number of numbers) {
    if (open.some((pull) => pull.number === number)) continue;
    const hint = 'Those of forks are not looked at; sluice pr list has the others.';
    throw new Fault('NOT_FOUND', `#${number} is not open here`, { hint });
  }
  const chosen = numbers.length === 0 ? open : open.filter(({ number }) => numbers.includes(number));
  return [...chosen].sort((a, b) => a.number - b.number);
}

async function lookAtOne(
  world: World,
  pull: PullRequest,
  o: LookOptions & { readonly tip: string; readonly named: boolean },
): Promise<CheckedPull> {
  const { root } = mirrorOf(world);
  const { number } = pull;
  const known = await readLooked(root, number);
  const is = { head: pull.head, tip: o.tip, now: world.now };
  if (known && !o.named && (await isFresh(root, number, known, is))) {
    return { number, head: pull.head, green: known.green, title: known.title, outcome: 'known' };
  }
  const found = await lookAtPull(world, pull, o);
  const { head } = found.pull;
  const url = previewUrl(world, found.merge?.main.policies.site.mirrorUrl, number);
  const preview = previewedSets(found.previewed, url);
  const { conclusion: state, ...page } = mirrorPage({ ...found, preview });
  const where = preview.length > 0 && /^https?:/.test(url) ? url : undefined;
  const check: Check = { ...page, name: MIRROR_CHECK, head, state, url: where };
  const isNews = await o.forge.setCheck(number, check, { by: BOT, now: world.now });
  const green = state === 'success';
  const at = world.now.toISOString();
  const again = againAt(found, world.now).toISOString();
  const { title } = page;
  await writeLooked(root, number, { head, tip: found.merge?.main.commit ?? o.tip, green, title, at, again });
  return { number, head, green, title, outcome: isNews ? 'set' : 'unchanged', url: where };
}

/** Also what an earlier run was cut off at: whatever is there of a pull request that is not open. */
async function removeEnded(
  mirror: string,
  open: readonly PullRequest[],
  whenFree: LookOptions['whenFree'],
): Promise<number[]> {
  const numbers = new Set(open.map(({ number }) => number));
  const ended = (await knownPreviews(mirror)).filter((number) => !numbers.has(number));
  for (const number of ended) await whenFree(() => removePreview(mirror, number));
  return ended;
}

/** Where clients find it; on the disk, where no policy says what they call the mirror. */
function previewUrl(world: World, mirrorUrl: string | undefined, number: number): string {
  const base = mirrorUrl === undefined ? `${mirrorOf(world).root}/public` : new URL(mirrorUrl).href;
  return `${base.replace(/\/+$/, '')}/pr/${number}/`;
}

function previewedSets(shown: readonly RepositoryName[], url: string): PreviewedSet[] {
  const sets = groupBy(shown, (r) => `${r.team}/${r.tier} ${clientSetKey(r)}`);
  const sorted = [...sets].sort(([a], [b]) => byCodeUnit(a, b));
  return sorted.map(([title, repositories]) => {
    const ids = repositories.map(formatRepositoryId).sort(byCodeUnit);
    return { title, repositories: ids.map((id) => ({ id, url: `${url}${id}/` })) };
  });
}

const LOOK_AGAIN_MS = 500;

async function patiently<T>(patience: number, work: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + patience; ; ) {
    try {
      return await work();
    } catch (error) {
      const isLocked = error instanceof Fault && error.code === 'LOCKED';
      if (!isLocked || performance.now() + LOOK_AGAIN_MS > until) throw error;
      await sleep(LOOK_AGAIN_MS);
    }
  }
}
