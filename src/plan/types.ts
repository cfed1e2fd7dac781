import type { Checksum } from '../base/checksum.ts';
import type { RepositoryName } from '../manifest/ids.ts';
import type { Accepted, Pin, Snapshot } from '../manifest/snapshot.ts';
import type { ChangelogNews } from './changelog.ts';
import type { InsidePlan } from './inside.ts';
import type { Trouble } from './upgrades.ts';

/** Since when a build stands in a manifest without a break. Not exact: it began then or earlier. */
export interface Stay {
  readonly began: Date;
  readonly exact: boolean;
}

/** What a plan needs to know of a build beyond its pin; read from the catalog's record of it. */
export interface BuildFacts {
  /** Name of the source package; the package's own name where metadata names none. */
  readonly source: string;
  /** Version and release of the source package, or the build's own. */
  readonly sourceVersion: string;
  /** Names that this build obsoletes (rpm replaces them by it). */
  readonly obsoletes: readonly string[];
  readonly summary: string;
  /** dnf installs its builds beside each other: a kernel that boots, or what else provides `installonlypkg(…)`. */
  readonly installOnly?: 'kernel' | 'other' | undefined;
}

/** An advisory as far as plans and reports speak of it. */
export interface AdvisoryFacts {
  readonly id: string;
  readonly severity: 'critical' | 'important' | 'moderate' | 'low' | 'none';
  readonly type: string;
  readonly title: string;
  readonly cves: readonly string[];
  readonly url: string | undefined;
  /** Builds that it names, as NEVRA texts. */
  readonly builds: readonly string[];
}

/** Looks up what the catalog and live's documents say. Pure: everything was read before. */
export interface Facts {
  build(pin: Pin): BuildFacts;
  /** Advisories of live's newest documents that name the build. */
  advisories(nevra: string): readonly AdvisoryFacts[];
  /** Streams (`nodejs:18`) whose documents list the build, sorted; empty for a non-modular build. */
  streams(nevra: string): readonly string[];
  /** The module documents (by nsvca) that list the build. */
  documents(nevra: string): readonly string[];
  /** Advisories that name any build of a name.arch. */
  advisoriesOn(nameArch: string): readonly AdvisoryFacts[];
  /** The builds (NEVRA texts) that a module document lists: the one of that digest, or any of that name. */
  artifacts(nsvca: string, digest?: Checksum): readonly string[];
}

/** Why a candidate stays where it is. Always a sentence and, where it can be known, a day. */
export type Reason =
  | { readonly kind: 'wait'; readonly until: Date; readonly why: string }
  | { readonly kind: 'window'; readonly until: Date; readonly why: string }
  | {
      readonly kind: 'held';
      readonly rule: string;
      readonly why: string;
      readonly owner: string;
      readonly holdEnds: string | undefined;
      readonly expired: boolean;
    }
  | { readonly kind: 'with'; readonly other: string; readonly why: string; readonly until?: Date }
  /** With it something of the client set would be broken, and nothing that waits or is held would mend that. */
  | { readonly kind: 'broken'; readonly why: string; readonly nobody?: true }
  /** The teams of a group move it at once, by a command of its own. `until`: not before then. */
  | { readonly kind: 'lockstep'; readonly why: string; readonly until?: Date }
  | { readonly kind: 'mode'; readonly why: string }
  | { readonly kind: 'filtered'; readonly rule: string; readonly why: string }
  | { readonly kind: 'withdrawn'; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };

export type Verdict = { readonly kind: 'ready' } | Reason;

/** A wait that an advisory's severity shortened: by which rule, and when the build would have moved without it. */
export interface Early {
  readonly why: string;
  readonly otherwise: Date;
}

/** Why a build came along that nobody asked for: who needs it, and what of it, from the one that was to move. */
export type Along = readonly { readonly build: string; readonly needs: string }[];

/** One thing that the plan changes in one repository. */
export type Change =
  | {
      readonly kind: 'add';
      readonly to: Pin;
      readonly source: string;
      /** By name, past these rules, when a person asked for it by name. */
      readonly past: readonly string[];
      readonly early?: Early;
      readonly along?: Along;
      /** What let it into a frozen tier. */
      readonly exception?: string;
      /** Set where `updates-only` lets a new name in: what it replaces. */
      readonly replaces?: string;
    }
  | {
      readonly kind: 'update';
      readonly from: Pin;
      readonly to: Pin;
      readonly source: string;
      readonly past: readonly string[];
      readonly early?: Early;
      readonly along?: Along;
      /** What let it into a frozen tier. */
      readonly exception?: string;
    }
  | { readonly kind: 'rerolled'; readonly from: Pin; readonly to: Pin; readonly source: string }
  /** The same content under another signature: a change of its own, because every byte that is installed is as it was. */
  | { readonly kind: 'resigned'; readonly from: Pin; readonly to: Pin; readonly source: string }
  | { readonly kind: 'drop'; readonly from: Pin; readonly source: string; readonly why: string }
  | { readonly kind: 'withdrawn'; readonly from: Pin; readonly source: string; readonly why: string }
  | { readonly kind: 'relisted'; readonly to: Pin; readonly source: string }
  | { readonly kind: 'module'; readonly nsvca: string; readonly to: Checksum | undefined }
  | TreeChange;

/** Another installation tree, or none any more. */
export interface TreeChange {
  readonly kind: 'tree';
  readonly was: Checksum | undefined;
  readonly tree: Checksum | undefined;
  /** `Rocky Linux 9.4, 8 files`; empty where nothing is known of it. */
  readonly words: string;
}

/** A candidate that does not move. */
export interface Staying {
  readonly build: Pin;
  readonly source: string;
  /** The newest build of the same name.arch and stream that the target has now. */
  readonly has: Pin | undefined;
  readonly reason: Reason;
}

