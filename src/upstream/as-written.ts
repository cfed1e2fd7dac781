import { Fault } from '../base/fault.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { ID_DIGITS, twoOfOneId } from '../pool/records.ts';
import { decompress } from '../repodata/compression.ts';
import { cutElements } from '../repodata/elements.ts';
import { type PackageRecord, recordDigest, recordId } from '../repodata/record.ts';
import { SideDocument } from './join.ts';
import { MAX_OPEN_BYTES } from './verify.ts';

type Side = 'filelists' | 'other';
const SIDES: readonly Side[] = ['filelists', 'other'];

/**
 * Builds as the vendor's own documents have them. Nothing of an element is read but the checksum that joins the three documents: a
 * third of the time of `readUpstream`. That is enough for who knows the ids of the records that he wants: an element whose own bytes
 * have the id of a pin passed `canonicalElement` unchanged when it was pinned, and any other is not found.
 *
 * The ids of all that primary lists, in its order; undefined, and nothing was taken, where the documents must be read to be joined.
 */
export type TakeAsWritten = (
  state: Pick<AcceptedState, 'documents'>,
  upstream: string,
) => Promise<readonly string[] | undefined>;

/** Into the catalog's packs. */
export function putAsWritten(catalog: Pick<Catalog, 'readDocument' | 'putRecords'>): TakeAsWritten {
  return async ({ documents }, upstream) => {
    const ids: string[] = [];
    const listed = { upstream, documents };
    async function* records() {
      for await (const record of joined(catalog, listed, elementsOf(catalog, listed, 'primary'), SIDES)) {
        ids.push(recordId(record));
        yield record;
      }
    }
    return await unlessUnjoined(async () => {
      await catalog.putRecords(records());
      return ids;
    });
  };
}

/** The documents of one state, in primary's order. */
interface Listing extends Documents {
  readonly primaries: readonly Buffer[];
  /** Of the records, one for each primary. */
  readonly ids: readonly string[];
}

interface Documents {
  readonly upstream: string;
  readonly documents: AcceptedState['documents'];
}

interface Held {
  readonly digest: string;
  readonly primary: Buffer;
  readonly listing: Listing;
}

/**
 * For one run that asks for dependencies: the documents stay where the records lie. Only the primaries are held, in memory, and
 * nothing is written; whoever asks for filelists or changelogs has these documents read again.
 */
export class AsWritten {
  readonly #documents: Pick<Catalog, 'readDocument'>;
  readonly #held = new Map<string, Held>();

  constructor(documents: Pick<Catalog, 'readDocument'>) {
    this.#documents = documents;
  }

