import { formatChecksum } from '../base/checksum.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Stays } from './promote.ts';
import type { About, Facts, Pin, RepositoryPlan } from './types.ts';

const NONE: Stays = new Map();

/** Collects what the report will say of each build that the plan names. */
export function aboutBuilds(
  plans: readonly { plan: RepositoryPlan; seen?: Stays; inParent?: Stays }[],
  facts: Facts,
): Map<string, About> {
  const about = new Map<string, About>();
  for (const { plan, seen = NONE, inParent = NONE } of plans) {
    const add = (pin: Pin) => {
      const text = formatNevra(pin.nevra);
      if (about.has(text)) return;
      const sum = formatChecksum(pin.checksum);
      about.set(text, {
        ...facts.build(pin),
        advisories: facts.advisories(text),
        seen: seen.get(sum),
        inParent: inParent.get(sum),
      });
    };
    for (const change of plan.changes) {
      if ('to' in change && change.kind !== 'module') add(change.to);
      if ('from' in change) add(change.from);
    }
    for (const { build } of plan.staying) add(build);
    for (const { build } of plan.attention) add(build);
  }
  return about;
}