/** What of one repository changes. `after` is the whole manifest that the plan writes. */
export interface RepositoryPlan {
  readonly repository: RepositoryName;
  readonly before: Snapshot | undefined;
  readonly after: Snapshot;
  readonly changes: readonly Change[];
  readonly staying: readonly Staying[];
  /** Builds that the target has and a person should look at. */
  readonly attention: readonly { readonly build: Pin; readonly why: string }[];
  /** What clients could do before and not after; absent until somebody asked. */
  readonly troubles?: readonly Trouble[];
  /** Why the parent's installation tree does not move; it is among the notes, too. */
  readonly treeStays?: string;
  /** Said in the report: what of the upstream was left out, which documents are new. */
  readonly notes: readonly string[];
}

/** What reports say of a build, so that a plan holds everything that the pull request will say. */
export interface About extends BuildFacts {
  readonly advisories: readonly AdvisoryFacts[];
  readonly seen: Stay | undefined;
  readonly inParent: Stay | undefined;
}

export type Verb =
  | 'sync'
  | 'promote'
  | 'fill'
  | 'init'
  | 'hotfix'
  | 'hold'
  | 'unhold'
  | 'remove'
  | 'rollback'
  | 'good'
  | 'recall'
  | 'import';

/** A line of the tree of what a removal takes along. */
export interface CascadeRow {
  readonly tier: string;
  /** 0: a build that was asked for. */
  readonly depth: number;
  /** As `formatNevra` writes it. */
  readonly build: string;
  /** What it needs that nothing gives any more; absent of what was asked for. */
  readonly needs: string | undefined;
  /** The build that clients have of its name afterwards. */
  readonly fallsBack: string | undefined;
}

/** An advisory that a plan takes back: a client had what it fixes before, and not after. */
export interface LostAdvisory {
  readonly advisory: AdvisoryFacts;
  /** name.arches, in order. */
  readonly packages: readonly string[];
}

/** Something that came to a tier and that a rollback takes back. */
export interface Undone {
  readonly commit: string;
  readonly time: Date;
  /** What its commit says that it is; undefined where a person wrote it. */
  readonly verb: string | undefined;
  readonly reason: string | undefined;
}

/** When a build would have come into a tier without a hotfix; `at` is undefined where it would never have, for the reason given. */
export interface Normally {
  readonly tier: string;
  readonly build: string;
  readonly at: Date | undefined;
  readonly why: string;
}

/** What a hotfix says of itself besides its changes. */
export interface HotfixFacts {
  /** Who asked for it. */
  readonly by: string;
  /** The commit of main that it was planned on. */
  readonly base: string;
  /** As a person named it. */
  readonly named: readonly string[];
  /** What that was, as NEVRA texts; not the siblings, and not what came along. */
  readonly builds: readonly string[];
  readonly overrideHolds?: string;
  /** Tiers that it changes, the one that was asked for first. */
  readonly tiers: readonly string[];
  /** Tiers on the way that have it already. */
  readonly done: readonly string[];
  /** Of each tier that it changes: the last of its builds. */
  readonly normally: readonly Normally[];
}

/** What a promotion in lockstep says of its group. */
export interface LockstepFacts {
  readonly id: string;
  readonly reason: string;
  readonly owner: string;
}

/** What follows from a command beyond what it was asked for: shown before anything is written. */
export interface Effect {
  /** `infra/stable rocky-9-x86_64` */
  readonly where: string;
  /** As NEVRA text. */
  readonly build: string;
  /** What becomes of it, in a few words: `stays`, `falls back to 1:3.0.7-27.el9`. */
  readonly what: string;
  readonly why: string;
}

export interface Consequences {
  /** Said before the effects: what a pattern matches, which value becomes which. */
  readonly notes: readonly string[];
  readonly effects: readonly Effect[];
}

/** What a command would change, and why every other candidate stays. Plain data, computed by a pure function. */
export interface Plan {
  readonly verb: Verb;
  readonly team: string;
  readonly tier: string;
  /** `<os>-<version>-<arch>`: the client set. */
  readonly set: string;
  readonly now: Date;
  /** The parent tier's name, or `upstream`. */
  readonly from: string;
  readonly repositories: readonly RepositoryPlan[];
  /** Of a plan of several teams: all of them, in order; `team` is the first one. */
  readonly teams?: readonly string[];
  /** The lockstep group that it moves. */
  readonly lockstep?: LockstepFacts;
  /** Why a person asked for it. */
  readonly reason?: string;
  /** Of a removal: what goes, and what for. */
  readonly cascade?: readonly CascadeRow[];
  /** Of what goes back: advisories, the most severe first. */
  readonly lost?: readonly LostAdvisory[];
  /** Of a rollback: what came to the tier since, the newest first; absent until somebody looked. */
  readonly undone?: readonly Undone[];
  readonly hotfix?: HotfixFacts;
  /** Its title, where no enumerated words say it: made of checked words. */
  readonly headline?: string;
  /** Files of policies that it writes besides manifests: path to whole text. */
  readonly files?: ReadonlyMap<string, string>;
  /** What follows from it besides. */
  readonly follows?: Consequences;
  /** Every build that a change or a staying candidate names, by NEVRA text. */
  readonly about: ReadonlyMap<string, About>;
  /** What is other inside of the packages; absent until somebody looked. */
  readonly inside?: InsidePlan;
  /** By the build that comes: what its changelog says since the one before; absent until somebody looked. */
  readonly changelogs?: ReadonlyMap<string, ChangelogNews>;
}

export interface AcceptRerolled {
  readonly nevras: ReadonlySet<string>;
  readonly reason: string;
}

export type { Accepted, Pin, Snapshot };
