import type { Checksum } from '../base/checksum.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Facts, Pin } from './types.ts';

/** The module documents that belong to these builds: the parent's where it has one, else those that the target had. */
export function modulesFor(
  pins: Iterable<Pin>,
  r: { readonly parent: Snapshot; readonly target: Snapshot | undefined },
  facts: Facts,
): Snapshot['modules'] {
  const wanted = new Set<string>();
  for (const pin of pins) for (const nsvca of facts.documents(formatNevra(pin.nevra))) wanted.add(nsvca);
  const modules = new Map<string, Checksum>();
  for (const nsvca of wanted) {
    const sum = r.target?.modules.get(nsvca) ?? r.parent.modules.get(nsvca);
    if (sum) modules.set(nsvca, sum);
  }
  return modules;
}
