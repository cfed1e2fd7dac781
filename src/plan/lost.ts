import { byCodeUnit } from '../base/order.ts';
import { compareEvr } from '../rpm/evr.ts';
import { nameArch, parseNevra } from '../rpm/nevra.ts';
import { groupPins, newest } from './groups.ts';
import type { AdvisoryFacts, Facts, LostAdvisory, Pin, RepositoryPlan } from './types.ts';

const SEVERITIES = ['critical', 'important', 'moderate', 'low', 'none'];

/** What of a repository is older after a plan than before, or not there any more: the newest of each name.arch and stream. */
export function lowered(
  { before, after }: Pick<RepositoryPlan, 'before' | 'after'>,
  facts: Facts,
): { readonly from: Pin; readonly to: Pin | undefined }[] {
  const left = groupPins(after.pins, facts);
  return [...groupPins(before?.pins ?? [], facts)].flatMap(([key, group]) => {
    const [from, to] = [newest(group), newest(left.get(key))];
    const isLower = from && (!to || compareEvr(to.nevra.evr, from.nevra.evr) < 0);
    return isLower ? [{ from, to }] : [];
  });
}

/**
 * Security advisories that clients lose: they name a build of the package that is newer than what is left of it, and no newer than
 * what was there. One that named a build in between counts, because what came later has its fix too.
 */
export function lostAdvisories(
  repositories: readonly Pick<RepositoryPlan, 'before' | 'after'>[],
  facts: Facts,
): LostAdvisory[] {
  const lost = new Map<string, { advisory: AdvisoryFacts; packages: Set<string> }>();
  for (const { from, to } of repositories.flatMap((r) => lowered(r, facts))) {
    const key = nameArch(from.nevra);
    for (const advisory of facts.advisoriesOn(key)) {
      const fixed = advisory.builds.map((text) => parseNevra(text)).filter((n) => nameArch(n) === key);
      const isLost = fixed.some(
        ({ evr }) => compareEvr(evr, from.nevra.evr) <= 0 && (!to || compareEvr(evr, to.nevra.evr) > 0),
      );
      if (advisory.type !== 'security' || !isLost) continue;
      const id = `${advisory.id}\n${advisory.title}`; // another title is another advisory
      const known = lost.get(id) ?? { advisory, packages: new Set() };
      lost.set(id, known);
      known.packages.add(key);
    }
  }
  return [...lost.values()]
    .map(({ advisory, packages }) => ({ advisory, packages: [...packages].sort() }))
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(a.advisory.severity) - SEVERITIES.indexOf(b.advisory.severity) ||
        byCodeUnit(a.advisory.id, b.advisory.id),
    );
}
