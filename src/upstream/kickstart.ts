import { createHash } from 'node:crypto';
import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { Progress } from '../base/progress.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Catalog } from '../pool/catalog.ts';
import { openIncoming } from '../pool/incoming.ts';
import { inParallel } from '../pool/parallel.ts';
import type { Pool } from '../pool/pool.ts';
import { once } from '../repodata/compression.ts';
import { MAX_TREEINFO_BYTES, readTreeinfo, type TreeFile, type Treeinfo } from '../repodata/treeinfo.ts';
import type { Timing } from './attempt.ts';
import { checkStrength } from './documents.ts';
import { namedUrls, ownBases } from './mirrors.ts';
import { openSource, type Source } from './source.ts';
import { OF_THE_UPSTREAM } from './take.ts';
import { locate } from './url.ts';

/** As installers look for it, in this order. */
const NAMES = ['.treeinfo', 'treeinfo'];
/** Of one image: no treeinfo says how large it is. A whole DVD has some 12 GB. */
export const MAX_IMAGE_BYTES = 16 * 2 ** 30;
const IMAGES_AT_ONCE = 2;

export interface TreeOptions {
  readonly mirrorRoot: string;
  readonly catalog: Pick<Catalog, 'putDocument'>;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

export interface FetchedTree {
  readonly treeinfo: Checksum;
  readonly says: Treeinfo;
}

/**
 * Brings the upstream's `.treeinfo` into the catalog. Nobody signs it: it comes from the base URLs that the policy names, and from no
 * mirror of a list. The images are another step (`fetchTreeFiles`).
 */
export async function fetchTreeinfo(policy: UpstreamPolicy, o: TreeOptions): Promise<FetchedTree> {
  await using source = await sourceOf(policy, o.mirrorRoot, o);
  const faults: Fault[] = [];
  for (const base of ownBases(policy, o.mirrorRoot)) {
    for (const name of NAMES) {
      try {
        const url = new URL(name, base);
        const read = await source.read(url, { maxBytes: MAX_TREEINFO_BYTES });
        if (read.kind === 'unchanged') continue; // to a plain request: no answer
        const says = readTreeinfo(read.bytes, url.href);
        for (const { path, checksum } of says.files) checkStrength(checksum, policy, path, url.href);
        const hex = createHash('sha256').update(read.bytes).digest('hex');
        const treeinfo: Checksum = { type: 'sha256', hex };
        await o.catalog.putDocument(once(read.bytes), { checksum: treeinfo, size: read.bytes.length });
        return { treeinfo, says };
      } catch (error) {
        if (!(error instanceof Fault) || !OF_THE_UPSTREAM.has(error.code)) throw error;
        faults.push(error);
      }
    }
  }
  const first = faults.find(({ code }) => code !== 'HTTP_STATUS' && code !== 'NOT_FOUND') ?? faults[0];
  if (!first) throw new Error('an upstream without a base URL');
  throw new Fault(first.code, `${policy.id} has no installation tree that can be used: ${first.message}`, {
    hint: `Try again later; if the vendor has none at this URL, take kickstart out of ${policy.path}.`,
    at: first.at,
    cause: first,
  });
}

/** Every file of a tree that the pool lacks, each verified. The first Fault stops: a tree is whole, or it is not taken. */
export async function fetchTreeFiles(
  policy: UpstreamPolicy,
  files: readonly TreeFile[],
  o: TreeFilesOptions,
): Promise<void> {
  const absent = await o.pool.missing(files.map(({ checksum }) => checksum));
  // One file under two names is fetched once.
  const missing = new Map(files.map((file) => [formatChecksum(file.checksum), file]));
  for (const sum of missing.keys()) if (!absent.has(sum)) missing.delete(sum);
  if (missing.size === 0) return;
  const { mirrorRoot } = o.pool;
  await using source = await sourceOf(policy, mirrorRoot, o);
  o.progress.start(`${policy.id}: installation tree`, 0, 'bytes');
  try {
    await inParallel([...missing.values()], IMAGES_AT_ONCE, (file) => fetchFile(policy, file, source, o));
  } finally {
    o.progress.done();
  }
}

export interface TreeFilesOptions {
  readonly pool: Pool;
  readonly progress: Progress;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

async function fetchFile(
  policy: UpstreamPolicy,
  { path, checksum }: TreeFile,
  source: Source,
  { pool, progress }: TreeFilesOptions,
): Promise<void> {
  const at = `${policy.id}: ${path}`;
  const expect = { checksum, size: undefined };
  await using incoming = await openIncoming(pool.mirrorRoot, expect, { at, resumable: true });
  let fault: Fault | undefined;
  for (const base of ownBases(policy, pool.mirrorRoot)) {
    try {
      await source.download(locate([base], { href: path }, { at, parentHref: false }), incoming, {
        size: undefined,
        maxBytes: MAX_IMAGE_BYTES,
        advance: (bytes) => progress.advance(bytes),
      });
      return await incoming.commit(pool.path(checksum));
    } catch (error) {
      if (!(error instanceof Fault) || !OF_THE_UPSTREAM.has(error.code)) throw error;
      fault = error;
    }
  }
  throw new Fault(
    fault?.code ?? 'NOT_FOUND',
    `${path} of the installation tree cannot be had: ${fault?.message}`,
    {
      hint: 'Try again later: vendors exchange images and .treeinfo one after the other; then ask the vendor.',
      at: fault?.at ?? at,
      cause: fault,
    },
  );
}

function sourceOf(
  policy: UpstreamPolicy,
  mirrorRoot: string,
  { env, timing }: Pick<TreeOptions, 'env' | 'timing'>,
): Promise<Source> {
  const { client, auth } = policy;
  return openSource({ bases: namedUrls(policy, mirrorRoot), client, auth, env, mirrorRoot, timing });
}
