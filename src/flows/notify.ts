import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Progress } from '../base/progress.ts';
import type { World } from './context.ts';

const run = promisify(execFile);

/** sd_notify(3). By systemd's own program, because Node has no datagram sockets of Unix; nothing where no systemd listens. */
export async function notifySystemd(env: World['env'], ...states: readonly string[]): Promise<void> {
  if (env['NOTIFY_SOCKET'] === undefined) return;
  // it is no condition for publishing: where it fails, systemd hears nothing and says so
  await run('systemd-notify', states, { env: { ...env } as NodeJS.ProcessEnv }).catch(() => {});
}

/**
 * What a command that stays says of its progress: nothing on its own screen, but systemd's watchdog hears, often enough, that
 * something goes on (`WATCHDOG_USEC`).
 */
export function watched({ say }: Progress, env: World['env']): Progress {
  const every = Number(env['WATCHDOG_USEC'] ?? 0) / 1_000 / 4;
  let last = performance.now();
  const alive = () => {
    if (!(every > 0) || performance.now() - last < every) return;
    last = performance.now();
    void notifySystemd(env, 'WATCHDOG=1');
  };
  return { start: alive, advance: alive, done: alive, say };
}
