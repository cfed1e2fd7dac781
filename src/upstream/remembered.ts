import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checksum, formatChecksum, parseChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import type { Validators } from './http.ts';

/** What a base URL answered last: derived, never truth. Lost, the next run downloads repomd.xml once more. */
export interface Remembered {
  readonly repomd: Checksum;
  readonly validators: Validators;
  /** Digest of the rules by which its signature counted; absent where none was asked for. */
  readonly signed?: string | undefined;
}

function pathOf(mirrorRoot: string, upstream: string): string {
  return join(mirrorRoot, 'state', 'upstream', `${upstream}.json`);
}

/** By base URL. A file that cannot be read is as good as none. */
export async function recall(mirrorRoot: string, upstream: string): Promise<Map<string, Remembered>> {
  const memory = new Map<string, Remembered>();
  try {
    const data: unknown = JSON.parse(await readFile(pathOf(mirrorRoot, upstream), 'utf8'));
    for (const [base, entry] of Object.entries(Object(data))) memory.set(base, readEntry(Object(entry)));
  } catch (cause) {
    const harmless = codeOf(cause) === 'ENOENT' || cause instanceof SyntaxError || cause instanceof Fault;
    if (!harmless) throw cause;
  }
  return memory;
}

function readEntry(entry: Record<string, unknown>): Remembered {
  const { repomd, etag, lastModified, signed } = entry;
  return {
    repomd: parseChecksum(String(repomd)),
    ...(typeof signed === 'string' ? { signed } : {}),
    validators: {
      ...(typeof etag === 'string' ? { etag } : {}),
      ...(typeof lastModified === 'string' ? { lastModified } : {}),
    },
  };
}

/** Writes only what changed: an unchanged upstream changes no byte. */
export async function remember(
  mirrorRoot: string,
  upstream: string,
  base: string,
  entry: Remembered,
): Promise<void> {
  const memory = await recall(mirrorRoot, upstream);
  const before = textOf(memory);
  const after = textOf(new Map([...memory, [base, entry]]));
  if (after !== before) await writeFileAtomic(pathOf(mirrorRoot, upstream), after, { mirrorRoot });
}

function textOf(memory: ReadonlyMap<string, Remembered>): string {
  const entries = [...memory].map(([base, { repomd, validators, signed }]) => {
    return [base, { repomd: formatChecksum(repomd), ...validators, signed }] as const;
  });
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}
