import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import { previewFolders, previewLayout } from '../publish/layout.ts';
import { VERSION } from './version.ts';

/** What the mirror remembers of a pull request: derived, so that losing it costs one more look. */
export interface Looked {
  readonly version: string;
  readonly head: string;
  /** Main, as it was judged with. */
  readonly tip: string;
  readonly green: boolean;
  readonly title: string;
  /** Whether there was a preview afterwards. */
  readonly preview: boolean;
  /** ISO 8601. */
  readonly at: string;
  /** When time alone may have changed the answer. */
  readonly again: string;
}

function pathOf(mirror: string, number: number): string {
  return join(previewFolders(mirror)[1], String(number), 'looked.json');
}

/** Undefined where nothing is remembered, or nothing that can be read. */
export async function readLooked(mirror: string, number: number): Promise<Looked | undefined> {
  try {
    const read: unknown = JSON.parse(await readFile(pathOf(mirror, number), 'utf8'));
    return isLooked(read) ? read : undefined;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

export async function writeLooked(
  mirror: string,
  number: number,
  looked: Omit<Looked, 'version' | 'preview'>,
): Promise<void> {
  const whole: Looked = { version: VERSION, ...looked, preview: await hasPreview(mirror, number) };
  await writeFileAtomic(pathOf(mirror, number), `${JSON.stringify(whole)}\n`, { mirrorRoot: mirror });
}

/** Whether there is nothing new to find out. */
export async function isFresh(
  mirror: string,
  number: number,
  looked: Looked,
  is: { readonly head: string; readonly tip: string; readonly now: Date },
): Promise<boolean> {
  const { version, head, tip, at, again, preview } = looked;
  const now = is.now.toISOString();
  const same = version === VERSION && head === is.head && tip === is.tip;
  return same && at <= now && now < again && preview === (await hasPreview(mirror, number));
}

async function hasPreview(mirror: string, number: number): Promise<boolean> {
  try {
    return (await lstat(previewLayout(mirror, number).public)).isDirectory();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false;
    throw cause;
  }
}

function isLooked(value: unknown): value is Looked {
  if (typeof value !== 'object' || value === null) return false;
  const { version, head, tip, green, title, preview, at, again } = value as Partial<
    Record<keyof Looked, unknown>
  >;
  const texts = [version, head, tip, title, at, again];
  return texts.every((t) => typeof t === 'string') && [green, preview].every((b) => typeof b === 'boolean');
}
