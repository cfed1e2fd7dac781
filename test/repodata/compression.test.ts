import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compress, decompress, decompressAll, once, sniff } from '../../src/repodata/compression.ts';
import { oracle } from '../fixtures/oracle.ts';

const TOOLS = ['gzip', 'bzip2', 'xz', 'zstd'] as const;
const text = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i).toString(36)).join(' '));
const roomy = { maxBytes: 1 << 30, at: 'primary.xml' };

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe.each(TOOLS)('what %s wrote', (tool) => {
  const skipped = !oracle(tool);
  const compressed = skipped
    ? Buffer.alloc(0)
    : execFileSync(tool, ['-c'], { input: text, maxBuffer: 1 << 30 });
  const test = it.skipIf(skipped);

  test('is known by its first bytes and read', async () => {
    expect(sniff(compressed)).toBe(tool);
    expect((await decompressAll(compressed, roomy)).equals(text)).toBe(true);
  });
  test('is read to the last of its members', async () => {
    const twice = await decompressAll(Buffer.concat([compressed, compressed, compressed]), roomy);
    expect(twice.equals(Buffer.concat([text, text, text]))).toBe(true);
  });
  test.each([1, 7, 1000])(
    'is read in pieces of %i bytes, whose edges fall where members end',
    async (size) => {
      const small = execFileSync(tool, ['-c'], { input: 'sluice '.repeat(99) });
      const read = await all(decompress(inPieces(Buffer.concat([small, small]), size), roomy));
      expect(read.toString()).toBe('sluice '.repeat(198));
      const atEdge = await all(decompress(inPieces(Buffer.concat([small, small]), small.length), roomy));
      expect(atEdge.toString()).toBe('sluice '.repeat(198));
    },
  );
  test.each([1, 3, 8, 20])('and truncated by %i bytes is refused', async (cut) => {
    const short = compressed.subarray(0, compressed.length - cut);
    await expect(decompressAll(short, roomy)).rejects.toMatchObject({
      code: 'METADATA_INVALID',
      at: 'primary.xml',
    });
  });
  test('and followed by garbage is refused', async () => {
    const more = Buffer.concat([compressed, Buffer.from('<html>not found</html>')]);
    await expect(decompressAll(more, roomy)).rejects.toMatchObject({ code: 'METADATA_INVALID' });
  });
  test('and damaged in the middle is refused', async () => {
    const flipped = Buffer.from(compressed);
    const middle = flipped.length >> 1;
    flipped[middle] = (flipped[middle] ?? 0) ^ 0x10;
    await expect(decompressAll(flipped, roomy)).rejects.toMatchObject({ code: 'METADATA_INVALID' });
  });
  test('stops at the ceiling', async () => {
    await expect(decompressAll(compressed, { ...roomy, maxBytes: text.length - 1 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
    expect((await decompressAll(compressed, { ...roomy, maxBytes: text.length })).length).toBe(text.length);
  });
  test('stops a bomb before it fills the memory', async () => {
    const bomb = execFileSync('sh', ['-c', `head -c 150000000 /dev/zero | ${tool} -c`], {
      maxBuffer: 1 << 30,
    });
    const before = process.memoryUsage().rss;
    await expect(decompressAll(bomb, { ...roomy, maxBytes: 5_000_000 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });
  test('and compressed twice is opened once', async () => {
    const inner = await decompressAll(
      execFileSync(tool, ['-c'], { input: compressed, maxBuffer: 1 << 30 }),
      roomy,
    );
    expect(inner.equals(compressed)).toBe(true);
  });
});

describe('what we compress', () => {
  it.each(['gzip', 'zstd'] as const)('%s gives the same bytes each time, without a time', async (how) => {
    expect(compress(text, how).equals(compress(Buffer.from(text), how))).toBe(true);
    expect((await decompressAll(compress(text, how), roomy)).equals(text)).toBe(true);
    if (how === 'gzip') expect(compress(text, how).readUInt32LE(4)).toBe(0);
  });
  it.skipIf(!oracle('zstd')).each(['gzip', 'zstd'] as const)('%s itself reads it', (how) => {
    const read = execFileSync(how, ['-dc'], { input: compress(text, how), maxBuffer: 1 << 30 });
    expect(read.equals(text)).toBe(true);
  });
});

it('reads plain bytes as they are, below the ceiling', async () => {
  expect(sniff(Buffer.from('<?xml'))).toBe('plain');
  expect((await decompressAll(text, roomy)).equals(text)).toBe(true);
  await expect(decompressAll(text, { ...roomy, maxBytes: 10 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  expect((await decompressAll(Buffer.alloc(0), roomy)).length).toBe(0);
});

it('takes padding with zeros behind gzip, and nothing else behind the padding', async () => {
  const padded = Buffer.concat([gzipSync('a'), Buffer.alloc(512)]);
  expect((await decompressAll(padded, roomy)).toString()).toBe('a');
  const more = Buffer.concat([padded, gzipSync('b')]);
  await expect(decompressAll(more, roomy)).rejects.toMatchObject({ code: 'METADATA_INVALID' });
});

it('reads frames of zstd behind a skippable one, and an empty frame', async () => {
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  const empty = zstdCompressSync(Buffer.alloc(0));
  const read = await decompressAll(
    Buffer.concat([skippable, zstdCompressSync('a'), empty, zstdCompressSync('b')]),
    roomy,
  );
  expect(read.toString()).toBe('ab');
});

it('passes on what the source throws, as it is', async () => {
  const failure = new Error('connection reset');
  async function* source(): AsyncGenerator<Buffer> {
    yield gzipSync(text).subarray(0, 1000);
    throw failure;
  }
  await expect(all(decompress(source(), roomy))).rejects.toBe(failure);
});

it('closes its source when the reader stops early', async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      yield* inPieces(gzipSync(text), 5000);
    } finally {
      closed = true;
    }
  }
  for await (const chunk of decompress(source(), roomy)) if (chunk.length > 0) break;
  expect(closed).toBe(true);
  expect((await all(once(text))).equals(text)).toBe(true);
});