  readonly take: TakeAsWritten = async ({ documents }, upstream) => {
    const primaries: Buffer[] = [];
    const ids: string[] = [];
    const listing: Listing = { upstream, documents, primaries, ids };
    const fresh = new Map<string, Held>();
    const taken = await unlessUnjoined(async () => {
      const elements = elementsOf(this.#documents, listing, 'primary');
      for await (const record of joined(this.#documents, listing, elements, SIDES)) {
        const digest = recordDigest(record);
        const id = digest.slice(0, ID_DIGITS);
        const known = fresh.get(id) ?? this.#held.get(id);
        if (known && known.digest !== digest) throw twoOfOneId(id, known.digest, digest);
        if (!known) fresh.set(id, { digest, primary: record.primary, listing });
        primaries.push(record.primary);
        ids.push(id);
      }
      return ids;
    });
    if (taken) for (const [id, held] of fresh) this.#held.set(id, held);
    return taken;
  };

  /** A catalog that has what is held too. */
  over(catalog: Catalog): Catalog {
    const held = this.#held;
    const others = (ids: Iterable<string>) => [...ids].filter((id) => !held.has(id));
    const inOrder = <T>(ids: readonly string[], ...found: readonly ReadonlyMap<string, T>[]) =>
      new Map(
        ids.flatMap((id) => {
          const one = found.find((some) => some.has(id))?.get(id);
          return one === undefined ? [] : [[id, one] as const];
        }),
      );
    return {
      ...catalog,
      putRecords: (records) => catalog.putRecords(this.#fresh(records)),
      getRecords: async (ids) => {
        const rest = await catalog.getRecords(others(ids));
        return inOrder(ids, await this.#records(ids, SIDES), rest);
      },
      getPrimaries: async (ids) => {
        const rest = await catalog.getPrimaries(others(ids));
        return new Map(ids.map((id) => [id, (held.get(id)?.primary ?? rest.get(id)) as Buffer]));
      },
      getOthers: async (ids) => {
        const rest = await catalog.getOthers(others(ids));
        const own = await this.#records(ids, ['other']);
        const texts = new Map([...own].flatMap(([id, { other }]) => (other ? [[id, other] as const] : [])));
        return inOrder(ids, texts, rest);
      },
      scanFilelists: (ids) => this.#scanFilelists(ids, catalog.scanFilelists(others(ids))),
      hasRecords: (ids) => catalog.hasRecords(others(ids)),
    };
  }

  async *#fresh(
    records: AsyncIterable<PackageRecord> | Iterable<PackageRecord>,
  ): AsyncIterable<PackageRecord> {
    for await (const record of records) {
      const digest = recordDigest(record);
      const id = digest.slice(0, ID_DIGITS);
      const known = this.#held.get(id);
      if (!known) yield record;
      else if (known.digest !== digest) throw twoOfOneId(id, known.digest, digest);
    }
  }

  async *#scanFilelists(
    ids: readonly string[],
    rest: ReturnType<Catalog['scanFilelists']>,
  ): ReturnType<Catalog['scanFilelists']> {
    const listed = ids.filter((id) => this.#held.get(id)?.listing.documents.has('filelists'));
    for await (const [id, { filelists }] of this.#wanted(listed, ['filelists'])) {
      if (filelists) yield { id, element: filelists };
    }
    yield* rest;
  }

  async #records(ids: readonly string[], sides: readonly Side[]): Promise<Map<string, PackageRecord>> {
    const found = new Map<string, PackageRecord>();
    for await (const [id, record] of this.#wanted(ids, sides)) found.set(id, record);
    return found;
  }

  /** Of these ids those that are held, each once, in the order of the documents. */
  async *#wanted(
    ids: readonly string[],
    sides: readonly Side[],
  ): AsyncIterable<readonly [string, PackageRecord]> {
    const wanted = new Map<Listing, Set<string>>();
    for (const id of ids) {
      const listing = this.#held.get(id)?.listing;
      if (!listing) continue;
      const some = wanted.get(listing);
      if (some) some.add(id);
      else wanted.set(listing, new Set([id]));
    }
    for (const [listing, some] of wanted) {
      let n = 0;
      for await (const record of joined(this.#documents, listing, [listing.primaries], sides)) {
        const id = listing.ids[n] ?? '';
        n += 1;
        if (some.delete(id)) yield [id, record];
        if (some.size === 0) break;
      }
    }
  }
}

async function* joined(
  catalog: Pick<Catalog, 'readDocument'>,
  of: Documents,
  primaries: AsyncIterable<readonly Buffer[]> | Iterable<readonly Buffer[]>,
  sides: readonly Side[],
): AsyncIterable<PackageRecord> {
  const open = sides.flatMap((type) => {
    if (!of.documents.has(type)) return [];
    return [
      { type, document: new SideDocument(type, elementsOf(catalog, of, type), `${of.upstream}: ${type}`) },
    ];
  });
  try {
    for await (const batch of primaries) {
      for (const primary of batch) {
        const record: { -readonly [C in keyof PackageRecord]: PackageRecord[C] } = { primary };
        if (open.length > 0) {
          const hex = pkgidIn(primary);
          if (hex === undefined) throw new Unjoined();
          for (const { type, document } of open) record[type] = await document.take(hex);
        }
        yield record;
      }
    }
  } finally {
    for (const { document } of open) await document.close();
  }
}

async function* elementsOf(
  catalog: Pick<Catalog, 'readDocument'>,
  { documents, upstream }: Documents,
  type: Side | 'primary',
): AsyncGenerator<Buffer[]> {
  const document = documents.get(type);
  if (!document) return;
  const at = `${upstream}: ${type}`;
  const open = decompress(catalog.readDocument(document), { maxBytes: MAX_OPEN_BYTES, at });
  yield* cutElements(open, 'package', { at });
}

class Unjoined extends Error {}

async function unlessUnjoined<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Unjoined) return undefined;
    if (cause instanceof Fault && cause.code === 'UPSTREAM_INCONSISTENT') return undefined; // it says so itself
    throw cause;
  }
}

/** As createrepo_c and every vendor of the corpus write it. */
const PKGID = /<checksum type="[a-z0-9]+" pkgid="YES">([0-9a-f]+)<\/checksum>/;

/** Of which package an element of primary speaks, in hex; undefined where it must be read to know that. */
export function pkgidIn(primary: Buffer): string | undefined {
  return PKGID.exec(primary.toString('latin1'))?.[1];
}
