import type { SigningKey } from './keys.ts';
import { type Examined, type Finding, keyId, type Tried } from './package.ts';
import type { SignaturePacket } from './packets.ts';
import { hashName } from './verify.ts';

/** What a policy lets pass that is refused else. */
export type Leniency = 'md5' | 'sha1' | 'expired';

export interface SignatureRules {
  readonly allow: ReadonlySet<Leniency>;
  readonly now: Date;
}

/** A package's or a document's signatures, judged. `why` is a clause: "it is not signed". */
export type Verdict =
  | { readonly kind: 'signed'; readonly by: readonly SigningKey[] }
  | {
      readonly kind: 'refused';
      readonly why: string;
      /** False: made by a known key, over other bytes. */
      readonly holds?: false;
    };

/**
 * Header and payload must both be covered by a signature that counts: of a key of the policy that is neither revoked nor expired, with a
 * hash that is not weak. Every digest must hold, and no signature may be wrong: rpm refuses such a file too. Of an rpm 6 list of
 * signatures one is enough (rpm's doc/rpmkeys.8: signatures by unknown keys are passed over).
 */
export function judge(examined: Examined, rules: SignatureRules): Verdict {
  const broken = brokenDigests(examined);
  if (broken !== undefined) return refused(broken);
  const { findings, payloadInHeader } = examined;
  const bad = findings.find((f) => f.kind === 'bad');
  if (bad?.kind === 'bad') return refused(`the signature by ${nameOf(bad.signer)} does not hold`);
  const stranger = findings.find((f) => f.kind === 'unknown key' && !f.oneOfMany);
  if (stranger?.kind === 'unknown key') return refused(strangerSays(stranger.packet));
  const unread = findings.find((f) => f.kind === 'unread' && !f.oneOfMany);
  if (unread?.kind === 'unread') return refused(`its signature cannot be read: ${unread.why}`);

  const good = findings.filter((f): f is Tried => f.kind === 'good');
  const judged = good.map((finding) => ({ finding, flaw: flawOf(finding, rules) }));
  const counting = judged.filter(({ flaw }) => flaw === undefined).map(({ finding }) => finding);
  if (counting.length === 0) return refused(judged[0]?.flaw ?? withoutSignature(findings));
  const covered = counting.some(({ over }) => over === 'both') || payloadInHeader;
  if (!covered) return refused('its signature does not cover the payload');
  return { kind: 'signed', by: [...new Set(counting.map(({ signer }) => signer))] };
}

/** Which digests do not hold, said as a clause. That is wrong whether or not signatures are asked for. */
export function brokenDigests({ broken }: Examined): string | undefined {
  return broken.length === 0 ? undefined : `its digest does not hold (${broken.join(', ')})`;
}

/** Why a signature that holds does not count; undefined where it does. */
export function flawOf(
  { packet, signer }: { readonly packet: SignaturePacket; readonly signer: SigningKey },
  { allow, now }: SignatureRules,
): string | undefined {
  const by = nameOf(signer);
  const hash = hashName(packet);
  if (signer.revoked) return `it is signed by ${by}, which is revoked`;
  if ((hash === 'md5' || hash === 'sha1') && !allow.has(hash))
    return `its signature is made with ${hash}, which can be forged`;
  if (hash === 'ripemd160') return 'its signature is made with ripemd160, which is not trusted';
  const { created, expiresAfter } = packet;
  if (allow.has('expired')) return undefined;
  if (signer.expires && signer.expires <= now)
    return `it is signed by ${by}, which expired on ${day(signer.expires)}`;
  if (created && expiresAfter !== undefined) {
    const end = new Date(created.getTime() + expiresAfter * 1000);
    if (end <= now) return `its signature expired on ${day(end)}`;
  }
  return undefined;
}

/** As policies and vendors write it. */
export function nameOf(signer: SigningKey): string {
  return signer.fingerprint === signer.primary
    ? `key ${signer.primary}`
    : `subkey ${keyId(signer.fingerprint)} of ${signer.primary}`;
}

export function strangerSays({ issuers }: SignaturePacket): string {
  return issuers[0] === undefined
    ? 'it is signed by a key that the policy does not name'
    : `it is signed by ${issuers[0]}, which is not a key of the policy`;
}

function withoutSignature(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'it is not signed';
  const strangers = findings.flatMap((f) =>
    f.kind === 'unknown key' ? [f.packet.issuers[0] ?? 'an unnamed key'] : [],
  );
  const unread = findings.flatMap((f) => (f.kind === 'unread' ? [f.why] : []));
  const said = [
    ...(strangers.length > 0 ? [`by ${strangers.join(', ')}`] : []),
    ...(unread.length > 0 ? [`in a way that cannot be read (${unread.join(', ')})`] : []),
  ];
  return `it is signed only ${said.join(' and ')}`;
}

function refused(why: string): Verdict {
  return { kind: 'refused', why };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
