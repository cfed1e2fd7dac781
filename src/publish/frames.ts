import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from '../base/fault.ts';
import type { SitePolicy } from '../manifest/policy.ts';
import { mkdirp } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import { compress } from '../repodata/compression.ts';
import type { Frame } from './frame.ts';

/** Frames by key. Derived: bytes never depend on whether a frame was there. */
export interface FrameStore {
  get(key: string): Promise<Frame | undefined>;
  put(key: string, frame: Frame): Promise<void>;
}

const MAGIC = Buffer.from('sluice-frame-1\n\0');
const HEAD = MAGIC.length + 32 + 8;

export function makeFrame(text: Buffer, present: number, how: SitePolicy['compression']): Frame {
  return { bytes: compress(text, how), openLength: text.length, present };
}

/**
 * Below `catalog/frames`. Read at once: some 300 small files take a tenth of the time. A file that is not what was written is as
 * good as none.
 */
export function openFrameStore(folder: string): FrameStore {
  const path = (key: string) => framePath(folder, key);
  const recent = new Recent();
  return {
    get: async (key) => {
      const known = recent.get(key);
      if (known) return known;
      try {
        const frame = parse(readFileSync(path(key)));
        if (frame) recent.put(key, frame);
        return frame;
      } catch (cause) {
        if (codeOf(cause) === 'ENOENT') return undefined;
        throw cause;
      }
    },
    put: async (key, frame) => {
      const target = path(key);
      await onDisk('writing', target, () => write(target, frame));
      recent.put(key, frame);
    },
  };
}

const MOST_RECENT = 24 << 20;

/** Frames that were read or written last: those of one tier are those of the next one. */
class Recent {
  readonly #frames = new Map<string, Frame>();
  #bytes = 0;

  get(key: string): Frame | undefined {
    return this.#frames.get(key);
  }

  put(key: string, frame: Frame): void {
    if (this.#frames.has(key)) return;
    this.#frames.set(key, frame);
    this.#bytes += frame.bytes.length;
    for (const [oldest, { bytes }] of this.#frames) {
      if (this.#bytes <= MOST_RECENT) break;
      this.#frames.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }
}

export function framePath(folder: string, key: string): string {
  return join(folder, key.slice(0, 2), key);
}

/** Not synced: after a power cut its own digest says that it is not whole. */
async function write(target: string, frame: Frame): Promise<void> {
  const head = Buffer.alloc(HEAD);
  MAGIC.copy(head);
  head.writeUInt32LE(frame.openLength, HEAD - 8);
  head.writeUInt32LE(frame.present, HEAD - 4);
  digestOf(head, frame.bytes).copy(head, MAGIC.length);
  const next = `${target}.${randomUUID()}`;
  await mkdirp(dirname(target));
  try {
    await using file = await open(next, 'wx', 0o644);
    await file.writev([head, frame.bytes]);
    await rename(next, target);
  } catch (cause) {
    await rm(next, { force: true });
    throw cause;
  }
}

function parse(file: Buffer): Frame | undefined {
  if (file.length < HEAD || !file.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const bytes = file.subarray(HEAD);
  const head = file.subarray(0, HEAD);
  if (!digestOf(head, bytes).equals(head.subarray(MAGIC.length, MAGIC.length + 32))) return undefined;
  return { bytes, openLength: head.readUInt32LE(HEAD - 8), present: head.readUInt32LE(HEAD - 4) };
}

function digestOf(head: Buffer, bytes: Buffer): Buffer {
  return createHash('sha256')
    .update(head.subarray(HEAD - 8))
    .update(bytes)
    .digest();
}
