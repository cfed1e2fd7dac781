import { createReadStream } from 'node:fs';
import { formatChecksum } from '../base/checksum.ts';
import { Fault, type FaultCode } from '../base/fault.ts';
import type { Progress } from '../base/progress.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { openIncoming } from '../pool/incoming.ts';
import { inParallel } from '../pool/parallel.ts';
import type { Pool } from '../pool/pool.ts';
import { readRpm } from '../rpm/header.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Timing } from './attempt.ts';
import { basesOf } from './metadata.ts';
import { openSource, REQUESTS_AT_ONCE, type Source } from './source.ts';
import { baseUrl, locate } from './url.ts';

export interface WantedPackage {
  readonly pin: Pin;
  readonly href: string;
  readonly base?: string | undefined;
}

export interface PackagesOptions {
  readonly pool: Pool;
  readonly progress: Progress;
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

/**
 * Brings builds into the pool: from `base` first, then from the policy's other URLs; each verified for size, checksum
 * and for being the build that it is called. What is there already is not asked for. One that fails does not stop the
 * others; the Fault at the end names how many failed. What was cut is taken up by the next run.
 */
export async function fetchPackages(
  policy: UpstreamPolicy,
  base: string,
  wanted: readonly WantedPackage[],
  o: PackagesOptions,
): Promise<{ fetched: number; bytes: number }> {
  const first = baseUrl(base, policy.path);
  const bases = [first, ...basesOf(policy).filter((other) => other.href !== first.href)];
  const missing = await lacking(wanted, o.pool);
  if (missing.length === 0) return { fetched: 0, bytes: 0 };
  const total = missing.reduce((sum, { pin }) => sum + pin.size, 0);
  await using source = await openSource({ bases, client: policy.client, env: o.env, timing: o.timing });
  const faults: Fault[] = [];
  let fetched = 0;
  let bytes = 0;
  o.progress.start(`${policy.id}: packages`, total, 'bytes');
  try {
    await inParallel(missing, REQUESTS_AT_ONCE, async (item) => {
      const fault = await fetchOne(policy, bases, source, item, o);
      if (fault) faults.push(fault);
      else {
        fetched += 1;
        bytes += item.pin.size;
      }
    });
  } finally {
    o.progress.done();
  }
  if (faults[0]) throw summary(faults[0], faults.length, missing.length);
  return { fetched, bytes };
}

async function lacking(wanted: readonly WantedPackage[], pool: Pool): Promise<WantedPackage[]> {
  const bySum = new Map(wanted.map((item) => [formatChecksum(item.pin.checksum), item]));
  const missing: WantedPackage[] = [];
  for (const item of bySum.values()) if (!(await pool.has(item.pin.checksum))) missing.push(item);
  return missing;
}

/** The Fault of the last base URL, when none had it. */
async function fetchOne(
  policy: UpstreamPolicy,
  bases: readonly URL[],
  source: Source,
  { pin, href, base }: WantedPackage,
  o: PackagesOptions,
): Promise<Fault | undefined> {
  const name = formatNevra(pin.nevra);
  let fault: Fault | undefined;
  const expect = { checksum: pin.checksum, size: pin.size };
  await using incoming = await openIncoming(o.pool.mirrorRoot, expect, {
    at: `${policy.id}: ${name}`,
    resumable: true,
  });
  o.progress.advance(incoming.received);
  for (const home of bases) {
    const others = [home, ...bases.filter((other) => other !== home)];
    try {
      const url = locate(
        others,
        { href, base },
        { at: `${policy.id}: ${name}`, parentHref: policy.parentHref },
      );
      await source.download(url, incoming, {
        size: pin.size,
        maxBytes: pin.size,
        advance: (bytes) => o.progress.advance(bytes),
      });
      await checkIdentity(incoming.path, pin, url);
      await incoming.commit(o.pool.path(pin.checksum));
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

/** A right file under a wrong name (TUF's wrong software): the header decides, not the metadata. */
async function checkIdentity(path: string, pin: Pin, url: URL): Promise<void> {
  const { nevra } = await readRpm(createReadStream(path), url.href);
  const [claimed, found] = [formatNevra(pin.nevra), formatNevra(nevra)];
  if (claimed === found) return;
  throw new Fault('RPM_INVALID', `the metadata calls it ${claimed}, the package itself ${found}`, {
    hint: 'Keep it out with a deny filter, and ask whoever runs this upstream.',
    at: url.href,
  });
}

function summary(first: Fault, failed: number, of: number): Fault {
  if (failed === 1) return first;
  return new Fault(first.code, `${failed} of ${of} packages could not be fetched, first: ${first.message}`, {
    hint: first.hint,
    at: first.at,
    cause: first,
  });
}
