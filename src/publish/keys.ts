import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import type { CommitHistory } from './history.ts';
import type { Layout } from './layout.ts';

const KEY = /^policies\/keys\/([A-Za-z0-9][A-Za-z0-9._+-]{0,199})$/;
const ARMOR = '-----BEGIN PGP PUBLIC KEY BLOCK-----';

/**
 * The armored keys of the commit's policies, as `public/keys/<file>`: what `gpgkey=` of clients names. Before any pointer moves, so
 * that no client meets a package whose key it cannot have. One that the policies drop stays: hosts still name it. git is asked only
 * for what is not on the disk as it should be.
 */
export async function publishKeys(
  history: CommitHistory,
  blobs: ReadonlyMap<string, string>,
  layout: Layout,
): Promise<void> {
  const wanted: string[] = [];
  for (const [path, id] of blobs) {
    const name = nameOf(path);
    if (name === undefined) continue;
    if ((await blobId(join(layout.public, 'keys', name), id)) !== id) wanted.push(path);
  }
  if (wanted.length === 0) return;
  for (const [path, text] of await history.readMany(wanted)) {
    if (text.includes(ARMOR))
      await writeFileAtomic(join(layout.public, 'keys', nameOf(path) ?? ''), text, {
        mirrorRoot: layout.root,
      });
  }
}

/** What `publishKeys` puts there, by file name. */
export async function keysOf(
  history: CommitHistory,
  blobs: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  for (const [path, text] of await history.readMany([...blobs.keys()].filter((path) => nameOf(path)))) {
    if (text.includes(ARMOR)) keys.set(nameOf(path) ?? '', text);
  }
  return keys;
}

/** Undefined for what is no key file. */
function nameOf(path: string): string | undefined {
  const name = KEY.exec(path)?.[1];
  return name?.endsWith('.md') ? undefined : name;
}

/** As git names a file's content (gitformat-pack(5)): by sha1, or by sha256 where the other id is. Undefined: there is no such file. */
async function blobId(path: string, like: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path);
    const hash = createHash(like.length === 64 ? 'sha256' : 'sha1');
    return hash.update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}
