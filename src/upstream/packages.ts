import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { formatChecksum } from '../base/checksum.ts';
import { Fault, type FaultCode } from '../base/fault.ts';
import type { Progress } from '../base/progress.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { noTrust, type Trust } from '../openpgp/trust.ts';
import { readChunks } from '../pool/disk.ts';
import { openIncoming } from '../pool/incoming.ts';
import { inParallel } from '../pool/parallel.ts';
import type { Pool } from '../pool/pool.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Timing } from './attempt.ts';
import { examineBuild } from './examine.ts';
import { namedUrls, ownBases } from './mirrors.ts';
import { openSource, type Source } from './source.ts';
import { baseUrl, locate } from './url.ts';
import { Verdicts } from './verdicts.ts';

export interface WantedPackage {
  readonly pin: Pin;
  readonly href: string;
  readonly base?: string | undefined;
  /** Its `<package>` element, which must not say more than the package does; absent where nobody read it. */
  readonly primary?: Buffer | undefined;
}

export interface PackagesOptions {
  readonly pool: Pool;
  readonly progress: Progress;
  /** Absent: the policy asks for no signature. */
  readonly trust?: Trust | undefined;
  /** Further base URLs, in order, where a list of mirrors named them. */
  readonly mirrors?: readonly URL[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

/** Another base URL may do better. */
const PASSED_OVER: ReadonlySet<FaultCode> = new Set([
  'NETWORK',
  'HTTP_STATUS',
  'NOT_FOUND',
  'UNSAFE_URL',
  'SIZE_MISMATCH',
  'CHECKSUM_MISMATCH',
  'TOO_LARGE',
]);

export interface Fetched {
  readonly fetched: number;
  readonly bytes: number;
  /** By checksum text: builds that are kept out, below quarantine/, and why. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Brings builds into the pool: from `base` first, then from the policy's other URLs; each verified for size, checksum, for being
 * the build that it is called, for its digests and, where the policy asks for them, its signatures. What is there already and was
 * judged by the same rules is not asked for, nor read. What digests or signatures keep out goes into quarantine and is named. One
 * that fails does not stop the others; the Fault at the end names how many failed. What was cut is taken up by the next run.
 */
export async function fetchPackages(
  policy: UpstreamPolicy,
  base: string,
  wanted: readonly WantedPackage[],
  o: PackagesOptions,
): Promise<Fetched> {
  const trust = o.trust ?? noTrust(new Date(0));
  if (policy.packages.signatures === 'required' && !trust.required) {
    throw new Error(`${policy.id} requires signatures, and no keys were handed down`);
  }
  const verdicts = await Verdicts.open(o.pool.mirrorRoot, policy.id, trust.digest);
  const run = new PackageRun(policy, base, o, trust, verdicts);
  try {
    return await run.fetch(wanted);
  } finally {
    await verdicts.save();
  }
}

/** What is kept out of an upstream by the rules of now, as far as its files were judged by them. */
export async function knownRefusals(
  mirrorRoot: string,
  upstream: string,
  trust: Trust,
): Promise<{ refused: ReadonlyMap<string, string>; judged: boolean }> {
  const verdicts = await Verdicts.open(mirrorRoot, upstream, trust.digest);
  return { refused: verdicts.refused(), judged: !verdicts.isEmpty };
}

/** By checksum text: fingerprints of those by whose signatures packages counted, as far as they were judged by these rules. */
export async function knownSigners(
  mirrorRoot: string,
  upstream: string,
  trust: Trust,
): Promise<ReadonlyMap<string, readonly string[]>> {
  return (await Verdicts.open(mirrorRoot, upstream, trust.digest)).signers();
}

/** One run for one upstream. */
class PackageRun {
  readonly #policy: UpstreamPolicy;
  readonly #bases: readonly URL[];
  readonly #o: PackagesOptions;
  readonly #trust: Trust;
  readonly #verdicts: Verdicts;

  constructor(policy: UpstreamPolicy, base: string, o: PackagesOptions, trust: Trust, verdicts: Verdicts) {
    const first = baseUrl(base, policy.path);
    this.#policy = policy;
    const others = [...(o.mirrors ?? []), ...ownBases(policy, o.pool.mirrorRoot)];
    const all = new Map([first, ...others].map((url) => [url.href, url]));
    this.#bases = [...all.values()];
    this.#o = o;
    this.#trust = trust;
    this.#verdicts = verdicts;
  }

  async fetch(wanted: readonly WantedPackage[]): Promise<Fetched> {
    const bySum = new Map(wanted.map((item) => [formatChecksum(item.pin.checksum), item]));
    const missing: WantedPackage[] = [];
    for (const [sum, item] of bySum) if (!(await this.#settled(sum, item))) missing.push(item);
    const { fetched, bytes } = await this.#fetchAll(missing);
    const refused = new Map<string, string>();
    for (const sum of bySum.keys()) {
      const why = this.#verdicts.get(sum)?.refused;
      if (why !== undefined) refused.set(sum, why);
    }
    return { fetched, bytes, refused };
  }

  /** Whether a file is where it belongs by the rules of now; one that is on this disk is judged anew where it was not. */
  async #settled(sum: string, item: WantedPackage): Promise<boolean> {
    const { pin } = item;
    const { pool } = this.#o;
    const quarantine = pool.quarantinePath(pin.checksum);
    const inPool = await pool.has(pin.checksum);
    const verdict = this.#verdicts.get(sum);
    const known = verdict?.record === pin.record ? verdict : undefined; // other metadata of the same file is judged anew
    if (inPool && known) return true;
    if (!inPool && known?.refused !== undefined) return true;
    const path = inPool
      ? pool.path(pin.checksum)
      : (await pool.isQuarantined(pin.checksum))
        ? quarantine
        : undefined;
    if (path === undefined) return false;
    const judged = await examineBuild(path, item, this.#trust, pathToFileURL(path).href);
    this.#verdicts.set(sum, judged);
    if (!inPool && judged.refused === undefined) await this.#release(quarantine, pin);
    return true;
  }

  /** Out of quarantine: the file is hashed on its way, as any other. */
  async #release(quarantine: string, pin: Pin): Promise<void> {
    await this.#o.pool.put(readChunks(quarantine), pin);
    await rm(quarantine, { force: true });
  }

  async #fetchAll(missing: readonly WantedPackage[]): Promise<{ fetched: number; bytes: number }> {
    if (missing.length === 0) return { fetched: 0, bytes: 0 };
    const { pool, progress, env, timing } = this.#o;
    const total = missing.reduce((sum, { pin }) => sum + pin.size, 0);
    const { client, auth, id } = this.#policy;
    const { mirrorRoot } = pool;
    const bases = namedUrls(this.#policy, mirrorRoot);
    await using source = await openSource({ bases, client, auth, env, mirrorRoot, timing });
    const faults: Fault[] = [];
    let fetched = 0;
    let bytes = 0;
    progress.start(`${id}: packages`, total, 'bytes');
    try {
      await inParallel(missing, source.atOnce, async (item) => {
        const fault = await this.#fetchOne(source, item);
        if (fault) faults.push(fault);
        else {
          fetched += 1;
          bytes += item.pin.size;
        }
      });
    } finally {
      progress.done();
    }
    if (faults[0]) throw summary(faults[0], faults.length, missing.length);
    return { fetched, bytes };
  }

  /** The Fault of the last base URL, when none had it. */
  async #fetchOne(source: Source, item: WantedPackage): Promise<Fault | undefined> {
    const { pin, href, base } = item;
    const { pool, progress } = this.#o;
    const at = `${this.#policy.id}: ${formatNevra(pin.nevra)}`;
    let fault: Fault | undefined;
    const expect = { checksum: pin.checksum, size: pin.size };
    await using incoming = await openIncoming(pool.mirrorRoot, expect, { at, resumable: true });
    progress.advance(incoming.received);
    for (const home of this.#bases) {
      const others = [home, ...this.#bases.filter((other) => other !== home)];
      try {
        const url = locate(others, { href, base }, { at, parentHref: this.#policy.parentHref });
        await source.download(url, incoming, {
          size: pin.size,
          maxBytes: pin.size,
          advance: (bytes) => progress.advance(bytes),
        });
        const verdict = await examineBuild(incoming.path, item, this.#trust, url.href);
        const { refused } = verdict;
        await incoming.commit(
          refused === undefined ? pool.path(pin.checksum) : pool.quarantinePath(pin.checksum),
        );
        this.#verdicts.set(formatChecksum(pin.checksum), verdict);
        return undefined;
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.code === 'RPM_INVALID') {
          await incoming.discard(); // the bytes that the metadata promises are the wrong ones: no mirror helps
          return error;
        }
        if (!PASSED_OVER.has(error.code)) throw error;
        fault = error;
      }
      if (base !== undefined) break; // one absolute place
    }
    return fault;
  }
}

function summary(first: Fault, failed: number, of: number): Fault {
  if (failed === 1) return first;
  return new Fault(first.code, `${failed} of ${of} packages could not be fetched, first: ${first.message}`, {
    hint: first.hint,
    at: first.at,
    cause: first,
  });
}
