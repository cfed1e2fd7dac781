import { formatDuration } from '../base/duration.ts';
import { Fault } from '../base/fault.ts';
import type { ChainCommit } from '../forge/history.ts';
import type { Repository } from '../forge/repository.ts';
import { lockPath, type RepositoryName, snapshotPath } from '../manifest/ids.ts';
import { parseSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import type { Undone } from '../plan/types.ts';
import { dateOf } from './plan-fill.ts';
import { type PromoteScope, upstreamsInSet } from './plan-promote.ts';
import { type State, targetName } from './state.ts';

export const LAST_KNOWN_GOOD = 'last-known-good';

/** A commit of main that somebody named, and why it is that one where the word does not say it. */
export interface Past {
  readonly commit: ChainCommit;
  readonly why: string | undefined;
}

/** The repositories that one client set of a tier has by policy. */
export function repositoriesOf(state: State, scope: PromoteScope): RepositoryName[] {
  return upstreamsInSet(state, scope).map((u) => targetName(scope.team, scope.tier.name, u));
}

/** `last-known-good`, a date, or a commit of main (`3f2a91c`, or `3f2a91c^` for what was before it). */
export async function resolvePast(
  repo: Repository,
  state: State,
  scope: PromoteScope,
  text: string,
  now: Date,
): Promise<Past> {
  const where = `${scope.team.team}/${scope.tier.name}`;
  if (text === LAST_KNOWN_GOOD) {
    const good = await lastKnownGood(repo, state, scope, now);
    if (good) return good;
    throw new Fault('NOT_FOUND', `${where} ${scope.set} has no last-known-good`, {
      hint: `Name a date or a commit; to have one, mark a state (sluice good ${scope.team.team} ${scope.tier.name}) or write soak: 7d at the tier.`,
      at: scope.team.path,
    });
  }
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const commit = state.history.commitAt(dateOf(text));
    if (commit) return { commit, why: undefined };
    throw new Fault('NOT_FOUND', `main has no commit as old as ${text}`, { hint: 'Name a later date.' });
  }
  const id = await repo.resolve(text);
  return { commit: { id, time: state.history.timeOf(id) }, why: undefined };
}

/** Verbs that say of the state before them that it was not good. */
const BAD = new Set(['rollback', 'remove', 'recall']);

/**
 * The newest state of a tier's set that is known to be good: the one that a person marked, or a later one that came to main after
 * the mark and stood for the tier's soak without being rolled back, recalled or removed from. Derived from policy and history.
 */
export async function lastKnownGood(
  repo: Repository,
  state: State,
  scope: PromoteScope,
  now: Date,
): Promise<Past | undefined> {
  const { good, soak } = scope.tier;
  if (soak !== undefined) {
    const soaked = await lastSoaked(repo, state, scope, { soak, after: good?.since, now });
    if (soaked) return soaked;
  }
  if (!good) return undefined;
  const commit = { id: good.commit, time: markedTime(state, scope) };
  return {
    commit,
    why: `marked by ${good.owner} on ${good.since.toISOString().slice(0, 10)}: ${good.reason}`,
  };
}

async function lastSoaked(
  repo: Repository,
  state: State,
  scope: PromoteScope,
  o: { readonly soak: number; readonly after: Date | undefined; readonly now: Date },
): Promise<Past | undefined> {
  const paths = repositoriesOf(state, scope).flatMap((name) => [snapshotPath(name), lockPath(name)]);
  const changes = await state.history.pathChanges(paths);
  for (const [i, { id, time }] of changes.entries()) {
    if (o.after && time <= o.after) return undefined;
    const ender = changes[i - 1];
    const stood = (ender?.time ?? o.now).getTime() - time.getTime();
    if (stood < o.soak || (ender && BAD.has((await verbOf(repo, ender.id)).verb ?? ''))) continue;
    const until = ender ? `to ${day(ender.time)}` : 'until now';
    const why = `it stood from ${day(time)} ${until}, longer than the soak of ${formatDuration(o.soak)}`;
    return { commit: { id, time }, why };
  }
  return undefined;
}

/** A Fault at the mark where it names no commit of main. */
export function markedTime(state: State, { team, tier }: Pick<PromoteScope, 'team' | 'tier'>): Date {
  const { good } = tier;
  try {
    return state.history.timeOf(good?.commit ?? '');
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new Fault(
      'POLICY_INVALID',
      `good of ${team.team}/${tier.name} is no commit of main: ${good?.commit}`,
      {
        hint: `Run sluice good ${team.team} ${tier.name}, which writes it.`,
        at: good?.at,
        cause,
      },
    );
  }
}

/** The manifest of a repository at a commit; undefined where there was none. What was merged long ago may be of an older form. */
export async function snapshotAt(
  state: State,
  name: RepositoryName,
  commit: string,
): Promise<Snapshot | undefined> {
  const paths = [snapshotPath(name), lockPath(name)] as const;
  const texts = await state.history.readMany(paths, commit);
  const [yaml, lock] = paths.map((path) => texts.get(path));
  if (yaml === undefined || lock === undefined) return undefined;
  return parseSnapshot({ yaml, lock }, paths[0], { lenient: true });
}

/** What came to the set's manifests since a commit, the newest first. */
export async function undoneSince(
  repo: Repository,
  state: State,
  scope: PromoteScope,
  since: string,
): Promise<Undone[]> {
  const paths = repositoriesOf(state, scope).flatMap((name) => [snapshotPath(name), lockPath(name)]);
  const from = state.history.chain.findIndex(({ id }) => id === since);
  const later = new Set(state.history.chain.slice(0, from).map(({ id }) => id));
  const changes = (await state.history.pathChanges(paths)).filter(({ id }) => later.has(id));
  return Promise.all(
    changes.map(async ({ id, time }) => ({ commit: id, time, ...(await verbOf(repo, id)) })),
  );
}

async function verbOf(repo: Repository, commit: string): Promise<Pick<Undone, 'verb' | 'reason'>> {
  const trailers = new Map(await repo.trailers(commit));
  return { verb: trailers.get('Sluice-Verb'), reason: trailers.get('Sluice-Reason') };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
