import { Fault, quote } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { parseErrataPath } from './errata.ts';
import { parseErrataPartPath } from './errata-parts.ts';
import { parseSnapshotPath } from './ids.ts';

/** One entry of a git tree, by its full path. */
export interface TreeEntry {
  readonly path: string;
  /** As git writes it: `100644`, `100755`, `120000`, `160000`, `040000`. */
  readonly mode: string;
  readonly type: 'blob' | 'tree' | 'commit';
}

/** Names that need no quoting anywhere: not in git, a shell, a URL, or on a disk that folds case. */
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._+~@-]{0,200}$/;
const OURS = /^(snapshots|policies|profiles|baselines|errata)(\/|$)/i;

/**
 * What must not be in the tree of a state repository, in the order of the paths: below the folders that Sluice reads only
 * plain files in their places, and nowhere a path that git or a disk would read as another one.
 */
export function checkTree(entries: readonly TreeEntry[]): Fault[] {
  const sorted = [...entries].sort((a, b) => byCodeUnit(a.path, b.path));
  const faults: Fault[] = [];
  for (const entry of sorted) {
    const why = whyNot(entry);
    if (why) faults.push(refused(entry.path, why[0], why[1]));
  }
  return [...faults, ...twins(sorted)].sort((a, b) => byCodeUnit(a.at ?? '', b.at ?? ''));
}

function whyNot(entry: TreeEntry): [message: string, hint: string] | undefined {
  const { path, mode, type } = entry;
  const segments = path.split('/');
  if (segments.some((s) => isGitFolder(s))) return ['leads into a .git folder', 'Remove it.'];
  if (segments.some((s) => s === '' || s === '.' || s === '..')) return ['is not a plain path', 'Remove it.'];
  if (!OURS.test(path)) return undefined; // the rest of the repository is not read
  if (!/^(snapshots|policies|profiles|baselines|errata)(\/|$)/.test(path)) {
    return ['looks like a folder that Sluice reads, in other letters', 'Rename it.'];
  }
  if (!segments.every((s) => SEGMENT.test(s) || s === '.gitkeep')) {
    return ['has characters that a name here may not have', 'Rename it: letters, digits, and . _ + ~ @ -'];
  }
  if (type === 'tree' || mode === '040000') return undefined;
  if (mode === '120000') return ['is a symbolic link', 'Put the file itself there.'];
  if (type === 'commit' || mode === '160000') return ['is a submodule', 'Remove it.'];
  if (mode !== '100644')
    return [`has the mode ${quote(mode)}, not 100644`, 'Run `git update-index --chmod=-x` on it.'];
  return whyNotHere(path);
}

function whyNotHere(path: string): [message: string, hint: string] | undefined {
  if (/(^|\/)(README\.md|\.gitkeep)$/.test(path)) return undefined;
  if (path.startsWith('snapshots/')) {
    if (parseSnapshotPath(path)) return undefined;
    return [
      'is not the place of a snapshot',
      'Use snapshots/<team>/<tier>/<os>-<version>-<arch>-<repo>.yaml.',
    ];
  }
  if (path.startsWith('profiles/')) {
    if (/^profiles\/[^/]+$/.test(path)) return undefined;
    return ['is not the place of a profile', 'Use profiles/<name>.'];
  }
  if (path.startsWith('baselines/')) {
    if (/^baselines\/[^/]+$/.test(path)) return undefined;
    return ['is not the place of a baseline', 'Use baselines/<name>.'];
  }
  if (path.startsWith('errata/')) {
    if (parseErrataPath(path) || parseErrataPartPath(path)) return undefined;
    return [
      'is not the place of an errata set or of a part of one',
      'Use errata/<os>-<version>-<arch>/<date>.yaml, and <date>.init.yaml or <date>.fix.yaml beside it.',
    ];
  }
  if (
    /^policies\/(site\.yaml|errata\.yaml|upstreams\/[^/]+\.yaml|lockstep\/[^/]+\.yaml|recalls\/[^/]+\.yaml|teams\/[^/]+\.yaml|keys\/[^/]+)$/.test(
      path,
    )
  )
    return undefined;
  return [
    'is not the place of a policy',
    'Use policies/upstreams/, policies/teams/, policies/lockstep/, policies/recalls/, policies/keys/, policies/site.yaml or policies/errata.yaml.',
  ];
}

/** As git's own fsck sees it: what HFS+ and NTFS would take for `.git`. */
function isGitFolder(segment: string): boolean {
  const seen = segment.normalize('NFC').replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, '');
  return /^(\.git|git~1)[. ]*(:.*)?$/i.test(seen) || /\\\.git(\\|$)/i.test(seen);
}

/** Two paths, or two folders, that a disk that folds case or normalises Unicode keeps only one of. */
function twins(sorted: readonly TreeEntry[]): Fault[] {
  const known = new Map<string, string>();
  const faults: Fault[] = [];
  for (const { path } of sorted) {
    const segments = path.split('/');
    for (let i = 1; i <= segments.length; i += 1) {
      const part = segments.slice(0, i).join('/');
      const folded = part.normalize('NFKC').toLowerCase();
      const first = known.get(folded);
      if (first === undefined) known.set(folded, part);
      else if (first !== part) {
        faults.push(refused(path, `differs only in case from ${quote(first)}`, 'Rename one of the two.'));
        break;
      }
    }
  }
  return faults;
}

function refused(path: string, message: string, hint: string): Fault {
  return new Fault('UNSAFE_PATH', `${quote(path)} ${message}`, { hint, at: path });
}
