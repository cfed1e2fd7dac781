import type { Stats } from 'node:fs';
import { lstat, lutimes } from 'node:fs/promises';
import { join } from 'node:path';
import { formatChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { mkdirp, syncFolder } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import { inParallel } from '../pool/parallel.ts';
import type { Pool } from '../pool/pool.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Layout } from './layout.ts';
import { entriesOf } from './state.ts';

const LINKS_AT_ONCE = 8;

/** Links every pin that has none yet; what other trees need stays. The number of new links. */
export async function linkPackages(
  layout: Layout,
  pool: Pool,
  id: string,
  pins: readonly Pin[],
  names: readonly string[],
): Promise<number> {
  const folder = layout.packages(id);
  await mkdirp(folder);
  const there = new Set(await entriesOf(folder));
  const missing = pins.flatMap((pin, i) =>
    there.has(names[i] as string) ? [] : [{ pin, name: names[i] as string }],
  );
  await inParallel(missing, LINKS_AT_ONCE, async ({ pin, name }) => {
    await trustPoolFile(pool, { ...pin, at: `${id}: ${formatNevra(pin.nevra)}` });
    await pool.linkInto(join(folder, name), pin.checksum);
  });
  if (missing.length > 0) await syncFolder(folder);
  return missing.length;
}

/**
 * The modification time of every pool file that a publication links (2000-01-01). Whoever writes through one of its
 * links changes it, and then the file is read again before it gets another.
 */
const SEALED_S = 946_684_800;

/** POOL_MISSING or POOL_CORRUPT unless the file is what `put` verified. */
export async function trustPoolFile(
  pool: Pool,
  pin: Pick<Pin, 'checksum'> & { readonly size?: number; readonly at: string },
): Promise<void> {
  const path = pool.path(pin.checksum);
  const stats = await statOf(path);
  const { at } = pin;
  if (!stats?.isFile()) {
    throw new Fault('POOL_MISSING', `${formatChecksum(pin.checksum)} is not in the pool`, {
      hint: 'Fetch it (sluice sync --write), or take it from a backup.',
      at,
    });
  }
  if (pin.size !== undefined && stats.size !== pin.size) {
    throw new Fault('POOL_CORRUPT', `the pool's file has ${stats.size} bytes, the lock says ${pin.size}`, {
      hint: 'Remove it from the pool and fetch it again, then check the disk.',
      at,
    });
  }
  if (stats.mtimeMs === SEALED_S * 1000) return;
  const asPut = stats.nlink === 1 && (stats.mode & 0o222) === 0; // nobody but the pool has had a name for it
  if (!asPut) await pool.verify(pin.checksum);
  await onDisk('sealing', path, () => lutimes(path, SEALED_S, SEALED_S));
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}
