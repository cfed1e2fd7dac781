import { createHash } from 'node:crypto';
import { type Checksum, sameChecksum } from '../base/checksum.ts';
import { Fault, type FaultCode } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { Progress } from '../base/progress.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import { judgeDetached } from '../openpgp/detached.ts';
import type { Trust } from '../openpgp/trust.ts';
import type { Catalog } from '../pool/catalog.ts';
import type { Metalink } from '../repodata/metalink.ts';
import { newestTimestamp, readRepomd } from '../repodata/repomd.ts';
import type { Timing } from './attempt.ts';
import { type Choice, chooseDocuments, GROUP, isKnown } from './documents.ts';
import { findMirrors, metalinkRefuses, namedUrls, rememberMirrors } from './mirrors.ts';
import { recall, remember } from './remembered.ts';
import { openSource, type Source } from './source.ts';
import { OF_THE_UPSTREAM, takeDocuments } from './take.ts';
import type { FetchedUpstream } from './types.ts';

const MAX_REPOMD_BYTES = 16 << 20;
const MAX_SIGNATURE_BYTES = 1 << 20;

export interface MetadataOptions {
  readonly catalog: Catalog;
  readonly mirrorRoot: string;
  /** What live's manifest says was accepted last. */
  readonly accepted?: AcceptedState | undefined;
  /** `accept --older`. */
  readonly allowOlder?: boolean | undefined;
  /** Absent: the policy asks for no signature of repomd.xml. */
  readonly trust?: Trust | undefined;
  /** Where it is read instead of where its policy says: what an `add` would make. */
  readonly home?: URL | undefined;
  readonly progress: Progress;
  readonly now: Date;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

/** What was accepted before is what the upstream still says. */
export interface Unchanged {
  readonly kind: 'unchanged';
  readonly mirrors: readonly URL[];
}

/** When every base URL fails, people are told of the one that says most. */
const GRAVEST: readonly FaultCode[] = [
  'UPSTREAM_ROLLBACK',
  'UPSTREAM_FROZEN',
  'SIGNATURE_INVALID',
  'UPSTREAM_INCONSISTENT',
  'METADATA_INVALID',
];

/**
 * Brings the upstream's documents into the catalog, each verified, and says what its state is. `unchanged` is what was
 * accepted before, still whole in the catalog: one conditional request. Base URLs are tried in turn; one that is
 * behind what was accepted is passed over, and when all are, that is UPSTREAM_ROLLBACK. After a Fault the catalog
 * may hold more documents, and nothing names them.
 */
export async function fetchMetadata(
  policy: UpstreamPolicy,
  o: MetadataOptions,
): Promise<Unchanged | FetchedUpstream> {
  if (policy.metadata.signatures === 'required' && !o.trust?.required) {
    throw new Error(`${policy.id} requires a signed repomd.xml, and no keys were handed down`);
  }
  const { mirrorRoot, now, env, timing, home } = o;
  const { client, auth } = policy;
  const named = namedUrls(policy, mirrorRoot);
  await using source = await openSource({ bases: named, client, auth, env, mirrorRoot, timing });
  const { bases, metalink } = await findMirrors(policy, source, { mirrorRoot, now, home });
  const faults: Fault[] = [];
  const failed: URL[] = [];
  let good: URL | undefined;
  try {
    for (const base of bases) {
      try {
        const fetched = await new Fetch(policy, base, bases, source, { ...o, metalink }).run();
        good = base;
        return fetched;
      } catch (error) {
        if (!(error instanceof Fault) || !OF_THE_UPSTREAM.has(error.code)) throw error;
        if (bases.length > 1) o.progress.say(`${policy.id}: ${base.href} is passed over: ${error.message}`);
        faults.push(error);
        failed.push(base);
      }
    }
  } finally {
    await rememberMirrors(policy, { mirrorRoot, now, failed, good });
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

interface FetchOptions extends MetadataOptions {
  readonly metalink?: Metalink | undefined;
}

/** One run against one base URL. */
class Fetch {
  readonly #policy: UpstreamPolicy;
  readonly #base: URL;
  readonly #bases: readonly URL[];
  readonly #source: Source;
  readonly #o: FetchOptions;
  readonly #repomdUrl: URL;
  #lastRound = false;

  constructor(policy: UpstreamPolicy, base: URL, bases: readonly URL[], source: Source, o: FetchOptions) {
    this.#policy = policy;
    this.#base = base;
    this.#bases = [base, ...bases.filter((other) => other !== base)];
    this.#source = source;
    this.#o = o;
    this.#repomdUrl = new URL('repodata/repomd.xml', base);
  }

  async run(): Promise<Unchanged | FetchedUpstream> {
    for (let round = 0; round < 2; round += 1) {
      this.#lastRound = round === 1;
      try {
        return await this.#round();
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
        this.#o.progress.say(`${this.#policy.id}: repomd.xml changed while it was read, starting over`);
      }
    }
    throw this.#inconsistent('repomd.xml changed twice while it was read', 'Try again in some minutes.');
  }

  async #round(): Promise<Unchanged | FetchedUpstream> {
    const { sum, bytes } = await this.#readRepomd();
    const at = this.#repomdUrl.href;
    this.#refuseUnknown(bytes);
    const repomd = readRepomd(bytes, at);
    const timestamp = newestTimestamp(repomd);
    this.#refuseOlder(timestamp);
    this.#refuseFrozen(timestamp);
    const choice = chooseDocuments(repomd, this.#policy, at);
    if (await this.#isAccepted(sum, choice)) return { kind: 'unchanged', mirrors: this.#bases };
    const taken = await takeDocuments(choice, {
      policy: this.#policy,
      bases: this.#bases,
      source: this.#source,
      catalog: this.#o.catalog,
      progress: this.#o.progress,
      at,
    });
    if (taken.downloaded || taken.failed.size > 0) await this.#refuseChanged(sum);
    const absent = [...taken.failed].map(([type, fault]) => ({
      type,
      reason: this.#mayBeAbsent(type, fault),
    }));
    return {
      kind: 'fetched',
      base: this.#base.href,
      mirrors: this.#bases,
      repomd,
      state: { timestamp, repomd: sum, documents: taken.documents },
      skipped: [...choice.skipped, ...taken.skipped, ...absent].sort((a, b) => byCodeUnit(a.type, b.type)),
    };
  }

  /** From the catalog when the server says that it is the same. */
  async #readRepomd(): Promise<ReadRepomd> {
    const { catalog, mirrorRoot } = this.#o;
    const signed = this.#o.trust?.required ? this.#o.trust.digest : undefined;
    const known = (await recall(mirrorRoot, this.#policy.id)).get(this.#base.href);
    const isUsable = known && known.signed === signed && (await catalog.hasDocument(known.repomd));
    const usable = isUsable ? known : undefined; // what counted by other rules is read and judged anew
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
    if (signed !== undefined) await this.#judgeSignature(read.bytes);
    readRepomd(read.bytes, this.#repomdUrl.href); // what cannot be read is not remembered
    const sum = sha256(read.bytes);
    await catalog.putDocument(once(read.bytes), { checksum: sum, size: read.bytes.length });
    if (this.#base.protocol === 'file:') return { sum, bytes: read.bytes }; // is never asked whether it is the same
    await remember(mirrorRoot, this.#policy.id, this.#base.href, {
      repomd: sum,
      validators: read.validators,
      signed,
    });
    return { sum, bytes: read.bytes };
  }

  /** `repomd.xml.asc` beside it. A vendor that is publishing has the one of before for a moment: that is worth another look. */
  async #judgeSignature(repomd: Buffer): Promise<void> {
    const { trust, accepted } = this.#o;
    if (!trust) return;
    const url = new URL('repodata/repomd.xml.asc', this.#base);
    let signature: Buffer;
    try {
      const read = await this.#source.read(url, { maxBytes: MAX_SIGNATURE_BYTES });
      if (read.kind === 'unchanged')
        throw this.#inconsistent('the server answers 304 to a plain request', 'Name another mirror.');
      signature = read.bytes;
    } catch (error) {
      const isAway = error instanceof Fault && (error.code === 'NOT_FOUND' || error.code === 'HTTP_STATUS');
      if (!isAway) throw error;
      const before = accepted ? '; what was accepted before had one, so this may be a downgrade' : '';
      throw this.#unsigned(
        `repomd.xml is not signed: no repomd.xml.asc can be had (${error.message})${before}`,
        url,
        error,
      );
    }
    const verdict = await judgeDetached(repomd, signature, trust.keys, trust.rules, url.href);
    if (verdict.kind === 'signed') return;
    if (verdict.holds === false && !this.#lastRound) throw new Changed();
    throw this.#unsigned(`the signature of repomd.xml does not count: ${verdict.why}`, url);
  }

  #unsigned(message: string, url: URL, cause?: Fault): Fault {
    const hint = `Try again later; if the vendor has a new key, review it and add it to keys in ${this.#policy.path}.`;
    return new Fault('SIGNATURE_INVALID', message, { hint, at: url.href, cause });
  }

  #refuseHtml(bytes: Buffer): void {
    if (bytes.subarray(0, 1024).includes('<repomd')) return; // a server that calls everything a page
    throw new Fault('METADATA_INVALID', 'a web page answers instead of repomd.xml', {
      hint: 'Check the base URL: a login or an error page answers.',
      at: this.#repomdUrl.href,
    });
  }

  /** By the metalink, which comes from the vendor's own host: a mirror cannot choose which repomd.xml we see. */
  #refuseUnknown(bytes: Buffer): void {
    const { metalink } = this.#o;
    if (!metalink) return;
    const why = metalinkRefuses(metalink, (type) => ({
      type,
      hex: createHash(type).update(bytes).digest('hex'),
    }));
    if (why === undefined) return;
    const hint = 'Try again later: mirrors need some hours after a publication.';
    throw new Fault('UPSTREAM_INCONSISTENT', why, { hint, at: this.#repomdUrl.href });
  }

  /** TUF's indefinite freeze: a mirror that always gives the same, validly signed repomd.xml. */
  #refuseFrozen(timestamp: number): void {
    const { maxAge } = this.#policy;
    if (maxAge === undefined || this.#o.now.getTime() - timestamp * 1000 <= maxAge) return;
    throw new Fault(
      'UPSTREAM_FROZEN',
      `${this.#policy.id} is from ${timeText(timestamp)}, longer ago than its policy's maxAge`,
      {
        hint: `Ask another mirror; if the vendor really rests, raise maxAge in ${this.#policy.path}.`,
        at: this.#repomdUrl.href,
      },
    );
  }

  #refuseOlder(timestamp: number): void {
    const { accepted, allowOlder } = this.#o;
    if (!accepted || allowOlder || timestamp >= accepted.timestamp) return;
    throw new Fault(
      'UPSTREAM_ROLLBACK',
      `${this.#policy.id} is from ${timeText(timestamp)}, older than what was accepted (${timeText(accepted.timestamp)})`,
      {
        hint: `Wait for the mirror; if the vendor really went back: sluice accept ${this.#policy.id} --older --reason "…".`,
        at: this.#repomdUrl.href,
      },
    );
  }

  /** The accepted repomd.xml, and all that is wanted of it now was wanted then and is still in the catalog. */
  async #isAccepted(sum: Checksum, { wanted, comps }: Choice): Promise<boolean> {
    const { accepted, catalog } = this.#o;
    if (!accepted || !sameChecksum(accepted.repomd, sum)) return false;
    const listed = (type: string) =>
      type === GROUP ? comps : wanted.filter((record) => record.type === type);
    for (const [type, document] of accepted.documents) {
      if (!listed(type).some((record) => sameChecksum(record.checksum, document))) return false;
      if (!(await catalog.hasDocument(document))) return false;
    }
    const types = [...wanted.map((record) => record.type), ...(comps.length > 0 ? [GROUP] : [])];
    const mayLack = (type: string) => this.#policy.absent.has(type) || !isKnown(type);
    return types.every((type) => accepted.documents.has(type) || mayLack(type));
  }

  async #refuseChanged(repomd: Checksum): Promise<void> {
    const again = await this.#readRepomd();
    if (!sameChecksum(again.sum, repomd)) throw new Changed();
  }

  /** The reason for the report; a Fault where the policy does not name the type. primary is never dispensable. */
  #mayBeAbsent(type: string, fault: Fault): string {
    // Neither a trap nor a bad line is what the policy means by absent.
    if (fault.code === 'UNSAFE_URL' || fault.code === 'UNSAFE_PATH' || fault.code === 'NETWORK') throw fault;
    const reason = this.#policy.absent.get(type);
    if (reason !== undefined && type !== 'primary') return `${reason} (${fault.message})`;
    const hint = `Try again later; if it stays so, write "absent: { ${type}: "why" }" into ${this.#policy.path}.`;
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

/** Seconds as a date; upstreams have written numbers that no date has. */
function timeText(seconds: number): string {
  const date = new Date(seconds * 1_000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString().replace('.000Z', 'Z');
}

async function* once(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes;
}

function sha256(bytes: Buffer): Checksum {
  return { type: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') };
}
