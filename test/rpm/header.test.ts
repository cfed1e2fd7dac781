import { describe, expect, it } from 'vitest';
import { readRpm } from '../../src/rpm/header.ts';
import { binary, header, int32, int64, rpmBytes, tags, text } from '../fixtures/rpmFile.ts';
import { HOSTILE_RPMS } from './hostileRpms.ts';

/** The bytes in chunks of a size; `asked` counts the chunks that were taken, `ended` is set when no more are wanted. */
function chunked(bytes: Buffer, size: number) {
  const state = { asked: 0, ended: false };
  async function* chunks(): AsyncGenerator<Buffer> {
    try {
      for (let at = 0; at < bytes.length; at += size) {
        state.asked += 1;
        yield bytes.subarray(at, at + size);
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, chunks: chunks() };
}

function read(bytes: Buffer, size = 1000) {
  return readRpm(chunked(bytes, size).chunks, 'hello.rpm');
}

describe('readRpm', () => {
  const sound = rpmBytes();

  it('reads who a package is and where its parts are', async () => {
    expect(await read(sound.bytes)).toEqual({
      nevra: { name: 'hello', evr: { epoch: 3, version: '2.0', release: '1.el9' }, arch: 'x86_64' },
      isSource: false,
      sourceRpm: 'hello-2.0-1.el9.src.rpm',
      headerStart: sound.headerStart,
      headerEnd: sound.payloadStart,
      payloadFormat: 'cpio',
      payloadCompressor: 'zstd',
      installedSize: 4711,
      buildTime: 1_700_000_000,
      claimedSize: sound.bytes.length - sound.headerStart,
    });
  });

  it.each([1, 7, 96, 112, 1 << 20])('reads the same in chunks of %i bytes', async (size) => {
    expect(await read(sound.bytes, size)).toEqual(await read(sound.bytes));
  });

  it('needs no payload', async () => {
    expect(await read(sound.bytes.subarray(0, sound.payloadStart))).toEqual(await read(sound.bytes));
  });

  it('reads no further than the header, and ends its source', async () => {
    const { state, chunks } = chunked(Buffer.concat([sound.bytes, Buffer.alloc(1 << 20)]), 4096);
    await readRpm(chunks, 'hello.rpm');
    expect(state).toEqual({ asked: 1, ended: true });
  });

  it('ends its source when it refuses', async () => {
    const { state, chunks } = chunked(Buffer.alloc(1 << 20), 4096);
    await expect(readRpm(chunks, 'zeros')).rejects.toMatchObject({ code: 'RPM_INVALID', at: 'zeros' });
    expect(state).toEqual({ asked: 1, ended: true });
  });

  it('gives the errors of its source their own names', async () => {
    const eio = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    async function* broken(): AsyncGenerator<Buffer> {
      yield sound.bytes.subarray(0, 200);
      throw eio;
    }
    await expect(readRpm(broken(), 'hello.rpm')).rejects.toBe(eio);
  });

  it('takes 0 for an epoch that is absent, and knows the largest', async () => {
    const none = rpmBytes({ header: header(63, tags({ epoch: undefined })) });
    const most = rpmBytes({ header: header(63, tags({ epoch: int32(1003, 0xffff_ffff) })) });
    expect((await read(none.bytes)).nevra.evr.epoch).toBe(0);
    expect((await read(most.bytes)).nevra.evr.epoch).toBe(4294967295);
  });

  it('calls a source package src, whatever it was built on and whatever its lead says', async () => {
    const source = header(63, tags({ sourceRpm: undefined }, [int32(1106, 1)]));
    for (const flag of [true, false]) {
      const file = await read(rpmBytes({ header: source, source: flag }).bytes);
      expect(file).toMatchObject({ isSource: true, nevra: { arch: 'src' } });
      expect(file).not.toHaveProperty('sourceRpm');
    }
  });

  it('knows sizes above 4 GiB', async () => {
    const large = header(63, tags({ size: undefined }, [int64(5009, 5_000_000_000n)]));
    const signature = header(62, [int64(270, 6_000_000_000n)]);
    const file = await read(rpmBytes({ header: large, signature }).bytes);
    expect(file).toMatchObject({ installedSize: 5_000_000_000, claimedSize: 6_000_000_000 });
  });

  it('leaves out what the headers do not say', async () => {
    const bare = header(
      63,
      tags({ size: undefined, buildTime: undefined, payloadFormat: undefined, payloadCompressor: undefined }),
    );
    const file = await read(
      rpmBytes({ header: bare, signature: header(62, [binary(1008, Buffer.alloc(64))]) }).bytes,
    );
    expect(Object.keys(file).sort()).toEqual([
      'headerEnd',
      'headerStart',
      'installedSize',
      'isSource',
      'nevra',
      'sourceRpm',
    ]);
    expect(file.installedSize).toBe(0);
  });

  it('never takes identity from the signature header, which no signature covers', async () => {
    const evil = [
      int32(1000, 7),
      text(1001, '9.9'),
      text(1002, '9'),
      int32(1003, 9),
      text(1022, 'src'),
      text(1044, 'evil.src.rpm'),
    ];
    const file = await read(rpmBytes({ signature: header(62, evil) }).bytes);
    expect(file).toEqual({
      ...(await read(sound.bytes)),
      headerStart: file.headerStart,
      headerEnd: file.headerEnd,
      claimedSize: 7,
    });
    const missing = header(63, tags({ arch: undefined }));
    await expect(read(rpmBytes({ header: missing, signature: header(62, evil) }).bytes)).rejects.toThrow(
      /has no arch/,
    );
  });
});

describe('a hostile file is refused', () => {
  it.each(HOSTILE_RPMS)('$name', async ({ bytes, complaint }) => {
    await expect(read(bytes)).rejects.toMatchObject({ code: 'RPM_INVALID', at: 'hello.rpm' });
    await expect(read(bytes, 13)).rejects.toThrow(complaint);
  });

  it('whatever single byte of its headers is changed, nothing but a Fault is thrown', async () => {
    const { bytes, payloadStart } = rpmBytes();
    let refused = 0;
    for (let at = 0; at < payloadStart; at += 1) {
      for (const value of [0x00, 0x7f, 0xff]) {
        const spoilt = Buffer.from(bytes);
        spoilt[at] = value;
        await read(spoilt).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'RPM_INVALID' });
          refused += 1;
        });
      }
    }
    expect(refused).toBeGreaterThan(payloadStart); // at least every third change
  });

  it('wherever it is cut', async () => {
    const { bytes, payloadStart } = rpmBytes();
    for (let end = 0; end < payloadStart; end += 1) {
      await expect(read(bytes.subarray(0, end))).rejects.toMatchObject({ code: 'RPM_INVALID' });
    }
  });
});
