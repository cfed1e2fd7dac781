import { chmod, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { differences, photograph } from './photograph.ts';
import { Reader } from './reader.ts';
import type { CrashSite, Ended, Operation } from './site.ts';

/** System calls by what they do, whatever this machine's libc calls them. */
export const CALLS = {
  rename: ['?rename', '?renameat', '?renameat2'],
  link: ['?link', '?linkat'],
  symlink: ['?symlink', '?symlinkat'],
  fsync: ['fsync', '?fdatasync'],
  unlink: ['?unlink', '?unlinkat'],
  rmdir: ['?rmdir'],
  mkdir: ['?mkdir', '?mkdirat'],
  ftruncate: ['ftruncate'],
  pwrite: ['pwrite64'],
} as const;
export type Call = keyof typeof CALLS;

/** Where a run is cut: the `when`th such call of sluice itself, or of the `git`th git that it starts. */
export interface Point {
  readonly call: Call;
  readonly when: number;
  readonly git?: number;
  /** `KILL`, or the error that the call returns. */
  readonly what: 'KILL' | 'ENOSPC' | 'EXDEV' | 'EIO' | 'EROFS';
}

export interface Outcome {
  readonly point: Point;
  /** False: the run ended before it came to that call. */
  readonly reached: boolean;
  /** What is wrong; empty where all is well. */
  readonly wrong: readonly string[];
  readonly rounds: number;
}

export function formatPoint({ call, when, git, what }: Point): string {
  return `${what} at ${call} ${when}${git === undefined ? '' : ` of git ${git}`}`;
}

function injection({ call, what, when }: Point): string[] {
  const names = CALLS[call].join(',');
  const how = what === 'KILL' ? 'signal=KILL' : `error=${what}`;
  return ['-f', '-qq', '-e', `trace=${names}`, '-e', `inject=${names}:${how}:when=${when}`];
}

/** Sluice under strace(1), which lets go of the programs that it starts. */
function straced(point: Point, log: string): string[] {
  return ['strace', '-b', 'execve', '-o', log, ...injection(point)];
}

/** A `git` for the PATH: the nth one that is started runs under strace, and takes its parent (which starts git) and sluice with it when killed. */
async function gitUnderStrace(site: CrashSite, point: Point, log: string): Promise<string> {
  const bin = join(site.root, 'bin');
  const count = join(site.root, 'gits');
  await rm(count, { recursive: true, force: true });
  await mkdir(count, { recursive: true });
  await mkdir(bin, { recursive: true });
  const real = (process.env['PATH'] ?? '')
    .split(':')
    .filter((folder) => folder !== bin)
    .join(':');
  await writeFile(
    join(bin, 'git'),
    `#!/bin/sh
PATH='${real}'
n=1
until mkdir '${count}'/$n 2>/dev/null; do n=$((n + 1)); done
[ $n = ${point.git} ] || exec git "$@"
strace -o '${log}' ${injection(point).join(' ')} git "$@"
status=$?
[ $status = 137 ] && kill -9 "$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' /proc/$PPID/stat)" $PPID
exit $status
`
      .replaceAll('?', '\\?')
      .replaceAll('$\\?', '$?'),
  );
  await chmod(join(bin, 'git'), 0o755);
  return `${bin}:${real}`;
}

async function runTo(
  site: CrashSite,
  operation: Operation,
  point: Point,
): Promise<Ended & { reached: boolean }> {
  const log = join(site.root, 'strace.log');
  await rm(log, { force: true });
  const { args, day } = operation;
  const ended =
    point.git === undefined
      ? await site.sluice(args, day, straced(point, log))
      : await site.sluice(args, day, [], { PATH: await gitUnderStrace(site, point, log) });
  const text = await readFile(log, 'utf8').catch(() => '');
  return { ...ended, reached: / \(INJECTED\)|\+\+\+ killed by SIGKILL/.test(text) };
}

/** What each call is made how often: by sluice itself, then by every git that it starts. */
export async function countCalls(site: CrashSite, operation: Operation): Promise<Map<string, number>> {
  await site.restore(operation.from);
  const names = Object.values(CALLS).flat().join(',');
  const log = join(site.root, 'count');
  await rm(log, { recursive: true, force: true });
  await mkdir(log);
  const { args, day } = operation;
  const own = await site.sluice(args, day, [
    'strace',
    '-f',
    '-b',
    'execve',
    '-qq',
    '-e',
    `trace=${names}`,
    '-o',
    join(log, 'own'),
  ]);
  if (own.status !== 0) throw new Error(`${operation.name} failed under strace:\n${own.output}`);
  const counts = new Map<string, number>();
  await count(join(log, 'own'), '', counts);
  await site.restore(operation.from);
  const bin = join(site.root, 'bin');
  await mkdir(bin, { recursive: true });
  const gits = join(site.root, 'gits');
  await rm(gits, { recursive: true, force: true });
  await mkdir(gits);
  await writeFile(
    join(bin, 'git'),
    `#!/bin/sh
PATH='${process.env['PATH']}'
n=1
until mkdir '${gits}'/$n 2>/dev/null; do n=$((n + 1)); done
exec strace -f -qq -o '${log}'/git-$n -e trace='${names}' git "$@"
`,
  );
  await chmod(join(bin, 'git'), 0o755);
  const run = await site.sluice(args, day, [], { PATH: `${bin}:${process.env['PATH']}` });
  if (run.status !== 0) throw new Error(`${operation.name} failed with git under strace:\n${run.output}`);
  for (const name of (await readdir(log)).sort()) {
    const [, n] = /^git-(\d+)$/.exec(name) ?? [];
    if (n) await count(join(log, name), ` of git ${n}`, counts);
  }
  return counts;
}

async function count(log: string, suffix: string, counts: Map<string, number>): Promise<void> {
  const threads = new Map<string, number>();
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    const [, thread, name] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (!thread || !name) continue;
    const key = `${thread} ${name}`;
    const n = (threads.get(key) ?? 0) + 1;
    threads.set(key, n);
    for (const [call, names] of Object.entries(CALLS)) {
      if (!names.some((known) => known.replace('?', '') === name)) continue;
      counts.set(`${call}${suffix}`, Math.max(n, counts.get(`${call}${suffix}`) ?? 0));
    }
  }
}

