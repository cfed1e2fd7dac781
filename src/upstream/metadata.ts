import { createHash } from 'node:crypto';
import { type Checksum, sameChecksum } from '../base/checksum.ts';
import { Fault, type FaultCode } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { Progress } from '../base/progress.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { openIncoming } from '../pool/incoming.ts';
import { inParallel } from '../pool/parallel.ts';
import { newestTimestamp, type RepomdRecord, readRepomd } from '../repodata/repomd.ts';
import type { Timing } from './attempt.ts';
import { chooseDocuments, isKnown, nameOf } from './documents.ts';
import { recall, remember } from './remembered.ts';
import { openSource, REQUESTS_AT_ONCE, type Source } from './source.ts';
import type { FetchedUpstream, Skipped } from './types.ts';
import { baseUrl, locate } from './url.ts';
import { verifyOpen } from './verify.ts';

const MAX_REPOMD_BYTES = 16 << 20;
const MAX_DOCUMENT_BYTES = 2 * 2 ** 30;

export interface MetadataOptions {
  readonly catalog: Catalog;
  readonly mirrorRoot: string;
  /** What live's manifest says was accepted last. */
  readonly accepted?: AcceptedState | undefined;
  /** `accept --older`. */
  readonly allowOlder?: boolean | undefined;
  readonly progress: Progress;
  readonly now: Date;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

/** Faults of one base URL that another one may not have. Anything else (a full disk) ends the run. */
const PASSED_OVER: ReadonlySet<FaultCode> = new Set([
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
]);
/** When every base URL fails, people are told of the one that says most. */
const GRAVEST: readonly FaultCode[] = ['UPSTREAM_ROLLBACK', 'UPSTREAM_INCONSISTENT', 'METADATA_INVALID'];

/** The bases of an upstream, in the policy's order. */
export function basesOf(policy: UpstreamPolicy): URL[] {
  if (policy.baseurl.length > 0) return policy.baseurl.map((text) => baseUrl(text, policy.path));
  throw new Fault('NOT_SUPPORTED', 'mirrorlist and metalink are not supported yet', {
    hint: 'Name one or more URLs under baseurl.',
    at: policy.path,
  });
}

/**
 * Brings the upstream's documents into the catalog, each verified, and says what its state is. `unchanged` is what was
 * accepted before, still whole in the catalog: one conditional request. Base URLs are tried in turn; one that is
 * behind what was accepted is passed over, and when all are, that is UPSTREAM_ROLLBACK. After a Fault the catalog
 * may hold more documents, and nothing names them.
 */
export async function fetchMetadata(
  policy: UpstreamPolicy,
  o: MetadataOptions,
): Promise<{ kind: 'unchanged' } | FetchedUpstream> {
  const bases = basesOf(policy);
  await using source = await openSource({ bases, client: policy.client, env: o.env, timing: o.timing });
  const faults: Fault[] = [];
  for (const base of bases) {
    try {
      return await new Fetch(policy, base, bases, source, o).run();
    } catch (error) {
      if (!(error instanceof Fault) || !PASSED_OVER.has(error.code)) throw error;
      if (bases.length > 1) o.progress.say(`${policy.id}: ${base.href} is passed over: ${error.message}`);
      faults.push(error);
    }
  }
  throw gravest(faults);
}

function gravest(faults: readonly Fault[]): Fault {
  const first = GRAVEST.flatMap((code) => faults.filter((fault) => fault.code === code))[0] ?? faults[0];
  if (!first) throw new Error('no base URL was tried');
  if (faults.length === 1) return first;
  return new Fault(first.code, `${first.message} (none of ${faults.length} base URLs will do)`, {
    hint: first.hint,
    at: first.at,
    cause: new AggregateError(faults),
  });
}

interface ReadRepomd {
  readonly sum: Checksum;
  readonly bytes: Buffer;
}

/** repomd.xml is not the one any more that the run began with. */
class Changed extends Error {}

/** One run against one base URL. */
class Fetch {
  readonly #policy: UpstreamPolicy;
  readonly #base: URL;
  readonly #bases: readonly URL[];
  readonly #source: Source;
  readonly #o: MetadataOptions;
  readonly #repomdUrl: URL;

  constructor(policy: UpstreamPolicy, base: URL, bases: readonly URL[], source: Source, o: MetadataOptions) {
    this.#policy = policy;
    this.#base = base;
    this.#bases = [base, ...bases.filter((other) => other !== base)];
    this.#source = source;
    this.#o = o;
    this.#repomdUrl = new URL('repodata/repomd.xml', base);
  }

