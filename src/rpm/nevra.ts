import { malformed } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { compareEvr, type Evr, evr, formatEvr } from './evr.ts';

/** Name, epoch, version, release, arch: the identity of a build within a repository. */
export interface Nevra {
  readonly name: string;
  readonly evr: Evr;
  readonly arch: string;
}

/** Names become paths, branches and Markdown: nothing in here needs escaping anywhere. The corpus keeps to it. */
const NAME = /^[A-Za-z0-9_+~^][A-Za-z0-9._+~^-]{0,255}$/;
const ARCH = /^[A-Za-z0-9_]{1,256}$/;

/** The name is greedy: version and release are the last two parts between hyphens, the arch is after the last dot. */
const TEXT = /^(.+)-(?:([0-9]+):)?([^-:]+)-([^-:]+)\.([^-:.]+)$/;

/** Whether a package, or a source package, can be called so. */
export function isPackageName(text: string): boolean {
  return NAME.test(text);
}

/**
 * From fields as metadata writes them, each one checked; a Fault MALFORMED names the field that is wrong.
 * Absent or empty epochs are 0; see `parseEpoch` for what is refused.
 */
export function nevra(
  fields: { name: string; epoch?: string | undefined; version: string; release: string; arch: string },
  at?: string,
): Nevra {
  if (!NAME.test(fields.name)) throw malformed('package name', fields.name, at);
  if (!ARCH.test(fields.arch)) throw malformed('arch', fields.arch, at);
  return { name: fields.name, evr: evr(fields, at), arch: fields.arch };
}

/** `openssl-1:3.0.7-28.el9.x86_64`, read from the right; `0:` is read too. A Fault MALFORMED on anything else. */
export function parseNevra(text: string, at?: string): Nevra {
  const [, name, epoch, version, release, arch] = TEXT.exec(text) ?? [];
  if (name === undefined || version === undefined || release === undefined || arch === undefined) {
    throw malformed('NEVRA (name-[epoch:]version-release.arch)', text, at);
  }
  return nevra({ name, epoch, version, release, arch }, at);
}

/** The epoch only when it is not 0. `parseNevra(formatNevra(n))` equals `n`. */
export function formatNevra(n: Nevra): string {
  return `${n.name}-${formatEvr(n.evr)}.${n.arch}`;
}

/** `openssl.x86_64`: what manifests and dnf call a package regardless of its build. */
export function nameArch(n: Nevra): string {
  return `${n.name}.${n.arch}`;
}

/**
 * The order of manifests: name.arch by code unit, then EVR by rpm's order; builds whose EVRs rpm takes for equal
 * (`1.0` and `1_0`) by their text, so that equal data has one order.
 */
export function compareNevra(a: Nevra, b: Nevra): -1 | 0 | 1 {
  if (a.name !== b.name || a.arch !== b.arch) {
    const apart = !a.name.startsWith(b.name) && !b.name.startsWith(a.name);
    return apart ? byCodeUnit(a.name, b.name) : byCodeUnit(nameArch(a), nameArch(b));
  }
  return compareEvr(a.evr, b.evr) || byCodeUnit(formatEvr(a.evr), formatEvr(b.evr));
}

/** The same build by name: all five parts letter by letter, `1.0` and `1_0` are two. */
export function sameNevra(a: Nevra, b: Nevra): boolean {
  return (
    a.name === b.name &&
    a.arch === b.arch &&
    a.evr.epoch === b.evr.epoch &&
    a.evr.version === b.evr.version &&
    a.evr.release === b.evr.release
  );
}
