import { type Progress, SILENT } from '../../src/base/progress.ts';
import type { UpstreamPolicy } from '../../src/manifest/policy.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { fetchMetadata, type MetadataOptions } from '../../src/upstream/metadata.ts';
import { tempDir } from '../fixtures/tempDir.ts';

/** Servers of tests are near: what takes seconds is broken. */
export const QUICK = { attempts: 3, backoff: 5, longestWait: 50, connect: 1_000, idle: 2_000, slow: 1_000 };

/** An empty mirror, and what it was told. */
export async function emptyMirror() {
  const mirrorRoot = await tempDir();
  const said: string[] = [];
  const progress: Progress = { ...SILENT, say: (line) => void said.push(line) };
  const catalog = openCatalog(mirrorRoot);
  const fetch = (policy: UpstreamPolicy, o: Partial<MetadataOptions> = {}) => {
    const now = new Date('2026-01-01T00:00:00Z');
    return fetchMetadata(policy, { catalog, mirrorRoot, progress, now, timing: QUICK, ...o });
  };
  const fetched = async (policy: UpstreamPolicy, o: Partial<MetadataOptions> = {}) => {
    const result = await fetch(policy, o);
    if (result.kind !== 'fetched') throw new Error('unchanged, where news was expected');
    return result;
  };
  return { mirrorRoot, catalog, progress, said, fetch, fetched };
}
