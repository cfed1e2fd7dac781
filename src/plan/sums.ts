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
