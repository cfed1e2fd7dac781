import { openGit } from '../../../src/forge/git.ts';

/** A file of a hostile commit. `mode` as git has it; of a submodule (160000) the text is the id of a commit. */
export interface Planted {
  readonly mode?: '100644' | '100755' | '120000' | '160000';
  readonly text: string | Buffer;
}

interface Entry {
  readonly mode: string;
  readonly type: string;
  readonly id: string;
}

/**
 * A commit on main of a bare repository that git itself would not make: any path, any mode. Paths by byte (latin1), `null` takes
 * one away. Returns the commit's id; no ref is moved.
 */
export async function plant(
  bare: string,
  files: Readonly<Record<string, Planted | string | null>>,
  date: Date,
): Promise<string> {
  const tree = new Map<string, Entry>();
  for (const line of (await git(bare, ['ls-tree', '-r', '-z', 'refs/heads/main']))
    .toString('latin1')
    .split('\0')) {
    const [, mode, type, id, path] = /^(\d+) (\w+) (\w+)\t(.*)$/s.exec(line) ?? [];
    if (mode && type && id && path) tree.set(path, { mode, type, id });
  }
  for (const [path, planted] of Object.entries(files)) {
    if (planted === null) tree.delete(path);
    else tree.set(path, await entryOf(bare, typeof planted === 'string' ? { text: planted } : planted));
  }
  const id = await writeTree(
    bare,
    [...tree].map(([path, entry]) => [path.split('/'), entry]),
  );
  const main = (await git(bare, ['rev-parse', 'refs/heads/main'])).toString().trim();
  const env = { GIT_AUTHOR_DATE: date.toISOString(), GIT_COMMITTER_DATE: date.toISOString() };
  const commit = ['commit-tree', id, '-p', main, '-m', 'A harmless change'];
  return (await git(bare, commit, undefined, env)).toString().trim();
}

async function entryOf(bare: string, { mode = '100644', text }: Planted): Promise<Entry> {
  if (mode === '160000') return { mode, type: 'commit', id: String(text) };
  const id = (await git(bare, ['hash-object', '-w', '--stdin'], Buffer.from(text))).toString().trim();
  return { mode, type: 'blob', id };
}

async function writeTree(
  bare: string,
  files: readonly (readonly [readonly string[], Entry])[],
): Promise<string> {
  const here: string[] = [];
  const folders = new Map<string, [readonly string[], Entry][]>();
  for (const [[name = '', ...rest], entry] of files) {
    if (rest.length === 0) here.push(`${entry.mode} ${entry.type} ${entry.id}\t${name}`);
    else folders.set(name, [...(folders.get(name) ?? []), [rest, entry]]);
  }
  for (const [name, inside] of folders) here.push(`040000 tree ${await writeTree(bare, inside)}\t${name}`);
  const input = Buffer.from(here.map((line) => `${line}\0`).join(''), 'latin1');
  return (await git(bare, ['mktree', '-z', '--missing'], input)).toString().trim();
}

/** As Mallory; started as the tool starts it, because a test's own process is large. */
export async function git(
  dir: string,
  args: readonly string[],
  input?: Buffer,
  env: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  const who = {
    GIT_AUTHOR_NAME: 'Mallory',
    GIT_AUTHOR_EMAIL: 'm@example.org',
    GIT_COMMITTER_NAME: 'Mallory',
    GIT_COMMITTER_EMAIL: 'm@example.org',
  };
  return openGit(dir).run(args, { ...(input ? { stdin: input } : {}), env: { ...who, ...env } });
}
