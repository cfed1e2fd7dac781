import { createHash } from 'node:crypto';
import type { Checksum } from '../../src/base/checksum.ts';
import type { PackageRecord } from '../../src/repodata/record.ts';

export const BUILD = Buffer.from('the bytes of one build\n'.repeat(10_000));

export const RECORDS: readonly PackageRecord[] = [1, 2, 3].map((n) => ({
  primary: Buffer.from(`<package type="rpm"><name>sample-${n}</name></package>`),
  filelists: Buffer.from(`<package pkgid="${n}"><file>/usr/bin/${n}</file></package>`),
  ...(n === 2 ? {} : { other: Buffer.from(`<package pkgid="${n}"/>`) }),
}));

export async function* chunked(bytes: Buffer, size = 65_536): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function sha256Of(bytes: Buffer | string): Checksum {
  return { type: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') };
}
