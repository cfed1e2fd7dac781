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
    const [, oldMode, newMode, before, after] =
      /^\n?:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) [A-Z]\d*$/.exec(field) ?? [];
    const path = fields[++i];
    if (!oldMode || !newMode || path === undefined) throw unreadable(git);
    changes.at(-1)?.changed.push({ path, before: regular(oldMode, before), after: regular(newMode, after) });
  }
  return changes.map(({ id, changed }) => ({ ...window.timeOf(id), changed }));
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
