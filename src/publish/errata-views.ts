import { Fault } from '../base/fault.ts';
import { type ErrataName, errataOf, errataPath, readErrata } from '../manifest/errata.ts';
import { errataPartPath } from '../manifest/errata-parts.ts';
import { ERRATA_POLICY, type ErrataChosen, namedErrata } from '../manifest/errata-policy.ts';
import {
  ERRATA_TEAM,
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  lockPath,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import { loadPolicies } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import {
  type ErrataMade,
  type ErrataPolicies,
  errataRepositories,
  errataSnapshots,
  liveOfSet,
} from './errata-set.ts';
import type { CommitHistory } from './history.ts';

type Blobs = ReadonlyMap<string, string>;

const SITE = 'policies/site.yaml';
const UPSTREAMS = 'policies/upstreams';
const RECALLS = 'policies/recalls/';
/** Some megabytes each. */
const MOST_MADE = 8;
const MOST_LISTS = 256;

/** The errata sets that commits publish: repositories without a manifest of their own, made from those that the commits have. */
export class ErrataViews {
  readonly #history: CommitHistory;
  readonly #blobsAt: (commit: string) => Promise<Blobs>;
  readonly #policies = new Map<string, Promise<ErrataPolicies>>();
  readonly #all = new Map<string, Promise<RepositoryName[]>>();
  readonly #live = new Map<string, Promise<RepositoryName[]>>();
  readonly #lists = new Map<string, Promise<RepositoryName[]>>();
  readonly #made = new Map<string, Promise<ErrataMade>>();

  constructor(history: CommitHistory, blobsAt: (commit: string) => Promise<Blobs>) {
    this.#history = history;
    this.#blobsAt = blobsAt;
  }

  /** Of every set that a default or a group names. */
  async repositories(commit: string): Promise<RepositoryName[]> {
    if (!(await this.#blobsAt(commit)).has(ERRATA_POLICY)) return [];
    return await remember(this.#all, commit, MOST_LISTS, async () => {
      const named = namedErrata((await this.#policiesAt(commit)).errata);
      return (await Promise.all(named.map((chosen) => this.#repositoriesOf(chosen, commit)))).flat();
    });
  }

  /** Blob ids of all that its set is made from, by path; undefined where the commit does not publish it. */
  async inputs(repository: RepositoryName, commit: string): Promise<Map<string, string> | undefined> {
    const id = formatRepositoryId(repository);
    const known = await this.repositories(commit);
    if (!known.some((name) => formatRepositoryId(name) === id)) return undefined;
    const blobs = await this.#blobsAt(commit);
    const name = nameOf(repository);
    const live = liveOfSet(blobs.keys(), name.set);
    const paths = [
      ...policyPaths(blobs),
      ...filesOf(name),
      ...live.flatMap((l) => [snapshotPath(l), lockPath(l), `${UPSTREAMS}/${upstreamId(l)}.yaml`]),
    ];
    return new Map(paths.flatMap((path) => (blobs.has(path) ? [[path, blobs.get(path) ?? '']] : [])));
  }

  async snapshot(repository: RepositoryName, commit: string): Promise<Snapshot> {
    const inputs = await this.inputs(repository, commit);
    const name = nameOf(repository);
    const policies = await this.#policiesAt(commit);
    const chosen = namedErrata(policies.errata).find((c) => c.set === name.set && c.date === name.date);
    if (!inputs || !chosen) {
      const hint = `Name it in ${ERRATA_POLICY}.`;
      throw new Fault('NOT_FOUND', `no default and no group names ${errataPath(name)}`, { hint });
    }
    const make = async () =>
      errataSnapshots(this.#textsAt(commit), policies, chosen, await this.#liveOf(name.set, commit));
    const own = [...inputs].filter(([path]) => !path.startsWith('snapshots/')).join(' ');
    let { snapshots, ofLive } = await remember(this.#made, own, MOST_MADE, make);
    if (ofLive) ({ snapshots, ofLive } = await remember(this.#made, [...inputs].join(' '), MOST_MADE, make));
    const id = formatRepositoryId(repository);
    const found = snapshots.find((snapshot) => formatRepositoryId(snapshot.repository) === id);
    if (found) return found;
    throw new Error(`${id} is not among those of its set`);
  }

  #textsAt(commit: string) {
    const history = this.#history;
    return {
      readMany: (paths: readonly string[]) => history.readMany(paths, commit),
      readAt: (paths: readonly string[], at: string) => history.readMany(paths, at),
      changes: (paths: readonly string[]) => history.pathChanges(paths, { at: commit }),
    };
  }

  /** A set that cannot be read is what its client set has: publishing it says why, and takes nothing away meanwhile. */
  async #repositoriesOf(chosen: ErrataChosen, commit: string): Promise<RepositoryName[]> {
    const path = errataPath(chosen);
    const blobs = await this.#blobsAt(commit);
    const live = await this.#liveOf(chosen.set, commit);
    const key = [path, blobs.get(path), ...live.map(upstreamId)].join(' ');
    return await remember(this.#lists, key, MOST_LISTS, async () => {
      const text = await this.#history.read(path, commit);
      try {
        if (text !== undefined) return errataRepositories(readErrata(text, path, { lenient: true }), live);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
      }
      return errataRepositories(
        { ...chosen, from: 'directory', repositories: [], kernels: true, builds: [] },
        live,
      );
    });
  }

  /** Sources and debuginfo are nothing that a set is of. */
  async #liveOf(set: string, commit: string): Promise<RepositoryName[]> {
    const blobs = await this.#blobsAt(commit);
    const live = liveOfSet(blobs.keys(), set);
    const paths = live.map((name) => `${UPSTREAMS}/${upstreamId(name)}.yaml`);
    const key = [set, ...paths.map((path) => `${path} ${blobs.get(path)}`)].join(' ');
    return await remember(this.#live, key, MOST_LISTS, async () => {
      const { upstreams } = loadPolicies(new Map(await this.#history.readMany(paths, commit)));
      return live.filter((name) => upstreams.get(upstreamId(name))?.alone !== true);
    });
  }

  async #policiesAt(commit: string): Promise<ErrataPolicies> {
    const blobs = await this.#blobsAt(commit);
    const paths = policyPaths(blobs);
    const key = paths.map((path) => `${path} ${blobs.get(path)}`).join(' ');
    return await remember(this.#policies, key, MOST_LISTS, async () =>
      loadPolicies(new Map(await this.#history.readMany(paths, commit))),
    );
  }
}

/** True of a repository that no team has. */
export function isErrata(repository: RepositoryName): boolean {
  return repository.team === ERRATA_TEAM;
}

/** Files and folders whose change can change what is published of a set. */
export function errataInputPaths(repository: RepositoryName): string[] {
  const { set } = nameOf(repository);
  return [
    ERRATA_POLICY,
    SITE,
    RECALLS.slice(0, -1),
    `errata/${set}`,
    `snapshots/${LIVE_TEAM}/${LIVE_TIER}`,
    UPSTREAMS,
  ];
}

/** What people wrote and generated of a set, for its statement. */
export function errataFiles(repository: RepositoryName): string[] {
  return [ERRATA_POLICY, ...filesOf(nameOf(repository))];
}

function filesOf(name: ErrataName): string[] {
  return [errataPath(name), errataPartPath(name, 'init'), errataPartPath(name, 'fix')];
}

function policyPaths(blobs: Blobs): string[] {
  const recalls = [...blobs.keys()].filter((path) => path.startsWith(RECALLS) && path.endsWith('.yaml'));
  return [ERRATA_POLICY, SITE, ...recalls.sort()].filter((path) => blobs.has(path));
}

function nameOf(repository: RepositoryName): ErrataName {
  const name = errataOf(repository);
  if (name) return name;
  throw new Error(`${formatRepositoryId(repository)} is of no errata set`);
}

async function remember<T>(
  known: Map<string, Promise<T>>,
  key: string,
  most: number,
  read: () => Promise<T>,
): Promise<T> {
  const found = known.get(key);
  if (found) return await found;
  const reading = read();
  known.set(key, reading);
  const [oldest] = known.keys();
  if (known.size > most && oldest !== undefined) known.delete(oldest);
  return await reading;
}
