import { Fault } from '../base/fault.ts';
import { groupBy } from '../base/order.ts';
import type { History } from '../forge/history.ts';
import { errataOf, errataPath } from '../manifest/errata.ts';
import { ERRATA_POLICY, type ErrataChosen, errataOfGroup } from '../manifest/errata-policy.ts';
import { clientSetKey, type RepositoryName } from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { ErrataViews } from '../publish/errata-views.ts';
import type { State } from './state.ts';

/** The errata sets that commits of a history publish. */
export function viewsOf(history: History): ErrataViews {
  const known = new Map<string, Promise<ReadonlyMap<string, string>>>();
  return new ErrataViews(history, (commit) => {
    const blobs = known.get(commit) ?? blobsAt(history, commit);
    known.set(commit, blobs);
    return blobs;
  });
}

const READ = /^(policies|errata|snapshots\/vendor\/live)\//;

async function blobsAt(history: History, commit: string): Promise<Map<string, string>> {
  const entries = await history.entries('', commit);
  return new Map([...entries].flatMap(([path, { id }]) => (READ.test(path) ? [[path, id]] : [])));
}

/** What the hosts of a group get at a commit: the sets, and the repositories that serve them. */
export async function errataOfHosts(
  state: State,
  group: string,
  set: string | undefined,
): Promise<{ chosen: ErrataChosen[]; repositories: RepositoryName[] }> {
  const all = errataOfGroup(state.policies.errata, group);
  const chosen = all.filter((one) => set === undefined || one.set === set);
  if (chosen.length === 0) {
    const known = all.map((one) => one.set).join(', ') || 'none';
    const message = `the group ${group} gets no errata set${set === undefined ? '' : ` of ${set}`}`;
    throw new Fault('NOT_FOUND', message, { hint: `It has sets of: ${known}.`, at: ERRATA_POLICY });
  }
  const paths = new Set(chosen.map(errataPath));
  const repositories = (await viewsOf(state.history).repositories(state.commit)).filter((name) => {
    const of = errataOf(name);
    return of !== undefined && paths.has(errataPath(of));
  });
  return { chosen, repositories };
}

/**
 * What commits publish as errata sets, each once. What cannot be made was not published either: trees that were are kept by what
 * names them.
 */
export async function* errataOfCommits(
  commits: readonly string[],
  history: History,
): AsyncIterable<Snapshot> {
  const views = viewsOf(history);
  const places: { commit: string; name: RepositoryName }[] = [];
  const isKnown = (await history.pathChanges([ERRATA_POLICY], { limit: 1 })).length > 0;
  const main = new Set(isKnown ? [] : history.chain.map(({ id }) => id)); // most sites have no such policy
  for (const commit of commits.filter((id) => !main.has(id))) {
    const names = (await orNothing(() => views.repositories(commit))) ?? [];
    places.push(...names.map((name) => ({ commit, name })));
  }
  // one set after the other: what is kept of a set serves its next commit
  const sets = groupBy(places, ({ name }) => `${name.tier} ${clientSetKey(name)}`);
  const seen = new Set<Snapshot>();
  for (const { commit, name } of [...sets.values()].flat()) {
    const snapshot = await orNothing(() => views.snapshot(name, commit));
    if (!snapshot || seen.has(snapshot)) continue;
    seen.add(snapshot);
    yield snapshot;
  }
}

async function orNothing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
