import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, Fault } from '../base/fault.ts';

/** A file that is being written lies beside its place under such a name. */
const TEMPORARY = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** What is still there after so long was left by a process that has ended: a text takes milliseconds. */
const LEFT_MS = 10_000;

/** Into a work tree, whole or not at all; `null` deletes. Never through a link. */
export async function writeInto(root: string, path: string, text: string | null): Promise<void> {
  const target = join(root, path);
  for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) {
    const found = await statOf(join(root, parent));
    if (!found || found.isDirectory()) continue;
    throw new Fault('UNSAFE_PATH', `${parent} is not a folder`, { hint: 'Remove what is there.', at: path });
  }
  if (text === null) return rm(target, { force: true });
  const found = await statOf(target);
  if (found && !found.isFile()) {
    throw new Fault('UNSAFE_PATH', 'not a regular file', { hint: 'Remove what is there.', at: path });
  }
  await mkdir(dirname(target), { recursive: true });
  await sweepTemporaries(dirname(target));
  const next = `${target}.${randomUUID()}.tmp`; // beside it, so that rename(2) is atomic
  try {
    await using file = await open(next, 'wx', 0o644);
    await file.writeFile(text);
    await file.sync();
    await rename(next, target);
  } catch (cause) {
    await rm(next, { force: true });
    throw cause;
  }
}

/** A killed process leaves one, which `git add` would take for a file of the state. */
async function sweepTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const found = await statOf(path);
    if (found?.isFile() && Date.now() - found.mtimeMs > LEFT_MS) await rm(path, { force: true });
  }
}

export async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    throw cause;
  }
}
