import type { History } from './history.ts';

export interface RepositoryFile {
  readonly text: string;
  /** As git writes it: 100644, 100755 (executable), 120000 (a link; the text is its target), 160000 (a submodule). */
  readonly mode: string;
}

export type Updated =
  | { readonly kind: 'updated'; readonly from: string; readonly to: string }
  | { readonly kind: 'current' | 'no-origin' | 'dirty' | 'diverged' | 'other-branch' };

/** A work clone, or a bare repository (which has no work tree to read or write). */
export interface Repository {
  /** The root of the work tree; of a bare one, its folder. */
  readonly root: string;
  readonly gitDir: string;
  readonly bare: boolean;
  /** The id of a commit. */
  resolve(rev: string): Promise<string>;
  history(rev?: string): Promise<History>;
  /** Where `origin` is, as git has it. */
  origin(): Promise<string | undefined>;
  /** All files below snapshots/ and policies/ (or the folders named) at a commit or a tree. */
  readCommitted(rev: string, folders?: readonly string[]): Promise<Map<string, RepositoryFile>>;
  readWorkTree(folders?: readonly string[]): Promise<Map<string, RepositoryFile>>;
  /** Into the work tree; `null` deletes. Never through a link. */
  write(files: ReadonlyMap<string, string | null>): Promise<void>;
  /** Paths below the folders that differ from HEAD or that git does not know yet. */
  uncommitted(folders?: readonly string[]): Promise<string[]>;
  /** Fetches origin's main and moves the clone's main forward to it, when nothing is in the way. */
  update(): Promise<Updated>;
}

export async function openRepository(dir: string): Promise<Repository> {
  throw new Error(`not yet: ${dir}`);
}

/** `git init -b main` and the first commit. */
export async function createRepository(
  dir: string,
  o: {
    files: ReadonlyMap<string, string>;
    title: string;
    trailers?: readonly (readonly [string, string])[];
    by?: string;
    now: Date;
  },
): Promise<Repository> {
  throw new Error(`not yet: ${dir} ${o.title}`);
}
