import { alsoRepository, clientSetsOf, setsOfAlso } from '../manifest/client-sets.ts';
import { formatRepositoryId } from '../manifest/ids.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { liveName, type State, setOf, targetName, upstreamsOf } from './state.ts';

/** The manifests that dependency questions of one client set of a team range over. */
export interface ClientSet {
  /** live's and every tier's. */
  readonly own: readonly Snapshot[];
  /** Those of `also:`, which the clients of every tier have besides: seen, never changed. */
  readonly also: readonly Snapshot[];
  /** What the plan is to say: which of `also:` has no manifest yet. */
  readonly notes: readonly string[];
}

/**
 * By `<os>-<version>-<arch>`. A repository that stands alone (source packages, debuginfo) is no client set: nothing is asked of its
 * dependencies, and there are no manifests here for its id. A repository of `also:` without a manifest is a note and no fault: it
 * must not stop a team that another one has not filled its tier yet. What needs it waits, because nothing of it is seen.
 */
export function clientSetOf(state: State, team: TeamPolicy, set: string): ClientSet {
  const upstreams = upstreamsOf(state.policies, team).filter((u) => !u.alone && setOf(u) === set);
  const names = upstreams.flatMap((u) => [
    liveName(u),
    ...team.tiers.map((tier) => targetName(team, tier.name, u)),
  ]);
  const also: Snapshot[] = [];
  const notes: string[] = [];
  const sets = clientSetsOf(team, state.policies);
  for (const entry of upstreams.length === 0 ? [] : team.also) {
    const repository = alsoRepository(entry, state.policies);
    if (!repository || !setsOfAlso(entry, repository, sets).includes(set)) continue;
    const snapshot = state.snapshot(repository);
    if (snapshot) also.push(snapshot);
    else
      notes.push(
        `${formatRepositoryId(repository)} (also) has no manifest yet: dependencies see nothing of it`,
      );
  }
  return { own: names.flatMap((name) => state.snapshot(name) ?? []), also, notes };
}
