import type { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { History } from '../forge/history.ts';
import { STATE_FOLDERS } from '../forge/repository.ts';
import { checkTree } from '../manifest/tree.ts';
import type { Difference } from './check.ts';

/** Every path of a tree, before anything below it is read or merged: git itself stumbles over some of them. */
export async function checkPaths(history: History, tree: string): Promise<Fault[]> {
  return checkTree(
    [...(await history.entries('', tree))].map(([path, { mode }]) => ({
      path,
      mode,
      type: mode === '160000' ? 'commit' : 'blob',
    })),
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
