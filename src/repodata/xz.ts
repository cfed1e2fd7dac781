import { ReadableStream } from 'node:stream/web';
import xz from 'xz-decompress';
import { type DecompressOptions, damaged } from './damage.ts';

/**
 * All streams of an xz file, with their padding; xz-embedded verifies CRC32 and CRC64 (what `xz` and createrepo_c
 * write) and refuses truncation and trailing garbage.
 */
export async function* unxz(source: AsyncGenerator<Buffer>, o: DecompressOptions): AsyncGenerator<Buffer> {
  let sourceError: unknown;
  const compressed = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await source.next();
        if (done) controller.close();
        else if (value.length > 0)
          controller.enqueue(new Uint8Array(value)); // the library detaches what it gets
        else await this.pull?.(controller);
      } catch (error) {
        sourceError = error;
        controller.error(error);
      }
    },
  });
  const reader = new xz.XzReadableStream(compressed).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield Buffer.from(value);
    }
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw damaged('xz', o, error);
  } finally {
    await reader.cancel().catch(() => {}); // already errored: reported above
  }
}
