import { statSync } from 'node:fs';
import { chmod, link, lstat, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Checksum, formatChecksum } from '../../src/base/checksum.ts';
import { sweepTemporary } from '../../src/pool/disk.ts';
import { openPool } from '../../src/pool/pool.ts';
import { oracle } from '../fixtures/oracle.ts';
import { underStrace } from '../fixtures/strace.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { BUILD, chunked, sha256Of } from './samples.ts';

const sum = sha256Of(BUILD);
const expected = { checksum: sum, size: BUILD.length };
const STEPS = fileURLToPath(new URL('steps.ts', import.meta.url));

async function poolWithBuild() {
  const mirror = await tempDir();
  const pool = openPool(mirror);
  await pool.put(chunked(BUILD), expected);
  return { mirror, pool };
}

describe('a build in the pool', () => {
  it('lies under its checksum, read-only, and nothing else is left', async () => {
    const { mirror, pool } = await poolWithBuild();
    expect(await filesBelow(mirror)).toEqual([`pool/sha256/${sum.hex.slice(0, 2)}/${sum.hex}.rpm`]);
    expect(await readFile(pool.path(sum))).toEqual(BUILD);
    expect((await stat(pool.path(sum))).mode & 0o777).toBe(0o444);
    expect(await pool.has(sum)).toBe(true);
    await pool.verify(sum);
  });

  it('keeps its mode under any umask', async () => {
    const before = process.umask(0o077);
    try {
      const { pool } = await poolWithBuild();
      expect((await stat(pool.path(sum))).mode & 0o777).toBe(0o444);
    } finally {
      process.umask(before);
    }
  });

  it('is not read again when it is put twice', async () => {
    const { pool } = await poolWithBuild();
    const before = await stat(pool.path(sum), { bigint: true });
    async function* asked(): AsyncIterable<Buffer> {
      yield await Promise.reject(new Error('asked'));
    }
    await pool.put(asked(), expected);
    expect((await stat(pool.path(sum), { bigint: true })).ino).toBe(before.ino);
  });

  it.each([
    ['too short', BUILD.subarray(1), expected, 'SIZE_MISMATCH'],
    ['too long', Buffer.concat([BUILD, BUILD]), expected, 'SIZE_MISMATCH'],
    ['empty', Buffer.alloc(0), expected, 'SIZE_MISMATCH'],
    ['other bytes', Buffer.alloc(BUILD.length), expected, 'CHECKSUM_MISMATCH'],
    [
      'a weak type of other bytes',
      BUILD,
      { checksum: { type: 'md5', hex: '0'.repeat(32) }, size: BUILD.length },
      'CHECKSUM_MISMATCH',
    ],
  ] as const)('is refused when it is %s, and leaves nothing', async (_what, bytes, promise, code) => {
    const mirror = await tempDir();
    const pool = openPool(mirror);
    await expect(pool.put(chunked(bytes), promise)).rejects.toMatchObject({ name: 'Fault', code });
    expect(await filesBelow(mirror)).toEqual([]);
  });

  it('leaves nothing when its source breaks off', async () => {
    const mirror = await tempDir();
    async function* broken() {
      yield BUILD.subarray(0, 1_000);
      throw new Error('cut');
    }
    await expect(openPool(mirror).put(broken(), expected)).rejects.toThrow('cut');
    expect(await filesBelow(mirror)).toEqual([]);
  });

  it('is missing where there is no file, or a link in its place', async () => {
    const { pool } = await poolWithBuild();
    const [absent, linked] = [sha256Of(Buffer.from('absent')), sha256Of(Buffer.from('linked'))];
    await mkdir(dirname(pool.path(linked)), { recursive: true });
    await symlink(pool.path(sum), pool.path(linked));
    expect(await pool.missing([absent, sum, linked])).toEqual(new Set([absent, linked].map(formatChecksum)));
    expect(await pool.missing([])).toEqual(new Set());
  });

  it('is listed in order, and what is no build is not', async () => {
    const { pool } = await poolWithBuild();
    const sums: Checksum[] = [sum];
    for (const text of ['one', 'two', 'three']) {
      const bytes = Buffer.from(text);
      await pool.put(chunked(bytes), { checksum: sha256Of(bytes), size: bytes.length });
      sums.push(sha256Of(bytes));
    }
    await symlink('/etc/passwd', join(dirname(pool.path(sum)), `${'0'.repeat(64)}.rpm`));
    const listed = await Array.fromAsync(pool.list());
    expect(listed.map((entry) => formatChecksum(entry.checksum))).toEqual(sums.map(formatChecksum).sort());
    expect(listed.find((entry) => entry.checksum.hex === sum.hex)?.size).toBe(BUILD.length);
    await pool.remove(sum);
    await pool.remove(sum);
    expect(await pool.has(sum)).toBe(false);
  });

  it('is found damaged by verify', async () => {
    const { pool } = await poolWithBuild();
    await chmod(pool.path(sum), 0o644);
    await writeFile(pool.path(sum), 'x', { flag: 'r+' });
    await expect(pool.verify(sum)).rejects.toMatchObject({ code: 'POOL_CORRUPT' });
    await rm(pool.path(sum));
    await expect(pool.verify(sum)).rejects.toMatchObject({ code: 'POOL_MISSING' });
  });
});