/** Cuts the operation at that point while a client reads, runs it again, and compares with a run that nothing cut. */
export async function tryPoint(
  site: CrashSite,
  operation: Operation,
  point: Point,
  expected: readonly string[],
): Promise<Outcome> {
  await site.restore(operation.from);
  let reached = false;
  const done = await cutAndRepeat(site, operation, expected, async () => {
    const first = await runTo(site, operation, point);
    reached = first.reached;
    if (!reached) return first.status === 0 ? [] : [`ended with ${first.status}: ${first.output}`];
    return point.what === 'KILL' ? [] : complaintsOf(first, point.git !== undefined);
  });
  return { point, reached, ...done };
}

/** An error that is in nobody's way may be passed over; any other is a Fault of the disk, and never a bug of ours. */
export function complaintsOf({ status, output }: Ended, gitToo: boolean): string[] {
  const known = gitToo ? / (?:DISK|GIT|FORGE_CONFLICT|FORGE_REFUSED): / : / DISK: /;
  if (status === 0 || (status === 1 && known.test(output))) return [];
  return [`the error ended it with ${status}: ${output}`];
}

/** `first` may fail; the second run must not, and no client may notice either. What is wrong, and how often a client read. */
export async function cutAndRepeat(
  site: CrashSite,
  operation: Operation,
  expected: readonly string[],
  first: () => Promise<readonly string[]>,
): Promise<{ readonly wrong: readonly string[]; readonly rounds: number }> {
  const reader = new Reader(site.mirror);
  const wrong = [...(await first())];
  await ageLocks(site);
  const again = await site.sluice(operation.args, operation.day);
  if (again.status !== 0 && !doneBefore(operation, again)) {
    wrong.push(`the next run ended with ${again.status}: ${again.output}`);
  }
  wrong.push(...(await reader.stop()));
  const found = await photograph(site, { tidy: isPublish(operation) });
  wrong.push(...differences(expected, found));
  return { wrong, rounds: reader.rounds };
}

/** A merge that was recorded before the kill is refused the second time: there is nothing left to do. */
function doneBefore({ args }: Operation, { status, output }: Ended): boolean {
  return args[1] === 'merge' && status === 1 && /FORGE_REFUSED: #\d+ is merged/.test(output);
}

function isPublish({ args }: Operation): boolean {
  return args[0] === 'publish';
}

/** git's locks and half-written files outlive the killed; Sluice removes those that are ten seconds old. Here those seconds pass at once. */
async function ageLocks(site: CrashSite): Promise<void> {
  const then = new Date(Date.now() - 60_000);
  const state = join(site.dir, 'state');
  for (const [folder, ending] of [
    [site.bare, '.lock'],
    [join(state, '.git'), '.lock'],
    [state, '.tmp'],
  ] as const) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && entry.name.endsWith(ending))
        await utimes(join(entry.parentPath, entry.name), then, then);
    }
  }
}

/** The state that the operation leaves when nothing cuts it. */
export async function expectedOf(site: CrashSite, operation: Operation): Promise<string[]> {
  await site.restore(operation.from);
  await site.must(operation.args, operation.day);
  return await photograph(site, { tidy: isPublish(operation) });
}
