import type { Fault } from '../base/fault.ts';
import type { ErrataPolicy, KernelChoices } from './errata-policy.ts';
import type { UpstreamName } from './ids.ts';
import { readPolicies } from './load.ts';
import type { Lockstep } from './lockstep.ts';
import type { Exception, Filter, Hold, Pattern } from './pattern.ts';
import type { Recall } from './recall.ts';
import type { Window } from './window.ts';

export { type Exception, type Filter, type Hold, patternMatches } from './pattern.ts';

/** Severities of advisories that a tier may hasten. */
export type Hastened = 'critical' | 'important' | 'moderate' | 'low';

/** A key file beside the policies; the fingerprint decides. */
export interface KeyReference {
  /** Below `policies/`, such as `keys/RPM-GPG-KEY-Rocky-9`. */
  readonly file: string;
  /** Of the primary key: 40 or 64 upper-case hex digits. */
  readonly fingerprint: string;
  /** The only subkeys of it that count; absent: all that it has bound for signing. */
  readonly subkeys?: readonly string[];
}

/** Whether something is signed; `none` always says why. */
export interface SignatureRule {
  readonly signatures: 'none' | 'required';
  readonly reason?: string;
  /** What counts although it is weak or has expired. */
  readonly allow: readonly ('md5' | 'sha1' | 'expired')[];
}

/** A file outside of git: an absolute path, or the environment variable that holds one. */
export type SecretFile =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'env'; readonly variable: string };

/** A client certificate for a vendor's content network. */
export interface ClientCertificate {
  readonly cert: SecretFile;
  readonly key: SecretFile;
  readonly ca?: SecretFile;
}

/** A word that is not in git: the file that holds it, or the environment variable whose value it is. */
export type Secret =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'env'; readonly variable: string };

/** What an upstream wants to be told with every request. */
export type Auth =
  | { readonly kind: 'basic'; readonly user: string | Secret; readonly password: Secret }
  | { readonly kind: 'bearer'; readonly token: Secret }
  /** The query of every URL, without its question mark. */
  | { readonly kind: 'query'; readonly token: Secret };

/** `policies/upstreams/<id>.yaml` */
export interface UpstreamPolicy {
  readonly id: string;
  readonly path: string;
  readonly name: UpstreamName;
  /** Its builds come by `sluice add`, and are read from the mirror's own folder; absent: from the URLs below. */
  readonly source?: 'added';
  readonly baseurl: readonly string[];
  readonly mirrorlist?: string;
  readonly metalink?: string;
  readonly keys: readonly KeyReference[];
  readonly packages: SignatureRule;
  readonly metadata: SignatureRule & { readonly severity?: 'trusted' };
  /** Builds of a name.arch and module stream. */
  readonly keep: number;
  readonly content: 'full' | 'thin';
  /** By document type: why it may be missing or inconsistent. */
  readonly absent: ReadonlyMap<string, string>;
  readonly weakChecksums: readonly ('md5' | 'sha1')[];
  /** How old its newest document may be, in milliseconds: a frozen mirror is noticed. */
  readonly maxAge?: number;
  /** Only builds of these arches are taken in; empty: all. */
  readonly arches: readonly string[];
  /** How long a withdrawn name stays in live, in milliseconds. */
  readonly forget: number;
  /** Source and debuginfo: not part of a client set. */
  readonly alone: boolean;
  /** Whether locations may leave the base by `../`. */
  readonly parentHref: boolean;
  /** Whether the installation tree (`.treeinfo` and what it names) is carried. */
  readonly kickstart: boolean;
  readonly client?: ClientCertificate;
  readonly auth?: Auth;
}

/** What a team promises of where its builds come from; a tier's own rule stands beside the team's, and both count. */
export interface ProvenanceRule {
  /** Over upstream ids; absent: every upstream that the site declares. */
  readonly origins?: readonly (Pattern & { readonly at: string })[];
  /** Whether every build must be shown to be signed by a key of its upstream. */
  readonly signed: boolean;
  /** `policies/teams/infra.yaml:12:5` */
  readonly at: string;
}

/** One tier of a team. */
export interface TierPolicy {
  readonly name: string;
  /** `live`, or another tier of the same team. */
  readonly from: string;
  /** In milliseconds; 0 where the policy names none. */
  readonly wait: { readonly seen: number; readonly inParent: number };
  /** By severity, in milliseconds from *seen*: replaces both waits. */
  readonly security: ReadonlyMap<Hastened, number>;
  /** Builds of a name.arch and module stream. */
  readonly keep: number;
  /** The same of what dnf installs beside its other builds (kernels). */
  readonly keepInstallonly: number;
  readonly mode: 'rolling' | 'updates-only' | 'frozen';
  /** What was installed at deployment; absent: what the tier has is all that is known of that. */
  readonly baseline?: readonly TierBaseline[];
  /** Of a frozen tier: what moves all the same. */
  readonly exceptions: readonly Exception[];
  readonly window?: Window;
  /** Whether its pull requests merge themselves once green. */
  readonly auto: boolean;
  /** Absent: foreign builds are named, and nothing is refused. */
  readonly provenance?: readonly ProvenanceRule[];
  /** How long a state has to stand to be known as good, in milliseconds; absent: by a mark alone. */
  readonly soak?: number;
  /** A state that a person marked as good. */
  readonly good?: Good;
}

