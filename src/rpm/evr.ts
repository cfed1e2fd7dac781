import { malformed } from '../base/fault.ts';

/** Epoch, version, release. An absent epoch is 0 (rpm's rule), so `epoch` is always a number once parsed. */
export interface Evr {
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
}

const TILDE = 0x7e;
const CARET = 0x5e;
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
    i = skipSeparators(a, i);
    j = skipSeparators(b, j);
    const x = a.charCodeAt(i); // NaN at the end: equal to nothing, neither digit nor letter
    const y = b.charCodeAt(j);
    if (x === TILDE || y === TILDE) {
      if (x !== y) return x === TILDE ? -1 : 1;
    } else if (x === CARET || y === CARET) {
      if (i === a.length) return -1;
      if (j === b.length) return 1;
      if (x !== y) return x === CARET ? -1 : 1;
    } else {
      if (i === a.length || j === b.length) break;
      const numeric = isDigit(x);
      const endA = segmentEnd(a, i, numeric);
      const endB = segmentEnd(b, j, numeric);
      if (endB === j) return numeric ? 1 : -1; // segments of two kinds: the number is newer
      const order = numeric
        ? compareDigits(a, i, endA, b, j, endB)
        : compareText(a.slice(i, endA), b.slice(j, endB));
      if (order !== 0) return order;
      i = endA;
      j = endB;
      continue;
    }
    i += 1; // both stand on the same mark
    j += 1;
  }
  if (i === a.length) return j === b.length ? 0 : -1; // whoever has something left is newer
  return 1;
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

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a); // ASCII only, whatever the locale
}

function skipSeparators(text: string, from: number): number {
  let i = from;
  for (; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (isDigit(code) || isLetter(code) || code === TILDE || code === CARET) break;
  }
  return i;
}

function segmentEnd(text: string, from: number, numeric: boolean): number {
  let i = from;
  while (i < text.length && (numeric ? isDigit(text.charCodeAt(i)) : isLetter(text.charCodeAt(i)))) i += 1;
  return i;
}

/** As numbers of any length, without making them numbers. */
function compareDigits(a: string, i: number, endA: number, b: string, j: number, endB: number): -1 | 0 | 1 {
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

function compareText(a: string, b: string): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0;
}
