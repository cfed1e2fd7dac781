import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import {
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  type RepositoryName,
  upstreamId,
} from '../manifest/ids.ts';
import type { AcceptedState, Pin, Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { inParallel } from '../pool/parallel.ts';
import { readModules } from '../repodata/modules.ts';
import { readRepomd } from '../repodata/repomd.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { REQUESTS_AT_ONCE } from '../upstream/source.ts';
import type { DocumentCache } from './document-cache.ts';
import { whole } from './facts.ts';
import { byUpstream, documentsOf, readable, snapshotOf } from './named.ts';
import { NoAnswer, type Served } from './served.ts';
import type { ServedCatalog } from './served-catalog.ts';
import { LISTS, ServedRecords } from './served-records.ts';
import type { State } from './state.ts';

const MAX_REPOMD = 16 << 20;
/** Of a published tree: what `verify URL` takes too. */
const MAX_TREE_REPOMD = 4 << 20;
const MAX_MODULES = 64 << 20;

/**
 * What a check asks cannot be had. Not a Fault, so that nobody on the way takes it for something that main lost: whoever withholds
 * a document must not make a check ask for less.
 */
export class NotServed extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message, { cause: fault });
    this.fault = fault;
  }
}

/**
 * A mirror's catalog, for a host that has none: what these states name is taken from where a catalog is served, and believed for
 * checksums that git has. Records come from the vendors' documents; those of builds that no vendor lists any more from the tree that
 * the mirror publishes of live, by the twelve digits in the lock. Everything else is as in any catalog.
 */
export class HostedCatalog {
  readonly catalog: Catalog;
  readonly #served: Served;
  readonly #from: ServedCatalog;
  readonly #cache: DocumentCache | undefined;
  readonly #hasTrees: boolean;
  readonly #states: readonly State[];
  readonly #records: ReadonlyMap<State, ServedRecords>;
  /** Documents that these states name. Nothing else is ever asked for. */
  readonly #named: ReadonlyMap<string, readonly Snapshot[]>;
  readonly #read = new Set<string>();
  readonly #modulesRead = new Set<string>();

