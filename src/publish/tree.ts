import { createHash } from 'node:crypto';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { mkdirp, syncFolder, temporaryPath } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import { openPool } from '../pool/pool.ts';
import { type Repomd, type RepomdRecord, readRepomd } from '../repodata/repomd.ts';
import type { Content } from './content.ts';
import { damagedTree, linkTree, TREEINFO } from './install-tree.ts';
import type { Layout } from './layout.ts';
import {
  type DocumentSink,
  type Materialised,
  type MaterialiseSources,
  materialise,
  type Publication,
  type RepodataSink,
} from './materialise.ts';
import { readPlain } from './plain.ts';

/** The one line that clients follow: where the current tree is, below which nothing ever changes. */
export function mirrorlistOf(content: Content, revision: string): string | undefined {
  if (content.mirrorUrl === undefined) return undefined;
  return `${content.mirrorUrl.replace(/\/+$/, '')}/tree/${content.id}/${revision}/\n`;
}

/** Writes the whole tree below `<mirror>/tmp`, synced, and gives it its name by one rename. */
export async function placeTree(
  layout: Layout,
  publication: Publication,
  sources: MaterialiseSources,
): Promise<Materialised> {
  const { content, revision } = publication;
  const target = layout.tree(content.id, revision);
  const draft = await temporaryPath(layout.root);
  try {
    const made = await onDisk('writing', target, () => writeTree(layout, draft, publication, sources));
    await mkdirp(layout.trees(content.id));
    if (await isThere(target)) {
      const same = await sameTree(layout, publication, made);
      if (same) return { ...made, repomd: same };
      const damaged = `${draft}.old`; // swept by the next run, should this one end here
      await onDisk('moving away', target, () => rename(target, damaged));
      await onDisk('moving into place', target, () => rename(draft, target));
      await rm(damaged, { recursive: true, force: true }).catch(() => {});
    } else {
      await onDisk('moving into place', target, () => rename(draft, target));
    }
    await syncFolder(layout.trees(content.id));
    return made;
  } finally {
    await rm(draft, { recursive: true, force: true }).catch(() => {}); // swept by the next run
  }
}

async function writeTree(
  layout: Layout,
  draft: string,
  publication: Publication,
  sources: MaterialiseSources,
): Promise<Materialised> {
  const { content, revision, timestamp } = publication;
  const repodata = join(draft, 'repodata');
  for (const folder of [draft, repodata]) await mkdir(folder);
  const made = await materialise(publication, sources, folderSink(repodata, timestamp));
  await writeNamed(repodata, 'repomd.xml', made.repomd, timestamp);
  const mirrorlist = layout.isPreview ? undefined : mirrorlistOf(content, revision);
  if (mirrorlist !== undefined) await writeNamed(draft, 'mirrorlist', Buffer.from(mirrorlist), timestamp);
  if (content.locations.kind === 'full')
    await symlink(packagesTarget(layout, content.id, revision), join(draft, 'packages'));
  if (content.tree) {
    await writeNamed(draft, TREEINFO, content.tree.treeinfo, timestamp);
    await linkTree(draft, content.tree.files, openPool(layout.root), content.id);
  }
  await syncFolder(repodata);
  await syncFolder(draft);
  return made;
}

/** From the tree to the links of all trees: `../../../packages/<id>`. */
export function packagesTarget(layout: Layout, id: string, revision: string): string {
  return relative(layout.tree(id, revision), layout.packages(id));
}

/** Files get the publication's own time: a copy of the mirror is equal to it, and `Last-Modified` is true. */
function folderSink(folder: string, timestamp: number): RepodataSink {
  let count = 0;
  return {
    begin: async () => {
      const path = join(folder, `.document-${count++}`);
      return new FileSink(path, await open(path, 'wx', 0o644), timestamp);
    },
  };
}

/** Frames are some 50 KB; they go to the disk a megabyte at a time. */
const WRITE_BYTES = 1 << 20;

class FileSink implements DocumentSink {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #timestamp: number;
  #waiting: Buffer[] = [];
  #bytes = 0;

