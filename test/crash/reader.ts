import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decompressAll } from '../../src/repodata/compression.ts';
import { readRepomd } from '../../src/repodata/repomd.ts';
import { MIRROR_URL } from './site.ts';

/** What a client of one repository read, from one mirrorlist to the last package: which repomd.xml it was. */
export interface Reading {
  readonly id: string;
  readonly repomd: string;
}

/** Reads as dnf does and checks every checksum; what was checked once is not read again (`sound`). */
async function readAll(open: string, id: string, sound: Set<string>): Promise<Reading> {
  const url = (await readFile(join(open, id, 'mirrorlist'), 'utf8')).trim();
  if (!url.startsWith(`${MIRROR_URL}/`)) throw new Error(`${id}: mirrorlist names ${url}`);
  const tree = join(open, url.slice(MIRROR_URL.length));
  const bytes = await readFile(join(tree, 'repodata', 'repomd.xml'));
  const repomd = createHash('sha256').update(bytes).digest('hex');
  const { records } = readRepomd(bytes, id);
  for (const { type, href, checksum, size } of records) {
    const document = await checked(join(tree, href), checksum.hex, size);
    if (type !== 'primary') continue;
    const key = `${tree} ${checksum.hex}`;
    const text = (await decompressAll(document, { maxBytes: 1 << 26, at: href })).toString('utf8');
    for (const [, pkgid = '', length = '', path = ''] of text.matchAll(
      /<checksum type="sha256" pkgid="YES">(\w+)<\/checksum>.*?<size package="(\d+)".*?<location href="([^"]+)"/gs,
    )) {
      const file = join(tree, path);
      const known = `${file} ${pkgid}`;
      await checked(file, pkgid, Number(length), sound.has(known));
      sound.add(known);
    }
    sound.add(key);
  }
  await readInstallationTree(tree, sound);
  return { id, repomd };
}

/** As an installer does: `.treeinfo`, then what it names. */
async function readInstallationTree(tree: string, sound: Set<string>): Promise<void> {
  const text = await readFile(join(tree, '.treeinfo'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''; // most have none
    throw error;
  });
  for (const [, path = '', hex = ''] of text.matchAll(/^(\S+) = sha256:([0-9a-f]{64})$/gm)) {
    const known = `${tree}/${path} ${hex}`;
    await checked(join(tree, path), hex, undefined, sound.has(known));
    sound.add(known);
  }
}

async function checked(path: string, hex: string, size?: number, quick = false): Promise<Buffer> {
  const bytes = await readFile(path);
  if (size !== undefined && bytes.length !== size)
    throw new Error(`${path}: ${bytes.length} bytes, not ${size}`);
  if (!quick && createHash('sha256').update(bytes).digest('hex') !== hex)
    throw new Error(`${path}: other bytes`);
  return bytes;
}

/** A client that reads all repositories again and again until it is stopped. */
export class Reader {
  readonly seen = new Map<string, string[]>();
  readonly failures: string[] = [];
  rounds = 0;
  readonly #open: string;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(mirror: string) {
    this.#open = join(mirror, 'public');
    this.#done = this.#loop();
  }

  async #loop(): Promise<void> {
    const sound = new Set<string>();
    const ids = (await readdir(this.#open)).filter((name) => /^(?:infra|vendor)-/.test(name));
    if (ids.length === 0) throw new Error(`nothing is published in ${this.#open}`);
    do {
      for (const id of ids) {
        try {
          const { repomd } = await readAll(this.#open, id, sound);
          const seen = this.seen.get(id) ?? [];
          if (seen.at(-1) !== repomd) this.seen.set(id, [...seen, repomd]);
        } catch (error) {
          this.failures.push(`${id}: ${String(error)}`);
        }
      }
      this.rounds += 1;
      await sleep(20);
    } while (!this.#stopped);
  }

  /** Reads once more to the end, then says what failed. */
  async stop(): Promise<string[]> {
    this.#stopped = true;
    await this.#done;
    for (const [id, seen] of this.seen) {
      if (seen.length > 2) this.failures.push(`${id}: switched ${seen.length - 1} times: ${seen.join(' ')}`);
    }
    return this.failures;
  }
}
