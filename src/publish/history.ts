/** One commit of main, and its time: the latest committer date on the first-parent chain up to it. */
export interface Moment {
  readonly id: string;
  readonly time: Date;
}

/** All that a publication needs of git; `forge/history.ts` has it, and a test can say it in ten lines. */
export interface CommitHistory {
  /** The commit to publish, the first of the chain. */
  readonly commit: string;
  /** The first-parent chain, the newest first. */
  readonly chain: readonly Moment[];
  /** Text of a regular file; at `commit`, where none is named. */
  read(path: string, commit?: string): Promise<string | undefined>;
  readMany(paths: readonly string[], commit?: string): Promise<ReadonlyMap<string, string>>;
  /** Files below a folder (all for ''), with their blob ids. */
  entries(prefix: string, commit?: string): Promise<ReadonlyMap<string, { readonly id: string }>>;
  /** First-parent commits that touched any of the paths (files or folders), the newest first; from `at` back. */
  pathChanges(paths: readonly string[], o?: { limit?: number; at?: string }): Promise<readonly Moment[]>;
}
