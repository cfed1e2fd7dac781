import { Fault } from '../base/fault.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import { addedFolder, hasAdded } from '../pool/added.ts';

/** Whether an upstream of added builds has none yet. NOT_FOUND where it had some, and the mirror has lost them. */
export async function isEmptyAdded(
  mirrorRoot: string,
  upstream: UpstreamPolicy,
  accepted: AcceptedState | undefined,
): Promise<boolean> {
  if (upstream.source !== 'added') return false;
  const folder = addedFolder(mirrorRoot, upstream.id);
  if (await hasAdded(folder)) return false;
  if (!accepted) return true;
  throw new Fault('NOT_FOUND', `${upstream.id} had builds that were added, and their folder is gone`, {
    hint: 'Bring it back from a copy of the mirror, or add the packages again.',
    at: folder,
  });
}
