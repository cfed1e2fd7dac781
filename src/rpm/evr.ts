import { malformed } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';

/** Epoch, version, release. An absent epoch is 0 (rpm's rule), so `epoch` is always a number once parsed. */
export interface Evr {
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
}

/** What may come next in a version, older first: the one number that decides most comparisons. */
const TILDE = 0;
const END = 1;
const CARET = 2;
const LETTERS = 3;
const DIGITS = 4;
const SEPARATOR = 5;

/** What each ASCII character begins, whatever the locale; everything else separates. */
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (character === '~') return TILDE;
  if (character === '^') return CARET;
  return /[0-9]/.test(character) ? DIGITS : /[A-Za-z]/.test(character) ? LETTERS : SEPARATOR;
});

const ZERO = 0x30;

/** What rpmbuild admits in a version and in a release; all of the corpus keeps to it. `-` and `:` are separators. */
const PART = /^[A-Za-z0-9._+~^]{1,256}$/;

const EVR = /^(?:([0-9]+):)?([^-:]+)-([^-:]+)$/;

/**
 * rpm's order of two versions or two releases (rpmvercmp, rpm >= 4.15): runs of digits compare as numbers, runs of
 * letters as text, digits win over letters, whatever else separates; `~` sorts before the end, `^` right after it.
 * Not a total order of texts: `1.0` and `1_0`, `1.05` and `1.5` are equal.
 */
export function vercmp(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0;
  let i = 0;
  let j = 0;
  for (;;) {
    i = runEnd(a, i, SEPARATOR);
    j = runEnd(b, j, SEPARATOR);
    const kind = kindAt(a, i);
    const other = kindAt(b, j);
    if (kind !== other) return kind < other ? -1 : 1;
    if (kind === END) return 0;
    if (kind === TILDE || kind === CARET) {
      i += 1; // one at a time: `~~` is older than `~`
      j += 1;
      continue;
    }
    const endA = runEnd(a, i, kind);
    const endB = runEnd(b, j, kind);
    const order =
      kind === DIGITS
        ? compareNumbers(a, i, endA, b, j, endB)
        : byCodeUnit(a.slice(i, endA), b.slice(j, endB));
    if (order !== 0) return order;
    i = endA;
    j = endB;
  }
}

/** Order of the builds of one package: epoch, then version, then release. */
export function compareEvr(a: Evr, b: Evr): -1 | 0 | 1 {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return vercmp(a.version, b.version) || vercmp(a.release, b.release);
}

/** `[epoch:]version-release`, the last two required. A Fault MALFORMED on anything else. */
export function parseEvr(text: string, at?: string): Evr {
  const [, epoch, version, release] = EVR.exec(text) ?? [];
  if (version === undefined || release === undefined)
    throw malformed('EVR ([epoch:]version-release)', text, at);
  return evr({ epoch, version, release }, at);
}

/** `1:3.0.7-28.el9`; the epoch only when it is not 0. `parseEvr(formatEvr(e))` equals `e`. */
export function formatEvr(e: Evr): string {
  return e.epoch === 0 ? `${e.version}-${e.release}` : `${e.epoch}:${e.version}-${e.release}`;
}

/** An EVR from fields as metadata writes them, each one checked. */
export function evr(
  fields: { epoch?: string | undefined; version: string; release: string },
  at?: string,
): Evr {
  if (!PART.test(fields.version)) throw malformed('version', fields.version, at);
  if (!PART.test(fields.release)) throw malformed('release', fields.release, at);
  return { epoch: parseEpoch(fields.epoch, at), version: fields.version, release: fields.release };
}

/**
 * A decimal of 32 bits, as rpm stores it. Absent or empty is 0, as libsolv reads metadata. `007`, `+1` and ` 1` are
 * MALFORMED: rpmbuild and createrepo_c only ever write `7`, and a build must not have two spellings.
 */
export function parseEpoch(text: string | undefined, at?: string): number {
  if (text === undefined || text === '' || text === '0') return 0;
  if (!/^[1-9][0-9]{0,9}$/.test(text) || Number(text) > 0xffff_ffff) throw malformed('epoch', text, at);
  return Number(text);
}

function kindAt(text: string, at: number): number {
  return at < text.length ? (KINDS[text.charCodeAt(at)] ?? SEPARATOR) : END;
}

/** The first place from `from` on where something else than `kind` stands. */
function runEnd(text: string, from: number, kind: number): number {
  let at = from;
  while (kindAt(text, at) === kind) at += 1;
  return at;
}

/** As numbers of any length, without making them numbers. */
function compareNumbers(a: string, i: number, endA: number, b: string, j: number, endB: number): -1 | 0 | 1 {
  let x = i;
  let y = j;
  while (x < endA && a.charCodeAt(x) === ZERO) x += 1;
  while (y < endB && b.charCodeAt(y) === ZERO) y += 1;
  if (endA - x !== endB - y) return endA - x < endB - y ? -1 : 1;
  for (; x < endA; x += 1, y += 1) {
    const difference = a.charCodeAt(x) - b.charCodeAt(y);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return 0;
}
