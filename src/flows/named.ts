import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { LIVE_TEAM, LIVE_TIER, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { Pin, Snapshot } from '../manifest/snapshot.ts';
import type { State } from './state.ts';

/** By checksum: which manifests name each document. */
export function documentsOf(states: readonly State[]): Map<string, Snapshot[]> {
  const named = new Map<string, Snapshot[]>();
  for (const snapshot of states.flatMap(readable)) {
    const { modules, kickstart, upstream } = snapshot;
    const sums = [
      ...modules.values(),
      ...(kickstart ? [kickstart] : []),
      ...(upstream ? [upstream.repomd, ...upstream.documents.values()] : []),
    ];
    for (const sum of sums) {
      const by = named.get(formatChecksum(sum));
      if (by) by.push(snapshot);
      else named.set(formatChecksum(sum), [snapshot]);
    }
  }
  return named;
}

/** Manifests that cannot be read are for others to complain about. */
export function readable(state: State): Snapshot[] {
  return state.repositories.flatMap((name) => snapshotOf(state, name) ?? []);
}

export function snapshotOf(state: State, name: RepositoryName): Snapshot | undefined {
  try {
    return state.snapshot(name);
  } catch (cause) {
    if (cause instanceof Fault) return undefined;
    throw cause;
  }
}

/** The builds that have these records, by the repository of live that they came from. */
export function byUpstream(state: State, records: ReadonlySet<string>): [RepositoryName, Pin[]][] {
  const found = new Map<string, [RepositoryName, Pin[]]>();
  for (const { repository, pins } of readable(state)) {
    const wanted = pins.filter(({ record }) => records.has(record));
    if (wanted.length === 0) continue;
    const key = upstreamId(repository);
    const known = found.get(key) ?? [{ ...repository, team: LIVE_TEAM, tier: LIVE_TIER }, []];
    found.set(key, known);
    known[1].push(...wanted);
  }
  return [...found.values()];
}
