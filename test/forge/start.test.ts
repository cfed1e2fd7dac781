import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { openGit } from '../../src/forge/git.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const GIT_URL = new URL('../../src/forge/git.ts', import.meta.url).href;

async function repositoryWith(bytes: Buffer) {
  const dir = await tempDir();
  execFileSync('git', ['init', '--quiet', '--bare', dir]);
  const git = openGit(dir);
  const id = await git.text(['hash-object', '-w', '-t', 'blob', '--stdin'], { stdin: bytes });
  return { dir, git, id };
}

/** The process that starts git for this one. */
function starterOf(pid: number): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((child) => {
      try {
        const parent = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]);
        return parent === pid && readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('starter');
      } catch {
        return false; // it has ended
      }
    });
}

describe('git, started from a small process', () => {
  it('takes and gives more bytes than any pipe or window holds, many at once', async () => {
    const bytes = randomBytes(20 << 20);
    const { git, id } = await repositoryWith(bytes);
    const read = async () => Buffer.concat(await Array.fromAsync(git.stream(['cat-file', 'blob', id])));
    const all = await Promise.all([read(), read(), git.run(['cat-file', 'blob', id])]);
    for (const one of all) expect(one.equals(bytes)).toBe(true);
  });

  it('lets its caller end when a reader has left in the middle', async () => {
    const { dir, id } = await repositoryWith(randomBytes(20 << 20));
    const script = `
      import { openGit } from ${JSON.stringify(GIT_URL)};
      for await (const _ of openGit(${JSON.stringify(dir)}).stream(['cat-file', 'blob', '${id}'])) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        break;
      }
      console.log('left');`;
    const said = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(said).toBe('left\n');
  });

  it('answers with the exit code and what git said', async () => {
    const { git, dir } = await repositoryWith(Buffer.from('a'));
    expect(await git.attempt(['rev-parse', '--verify', '--quiet', 'nothing'])).toMatchObject({ status: 1 });
    await expect(git.run(['cat-file', 'blob', 'nothing'])).rejects.toMatchObject({ code: 'GIT', at: dir });
  });

  it('starts the next git after the small process was killed', async () => {
    const { git, id } = await repositoryWith(randomBytes(20 << 20));
    const slow = Array.fromAsync(
      git.stream(['cat-file', 'blob', id]),
      () => new Promise((r) => setTimeout(r, 50)),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(starterOf(process.pid) ?? 0, 'SIGKILL');
    await expect(slow).rejects.toMatchObject({ code: 'GIT', hint: 'Run the command again.' });
    expect(await git.text(['cat-file', '-t', id])).toBe('blob');
  });

  it('fails one start for an argument that no program can be given, and no other', async () => {
    const { git, id } = await repositoryWith(Buffer.from('a'));
    const [good, bad] = await Promise.allSettled([
      git.text(['cat-file', '-t', id]),
      git.text(['cat-file', 'a\0b']),
    ]);
    expect(good).toMatchObject({ status: 'fulfilled', value: 'blob' });
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'ERR_INVALID_ARG_VALUE' } });
  });

  it('says that there is no git', async () => {
    const dir = await tempDir();
    vi.stubEnv('PATH', dir);
    await expect(openGit(dir).text(['--version'])).rejects.toMatchObject({
      code: 'GIT',
      message: 'git cannot be started',
    });
  });
});
