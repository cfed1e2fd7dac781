import { createHash, createVerify, type KeyObject, verify as verifyNow } from 'node:crypto';
import type { SigningKey } from './keys.ts';
import type { SignaturePacket } from './packets.ts';

/** RFC 9580 9.5. */
const HASHES: Readonly<Record<number, string>> = {
  1: 'md5',
  2: 'sha1',
  3: 'ripemd160',
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
  12: 'sha3-256',
  14: 'sha3-512',
};
const OF_A_DOCUMENT = 0x00;
const ALGORITHMS = { rsa: [1, 3], dsa: [17], ecdsa: [19], eddsa: [22, 27] } as const;

/** The name of a hash algorithm as node:crypto has it; undefined for one that is not known. */
export function hashName(packet: SignaturePacket): string | undefined {
  return HASHES[packet.hashAlgorithm];
}

/** Takes a document in pieces; then says whether a key's signature of it holds. Of the key's life it knows nothing. */
export interface Check {
  update(bytes: Buffer): void;
  holds(): boolean;
}

/** Undefined where this key cannot have made this signature: another algorithm, or not over a document. */
export function startCheck(packet: SignaturePacket, signer: SigningKey): Check | undefined {
  const hash = hashName(packet);
  const known: readonly number[] = ALGORITHMS[signer.kind];
  if (!hash || packet.type !== OF_A_DOCUMENT || !known.includes(packet.publicKeyAlgorithm)) return undefined;
  const signature = signatureBytes(packet, signer);
  if (!signature) return undefined;
  if (signer.kind === 'eddsa') {
    const digest = createHash(hash).update(packet.salt); // Ed25519 signs the digest as if it were the document
    return {
      update: (bytes) => void digest.update(bytes),
      holds: () => verifyNow(null, digest.update(packet.trailer).digest(), signer.key, signature),
    };
  }
  const check = createVerify(hash).update(packet.salt);
  const key: { key: KeyObject; dsaEncoding: 'ieee-p1363' } = { key: signer.key, dsaEncoding: 'ieee-p1363' };
  return {
    update: (bytes) => void check.update(bytes),
    holds: () => check.update(packet.trailer).verify(key, signature),
  };
}

/** In the form that node:crypto takes: numbers at their full width, one after the other. */
function signatureBytes(
  { numbers, publicKeyAlgorithm }: SignaturePacket,
  signer: SigningKey,
): Buffer | undefined {
  const [first, second] = numbers;
  if (!first) return undefined;
  if (publicKeyAlgorithm === 27) return first;
  if (signer.kind === 'rsa') return padded(first, Math.ceil(signer.bits / 8));
  const details = signer.key.asymmetricKeyDetails;
  const width =
    signer.kind === 'dsa' ? Math.ceil((details?.divisorLength ?? 160) / 8) : Math.ceil(signer.bits / 8);
  const [r, s] = [padded(first, width), second && padded(second, width)];
  return r && s ? Buffer.concat([r, s]) : undefined;
}

function padded(number: Buffer, width: number): Buffer | undefined {
  if (number.length > width) return undefined;
  return Buffer.concat([Buffer.alloc(width - number.length), number]);
}
