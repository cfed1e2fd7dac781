import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { mkdirp, renameSynced, temporaryFolder, temporaryPath } from './disk.ts';
import { diskFault, onDisk } from './disk-fault.ts';

/** What a file must be before it gets its name. `size` is absent where old metadata does not say it. */
export interface Expectation {
  readonly checksum: Checksum;
  readonly size: number | undefined;
}

/**
 * A file on its way in: hashed as it is written, never readable under its final name before size and checksum are
 * what was promised. A resumable one may be left and taken up again, by this run or a later one.
 */
export interface Incoming extends AsyncDisposable {
  readonly path: string;
  /** Bytes that are there already. */
  readonly received: number;
  write(chunk: Buffer): Promise<void>;
  /** Forgets every byte. */
  restart(): Promise<void>;
  /** Faults SIZE_MISMATCH or CHECKSUM_MISMATCH and forgets the bytes; or all is as promised. */
  verify(): Promise<void>;
  /** Verified, synced and renamed. */
  commit(target: string): Promise<void>;
  discard(): Promise<void>;
}

/** `at` names the file in faults (a URL, a build). Without `commit`, a resumable file stays for later. */
export async function openIncoming(
  mirrorRoot: string,
  expect: Expectation,
  o: { at: string; resumable: boolean },
): Promise<Incoming> {
  const path = o.resumable ? partialPath(mirrorRoot, expect.checksum) : await temporaryPath(mirrorRoot);
  await mkdirp(join(path, '..'));
  const flags =
    constants.O_RDWR | constants.O_CREAT | (o.resumable ? constants.O_NOFOLLOW : constants.O_EXCL);
  const file = await onDisk('opening', path, () => open(path, flags, 0o600));
  const incoming = new IncomingFile(path, file, expect, o);
  await incoming.takeUp();
  return incoming;
}

function partialPath(mirrorRoot: string, sum: Checksum): string {
  return join(temporaryFolder(mirrorRoot), 'partial', `${sum.type}-${sum.hex}`);
}

class IncomingFile implements Incoming {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #expect: Expectation;
  readonly #at: string;
  readonly #resumable: boolean;
  #hash: Hash;
  #received = 0;
  #closed = false;

  constructor(path: string, file: FileHandle, expect: Expectation, o: { at: string; resumable: boolean }) {
    this.path = path;
    this.#file = file;
    this.#expect = expect;
    this.#at = o.at;
    this.#resumable = o.resumable;
    this.#hash = createHash(expect.checksum.type);
  }

  get received(): number {
    return this.#received;
  }

  /** Hashes what an earlier run left; more than was promised is worth nothing. */
  async takeUp(): Promise<void> {
    const { size } = await this.#file.stat();
    if (this.#expect.size !== undefined && size > this.#expect.size) return await this.restart();
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
      this.#received = at;
    }
  }

  async write(chunk: Buffer): Promise<void> {
    const size = this.#expect.size;
    if (size !== undefined && this.#received + chunk.length > size) {
      await this.restart();
      throw new Fault('SIZE_MISMATCH', `more than the ${size} bytes that the metadata promises`, {
        hint: 'Try again later, or name another mirror.',
        at: this.#at,
      });
    }
    try {
      for (let done = 0; done < chunk.length; ) {
        const at = this.#received + done;
        done += (await this.#file.write(chunk, done, chunk.length - done, at)).bytesWritten;
      }
    } catch (cause) {
      throw diskFault(cause, 'writing', this.path);
    }
    this.#hash.update(chunk);
    this.#received += chunk.length;
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash(this.#expect.checksum.type);
    this.#received = 0;
  }

  async verify(): Promise<void> {
    const { size, checksum } = this.#expect;
    const hex = this.#hash.copy().digest('hex');
    if ((size === undefined || size === this.#received) && hex === checksum.hex) return;
    const received = this.#received;
    await this.restart();
    if (size !== undefined && size !== received) {
      throw new Fault('SIZE_MISMATCH', `${received} bytes where the metadata promises ${size}`, {
        hint: 'Try again later, or name another mirror.',
        at: this.#at,
      });
    }
    const found = formatChecksum({ type: checksum.type, hex });
    throw new Fault('CHECKSUM_MISMATCH', `${found} where the metadata promises ${formatChecksum(checksum)}`, {
      hint: 'Try again later, or name another mirror.',
      at: this.#at,
    });
  }

  async commit(target: string): Promise<void> {
    await this.verify();
    await onDisk('syncing', this.path, async () => {
      await this.#file.chmod(0o444);
      await this.#file.sync();
      await this.#close();
    });
    await renameSynced(this.path, target);
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.path, { force: true });
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  /** After a commit nothing is left to do; otherwise only what can be taken up again is kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    if (this.#resumable && this.#received > 0) await this.#close();
    else await this.discard();
  }
}

/** A whole stream into `target`, or nothing at all. */
export async function takeIn(
  mirrorRoot: string,
  source: AsyncIterable<Buffer>,
  expect: Expectation,
  target: string,
  at: string,
): Promise<void> {
  await using incoming = await openIncoming(mirrorRoot, expect, { at, resumable: false });
  for await (const chunk of source) await incoming.write(chunk);
  await incoming.commit(target);
}
