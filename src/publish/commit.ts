import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import {
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  lockPath,
  parseSnapshotPath,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import { loadPolicies, type Policies } from '../manifest/policy.ts';
import { parseSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { type Content, contentOf } from './content.ts';
import { type DocumentProjector, type LiveView, sha256Hex } from './documents.ts';
import type { CommitHistory } from './history.ts';

/** The blob ids of everything in git that one publication is made from, as one text: equal inputs, equal content. */
export type Inputs = string;

const MAX_REMEMBERED = 64;

/** Reads what commits say about repositories. What was read is kept by blob id, never by commit. */
export class CommitReader {
  readonly #history: CommitHistory;
  readonly #projector: DocumentProjector;
  readonly #blobs = new Map<string, Promise<ReadonlyMap<string, string>>>();
  readonly #lives = new Map<string, Promise<LiveView | undefined>>();
  readonly #policies = new Map<string, Promise<Pick<Policies, 'upstreams' | 'site'>>>();

  constructor(history: CommitHistory, projector: DocumentProjector) {
    this.#history = history;
    this.#projector = projector;
  }

  /** Every repository that has a manifest, by id. */
  async repositories(commit = this.#history.commit): Promise<RepositoryName[]> {
    const blobs = await this.#blobsAt(commit);
    const found = new Map<string, RepositoryName>();
    for (const path of blobs.keys()) {
      const name = parseSnapshotPath(path);
      if (name) found.set(formatRepositoryId(name), name);
    }
    return [...found.keys()].sort(byCodeUnit).map((id) => found.get(id) as RepositoryName);
  }

  /** Undefined where the commit has no such repository. */
  async inputs(repository: RepositoryName, commit = this.#history.commit): Promise<Inputs | undefined> {
    const blobs = await this.#blobsAt(commit);
    if (!blobs.has(snapshotPath(repository)) && !blobs.has(lockPath(repository))) return undefined;
    return inputPaths(repository)
      .map((path) => `${path} ${blobs.get(path) ?? '-'}\n`)
      .join('');
  }

  async content(repository: RepositoryName, commit = this.#history.commit): Promise<Content> {
    const [snapshot, { upstreams, site }, live] = await Promise.all([
      this.snapshot(repository, commit),
      this.#policiesAt(repository, commit),
      this.#live(liveOf(repository), commit),
    ]);
    const upstream = upstreams.get(upstreamId(repository));
    if (!upstream) {
      throw new Fault('NOT_FOUND', `no policy for the upstream ${upstreamId(repository)}`, {
        hint: `Write policies/upstreams/${upstreamId(repository)}.yaml.`,
        at: snapshotPath(repository),
      });
    }
    const id = formatRepositoryId(repository);
    return await contentOf({ id, snapshot, upstream, site, live }, this.#projector);
  }

  async snapshot(repository: RepositoryName, commit = this.#history.commit): Promise<Snapshot> {
    const [yamlPath, lock] = [snapshotPath(repository), lockPath(repository)];
    const files = await this.#history.readMany([yamlPath, lock], commit);
    // Canonical form is for `check` to ask of pull requests; what was merged says what it says.
    return parseSnapshot({ yaml: need(files, yamlPath), lock: need(files, lock) }, yamlPath, {
      lenient: true,
    });
  }

  /** sha256 of the lock's text without its marks: quick to compare, before anything is parsed. */
  async lockDigest(repository: RepositoryName, commit = this.#history.commit): Promise<string | undefined> {
    const text = await this.#history.read(lockPath(repository), commit);
    return text === undefined ? undefined : sha256Hex(text.replaceAll(' withdrawn\n', '\n'));
  }

  #blobsAt(commit: string): Promise<ReadonlyMap<string, string>> {
    return remember(this.#blobs, commit, MAX_REMEMBERED + 1, async () => {
      const [snapshots, policies] = await Promise.all([
        this.#history.entries('snapshots', commit),
        this.#history.entries('policies', commit),
      ]);
      return new Map([...snapshots, ...policies].map(([path, { id }]) => [path, id]));
    });
  }

  /** Only what a publication needs of the policies: a team's broken hold stops its plans, not the mirror. */
  async #policiesAt(repository: RepositoryName, commit: string) {
    const paths = policyPaths(repository);
    const blobs = await this.#blobsAt(commit);
    const key = paths.map((path) => blobs.get(path) ?? '-').join(' ');
    return await remember(this.#policies, `${paths[0]} ${key}`, MAX_REMEMBERED, async () =>
      loadPolicies(await this.#history.readMany(paths, commit)),
    );
  }

  async #live(repository: RepositoryName, commit: string): Promise<LiveView | undefined> {
    const blobs = await this.#blobsAt(commit);
    const key = [snapshotPath(repository), lockPath(repository)]
      .map((path) => blobs.get(path) ?? '-')
      .join(' ');
    return await remember(this.#lives, key, MAX_REMEMBERED, async () => {
      if (!blobs.has(snapshotPath(repository))) return undefined;
      const { pins, upstream } = await this.snapshot(repository, commit);
      return {
        documents: upstream?.documents ?? new Map(),
        names: new Set(pins.map((pin) => pin.nevra.name)),
      };
    });
  }
}

/** Files whose change can change the publication. */
export function inputPaths(repository: RepositoryName): string[] {
  const live = liveOf(repository);
  const manifests = [repository, live].flatMap((r) => [snapshotPath(r), lockPath(r)]);
  return [...new Set([...manifests, ...policyPaths(repository)])];
}

function policyPaths(repository: RepositoryName): string[] {
  return [`policies/upstreams/${upstreamId(repository)}.yaml`, 'policies/site.yaml'];
}

function liveOf(repository: RepositoryName): RepositoryName {
  return { ...repository, team: LIVE_TEAM, tier: LIVE_TIER };
}

function need(files: ReadonlyMap<string, string>, path: string): string {
  const text = files.get(path);
  if (text !== undefined) return text;
  throw new Fault('LOCK_MISMATCH', `${path} is missing`, {
    hint: 'Run sluice fix, or remove the other file of the pair too.',
    at: path,
  });
}

function remember<T>(
  known: Map<string, Promise<T>>,
  key: string,
  max: number,
  read: () => Promise<T>,
): Promise<T> {
  const found = known.get(key);
  if (found) return found;
  const reading = read();
  known.set(key, reading);
  const [oldest] = known.keys();
  if (known.size > max && oldest !== undefined) known.delete(oldest);
  return reading;
}
