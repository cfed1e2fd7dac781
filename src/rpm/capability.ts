import { vercmp } from './evr.ts';

/** How a capability's version is meant, in the words of repository metadata. */
export type Flags = 'LT' | 'LE' | 'EQ' | 'GE' | 'GT';

/**
 * What a package provides, requires, obsoletes, …: a name, or a name with a range of versions. An absent epoch is 0,
 * an absent release is any. Rich dependencies are names that begin with `(`.
 */
export interface Capability {
  readonly name: string;
  readonly flags?: Flags | undefined;
  readonly epoch?: number | undefined;
  readonly version?: string | undefined;
  readonly release?: string | undefined;
  /** Needed before installation (`Requires(pre)`). */
  readonly pre?: boolean | undefined;
}

const OPERATORS: Readonly<Record<Flags, string>> = { LT: '<', LE: '<=', EQ: '=', GE: '>=', GT: '>' };

const LESS = 1;
const EQUAL = 2;
const GREATER = 4;
const SENSE: Readonly<Record<Flags, number>> = {
  LT: LESS,
  LE: LESS | EQUAL,
  EQ: EQUAL,
  GE: GREATER | EQUAL,
  GT: GREATER,
};

/** A word of metadata (`flags="GE"`), or undefined when it is none. */
export function isFlags(text: string): text is Flags {
  return Object.hasOwn(SENSE, text);
}

/** `libc.so.6(GLIBC_2.34)(64bit)`, `openssl-libs >= 1:3.0`, as rpm prints it; an epoch of 0 is left out. */
export function formatCapability(c: Capability): string {
  if (!c.flags || !c.version) return c.name;
  const epoch = c.epoch ? `${c.epoch}:` : '';
  const release = c.release ? `-${c.release}` : '';
  return `${c.name} ${OPERATORS[c.flags]} ${epoch}${c.version}${release}`;
}

/**
 * True when some version satisfies both: rpm's rpmdsCompare, and libsolv's answer to "does this provide that".
 * Symmetric. Names must be equal; a side without flags or without a version matches every version.
 */
export function overlaps(a: Capability, b: Capability): boolean {
  if (a.name !== b.name) return false;
  if (!a.flags || !b.flags || !a.version || !b.version) return true;
  const p = SENSE[a.flags];
  const q = SENSE[b.flags];
  let order = compareEpochAndVersion(a, b);
  if (order === 0 && a.release && b.release) order = vercmp(a.release, b.release);
  else if (order === 0 && a.release && q & EQUAL)
    return true; // the side without a release means all of them
  else if (order === 0 && b.release && p & EQUAL) return true;
  if (order < 0) return (p & GREATER) !== 0 || (q & LESS) !== 0;
  if (order > 0) return (p & LESS) !== 0 || (q & GREATER) !== 0;
  return (p & q) !== 0;
}

function compareEpochAndVersion(a: Capability, b: Capability): -1 | 0 | 1 {
  const x = a.epoch ?? 0;
  const y = b.epoch ?? 0;
  if (x !== y) return x < y ? -1 : 1;
  return vercmp(a.version ?? '', b.version ?? '');
}
