import type { Pin } from '../manifest/snapshot.ts';

/** Of a directory entry, in bytes; every character of an identity is one. */
const MAX_NAME = 255;
/** Digits of the checksum in a file's name: enough that a re-rolled build has another URL. */
const DIGITS = 8;

/**
 * The file name of each pin, in their order: `<name>-<version>-<release>.<arch>.<digits of the checksum>.rpm`. The
 * epoch is not in it, as in every RPM's file name, so the digits also tell epoch twins apart; names that are equal
 * even so get four more digits until they are not. Depends on these pins alone.
 */
export function linkNames(pins: readonly Pin[]): string[] {
  const names = pins.map((pin) => nameWith(pin, DIGITS));
  for (let digits = DIGITS + 4; new Set(names).size < names.length; digits += 4) {
    const seen = new Map<string, number>();
    for (const name of names) seen.set(name, (seen.get(name) ?? 0) + 1);
    if (pins.every((pin) => digits > pin.checksum.hex.length + 4)) break; // one file under two names
    pins.forEach((pin, i) => {
      if ((seen.get(names[i] as string) ?? 0) > 1) names[i] = nameWith(pin, digits);
    });
  }
  return names;
}

function nameWith({ nevra, checksum }: Pin, digits: number): string {
  const { version, release } = nevra.evr;
  const ending = `.${checksum.hex.slice(0, digits)}.rpm`;
  const name = `${nevra.name}-${version}-${release}.${nevra.arch}`;
  if (name.length + ending.length <= MAX_NAME) return name + ending;
  return `${name.slice(0, 150)}.${checksum.hex.slice(0, 32 + digits)}.rpm`; // the digest tells them apart
}