describe('linking out of the pool', () => {
  it('makes one inode, makes folders, and is idempotent', async () => {
    const { mirror, pool } = await poolWithBuild();
    const target = join(mirror, 'public', 'tree', 'a.rpm');
    await pool.linkInto(target, sum);
    await pool.linkInto(target, sum);
    const [a, b] = await Promise.all([stat(target), stat(pool.path(sum))]);
    expect([a.ino, a.nlink]).toEqual([b.ino, 2]);
  });

  it('refuses a target that is another file', async () => {
    const { mirror, pool } = await poolWithBuild();
    await writeFile(join(mirror, 'a.rpm'), 'another');
    await expect(pool.linkInto(join(mirror, 'a.rpm'), sum)).rejects.toMatchObject({ code: 'POOL_CONFLICT' });
    expect(await readFile(join(mirror, 'a.rpm'), 'utf8')).toBe('another');
  });

  it.each(['a symlink to the build', 'a folder'])('refuses a target that is %s', async (what) => {
    const { mirror, pool } = await poolWithBuild();
    const target = join(mirror, 'a.rpm');
    await (what === 'a folder' ? mkdir(target) : symlink(pool.path(sum), target));
    await expect(pool.linkInto(target, sum)).rejects.toMatchObject({ code: 'POOL_CONFLICT' });
  });

  it('takes a symlink in place of the build for a missing one', async () => {
    const { mirror, pool } = await poolWithBuild();
    await rm(pool.path(sum));
    await symlink('/etc/passwd', pool.path(sum));
    expect(await pool.has(sum)).toBe(false);
    await expect(pool.linkInto(join(mirror, 'a.rpm'), sum)).rejects.toMatchObject({ code: 'POOL_MISSING' });
    expect(await filesBelow(mirror)).not.toContain('a.rpm');
  });

  it('names the device when the target is on another one', async () => {
    const { pool } = await poolWithBuild();
    const here = await stat(pool.path(sum));
    const folders = ['/dev/shm', '/var/tmp'].filter((folder) => statSync(folder).dev !== here.dev);
    const [elsewhere = ''] = folders;
    expect(elsewhere).not.toBe('');
    const linked = pool.linkInto(join(elsewhere, `sluice-${sum.hex.slice(0, 8)}.rpm`), sum);
    await expect(linked).rejects.toMatchObject({ code: 'DISK', cause: { code: 'EXDEV' } });
  });

  it.skipIf(!oracle('strace'))(
    'takes a second copy when no more links fit, and knows the old ones',
    async () => {
      const { mirror, pool } = await poolWithBuild();
      const old = join(mirror, 'old.rpm');
      await pool.linkInto(old, sum);
      const { ino } = await stat(old);
      const run = underStrace(STEPS, ['link', mirror], {
        calls: ['link', 'linkat'],
        when: 2,
        what: 'error=EMLINK',
      });
      expect(run).toMatchObject({ status: 0, stderr: '' });
      const copy = await lstat(pool.path(sum));
      expect(copy.ino).not.toBe(ino);
      expect([copy.mode & 0o777, copy.nlink]).toEqual([0o444, 2]);
      await pool.verify(sum);
      await pool.linkInto(old, sum); // the same bytes behind another inode
      expect((await stat(old)).ino).toBe(ino);
    },
  );
});

describe.skipIf(!oracle('strace'))('a disk that fails', () => {
  it.each([
    ['ENOSPC', ['pwrite64', 'pwritev']],
    ['EROFS', ['mkdir', 'mkdirat']],
    ['EIO', ['fsync', 'fdatasync']],
    ['EDQUOT', ['rename', 'renameat', 'renameat2']],
  ])('is named: %s', async (error, calls) => {
    const mirror = await tempDir();
    const run = underStrace(STEPS, ['put', mirror], { calls, when: '1+', what: `error=${error}` });
    expect(run.stderr).toMatch(new RegExp(`^DISK: .*\\(${error}\\)`));
    expect(await openPool(mirror).has(sum)).toBe(false);
    await openPool(mirror).put(chunked(BUILD), expected);
  });
});

describe.skipIf(!oracle('strace'))('killed at every step', () => {
  const calls = [
    'openat',
    'fsync',
    'rename',
    'renameat',
    'pwrite64',
    'mkdir',
    'fchmod',
    'link',
    'linkat',
    'unlink',
  ];

  it('put: a whole build under its name, or none; the next run finishes and leaves nothing over', async () => {
    const outcomes = new Set<boolean>();
    for (let when = 1, done = false; !done; when += 1) {
      const mirror = await tempDir();
      const run = underStrace(STEPS, ['put', mirror], {
        calls: calls.filter((c) => c !== 'openat'),
        when,
        what: 'signal=KILL',
      });
      done = !run.killed;
      const pool = openPool(mirror);
      outcomes.add(await pool.has(sum));
      if (await pool.has(sum)) await pool.verify(sum);
      await pool.put(chunked(BUILD), expected);
      await sweepTemporary(mirror, new Date());
      expect(await filesBelow(mirror)).toEqual([pool.path(sum).slice(mirror.length + 1)]);
      expect(when).toBeLessThan(100);
    }
    expect(outcomes).toEqual(new Set([false, true]));
  });

  it('a second copy: the pool always has the build', async () => {
    for (let when = 1, done = false; !done; when += 1) {
      const { mirror, pool } = await poolWithBuild();
      await mkdir(join(mirror, 'public'));
      await link(pool.path(sum), join(mirror, 'public', 'older.rpm'));
      const flags = { calls: ['rename', 'fsync', 'fchmod', 'unlink'], when, what: 'signal=KILL' };
      done = !underStrace(STEPS, ['link', mirror], flags).killed;
      await pool.verify(sum);
      await pool.linkInto(join(mirror, 'public', 'sample.rpm'), sum);
      expect(when).toBeLessThan(50);
    }
  });
});
