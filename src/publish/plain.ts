import { lstat, readFile } from 'node:fs/promises';
import { codeOf } from '../base/fault.ts';

/** Undefined where it is missing, or no regular file. */
export async function readPlain(path: string): Promise<Buffer | undefined> {
  try {
    return (await lstat(path)).isFile() ? await readFile(path) : undefined;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    throw cause;
  }
}
