import bzip from 'seek-bzip';
import { Fault } from '../base/fault.ts';
import { type DecompressOptions, damaged, tooLarge } from './damage.ts';

const FLUSH = 1 << 20;

/**
 * All streams of a bzip2 file. seek-bzip is synchronous and takes the end of its input for the end of the data, so it
 * is given a source without an `eof`, which refuses to be read past its end, and one stream at a time.
 */
export async function* bunzip(source: AsyncIterable<Buffer>, o: DecompressOptions): AsyncGenerator<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of source) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  const input = {
    pos: 0,
    readByte(): number {
      const byte = bytes[this.pos];
      if (byte === undefined) throw new Error('unexpected end of file');
      this.pos += 1;
      return byte;
    },
    read(into: Uint8Array, offset: number, length: number): number {
      for (let i = 0; i < length; i += 1) into[offset + i] = this.readByte();
      return length;
    },
    seek(pos: number): void {
      this.pos = pos;
    },
  };
  let room = o.maxBytes;
  while (input.pos < bytes.length) {
    const output = collector(room, o);
    try {
      bzip.decode(input, output);
    } catch (error) {
      throw error instanceof Fault ? error : damaged('bzip2', o, error);
    }
    for (const chunk of output.take()) {
      room -= chunk.length;
      yield chunk;
    }
  }
}

function collector(room: number, o: DecompressOptions) {
  const full: Buffer[] = [];
  let current = Buffer.allocUnsafe(Math.min(FLUSH, room + 1));
  let used = 0;
  let total = 0;
  return {
    writeByte(byte: number): void {
      if (total === room) throw tooLarge(o);
      if (used === current.length) {
        full.push(current);
        current = Buffer.allocUnsafe(FLUSH);
        used = 0;
      }
      current[used] = byte;
      used += 1;
      total += 1;
    },
    take: (): Buffer[] => [...full, current.subarray(0, used)],
  };
}
