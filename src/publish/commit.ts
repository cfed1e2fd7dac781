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
import type { ManifestText } from '../manifest/manifest-text.ts';
import { readSnapshot } from '../manifest/near.ts';
import { loadPolicies, type Policies } from '../manifest/policy.ts';
import { parseSnapshot, readPins, type Snapshot } from '../manifest/snapshot.ts';
import { type Content, contentOf, FORMAT } from './content.ts';
import { type LiveView, type Projector, sha256Hex } from './documents.ts';
import { ErrataViews, errataInputPaths, isErrata } from './errata-views.ts';
import type { CommitHistory } from './history.ts';

/** The format, and the blob ids of all that one publication is made from in git: equal inputs, equal content. */
export type Inputs = string;

const MAX_REMEMBERED = 64;

/** Reads what commits say about repositories. What was read is kept by blob id, never by commit. */
export class CommitReader {
  readonly #history: CommitHistory;
  readonly #projector: Projector;
  readonly #errata: ErrataViews;
  #last: { readonly key: string; readonly texts: Promise<ReadonlyMap<string, string>> } | undefined;
  readonly #blobs = new Map<string, Promise<ReadonlyMap<string, string>>>();
  readonly #lives = new Map<string, Promise<LiveView | undefined>>();
  readonly #policies = new Map<string, Promise<Pick<Policies, 'upstreams' | 'site'>>>();

  constructor(history: CommitHistory, projector: Projector) {
    this.#history = history;
    this.#projector = projector;
    this.#errata = new ErrataViews(history, (commit) => this.#blobsAt(commit));
  }

  /** Every repository that has a manifest, and those of the errata sets that the policy names; by id. */
  async repositories(commit = this.#history.commit): Promise<RepositoryName[]> {
    const blobs = await this.#blobsAt(commit);
    const found = new Map<string, RepositoryName>();
    for (const path of blobs.keys()) {
      const name = parseSnapshotPath(path);
      if (name && !isErrata(name)) found.set(formatRepositoryId(name), name);
    }
    for (const name of await this.#errata.repositories(commit)) found.set(formatRepositoryId(name), name);
    return [...found.keys()].sort(byCodeUnit).map((id) => found.get(id) as RepositoryName);
  }

  /** Undefined where the commit has no such repository. */
  async inputs(repository: RepositoryName, commit = this.#history.commit): Promise<Inputs | undefined> {
    if (isErrata(repository)) {
      const made = await this.#errata.inputs(repository, commit);
      return made && `${FORMAT}\n${[...made].map(([path, blob]) => `${path} ${blob}\n`).join('')}`;
    }
    const blobs = await this.#blobsAt(commit);
    if (!blobs.has(snapshotPath(repository)) && !blobs.has(lockPath(repository))) return undefined;
    const lines = inputPaths(repository).map((path) => `${path} ${blobs.get(path) ?? '-'}\n`);
    return `${FORMAT}\n${lines.join('')}`;
  }

  async content(repository: RepositoryName, commit = this.#history.commit): Promise<Content> {
    const texts = await this.#texts(repository, commit);
    const snapshot = isErrata(repository)
      ? await this.#errata.snapshot(repository, commit)
      : snapshotOf(repository, texts);
    const { upstreams, site } = await this.#policiesOf(repository, commit, texts);
    const upstream = upstreams.get(upstreamId(repository));
    if (!upstream) {
      throw new Fault('NOT_FOUND', `no policy for the upstream ${upstreamId(repository)}`, {
        hint: `Write policies/upstreams/${upstreamId(repository)}.yaml.`,
        at: snapshotPath(repository),
      });
    }
    const live = isLive(repository) ? viewOf(snapshot) : await this.#live(liveOf(repository), commit, texts);
    const id = formatRepositoryId(repository);
    return await contentOf({ id, snapshot, upstream, site, live }, this.#projector);
  }

  /** What an errata set is published as. */
  async errataSnapshot(repository: RepositoryName, commit = this.#history.commit): Promise<Snapshot> {
    return await this.#errata.snapshot(repository, commit);
  }

  /** sha256 of the lock's text without its marks: quick to compare, before anything is parsed. An errata set has none. */
  async lockDigest(repository: RepositoryName, commit = this.#history.commit): Promise<string | undefined> {
    const path = lockPath(repository);
    const known = this.#last?.key === textKey(repository, commit) ? await this.#last.texts : undefined;
    const text = known ? known.get(path) : await this.#history.read(path, commit);
    return text === undefined ? undefined : sha256Hex(text.replaceAll(' withdrawn\n', '\n'));
  }

  /** All that one content is read from, in one question to git. The last answer is kept. */
  #texts(repository: RepositoryName, commit: string): Promise<ReadonlyMap<string, string>> {
    const key = textKey(repository, commit);
    if (this.#last?.key === key) return this.#last.texts;
    const paths = [snapshotPath(repository), lockPath(repository), snapshotPath(liveOf(repository))];
    const texts = this.#history.readMany([...new Set([...paths, ...policyPaths(repository)])], commit);
    this.#last = { key, texts };
    return texts;
  }

  /** Every file of the commit that is published, by path: its blob's id. */
  async blobs(): Promise<ReadonlyMap<string, string>> {
    return await this.#blobsAt(this.#history.commit);
  }

  #blobsAt(commit: string): Promise<ReadonlyMap<string, string>> {
    return remember(this.#blobs, commit, MAX_REMEMBERED + 1, async () => {
      const files = await this.#history.entries('', commit); // all in one: each question starts a git
      return new Map([...files].map(([path, { id }]) => [path, id]));
    });
  }

