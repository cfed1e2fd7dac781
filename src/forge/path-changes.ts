import { Fault } from '../base/fault.ts';
import type { Git } from './git.ts';
import type { PathChange, Window } from './history.ts';

/** The commits of a window that changed any of these paths against their first parent, the newest first. */
export async function pathChanges(
  git: Git,
  paths: readonly string[],
  window: Window,
  limit?: number,
): Promise<PathChange[]> {
  if (paths.length === 0) return [];
  const args = [
    'log',
    ...[
      '--first-parent',
      '--diff-merges=first-parent',
      '--raw',
      '--no-renames',
      '--no-abbrev',
      '-z',
      '--format=%x01%H',
    ],
    ...(limit === undefined ? [] : [`--max-count=${limit}`]),
    ...['--end-of-options', window.tip.id, ...(window.boundary ? [`^${window.boundary.id}`] : [])],
    ...['--', ...paths.filter((path) => path !== '')],
  ];
  const changes: { id: string; changed: PathChange['changed'][number][] }[] = [];
  // `\1<id> NUL`, then per path `[LF]:<modes> <ids> <letter> NUL <path> NUL`
  const fields = (await git.known(args)).toString('utf8').split('\0');
  for (let i = 0; i < fields.length - 1; i++) {
    const field = fields[i] ?? '';
    if (field.startsWith('\u0001')) {
      changes.push({ id: field.slice(1), changed: [] });
      continue;
    }
    changes.at(-1)?.changed.push(readChange(git, field, fields[++i]));
  }
  return changes.map(({ id, changed }) => ({ ...window.timeOf(id), changed }));
}

/** What differs between two trees, path by path. */
export async function treeChanges(git: Git, from: string, to: string): Promise<PathChange['changed']> {
  const raw = ['-r', '--raw', '--no-renames', '--no-abbrev', '-z', '--end-of-options'];
  const fields = (await git.known(['diff-tree', ...raw, from, to])).toString('utf8').split('\0').slice(0, -1);
  return fields.flatMap((field, i) => (i % 2 === 0 ? [readChange(git, field, fields[i + 1])] : []));
}

/** `[LF]:<modes> <ids> <letter>`, and the path that came after it. */
function readChange(git: Git, field: string, path: string | undefined): PathChange['changed'][number] {
  const [, oldMode, newMode, before, after] =
    /^\n?:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) [A-Z]\d*$/.exec(field) ?? [];
  if (!oldMode || !newMode || path === undefined) throw unreadable(git);
  return { path, before: regular(oldMode, before), after: regular(newMode, after) };
}

function regular(mode: string, id: string | undefined): string | undefined {
  return mode.startsWith('100') ? id : undefined;
}

function unreadable(git: Git): Fault {
  return new Fault('GIT', 'git log printed what we cannot read', {
    hint: 'Report this with `git --version`.',
    at: git.dir,
  });
}
