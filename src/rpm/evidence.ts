import { type Blob, bytesOf, integerOf, invalid, textOf, textsOf } from './blob.ts';
import type { OpenRpm } from './header.ts';

/** Which bytes a digest or a signature is over: the main header, the payload, or the one after the other. */
export type Span = 'header' | 'payload' | 'both';

export interface ClaimedDigest {
  /** As rpmkeys calls it: `Header SHA256`, `Payload SHA512`, `MD5`. */
  readonly name: string;
  /** As node:crypto names the algorithm. */
  readonly algorithm: string;
  readonly over: Span;
  readonly hex: string;
}

export interface ClaimedSignature {
  readonly over: 'header' | 'both';
  /** OpenPGP packets. */
  readonly packets: Buffer;
  /** One of any number (rpm 6), of which one must be ours; else the one of its kind, which must be. */
  readonly oneOfMany: boolean;
}

/** What an RPM file claims of itself, to be proved. Of the payload's digests only those in the (signed) main header count. */
export interface Evidence {
  readonly digests: readonly ClaimedDigest[];
  readonly signatures: readonly ClaimedSignature[];
}

/** rpm's include/rpm/rpmtag.h; of rpm 6 279 and 5121 on. */
const SIGNATURE_TAGS = {
  dsa: 267,
  rsa: 268,
  sha1: 269,
  sha256: 273,
  openpgp: 278,
  sha3: 279,
  pgp: 1002,
  md5: 1004,
  gpg: 1005,
};
const HEADER_TAGS = {
  payloadDigest: 5092,
  payloadDigestAlgorithm: 5093,
  payloadSha512: 5121,
  payloadSha3: 5123,
};
/** RFC 9580 9.5, as far as rpmbuild has ever used them for payloads. */
const PAYLOAD_ALGORITHMS: Readonly<Record<number, string>> = { 8: 'sha256', 9: 'sha384', 10: 'sha512' };
const SHA256 = 8;

/** RPM_INVALID where a claim cannot be read; then nothing of the file is believed. */
export function evidenceOf(rpm: Pick<OpenRpm, 'header' | 'signatures'>, at: string): Evidence {
  return {
    digests: [
      ...headerDigests(rpm.signatures, at),
      ...payloadDigests(rpm.header, at),
      ...wholeDigests(rpm.signatures, at),
    ],
    signatures: signaturesOf(rpm.signatures, at),
  };
}

function headerDigests(signatures: Blob, at: string): ClaimedDigest[] {
  const found: ClaimedDigest[] = [];
  for (const [tag, name, algorithm] of [
    [SIGNATURE_TAGS.sha1, 'Header SHA1', 'sha1'],
    [SIGNATURE_TAGS.sha256, 'Header SHA256', 'sha256'],
    [SIGNATURE_TAGS.sha3, 'Header SHA3-256', 'sha3-256'],
  ] as const) {
    const hex = textOf(signatures, tag, at);
    if (hex !== undefined) found.push({ name, algorithm, over: 'header', hex: hexOf(hex, name, at) });
  }
  return found;
}

function payloadDigests(header: Blob, at: string): ClaimedDigest[] {
  const found: ClaimedDigest[] = [];
  const [hex] = textsOf(header, HEADER_TAGS.payloadDigest, at);
  if (hex !== undefined) {
    const number = integerOf(header, HEADER_TAGS.payloadDigestAlgorithm, 4, at) ?? SHA256;
    const algorithm = PAYLOAD_ALGORITHMS[number];
    if (!algorithm) throw invalid(`its payload's digest is of algorithm ${number}`, at);
    const name = `Payload ${algorithm.toUpperCase()}`;
    found.push({ name, algorithm, over: 'payload', hex: hexOf(hex, name, at) });
  }
  for (const [tag, name, algorithm] of [
    [HEADER_TAGS.payloadSha512, 'Payload SHA512', 'sha512'],
    [HEADER_TAGS.payloadSha3, 'Payload SHA3-256', 'sha3-256'],
  ] as const) {
    const text = textOf(header, tag, at);
    if (text !== undefined) found.push({ name, algorithm, over: 'payload', hex: hexOf(text, name, at) });
  }
  return found;
}

function wholeDigests(signatures: Blob, at: string): ClaimedDigest[] {
  const md5 = bytesOf(signatures, SIGNATURE_TAGS.md5, at);
  return md5 ? [{ name: 'MD5', algorithm: 'md5', over: 'both', hex: md5.toString('hex') }] : [];
}

function signaturesOf(signatures: Blob, at: string): ClaimedSignature[] {
  const found: ClaimedSignature[] = [];
  for (const [tag, over] of [
    [SIGNATURE_TAGS.dsa, 'header'],
    [SIGNATURE_TAGS.rsa, 'header'],
    [SIGNATURE_TAGS.gpg, 'both'],
    [SIGNATURE_TAGS.pgp, 'both'],
  ] as const) {
    const packets = bytesOf(signatures, tag, at);
    if (packets) found.push({ over, packets, oneOfMany: false });
  }
  for (const base64 of textsOf(signatures, SIGNATURE_TAGS.openpgp, at)) {
    found.push({ over: 'header', packets: Buffer.from(base64, 'base64'), oneOfMany: true });
  }
  return found;
}

function hexOf(text: string, name: string, at: string): string {
  if (!/^[0-9a-f]+$/i.test(text)) throw invalid(`its ${name} digest is no hexadecimal number`, at);
  return text.toLowerCase();
}
