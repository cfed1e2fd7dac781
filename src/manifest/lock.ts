import { type Checksum, checksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import { place } from './place.ts';

/** One line of a lock; `offset` is where it begins. */
export interface LockLine {
  /** As `formatNevra` writes it. */
  readonly nevra: string;
  readonly checksum: Checksum;
  /** In bytes. */
  readonly size: number;
  readonly record: string;
  readonly withdrawn: boolean;
  readonly offset: number;
}

/** `<nevra> <type>:<hex> <size> <record>[ withdrawn]`; sizes from 1 to 2^53 - 1, which every digit of 15 stays below. */
const LINE =
  /^([^ ]{1,1200}) ([a-z0-9]{3,6}):([0-9a-f]{32,128}) ([1-9][0-9]{0,14}) ([0-9a-f]{12})( withdrawn)?$/;

/** More than 300,000 builds. */
const CEILING = 64 * 1024 * 1024;

/** A lock's lines by NEVRA. Empty lines are passed over; everything else must be a line of the lock, and no build is there twice. */
export function readLock(text: string, path: string): Map<string, LockLine> {
  if (text.length > CEILING) {
    const message = `${path} has ${text.length} characters; ${CEILING} at most`;
    throw new Fault('TOO_LARGE', message, { hint: 'Restore the lock from main.', at: `${path}:1:1` });
  }
  const lines = new Map<string, LockLine>();
  for (const [line, offset] of linesOf(text)) {
    const read = readLockLine(line, offset);
    if (!read) throw wrong(line, place(path, text, offset));
    if (lines.has(read.nevra)) {
      throw new Fault('MANIFEST_INVALID', `${read.nevra} is there twice`, {
        hint: 'Remove one of the two lines.',
        at: place(path, text, offset),
      });
    }
    lines.set(read.nevra, read);
  }
  return lines;
}

/** The lines that can be read, of a lock that may be torn, conflicted or old. The first of two that name one build counts. */
export function salvageLock(text: string): Map<string, LockLine> {
  const lines = new Map<string, LockLine>();
  if (text.length > CEILING) return lines;
  for (const [line, offset] of linesOf(text)) {
    const read = readLockLine(line, offset);
    if (read && !lines.has(read.nevra)) lines.set(read.nevra, read);
  }
  return lines;
}

function* linesOf(text: string): Generator<[line: string, offset: number]> {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    if (end > start) yield [text.slice(start, end), start];
    start = end + 1;
  }
}

/** Undefined for what is no line of a lock. */
export function readLockLine(line: string, offset = 0): LockLine | undefined {
  const [, nevra, type, hex, size, record, mark] = LINE.exec(line) ?? [];
  if (!nevra || !type || !hex || !size || !record) return undefined;
  const sum = checksumOf(type, hex);
  if (!sum) return undefined;
  return { nevra, checksum: sum, size: Number(size), record, withdrawn: mark !== undefined, offset };
}

function checksumOf(type: string, hex: string): Checksum | undefined {
  try {
    const sum = checksum(type, hex);
    return sum.type === type ? sum : undefined; // `sha`, an old name of sha1, is not how a lock says it
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function wrong(line: string, at: string): Fault {
  const conflict = /^(<<<<<<<|=======|>>>>>>>)/.test(line);
  const what = conflict ? 'a conflict that git left' : `${quote(line)} is not a line of a lock`;
  return new Fault('MANIFEST_INVALID', what, {
    hint: conflict
      ? 'Resolve the YAML, then run `sluice fix`.'
      : 'Run `sluice fix`: a lock is not written by hand.',
    at,
  });
}
