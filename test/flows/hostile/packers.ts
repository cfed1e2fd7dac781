import { execFileSync } from 'node:child_process';
import { zstdCompressSync } from 'node:zlib';

const MAX = { maxBuffer: 256 << 20 };

export function zstd(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes);
}

export function xz(bytes: Buffer): Buffer {
  return execFileSync('xz', ['-c', '-T1', '-1'], { input: bytes, ...MAX });
}

export function bzip2(bytes: Buffer): Buffer {
  return execFileSync('bzip2', ['-c', '-1'], { input: bytes, ...MAX });
}
