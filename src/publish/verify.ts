import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checksum, formatChecksum, parseChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import { type Progress, SILENT } from '../base/progress.ts';
import { formatRepositoryId, type RepositoryName } from '../manifest/ids.ts';
import type { Catalog } from '../pool/catalog.ts';
import { lockMirror } from '../pool/disk.ts';
import { inParallel } from '../pool/parallel.ts';
import type { Pool } from '../pool/pool.ts';
import { type Repomd, readRepomd } from '../repodata/repomd.ts';
import { CommitReader } from './commit.ts';
import type { Content } from './content.ts';
import {
  believedRevision,
  byPath,
  type Difference,
  type DifferenceCode,
  differingTypes,
  NOWHERE,
} from './difference.ts';
import { DocumentProjector, sha256Hex } from './documents.ts';
import type { CommitHistory, Moment } from './history.ts';
import { keysOf } from './keys.ts';
import { type Layout, layoutOf } from './layout.ts';
import { type Materialised, materialise } from './materialise.ts';
import { readPlain } from './plain.ts';
import { publishedIds } from './publish.ts';
import { codecOf } from './runs.ts';
import { repomdPath, Signing } from './sign.ts';
import { readState, revisionAt } from './state.ts';
import { type Stated, statementOf, statementPath, treeStated } from './statement.ts';
import { damagedDocuments, damagedNames } from './tree.ts';

export interface VerifyOptions {
  readonly mirror: string;
  /** Of the commit that was published. */
  readonly history: CommitHistory;
  readonly catalog: Catalog;
  readonly pool: Pool;
  readonly progress?: Progress;
}

export interface Verified {
  readonly differences: readonly Difference[];
  readonly repositories: number;
  readonly links: number;
  /** Distinct files of the pool, each read and hashed. */
  readonly files: number;
}

const FILES_AT_ONCE = 4;

/**
 * Proves that the disk is what the commit says: every byte of repodata is made again, without any cache, and compared;
 * every link is the pool's file; every file of the pool that is pinned is hashed. Lists what differs, repairs nothing.
 */
export async function verify(o: VerifyOptions): Promise<Verified> {
  const run = new Verifier(o);
  {
    await using _lock = await lockMirror(o.mirror); // not while a publication is half way
    await run.trees();
  }
  await run.pool();
  const differences = run.differences.sort(byPath);
  return { differences, repositories: run.repositories, links: run.links, files: run.sums.size };
}

class Verifier {
  readonly differences: Difference[] = [];
  readonly sums = new Set<string>();
  repositories = 0;
  links = 0;
  #signing: Signing | undefined;
  readonly #o: VerifyOptions;
  readonly #layout: Layout;
  readonly #reader: CommitReader;
  readonly #stated: Stated[] = [];

  constructor(o: VerifyOptions) {
    this.#o = o;
    this.#layout = layoutOf(o.mirror);
    this.#reader = new CommitReader(o.history, new DocumentProjector(o.catalog));
  }

