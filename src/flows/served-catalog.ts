import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { type Catalog, openCatalog } from '../pool/catalog.ts';
import { openIncoming } from '../pool/incoming.ts';
import type { Documents } from '../publish/documents.ts';
import type { Served } from './served.ts';

/**
 * The upstream documents that git names, each fetched from a served `catalog/` when it is asked for, and believed for its
 * checksum alone: who serves it does not matter. They lie in a folder of the caller's.
 */
export class ServedCatalog implements Documents {
  readonly local: Catalog;
  readonly documentPath: Catalog['documentPath'];
  readonly putRecords: Catalog['putRecords'];
  readonly #served: Served;
  /** Asked in turn. */
  readonly #roots: readonly URL[];
  readonly #fetching = new Map<string, Promise<void>>();

  constructor(folder: string, served: Served, roots: readonly URL[]) {
    this.local = openCatalog(folder);
    this.documentPath = this.local.documentPath;
    this.putRecords = (records) => this.local.putRecords(records);
    this.#served = served;
    this.#roots = roots;
  }

  async *readDocument(sum: Checksum): AsyncIterable<Buffer> {
    const key = formatChecksum(sum);
    const fetching = this.#fetching.get(key) ?? this.#fetch(sum);
    this.#fetching.set(key, fetching);
    await fetching;
    yield* this.local.readDocument(sum);
  }

  async #fetch(sum: Checksum): Promise<void> {
    const faults: Fault[] = [];
    for (const root of this.#roots) {
      const fault = await this.take(new URL(`documents/${sum.type}/${sum.hex}`, root), {
        checksum: sum,
        size: undefined,
      });
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
  ): Promise<Fault | undefined> {
    await using incoming = await openIncoming(this.local.mirrorRoot, expect, {
      at: url.href,
      resumable: false,
    });
    const fault = await this.#served.download(url, incoming, expect.size);
    if (!fault) await incoming.commit(this.local.documentPath(expect.checksum));
    return fault;
  }
}
