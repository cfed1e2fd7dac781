import { mkdir, readFile, readlink, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { pointAt, sweepTemporary, temporaryPath, writeFileAtomic } from '../../src/pool/disk.ts';
import { oracle } from '../fixtures/oracle.ts';
import { underStrace } from '../fixtures/strace.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';

const STEPS = fileURLToPath(new URL('steps.ts', import.meta.url));
const STEP_CALLS = ['rename', 'fsync', 'fchmod', 'symlink', 'mkdir', 'unlink', 'rmdir'];

describe('writeFileAtomic', () => {
  it('replaces, sets the mode, makes folders and leaves nothing beside', async () => {
    const folder = await tempDir();
    const path = join(folder, 'a', 'b', 'file');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, 'two', { mode: 0o444 });
    expect(await readFile(path, 'utf8')).toBe('two');
    expect((await stat(path)).mode & 0o777).toBe(0o444);
    expect(await filesBelow(folder)).toEqual(['a/b/file']);
  });

  it('replaces a symlink, and does not write through it', async () => {
    const folder = await tempDir();
    await writeFile(join(folder, 'theirs'), 'theirs');
    await symlink('theirs', join(folder, 'mine'));
    await writeFileAtomic(join(folder, 'mine'), 'mine');
    expect(await readFile(join(folder, 'theirs'), 'utf8')).toBe('theirs');
  });

  it.skipIf(!oracle('strace'))('killed at every step, readers see the old file or the new one', async () => {
    for (let when = 1, done = false; !done; when += 1) {
      const mirror = await tempDir();
      await mkdir(join(mirror, 'public'));
      await writeFile(join(mirror, 'public', 'new.txt'), 'old\n');
      done = !underStrace(STEPS, ['write', mirror], { calls: STEP_CALLS, when, what: 'signal=KILL' }).killed;
      const text = await readFile(join(mirror, 'public', 'new.txt'), 'utf8');
      expect(done ? ['new\n'] : ['old\n', 'new\n']).toContain(text);
      expect(when).toBeLessThan(50);
    }
  });
});

describe('pointAt', () => {
  it('points, and points elsewhere, by a relative target', async () => {
    const folder = await tempDir();
    await mkdir(join(folder, 'a'));
    await pointAt(join(folder, 'current'), join(folder, 'a'));
    await pointAt(join(folder, 'current'), join(folder, 'b'));
    expect(await readlink(join(folder, 'current'))).toBe('b');
    expect(await filesBelow(folder)).toEqual(['current']);
  });

  it('refuses to replace a real folder', async () => {
    const folder = await tempDir();
    await mkdir(join(folder, 'current'));
    await expect(pointAt(join(folder, 'current'), folder)).rejects.toMatchObject({ code: 'POOL_CONFLICT' });
    expect(await filesBelow(folder)).toEqual([]);
  });

  it.skipIf(!oracle('strace'))('killed at every step, it points at the old or the new', async () => {
    const seen = new Set<string>();
    for (let when = 1, done = false; !done; when += 1) {
      const mirror = await tempDir();
      await mkdir(join(mirror, 'public'));
      await symlink('a', join(mirror, 'public', 'current'));
      done = !underStrace(STEPS, ['point', mirror], { calls: STEP_CALLS, when, what: 'signal=KILL' }).killed;
      seen.add(await readlink(join(mirror, 'public', 'current')));
      expect(await filesBelow(join(mirror, 'public'))).toEqual(['current']);
      expect(when).toBeLessThan(50);
    }
    expect(seen).toEqual(new Set(['a', 'b']));
  });
});

it('what a run that lives has begun stays; of a killed one it goes, and nothing of it stood among what is served', async () => {
  const mirror = await tempDir();
  const mine = await temporaryPath(mirror);
  await writeFile(mine, 'a download of this process');
  const dead = basename(mine).replace(/-\d+\./, '-1.'); // that pid, begun at another time
  await writeFile(join(mirror, 'tmp', dead), '');
  expect(await sweepTemporary(mirror, new Date())).toEqual({ removed: 1 });
  expect(await filesBelow(mirror)).toEqual([`tmp/${basename(mine)}`]);

  const elsewhere = basename(mine).replace(/^\w{8}-\w{8}/, '00000000-00000000'); // another host
  await writeFile(join(mirror, 'tmp', elsewhere), '');
  expect(await sweepTemporary(mirror, new Date())).toEqual({ removed: 0 });
  expect(await sweepTemporary(mirror, new Date(Date.now() + 8 * 86_400_000))).toEqual({ removed: 1 });
});

it('leftovers go, what may be taken up again stays for a week', async () => {
  const mirror = await tempDir();
  const now = new Date();
  await mkdir(join(mirror, 'tmp', 'partial'), { recursive: true });
  await mkdir(join(mirror, 'tmp', 'folder'));
  for (const name of ['x', 'folder/y', 'partial/new', 'partial/old'])
    await writeFile(join(mirror, 'tmp', name), '');
  const old = new Date(now.getTime() - 8 * 86_400_000);
  await utimes(join(mirror, 'tmp', 'partial', 'old'), old, old);
  expect(await sweepTemporary(mirror, now)).toEqual({ removed: 3 });
  expect(await filesBelow(mirror)).toEqual(['tmp/partial/new']);
});
