import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { lockMirror, ownMark } from '../../src/pool/lock.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const STEPS = fileURLToPath(new URL('steps.ts', import.meta.url));

async function holder(mirror: string) {
  const child = spawn(NODE, [STEPS, 'hold', mirror], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

it('one run holds a mirror; released, the next one does', async () => {
  const mirror = await tempDir();
  const lock = await lockMirror(mirror);
  await expect(lockMirror(mirror)).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringMatching(/process \d+ on /),
  });
  await lock.release();
  await using _again = await lockMirror(mirror);
});

it('another process holds it until it is killed, and leaves nothing that stops the next', async () => {
  const mirror = await tempDir();
  const child = await holder(mirror);
  await expect(lockMirror(mirror)).rejects.toMatchObject({
    code: 'LOCKED',
    message: new RegExp(`${child.pid}`),
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using _lock = await lockMirror(mirror);
  expect(await readdir(join(mirror, 'locks'))).toHaveLength(1);
});

it('what a run left that had not announced itself yet (killed, or the disk full) stops nobody', async () => {
  const mirror = await tempDir();
  await mkdir(join(mirror, 'locks'));
  const killed = (await ownMark()).replace(/-\d+$/, '-1'); // this pid, begun at another time
  await writeFile(join(mirror, 'locks', `.${killed}.0`), '');
  const alive = `.${await ownMark()}.1`;
  await writeFile(join(mirror, 'locks', alive), '');
  await using _lock = await lockMirror(mirror);
  const left = await readdir(join(mirror, 'locks'));
  expect(left.filter((name) => name.startsWith('.'))).toEqual([alive]);
  expect(left).toHaveLength(2);
});

it('of many that come at once at most one gets in, and in the end one does', async () => {
  const mirror = await tempDir();
  let inside = 0;
  let most = 0;
  let entered = 0;
  const contend = async () => {
    for (;;) {
      const lock = await lockMirror(mirror).catch((error) => {
        expect(error.code).toBe('LOCKED');
      });
      if (!lock) continue;
      inside += 1;
      entered += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside -= 1;
      return await lock.release();
    }
  };
  await Promise.all(Array.from({ length: 8 }, contend));
  expect([most, entered]).toEqual([1, 8]);
});

it.each([
  ['its process id is used by another process', { began: '1' }, 'taken over'],
  ['its host was started anew since', { boot: 'before' }, 'taken over'],
  ['it lives in another container and beats', { namespace: 'pid:[1]' }, 'LOCKED'],
  ['it lives on another host and beats', { host: 'elsewhere', boot: 'other' }, 'LOCKED'],
  [
    'it lived on another host and fell silent',
    { host: 'elsewhere', boot: 'other', silent: true },
    'taken over',
  ],
  ['its file cannot be read but is new', { broken: true }, 'LOCKED'],
  ['its file cannot be read and is old', { broken: true, silent: true }, 'taken over'],
])('a holder: %s', async (_what, change: Record<string, unknown>, outcome) => {
  const mirror = await tempDir();
  const folder = join(mirror, 'locks');
  await mkdir(folder);
  const mine = await lockMirror(mirror);
  const [name = ''] = await readdir(folder);
  const me = JSON.parse(await readFile(join(folder, name), 'utf8'));
  await mine.release();
  const { broken, silent, ...fields } = change;
  const path = join(folder, 'other.json');
  await writeFile(path, broken ? '{' : JSON.stringify({ ...me, ...fields }));
  const old = new Date(Date.now() - 600_000);
  if (silent) await utimes(path, old, old);
  const taken = lockMirror(mirror).then(
    (lock) => lock.release().then(() => 'taken over'),
    (error) => error.code,
  );
  expect(await taken).toBe(outcome);
});
