import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { SitePolicy } from '../manifest/policy.ts';

/** One part of a document, compressed by itself: dnf and zypper read frames and members one after the other (run). */
export interface Frame {
  readonly bytes: Buffer;
  readonly openLength: number;
  /** How many packages have an element of the upstream's own in it. */
  readonly present: number;
}

/** Into one buffer of the right size: five times faster than a stream, and than the pool's threads no slower. */
export function openFrame(
  frame: Pick<Frame, 'bytes' | 'openLength'>,
  how: SitePolicy['compression'],
): Buffer {
  const size = frame.openLength + 64;
  const o = { chunkSize: size, maxOutputLength: size };
  return how === 'zstd' ? zstdDecompressSync(frame.bytes, o) : gunzipSync(frame.bytes, o);
}
