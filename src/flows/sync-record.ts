import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault } from '../base/fault.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import { plain } from '../report/safe.ts';

/** How the last look at an upstream ended. What came of a look is in git; that there was one, only the mirror knows. */
export interface Look {
  /** ISO 8601. */
  readonly asked: string;
  readonly trouble: string | null;
}

function pathOf(mirrorRoot: string): string {
  return join(mirrorRoot, 'state', 'upstreams.json');
}

/** By upstream. Nothing where it cannot be read: the next look writes it anew. */
export async function readLooks(mirrorRoot: string): Promise<Map<string, Look>> {
  let data: unknown;
  try {
    data = JSON.parse(await readFile(pathOf(mirrorRoot), 'utf8'));
  } catch {
    return new Map();
  }
  const found = new Map<string, Look>();
  for (const [id, look] of Object.entries(typeof data === 'object' && data !== null ? data : {})) {
    const { asked, trouble } = (look ?? {}) as Partial<Look>;
    if (typeof asked !== 'string' || Number.isNaN(Date.parse(asked))) continue;
    found.set(id, { asked, trouble: typeof trouble === 'string' ? trouble : null });
  }
  return found;
}

export async function writeLooks(
  mirrorRoot: string,
  ids: readonly string[],
  o: { readonly now: Date; readonly fault: Fault | undefined },
): Promise<void> {
  const known = await readLooks(mirrorRoot);
  const trouble = o.fault ? plain(`${o.fault.code}: ${o.fault.message}`, 300) : null;
  for (const id of ids) known.set(id, { asked: o.now.toISOString(), trouble });
  const sorted = Object.fromEntries([...known].sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFileAtomic(pathOf(mirrorRoot), `${JSON.stringify(sorted, null, 2)}\n`, { mirrorRoot });
}
