import { lstat, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import type { Progress } from '../base/progress.ts';
import { type Catalog, openCatalog } from '../pool/catalog.ts';
import { sweepTemporary, writeFileAtomic } from '../pool/disk.ts';

/** What no run asked for in so long is dropped: a daily vendor brings some 40 MB a day. */
const UNUSED_MS = 30 * 86_400_000;
const MAX_REPOMD = 4 << 20;

/**
 * Documents that earlier runs took, laid out as in a mirror's catalog. Whoever wrote there is not believed: each one is hashed when
 * a run first asks for it, and again as it is read. Nothing that was derived from documents is kept, because it has no checksum
 * that git knows.
 */
export class DocumentCache {
  readonly folder: string;
  /** How many documents were not what their names say. */
  damaged = 0;
  readonly #catalog: Catalog;
  readonly #now: Date;
  readonly #progress: Progress;
  readonly #sound = new Map<string, Promise<boolean>>();

  constructor(folder: string, o: { readonly now: Date; readonly progress: Progress }) {
    this.folder = folder;
    this.#catalog = openCatalog(folder);
    this.#now = o.now;
    this.#progress = o.progress;
  }

  /** A catalog's part for documents. Removing does nothing: the next run may want it. */
  get documents(): Pick<
    Catalog,
    'hasDocument' | 'documentPath' | 'putDocument' | 'readDocument' | 'removeDocument'
  > {
    return {
      hasDocument: (sum) => this.has(sum),
      documentPath: this.#catalog.documentPath,
      putDocument: async (source, expect) => {
        if (await this.has(expect.checksum)) return;
        await this.#catalog.putDocument(source, expect);
        this.taken(expect.checksum);
      },
      readDocument: this.#catalog.readDocument,
      removeDocument: async () => {},
    };
  }

  async has(sum: Checksum): Promise<boolean> {
    const key = formatChecksum(sum);
    const sound = this.#sound.get(key) ?? this.#isSound(sum);
    this.#sound.set(key, sound);
    return await sound;
  }

  /** It has just been verified on its way in. */
  taken(sum: Checksum): void {
    this.#sound.set(formatChecksum(sum), Promise.resolve(true));
  }

  async #isSound(sum: Checksum): Promise<boolean> {
    if (!(await this.#catalog.hasDocument(sum))) return false;
    const path = this.#catalog.documentPath(sum);
    try {
      for await (const _ of this.#catalog.readDocument(sum));
    } catch (cause) {
      if (codeOf(cause) !== 'CATALOG_CORRUPT') throw cause;
      this.damaged += 1;
      this.#progress.say(`warning: the cache's ${path} is not what its name says; it was removed`);
      await this.#catalog.removeDocument(sum);
      return false;
    }
    await this.#use(path);
    return true;
  }

  /** The repomd.xml of a published tree, as an earlier run found it: what it leads to is believed by its checksum alone. */
  async lastTree(id: string): Promise<Buffer | undefined> {
    const path = this.#treePath(id);
    try {
      const { size } = await lstat(path);
      return size > MAX_REPOMD ? undefined : await readFile(path);
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return undefined;
      throw cause;
    }
  }

  async keepTree(id: string, repomd: Buffer): Promise<void> {
    await writeFileAtomic(this.#treePath(id), repomd, { mirrorRoot: this.folder });
  }

  #treePath(id: string): string {
    return join(this.folder, 'trees', `${id}.xml`);
  }

  async #use(path: string): Promise<void> {
    await utimes(path, this.#now, this.#now).catch(() => {}); // somebody else's file: it only goes sooner
  }

  /** Drops what was not used for long, and what killed runs left. */
  async sweep(): Promise<void> {
    try {
      await sweepTemporary(this.folder, this.#now);
      for await (const { checksum } of this.#catalog.listDocuments()) {
        const { mtimeMs } = await lstat(this.#catalog.documentPath(checksum));
        if (this.#now.getTime() - mtimeMs > UNUSED_MS) await this.#catalog.removeDocument(checksum);
      }
    } catch (cause) {
      if (!(cause instanceof Fault) && codeOf(cause) !== 'ENOENT') throw cause; // another run was first
      this.#progress.say(`warning: the cache was not tidied: ${(cause as Error).message}`);
    }
  }
}
