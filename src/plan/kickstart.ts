import { type Checksum, formatChecksum, sameChecksum } from '../base/checksum.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import { isOpen } from '../manifest/window.ts';
import type { Stays } from './promote.ts';
import { fullWait } from './rules.ts';
import type { TreeChange } from './types.ts';

/** What is known of the installation trees of one repository. */
export interface Trees {
  /** Since when live, and the parent, have had each one. */
  readonly seen: Stays;
  readonly inParent: Stays;
  /** What one is, for people. */
  readonly words: (tree: Checksum) => string;
}

interface Asked {
  readonly parent: Checksum | undefined;
  readonly target: Checksum | undefined;
  readonly trees: Trees | undefined;
  readonly tier: TierPolicy;
  /** A person named what is to move: only that does. */
  readonly isNamed: boolean;
  readonly now: Date;
}

/** The tree that a tier has after a promotion. It waits as a build does, as one thing; `stays` says why it does not move. */
export function promoteTree(a: Asked): {
  readonly kickstart: Checksum | undefined;
  readonly change?: TreeChange;
  readonly stays?: string;
} {
  const { parent, target } = a;
  if (sameTree(parent, target) || a.isNamed) return { kickstart: target };
  const why = parent && treeStays(a, parent);
  if (why)
    return { kickstart: target, stays: `the installation tree ${wordsOf(parent, a.trees)} stays: ${why}` };
  return { kickstart: parent, change: treeChange(target, parent, a.trees) };
}

export function treeChange(
  was: Checksum | undefined,
  tree: Checksum | undefined,
  trees: Pick<Trees, 'words'> | undefined,
): TreeChange {
  return { kind: 'tree', was, tree, words: tree ? (trees?.words(tree) ?? '') : '' };
}

export function sameTree(a: Checksum | undefined, b: Checksum | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && sameChecksum(a, b));
}

function treeStays({ tier, trees, now }: Asked, tree: Checksum): string | undefined {
  if (tier.mode === 'frozen') return `${tier.name} is frozen`;
  if (tier.window && !isOpen(tier.window, now)) return `${tier.name} moves only in its window`;
  const key = formatChecksum(tree);
  const [seen, inParent] = [trees?.seen.get(key), trees?.inParent.get(key)];
  if (!seen || !inParent) return 'the history does not say since when it is there';
  const due = fullWait({ tier, now }, seen, inParent);
  return now >= due.at
    ? undefined
    : `${due.why}, until ${due.at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function wordsOf(tree: Checksum, trees: Trees | undefined): string {
  return trees?.words(tree) || formatChecksum(tree).slice(0, 19);
}
