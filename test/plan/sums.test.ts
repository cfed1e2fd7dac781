import fc from 'fast-check';
import { expect, it } from 'vitest';
import { among, beyond, sumOf, sumsOf } from '../../src/plan/sums.ts';
import type { Pin } from '../../src/plan/types.ts';
import { parseNevra } from '../../src/rpm/nevra.ts';

/** Few of each, so that lists share objects, and other objects have equal checksums. */
const anyPin = fc.record({ name: fc.constantFrom('a', 'b', 'c'), digit: fc.constantFrom('0', '1', '2') });
const objects = new Map<string, Pin>();

function pinOf({ name, digit }: { name: string; digit: string }, isShared: boolean): Pin {
  const made: Pin = {
    nevra: parseNevra(`${name}-1-1.noarch`),
    checksum: { type: 'sha256', hex: digit.repeat(64) },
    size: 1,
    record: '0'.repeat(12),
    withdrawn: false,
  };
  if (!isShared) return made;
  const key = `${name}${digit}`;
  const shared = objects.get(key) ?? made;
  objects.set(key, shared);
  return shared;
}

it('finds what all checksums of both lists would say', () => {
  const list = fc.array(fc.tuple(anyPin, fc.boolean()).map(([fields, isShared]) => pinOf(fields, isShared)));
  fc.assert(
    fc.property(list, list, (pins, other) => {
      expect(beyond(pins, other)).toEqual(pins.filter((pin) => !sumsOf(other).has(sumOf(pin))));
      expect(among(pins, other)).toEqual(sumsOf(pins).intersection(sumsOf(other)));
    }),
  );
});
