import type { KeyObject } from 'node:crypto';
import type { AnyKeyPacket, Config, Key, Subkey } from 'openpgp';
import { invalid } from './packets.ts';
import { publicKeyOf } from './publicKey.ts';

export type KeyKind = 'rsa' | 'dsa' | 'ecdsa' | 'eddsa';

/** A key that may have signed something: a certificate's primary key, or a subkey that it has bound for signing. */
export interface SigningKey {
  /** 40 hex digits, upper case; 64 of a version 6 key. */
  readonly fingerprint: string;
  /** That of the certificate: what policies name. */
  readonly primary: string;
  readonly kind: KeyKind;
  /** Of the modulus, or of the curve. */
  readonly bits: number;
  readonly key: KeyObject;
  readonly created: Date;
  /** Undefined: never. */
  readonly expires: Date | undefined;
  /** The key, or the certificate that it belongs to. */
  readonly revoked: boolean;
}

/** Read is also what is weak or old: whether that counts is a policy's to say, and is said with its reason. */
const CONFIG = {
  rejectHashAlgorithms: new Set(),
  rejectMessageHashAlgorithms: new Set(),
  rejectPublicKeyAlgorithms: new Set(),
  rejectCurves: new Set(),
  minRSABits: 512,
} as unknown as Config;
const MOST_BYTES = 4 << 20;
const BLOCK = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g;
/** Self-signatures are judged by themselves: what has expired since is told, not left out. */
const ANY_TIME = null as unknown as Date;
const MAY_SIGN = 2;

/**
 * The signing keys of a file of certificates, armored or binary. A subkey counts only where the certificate has bound it for
 * signing and it has signed that itself (CVE-2021-3521). SIGNATURE_INVALID for a file that cannot be read.
 */
export async function readKeys(bytes: Buffer, at: string): Promise<SigningKey[]> {
  if (bytes.length > MOST_BYTES) throw invalid(`the key file has ${bytes.length} bytes`, at);
  const keys: SigningKey[] = [];
  for (const certificate of await certificates(bytes, at)) keys.push(...(await signingKeys(certificate)));
  return keys;
}

async function certificates(bytes: Buffer, at: string): Promise<Key[]> {
  const { readKeys: readCertificates } = await import('openpgp'); // 70 ms, which most commands need not take
  const blocks = bytes.toString('latin1').match(BLOCK);
  try {
    if (!blocks) return await readCertificates({ binaryKeys: new Uint8Array(bytes), config: CONFIG });
    const all: Key[] = [];
    for (const armoredKeys of blocks) all.push(...(await readCertificates({ armoredKeys, config: CONFIG })));
    return all;
  } catch (cause) {
    throw invalid(`the key cannot be read: ${String(cause).slice(0, 200)}`, at, cause);
  }
}

async function signingKeys(certificate: Key): Promise<SigningKey[]> {
  const primary = certificate.getFingerprint().toUpperCase();
  const revoked = await certificate.isRevoked(undefined, undefined, ANY_TIME, CONFIG);
  const expires = dateOf(await certificate.getExpirationTime(undefined, CONFIG).catch(() => null));
  const keys = [describe(certificate.keyPacket, { primary, revoked, expires })];
  for (const subkey of certificate.subkeys) {
    const bound = await boundForSigning(subkey);
    if (bound) {
      keys.push(
        describe(subkey.keyPacket, {
          primary,
          revoked: revoked || bound.revoked,
          expires: earlier(expires, bound.expires),
        }),
      );
    }
  }
  return keys.filter((key) => key !== undefined);
}

/** Undefined unless a binding signature of the certificate holds, is for signing, and carries the subkey's own. */
async function boundForSigning(
  subkey: Subkey,
): Promise<{ revoked: boolean; expires: Date | undefined } | undefined> {
  const { keyPacket, mainKey } = subkey;
  const bound = { key: mainKey.keyPacket, bind: keyPacket };
  for (const signature of [...subkey.bindingSignatures].sort(
    (a, b) => timeOf(b.created) - timeOf(a.created),
  )) {
    try {
      await signature.verify(mainKey.keyPacket, SUBKEY_BINDING, bound, ANY_TIME, false, CONFIG);
      const flags = signature.keyFlags?.[0];
      if (flags !== undefined && (flags & MAY_SIGN) === 0) return undefined;
      const own = signature.embeddedSignature;
      if (!own) return undefined;
      await own.verify(keyPacket, KEY_BINDING, bound, ANY_TIME, false, CONFIG);
      const revoked = await isRevoked(subkey);
      const seconds = signature.keyNeverExpires === false ? signature.keyExpirationTime : null;
      const expires = seconds ? new Date(keyPacket.created.getTime() + seconds * 1000) : undefined;
      return { revoked, expires };
    } catch {
      // this one does not hold; an older one may
    }
  }
  return undefined;
}

/** For whatever reason: a policy can have the vendor's next key. */
async function isRevoked({ keyPacket, mainKey, revocationSignatures }: Subkey): Promise<boolean> {
  const bound = { key: mainKey.keyPacket, bind: keyPacket };
  for (const signature of revocationSignatures) {
    try {
      await signature.verify(mainKey.keyPacket, SUBKEY_REVOCATION, bound, ANY_TIME, false, CONFIG);
      return true;
    } catch {
      // anybody can write a revocation
    }
  }
  return false;
}

const SUBKEY_BINDING = 0x18;
const KEY_BINDING = 0x19;
const SUBKEY_REVOCATION = 0x28;

function describe(
  packet: AnyKeyPacket,
  of: { primary: string; revoked: boolean; expires: Date | undefined },
): SigningKey | undefined {
  const made = publicKeyOf(packet);
  if (!made || (packet.version !== 4 && packet.version !== 6)) return undefined;
  return { fingerprint: packet.getFingerprint().toUpperCase(), created: packet.created, ...made, ...of };
}

function dateOf(time: Date | number | null): Date | undefined {
  return time instanceof Date ? time : undefined;
}

function timeOf(date: Date | null): number {
  return date?.getTime() ?? 0;
}

function earlier(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (!a || !b) return a ?? b;
  return a < b ? a : b;
}
