import type { Checksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import {
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import { loadPolicies, type UpstreamPolicy } from '../manifest/policy.ts';
import { type AcceptedState, type Pin, readPins } from '../manifest/snapshot.ts';
import type { CommitHistory } from '../publish/history.ts';
import { emptyElement } from '../publish/materialise.ts';
import { decompress } from '../repodata/compression.ts';
import { cutElements } from '../repodata/elements.ts';
import { identify } from '../repodata/primary.ts';
import { type PackageRecord, recordId } from '../repodata/record.ts';
import { pkgidIn } from '../upstream/as-written.ts';
import { readUpstream } from '../upstream/read.ts';
import { MAX_OPEN_BYTES } from '../upstream/verify.ts';
import type { Served } from './served.ts';
import type { ServedCatalog } from './served-catalog.ts';
import { LOCATION, locationTemplates, type Template } from './served-locations.ts';
import type { ServedTree } from './served-tree.ts';

/** What main accepted of the upstream of a repository; undefined where it has none. */
export type AcceptedOf = (repository: RepositoryName) => Promise<Accepted | undefined>;

export interface Accepted {
  readonly state: AcceptedState;
  readonly policy: UpstreamPolicy;
}

/** By a commit's files. */
export function acceptedIn({ readMany }: Pick<CommitHistory, 'readMany'>): AcceptedOf {
  return async (repository) => {
    const live = snapshotPath({ ...repository, team: LIVE_TEAM, tier: LIVE_TIER });
    const id = upstreamId(repository);
    const texts = await readMany([live, `policies/upstreams/${id}.yaml`]);
    const yaml = texts.get(live);
    const state = yaml === undefined ? undefined : readPins(yaml, live).upstream;
    const { upstreams } = loadPolicies(new Map([...texts].filter(([path]) => path !== live)));
    const policy = upstreams.get(id);
    return state && policy ? { state, policy } : undefined;
  };
}

/**
 * The records of pinned builds, into the catalog. Those that the upstream still listed come from its own documents, whose whole
 * checksums live's manifest has; a build that it no longer lists comes from what the mirror serves, and is believed if the record's
 * id is the one in the lock: the first 48 bits of a sha256.
 */
export class ServedRecords {
  /** Ids that only the lock's twelve digits speak for. */
  readonly short = new Set<string>();
  readonly #catalog: ServedCatalog;
  readonly #served: Served;
  readonly #acceptedOf: AcceptedOf;
  /** Records of all that an upstream lists. */
  readonly #upstreams = new Map<string, Promise<readonly string[]>>();

  constructor(catalog: ServedCatalog, served: Served, acceptedOf: AcceptedOf) {
    this.#catalog = catalog;
    this.#served = served;
    this.#acceptedOf = acceptedOf;
  }

  /** Pins whose record is nowhere. CATALOG_MISSING where the upstream's documents are not served. */
  async bring(
    repository: RepositoryName,
    pins: readonly Pin[],
    tree: ServedTree | undefined,
  ): Promise<Pin[]> {
    if (pins.length === 0) return [];
    const key = upstreamId(repository);
    const reading = this.#upstreams.get(key) ?? this.#ofUpstream(repository, pins);
    this.#upstreams.set(key, reading);
    const listed = await reading;
    const left = await this.#missing(pins);
    if (left.length === 0 || !tree) return left;
    const templates = locationTemplates((await this.#catalog.local.getPrimaries(listed)).values());
    await this.#ofTree(left, tree, templates, formatRepositoryId(repository));
    const lost = await this.#missing(left);
    for (const { record } of left) if (!lost.some((pin) => pin.record === record)) this.short.add(record);
    return lost;
  }

  async #missing(pins: readonly Pin[]): Promise<Pin[]> {
    const missing = await this.#catalog.local.hasRecords(pins.map((pin) => pin.record));
    return pins.filter((pin) => missing.has(pin.record));
  }

  /** As they stand in its documents; and as sync reads them, where an element must be written anew to be what was pinned. */
  async #ofUpstream(repository: RepositoryName, pins: readonly Pin[]): Promise<readonly string[]> {
    const accepted = await this.#acceptedOf(repository);
    if (!accepted?.state.documents.has('primary')) return [];
    const { policy, state } = accepted;
    const listed = await this.#catalog.takeAsWritten(state, policy.id);
    const missing = await this.#missing(pins);
    if (missing.length === 0 || (listed && !(await this.#listAny(listed, missing)))) return listed ?? [];
    const documents = new Map([...state.documents].filter(([type]) => LISTS.has(type)));
    const { builds } = await readUpstream(this.#catalog, policy, { ...state, documents });
    return builds.map(({ pin }) => pin.record);
  }

  /** Whether they have other bytes of these builds, which then may be what was pinned once they are written anew. */
  async #listAny(listed: readonly string[], pins: readonly Pin[]): Promise<boolean> {
    const wanted = new Set<string | undefined>([undefined, ...pins.map(({ checksum }) => checksum.hex)]);
    const primaries = await this.#catalog.local.getPrimaries(listed);
    return [...primaries.values()].some((primary) => wanted.has(pkgidIn(primary)));
  }

  /** The three lists side by side, as publications order them: one element of each is in memory. */
  async #ofTree(
    pins: readonly Pin[],
    { prefix, repomd }: ServedTree,
    templates: readonly Template[],
    at: string,
  ): Promise<void> {
    const wanted = new Map(pins.map((pin) => [pin.checksum.hex, pin]));
    const lists = new Map<string, Elements>();
    const taken: Checksum[] = [];
    try {
      for (const { type, href, checksum, size } of repomd.records) {
        if (!LISTS.has(type)) continue;
        if (!(await this.#catalog.local.hasDocument(checksum))) {
          taken.push(checksum);
          const url = this.#served.url(prefix + href);
          if (await this.#catalog.take(url, { checksum, size })) return; // who compares the documents says so
        }
        const open = decompress(this.#catalog.local.readDocument(checksum), { maxBytes: MAX_OPEN_BYTES, at });
        lists.set(type, new Elements(cutElements(open, 'package', { at })));
      }
      await this.#catalog.putRecords(believed(wanted, lists, templates, at));
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code === 'DISK') throw cause; // what cannot be read brings nothing
    } finally {
      for (const elements of lists.values()) await elements.close();
      for (const checksum of taken) await this.#catalog.local.removeDocument(checksum);
    }
  }
}

export const LISTS: ReadonlySet<string> = new Set(['primary', 'filelists', 'other']);

async function* believed(
  wanted: ReadonlyMap<string, Pin>,
  lists: ReadonlyMap<string, Elements>,
  templates: readonly Template[],
  at: string,
): AsyncGenerator<PackageRecord> {
  const [primaries, filelists, other] = ['primary', 'filelists', 'other'].map((type) => lists.get(type));
  for (let primary = await primaries?.next(); primary; primary = await primaries?.next()) {
    const sides = [await filelists?.next(), await other?.next()];
    const pin = wanted.get(identify(primary, at, { parentHref: true }).checksum.hex);
    const record = pin && recordOf(pin, primary, sides, templates);
    if (record) yield record;
  }
}

/** The record as the upstream wrote it, of which a publication changes the location, and fills in what it does not have. */
function recordOf(
  pin: Pin,
  primary: Buffer,
  [files, changes]: readonly (Buffer | undefined)[],
  templates: readonly Template[],
): PackageRecord | undefined {
  const text = primary.toString('latin1');
  const tag = LOCATION.exec(text);
  if (!tag) return undefined;
  const [before, after] = [primary.subarray(0, tag.index), primary.subarray(tag.index + tag[0].length)];
  const empty = emptyElement(pin);
  const ways = (element: Buffer | undefined) =>
    element === undefined ? [undefined] : element.equals(empty) ? [undefined, element] : [element];
  for (const location of templates) {
    const own = Buffer.concat([before, Buffer.from(location(pin)), after]);
    for (const filelists of ways(files)) {
      for (const other of ways(changes)) {
        const record: PackageRecord = {
          primary: own,
          ...(filelists ? { filelists } : {}),
          ...(other ? { other } : {}),
        };
        if (recordId(record) === pin.record) return record;
      }
    }
  }
  return undefined;
}

/** One element at a time of what comes in batches. */
class Elements {
  readonly #batches: AsyncIterator<Buffer[]>;
  #batch: Buffer[] = [];
  #next = 0;

  constructor(batches: AsyncIterable<Buffer[]>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  async next(): Promise<Buffer | undefined> {
    while (this.#next === this.#batch.length) {
      const { done, value } = await this.#batches.next();
      if (done) return undefined;
      this.#batch = value;
      this.#next = 0;
    }
    this.#next += 1;
    return this.#batch[this.#next - 1];
  }

  async close(): Promise<void> {
    await this.#batches.return?.();
  }
}