  constructor(path: string, file: FileHandle, timestamp: number) {
    this.#path = path;
    this.#file = file;
    this.#timestamp = timestamp;
  }

  async write(bytes: Buffer): Promise<void> {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= WRITE_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting, this.#bytes);
    this.#waiting = [];
    this.#bytes = 0;
    await this.#file.writeFile(bytes); // at the handle's position: appends
  }

  async finish(name: string): Promise<void> {
    await this.#flush();
    await close(this.#file, this.#timestamp);
    await rename(this.#path, join(dirname(this.#path), name));
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => {}); // closed already where it was finished
    await rm(this.#path, { force: true });
  }
}

async function writeNamed(folder: string, name: string, bytes: Buffer, timestamp: number): Promise<void> {
  const file = await open(join(folder, name), 'wx', 0o644);
  await file.writeFile(bytes);
  await close(file, timestamp);
}

async function close(file: FileHandle, timestamp: number): Promise<void> {
  await file.chmod(0o444);
  await file.utimes(timestamp, timestamp);
  await file.sync();
  await file.close();
}

/**
 * The repomd.xml of a tree that says what was just made: equal to the byte, or, where another version of the
 * compressor wrote it, whole by its own repomd.xml and equal once opened. Such a tree stays: clients may read it.
 */
async function sameTree(
  layout: Layout,
  { content, revision }: Publication,
  made: Materialised,
): Promise<Buffer | undefined> {
  const target = layout.tree(content.id, revision);
  try {
    const bytes = await readFile(join(target, 'repodata', 'repomd.xml'));
    const found = readRepomd(bytes, target);
    const same = found.revision === revision && sameOpen(found, made.records);
    const wrong = [
      ...(await damagedDocuments(target, found)),
      ...(await damagedNames(layout, content, revision)),
    ];
    return same && wrong.length === 0 ? bytes : undefined;
  } catch {
    return undefined; // whatever is wrong with it, the new one is right
  }
}

/** Paths beside `repodata/` that are not as they must be. */
export async function damagedNames(layout: Layout, content: Content, revision: string): Promise<string[]> {
  const tree = layout.tree(content.id, revision);
  const wrong: string[] = [];
  const mirrorlist = join(tree, 'mirrorlist');
  const line = layout.isPreview ? undefined : mirrorlistOf(content, revision);
  if ((await readPlain(mirrorlist))?.toString() !== line) wrong.push(mirrorlist);
  const packages = join(tree, 'packages');
  const wanted = content.locations.kind === 'full' ? packagesTarget(layout, content.id, revision) : undefined;
  if ((await linkAt(packages)) !== wanted) wrong.push(packages);
  return [...wrong, ...(await damagedTree(tree, content.tree, openPool(layout.root)))];
}

function sameOpen(found: Repomd, made: readonly RepomdRecord[]): boolean {
  const say = (records: readonly RepomdRecord[]) =>
    records.map((r) => `${r.type} ${r.openChecksum?.hex ?? r.checksum.hex}`).join('\n');
  return say(found.records) === say(made);
}

/** Paths of the documents that are not what the tree's repomd.xml says, and of files that it does not name. */
export async function damagedDocuments(tree: string, repomd: Repomd): Promise<string[]> {
  const wrong: string[] = [];
  const named = new Set(['repodata/repomd.xml', 'repodata/repomd.xml.asc']);
  for (const { href, checksum, size } of repomd.records) {
    named.add(href);
    const path = join(tree, href);
    const bytes = await readPlain(path);
    const sound =
      bytes &&
      bytes.length === size &&
      createHash(checksum.type).update(bytes).digest('hex') === checksum.hex;
    if (!sound) wrong.push(path);
  }
  for (const name of await readdir(join(tree, 'repodata'))) {
    if (!named.has(`repodata/${name}`)) wrong.push(join(tree, 'repodata', name));
  }
  return wrong;
}

/** Undefined where there is no symlink. */
export async function linkAt(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (cause) {
    if (['ENOENT', 'EINVAL', 'ENOTDIR'].includes(codeOf(cause) ?? '')) return undefined;
    throw cause;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false;
    throw cause;
  }
}
