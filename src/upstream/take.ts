import { type Checksum, sameChecksum } from '../base/checksum.ts';
import { Fault, type FaultCode } from '../base/fault.ts';
import type { Progress } from '../base/progress.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Catalog } from '../pool/catalog.ts';
import { openIncoming } from '../pool/incoming.ts';
import { inParallel } from '../pool/parallel.ts';
import type { RepomdRecord } from '../repodata/repomd.ts';
import { type Choice, GROUP, isKnown, nameOf } from './documents.ts';
import type { Source } from './source.ts';
import type { Skipped } from './types.ts';
import { locate } from './url.ts';
import { verifyOpen, verifyTogether } from './verify.ts';

const MAX_DOCUMENT_BYTES = 2 * 2 ** 30;

/** Faults of one base URL that another one may not have. Anything else (a full disk) ends the run. */
export const OF_THE_UPSTREAM: ReadonlySet<FaultCode> = new Set([
  'NETWORK',
  'HTTP_STATUS',
  'NOT_FOUND',
  'UNSAFE_URL',
  'UNSAFE_PATH',
  'MALFORMED',
  'METADATA_INVALID',
  'SIZE_MISMATCH',
  'CHECKSUM_MISMATCH',
  'TOO_LARGE',
  'UPSTREAM_INCONSISTENT',
  'UPSTREAM_ROLLBACK',
  'UPSTREAM_FROZEN',
  'SIGNATURE_INVALID',
]);

export interface TakeOptions {
  readonly policy: UpstreamPolicy;
  /** The one that repomd.xml came from first. */
  readonly bases: readonly URL[];
  readonly source: Source;
  readonly catalog: Catalog;
  readonly progress: Progress;
  /** repomd.xml's own URL. */
  readonly at: string;
}

export interface Taken {
  /** By type, in order; comps as `group`. */
  readonly documents: ReadonlyMap<string, Checksum>;
  readonly skipped: readonly Skipped[];
  /** Why others could not be taken: judged by the caller, who knows whether repomd.xml changed meanwhile. */
  readonly failed: ReadonlyMap<string, Fault>;
  readonly downloaded: boolean;
}

/** Brings the chosen documents into the catalog, each verified as downloaded and as opened. */
export async function takeDocuments(choice: Choice, o: TakeOptions): Promise<Taken> {
  return await new Taking(o).run(choice);
}

class Taking {
  readonly #o: TakeOptions;
  readonly #documents = new Map<string, Checksum>();
  readonly #skipped: Skipped[] = [];
  readonly #failed = new Map<string, Fault>();
  #downloaded = false;

  constructor(o: TakeOptions) {
    this.#o = o;
  }

  async run({ wanted, comps }: Choice): Promise<Taken> {
    // A trap is one whether or not an earlier run has brought the same bytes from elsewhere.
    for (const record of [...wanted, ...comps]) {
      await this.#guarded(record.type, async () => void this.#urlOf(record));
    }
    const records = [...wanted, ...comps.slice(0, 1)].filter(({ type }) => !this.#failed.has(type));
    await this.#downloadAll(records);
    for (const record of wanted) {
      if (this.#failed.has(record.type)) continue;
      await this.#guarded(record.type, () => this.#open(record));
    }
    await this.#takeComps(comps);
    await this.#dropInconsistent();
    return {
      documents: new Map([...this.#documents].sort(([a], [b]) => (a < b ? -1 : 1))),
      skipped: this.#skipped,
      failed: this.#failed,
      downloaded: this.#downloaded,
    };
  }

  async #downloadAll(records: readonly RepomdRecord[]): Promise<void> {
    const { catalog, policy, progress } = this.#o;
    const missing: RepomdRecord[] = [];
    for (const record of oncePerDocument(records)) {
      if (!(await catalog.hasDocument(record.checksum))) missing.push(record);
    }
    if (missing.length === 0) return;
    const total = missing.reduce((sum, record) => sum + (record.size ?? 0), 0);
    progress.start(`${policy.id}: metadata`, total, 'bytes');
    try {
      await inParallel(missing, this.#o.source.atOnce, async (record) => {
        await this.#guarded(record.type, () => this.#download(record));
      });
    } finally {
      progress.done();
    }
  }

  async #guarded(type: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Fault) || !OF_THE_UPSTREAM.has(error.code)) throw error;
      this.#failed.set(type, error);
    }
  }

  #urlOf(record: RepomdRecord): URL {
    const { bases, at, policy } = this.#o;
    return locate(bases, record, { at, parentHref: policy.parentHref });
  }

  async #download(record: RepomdRecord): Promise<void> {
    const { catalog, progress, source } = this.#o;
    this.#downloaded = true;
    const url = this.#urlOf(record);
    if (record.size !== undefined && record.size > MAX_DOCUMENT_BYTES) {
      throw new Fault('TOO_LARGE', `${nameOf(record)} is said to have ${record.size} bytes`, {
        hint: 'Ask whoever runs this upstream.',
        at: url.href,
      });
    }
    const expect = { checksum: record.checksum, size: record.size };
    await using incoming = await openIncoming(catalog.mirrorRoot, expect, { at: url.href, resumable: true });
    progress.advance(incoming.received);
    await source.download(url, incoming, {
      size: record.size,
      maxBytes: MAX_DOCUMENT_BYTES,
      advance: (bytes) => progress.advance(bytes),
    });
    await incoming.commit(catalog.documentPath(record.checksum));
  }

  async #open(record: RepomdRecord, type = record.type): Promise<void> {
    const at = `${this.#o.policy.id}: ${record.type}`;
    if (!(await this.#o.catalog.hasDocument(record.checksum))) await this.#download(record); // two types, one file
    const { namesPackages } = await verifyOpen(this.#o.catalog, record, at);
    if (namesPackages && !isKnown(type)) {
      this.#skipped.push({ type, reason: 'it names packages, and Sluice does not know it' });
    } else this.#documents.set(type, record.checksum);
  }

  /** The first of several that is there and sound; what the others lack is said and hurts nobody. */
  async #takeComps(comps: readonly RepomdRecord[]): Promise<void> {
    const faults: Fault[] = [];
    for (const record of comps) {
      const { type } = record;
      if (this.#documents.has(GROUP)) {
        this.#skipped.push({ type, reason: 'the same as another group' });
        continue;
      }
      const before = this.#failed.get(type);
      if (!before) await this.#guarded(type, () => this.#open(record, GROUP));
      const fault = this.#failed.get(type);
      if (!fault) continue;
      this.#failed.delete(type);
      faults.push(fault);
      if (comps.length > 1) this.#skipped.push({ type, reason: fault.message });
    }
    if (faults[0] && !this.#documents.has(GROUP)) this.#failed.set(GROUP, faults[0]);
  }

  /** Where the policy says that filelists or other may be inconsistent, here is where they are found to be. */
  async #dropInconsistent(): Promise<void> {
    const primary = this.#documents.get('primary');
    for (const type of ['filelists', 'other']) {
      const side = this.#documents.get(type);
      if (!primary || !side || !this.#o.policy.absent.has(type)) continue;
      const at = `${this.#o.policy.id}: ${type}`;
      await this.#guarded(type, () => verifyTogether(this.#o.catalog, { primary, side, type, at }));
      if (this.#failed.has(type)) this.#documents.delete(type);
    }
  }
}

/** Two types may be one file. */
function oncePerDocument(records: readonly RepomdRecord[]): RepomdRecord[] {
  return records.filter(
    (r, n) => records.findIndex((other) => sameChecksum(other.checksum, r.checksum)) === n,
  );
}