  async run(): Promise<{ kind: 'unchanged' } | FetchedUpstream> {
    for (let round = 0; round < 2; round += 1) {
      try {
        return await this.#round();
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
        this.#o.progress.say(`${this.#policy.id}: repomd.xml changed while it was read, starting over`);
      }
    }
    throw this.#inconsistent('repomd.xml changed twice while it was read', 'Try again in some minutes.');
  }

  async #round(): Promise<{ kind: 'unchanged' } | FetchedUpstream> {
    const { sum, bytes } = await this.#readRepomd();
    const at = this.#repomdUrl.href;
    const repomd = readRepomd(bytes, at);
    const timestamp = newestTimestamp(repomd);
    this.#refuseOlder(timestamp);
    const choice = chooseDocuments(repomd, this.#policy, at);
    if (await this.#isAccepted(sum, choice.wanted)) return { kind: 'unchanged' };
    const skipped = [...choice.skipped];
    const taken = await this.#takeAll(choice.wanted, skipped, sum);
    const documents = new Map(taken.map((record) => [record.type, record.checksum]));
    skipped.sort((a, b) => byCodeUnit(a.type, b.type));
    return {
      kind: 'fetched',
      base: this.#base.href,
      repomd,
      state: { timestamp, repomd: sum, documents },
      skipped,
    };
  }

  /** From the catalog when the server says that it is the same. */
  async #readRepomd(): Promise<ReadRepomd> {
    const { catalog, mirrorRoot } = this.#o;
    const known = (await recall(mirrorRoot, this.#policy.id)).get(this.#base.href);
    const usable = known && (await catalog.hasDocument(known.repomd)) ? known : undefined;
    const validators = usable?.validators;
    const read = await this.#source.read(this.#repomdUrl, { maxBytes: MAX_REPOMD_BYTES, validators });
    if (read.kind === 'unchanged') {
      if (!usable)
        throw this.#inconsistent('the server answers 304 to a plain request', 'Name another mirror.');
      const chunks: Buffer[] = [];
      for await (const chunk of catalog.readDocument(usable.repomd)) chunks.push(chunk);
      return { sum: usable.repomd, bytes: Buffer.concat(chunks) };
    }
    if (read.html) this.#refuseHtml(read.bytes);
    readRepomd(read.bytes, this.#repomdUrl.href); // what cannot be read is not remembered
    const sum = sha256(read.bytes);
    await catalog.putDocument(once(read.bytes), { checksum: sum, size: read.bytes.length });
    await remember(mirrorRoot, this.#policy.id, this.#base.href, {
      repomd: sum,
      validators: read.validators,
    });
    return { sum, bytes: read.bytes };
  }

  #refuseHtml(bytes: Buffer): void {
    if (bytes.subarray(0, 1024).includes('<repomd')) return; // a server that calls everything a page
    throw new Fault('METADATA_INVALID', 'a web page answers instead of repomd.xml', {
      hint: 'Check the base URL: a login or an error page answers.',
      at: this.#repomdUrl.href,
    });
  }

  #refuseOlder(timestamp: number): void {
    const { accepted, allowOlder } = this.#o;
    if (!accepted || allowOlder || timestamp >= accepted.timestamp) return;
    const day = (seconds: number) => new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z');
    throw new Fault(
      'UPSTREAM_ROLLBACK',
      `${this.#policy.id} is from ${day(timestamp)}, older than what was accepted (${day(accepted.timestamp)})`,
      {
        hint: `Wait for the mirror; if the vendor really went back: sluice accept ${this.#policy.id} --older --reason "…".`,
        at: this.#repomdUrl.href,
      },
    );
  }

  /** The accepted repomd.xml, and all that is wanted of it now was wanted then and is still in the catalog. */
  async #isAccepted(sum: Checksum, wanted: readonly RepomdRecord[]): Promise<boolean> {
    const { accepted, catalog } = this.#o;
    if (!accepted || !sameChecksum(accepted.repomd, sum)) return false;
    const byType = new Map(wanted.map((record) => [record.type, record]));
    for (const [type, document] of accepted.documents) {
      const record = byType.get(type);
      if (!record || !sameChecksum(record.checksum, document)) return false;
      if (!(await catalog.hasDocument(document))) return false;
    }
    const mayLack = (type: string) => this.#policy.absent.has(type) || !isKnown(type);
    return wanted.every(({ type }) => accepted.documents.has(type) || mayLack(type));
  }

