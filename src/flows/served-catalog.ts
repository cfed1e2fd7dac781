import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { type Catalog, openCatalog } from '../pool/catalog.ts';
import { openIncoming } from '../pool/incoming.ts';
import type { Documents } from '../publish/documents.ts';
import type { Repomd } from '../repodata/repomd.ts';
import { AsWritten, putAsWritten, type TakeAsWritten } from '../upstream/as-written.ts';
import type { DocumentCache } from './document-cache.ts';
import type { Served } from './served.ts';

/**
 * The upstream documents that git names, each fetched from a served `catalog/` when it is asked for, and believed for its
 * checksum alone: who serves it does not matter. They lie in a folder of the caller's, or in a cache that outlives the run.
 */
export class ServedCatalog implements Documents {
  /** What is here: in the folder, and in memory. */
  readonly local: Catalog;
  readonly takeAsWritten: TakeAsWritten;
  readonly documentPath: Catalog['documentPath'];
  readonly putRecords: Catalog['putRecords'];
  /** What came over the network. */
  readonly taken = { documents: 0, bytes: 0 };
  readonly #served: Served;
  /** Asked in turn. */
  readonly #roots: readonly URL[];
  readonly #cache: DocumentCache | undefined;
  readonly #fetching = new Map<string, Promise<void>>();
  /** In bytes, by checksum, of documents that a verified repomd.xml lists: nobody can then send more. */
  readonly #sizes = new Map<string, number>();

  /** `holds`: dependencies are all that will be asked for, so records need no packs. */
  constructor(
    folder: string,
    served: Served,
    roots: readonly URL[],
    { cache, holds = false }: { readonly cache?: DocumentCache | undefined; readonly holds?: boolean } = {},
  ) {
    const written = new AsWritten(this);
    this.local = written.over({ ...openCatalog(folder), ...cache?.documents });
    this.takeAsWritten = holds ? written.take : putAsWritten(this);
    this.#cache = cache;
    this.documentPath = this.local.documentPath;
    this.putRecords = (records) => this.local.putRecords(records);
    this.#served = served;
    this.#roots = roots;
  }

  async *readDocument(sum: Checksum): AsyncIterable<Buffer> {
    await this.bring(sum);
    yield* this.local.readDocument(sum);
  }

  /** The document is in the folder afterwards. CATALOG_MISSING where nobody serves it, said once and remembered. */
  async bring(sum: Checksum, maxBytes?: number): Promise<void> {
    const key = formatChecksum(sum);
    const fetching = this.#fetching.get(key) ?? this.#fetch(sum, maxBytes);
    this.#fetching.set(key, fetching);
    await fetching;
  }

  knowSizes({ records }: Repomd): void {
    for (const { checksum, size } of records) {
      if (size !== undefined) this.#sizes.set(formatChecksum(checksum), size);
    }
  }

  async #fetch(sum: Checksum, maxBytes: number | undefined): Promise<void> {
    if (await this.local.hasDocument(sum)) return;
    const faults: Fault[] = [];
    for (const root of this.#roots) {
      const url = new URL(`documents/${sum.type}/${sum.hex}`, root);
      const size = this.#sizes.get(formatChecksum(sum));
      const fault = await this.take(url, { checksum: sum, size }, maxBytes);
      if (!fault) return;
      faults.push(fault);
    }
    const why = faults.map((fault) => fault.message).join('; ');
    throw new Fault('CATALOG_MISSING', `the document ${formatChecksum(sum)} cannot be had: ${why}`, {
      hint: "Serve the mirror's catalog/ below its URL, as examples/nginx.conf does.",
      at: faults[0]?.at,
      cause: faults[0],
    });
  }

  /** Any document by its checksum, from any place. */
  async take(
    url: URL,
    expect: { readonly checksum: Checksum; readonly size: number | undefined },
    maxBytes?: number,
  ): Promise<Fault | undefined> {
    const folder = this.#cache?.folder ?? this.local.mirrorRoot; // beside its place: a rename does not cross disks
    await using incoming = await openIncoming(folder, expect, { at: url.href, resumable: false });
    const fault = await this.#served.download(url, incoming, expect.size, { maxBytes });
    if (fault) return fault;
    await incoming.commit(this.local.documentPath(expect.checksum));
    this.#cache?.taken(expect.checksum);
    this.taken.documents += 1;
    this.taken.bytes += incoming.received;
    return undefined;
  }
}
