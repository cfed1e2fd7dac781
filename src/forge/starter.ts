/**
 * A small process that starts git for a large one. fork(2) copies the caller's page tables (Node has no vfork or
 * posix_spawn): 4 ms at 50 MB, 35 ms at 500 MB, some eighty times for one merge. From here it is 4 ms always.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Start {
  readonly id: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string | Buffer;
  /** Its standard input stays open for more. */
  readonly stays?: boolean;
}

/** To this process: start a git; give it more input; take more of its output; end it. */
export type Order =
  | Start
  | { readonly id: number; readonly input: string }
  | { readonly id: number; readonly more: number }
  | { readonly id: number; readonly end: true };

/** From this process. `failed`: git was not started, with the error's code. */
export type Report =
  | { readonly id: number; readonly output: Buffer }
  | { readonly id: number; readonly status: number; readonly signal: string | null; readonly stderr: string }
  | { readonly id: number; readonly failed: string };

/** Chunks that may be under way to someone who has not asked for more. */
const AHEAD = 32;

interface Running {
  readonly child: ChildProcess;
  ahead: number;
}

const running = new Map<number, Running>();

function start({ id, args, env, stdin, stays }: Start): void {
  const child = spawn('git', args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const state: Running = { child, ahead: 0 };
  let stderr = '';
  running.set(id, state);
  child.stdout.on('data', (output: Buffer) => {
    report({ id, output });
    state.ahead += 1;
    if (state.ahead >= AHEAD) child.stdout.pause();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < 64_000) stderr += chunk.toString('utf8');
  });
  child.stdin.on('error', () => {}); // EPIPE: git ended first, and its exit code says why
  if (stays) child.stdin.write(stdin);
  else child.stdin.end(stdin);
  child.on('error', (error: NodeJS.ErrnoException) => {
    if (running.delete(id)) report({ id, failed: error.code ?? error.message });
  });
  child.on('close', (status, signal) => {
    if (running.delete(id)) report({ id, status: status ?? 128, signal, stderr });
  });
}

/** What cannot be an argument at all (a NUL in it) fails that one start, not the others that are under way. */
function tryStart(order: Start): void {
  try {
    start(order);
  } catch (error) {
    report({ id: order.id, failed: (error as NodeJS.ErrnoException).code ?? String(error) });
  }
}

function report(what: Report): void {
  process.send?.(what);
}

function obey(order: Order): void {
  if ('args' in order) tryStart(order);
  else if ('input' in order) running.get(order.id)?.child.stdin?.write(order.input);
  else if ('end' in order) stop(order.id);
  else goOn(order.id, order.more);
}

function stop(id: number): void {
  const child = running.get(id)?.child;
  child?.kill('SIGKILL');
  child?.stdout?.destroy(); // nobody takes what is left, and it would never close
}

function goOn(id: number, more: number): void {
  const state = running.get(id);
  if (!state) return; // it has ended
  state.ahead -= more;
  if (state.ahead < AHEAD) state.child.stdout?.resume();
}

if (process.send) {
  process.on('message', obey);
  process.on('disconnect', () => process.exit());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {}); // its caller's end is its own
}