  async #takeAll(
    wanted: readonly RepomdRecord[],
    skipped: Skipped[],
    repomd: Checksum,
  ): Promise<RepomdRecord[]> {
    const { catalog, progress } = this.#o;
    const missing: RepomdRecord[] = [];
    for (const record of wanted) if (!(await catalog.hasDocument(record.checksum))) missing.push(record);
    const total = missing.reduce((sum, record) => sum + (record.size ?? 0), 0);
    const failed = new Map<string, Fault>();
    if (missing.length > 0) progress.start(`${this.#policy.id}: metadata`, total, 'bytes');
    try {
      await inParallel(oncePerDocument(missing), REQUESTS_AT_ONCE, async (record) => {
        await this.#guarded(record, failed, () => this.#take(record));
      });
    } finally {
      if (missing.length > 0) progress.done();
    }
    const taken: RepomdRecord[] = [];
    for (const record of wanted) {
      const opened = failed.has(record.type)
        ? undefined
        : await this.#guarded(record, failed, () => this.#open(record));
      if (!opened) continue;
      if (opened.namesPackages && !isKnown(record.type)) {
        skipped.push({ type: record.type, reason: 'it names packages, and Sluice does not know it' });
      } else taken.push(record);
    }
    if (missing.length > 0 || failed.size > 0) await this.#refuseChanged(repomd);
    for (const [type, fault] of failed) skipped.push({ type, reason: this.#mayBeAbsent(type, fault) });
    return taken;
  }

  /** A document that fails is judged at the end, when it is known whether repomd.xml changed meanwhile. */
  async #guarded<T>(
    record: RepomdRecord,
    failed: Map<string, Fault>,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Fault) || !PASSED_OVER.has(error.code)) throw error;
      failed.set(record.type, error);
      return undefined;
    }
  }

  async #take(record: RepomdRecord): Promise<void> {
    const { catalog, mirrorRoot, progress } = this.#o;
    const url = locate(this.#bases, record, {
      at: this.#repomdUrl.href,
      parentHref: this.#policy.parentHref,
    });
    if (record.size !== undefined && record.size > MAX_DOCUMENT_BYTES) {
      throw new Fault('TOO_LARGE', `${nameOf(record)} is said to have ${record.size} bytes`, {
        hint: 'Ask whoever runs this upstream.',
        at: url.href,
      });
    }
    const expect = { checksum: record.checksum, size: record.size };
    await using incoming = await openIncoming(mirrorRoot, expect, { at: url.href, resumable: true });
    progress.advance(incoming.received);
    await this.#source.download(url, incoming, {
      size: record.size,
      maxBytes: MAX_DOCUMENT_BYTES,
      advance: (bytes) => progress.advance(bytes),
    });
    await incoming.commit(catalog.documentPath(record.checksum));
  }

  #open(record: RepomdRecord) {
    return verifyOpen(this.#o.catalog, record, `${this.#policy.id}: ${record.type}`);
  }

  async #refuseChanged(repomd: Checksum): Promise<void> {
    const again = await this.#readRepomd();
    if (!sameChecksum(again.sum, repomd)) throw new Changed();
  }

  /** The reason for the report; a Fault where the policy does not name the type. primary is never dispensable. */
  #mayBeAbsent(type: string, fault: Fault): string {
    const reason = this.#policy.absent.get(type);
    if (reason !== undefined && type !== 'primary') return `${reason} (${fault.message})`;
    const hint = `Try again later; if it stays so, write "absent: { ${type}: "why" }" into ${this.#policy.path}.`;
    if (fault.code === 'NETWORK') throw fault;
    throw this.#inconsistent(
      `repomd.xml lists ${type}, but: ${fault.message}`,
      type === 'primary' ? 'Try again later, or name another mirror.' : hint,
      fault,
    );
  }

  #inconsistent(message: string, hint: string, cause?: Fault): Fault {
    return new Fault('UPSTREAM_INCONSISTENT', message, {
      hint,
      at: cause?.at ?? this.#repomdUrl.href,
      cause,
    });
  }
}

/** Two types may be one file. */
function oncePerDocument(records: readonly RepomdRecord[]): RepomdRecord[] {
  return records.filter(
    (r, n) => records.findIndex((other) => sameChecksum(other.checksum, r.checksum)) === n,
  );
}

async function* once(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes;
}

function sha256(bytes: Buffer): Checksum {
  return { type: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') };
}
