import { type Checksum, formatChecksum, sameChecksum } from '../base/checksum.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { noTrust, type Trust } from '../openpgp/trust.ts';
import type { Comparison } from '../plan/sync.ts';
import { openPool } from '../pool/pool.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { contentsOf } from '../upstream/contents.ts';
import { fetchPackages, type PackagesOptions } from '../upstream/packages.ts';
import type { UpstreamBuild } from '../upstream/types.ts';
import { liveName, type State } from './state.ts';

/** A build that upstream lists with other bytes than live has. */
export interface Rerolled {
  readonly was: Pin;
  readonly now: UpstreamBuild;
}

export interface Compared {
  /** By NEVRA text. */
  readonly comparisons: ReadonlyMap<string, Comparison>;
  /** By checksum text: new files that must stay out, and why. */
  readonly refused: ReadonlyMap<string, string>;
}

/** Answers for the builds of one upstream that are listed with other bytes than live has. */
export type Compare = (upstream: UpstreamPolicy, rerolled: readonly Rerolled[]) => Promise<Compared>;

/** Fetches and judges the new files, as any others, and holds both without their signatures against each other. */
export async function compareByFetching(
  upstream: UpstreamPolicy,
  rerolled: readonly Rerolled[],
  o: PackagesOptions & { readonly trust: Trust },
): Promise<Compared> {
  const wanted = rerolled.map(({ now: { pin, href, base, primary } }) => {
    return { pin, href, primary, ...(base === undefined ? {} : { base }) };
  });
  const fresh = new Set<Rerolled>();
  for (const one of rerolled) if (!(await o.pool.has(one.now.pin.checksum))) fresh.add(one);
  const { refused } = await fetchPackages(upstream, o.mirrors?.[0]?.href ?? '', wanted, o);
  const { pool, trust } = o;
  const pins = rerolled.flatMap(({ was, now }) => [was, now.pin]);
  const contents = await contentsOf(pins, { pool, trust, upstream: upstream.id });
  const comparisons = new Map<string, Comparison>();
  for (const one of rerolled) {
    const { was, now } = one;
    const [before, after] = [was, now.pin].map((pin) => contents.get(formatChecksum(pin.checksum)));
    if (refused.has(formatChecksum(now.pin.checksum))) continue; // kept out, whatever it is
    const comparison = compared(before, after);
    comparisons.set(formatNevra(was.nevra), comparison);
    // what stops the run leaves nothing: `accept` fetches it again
    if (comparison.kind !== 'same' && fresh.has(one)) await pool.remove(now.pin.checksum);
  }
  return { comparisons, refused };
}

function compared(was: Checksum | undefined, now: Checksum | undefined): Comparison {
  if (!was) return { kind: 'unknown', why: 'the file that live has is not on this mirror' };
  if (!now) return { kind: 'unknown', why: 'the new file is not on this mirror' };
  return sameChecksum(was, now) ? { kind: 'same', content: now } : { kind: 'other', was, now };
}

/**
 * What a head says was signed anew, for the check that recomputes its plan: the files were compared on the mirror, and people
 * review what the manifest says of them. Where both files are at hand they are compared again, and the head is not believed.
 */
export function compareAsClaimed(head: State, mirrorRoot: string): Compare {
  const pool = openPool(mirrorRoot);
  return async (upstream, rerolled) => {
    const claimed = head.snapshot(liveName(upstream))?.resigned ?? [];
    const pins = rerolled.flatMap(({ was, now }) => [was, now.pin]);
    const contents = await contentsOf(pins, { pool, trust: noTrust(new Date(0)), upstream: upstream.id });
    const comparisons = new Map<string, Comparison>();
    for (const { was, now } of rerolled) {
      const nevra = formatNevra(was.nevra);
      const entry = claimed.find(
        (c) =>
          c.nevra === nevra && sameChecksum(c.was, was.checksum) && sameChecksum(c.now, now.pin.checksum),
      );
      const [before, after] = [was, now.pin].map((pin) => contents.get(formatChecksum(pin.checksum)));
      if (before && after) comparisons.set(nevra, compared(before, after));
      else if (entry) comparisons.set(nevra, { kind: 'same', content: entry.content });
    }
    return { comparisons, refused: new Map() };
  };
}
