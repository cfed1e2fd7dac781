import type { Capability, Flags } from '../../src/rpm/capability.ts';

/** What a package provides, what another requires, whether the one satisfies the other, and what the case is about. */
export const RANGES: readonly (readonly [
  provide: string,
  require: string,
  satisfied: boolean,
  why: string,
])[] = [
  ['a', 'a', true, 'a name is enough for a name'],
  ['a = 1-1', 'a', true, 'any version has the name'],
  ['a', 'a >= 2', true, 'a provide without a version has all of them'],
  ['a = 1.0-1', 'a = 1.0-1', true, 'equal'],
  ['a = 1.0-1', 'a = 1.0-2', false, 'another release'],
  ['a = 1.0-1', 'a = 1.0', true, 'a require without a release takes any'],
  ['a = 1.0', 'a = 1.0-2', true, 'and a provide without one has any'],
  ['a = 1.0', 'a > 1.0-2', true, 'also one above that release'],
  ['a = 1.0', 'a < 1.0-2', true, 'and one below'],
  ['a = 1.0-2', 'a > 1.0', false, 'any release of 1.0 is not above 1.0'],
  ['a = 1.0-2', 'a < 1.0', false, 'nor below'],
  ['a = 1.0-2', 'a <= 1.0', true, 'it is equal'],
  ['a < 1.0', 'a >= 1.0-2', false, 'a strict range without a release has no part of that version'],
  ['a > 1.0', 'a <= 1.0-2', false, 'nor from above'],
  ['a >= 1.0', 'a < 1.0-2', true, 'a wide one has'],
  ['a = 2', 'a >= 1.0-2', true, 'above'],
  ['a = 1', 'a > 1.0', false, 'a shorter version is older'],
  ['a = 1:1.0', 'a >= 2.0', true, 'an absent epoch is 0'],
  ['a = 2.0', 'a >= 1:1.0', false, 'on either side'],
  ['a = 0:2.0', 'a = 2.0', true, 'and 0 is what is absent'],
  ['a = 1:2.0-1', 'a = 2.0-1', false, 'so an epoch must be asked for'],
  ['a < 2', 'a > 1', true, 'ranges that meet'],
  ['a < 1', 'a > 1', false, 'ranges that do not'],
  ['a <= 1', 'a >= 1', true, 'ranges that touch'],
  ['a < 1', 'a >= 1', false, 'ranges that nearly touch'],
  ['a < 1', 'a < 9', true, 'two of one direction always meet'],
  ['a > 9', 'a > 1', true, 'upwards too'],
  ['a < 1~rc1', 'a = 1~beta', true, 'tildes count'],
  ['a = 1^git1', 'a > 1', true, 'and carets'],
  ['a = 1.05', 'a = 1.5', true, "versions are compared in rpm's order"],
];

const OPERATOR: Readonly<Record<string, Flags>> = { '<': 'LT', '<=': 'LE', '=': 'EQ', '>=': 'GE', '>': 'GT' };

/** Reads `name`, `name >= [epoch:]version[-release]`. */
export function capability(text: string): Capability {
  const [name = '', operator, evr = ''] = text.split(' ');
  if (operator === undefined) return { name };
  const [, epoch, version, release] = /^(?:(\d+):)?([^-]+)(?:-(.+))?$/.exec(evr) ?? [];
  return {
    name,
    flags: OPERATOR[operator],
    epoch: epoch === undefined ? undefined : Number(epoch),
    version,
    release,
  };
}
