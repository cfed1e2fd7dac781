import { flawOf, nameOf, type SignatureRules, strangerSays, type Verdict } from './judge.ts';
import type { SigningKey } from './keys.ts';
import { mayBeBy } from './package.ts';
import { invalid, readSignatures } from './packets.ts';
import { hashName, startCheck } from './verify.ts';

const MAX_BYTES = 1 << 20;

/**
 * A document and its detached signatures (`repomd.xml.asc`, armored or binary), judged: one that counts is enough, so that a vendor
 * can sign with the old key and the new; one by a known key that does not hold refuses all. SIGNATURE_INVALID for what is no
 * detached signature.
 */
export async function judgeDetached(
  document: Buffer,
  signature: Buffer,
  keys: readonly SigningKey[],
  rules: SignatureRules,
  at: string,
): Promise<Verdict> {
  const by: SigningKey[] = [];
  const flaws: string[] = [];
  for (const packet of readSignatures(await packetsOf(signature, at), at)) {
    if ('unread' in packet || hashName(packet) === undefined) {
      flaws.push(
        `its signature cannot be read: ${'unread' in packet ? packet.unread : `hash ${packet.hashAlgorithm}`}`,
      );
      continue;
    }
    const checks = keys
      .filter((key) => mayBeBy(packet, key))
      .flatMap((signer) => {
        const check = startCheck(packet, signer);
        check?.update(document);
        return check ? [{ signer, holds: check.holds() }] : [];
      });
    const good = checks.find(({ holds }) => holds);
    const [first] = checks;
    if (!first) flaws.push(strangerSays(packet));
    else if (!good)
      return { kind: 'refused', why: `the signature by ${nameOf(first.signer)} does not hold`, holds: false };
    else {
      const flaw = flawOf({ packet, signer: good.signer }, rules);
      if (flaw === undefined) by.push(good.signer);
      else flaws.push(flaw);
    }
  }
  if (by.length > 0) return { kind: 'signed', by };
  return { kind: 'refused', why: flaws[0] ?? 'it is not signed' };
}

const ARMOR_OF_SIGNATURES = 6; // openpgp.js: enums.armor.signature
const BLOCK = /-----BEGIN PGP SIGNATURE-----[\s\S]*?-----END PGP SIGNATURE-----/g;

/** The packets of a detached signature, armored or binary. Several blocks may stand one after the other, as `cat old.asc new.asc` leaves them. */
export async function packetsOf(signature: Buffer, at: string): Promise<Buffer> {
  if (signature.length > MAX_BYTES) throw invalid(`the signature has ${signature.length} bytes`, at);
  const text = signature.toString('latin1');
  if (text.includes('-----BEGIN PGP SIGNED MESSAGE-----')) {
    throw invalid('it is a clear-signed message, where a detached signature should be', at);
  }
  if (!text.trimStart().startsWith('-----')) return signature;
  const { unarmor } = await import('openpgp');
  const parts: Uint8Array[] = [];
  for (const block of text.match(BLOCK) ?? []) {
    try {
      const { type, data } = await unarmor(block);
      if (type !== ARMOR_OF_SIGNATURES) throw new Error(`armor of kind ${String(type)}`);
      parts.push(data as Uint8Array);
    } catch (cause) {
      throw invalid(`its armor cannot be read: ${String(cause).slice(0, 200)}`, at, cause);
    }
  }
  if (parts.length === 0) throw invalid('it has no signature', at);
  return Buffer.concat(parts);
}
