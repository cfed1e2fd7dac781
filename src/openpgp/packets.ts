import { Fault } from '../base/fault.ts';

/** One OpenPGP signature (RFC 4880 5.2, RFC 9580 5.2) of version 3, 4 or 6, taken apart but not believed. */
export interface SignaturePacket {
  readonly version: 3 | 4 | 6;
  /** 0x00: over a binary document, the only kind that signs headers, packages and repomd.xml. */
  readonly type: number;
  /** RFC 9580 9.1: 1 and 3 RSA, 17 DSA, 19 ECDSA, 22 EdDSA (legacy), 27 Ed25519. */
  readonly publicKeyAlgorithm: number;
  /** RFC 9580 9.5: 1 MD5, 2 SHA-1, 8 SHA-256, … */
  readonly hashAlgorithm: number;
  /** As the signature says, in its signed part; undefined where it does not. */
  readonly created: Date | undefined;
  /** Seconds after `created`; undefined: never. */
  readonly expiresAfter: number | undefined;
  /** 16, 40 or 64 hex digits, upper case. A hint which key to try: what is not in the signed part may be anybody's. */
  readonly issuers: readonly string[];
  /** What is hashed before the document: empty below version 6. */
  readonly salt: Buffer;
  /** What is hashed after the document. */
  readonly trailer: Buffer;
  /** The first two bytes of the hash, as a quick check. */
  readonly left16: Buffer;
  /** The algorithm's numbers, big-endian without leading zeros; of Ed25519 (27) one string of 64 bytes. */
  readonly numbers: readonly Buffer[];
}

/** A packet that nobody here can read: a version or a kind of a later standard. */
export interface UnreadPacket {
  readonly unread: string;
}

const SIGNATURE = 2;
const MOST_PACKETS = 32;

/** The signature packets of a detached signature, binary. Anything else in it is a Fault SIGNATURE_INVALID. */
export function readSignatures(bytes: Buffer, at: string): (SignaturePacket | UnreadPacket)[] {
  const packets: (SignaturePacket | UnreadPacket)[] = [];
  for (let rest = new Bytes(bytes, at); rest.left > 0; ) {
    if (packets.length === MOST_PACKETS) throw invalid(`it has more than ${MOST_PACKETS} packets`, at);
    const { tag, body } = readPacket(rest);
    if (tag === SIGNATURE) packets.push(readSignature(new Bytes(body, at)));
    else packets.push({ unread: `packet of kind ${tag}` });
  }
  return packets;
}

function readPacket(bytes: Bytes): { tag: number; body: Buffer } {
  const head = bytes.byte();
  if ((head & 0x80) === 0) throw invalid('it is not an OpenPGP packet', bytes.at);
  if ((head & 0x40) === 0) {
    const kind = head & 3; // of length: 1, 2 or 4 bytes; 3 is "to the end", which only encrypted data has
    if (kind === 3) throw invalid('a packet has no length', bytes.at);
    return { tag: (head >> 2) & 15, body: bytes.take(bytes.number(1 << kind)) };
  }
  const first = bytes.byte();
  const tag = head & 63;
  if (first < 192) return { tag, body: bytes.take(first) };
  if (first < 224) return { tag, body: bytes.take(((first - 192) << 8) + bytes.byte() + 192) };
  if (first === 255) return { tag, body: bytes.take(bytes.number(4)) };
  throw invalid('a packet comes in parts', bytes.at);
}

function readSignature(bytes: Bytes): SignaturePacket | UnreadPacket {
  const version = bytes.byte();
  if (version === 3) return readVersion3(bytes);
  if (version === 4 || version === 6) return readVersion4or6(bytes, version);
  return { unread: `signature of version ${version}` };
}

function readVersion3(bytes: Bytes): SignaturePacket {
  if (bytes.byte() !== 5) throw invalid('the signed part of a version 3 signature has 5 bytes', bytes.at);
  const trailer = Buffer.from(bytes.take(5));
  const keyId = bytes.take(8).toString('hex').toUpperCase();
  const publicKeyAlgorithm = bytes.byte();
  const hashAlgorithm = bytes.byte();
  return {
    version: 3,
    type: trailer.readUInt8(0),
    publicKeyAlgorithm,
    hashAlgorithm,
    created: new Date(trailer.readUInt32BE(1) * 1000),
    expiresAfter: undefined,
    issuers: [keyId],
    salt: Buffer.alloc(0),
    trailer,
    left16: bytes.take(2),
    numbers: readNumbers(bytes, publicKeyAlgorithm),
  };
}

