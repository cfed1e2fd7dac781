import type { Git } from './git.ts';
import { readObject } from './object-reader.ts';
import { missing, notUtf8 } from './objects.ts';

export interface TreeEntry {
  /** 100644, 100755, 120000 (a link) or 160000 (a submodule). */
  readonly mode: string;
  readonly id: string;
}

/**
 * Every file of a commit or tree (by its full id) below a folder, or the file of that path; '' is the root. By path, in
 * git's order.
 */
export async function listTree(
  git: Git,
  commitOrTree: string,
  paths: readonly string[],
): Promise<Map<string, TreeEntry>> {
  const wanted = new Set(paths);
  const sought: Sought = { wanted, towards: new Set(paths.flatMap(foldersOf)) };
  return new Map(await below(git, commitOrTree, '', wanted.has(''), sought));
}

interface Sought {
  readonly wanted: ReadonlySet<string>;
  /** The folders that they stand in. */
  readonly towards: ReadonlySet<string>;
}

function foldersOf(path: string): string[] {
  const names = path.split('/');
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'));
}

type Found = [path: string, entry: TreeEntry];

/** Files of a tree that stands at `folder` (`a/b/`). `all`: each of them; else what is sought. */
async function below(git: Git, id: string, folder: string, all: boolean, sought: Sought): Promise<Found[]> {
  const found: (Found[] | Promise<Found[]>)[] = [];
  for (const entry of entriesOf(await readTree(git, id), id.length / 2)) {
    const path = folder + entry.name;
    const every = all || sought.wanted.has(path);
    if (!every && !sought.towards.has(path)) continue;
    if (path.includes('\ufffd')) throw notUtf8(path);
    if (entry.mode === '040000') found.push(below(git, entry.id, `${path}/`, every, sought));
    else if (every) found.push([[path, { mode: entry.mode, id: entry.id }]]);
  }
  return (await Promise.all(found)).flat();
}

function readTree(git: Git, id: string): Promise<Buffer> {
  return git.remembered(`tree ${id}`, async () => {
    const found = await readObject(git, `${id}^{tree}`);
    if (!found) throw missing(git, id);
    return found.bytes;
  });
}

/** gitformat: `<mode in octal> <name> NUL <id>`, one after the other. */
function* entriesOf(tree: Buffer, idBytes: number): Generator<TreeEntry & { name: string }> {
  for (let at = 0; at < tree.length; ) {
    const space = tree.indexOf(0x20, at);
    const end = tree.indexOf(0, space);
    const mode = modeOf(Number.parseInt(tree.toString('latin1', at, space), 8));
    at = end + 1 + idBytes;
    yield { mode, name: tree.toString('utf8', space + 1, end), id: tree.toString('hex', end + 1, at) };
  }
}

/** As git reads it: of a file's permissions it keeps whether the owner may execute it (`canon_mode`). */
function modeOf(mode: number): string {
  switch (mode & 0o170000) {
    case 0o100000:
      return mode & 0o100 ? '100755' : '100644';
    case 0o120000:
      return '120000';
    case 0o040000:
      return '040000';
    default:
      return '160000';
  }
}
