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

export function groupPins(pins: Iterable<Pin>, facts: Facts): Map<string, Pin[]> {
  const groups = groupBy(pins, (pin) => groupKey(pin, facts));
  for (const group of groups.values()) group.sort((a, b) => compareEvr(a.nevra.evr, b.nevra.evr));
  return groups;
}

/** The newest of a group that is sorted, oldest first. */
export function newest(group: readonly Pin[] | undefined): Pin | undefined {
  return group?.at(-1);
}