  async trees(): Promise<void> {
    const { progress = SILENT } = this.#o;
    const repositories = await this.#reader.repositories();
    this.#signing = await Signing.of(this.#o.history, new Date(0), undefined);
    progress.start('verify metadata', repositories.length, 'items');
    for (const repository of repositories) {
      try {
        await this.#repository(repository);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        this.#differ('UNREADABLE', cause.at ?? formatRepositoryId(repository), cause.message);
      }
      this.repositories += 1;
      progress.advance(1);
    }
    const ids = new Set(repositories.map(formatRepositoryId));
    for (const id of await publishedIds(this.#layout)) {
      if (!ids.has(id))
        this.#differ('POINTER_EXTRA', this.#layout.pointer(id), 'main has no such repository');
    }
    await this.#keys();
    await this.#statement(repositories.length);
    progress.done();
  }

  async #keys(): Promise<void> {
    for (const [name, text] of await keysOf(this.#o.history, await this.#reader.blobs())) {
      const path = join(this.#layout.public, 'keys', name);
      const found = await readPlain(path);
      if (!found) this.#differ('KEY', path, 'is not there');
      else if (found.toString() !== text) this.#differ('KEY', path, 'is not the key that the commit has');
    }
  }

  /** What a repository that cannot be read would be stated as, nobody knows. */
  async #statement(repositories: number): Promise<void> {
    if (this.#stated.length < repositories) return;
    const { history } = this.#o;
    const commit = { id: history.commit, time: history.chain[0]?.time ?? new Date(0) };
    const wanted = statementOf(commit, this.#stated, await this.#reader.blobs());
    const path = statementPath(this.#layout, history.commit);
    const found = await readPlain(path);
    if (!found) return this.#differ('STATEMENT', path, 'is not there');
    if (!found.equals(wanted)) return this.#differ('STATEMENT', path, 'is not what the commit gives');
    await this.#signature(path, found);
  }

  async pool(): Promise<void> {
    const { pool, progress = SILENT } = this.#o;
    progress.start('verify pool', this.sums.size, 'items');
    await inParallel(this.sums, FILES_AT_ONCE, async (text) => {
      const sum = parseChecksum(text);
      try {
        await pool.verify(sum);
      } catch (cause) {
        const code = codeOf(cause);
        if (!(cause instanceof Fault) || (code !== 'POOL_MISSING' && code !== 'POOL_CORRUPT')) throw cause;
        this.#differ(code, pool.path(sum), cause.message);
      }
      progress.advance(1);
    });
    progress.done();
  }

  #differ(code: DifferenceCode, path: string, says: string): void {
    this.differences.push({ code, path, says });
  }

  async #repository(repository: RepositoryName): Promise<void> {
    const id = formatRepositoryId(repository);
    const content = await this.#reader.content(repository);
    const published = await revisionAt(this.#layout.pointer(id));
    const revision = await believedRevision(repository, content, published, this.#o.history, this.#reader);
    await this.#pointers(id, revision.id);
    const repomd = await this.#tree(content, revision);
    this.#stated.push({ repository, revision, repomd: sha256Hex(repomd), ...treeStated(content) });
    if (content.locations.kind === 'full') await this.#links(content, content.locations.names);
    for (const { checksum } of content.tree?.files ?? []) this.sums.add(formatChecksum(checksum));
    this.links += content.tree?.files.length ?? 0;
  }

  async #pointers(id: string, revision: string): Promise<void> {
    const at = join(this.#layout.view({ kind: 'at', commit: this.#o.history.commit }), id);
    for (const link of [this.#layout.pointer(id), at]) {
      const found = await revisionAt(link);
      if (found !== revision) this.#differ('POINTER', link, `names ${found ?? 'no tree'}, not ${revision}`);
    }
  }

  /** The repomd.xml that must be there. */
  async #tree(content: Content, revision: Moment): Promise<Buffer> {
    const tree = this.#layout.tree(content.id, revision.id);
    const path = repomdPath(tree);
    const found = await readPlain(path);
    const timestamp = Math.floor(revision.time.getTime() / 1000);
    const publication = { content, revision: revision.id, timestamp };
    const made = await materialise(
      publication,
      { getRecords: (ids) => this.#o.catalog.getRecords(ids) },
      NOWHERE,
    );
    if (!found) {
      this.#differ('TREE_MISSING', path, 'is not there');
      return made.repomd;
    }
    const repomd = this.#repomd(found, path);
    await this.#signature(path, found);
    let wanted = made.repomd;
    if (repomd && !found.equals(wanted) && !(await this.#repomdDiffers(content, path, repomd, made)))
      wanted = found;
    for (const wrong of repomd ? await damagedDocuments(tree, repomd) : []) {
      this.#differ('REPODATA', wrong, 'is not what repomd.xml says');
    }
    for (const wrong of await damagedNames(this.#layout, content, revision.id)) {
      this.#differ('TREE', wrong, 'is not what the commit gives');
    }
    return wanted;
  }

  async #signature(document: string, bytes: Buffer): Promise<void> {
    if (!this.#signing) return;
    const path = `${document}.asc`;
    const lacking = await this.#signing.lacking(bytes, (await readPlain(path)) ?? Buffer.alloc(0));
    for (const key of lacking) this.#differ('SIGNATURE', path, `has no signature that counts by ${key}`);
  }

  #repomd(bytes: Buffer, path: string): Repomd | undefined {
    try {
      return readRepomd(bytes, path);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#differ('REPODATA', path, cause.message);
      return undefined;
    }
  }

  /** Another version of the compressor is no difference, as long as everything is equal once opened. */
  async #repomdDiffers(content: Content, path: string, found: Repomd, made: Materialised): Promise<boolean> {
    const { current } = await readState(this.#layout, content.id);
    const otherCodec = current !== undefined && current.codec !== codecOf(content.compression);
    const types = differingTypes(found.records, made.records, { onceOpened: otherCodec });
    if (types.length > 0) this.#differ('REPODATA', path, `differs in ${types.join(', ')}`);
    else if (!otherCodec) this.#differ('REPODATA', path, 'differs from what the commit gives');
    return types.length > 0 || !otherCodec;
  }

  async #links(content: Content, names: readonly string[]): Promise<void> {
    const folder = this.#layout.packages(content.id);
    const pins = content.pins.map((pin, i) => ({ pin, path: join(folder, names[i] as string) }));
    this.links += pins.length;
    await inParallel(pins, FILES_AT_ONCE, async ({ pin, path }) => {
      this.sums.add(formatChecksum(pin.checksum));
      const [link, file] = await Promise.all([statOf(path), statOf(this.#o.pool.path(pin.checksum))]);
      if (!link) return this.#differ('LINK_MISSING', path, 'is not there');
      if (!link.isFile()) return this.#differ('LINK_DIFFERS', path, 'is no regular file');
      if (link.size !== pin.size)
        return this.#differ('LINK_DIFFERS', path, `has ${link.size} bytes, the lock says ${pin.size}`);
      if (file && link.ino === file.ino && link.dev === file.dev) return; // hashed once, in the pool
      const hex = await hashFile(path, pin.checksum.type); // linked before the pool took a second copy, or replaced
      if (hex !== pin.checksum.hex) this.#differ('LINK_DIFFERS', path, `its ${pin.checksum.type} is ${hex}`);
    });
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

async function hashFile(path: string, type: Checksum['type']): Promise<string> {
  const hash = createHash(type);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
