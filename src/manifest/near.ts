import { posix } from 'node:path';
import { Fault } from '../base/fault.ts';
import { compareNevra, parseNevra } from '../rpm/nevra.ts';
import { snapshotPath } from './ids.ts';
import { readLockLine } from './lock.ts';
import { readHead } from './manifest-text.ts';
import { type Known, renderNear } from './render-near.ts';
import { amendSnapshot, type Pin, parseSnapshot, type Snapshot, type SnapshotFiles } from './snapshot.ts';

/** As many large ones as a few teams have; each is some megabytes. */
const MOST_KEPT = 24;
const kept: (Known & { readonly path: string })[] = [];

/**
 * As `parseSnapshot`, and each pair once: main, the base of a pull request, its head and its merge have most texts in common, and
 * tiers of one upstream, or one tier before and after, most of their lines.
 */
export function readSnapshot(files: SnapshotFiles, path: string): Snapshot {
  const at = kept.findIndex(
    (k) => k.path === path && k.files.lock === files.lock && k.files.yaml === files.yaml,
  );
  const [known = { path, files, snapshot: read(files, path) }] = at < 0 ? [] : kept.splice(at, 1);
  kept.unshift(known);
  kept.splice(MOST_KEPT);
  return known.snapshot;
}

function read(files: SnapshotFiles, path: string): Snapshot {
  const name = posix.basename(path);
  const near = kept.find((k) => posix.basename(k.path) === name);
  return (near && parseNear(files, path, near)) ?? parseSnapshot(files, path);
}

/**
 * What `parseSnapshot` gives for a pair of which most lines are those of another one, for a fifth of the time: tiers have most of
 * their builds in common. It is a guess from the lines that differ, proven by writing it: canonical bytes are those of one snapshot.
 * Undefined where it was no good guess, or the pair is not as it must be: then it takes the whole reading, which says what is wrong.
 */
export function parseNear(files: SnapshotFiles, path: string, near: Known): Snapshot | undefined {
  try {
    const change = changeOf(near, files.lock);
    const head = change && readHead(files.yaml, path);
    if (!change || !head) return undefined;
    const snapshot = amendSnapshot(near.snapshot, change, { ...head, kickstart: head.kickstart });
    if (snapshotPath(snapshot.repository) !== path) return undefined;
    const canonical = renderNear(snapshot, near);
    return canonical.lock === files.lock && canonical.yaml === files.yaml ? snapshot : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** Which pins to leave out of the known ones, and which to add, for them to be those of another lock; both locks are in order. */
function changeOf({ files, snapshot }: Known, lock: string) {
  const without = new Set<Pin>();
  const pins: Pin[] = [];
  let from = 0; // of the known lock
  let at = 0;
  for (let i = 0; i < snapshot.pins.length; i += 1) {
    if (i % BLOCK === 0) {
      const end = afterLines(files.lock, from, BLOCK);
      if (files.lock.slice(from, end) === lock.slice(at, at + end - from)) {
        [at, from, i] = [at + end - from, end, i + BLOCK - 1];
        continue;
      }
    }
    const pin = snapshot.pins[i] as Pin;
    const end = files.lock.indexOf('\n', from);
    const line = files.lock.slice(from, end + 1);
    from = end + 2;
    while (!lock.startsWith(line, at)) {
      const other = pinAt(lock, at);
      if (other === 'none' || (other && compareNevra(other.nevra, pin.nevra) > 0)) break;
      if (!other) return undefined;
      pins.push(other);
      at = lock.indexOf('\n', at) + 2;
    }
    if (lock.startsWith(line, at)) at += line.length + 1;
    else without.add(pin);
  }
  while (at < lock.length) {
    const other = pinAt(lock, at);
    if (typeof other !== 'object') return undefined;
    pins.push(other);
    at = lock.indexOf('\n', at) + 2;
  }
  return { without, pins };
}

/** So many lines are compared at once. */
const BLOCK = 512;

function afterLines(lock: string, start: number, lines: number): number {
  let at = start;
  for (let n = 0; n < lines && at < lock.length; n += 1) at = lock.indexOf('\n', at) + 2;
  return at;
}

/** `none` at the end; undefined for what is no line of a lock. */
function pinAt(lock: string, at: number): Pin | 'none' | undefined {
  if (at >= lock.length) return 'none';
  const end = lock.indexOf('\n', at);
  const read = end < 0 ? undefined : readLockLine(lock.slice(at, end));
  if (!read) return undefined;
  const { checksum, size, record, withdrawn } = read;
  return { nevra: parseNevra(read.nevra), checksum, size, record, withdrawn };
}
