import { formatChecksum } from '../base/checksum.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import type { Trust } from '../openpgp/trust.ts';
import { findMirrors, namedUrls } from '../upstream/mirrors.ts';
import { fetchPackages } from '../upstream/packages.ts';
import { readUpstream } from '../upstream/read.ts';
import { openSource } from '../upstream/source.ts';
import type { Mirror, World } from './context.ts';

/** By checksum, of what an accepted state of the upstream lists; the sums of what it does not list come back. */
export async function fetchLost(
  world: World,
  { catalog, pool }: Mirror,
  upstream: UpstreamPolicy,
  o: {
    readonly accepted: AcceptedState;
    readonly missing: ReadonlySet<string>;
    readonly trust: Trust;
    readonly mirrors: readonly URL[];
  },
): Promise<ReadonlySet<string>> {
  const { builds } = await readUpstream(catalog, upstream, o.accepted);
  const wanted = builds.filter(({ pin }) => o.missing.has(formatChecksum(pin.checksum)));
  const { mirrors, trust } = o;
  const { progress, env } = world;
  const base = mirrors[0]?.href ?? '';
  if (wanted.length > 0) await fetchPackages(upstream, base, wanted, { pool, progress, trust, mirrors, env });
  const listed = new Set(wanted.map(({ pin }) => formatChecksum(pin.checksum)));
  return new Set([...o.missing].filter((sum) => !listed.has(sum)));
}

/** Where the upstream can be had now, without asking what it says. */
export async function mirrorsNow(
  { env, now }: World,
  mirrorRoot: string,
  upstream: UpstreamPolicy,
): Promise<readonly URL[]> {
  const { client, auth } = upstream;
  const bases = namedUrls(upstream, mirrorRoot);
  await using source = await openSource({ bases, client, auth, env, mirrorRoot });
  return (await findMirrors(upstream, source, { mirrorRoot, now })).bases;
}
