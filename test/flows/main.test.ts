import { afterEach, describe, expect, it, vi } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { main } from '../../src/flows/main.ts';

afterEach(() => {
  process.exitCode = undefined;
});

/** Exit code, and what is said of an error. */
async function told(error: unknown): Promise<{ code: typeof process.exitCode; said: string }> {
  const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  await main(() => Promise.reject(error));
  return { code: process.exitCode, said: said.mock.calls.flat().map(String).join('\n') };
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: mkdtemp`), { code, syscall: 'mkdtemp', path: '/tmp/x' });
}

describe('how a command ends', () => {
  it('a Fault is one line, and exit code 1', async () => {
    const fault = new Fault('GIT', 'git failed', { hint: 'Run it again.', at: 'state' });
    expect(await told(fault)).toEqual({ code: 1, said: 'state: GIT: git failed. Run it again.' });
  });

  it.each(['ENOSPC', 'EROFS', 'EDQUOT', 'EIO', 'EMFILE', 'EACCES', 'EPERM'])(
    '%s is the disk’s, wherever it came up',
    async (code) => {
      const { code: exit, said } = await told(systemError(code));
      expect(said).toMatch(/^\/tmp\/x: DISK: mkdtemp failed: .+ \(\w+\)\. [A-Z].+\.$/);
      expect(exit).toBe(1);
    },
  );

  it.each(['ENOENT', 'EEXIST', 'EXDEV', 'EBADF'])('%s is a bug of ours', async (code) => {
    const { code: exit, said } = await told(systemError(code));
    expect(said).toMatch(/This is a bug of Sluice/);
    expect(exit).toBe(2);
  });

  it('a reader that has gone is nobody’s fault', async () => {
    expect(await told(Object.assign(new Error('EPIPE'), { code: 'EPIPE', syscall: 'write' }))).toEqual({
      code: 2,
      said: '',
    });
  });
});
