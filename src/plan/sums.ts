import { formatChecksum } from '../base/checksum.ts';
import type { Pin } from './types.ts';

export function sumOf({ checksum }: Pin): string {
  return formatChecksum(checksum);
}

const known = new WeakMap<readonly Pin[], ReadonlySet<string>>();
const NONE: readonly Pin[] = [];

/** Checksums as text; of one list, which several questions are asked of, once. */
export function sumsOf(pins: readonly Pin[] = NONE): ReadonlySet<string> {
  const sums = known.get(pins) ?? new Set(pins.map(sumOf));
  known.set(pins, sums);
  return sums;
}

/**
 * Pins of one list whose bytes another one lacks. Most are the very same objects, because one list was read from what it has in common
 * with the other: only the rest is compared by checksum.
 */
export function beyond(pins: readonly Pin[] = NONE, other: readonly Pin[] = NONE): Pin[] {
  if (pins === other) return [];
  const same = new Set(other);
  const rest = pins.filter((pin) => !same.has(pin));
  const there = among(rest, other);
  return rest.filter((pin) => !there.has(sumOf(pin)));
}

/** Checksums of these builds that a list has, without one text for each build of the list. */
export function among(few: readonly Pin[], list: readonly Pin[] = NONE): ReadonlySet<string> {
  if (few.length === 0) return new Set();
  const wanted = new Set(few.map(({ checksum }) => checksum.hex));
  return new Set(list.filter(({ checksum }) => wanted.has(checksum.hex)).map(sumOf));
}
