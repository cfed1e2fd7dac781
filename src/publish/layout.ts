import { join } from 'node:path';
import { malformed } from '../base/fault.ts';

/** Where everything of a mirror lies (design, 6). Ids and commits are checked before they become paths. */
export interface Layout {
  readonly root: string;
  readonly public: string;
  /** `public/tree/<id>`: one folder a revision, none of which ever changes. */
  trees(id: string): string;
  tree(id: string, revision: string): string;
  /** `public/packages/<id>`: the links of all its trees. */
  packages(id: string): string;
  /** `public/<id>`: a symlink to the current tree. */
  pointer(id: string): string;
  /** `public/at/<commit>` or `public/pr/<number>`: symlinks to trees by id. */
  view(view: View): string;
  /** Compressed parts of documents by key: derived, may go at any time. */
  readonly frames: string;
  readonly stateFolder: string;
  state(id: string): string;
  /** The last commit that was published. */
  readonly tip: string;
}

/** A fixed look at the mirror beside the current one: what a commit says, or what a pull request would do. */
export type View =
  | { readonly kind: 'at'; readonly commit: string }
  | { readonly kind: 'pr'; readonly number: number };

export function layoutOf(root: string): Layout {
  const open = join(root, 'public');
  return {
    root,
    public: open,
    trees: (id) => join(open, 'tree', safe(id)),
    tree: (id, revision) => join(open, 'tree', safe(id), commitId(revision)),
    packages: (id) => join(open, 'packages', safe(id)),
    pointer: (id) => join(open, safe(id)),
    view: (v) =>
      v.kind === 'at' ? join(open, 'at', commitId(v.commit)) : join(open, 'pr', String(Math.trunc(v.number))),
    frames: join(root, 'catalog', 'frames'),
    stateFolder: join(root, 'state', 'publish'),
    state: (id) => join(root, 'state', 'publish', `${safe(id)}.json`),
    tip: join(root, 'state', 'published.json'),
  };
}

/** Five hyphens keep an id apart from `tree`, `packages`, `at` and `pr`. */
const ID = /^(?:[a-z0-9][a-z0-9._]*-){5}[a-z0-9][a-z0-9._-]*$/;

export function isRepositoryId(text: string): boolean {
  return ID.test(text);
}

export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

function safe(id: string): string {
  if (!ID.test(id)) throw malformed('repository id', id);
  return id;
}

function commitId(text: string): string {
  if (!isCommitId(text)) throw malformed('commit id', text);
  return text;
}
