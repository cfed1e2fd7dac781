import { stat, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, Fault, malformed } from '../base/fault.ts';
import { type Staying, startGit } from './start.ts';

/**
 * The only caller of git, by an argument list and not through simple-git: that has no standard input (which
 * `cat-file --batch`, `hash-object --stdin` and `update-ref --stdin` need), decodes output as text, and guards against
 * options by lists of known bad ones that were passed three times (CVE-2026-28291, -6951, -102827).
 */
export interface Git {
  /** Where git runs: a work tree's root or a bare repository. */
  readonly dir: string;
  /** Standard output. A Fault of code GIT when git fails. */
  run(args: readonly string[], o?: RunOptions): Promise<Buffer>;
  /** The same as text without the last line end. */
  text(args: readonly string[], o?: RunOptions): Promise<string>;
  /** For commands whose exit code is an answer. */
  attempt(args: readonly string[], o?: RunOptions): Promise<Outcome>;
  /** What git says of objects that are named by their full ids only, and so says for ever: asked once in a process. */
  known(args: readonly string[]): Promise<Buffer>;
  /** The same of what somebody else asks git for. */
  remembered(key: string, ask: () => Promise<Buffer>): Promise<Buffer>;
  /** Standard output as it comes; leaving the loop early ends git. */
  stream(args: readonly string[], o?: { stdin?: string }): AsyncGenerator<Buffer>;
}

export interface RunOptions {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** More than any command of ours prints. */
const MAX_OUTPUT = 1 << 30;

/** The age at which a lock file is one that a killed git left: git holds them for milliseconds. */
const STALE_LOCK_MS = 10_000;
/** For how long such a file is watched all the same, in case the clocks disagree. */
const WATCHED_MS = 500;

const CONFIG = [
  'core.hooksPath=/dev/null', // no hook of a clone runs for us
  'core.fsmonitor=false', // may name a program
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.autocrlf=false',
  'core.logAllRefUpdates=always',
  'core.fsync=committed,loose-object,reference', // a merge survives a power cut
  'core.filesRefLockTimeout=200', // others hold a ref's lock for milliseconds
  'core.packedRefsTimeout=200',
  'core.commitGraph=true',
  'commit.gpgSign=false',
  'diff.renames=false',
  'log.showRoot=true',
  'log.showSignature=false',
  'gc.auto=0', // not in the middle of a run
  'maintenance.auto=false',
];

// THREATS 3.3. All that is left of the caller's environment is what is not about git: PATH, HOME, proxies, an ssh agent.
function environment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(?:GIT_|LC_|LANG|SSH_ASKPASS)/.test(name) ? [] : [[name, value] as const],
  );
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C', // messages are read below
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'file:http:https:ssh', // never ext::, which runs a program
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_NO_REPLACE_OBJECTS: '1', // refs/replace and grafts would rewrite the history that is our clock
    GIT_GRAFT_FILE: '/dev/null',
    GIT_ADVICE: '0',
    ...extra,
  };
}

export function openGit(dir: string): Git {
  if (dir.includes('\0') || dir === '') throw malformed('folder', dir);
  const attempt = (args: readonly string[], o: RunOptions = {}): Promise<Outcome> => execute(dir, args, o);
  const run = async (args: readonly string[], o?: RunOptions): Promise<Buffer> => {
    const outcome = await attempt(args, o);
    if (outcome.status !== 0) throw gitFault(dir, args, outcome);
    return outcome.stdout;
  };
  return {
    dir,
    attempt,
    run,
    known: (args) => remembered(`${resolve(dir)}\0${args.join('\0')}`, () => run(args)),
    remembered: (key, ask) => remembered(`${resolve(dir)}\0${key}`, ask),
    text: async (args, o) => (await run(args, o)).toString('utf8').replace(/\n$/, ''),
    stream: (args, o) => streamed(dir, args, o?.stdin),
  };
}

/** Answers of `known`, the one asked for last at the end. */
const memory = new Map<string, Promise<Buffer>>();
const MOST_REMEMBERED = 256;
const LARGEST_REMEMBERED = 256 << 10;

/** An answer that is an error is asked for anew: the object may come with the next fetch. */
function remembered(key: string, ask: () => Promise<Buffer>): Promise<Buffer> {
  const answer = memory.get(key) ?? ask();
  memory.delete(key);
  memory.set(key, answer);
  const forget = (): boolean => memory.get(key) === answer && memory.delete(key);
  answer.then((bytes) => bytes.length > LARGEST_REMEMBERED && forget(), forget);
  const [oldest] = memory.keys();
  if (memory.size > MOST_REMEMBERED && oldest !== undefined) memory.delete(oldest);
  return answer;
}

