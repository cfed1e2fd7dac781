import type { RemoveInput } from '../../src/plan/remove.ts';
import { type Given, inputOf, policyText } from './world.ts';

/** A scenario of a removal: `remove` has the words. */
export interface RemoveGiven extends Given {
  readonly remove: readonly string[];
  readonly source?: string;
}

export function removeInput(given: RemoveGiven): RemoveInput {
  const { team, set, facts, closure, now, repositories } = inputOf(given);
  return {
    team,
    set,
    facts,
    closure,
    now,
    named: given.remove,
    sources: given.source === 'true',
    notes: [],
    staysOut: { reason: 'it breaks', owner: 'ann', until: '2026-12-05' },
    policy: policyText(given),
    tiers: [
      {
        tier: 'stable',
        repositories: repositories.flatMap(({ repository, target, parent }) =>
          target ? [{ repository, before: target, parent }] : [],
        ),
      },
    ],
    below: repositories.flatMap((r) =>
      r.children.map(({ name, groups }) => ({ tier: name, pins: [...groups.values()].flat() })),
    ),
  };
}