  constructor(o: {
    readonly served: Served;
    readonly from: ServedCatalog;
    readonly cache: DocumentCache | undefined;
    /** Whether `served` has published trees. */
    readonly hasTrees: boolean;
    /** Main first: where states agree, it answers. */
    readonly states: readonly State[];
  }) {
    this.#served = o.served;
    this.#from = o.from;
    this.#cache = o.cache;
    this.#hasTrees = o.hasTrees;
    this.#states = o.states;
    const acceptedOf = (state: State) => async (repository: RepositoryName) => {
      const live = { ...repository, team: LIVE_TEAM, tier: LIVE_TIER };
      const accepted = snapshotOf(state, live)?.upstream;
      const policy = state.policies.upstreams.get(upstreamId(repository));
      return accepted && policy ? { state: accepted, policy } : undefined;
    };
    this.#records = new Map(
      o.states.map((state) => [state, new ServedRecords(o.from, o.served, acceptedOf(state))]),
    );
    this.#named = documentsOf(o.states);
    this.catalog = this.#asCatalog();
  }

  /** Builds of which only twelve digits of a digest speak for what they require. */
  get short(): number {
    return [...this.#records.values()].reduce((sum, { short }) => sum + short.size, 0);
  }

  #asCatalog(): Catalog {
    const { local } = this.#from;
    const after = <T>(ids: readonly string[], read: () => Promise<T>): Promise<T> =>
      served(async () => {
        await this.#bring(ids);
        return await read();
      });
    const hosted = this;
    return {
      ...local,
      hasDocument: (sum) => served(() => this.#find(sum)),
      async *readDocument(sum) {
        await served(() => hosted.#find(sum));
        const chunks = local.readDocument(sum)[Symbol.asyncIterator]();
        try {
          for (
            let next = await served(() => chunks.next());
            !next.done;
            next = await served(() => chunks.next())
          ) {
            yield next.value;
          }
        } finally {
          await chunks.return?.();
        }
      },
      getRecords: (ids) => after(ids, () => local.getRecords(ids)),
      getPrimaries: (ids) => after(ids, () => local.getPrimaries(ids)),
      getOthers: (ids) => after(ids, () => local.getOthers(ids)),
      async *scanFilelists(ids) {
        await served(() => hosted.#bring(ids));
        yield* local.scanFilelists(ids);
      },
      hasRecords: (ids) => {
        const asked = [...ids];
        return after(asked, () => local.hasRecords(asked));
      },
    };
  }

  /** Whether it is here now. A document that git names and nobody serves ends the check. */
  async #find(sum: Checksum): Promise<boolean> {
    const key = formatChecksum(sum);
    if (await this.#from.local.hasDocument(sum)) return true;
    const by = this.#named.get(key);
    if (!by) return false;
    await this.#modulesOf(by);
    if (await this.#from.local.hasDocument(sum)) return true;
    await this.#from.bring(sum);
    return true;
  }

  /** Pinned module documents stand in live's modules.yaml, but for older ones: those are taken together. */
  async #modulesOf(snapshots: readonly Snapshot[]): Promise<void> {
    const names = new Set(
      snapshots.filter(({ modules }) => modules.size > 0).map((s) => upstreamId(s.repository)),
    );
    const fresh = [...names].filter((name) => !this.#modulesRead.has(name));
    if (fresh.length === 0) return;
    for (const name of fresh) this.#modulesRead.add(name);
    const wanted = new Map<string, Checksum>();
    for (const state of this.#states) {
      for (const snapshot of readable(state)) {
        if (!fresh.includes(upstreamId(snapshot.repository))) continue;
        for (const sum of snapshot.modules.values()) wanted.set(formatChecksum(sum), sum);
        const listed = snapshot.upstream?.documents.get('modules');
        if (listed) await this.#cut(snapshot, listed);
      }
    }
    await inParallel(wanted.values(), REQUESTS_AT_ONCE, async (sum) => {
      await noted([], () => this.#from.bring(sum, MAX_MODULES)); // said when it is asked for: it may be another team's
    });
  }

  async #cut({ repository, upstream }: Snapshot, listed: Checksum): Promise<void> {
    const key = formatChecksum(listed);
    if (this.#modulesRead.has(key)) return;
    this.#modulesRead.add(key);
    const at = `${upstreamId(repository)}: modules`;
    if (upstream) await this.#sizes(upstream);
    await this.#from.bring(listed, MAX_MODULES);
    for (const { bytes, digest } of readModules(await whole(this.#from.local, listed, MAX_MODULES, at), at)) {
      await this.#from.local.putDocument(one(bytes), { checksum: digest, size: bytes.length });
    }
  }

  /** What a verified repomd.xml says of the others bounds them; where it cannot be had, a ceiling does. */
  async #sizes({ repomd }: AcceptedState): Promise<void> {
    try {
      await this.#from.bring(repomd, MAX_REPOMD);
      const at = `repomd.xml ${formatChecksum(repomd)}`;
      this.#from.knowSizes(readRepomd(await whole(this.#from.local, repomd, MAX_REPOMD, at), at));
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
    }
  }

  async #bring(ids: readonly string[]): Promise<void> {
    let missing = await this.#from.local.hasRecords(ids);
    const faults: Fault[] = [];
    for (const [state, records] of this.#records) {
      if (missing.size === 0) return;
      faults.push(...(await this.#ofVendors(state, records, missing)));
      missing = await this.#from.local.hasRecords(missing);
    }
    for (const [state, records] of this.#records) {
      if (missing.size === 0) return;
      if (this.#hasTrees) faults.push(...(await this.#ofTrees(state, records, missing)));
      missing = await this.#from.local.hasRecords(missing);
    }
    if (missing.size > 0) throw this.#lost(missing, faults);
  }

  /** The documents that live's manifests name, all at once over the network and then one after the other. */
  async #ofVendors(state: State, records: ServedRecords, missing: ReadonlySet<string>): Promise<Fault[]> {
    const accepted: [RepositoryName, readonly Pin[], AcceptedState][] = [];
    for (const [live, pins] of byUpstream(state, missing)) {
      const upstream = snapshotOf(state, live)?.upstream;
      const key = `${upstreamId(live)} ${[...(upstream?.documents ?? [])].map(([t, s]) => `${t} ${formatChecksum(s)}`)}`;
      if (!upstream || this.#read.has(key)) continue; // another state has the same
      this.#read.add(key);
      accepted.push([live, pins, upstream]);
    }
    const faults: Fault[] = [];
    const tolerant = async (work: () => Promise<unknown>) => void (await noted(faults, work));
    await inParallel(accepted, REQUESTS_AT_ONCE, ([, , upstream]) => tolerant(() => this.#sizes(upstream)));
    const lists = accepted.flatMap(([, , { documents }]) =>
      [...documents].flatMap(([type, sum]) => (LISTS.has(type) ? [sum] : [])),
    );
    await inParallel(lists, REQUESTS_AT_ONCE, (sum) => tolerant(() => this.#from.bring(sum)));
    for (const [live, pins] of accepted) await tolerant(() => records.bring(live, pins, undefined));
    return faults;
  }

  /** As an earlier run found it, then as it is served now. */
  async #ofTrees(state: State, records: ServedRecords, missing: ReadonlySet<string>): Promise<Fault[]> {
    const faults: Fault[] = [];
    for (const [live, pins] of byUpstream(state, missing)) {
      const id = formatRepositoryId(live);
      const known = await this.#cache?.lastTree(id);
      const left = known ? await noted(faults, () => this.#ofTree(records, live, pins, known)) : pins;
      if (left?.length === 0) continue;
      await noted(faults, async () => {
        const found = await this.#served.read(`${id}/repodata/repomd.xml`, MAX_TREE_REPOMD);
        if (!found.bytes) throw notServed(found.missing, found.url);
        await this.#ofTree(records, live, left ?? pins, found.bytes);
        await this.#cache?.keepTree(id, found.bytes);
      });
    }
    return faults;
  }

  async #ofTree(
    records: ServedRecords,
    live: RepositoryName,
    pins: readonly Pin[],
    bytes: Buffer,
  ): Promise<Pin[]> {
    const id = formatRepositoryId(live);
    return await records.bring(live, pins, {
      prefix: `${id}/`,
      repomd: readRepomd(bytes, `${id}: repomd.xml`),
    });
  }

  #lost(missing: ReadonlySet<string>, [first]: readonly Fault[]): Fault {
    const [record = ''] = missing;
    const pins = this.#states.flatMap((state) => readable(state).flatMap(({ pins }) => pins));
    const pin = pins.find((p) => p.record === record);
    const which = pin ? `${record} of ${formatNevra(pin.nevra)}` : record;
    const more = missing.size > 1 ? ` and ${missing.size - 1} more` : '';
    const why = first ? `: ${first.message}` : '';
    const at = first?.at;
    const hint =
      first?.hint ?? 'Remove its line from the lock and run sluice fix, or check where a mirror is.';
    return new Fault('CATALOG_MISSING', `no record is served that is ${which}${more}${why}`, {
      hint,
      at,
      cause: first,
    });
  }
}

/** Runs it; whatever keeps a document away is said as such, and as nothing else. */
async function served<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof NoAnswer || cause instanceof Fault) {
      throw new NotServed(cause instanceof Fault ? cause : cause.fault);
    }
    throw cause;
  }
}

/** Another state, or the tree, may have it all the same. */
async function noted<T>(faults: Fault[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof NoAnswer || cause instanceof Fault)) throw cause;
    faults.push(cause instanceof Fault ? cause : cause.fault);
    return undefined;
  }
}

function notServed(why: string, at: string): Fault {
  const hint =
    'Serve public/ of the mirror at mirrorUrl, as examples/nginx.conf does, or check where a mirror is.';
  return new Fault('CATALOG_MISSING', `the tree that the mirror publishes of live cannot be had: ${why}`, {
    hint,
    at,
  });
}

async function* one(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes;
}
