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
  /** `public/at/<commit>`: symlinks to trees by id. */
  view(view: View): string;
  /** Of a preview: nothing in it is anybody's to follow, so it has no mirrorlist, no statement and no keys. */
  readonly isPreview: boolean;
  /** Compressed parts of documents by key: derived, may go at any time. */
  readonly frames: string;
  readonly stateFolder: string;
  state(id: string): string;
  /** The last commit that was published. */
  readonly tip: string;
}

/** A fixed look at the mirror beside the current one: what a commit says. */
export interface View {
  readonly kind: 'at';
  readonly commit: string;
}

export function layoutOf(root: string): Layout {
  return layout(root, join(root, 'public'), join(root, 'state'), false);
}

/**
 * What a pull request would make of the mirror, `public/pr/<number>/`: laid out like the mirror itself, with trees and package links of its
 * own, so that nothing that nobody has merged ever gets a name among what is served.
 */
export function previewLayout(root: string, number: number): Layout {
  const name = pullName(number);
  return layout(root, join(root, 'public', 'pr', name), join(root, 'state', 'pr', name), true);
}

/** Where previews are, and what is remembered of each, by the pull requests' numbers. */
export function previewFolders(root: string): readonly [open: string, state: string] {
  return [join(root, 'public', 'pr'), join(root, 'state', 'pr')];
}

export function isPullNumber(text: string): boolean {
  return /^[1-9][0-9]{0,14}$/.test(text);
}

function layout(root: string, open: string, state: string, isPreview: boolean): Layout {
  return {
    root,
    public: open,
    isPreview,
    trees: (id) => join(open, 'tree', safe(id)),
    tree: (id, revision) => join(open, 'tree', safe(id), commitId(revision)),
    packages: (id) => join(open, 'packages', safe(id)),
    pointer: (id) => join(open, safe(id)),
    view: (v) => join(open, 'at', commitId(v.commit)),
    frames: join(root, 'catalog', 'frames'),
    stateFolder: join(state, 'publish'),
    state: (id) => join(state, 'publish', `${safe(id)}.json`),
    tip: join(state, 'published.json'),
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

function pullName(number: number): string {
  const name = String(number);
  if (!isPullNumber(name)) throw malformed('number of a pull request', name);
  return name;
}

function commitId(text: string): string {
  if (!isCommitId(text)) throw malformed('commit id', text);
  return text;
}