/** A state of a tier that a person vouches for. */
export interface Good {
  /** Of main. */
  readonly commit: string;
  /** When it was marked: what came to main before then is good by no soak, because somebody chose this one. */
  readonly since: Date;
  readonly reason: string;
  readonly owner: string;
  /** `policies/teams/infra.yaml:12:5` */
  readonly at: string;
}

/** A list below `baselines/`, for one client set or (absent) for all of the tier's. */
export interface TierBaseline {
  readonly set?: string;
  /** `baselines/rocky-9.txt` */
  readonly file: string;
  readonly at: string;
}

/** `policies/teams/<team>.yaml` */
export interface TeamPolicy {
  readonly team: string;
  readonly path: string;
  /** Upstream ids. */
  readonly repositories: readonly string[];
  /** In the policy's order. */
  readonly tiers: readonly TierPolicy[];
  readonly holds: readonly Hold[];
  /** Where it is not empty, only what one of these matches comes in. */
  readonly allow: readonly Filter[];
  /** What any of these matches never comes in; what is there stays. */
  readonly deny: readonly Filter[];
  /** Further repositories that the clients have: seen when dependencies are resolved, never changed. */
  readonly also: readonly Also[];
  /** What hosts have installed: the upgrade of such a host is asked for. */
  readonly profiles: readonly Profile[];
  /** Its client sets have all that clients have; else what nothing in them provides counts as provided by what is not named. */
  readonly complete: boolean;
  /** `loose`: binaries of one source package need not move together (those of a held one stay with it all the same). */
  readonly families: 'lockstep' | 'loose';
  /** Who is asked to review its files, as the code host names them. */
  readonly owners: readonly string[];
}

/** A further repository: an upstream's id (live's manifest of it) or the repository id of another team's tier. */
export interface Also {
  readonly id: string;
  /** Client sets of the team (`rocky-9-x86_64`); absent: as its own name says. */
  readonly for?: readonly string[];
  /** `policies/teams/infra.yaml:12:5` */
  readonly at: string;
}

/** A list of installed packages in the state repository. */
export interface Profile {
  /** `profiles/web.txt` */
  readonly file: string;
  /** Client sets of the team; absent: all of them. */
  readonly for?: readonly string[];
  readonly at: string;
}

/** Where pull requests are: the bare repository that `origin` is, or a repository on GitHub (Enterprise). */
export type ForgePlace = 'local' | GithubPlace;

export interface GithubPlace {
  /** `owner/repo` */
  readonly github: string;
  /** `https://api.github.com`, or an Enterprise server's `https://HOST/api/v3`. */
  readonly api: string;
}

/** `policies/site.yaml`; every key has a default. */
export interface SitePolicy {
  readonly mirrorUrl?: string;
  readonly catalogUrl?: string;
  /** How long earlier trees stay for clients, in milliseconds. */
  readonly grace: number;
  /** How long what no manifest names any more is kept, in milliseconds. */
  readonly retain: number;
  readonly compression: 'zstd' | 'gzip';
  readonly forge: ForgePlace;
  /** Keys that sign every published repomd.xml and statement; empty: nobody does. */
  readonly signing: readonly KeyReference[];
  /** Keys of which one has signed each tip of main that is published; empty: nobody is asked. */
  readonly mainSignedBy: readonly KeyReference[];
  /** Who is asked to review what belongs to no team, as the code host names them; empty: `.github/CODEOWNERS` is not ours. */
  readonly owners: readonly string[];
  /** Of errata sets: before what a set or the operating system says. */
  readonly kernels: KernelChoices;
}

export interface Policies {
  readonly upstreams: ReadonlyMap<string, UpstreamPolicy>;
  readonly teams: ReadonlyMap<string, TeamPolicy>;
  readonly site: SitePolicy;
  /** By id. */
  readonly recalls: ReadonlyMap<string, Recall>;
  /** By id, in order. */
  readonly lockstep: ReadonlyMap<string, Lockstep>;
  /** Absent: no errata set is published. */
  readonly errata?: ErrataPolicy;
}

/** The policies of `files` (path → text; what is not below `policies/` is passed over). Throws the first complaint. */
export function loadPolicies(files: ReadonlyMap<string, string>): Policies {
  const { policies, faults } = readPolicies(files);
  if (faults[0]) throw faults[0];
  return policies;
}

/** Everything that keeps `files` from being policies, by file, line and column. */
export function collectComplaints(files: ReadonlyMap<string, string>): Fault[] {
  return readPolicies(files).faults;
}
