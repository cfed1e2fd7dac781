import type { Git } from './git.ts';
import type { ChainCommit, Window } from './history.ts';
import { differingLines, readLockLine } from './lock-lines.ts';
import { contents, versions } from './stays.ts';

/**
 * Of these lines of a lock (`<nevra> <type:hex>`), the commit that brought its newest version that listed each, not withdrawn.
 * Read from the newest version back, and only until all are found: what is gone has mostly gone lately.
 */
export async function lastListed(
  git: Git,
  path: string,
  window: Window,
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, ChainCommit>> {
  const found = new Map<string, ChainCommit>();
  const left = new Set(wanted);
  if (left.size === 0) return found;
  let newer: Buffer = Buffer.alloc(0);
  for await (const { version, lock } of contents(git, await versions(git, path, window))) {
    const from = version.from;
    if (!from) break; // nothing stood there before the root
    for (const text of differingLines(newer, lock).come) {
      const line = readLockLine(text);
      if (!line || line.withdrawn) continue;
      const build = `${line.nevra} ${line.checksum}`;
      if (left.delete(build)) found.set(build, from);
    }
    if (left.size === 0) break;
    newer = lock;
  }
  return found;
}
