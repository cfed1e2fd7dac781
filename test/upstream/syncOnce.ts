/** A whole sync of one upstream; as `syncOnce.ts MIRROR BASE` in a process of its own, to be killed. */
import { fileURLToPath } from 'node:url';
import { SILENT } from '../../src/base/progress.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { lockMirror, sweepTemporary } from '../../src/pool/disk.ts';
import { openPool } from '../../src/pool/pool.ts';
import { fetchMetadata } from '../../src/upstream/metadata.ts';
import { fetchPackages } from '../../src/upstream/packages.ts';
import { readUpstream } from '../../src/upstream/read.ts';
import { policyOf } from './policyOf.ts';

export async function syncOnce(mirrorRoot: string, base: string): Promise<void> {
  const policy = policyOf(base);
  const catalog = openCatalog(mirrorRoot);
  await using _lock = await lockMirror(mirrorRoot);
  await sweepTemporary(mirrorRoot, new Date());
  const fetched = await fetchMetadata(policy, { catalog, mirrorRoot, progress: SILENT, now: new Date() });
  if (fetched.kind !== 'fetched') throw new Error('nothing was accepted yet');
  const { builds } = await readUpstream(catalog, policy, fetched.state);
  await fetchPackages(policy, fetched.base, builds, { pool: openPool(mirrorRoot), progress: SILENT });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [mirrorRoot = '', base = ''] = process.argv.slice(2);
  await syncOnce(mirrorRoot, base);
}
