export interface ChainCommit {
  readonly id: string;
  /** The latest committer date on the first-parent chain up to it. */
  readonly time: Date;
}

export interface Stay {
  readonly began: Date;
  /** False: it stood there at the start of the window already, so it began then or earlier. */
  readonly exact: boolean;
}

export interface Period {
  readonly nevra: string;
  readonly from: ChainCommit;
  /** The commit that took it out or marked it; absent while it stands there. */
  readonly until?: ChainCommit;
}

export interface PathChange extends ChainCommit {
  /** Blob ids of the paths that this commit changed; `undefined`: there was, or is, no such file. */
  readonly changed: readonly { path: string; before: string | undefined; after: string | undefined }[];
}

export interface TreeEntry {
  readonly mode: string;
  readonly id: string;
}

/** The history of main up to one commit: what each file said, and since when. */
export interface History {
  readonly dir: string;
  readonly commit: string;
  /** The first-parent chain, the newest first. */
  readonly chain: readonly ChainCommit[];
  /** The time of a commit of the chain; NOT_FOUND for any other. */
  timeOf(id: string): Date;
  /** The newest commit of the chain that is not later than `time`. */
  commitAt(time: Date): ChainCommit | undefined;
  /** HISTORY_REFUSED unless `previousTip` is on the chain. */
  acceptTip(previousTip: string): void;
  /** Text of a regular file; at another commit or tree, where one is named. */
  read(path: string, commit?: string): Promise<string | undefined>;
  readMany(paths: readonly string[], commit?: string): Promise<Map<string, string>>;
  /** Paths of all files below a folder (or the file itself); '' is the root. */
  list(prefix: string, commit?: string): Promise<string[]>;
  /** The same with modes and blob ids. */
  entries(prefix: string, commit?: string): Promise<Map<string, TreeEntry>>;
  /** By checksum (`sha256:hex`): since when each build of the lock stands there unbroken and not withdrawn. */
  stays(lockPath: string, since: Date | undefined, o?: { at?: string }): Promise<ReadonlyMap<string, Stay>>;
  /** By checksum: since when each build that is marked withdrawn is. */
  withdrawals(
    lockPath: string,
    since: Date | undefined,
    o?: { at?: string },
  ): Promise<ReadonlyMap<string, Stay>>;
  /** By checksum: every stay that a build ever had, the oldest first. Reads the whole history. */
  seenAt(lockPath: string): Promise<ReadonlyMap<string, readonly Period[]>>;
  /** First-parent commits that touched any of the paths (files or folders), the newest first. */
  pathChanges(
    paths: readonly string[],
    o?: { at?: string; since?: Date; limit?: number },
  ): Promise<PathChange[]>;
}

export async function openHistory(dir: string, rev: string): Promise<History> {
  throw new Error(`not yet: ${dir} ${rev}`);
}
