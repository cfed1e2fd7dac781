import type { Checksum } from '../base/checksum.ts';
import type { Nevra } from '../rpm/nevra.ts';
import type { RepositoryName } from './ids.ts';

/** One build that a snapshot names. */
export interface Pin {
  readonly nevra: Nevra;
  /** Of the RPM file: the package's own id in the upstream's metadata. */
  readonly checksum: Checksum;
  /** Of the RPM file, in bytes. */
  readonly size: number;
  /** The first 12 hex digits of the digest of the metadata record that is published. */
  readonly record: string;
  /** Pulled back by its upstream: kept for rollbacks, no candidate any more. */
  readonly withdrawn: boolean;
}

/** What an upstream said when it was last accepted: in live's manifests only. */
export interface AcceptedState {
  /** The newest timestamp that repomd.xml names, in seconds. */
  readonly timestamp: number;
  readonly repomd: Checksum;
  /** By the type that repomd.xml gives: each document as it was downloaded. */
  readonly documents: ReadonlyMap<string, Checksum>;
}

/** A build that the upstream changed under its old name, and that a person accepted. */
export interface Accepted {
  /** As `formatNevra` writes it. */
  readonly nevra: string;
  readonly was: Checksum;
  readonly now: Checksum;
  readonly reason: string;
}

/** The manifest of one repository of one team at one tier. */
export interface Snapshot {
  readonly repository: RepositoryName;
  /** The parent repository's id; for live, the upstream's id. */
  readonly from: string;
  readonly upstream?: AcceptedState;
  /** An upstream state older than the one before it, which a person accepted. */
  readonly older?: { readonly reason: string; readonly timestamp: number };
  /** By `name:stream:version:context:arch`: the digest of the module document. */
  readonly modules: ReadonlyMap<string, Checksum>;
  /** By name.arch in code units, then by EVR. */
  readonly pins: readonly Pin[];
  readonly accepted: readonly Accepted[];
}
