import { createPublicKey, type KeyObject } from 'node:crypto';
import type { AnyKeyPacket } from 'openpgp';
import type { KeyKind } from './keys.ts';

/** Curves by their object identifiers (RFC 9580 9.2), with what JWK calls them. */
const CURVES: Readonly<Record<string, readonly [name: string, bits: number]>> = {
  '2a8648ce3d030107': ['P-256', 256],
  '2b81040022': ['P-384', 384],
  '2b81040023': ['P-521', 521],
  '2b8104000a': ['secp256k1', 256],
};
const ED25519_LEGACY = '2b06010401da470f01';

interface Made {
  readonly kind: KeyKind;
  readonly bits: number;
  readonly key: KeyObject;
}

/** The key as node:crypto takes it; undefined for one that does not sign, or with a curve that nobody here knows. */
export function publicKeyOf(packet: AnyKeyPacket): Made | undefined {
  const p = packet.publicParams as Readonly<Record<string, Uint8Array | { oid?: Uint8Array } | undefined>>;
  const bytes = (name: string) => Buffer.from(p[name] as Uint8Array);
  switch (packet.algorithm as number) {
    case 1:
    case 3: {
      const [n, e] = [bytes('n'), bytes('e')];
      const key = createPublicKey({ key: { kty: 'RSA', n: url(n), e: url(e) }, format: 'jwk' });
      return { kind: 'rsa', bits: bitsOf(n), key };
    }
    case 17:
      return {
        kind: 'dsa',
        bits: bitsOf(bytes('p')),
        key: dsaKey(bytes('p'), bytes('q'), bytes('g'), bytes('y')),
      };
    case 19: {
      const curve = CURVES[oidOf(p['oid'])];
      if (!curve) return undefined;
      const point = bytes('Q').subarray(1); // uncompressed: 04, x, y
      const half = point.length / 2;
      const [x, y] = [url(point.subarray(0, half)), url(point.subarray(half))];
      const key = createPublicKey({ key: { kty: 'EC', crv: curve[0], x, y }, format: 'jwk' });
      return { kind: 'ecdsa', bits: curve[1], key };
    }
    case 22:
      return oidOf(p['oid']) === ED25519_LEGACY ? ed25519(bytes('Q').subarray(1)) : undefined;
    case 27:
      return ed25519(bytes('A'));
    default:
      return undefined;
  }
}

function ed25519(x: Buffer): Made {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: url(x) }, format: 'jwk' });
  return { kind: 'eddsa', bits: 256, key };
}

/** A DSA key has no JWK: SubjectPublicKeyInfo by hand (RFC 3279 2.3.2). */
function dsaKey(p: Buffer, q: Buffer, g: Buffer, y: Buffer): KeyObject {
  const algorithm = der(
    0x30,
    der(0x06, Buffer.from('2a8648ce380401', 'hex')),
    der(0x30, integer(p), integer(q), integer(g)),
  );
  const bits = der(0x03, Buffer.from([0]), integer(y));
  return createPublicKey({ key: der(0x30, algorithm, bits), format: 'der', type: 'spki' });
}

function integer(value: Buffer): Buffer {
  return der(0x02, (value[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), value]) : value);
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function oidOf(oid: unknown): string {
  const bytes = oid instanceof Uint8Array ? oid : (oid as { oid?: Uint8Array } | undefined)?.oid;
  return Buffer.from(bytes ?? [])
    .toString('hex')
    .replace(/^0[0-9a-f](?=2[ab])/, '');
}

function url(bytes: Buffer): string {
  return bytes.toString('base64url');
}

function bitsOf(number: Buffer): number {
  return number.length * 8 - Math.clz32(number[0] ?? 0) + 24;
}
