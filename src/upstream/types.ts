import type { AcceptedState, Pin } from '../manifest/snapshot.ts';
import type { ModuleDocument } from '../repodata/modules.ts';
import type { Repomd } from '../repodata/repomd.ts';
import type { Advisory } from '../repodata/updateinfo.ts';

/** A listed document that was not taken, and why. */
export interface Skipped {
  readonly type: string;
  readonly reason: string;
}

/** What an upstream says now: everything that is wanted of it is verified and in the catalog by checksum. */
export interface FetchedUpstream {
  readonly kind: 'fetched';
  /** The base URL that answered, with a slash at its end. */
  readonly base: string;
  /** Every base URL that may be asked for packages, that one first. */
  readonly mirrors: readonly URL[];
  readonly repomd: Repomd;
  readonly state: AcceptedState;
  readonly skipped: readonly Skipped[];
}

/** One build that an upstream lists. */
export interface UpstreamBuild {
  readonly pin: Pin;
  /** As the upstream writes it, checked. */
  readonly href: string;
  readonly base?: string;
  /** File name of the source package. */
  readonly sourceRpm?: string;
  /** Seconds. */
  readonly fileTime: number;
  /** The canonical `<package>` element of primary. The whole record is in the catalog, under `pin.record`. */
  readonly primary: Buffer;
}

/** All that one state of an upstream says, read from the catalog's documents. */
export interface UpstreamContent {
  /** By name.arch in code units, then by EVR. */
  readonly builds: readonly UpstreamBuild[];
  /** How many builds were left out because the policy does not name their arch. */
  readonly otherArches: number;
  readonly modules: readonly ModuleDocument[];
  readonly advisories: readonly Advisory[];
  /** What is wrong with advisories, as it is said of a sync that takes them in. */
  readonly remarks: readonly string[];
  /** The open bytes of comps. */
  readonly comps?: Buffer;
}
