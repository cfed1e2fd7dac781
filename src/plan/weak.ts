import type { PackageIndex } from '../repodata/packageIndex.ts';
import { type Capability, formatCapability } from '../rpm/capability.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { isRich, matching, readableRich } from '../rpm/rich.ts';
import { canHold } from '../rpm/richChoice.ts';
import type { BuildSet } from './requirements.ts';

const MAX_NAMED = 5;

/** What builds recommend and a client does not see, as one sentence: dnf installs without it. Undefined where nothing is missing. */
export function recommendedNote(
  index: PackageIndex,
  builds: readonly number[],
  sees: BuildSet,
): string | undefined {
  const missing: string[] = [];
  for (const build of builds) {
    for (const number of index.relation(build, 'recommends')) {
      const capability = index.capability(number);
      if (isThere(index, capability, sees)) continue;
      missing.push(`${formatNevra(index.nevra(build))} recommends ${formatCapability(capability)}`);
    }
  }
  if (missing.length === 0) return undefined;
  const more = missing.length > MAX_NAMED ? `, and ${missing.length - MAX_NAMED} more` : '';
  return `recommended, and not in the client set (installed without it): ${missing.slice(0, MAX_NAMED).join('; ')}${more}`;
}

function isThere(index: PackageIndex, capability: Capability, sees: BuildSet): boolean {
  const seen = (wanted: Capability) => index.satisfying(wanted).filter((build) => sees[build] === 1);
  if (!isRich(capability.name)) return seen(capability).length > 0;
  const rich = readableRich(capability.name);
  if (!rich) return false;
  return canHold(rich, (term) => (term.kind === 'capability' ? seen(term.capability) : matching(term, seen)));
}
