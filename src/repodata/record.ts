import { createHash } from 'node:crypto';

/** What the catalog keeps of one build: the canonical bytes of its element in each of the three documents. */
export interface PackageRecord {
  readonly primary: Buffer;
  /** Absent where the upstream has no (consistent) filelists. */
  readonly filelists?: Buffer;
  readonly other?: Buffer;
}

/** sha256 in hex over `sluice-record-v1\n`, then for each element its length in bytes and its bytes, or `-`. */
export function recordDigest(record: PackageRecord): string {
  const hash = createHash('sha256').update('sluice-record-v1\n');
  for (const element of [record.primary, record.filelists, record.other]) {
    if (element === undefined) hash.update('-\n');
    else hash.update(`${element.length}\n`).update(element);
  }
  return hash.digest('hex');
}

/** The first 12 digits of the digest: how a lock names the record. */
export function recordId(record: PackageRecord): string {
  return recordDigest(record).slice(0, 12);
}
