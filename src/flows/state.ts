import { Fault } from '../base/fault.ts';
import type { History } from '../forge/history.ts';
import type { Repository } from '../forge/repository.ts';
import {
  clientSetKey,
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  lockPath,
  parseSnapshotPath,
  parseUpstreamId,
  type RepositoryName,
  snapshotPath,
} from '../manifest/ids.ts';
import { compilePolicySchemas } from '../manifest/load.ts';
import { readSnapshot } from '../manifest/near.ts';
import {
  loadPolicies,
  type Policies,
  type TeamPolicy,
  type TierPolicy,
  type UpstreamPolicy,
} from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';

/** What a state repository says at one commit. */
export interface State {
  readonly commit: string;
  readonly history: History;
  readonly policies: Policies;
  /** Text of every file below snapshots/, policies/, profiles/, baselines/ and errata/, by path. The same map: the same state. */
  readonly files: ReadonlyMap<string, string>;
  /** Undefined where there is no manifest of that repository. Parsed once. */
  snapshot(name: RepositoryName): Snapshot | undefined;
  /** Every repository that has a manifest, in path order. */
  readonly repositories: readonly RepositoryName[];
}

/** What commits say, those asked last at the end: a commit says the same in every clone, and to every step of a command. */
const said = new Map<string, Omit<State, 'history'>>();
const MOST_KEPT = 2;

/** Reads policies and manifests at a commit; policies are validated as a whole, manifests when they are asked for. */
export async function readState(repo: Repository, rev: string): Promise<State> {
  const history = await repo.history(rev);
  const { commit } = history;
  const known = said.get(commit) ?? (await readCommit(repo, history));
  said.delete(commit);
  said.set(commit, known);
  const [oldest] = said.keys();
  if (said.size > MOST_KEPT && oldest !== undefined) said.delete(oldest);
  return { ...known, history };
}

async function readCommit(repo: Repository, history: History): Promise<Omit<State, 'history'>> {
  const reading = repo.readCommitted(history.commit);
  compilePolicySchemas(); // while git reads
  const committed = await reading;
  return stateOf(history, new Map([...committed].map(([path, file]) => [path, file.text])));
}

/** The same from texts that stand elsewhere (a work tree, a merged tree), with the history that they build on. */
export function stateOf(history: History, files: ReadonlyMap<string, string>): State {
  const policies = loadPolicies(new Map([...files].filter(([path]) => path.startsWith('policies/'))));
  const parsed = new Map<string, Snapshot>();
  const repositories = [...files.keys()]
    .sort()
    .filter((path) => path.endsWith('.yaml'))
    .flatMap((path) => parseSnapshotPath(path) ?? []);
  return {
    commit: history.commit,
    history,
    policies,
    files,
    repositories,
    snapshot(name) {
      const path = snapshotPath(name);
      const known = parsed.get(path);
      if (known) return known;
      const yaml = files.get(path);
      if (yaml === undefined) return undefined;
      const lock = files.get(lockPath(name));
      if (lock === undefined) {
        const hint = 'Run sluice fix, which completes the lock from the catalog.';
        throw new Fault('LOCK_MISMATCH', `${lockPath(name)} is missing`, { hint, at: path });
      }
      const snapshot = readSnapshot({ yaml, lock }, path);
      parsed.set(path, snapshot);
      return snapshot;
    },
  };
}

/** A time before the base commit would let waits end early or run backwards. */
export function checkNow(state: State, now: Date): void {
  const [tip] = state.history.chain;
  if (!tip || now.getTime() >= tip.time.getTime()) return;
  const message = `now (${now.toISOString()}) is before the commit it builds on (${tip.time.toISOString()})`;
  throw new Fault('HISTORY_REFUSED', message, {
    hint: 'Check the clock, or give a later --now.',
    at: state.commit,
  });
}

export function liveName(upstream: UpstreamPolicy): RepositoryName {
  return { team: LIVE_TEAM, tier: LIVE_TIER, ...upstream.name };
}

export function setOf(upstream: UpstreamPolicy): string {
  return clientSetKey(upstream.name);
}

/** The upstreams of each client set, in id order. A repository that stands alone is a set of its own. */
export function clientSets(upstreams: Iterable<UpstreamPolicy>): Map<string, UpstreamPolicy[]> {
  const sets = new Map<string, UpstreamPolicy[]>();
  for (const upstream of [...upstreams].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const key = upstream.alone ? upstream.id : setOf(upstream);
    sets.set(key, [...(sets.get(key) ?? []), upstream]);
  }
  return sets;
}

export function upstreamOf(policies: Policies, id: string): UpstreamPolicy {
  const upstream = policies.upstreams.get(id);
  if (upstream) return upstream;
  const known = [...policies.upstreams.keys()].join(', ') || 'none';
  throw new Fault('NOT_FOUND', `there is no upstream ${id}`, { hint: `Name one of: ${known}.` });
}

export function teamOf(policies: Policies, name: string): TeamPolicy {
  const team = policies.teams.get(name);
  if (team) return team;
  const known = [...policies.teams.keys()].join(', ') || 'none';
  throw new Fault('NOT_FOUND', `there is no team ${name}`, { hint: `Name one of: ${known}.` });
}

export function tierOf(team: TeamPolicy, name: string): TierPolicy {
  const tier = team.tiers.find((t) => t.name === name);
  if (tier) return tier;
  const hint = `Name one of: ${team.tiers.map((t) => t.name).join(', ')}.`;
  throw new Fault('NOT_FOUND', `team ${team.team} has no tier ${name}`, { hint, at: team.path });
}

/** The upstream policies of a team's repositories. */
export function upstreamsOf(policies: Policies, team: TeamPolicy): UpstreamPolicy[] {
  return team.repositories.map((id) => upstreamOf(policies, id));
}

/** The repository that a tier of a team takes from. */
export function parentName(team: TeamPolicy, tier: TierPolicy, upstream: UpstreamPolicy): RepositoryName {
  if (tier.from === LIVE_TIER) return liveName(upstream);
  return { team: team.team, tier: tier.from, ...upstream.name };
}

export function targetName(team: TeamPolicy, tier: string, upstream: UpstreamPolicy): RepositoryName {
  return { team: team.team, tier, ...upstream.name };
}

export { clientSetKey, formatRepositoryId, lockPath, parseUpstreamId, snapshotPath };