function start(dir: string, args: readonly string[], o: RunOptions & { readonly stays?: boolean }): Staying {
  const settings = CONFIG.flatMap((setting) => ['-c', setting]);
  return startGit({
    args: ['-C', resolve(dir), ...settings, ...args],
    env: environment(o.env ?? {}),
    stdin: o.stdin ?? '',
    ...(o.stays ? { stays: true } : {}),
  });
}

/** A git that stays, to be asked by its standard input. */
export function startStaying(git: Git, args: readonly string[]): Staying {
  return start(git.dir, args, { stays: true });
}

async function execute(dir: string, args: readonly string[], o: RunOptions): Promise<Outcome> {
  const git = start(dir, args, o);
  const output: Buffer[] = [];
  let size = 0;
  for await (const chunk of git.output()) {
    output.push(chunk);
    size += chunk.length;
    if (size > MAX_OUTPUT) throw tooMuch(args);
  }
  try {
    const { status, signal, stderr } = await git.ended;
    return { status, stdout: Buffer.concat(output), stderr: signal ? `${stderr} (${signal})` : stderr };
  } catch (cause) {
    throw notStarted(dir, cause);
  }
}

async function* streamed(dir: string, args: readonly string[], stdin = ''): AsyncGenerator<Buffer> {
  const git = start(dir, args, { stdin });
  yield* git.output();
  try {
    const ended = await git.ended;
    if (ended.status !== 0) throw gitFault(dir, args, ended);
  } catch (cause) {
    throw notStarted(dir, cause);
  }
}

export function notStarted(dir: string, cause: unknown): unknown {
  if (codeOf(cause) !== 'ENOENT') return cause;
  return new Fault('GIT', 'git cannot be started', { hint: 'Install git 2.38 or newer.', at: dir, cause });
}

function tooMuch(args: readonly string[]): Fault {
  return new Fault('TOO_LARGE', `git ${args[0]} printed more than ${MAX_OUTPUT} bytes`, {
    hint: 'Look for a file in the repository that does not belong there.',
  });
}

export function gitFault(
  dir: string,
  args: readonly string[],
  outcome: Pick<Outcome, 'status' | 'stderr'>,
): Fault {
  const { status, stderr } = outcome;
  // a remote's words may hold escape sequences
  const said = stderr
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '')
    .trim()
    .split('\n')
    .slice(-6)
    .join('; ');
  const verb = args.find((arg) => /^[a-z]/.test(arg)) ?? '';
  const message = `git ${verb} failed (${status}): ${said.slice(0, 800) || 'no message'}`;
  if (/dubious ownership/.test(stderr)) {
    return new Fault('GIT', message, { hint: 'Run as the user who owns the repository.', at: dir });
  }
  if (/not a git repository|cannot change to/.test(stderr)) {
    return new Fault('NOT_FOUND', `${dir} is not a git repository`, {
      hint: 'Name one with --repo.',
      at: dir,
    });
  }
  if (/No space left|Read-only file system|Permission denied|Input\/output error/.test(stderr)) {
    return new Fault('DISK', message, { hint: 'Make room, or give this user write access.', at: dir });
  }
  return new Fault('GIT', message, { hint: 'Run `git fsck` there if it says that again.', at: dir });
}

/**
 * Runs a command that takes git's lock files, and breaks one that a killed git left behind: older than ten seconds, and
 * the very same file after another half second of waiting. (Its age is the file system's, so this reads the clock.)
 */
export async function withLocks(git: Git, args: readonly string[], o: RunOptions = {}): Promise<Outcome> {
  let seen: { identity: string; since: number } | undefined;
  for (;;) {
    const outcome = await git.attempt(args, o);
    const path = /Unable to create '([^']+\.lock)': File exists/.exec(outcome.stderr)?.[1];
    if (outcome.status === 0 || path === undefined) return outcome;
    const lock = await statLock(path);
    if (lock === undefined) continue; // gone by itself
    const now = performance.now();
    if (seen?.identity !== lock.identity) seen = { identity: lock.identity, since: now };
    const stale = lock.age >= STALE_LOCK_MS && now - seen.since >= WATCHED_MS;
    if (stale || now - seen.since >= STALE_LOCK_MS) await unlink(path).catch(() => {}); // another run may be first
    await sleep(50 + Math.random() * 50);
  }
}

async function statLock(path: string): Promise<{ identity: string; age: number } | undefined> {
  try {
    const { ino, mtimeNs, mtimeMs } = await stat(path, { bigint: true });
    return { identity: `${path} ${ino} ${mtimeNs}`, age: Date.now() - Number(mtimeMs) };
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

/** A full object id, sha1 or sha256. */
export const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
