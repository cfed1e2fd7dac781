import { type Checksum, checksum, formatChecksum } from '../base/checksum.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { examinePackage } from '../openpgp/package.ts';
import type { Trust } from '../openpgp/trust.ts';
import { readChunks } from '../pool/disk.ts';
import { inParallel } from '../pool/parallel.ts';
import type { Pool } from '../pool/pool.ts';
import { Verdicts } from './verdicts.ts';

const FILES_AT_ONCE = 4;

/**
 * What builds are without their signatures: sha256 of main header and payload, by checksum text. As it was found when the file was
 * judged, else by reading it; a build whose file is not in the pool is not in the answer.
 */
export async function contentsOf(
  pins: readonly Pick<Pin, 'checksum'>[],
  o: { readonly pool: Pool; readonly upstream: string; readonly trust: Trust },
): Promise<Map<string, Checksum>> {
  const verdicts = await Verdicts.open(o.pool.mirrorRoot, o.upstream, o.trust.digest);
  const contents = new Map<string, Checksum>();
  await inParallel(pins, FILES_AT_ONCE, async (pin) => {
    const sum = formatChecksum(pin.checksum);
    if (!(await o.pool.has(pin.checksum))) return;
    const hex =
      verdicts.get(sum)?.content ??
      (await examinePackage(readChunks(o.pool.path(pin.checksum)), [], o.pool.path(pin.checksum))).content;
    contents.set(sum, checksum('sha256', hex));
  });
  return contents;
}
