import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { syncFolder } from '../pool/disk.ts';
import type { Pool } from '../pool/pool.ts';
import type { TreeFile } from '../repodata/treeinfo.ts';
import type { PublishedTree } from './documents.ts';
import type { Layout } from './layout.ts';
import { trustPoolFile } from './packages.ts';
import { readPlain } from './plain.ts';
import { entriesOf } from './state.ts';

export const TREEINFO = '.treeinfo';
/** What else a published tree has at its root. */
const BESIDE = new Set(['repodata', 'packages', 'mirrorlist', TREEINFO]);

/** Links every file of an installation tree into a draft of a published one. */
export async function linkTree(
  draft: string,
  files: readonly TreeFile[],
  pool: Pool,
  id: string,
): Promise<void> {
  for (const { path, checksum } of files) {
    await trustPoolFile(pool, { checksum, at: `${id}: ${path}` });
    await mkdir(dirname(join(draft, path)), { recursive: true });
    await pool.linkInto(join(draft, path), checksum);
  }
  for (const folder of foldersOf(files)) await syncFolder(join(draft, folder));
}

/** `images/pxeboot` and `images`, of files in them; the deepest first. */
function foldersOf(files: readonly TreeFile[]): string[] {
  const folders = new Set<string>();
  for (const { path } of files) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) folders.add(folder);
  }
  return [...folders].sort(byCodeUnit).reverse();
}

/**
 * Paths beside repodata that are not as they must be: missing, other bytes, or nobody's: installers look for files that a vendor
 * does not name (`images/updates.img`), and would run what somebody put there.
 */
export async function damagedTree(
  folder: string,
  tree: PublishedTree | undefined,
  pool: Pool,
): Promise<string[]> {
  const wrong: string[] = [];
  const treeinfo = join(folder, TREEINFO);
  const there = await readPlain(treeinfo);
  if (tree ? !there?.equals(tree.treeinfo) : there !== undefined) wrong.push(treeinfo);
  const named = new Set((tree?.files ?? []).map(({ path }) => path));
  for (const { path, checksum } of tree?.files ?? []) {
    if (!(await isPoolFile(join(folder, path), pool.path(checksum), checksum)))
      wrong.push(join(folder, path));
  }
  for (const path of await pathsBelow(folder)) if (!named.has(path)) wrong.push(join(folder, path));
  return wrong;
}

/** The pool's own inode, which others hash, or the same bytes. */
async function isPoolFile(
  path: string,
  source: string,
  { type, hex }: TreeFile['checksum'],
): Promise<boolean> {
  const [link, file] = await Promise.all([statOf(path), statOf(source)]);
  if (!link?.isFile()) return false;
  if (file && link.ino === file.ino && link.dev === file.dev) return true;
  const hash = createHash(type);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex') === hex;
}

/** Of an installation tree: all that is no folder. */
async function pathsBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (below === '' && BESIDE.has(entry.name)) continue;
      if (entry.isDirectory()) await walk(path);
      else paths.push(path);
    }
  };
  await walk('');
  return paths;
}

/**
 * The folders in which a change of a publication shows: `repodata`, where it has an installation tree that one's, and the package
 * links, which all trees share.
 */
export async function seenFolders(layout: Layout, id: string, revision: string): Promise<string[]> {
  const tree = layout.tree(id, revision);
  const own: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const name of (await entriesOf(join(tree, below))).filter((n) => below !== '' || !BESIDE.has(n))) {
      const path = join(below, name);
      if (!(await statOf(join(tree, path)))?.isDirectory()) continue;
      own.push(join(tree, path));
      await walk(path);
    }
  };
  await walk('');
  return [join(tree, 'repodata'), ...(own.length > 0 ? [tree, ...own] : []), layout.packages(id)];
}

async function statOf(path: string) {
  try {
    return await lstat(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    throw cause;
  }
}
