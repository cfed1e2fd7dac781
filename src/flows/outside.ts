import type { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { History } from '../forge/history.ts';
import { STATE_FOLDERS } from '../forge/repository.ts';
import { checkTree } from '../manifest/tree.ts';
import type { Difference } from './check.ts';

/**
 * What stands elsewhere in a tree than in snapshots/ and policies/: paths that git or a disk would read as other ones. The rest of
 * a repository may have what it likes.
 */
export async function checkOutside(history: History, tree: string): Promise<Fault[]> {
  const entries = [...(await history.entries('', tree))].filter(([path]) => !isState(path));
  return checkTree(
    entries.map(([path, { mode }]) => ({ path, mode, type: mode === '160000' ? 'commit' : 'blob' })),
  );
}

/** A bot's plan changes manifests only: a workflow, a CODEOWNERS file or a script beside them is somebody else's. */
export async function changedOutside(history: History, base: string, head: string): Promise<Difference[]> {
  const [before, after] = [await history.entries('', base), await history.entries('', head)];
  const paths = [...new Set([...before.keys(), ...after.keys()])].filter((path) => !isState(path));
  return paths.sort(byCodeUnit).flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was?.id === is?.id && was?.mode === is?.mode) return [];
    return [{ path, kind: is === undefined ? 'missing' : was === undefined ? 'added' : 'other' }];
  });
}

function isState(path: string): boolean {
  return STATE_FOLDERS.some((folder) => path === folder || path.startsWith(`${folder}/`));
}
