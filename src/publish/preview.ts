import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { lockMirror, syncFolder, temporaryPath } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import type { CommitHistory } from './history.ts';
import { isPullNumber, previewFolders, previewLayout } from './layout.ts';
import { entriesOf } from './state.ts';

/** Main's history with one moment on top, which no commit has: what a merge would give, as a tree of git. */
export function mergedHistory(main: CommitHistory, tree: string): CommitHistory {
  const [tip] = main.chain;
  const at = (commit: string | undefined) => commit ?? tree;
  const ofMain = (commit: string | undefined) => (commit === tree ? main.commit : (commit ?? main.commit));
  return {
    commit: tree,
    chain: [{ id: tree, time: tip?.time ?? new Date(0) }, ...main.chain],
    read: (path, commit) => main.read(path, at(commit)),
    readMany: (paths, commit) => main.readMany(paths, at(commit)),
    entries: (prefix, commit) => main.entries(prefix, at(commit)),
    pathChanges: (paths, o) => main.pathChanges(paths, { ...o, at: ofMain(o?.at) }),
  };
}

/** Numbers of pull requests of which there is a preview, or what one left behind. */
export async function knownPreviews(mirror: string): Promise<number[]> {
  const names = (await Promise.all(previewFolders(mirror).map(entriesOf))).flat();
  return [...new Set(names.filter(isPullNumber).map(Number))].sort((a, b) => a - b);
}

/** For readers in one step, and for good: what of it a killed run left is found by its number, or swept. */
export async function removePreview(
  mirror: string,
  number: number,
  o: { locked?: boolean } = {},
): Promise<void> {
  await using _lock = o.locked ? undefined : await lockMirror(mirror);
  const { public: open } = previewLayout(mirror, number);
  for (const folder of [open, join(previewFolders(mirror)[1], String(number))]) await away(mirror, folder);
}

/** In one step, so that nobody reads half of it. */
export async function away(mirror: string, path: string): Promise<void> {
  await onDisk('removing', path, async () => {
    const grave = await temporaryPath(mirror);
    try {
      await rename(path, grave);
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return;
      throw cause;
    }
    await syncFolder(join(path, '..'));
    await rm(grave, { recursive: true, force: true });
  });
}
