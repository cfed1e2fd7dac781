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
 * that no client meets a package whose key it cannot have. One that the policies drop stays: hosts still name it.
 */
export async function publishKeys(
  history: CommitHistory,
  paths: Iterable<string>,
  layout: Layout,
): Promise<void> {
  const keys = [...paths].filter((path) => KEY.test(path));
  if (keys.length === 0) return;
  for (const [path, text] of await history.readMany(keys)) {
    const [, name = ''] = KEY.exec(path) ?? [];
    if (!text.includes(ARMOR)) continue; // the README beside them
    const target = join(layout.public, 'keys', name);
    if ((await textOf(target)) !== text) await writeFileAtomic(target, text, { mirrorRoot: layout.root });
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}
