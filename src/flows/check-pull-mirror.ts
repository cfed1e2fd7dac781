import { Fault } from '../base/fault.ts';
import type { Forge, PullRequest } from '../forge/forge.ts';
import type { Repository } from '../forge/repository.ts';
import {
  clientSetKey,
  formatRepositoryId,
  lockPath,
  type RepositoryName,
  snapshotPath,
} from '../manifest/ids.ts';
import { recallsOf } from '../manifest/recall.ts';
import { nextChange } from '../manifest/window.ts';
import { lockMirror } from '../pool/disk.ts';
import { isErrata } from '../publish/errata-views.ts';
import { mergedHistory, removePreview } from '../publish/preview.ts';
import { publish } from '../publish/publish.ts';
import { signerOf } from '../publish/sign.ts';
import type { BuildsHere } from './builds-here.ts';
import { planFault } from './check-plan.ts';
import { type Mirror, mirrorOf, type World } from './context.ts';
import { acceptMain } from './main-signature.ts';
import { checkPull, type JudgedMerge, type Verdict } from './pull.ts';
import type { State } from './state.ts';

/** What the mirror has to say of a pull request. */
export interface MirrorVerdict {
  readonly pull: PullRequest;
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  /** Files that were looked at. */
  readonly builds: number;
  /** What can be tried. */
  readonly previewed: readonly RepositoryName[];
  /** Main as it was judged with; undefined where it did not come to that. */
  readonly merge: JudgedMerge | undefined;
}

export interface LookOptions {
  readonly forge: Forge;
  /** Where its head and main are. */
  readonly local: Repository;
  readonly builds: BuildsHere;
  /** Runs what needs the mirror's lock once nobody else has it. */
  readonly whenFree: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Another try may do better, and says nothing of the pull request. */
const PASSING: ReadonlySet<string> = new Set(['NETWORK', 'HTTP_STATUS', 'LOCKED']);
const MOST_HEADS = 3;

/** Judges the merge that main would get now, looks at every build of it on the disk, and puts its preview up; or takes it down. */
export async function lookAtPull(world: World, pull: PullRequest, o: LookOptions): Promise<MirrorVerdict> {
  const mirror = mirrorOf(world);
  const { found, of } = await judged(world, pull, o);
  const complaints = [...found.complaints];
  const warnings = [...found.warnings];
  const plan = planFault(found.differences ?? [], of.proposed === of.head);
  if (plan) (of.proposed === of.head ? complaints : warnings).push(plan); // what people added is for the owners
  const { merge } = found;
  const { state } = merge ?? {};
  let builds = 0;
  let previewed: RepositoryName[] = [];
  if (merge && state) {
    const shown = touched(merge.main, state);
    await asComplaint(complaints, () => acceptMain(o.local, merge.main.history, mirror.root, world.now));
    await o.builds.fetch(merge.main, state, shown);
    await o.whenFree(async () => {
      await using _lock = await lockMirror(mirror.root);
      const here = await o.builds.faults(state, shown);
      builds = here.builds;
      complaints.push(...here.faults);
      // What is merely too early may be tried before; anything else that is wrong gets no signature of ours.
      if (shown.length > 0 && complaints.every(({ code }) => code === 'NOT_YET')) {
        const failed = await putUp(world, mirror, of.number, merge, shown);
        complaints.push(...failed);
        if (failed.length === 0) previewed = shown;
      }
      if (previewed.length === 0) await removePreview(mirror.root, of.number, { locked: true });
    });
  } else {
    await o.whenFree(() => removePreview(mirror.root, of.number));
  }
  return { pull: of, complaints, warnings, builds, previewed, merge };
}

/** With the head that it has now: where somebody pushes meanwhile, the new one is judged. */
async function judged(
  world: World,
  pull: PullRequest,
  { forge, local }: LookOptions,
): Promise<{ readonly found: Verdict; readonly of: PullRequest }> {
  let of = pull;
  for (let n = 1; ; n += 1) {
    const found = await verdictOf(world, local, of);
    if (found.merge === undefined || found.merge.head === of.head) return { found, of };
    if (n === MOST_HEADS) {
      const hint = 'Run it again once nobody pushes.';
      throw new Fault('FORGE_CONFLICT', `#${pull.number} changed while it was looked at`, { hint });
    }
    of = await forge.get(pull.number);
  }
}

/** Whatever keeps it from being judged speaks against it, unless it is of the network, or of somebody who is at work here. */
async function verdictOf(world: World, local: Repository, pull: PullRequest): Promise<Verdict> {
  try {
    return await checkPull(world, local, pull);
  } catch (error) {
    if (!(error instanceof Fault) || PASSING.has(error.code)) throw error;
    return { complaints: [error], warnings: [], differences: undefined, tip: undefined };
  }
}

async function asComplaint(complaints: Fault[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    complaints.push(error);
  }
}

/** Every repository of the client sets in which a merge changes a manifest: clients need the others of the set, too. */
export function touched(main: State, merged: State): RepositoryName[] {
  const changed = (path: string) => main.files.get(path) !== merged.files.get(path);
  const setOf = (r: RepositoryName) => `${r.team}/${r.tier} ${clientSetKey(r)}`;
  const isChanged = (r: RepositoryName) => [snapshotPath(r), lockPath(r)].some(changed);
  const sets = new Set(merged.repositories.filter(isChanged).map(setOf));
  return merged.repositories.filter((r) => !isErrata(r) && sets.has(setOf(r)));
}

/** What could not be published, each as what it is about. */
async function putUp(
  world: World,
  { root, catalog, pool }: Mirror,
  number: number,
  { main, tree }: JudgedMerge,
  shown: readonly RepositoryName[],
): Promise<readonly Fault[]> {
  const ids = new Set(shown.map(formatRepositoryId));
  const recalls = recallsOf(main.policies);
  const { failed } = await publish({
    ...{ mirror: root, catalog, pool, now: world.now, progress: world.progress, locked: true },
    history: mergedHistory(main.history, tree),
    preview: { number, main: main.history, shows: (r) => ids.has(formatRepositoryId(r)) },
    signer: signerOf(world.env),
    refuse: (_, pin) => {
      const recall = recalls.of(pin);
      return recall && `it is recalled: ${recall.reason} (${recall.id})`;
    },
  });
  return failed.map(({ id, fault: { code, message, hint, at } }) => {
    return new Fault(code, `the preview of ${id} cannot be published: ${message}`, { hint, at });
  });
}

const HOUR = 3_600_000;
/** What is green is looked at again daily, what is not hourly: somebody may have mended it. */
const AGAIN = { green: 24 * HOUR, red: HOUR };

/** When time alone may have changed the answer: a window of a tier that it touches opens or closes. */
export function againAt({ merge, complaints }: MirrorVerdict, now: Date): Date {
  const times = [now.getTime() + (complaints.length === 0 ? AGAIN.green : AGAIN.red)];
  const { main, state } = merge ?? {};
  for (const { team, tier } of main && state ? touched(main, state) : []) {
    const window = state?.policies.teams.get(team)?.tiers.find(({ name }) => name === tier)?.window;
    if (window) times.push(nextChange(window, now).getTime());
  }
  return new Date(Math.min(...times));
}