  /** Only what a publication needs of the policies: a team's broken hold stops its plans, not the mirror. */
  async #policiesOf(repository: RepositoryName, commit: string, texts: ReadonlyMap<string, string>) {
    const paths = policyPaths(repository);
    const blobs = await this.#blobsAt(commit);
    const key = paths.map((path) => `${path} ${blobs.get(path) ?? '-'}`).join(' ');
    return await remember(this.#policies, key, MAX_REMEMBERED, async () =>
      loadPolicies(new Map([...texts].filter(([path]) => paths.includes(path)))),
    );
  }

  async #live(
    repository: RepositoryName,
    commit: string,
    texts: ReadonlyMap<string, string>,
  ): Promise<LiveView | undefined> {
    const path = snapshotPath(repository);
    const key = `${path} ${(await this.#blobsAt(commit)).get(path) ?? '-'}`;
    return await remember(this.#lives, key, MAX_REMEMBERED, async () => {
      const yaml = texts.get(path);
      return yaml === undefined ? undefined : viewOf(readPins(yaml, path));
    });
  }
}

function textKey(repository: RepositoryName, commit: string): string {
  return `${commit} ${formatRepositoryId(repository)}`;
}

function snapshotOf(repository: RepositoryName, texts: ReadonlyMap<string, string>): Snapshot {
  const [yamlPath, lock] = [snapshotPath(repository), lockPath(repository)];
  const files = { yaml: need(texts, yamlPath), lock: need(texts, lock) };
  try {
    return readSnapshot(files, yamlPath);
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'MANIFEST_NOT_CANONICAL')) throw error;
    return parseSnapshot(files, yamlPath, { lenient: true }); // that is for `check` to ask; what was merged says what it says
  }
}

function viewOf(live: Snapshot | ManifestText): LiveView {
  const builds = 'pins' in live ? live.pins : live.builds;
  const names = new Set<string>();
  for (const { nevra } of builds) names.add(nevra.name);
  return { documents: live.upstream?.documents ?? new Map(), names };
}

/** Files whose change can change the publication. */
export function inputPaths(repository: RepositoryName): string[] {
  if (isErrata(repository)) return errataInputPaths(repository);
  const live = liveOf(repository);
  const manifests = [repository, live].flatMap((r) => [snapshotPath(r), lockPath(r)]);
  return [...new Set([...manifests, ...policyPaths(repository)])];
}

function policyPaths(repository: RepositoryName): string[] {
  return [`policies/upstreams/${upstreamId(repository)}.yaml`, 'policies/site.yaml'];
}

function isLive(repository: RepositoryName): boolean {
  return repository.team === LIVE_TEAM && repository.tier === LIVE_TIER;
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
