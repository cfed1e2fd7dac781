import { type ChildProcess, spawn } from 'node:child_process';
import { codeOf, Fault, quote } from '../base/fault.ts';
import { type Timing, TryAgain } from './attempt.ts';
import { tooLarge } from './transfer.ts';

export interface RsyncRun {
  /** `rsync://address/module/`. */
  readonly from: string;
  /** Of the file, below the module. */
  readonly path: string;
  /** Empty, or with the beginning of the file. */
  readonly folder: string;
  /** How much of the file is there. */
  readonly size: () => Promise<number>;
  readonly seen: (bytes: number) => void;
  readonly maxBytes: number;
  readonly append: boolean;
  readonly basic: { readonly user: string; readonly password: string } | undefined;
  readonly timing: Timing;
  /** For faults. */
  readonly url: URL;
}

const LOOK_EVERY = 100;
/** For a program that was told to end. */
const PATIENCE = 2_000;
/** What it says is read for its reason only. */
const MAX_TEXT = 8 << 10;

/** Everything that could bring more than one regular file, or change what is there, is said to be off. */
const OPTIONS = [
  '--no-motd',
  '--no-recursive',
  '--no-dirs',
  '--no-relative',
  '--no-links',
  '--no-D',
  '--no-perms',
  '--no-owner',
  '--no-group',
  '--inplace',
  '--sockopts=TCP_NODELAY', // many small words: waiting for each other's acknowledgements doubles the time
  '--info=skip1',
  '--from0',
  '--files-from=-', // names as they are: in an argument the server would expand * and ?
];

/** Ends when the program has ended: well, or with a Fault or TryAgain. What it wrote is for the caller to look at. */
export async function runRsync(run: RsyncRun): Promise<void> {
  const { timing, url } = run;
  const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1_000));
  const args = [
    ...OPTIONS,
    `--max-size=${run.maxBytes}`,
    `--timeout=${seconds(timing.idle)}`,
    `--contimeout=${seconds(timing.connect)}`,
    run.append ? '--append' : '--whole-file',
    run.from,
    `${run.folder}/`,
  ];
  const child = spawn('rsync', args, { cwd: '/', env: environment(run), stdio: 'pipe' });
  child.stdin.on('error', () => undefined); // it ended before it read the name: its status says why
  child.stdin.end(`${run.path}\0`);
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out = (said.out + text).slice(0, MAX_TEXT);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err = (said.err + text).slice(0, MAX_TEXT);
  });
  const watch = watched(child, run);
  const status = await ended(child);
  const stopped = await watch.end();
  if (stopped) throw stopped;
  if (/ is over max-size$/m.test(said.out)) throw tooLarge(url, run.maxBytes);
  if (status !== 0) throw failure(status, said.err, run);
}

/** Nothing of ours but what it needs: no RSYNC_PROXY, no RSYNC_CONNECT_PROG, no aliases of a home folder. */
function environment({ basic }: RsyncRun): NodeJS.ProcessEnv {
  const user = basic?.user ?? 'nobody';
  // An empty password, too, is one: without the variable it would ask at the terminal.
  const secret = { RSYNC_PASSWORD: basic?.password ?? '' };
  return { PATH: process.env['PATH'], LC_ALL: 'C', USER: user, LOGNAME: user, ...secret };
}

async function ended(child: ChildProcess): Promise<number | string> {
  return await new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(codeOf(cause) === 'ENOENT' ? missing(cause) : cause));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'an unknown end'));
  });
}

/** The ceiling, and the floor under the speed: a server that keeps the connection alive and sends nothing is given up. */
function watched(child: ChildProcess, run: RsyncRun): { end(): Promise<Fault | TryAgain | undefined> } {
  const { timing, url } = run;
  let stopped: Fault | TryAgain | undefined;
  let until = performance.now() + timing.connect + timing.slow;
  let before = 0;
  let looking: Promise<void> = Promise.resolve();
  const stop = (why: Fault | TryAgain) => {
    stopped ??= why;
    if (child.killed) return;
    child.kill('SIGTERM'); // it ends the process that it forked, too
    setTimeout(() => child.kill('SIGKILL'), PATIENCE).unref();
  };
  const look = async () => {
    const size = await run.size();
    run.seen(size);
    if (size > run.maxBytes) stop(tooLarge(url, run.maxBytes));
    if (performance.now() < until) return;
    if (size - before < (timing.minBytesPerSecond * timing.slow) / 1_000) stop(new TryAgain(tooSlow(url)));
    before = size;
    until = performance.now() + timing.slow;
  };
  const timer = setInterval(() => {
    looking = looking.then(look);
  }, LOOK_EVERY);
  return {
    async end() {
      clearInterval(timer);
      await looking;
      return stopped;
    },
  };
}

/** By rsync(1), EXIT VALUES. */
function failure(status: number | string, text: string, { url, basic }: RsyncRun): Fault | TryAgain {
  const reason = reasonOf(text);
  const fault = (code: 'NETWORK' | 'NOT_FOUND' | 'DISK', message: string, hint: string): Fault =>
    new Fault(code, `${message}${reason}`, { hint, at: url.href });
  if (status === 5 && /auth(?:entication)? (?:failed|required)/i.test(text)) {
    const hint = basic
      ? 'Renew what `auth` refers to.'
      : 'Name a user and a password in the policy (`auth: { basic: … }`).';
    return fault('NOT_FOUND', 'the server does not let us in', hint);
  }
  if (status === 5 && /unknown module|access denied|chdir failed/i.test(text))
    return fault('NOT_FOUND', 'the server has no such module for us', 'Check the base URL in the policy.');
  if (status === 23 || status === 24)
    return fault('NOT_FOUND', 'the server does not give this file', 'Check the base URL in the policy.');
  if (status === 11)
    return fault('DISK', 'rsync cannot write below the mirror', 'Check the disk of the mirror (df, dmesg).');
  const again = 'Try again later, or name another mirror in the policy.';
  if (status === 1 || status === 2 || status === 4)
    return fault('NETWORK', 'this rsync and the server do not understand each other', again);
  return new TryAgain(fault('NETWORK', `no answer, or a cut one (rsync: ${status})`, again));
}

/** The line that says why, of a stranger's words. */
function reasonOf(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const line = lines.find((l) => l.startsWith('@ERROR')) ?? lines.find((l) => /^(?:rsync|\[)/.test(l));
  return line === undefined ? '' : `: ${quote(line)}`;
}

function tooSlow(url: URL): Fault {
  return new Fault('NETWORK', 'nothing comes, or next to nothing', {
    hint: 'Try again later, or name another mirror in the policy.',
    at: url.href,
  });
}

function missing(cause: unknown): Fault {
  return new Fault('USAGE', 'the program rsync is not installed, and an upstream has an rsync:// URL', {
    hint: 'Install rsync on the host of the mirror (apt-get install rsync, dnf install rsync).',
    cause,
  });
}
