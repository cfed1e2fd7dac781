import { byCodeUnit } from '../base/order.ts';
import { type PromoteInput, planPromotion } from './promote.ts';
import type { Plan } from './types.ts';

export interface Components {
  /** Source packages that move together or not at all, by their first names. */
  readonly parts: readonly (readonly string[])[];
  /** What moves only with all the others. */
  readonly rest: readonly string[];
}

/**
 * What of a promotion can go by itself: for each source package, what else has to come for the client set to stay closed. It is asked of
 * the planner, so that a part is just what its own plan will have; where the parts come to more than they were asked for, they are one.
 */
export function components(input: PromoteInput): Components {
  const whole = sourcesOf(planPromotion(input));
  const movesWith = (sources: readonly string[]) =>
    sourcesOf(planPromotion({ ...input, only: new Set(sources) }));
  const partOf = new Map<string, Set<string>>();
  const join = (sources: Iterable<string>) => {
    const joined = new Set<string>();
    for (const source of sources) {
      joined.add(source);
      for (const other of partOf.get(source) ?? []) joined.add(other);
    }
    for (const source of joined) partOf.set(source, joined);
  };
  for (const source of whole) join([source, ...movesWith([source])]);
  for (let settled = false; !settled; ) {
    settled = true;
    for (const part of new Set(partOf.values())) {
      const more = movesWith([...part]).difference(part);
      if (more.size === 0) continue;
      join([...part, ...more]);
      settled = false;
      break;
    }
  }
  const parts: string[][] = [];
  const rest: string[] = [];
  for (const part of new Set(partOf.values())) {
    const moves = part.difference(movesWith([...part])).size === 0;
    if (moves) parts.push([...part].sort(byCodeUnit));
    else rest.push(...part);
  }
  return { parts: parts.sort(([a = ''], [b = '']) => byCodeUnit(a, b)), rest: rest.sort(byCodeUnit) };
}

/** Source packages of what comes. */
function sourcesOf(plan: Plan): Set<string> {
  const changes = plan.repositories.flatMap((r) => r.changes);
  return new Set(changes.flatMap((c) => ('to' in c && 'source' in c ? c.source : [])));
}
