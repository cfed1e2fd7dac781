import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Fault } from '../base/fault.ts';
import { BatchReader } from './batch-reader.ts';
import { type Git, gitFault, notStarted, startStaying } from './git.ts';
import type { Staying } from './start.ts';

/** An object as git has it. */
export interface GitObject {
  readonly id: string;
  readonly type: string;
  readonly bytes: Buffer;
}

/** A lock of 200,000 builds is 24 MB; no file of ours comes near. */
const MAX_OBJECT = 256 << 20;

/** Each is a process that waits. */
const MOST_READERS = 4;

/** By folder, the one asked last at the end. */
const readers = new Map<string, ObjectReader>();

/**
 * The object of this name, from a git that stays and is asked by its standard input: a process costs many times what a
 * question does. A name is a revision, and never a ref to be looked up exactly: git tries `refs/heads/refs/…` besides.
 * Undefined: there is none, or more than one.
 */
export async function readObject(git: Git, name: string): Promise<GitObject | undefined> {
  return readerOf(git).ask('contents', name);
}

/** The same without its bytes. */
export async function findObject(git: Git, name: string): Promise<Omit<GitObject, 'bytes'> | undefined> {
  return readerOf(git).ask('info', name);
}

function readerOf(git: Git): ObjectReader {
  const key = resolve(git.dir);
  const place = placeOf(key);
  let reader = readers.get(key);
  if (!reader?.usable || reader.place !== place) {
    reader?.stop();
    reader = new ObjectReader(git, place);
  }
  readers.delete(key);
  readers.set(key, reader);
  for (const [other, { busy }] of readers) {
    if (readers.size <= MOST_READERS) break;
    if (busy || other === key) continue;
    readers.get(other)?.stop();
    readers.delete(other);
  }
  return reader;
}

/** Which folder it is that has this name now. */
function placeOf(dir: string): string {
  const found = statSync(dir, { throwIfNoEntry: false });
  return `${found?.dev} ${found?.ino}`;
}

interface Question {
  readonly what: 'info' | 'contents';
  resolve(object: GitObject | undefined): void;
  reject(error: unknown): void;
}

class ObjectReader {
  readonly place: string;
  readonly #dir: string;
  readonly #git: Staying;
  readonly #questions: Question[] = [];
  #stopped = false;

  constructor(git: Git, place: string) {
    this.place = place;
    this.#dir = git.dir;
    this.#git = startStaying(git, ['cat-file', '--batch-command']);
    void this.#answer(new BatchReader(this.#git.output()));
  }

  get usable(): boolean {
    return !this.#stopped && !this.#git.over;
  }

  get busy(): boolean {
    return this.#questions.length > 0;
  }

  stop(): void {
    this.#stopped = true;
    this.#git.stop();
  }

  ask(what: Question['what'], name: string): Promise<GitObject | undefined> {
    if (/[\u0000-\u0020\u007f]/.test(name)) return Promise.resolve(undefined); // a line of its own, or no name at all
    const { promise, resolve, reject } = Promise.withResolvers<GitObject | undefined>();
    this.#questions.push({ what, resolve, reject });
    this.#git.wait(true);
    this.#git.write(`${what} ${name}\n`);
    return promise;
  }

  async #answer(output: BatchReader): Promise<void> {
    try {
      for (;;) {
        const line = await output.line();
        const [, id = '', type = '', size] = /^([0-9a-f]{40,64}) ([a-z]+) (\d+)$/.exec(line) ?? [];
        const { what } = this.#questions[0] ?? {};
        let bytes: Buffer = Buffer.alloc(0);
        if (size !== undefined && what === 'contents') {
          checkSize({ dir: this.#dir }, id, Number(size));
          bytes = await output.bytes(Number(size));
          await output.bytes(1); // the line end after each object
        }
        this.#questions.shift()?.resolve(size === undefined ? undefined : { id, type, bytes });
        if (!this.busy) this.#git.wait(false);
      }
    } catch (error) {
      const why = error instanceof Fault ? error : await this.#ending();
      this.stop();
      for (const { reject } of this.#questions.splice(0)) reject(why);
      this.#git.wait(false);
    }
  }

  async #ending(): Promise<unknown> {
    try {
      return gitFault(this.#dir, ['cat-file'], await this.#git.ended);
    } catch (cause) {
      return notStarted(this.#dir, cause);
    }
  }
}

/** Refuses an object that is larger than any that we make. */
export function checkSize(git: Pick<Git, 'dir'>, id: string, size: number): void {
  if (size <= MAX_OBJECT) return;
  throw new Fault('TOO_LARGE', `the file of id ${id} has ${size} bytes`, {
    hint: 'Take it out of the repository; snapshots and policies are small.',
    at: git.dir,
  });
}