/** Version 6 is version 4 with longer lengths and a salt. */
function readVersion4or6(bytes: Bytes, version: 4 | 6): SignaturePacket | UnreadPacket {
  const lengthBytes = version === 4 ? 2 : 4;
  const start = bytes.position - 1;
  const type = bytes.byte();
  const publicKeyAlgorithm = bytes.byte();
  const hashAlgorithm = bytes.byte();
  const signed = readSubpackets(new Bytes(bytes.take(bytes.number(lengthBytes)), bytes.at));
  const hashed = bytes.since(start);
  const unsigned = readSubpackets(new Bytes(bytes.take(bytes.number(lengthBytes)), bytes.at));
  const end = Buffer.alloc(6);
  end.writeUInt16BE((version << 8) + 0xff, 0);
  end.writeUInt32BE(hashed.length, 2);
  if (signed.critical !== undefined) return { unread: `critical subpacket ${signed.critical}` };
  if (version === 6 && !NUMBERS_OF_VERSION_6.has(publicKeyAlgorithm)) {
    return { unread: `signature of version 6 with algorithm ${publicKeyAlgorithm}` };
  }
  const left16 = bytes.take(2);
  return {
    version,
    type,
    publicKeyAlgorithm,
    hashAlgorithm,
    created: signed.created,
    expiresAfter: signed.expiresAfter,
    issuers: [...new Set([...signed.issuers, ...unsigned.issuers])],
    salt: version === 6 ? bytes.take(bytes.byte()) : Buffer.alloc(0),
    trailer: Buffer.concat([hashed, end]),
    left16,
    numbers: readNumbers(bytes, publicKeyAlgorithm),
  };
}

/** RSA, ECDSA, Ed25519. Of the post-quantum ones neither the numbers nor the keys can be read yet. */
const NUMBERS_OF_VERSION_6: ReadonlySet<number> = new Set([1, 3, 19, 27]);

interface Subpackets {
  created: Date | undefined;
  expiresAfter: number | undefined;
  issuers: string[];
  /** One that must be understood, and is not. */
  critical: number | undefined;
}

/** Kinds that say nothing of whether a signature of a document holds: notations, preferences, policies, the signer's name. */
const HARMLESS: ReadonlySet<number> = new Set([4, 7, 11, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 34, 35]);

function readSubpackets(bytes: Bytes): Subpackets {
  const found: Subpackets = { created: undefined, expiresAfter: undefined, issuers: [], critical: undefined };
  while (bytes.left > 0) {
    const first = bytes.byte();
    const length =
      first < 192 ? first : first < 255 ? ((first - 192) << 8) + bytes.byte() + 192 : bytes.number(4);
    if (length === 0) throw invalid('a subpacket is empty', bytes.at);
    const body = new Bytes(bytes.take(length), bytes.at);
    const head = body.byte();
    const kind = head & 0x7f;
    if (kind === 2) found.created = new Date(body.number(4) * 1000);
    else if (kind === 3) found.expiresAfter = body.number(4) || undefined;
    else if (kind === 16) found.issuers.push(body.take(8).toString('hex').toUpperCase());
    else if (kind === 33) {
      const bytesOfVersion = body.byte() === 4 ? 20 : 32;
      found.issuers.push(body.take(bytesOfVersion).toString('hex').toUpperCase());
    } else if ((head & 0x80) !== 0 && !HARMLESS.has(kind)) found.critical ??= kind;
  }
  return found;
}

const ED25519 = 27;
const WITH_NUMBERS: ReadonlySet<number> = new Set([1, 3, 17, 19, 22]);

function readNumbers(bytes: Bytes, algorithm: number): Buffer[] {
  if (algorithm === ED25519) return [bytes.take(64)];
  if (!WITH_NUMBERS.has(algorithm)) return [];
  const numbers: Buffer[] = [];
  while (bytes.left > 0 && numbers.length < 4) {
    const bits = bytes.number(2);
    numbers.push(bytes.take(Math.ceil(bits / 8)));
  }
  return numbers;
}

/** Takes bytes from the front, and complains where there are too few. */
class Bytes {
  readonly at: string;
  position = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: string) {
    this.#bytes = bytes;
    this.at = at;
  }

  get left(): number {
    return this.#bytes.length - this.position;
  }

  take(count: number): Buffer {
    if (count > this.left) throw invalid('it ends within a packet', this.at);
    this.position += count;
    return this.#bytes.subarray(this.position - count, this.position);
  }

  byte(): number {
    return this.take(1).readUInt8(0);
  }

  number(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  since(position: number): Buffer {
    return this.#bytes.subarray(position, this.position);
  }
}

export function invalid(what: string, at: string, cause?: unknown): Fault {
  return new Fault('SIGNATURE_INVALID', what, {
    hint: 'Fetch it again, from another mirror; if it stays so, ask whoever signs this upstream.',
    at,
    cause,
  });
}
