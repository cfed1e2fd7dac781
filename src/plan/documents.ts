import { type Checksum, sameChecksum } from '../base/checksum.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Facts, Pin } from './types.ts';

/**
 * The module documents that belong to these builds: those that the target had, else the parent's. One that the vendor issued
 * anew under its old name comes with the first build that only it lists: without it dnf would take that build for nobody's.
 */
export function modulesFor(
  pins: Iterable<Pin>,
  r: { readonly parent: Snapshot; readonly target: Snapshot | undefined },
  facts: Facts,
): Snapshot['modules'] {
  const wanted = new Map<string, string[]>();
  for (const pin of pins) {
    const text = formatNevra(pin.nevra);
    for (const nsvca of facts.documents(text)) {
      const builds = wanted.get(nsvca);
      if (builds) builds.push(text);
      else wanted.set(nsvca, [text]);
    }
  }
  const modules = new Map<string, Checksum>();
  for (const [nsvca, builds] of wanted) {
    const sum = documentFor(nsvca, builds, r, facts);
    if (sum) modules.set(nsvca, sum);
  }
  return modules;
}

function documentFor(
  nsvca: string,
  builds: readonly string[],
  { parent, target }: { readonly parent: Snapshot; readonly target: Snapshot | undefined },
  facts: Facts,
): Checksum | undefined {
  const [own, next] = [target?.modules.get(nsvca), parent.modules.get(nsvca)];
  if (!own || !next || sameChecksum(own, next)) return own ?? next;
  const lists = (sum: Checksum) => {
    const listed = new Set(facts.artifacts(nsvca, sum));
    return builds.filter((build) => listed.has(build)).length;
  };
  return lists(next) > lists(own) ? next : own;
}
