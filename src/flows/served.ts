import { createHash, type Hash } from 'node:crypto';
import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault, type FaultCode } from '../base/fault.ts';
import type { Expectation, Incoming } from '../pool/incoming.ts';
import { MAX_IMAGE_BYTES } from '../upstream/kickstart.ts';
import { openSource, type Source, type SourceOptions } from '../upstream/source.ts';
import { locate } from '../upstream/url.ts';

/** Answers that say something of what is served. Whatever else happens on the way is no proof of anything. */
const OF_THE_SERVER: ReadonlySet<FaultCode> = new Set([
  'HTTP_STATUS',
  'NOT_FOUND',
  'SIZE_MISMATCH',
  'CHECKSUM_MISMATCH',
  'TOO_LARGE',
  'UNSAFE_URL',
]);
/** Of a document: what it is said to have may be a lie. */
const MAX_DOCUMENT_BYTES = 2 * 2 ** 30;

/** The network, and not the mirror, ends a proof. Not a Fault, so that nobody on the way takes it for an answer. */
export class NoAnswer extends Error {
  readonly fault: Fault;
  constructor(cause: Fault) {
    super(cause.message, { cause });
    const { code, at } = cause;
    const hint = 'Try again; what was not reached is not proved, and nothing says that it was tampered with.';
    this.fault = new Fault(code, cause.message, { hint, at, cause });
  }
}

/** A small file; `missing` says why there is none. */
export type Small =
  | { readonly url: string; readonly bytes: Buffer }
  | { readonly url: string; readonly bytes?: undefined; readonly missing: string };

/** A mirror as its clients see it. */
export class Served implements AsyncDisposable {
  readonly source: Source;
  readonly #base: URL;

  private constructor(base: URL, source: Source) {
    this.#base = base;
    this.source = source;
  }

  static async open(base: URL, o: SourceOptions): Promise<Served> {
    return new Served(base, await openSource(o));
  }

  /** Below the base, encoded as its names need. */
  url(path: string): URL {
    return locate([this.#base], { href: path }, { at: this.#base.href, parentHref: false });
  }

  async read(path: string, maxBytes: number): Promise<Small> {
    const url = this.url(path);
    try {
      const read = await this.source.read(url, { maxBytes });
      if (read.kind === 'bytes') return { url: url.href, bytes: read.bytes };
      return { url: url.href, missing: 'the server answers 304 to a plain request' };
    } catch (cause) {
      return { url: url.href, missing: answerOf(cause).message };
    }
  }

  /** Reads it all and keeps nothing. Undefined: it is what was expected. A package's size is git's word, a document's may be the server's own. */
  async prove(
    path: string,
    expect: Expectation,
    what: 'package' | 'document' | 'image',
    advance: (bytes: number) => void,
  ): Promise<Fault | undefined> {
    const url = this.url(path);
    await using incoming = new Hashed(expect, url.href);
    const maxBytes = what === 'package' ? expect.size : what === 'image' ? MAX_IMAGE_BYTES : undefined;
    return await this.download(url, incoming, expect.size, { maxBytes, advance });
  }

  /** Undefined: the bytes are there and verified. */
  async download(
    url: URL,
    incoming: Incoming,
    size: number | undefined,
    o: { maxBytes?: number | undefined; advance?: (bytes: number) => void } = {},
  ): Promise<Fault | undefined> {
    const { maxBytes = MAX_DOCUMENT_BYTES, advance = () => {} } = o;
    try {
      await this.source.download(url, incoming, { size, maxBytes, advance });
      return undefined;
    } catch (cause) {
      return answerOf(cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source[Symbol.asyncDispose]();
  }
}

/** What the server said, as a Fault. Throws NoAnswer, and what is a bug of ours. */
function answerOf(cause: unknown): Fault {
  if (!(cause instanceof Fault)) throw cause;
  if (OF_THE_SERVER.has(cause.code)) return cause;
  if (cause.code === 'NETWORK') throw new NoAnswer(cause);
  throw cause;
}

/** Bytes that are only compared: no disk is needed to hash a mirror. */
class Hashed implements Incoming {
  readonly path = '';
  received = 0;
  readonly #expect: Expectation;
  readonly #at: string;
  #hash: Hash;

  constructor(expect: Expectation, at: string) {
    this.#expect = expect;
    this.#at = at;
    this.#hash = createHash(expect.checksum.type);
  }

  async write(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.received += chunk.length;
  }

  async restart(): Promise<void> {
    this.#hash = createHash(this.#expect.checksum.type);
    this.received = 0;
  }

  async verify(): Promise<void> {
    const { checksum, size } = this.#expect;
    if (size !== undefined && size !== this.received) {
      throw this.#wrong('SIZE_MISMATCH', `${this.received} bytes, not ${size}`);
    }
    const found: Checksum = { type: checksum.type, hex: this.#hash.copy().digest('hex') };
    if (found.hex === checksum.hex) return;
    throw this.#wrong('CHECKSUM_MISMATCH', `it is ${formatChecksum(found)}, not ${formatChecksum(checksum)}`);
  }

  async commit(): Promise<void> {
    throw new Error('what is only hashed has no place to go');
  }

  async discard(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #wrong(code: FaultCode, message: string): Fault {
    return new Fault(code, message, { hint: 'Publish again, and look at who wrote there.', at: this.#at });
  }
}
