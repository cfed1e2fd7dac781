import { malformed } from './fault.ts';

/** Hex digits of each digest that repository metadata may name (createrepo_c's list), weak ones included. */
const HEX_DIGITS = { md5: 32, sha1: 40, sha224: 56, sha256: 64, sha384: 96, sha512: 128 } as const;

export type ChecksumType = keyof typeof HEX_DIGITS;

/** A digest by name: `hex` is lower case and has the type's length. */
export interface Checksum {
  readonly type: ChecksumType;
  readonly hex: string;
}

/** True of the types that collide at will: accepted only from an upstream whose policy names them. */
export function isWeak(type: ChecksumType): boolean {
  return type === 'md5' || type === 'sha1';
}

/** A type as metadata writes it: `sha` is yum's old name of `sha1`. */
export function checksumType(text: string, at?: string): ChecksumType {
  const type = text.toLowerCase() === 'sha' ? 'sha1' : text.toLowerCase();
  if (!Object.hasOwn(HEX_DIGITS, type)) throw malformed('checksum type (md5, sha1 … sha512)', text, at);
  return type as ChecksumType;
}

/** From the type and the digits as metadata writes them; upper-case digits are folded. */
export function checksum(type: string, hex: string, at?: string): Checksum {
  const known = checksumType(type, at);
  const digits = hex.toLowerCase();
  if (digits.length !== HEX_DIGITS[known] || !/^[0-9a-f]+$/.test(digits)) {
    throw malformed(`${known} checksum (${HEX_DIGITS[known]} hex digits)`, hex, at);
  }
  return { type: known, hex: digits };
}

/** `sha256:4f0c…`, as manifests write it. */
export function parseChecksum(text: string, at?: string): Checksum {
  const colon = text.indexOf(':');
  if (colon < 0) throw malformed('checksum (type:digits)', text, at);
  return checksum(text.slice(0, colon), text.slice(colon + 1), at);
}

/** `parseChecksum(formatChecksum(c))` equals `c`. */
export function formatChecksum(sum: Checksum): string {
  return `${sum.type}:${sum.hex}`;
}

export function sameChecksum(a: Checksum, b: Checksum): boolean {
  return a.type === b.type && a.hex === b.hex;
}
