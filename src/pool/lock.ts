import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, readlink, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, Fault } from '../base/fault.ts';
import { onDisk } from './disk-fault.ts';

/** A mirror or a work tree that is held by this process until it is released or the process ends. */
export interface MirrorLock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Who holds it. Process ids mean something only within one boot and one pid namespace. */
interface Holder {
  readonly host: string;
  readonly boot: string;
  readonly namespace: string;
  readonly pid: number;
  /** Clock ticks since boot at which the process began: a process id that was used again is another process. */
  readonly began: string;
}

const BEAT_MS = 10_000;
/** A holder on another host, or in another container, is dead after this long without a beat. */
const SILENT_MS = 12 * BEAT_MS;
const ROUNDS = 5;

/** Nobody else publishes, frees or adds meanwhile. Fault LOCKED names who does. */
export function lockMirror(mirrorRoot: string): Promise<MirrorLock> {
  return lockFolder(join(mirrorRoot, 'locks'), 'the mirror');
}

/** Nobody else looks at pull requests from this mirror meanwhile: each would only repeat what the other says. */
export function lockPulls(mirrorRoot: string): Promise<MirrorLock> {
  return lockFolder(join(mirrorRoot, 'state', 'pr', 'locks'), 'the checks of pull requests');
}

/** Nobody else writes a plan into the clone's work tree meanwhile. */
export function lockWorkTree(gitDir: string): Promise<MirrorLock> {
  return lockFolder(join(gitDir, 'sluice', 'locks'), 'the work tree');
}

/**
 * Takes the folder: every contender first writes a file of its own, then looks at everyone else's, and gives
 * up if one of them lives. Whoever writes later sees whoever wrote before, so two never hold it; two that meet both
 * step back and try again. Dead holders' files are removed. Fault LOCKED names the holder.
 */
async function lockFolder(folder: string, what: string): Promise<MirrorLock> {
  const me = await self();
  return await onDisk(`locking ${what}`, folder, async () => {
    await mkdir(folder, { recursive: true });
    let other: Holder | undefined;
    for (let round = 0; round < ROUNDS; round += 1) {
      const mine = await announce(folder, me);
      other = await livingHolder(folder, mine, me);
      if (!other) return held(mine);
      await rm(mine, { force: true });
      await sleep(20 + Math.random() * 60); // two that met must not meet again
    }
    throw new Fault('LOCKED', `another run holds ${what}: process ${other?.pid} on ${other?.host}`, {
      hint: 'Wait until it is done.',
      at: folder,
    });
  });
}

function held(mine: string): MirrorLock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(mine, now, now).catch(() => {}); // a missed beat shows in its age; the next one may succeed
  }, BEAT_MS);
  beat.unref();
  const release = async () => {
    clearInterval(beat);
    await rm(mine, { force: true });
  };
  return { release, [Symbol.asyncDispose]: release };
}

/** The file appears with its whole content, or not at all. */
async function announce(folder: string, me: Holder): Promise<string> {
  const name = randomUUID();
  const draft = join(folder, `.${await ownMark()}.${name}`);
  const mine = join(folder, `${name}.json`);
  try {
    {
      await using file = await open(draft, 'wx');
      await file.writeFile(JSON.stringify(me));
    }
    await rename(draft, mine);
    return mine;
  } catch (cause) {
    await rm(draft, { force: true }); // a full disk leaves an empty one
    throw cause;
  }
}

async function livingHolder(folder: string, mine: string, me: Holder): Promise<Holder | undefined> {
  const now = (await stat(mine)).mtimeMs; // the file system's own clock, which also stamps everyone's beats
  for (const entry of (await readdir(folder)).sort()) {
    const path = join(folder, entry);
    if (path === mine) continue;
    if (entry.startsWith('.')) {
      // Not announced: once it is, its owner sees us. A dead one's goes.
      if ((await hasEnded(entry.slice(1).split('.')[0] ?? '')) === 'yes') await rm(path, { force: true });
      continue;
    }
    const found = await readHolder(path);
    if (!found) continue;
    if (await lives(found, me, now)) return found.holder;
    await rm(path, { force: true });
  }
  return undefined;
}

interface Found {
  readonly holder: Holder | undefined;
  readonly beat: number;
}

async function readHolder(path: string): Promise<(Found & { holder: Holder }) | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    const unknown: Holder = { host: 'an unknown host', boot: '', namespace: '', pid: 0, began: '' };
    return { holder: { ...unknown, ...parsed(text) }, beat: mtimeMs };
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined; // released meanwhile
    throw cause;
  }
}

function parsed(text: string): Partial<Holder> {
  try {
    return JSON.parse(text) as Partial<Holder>;
  } catch {
    return {}; // damaged: only its age counts
  }
}

async function lives(
  { holder, beat }: Found & { holder: Holder },
  me: Holder,
  now: number,
): Promise<boolean> {
  if (holder.host === me.host && holder.boot !== '' && holder.boot !== me.boot) return false;
  if (holder.boot === me.boot && holder.namespace === me.namespace) {
    return (await startOf(holder.pid)) === holder.began;
  }
  return now - beat < SILENT_MS;
}

async function self(): Promise<Holder> {
  const [boot, namespace, began] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
    startOf(process.pid),
  ]);
  return { host: hostname(), boot: boot.trim(), namespace, pid: process.pid, began: began ?? '' };
}

let mark: Promise<string> | undefined;

/** This process in one word, for the names of its temporaries: `<host>-<boot>-<namespace>-<pid>-<began>`. */
export function ownMark(): Promise<string> {
  mark ??= self().then((me) => [...placeOf(me), me.pid, me.began].join('-'));
  return mark;
}

/** Whether the process of that mark has ended; unknown where process ids mean something else. */
export async function hasEnded(text: string): Promise<'yes' | 'no' | 'unknown'> {
  const [, host, boot, namespace, pid, began] =
    /^([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{8})-(\d+)-(\d+)$/.exec(text) ?? [];
  if (pid === undefined) return 'yes'; // nobody's
  const [myHost, myBoot, myNamespace] = placeOf(await self());
  if (host === myHost && boot !== myBoot) return 'yes';
  if (boot !== myBoot || namespace !== myNamespace) return 'unknown';
  return (await startOf(Number(pid))) === began ? 'no' : 'yes';
}

function placeOf({ host, boot, namespace }: Holder): string[] {
  return [host, boot, namespace].map((text) => createHash('sha256').update(text).digest('hex').slice(0, 8));
}

/** Field 22 of /proc/<pid>/stat (proc(5)); the name in field 2 may hold spaces and brackets. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
