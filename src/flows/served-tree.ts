import type { RepositoryName } from '../manifest/ids.ts';
import type { Content } from '../publish/content.ts';
import type { Moment } from '../publish/history.ts';
import type { Materialised } from '../publish/materialise.ts';
import { type Repomd, writeRepomd } from '../repodata/repomd.ts';

/** Where a repository is served, and what its repomd.xml says. */
export interface ServedTree {
  /** Below the mirror's URL, with a slash at its end. */
  readonly prefix: string;
  readonly repomd: Repomd;
}

/** A repomd.xml as it was served. */
export interface ServedRepomd {
  readonly repository: RepositoryName;
  /** Of its tree, below the mirror's URL. */
  readonly prefix: string;
  readonly url: string;
  readonly bytes: Buffer;
  readonly repomd: Repomd | undefined;
}

/** What the commit gives. */
export interface Wanted {
  readonly content: Content;
  readonly revision: Moment;
  /** In seconds. */
  readonly timestamp: number;
  readonly made: Materialised;
}

/** Another version of the compressor wrote it: all but the compressed bytes is to the letter what the commit gives. */
export function sameOnceOpened(
  { bytes, repomd }: ServedRepomd,
  { revision, timestamp, made }: Wanted,
): boolean {
  const records = made.records.map((record) => {
    const found = repomd?.records.find(({ type }) => type === record.type);
    if (found?.checksum.type !== 'sha256' || !record.openChecksum) return { ...record, timestamp };
    const { checksum, size } = found;
    const href = record.href.replace(record.checksum.hex, checksum.hex);
    return { ...record, checksum, href, timestamp, ...(size === undefined ? {} : { size }) };
  });
  const tags = { content: [], repo: [], distro: [] };
  return writeRepomd({ revision: revision.id, tags, records }).equals(bytes);
}
