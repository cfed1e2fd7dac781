import type { Checksum } from '../base/checksum.ts';
export interface RepomdRecord {
  readonly type: string;
  /** As written, already checked by safeHref. */
  readonly href: string;
  readonly base?: string;
  readonly checksum: Checksum;
  readonly size?: number;
  readonly openChecksum?: Checksum;
  readonly openSize?: number;
  /** Seconds. */
  readonly timestamp?: number;
  readonly databaseVersion?: number;
}
export interface RepomdTags {
  readonly content: readonly string[];
  readonly repo: readonly string[];
  readonly distro: readonly { readonly cpeid?: string; readonly name: string }[];
}
export interface Repomd {
  /** Text, never compared. */
  readonly revision?: string;
  readonly tags: RepomdTags;
  readonly records: readonly RepomdRecord[];
}
export declare function readRepomd(bytes: Buffer, at: string): Repomd;
export declare function writeRepomd(r: Repomd): Buffer;
export declare function newestTimestamp(repomd: Repomd): number;
