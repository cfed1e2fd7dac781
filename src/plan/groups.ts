import { groupBy } from '../base/order.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import type { Facts, Pin } from './types.ts';

/** What is compared with what: the builds of one name.arch within the same module streams, oldest first. */
export type Groups = ReadonlyMap<string, readonly Pin[]>;

/**
 * `nodejs.x86_64` or `nodejs.x86_64 nodejs:18`: "never lower", "newest" and `keep` hold within such a group, because dnf
 * compares the builds of one stream with each other and never with those of another (libdnf's module filtering).
 */
export function groupKey(pin: Pin, facts: Facts): string {
  const streams = facts.streams(formatNevra(pin.nevra));
  const key = nameArch(pin.nevra);
  return streams.length === 0 ? key : `${key} ${streams.join(' ')}`;
}

/** Kept for as long as somebody has these facts and this list, which several steps of a plan group again. */
const kept = new WeakMap<Facts, WeakMap<readonly Pin[], Groups>>();

export function groupPins(pins: readonly Pin[], facts: Facts): Groups {
  const known = kept.get(facts) ?? new WeakMap<readonly Pin[], Groups>();
  kept.set(facts, known);
  const before = known.get(pins);
  if (before) return before;
  const groups = groupBy(pins, (pin) => groupKey(pin, facts));
  for (const group of groups.values()) {
    if (group.length > 1) group.sort((a, b) => compareEvr(a.nevra.evr, b.nevra.evr));
  }
  known.set(pins, groups);
  return groups;
}

/** Those that belong to module streams. */
export function modularPins(pins: readonly Pin[], facts: Facts): Pin[] {
  return [...groupPins(pins, facts)].flatMap(([key, group]) => (key.includes(' ') ? group : []));
}

/** The newest of a group that is sorted, oldest first. */
export function newest(group: readonly Pin[] | undefined): Pin | undefined {
  return group?.at(-1);
}
