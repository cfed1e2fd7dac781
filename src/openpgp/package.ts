import { createHash, type Hash } from 'node:crypto';
import { type ClaimedDigest, type ClaimedSignature, evidenceOf } from '../rpm/evidence.ts';
import { type OpenRpm, openRpm } from '../rpm/header.ts';
import type { SigningKey } from './keys.ts';
import { readSignatures, type SignaturePacket } from './packets.ts';
import { type Check, hashName, startCheck } from './verify.ts';

/** A signature by a key that is known. */
export interface Tried {
  readonly kind: 'good' | 'bad';
  readonly over: 'header' | 'both';
  readonly packet: SignaturePacket;
  readonly signer: SigningKey;
  readonly oneOfMany: boolean;
}

/** What was found of one signature of a package. Whether that is enough is for `judge` to say. */
export type Finding =
  | Tried
  | {
      readonly kind: 'unknown key';
      readonly over: 'header' | 'both';
      readonly packet: SignaturePacket;
      readonly oneOfMany: boolean;
    }
  | { readonly kind: 'unread'; readonly why: string; readonly oneOfMany: boolean };

/** An RPM file, examined from its first byte to its last. */
export interface Examined {
  readonly rpm: Pick<OpenRpm, 'file' | 'header' | 'signatures'>;
  /** Digests that do not hold, by name. */
  readonly broken: readonly string[];
  /** Whether the main header holds a digest of the payload, which a signature of the header then covers. */
  readonly payloadInHeader: boolean;
  readonly findings: readonly Finding[];
  /** sha256 of main header and payload: the same however the file was signed. Hex. */
  readonly content: string;
}

/** Reads the whole file once. RPM_INVALID and SIGNATURE_INVALID for what cannot be read. */
export async function examinePackage(
  source: AsyncIterable<Buffer>,
  keys: readonly SigningKey[],
  at: string,
): Promise<Examined> {
  const rpm = await openRpm(source, at);
  try {
    const { digests, signatures } = evidenceOf(rpm, at);
    const spans = new Spans();
    const broken = digests.map((claim) => ({ claim, hash: spans.hash(claim) }));
    const trials = signatures.flatMap((claim) => trialsOf(claim, keys, spans, at));
    const content = createHash('sha256');
    spans.add('both', content);
    spans.header(rpm.headerBytes);
    for await (const chunk of rpm.payload()) spans.payload(chunk);
    return {
      rpm: { file: rpm.file, header: rpm.header, signatures: rpm.signatures },
      broken: broken
        .filter(({ claim, hash }) => hash.digest('hex') !== claim.hex)
        .map(({ claim }) => claim.name),
      payloadInHeader: digests.some(({ over }) => over === 'payload'),
      findings: trials.map((finish) => finish()),
      content: content.digest('hex'),
    };
  } finally {
    await rpm.close();
  }
}

/** What is over the header, the payload or both, fed with one pass over the file. */
class Spans {
  readonly #ofHeader: { update(bytes: Buffer): unknown }[] = [];
  readonly #ofPayload: { update(bytes: Buffer): unknown }[] = [];

  hash({ algorithm, over }: ClaimedDigest): Hash {
    const hash = createHash(algorithm);
    this.add(over, hash);
    return hash;
  }

  add(over: ClaimedDigest['over'], taker: { update(bytes: Buffer): unknown }): void {
    if (over !== 'payload') this.#ofHeader.push(taker);
    if (over !== 'header') this.#ofPayload.push(taker);
  }

  header(bytes: Buffer): void {
    for (const taker of this.#ofHeader) taker.update(bytes);
  }

  payload(chunk: Buffer): void {
    for (const taker of this.#ofPayload) taker.update(chunk);
  }
}

/** Of each packet: what will be found once the file was read. */
function trialsOf(
  { over, packets, oneOfMany }: ClaimedSignature,
  keys: readonly SigningKey[],
  spans: Spans,
  at: string,
): (() => Finding)[] {
  return readSignatures(packets, at).map((packet) => {
    if ('unread' in packet) return () => ({ kind: 'unread', why: packet.unread, oneOfMany });
    if (hashName(packet) === undefined) {
      return () => ({ kind: 'unread', why: `hash algorithm ${packet.hashAlgorithm}`, oneOfMany });
    }
    const checks: { signer: SigningKey; check: Check }[] = [];
    for (const signer of keys.filter((key) => mayBeBy(packet, key))) {
      const check = startCheck(packet, signer);
      if (!check) continue;
      spans.add(over, check);
      checks.push({ signer, check });
    }
    return () => {
      const tried = checks.map(({ signer, check }) => ({ signer, holds: check.holds() }));
      const [first] = tried;
      if (!first) return { kind: 'unknown key', over, packet, oneOfMany };
      const good = tried.find(({ holds }) => holds);
      const { signer } = good ?? first;
      return { kind: good ? 'good' : 'bad', over, packet, signer, oneOfMany };
    };
  });
}

/** By fingerprint or key id; two keys can have one id, and then both are tried. */
export function mayBeBy(packet: SignaturePacket, key: SigningKey): boolean {
  if (packet.issuers.length === 0) return true;
  return packet.issuers.some((issuer) =>
    issuer.length === 16 ? keyId(key.fingerprint) === issuer : issuer === key.fingerprint,
  );
}

/** RFC 9580 5.5.4: the end of a version 4 fingerprint, the beginning of a version 6 one. */
export function keyId(fingerprint: string): string {
  return fingerprint.length === 64 ? fingerprint.slice(0, 16) : fingerprint.slice(-16);
}
