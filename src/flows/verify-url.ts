import { Fault } from '../base/fault.ts';
import { type Progress, SILENT } from '../base/progress.ts';
import { formatRepositoryId, type RepositoryName } from '../manifest/ids.ts';
import { loadPolicies } from '../manifest/policy.ts';
import { inParallel } from '../pool/parallel.ts';
import { CommitReader } from '../publish/commit.ts';
import type { Content } from '../publish/content.ts';
import {
  believedRevision,
  byPath,
  type Difference,
  type DifferenceCode,
  differingTypes,
  NOWHERE,
} from '../publish/difference.ts';
import { DocumentProjector, type PublishedTree, sha256Hex } from '../publish/documents.ts';
import type { CommitHistory } from '../publish/history.ts';
import { TREEINFO } from '../publish/install-tree.ts';
import { keysOf } from '../publish/keys.ts';
import { isCommitId } from '../publish/layout.ts';
import { materialise } from '../publish/materialise.ts';
import { Signing } from '../publish/sign.ts';
import { STATEMENT, type Stated, statementOf, treeStated } from '../publish/statement.ts';
import { mirrorlistOf } from '../publish/tree.ts';
import { type Repomd, type RepomdRecord, readRepomd } from '../repodata/repomd.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Timing } from '../upstream/attempt.ts';
import { REQUESTS_AT_ONCE } from '../upstream/source.ts';
import { baseUrl } from '../upstream/url.ts';
import { verifyOpen } from '../upstream/verify.ts';
import { Served } from './served.ts';
import { ServedCatalog } from './served-catalog.ts';
import { acceptedIn, ServedRecords } from './served-records.ts';
import { type ServedRepomd, type ServedTree, sameOnceOpened, type Wanted } from './served-tree.ts';

export interface VerifyUrlOptions {
  /** The public root, with a slash at its end. */
  readonly url: URL;
  /** Of the commit that is to be proved. */
  readonly history: CommitHistory;
  /** `at`: the commit's own view; `current`: what clients follow. */
  readonly look: 'at' | 'current';
  /** Packages too, every byte of them. */
  readonly packages: boolean;
  /** An empty folder, for what has to be fetched to make the metadata again. */
  readonly folder: string;
  readonly timing?: Partial<Timing> | undefined;
  readonly progress?: Progress;
}

export interface VerifiedUrl {
  readonly commit: string;
  readonly differences: readonly Difference[];
  readonly repositories: number;
  /** Repositories whose packages are at their upstream: only their metadata was looked at. */
  readonly thin: readonly string[];
  /** Package URLs that were read and hashed. */
  readonly packages: number;
  readonly bytes: number;
  /** Metadata records that the upstream no longer lists: 48 bits of their digest are in the lock, and were compared. */
  readonly short: number;
}

const MAX_REPOMD = 4 << 20;
const MAX_SIGNATURE = 1 << 20;
const MAX_STATEMENT = 64 << 20;

/**
 * Proves from anywhere that a served mirror is what a commit says: everything is made again from git, and compared. What that takes
 * is fetched from the same server, and believed only for a checksum or an id that git has. NETWORK where the server ends it.
 */
export async function verifyUrl(o: VerifyUrlOptions): Promise<VerifiedUrl> {
  const { catalogUrl } = loadPolicies(await o.history.readMany(['policies/site.yaml'])).site;
  const catalogs = [new URL('catalog/', o.url), ...(catalogUrl ? [baseUrl(catalogUrl, 'catalogUrl')] : [])];
  await using served = await Served.open(o.url, { bases: [o.url, ...catalogs], timing: o.timing });
  return await new UrlVerifier(o, served, catalogs).run();
}

class UrlVerifier {
  readonly #differences: Difference[] = [];
  readonly #stated: Stated[] = [];
  readonly #thin: string[] = [];
  #packages = 0;
  #bytes = 0;
  #signing: Signing | undefined;
  readonly #o: VerifyUrlOptions;
  readonly #served: Served;
  readonly #catalog: ServedCatalog;
  readonly #records: ServedRecords;
  readonly #reader: CommitReader;
  /** Says the same but for the documents, which it needs nobody for. */
  readonly #bare: CommitReader;

  constructor(o: VerifyUrlOptions, served: Served, catalogs: readonly URL[]) {
    this.#o = o;
    this.#served = served;
    this.#catalog = new ServedCatalog(o.folder, served, catalogs);
    this.#records = new ServedRecords(this.#catalog, served, acceptedIn(o.history));
    this.#reader = new CommitReader(o.history, new DocumentProjector(this.#catalog));
    this.#bare = new CommitReader(o.history, {
      project: async () => [],
      tree: async () => ({ treeinfo: Buffer.alloc(0), files: [] }),
    });
  }

  async run(): Promise<VerifiedUrl> {
    const repositories = await this.#reader.repositories();
    this.#signing = await Signing.of(this.#o.history, new Date(0), undefined);
    for (const repository of repositories) {
      try {
        await this.#repository(repository);
      } catch (cause) {
        if (!(cause instanceof Fault) || cause.code === 'DISK') throw cause;
        this.#differ('UNREADABLE', cause.at ?? formatRepositoryId(repository), cause.message);
      }
    }
    if (this.#o.look === 'current') await this.#keys();
    if (this.#stated.length === repositories.length) await this.#statement();
    return {
      commit: this.#o.history.commit,
      differences: this.#differences.sort(byPath),
      repositories: repositories.length,
      thin: this.#thin,
      packages: this.#packages,
      bytes: this.#bytes,
      short: this.#records.short.size,
    };
  }

  #differ(code: DifferenceCode, path: string, says: string): void {
    this.#differences.push({ code, path, says });
  }

  async #repository(repository: RepositoryName): Promise<void> {
    const { look, history, packages } = this.#o;
    const id = formatRepositoryId(repository);
    const prefix = look === 'at' ? `at/${history.commit}/${id}/` : `${id}/`;
    const found = await this.#served.read(`${prefix}repodata/repomd.xml`, MAX_REPOMD);
    const repomd = found.bytes && this.#parsed(found.bytes, found.url);
    const tree = repomd && { prefix, repomd };
    const wanted = await this.#wanted(repository, tree, found.url);
    if (!found.bytes) {
      this.#differ('TREE_MISSING', found.url, found.missing);
      if (wanted)
        this.#stated.push({
          repository,
          revision: wanted.revision,
          repomd: sha256Hex(wanted.made.repomd),
          ...treeStated(wanted.content),
        });
      return;
    }
    const bare = await this.#bare.content(repository);
    const served: ServedRepomd = { repository, prefix, url: found.url, bytes: found.bytes, repomd };
    if (wanted?.content.tree) await this.#installTree(wanted.content.tree, prefix);
    if (wanted) await this.#compare(served, wanted);
    else await this.#believe(served);
    if (bare.locations.kind === 'thin') this.#thin.push(id);
    else if (packages) await this.#links(bare, bare.locations.names, prefix);
  }

  #parsed(bytes: Buffer, at: string): Repomd | undefined {
    try {
      return readRepomd(bytes, at);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#differ('REPODATA', at, cause.message);
      return undefined;
    }
  }

  /** What the commit gives. Undefined, and named, where what it is made from cannot be had. */
  async #wanted(
    repository: RepositoryName,
    tree: ServedTree | undefined,
    at: string,
  ): Promise<Wanted | undefined> {
    const { history, progress = SILENT } = this.#o;
    const id = formatRepositoryId(repository);
    try {
      const content = await this.#reader.content(repository);
      const claimed = tree?.repomd.revision;
      const published = claimed !== undefined && isCommitId(claimed) ? claimed : undefined;
      const revision = await believedRevision(repository, content, published, history, this.#reader);
      const lost = await this.#records.bring(repository, content.pins, tree);
      if (lost[0]) {
        const more = lost.length > 1 ? ` and ${lost.length - 1} more` : '';
        const says = `no record is served that is the lock's ${lost[0].record} of ${formatNevra(lost[0].nevra)}${more}`;
        this.#differ(tree ? 'REPODATA' : 'UNPROVED', at, says);
        return undefined;
      }
      const timestamp = Math.floor(revision.time.getTime() / 1000);
      progress.start(`${id}: metadata`, 0, 'items');
      const getRecords = (ids: readonly string[]) => this.#catalog.local.getRecords(ids);
      const made = await materialise({ content, revision: revision.id, timestamp }, { getRecords }, NOWHERE);
      progress.done();
      return { content, revision, timestamp, made };
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code !== 'CATALOG_MISSING') throw cause;
      this.#differ('UNPROVED', at, `its metadata was not compared with git: ${cause.message}`);
      return undefined;
    }
  }

  async #compare(served: ServedRepomd, wanted: Wanted): Promise<void> {
    const { bytes, url, repomd, repository } = served;
    const { made, revision } = wanted;
    const recompressed = repomd && !bytes.equals(made.repomd) && sameOnceOpened(served, wanted);
    const same = bytes.equals(made.repomd) || recompressed;
    this.#stated.push({
      repository,
      revision,
      repomd: sha256Hex(same ? bytes : made.repomd),
      ...treeStated(wanted.content),
    });
    if (!repomd) return;
    if (same) {
      await this.#signature(url, served.prefix, bytes);
      await this.#documents(served.prefix, repomd.records, recompressed === true);
      if (this.#o.look === 'current') await this.#followed(served, wanted);
    } else if (repomd.revision !== revision.id) {
      const earlier = this.#o.history.chain.some(({ id }) => id === repomd.revision);
      const which = earlier ? 'an earlier state of main' : 'which is no commit of this history';
      const names = isCommitId(repomd.revision ?? '') ? repomd.revision : 'no commit';
      this.#differ(
        'POINTER',
        url,
        `gives ${names}, ${which}, not ${revision.id}; ${await this.#signers(served)}`,
      );
    } else {
      const types = differingTypes(repomd.records, made.records, { onceOpened: false });
      const where =
        types.length > 0 ? `differs in ${types.join(', ')}` : 'differs from what the commit gives';
      this.#differ('REPODATA', url, `${where}; ${await this.#signers(served)}`);
    }
  }

  /** Where git has nothing to compare with: what its own signature and checksums say. */
  async #believe({ repository, prefix, url, bytes, repomd }: ServedRepomd): Promise<void> {
    const revision = this.#o.history.chain.find(({ id }) => id === repomd?.revision);
    if (revision) this.#stated.push({ repository, revision, repomd: sha256Hex(bytes) });
    if (!repomd) return;
    await this.#signature(url, prefix, bytes);
    await this.#documents(prefix, repomd.records, false);
  }

  async #signature(url: string, prefix: string, bytes: Buffer): Promise<void> {
    for (const key of await this.#lacking(`${prefix}repodata/repomd.xml.asc`, bytes)) {
      this.#differ('SIGNATURE', `${url}.asc`, `has no signature that counts by ${key}`);
    }
  }

  async #lacking(path: string, bytes: Buffer): Promise<string[]> {
    if (!this.#signing) return [];
    const signature = await this.#served.read(path, MAX_SIGNATURE);
    return await this.#signing.lacking(bytes, signature.bytes ?? Buffer.alloc(0));
  }

  /** Of a repomd.xml that should not be there: an old one has our signature, a forged one does not. */
  async #signers({ prefix, bytes }: ServedRepomd): Promise<string> {
    if (!this.#signing) return 'nobody signs it';
    const lacking = await this.#lacking(`${prefix}repodata/repomd.xml.asc`, bytes);
    return lacking.length === 0 ? 'it is validly signed' : `not signed by ${lacking.join(', ')}`;
  }

  async #documents(prefix: string, records: readonly RepomdRecord[], open: boolean): Promise<void> {
    await inParallel(records, REQUESTS_AT_ONCE, async (record) => {
      const path = prefix + record.href;
      const expect = { checksum: record.checksum, size: record.size };
      const fault = open
        ? await this.#opened(path, record)
        : await this.#served.prove(path, expect, 'document', (n) => this.#read(n));
      if (fault)
        this.#differ(
          'REPODATA',
          this.#served.url(path).href,
          `is not what repomd.xml says: ${fault.message}`,
        );
    });
  }

  async #opened(path: string, record: RepomdRecord): Promise<Fault | undefined> {
    const url = this.#served.url(path);
    const isNeeded = await this.#catalog.local.hasDocument(record.checksum); // an opaque one is the upstream's own
    const fault = await this.#catalog.take(url, { checksum: record.checksum, size: record.size });
    if (fault) return fault;
    try {
      await verifyOpen(this.#catalog.local, record, url.href);
      return undefined;
    } catch (cause) {
      if (cause instanceof Fault && cause.code !== 'DISK') return cause;
      throw cause;
    } finally {
      if (!isNeeded) await this.#catalog.local.removeDocument(record.checksum);
    }
  }

  /** dnf reads the mirrorlist, and then the tree that it names, which must be this one. */
  async #followed({ bytes, prefix }: ServedRepomd, { content, revision }: Wanted): Promise<void> {
    const line = mirrorlistOf(content, revision.id);
    if (line === undefined) return;
    const list = await this.#served.read(`${prefix}mirrorlist`, MAX_SIGNATURE);
    if (list.bytes?.toString() !== line) {
      this.#differ('TREE', list.url, list.bytes ? `names another tree than ${line.trim()}` : list.missing);
    }
    const tree = `tree/${content.id}/${revision.id}/`;
    const repomd = await this.#served.read(`${tree}repodata/repomd.xml`, MAX_REPOMD);
    if (!repomd.bytes) return this.#differ('TREE_MISSING', repomd.url, repomd.missing);
    if (!repomd.bytes.equals(bytes)) {
      return this.#differ('REPODATA', repomd.url, `is not the one below ${prefix}`);
    }
    if (!this.#signing) return;
    const [here, there] = await Promise.all(
      [prefix, tree].map((p) => this.#served.read(`${p}repodata/repomd.xml.asc`, MAX_SIGNATURE)),
    );
    if (here?.bytes && there?.bytes?.equals(here.bytes)) return;
    if (here?.bytes || there?.bytes) await this.#signature(repomd.url, tree, bytes);
  }

  async #links(content: Content, names: readonly string[], prefix: string): Promise<void> {
    const { progress = SILENT } = this.#o;
    const links = content.pins.map((pin, i) => ({ pin, path: `${prefix}packages/${names[i]}` }));
    const total = content.pins.reduce((sum, pin) => sum + pin.size, 0);
    progress.start(`${content.id}: packages`, total, 'bytes');
    await inParallel(links, REQUESTS_AT_ONCE, async ({ pin, path }) => {
      const fault = await this.#served.prove(path, pin, 'package', (n) => {
        progress.advance(n);
        this.#read(n);
      });
      this.#packages += 1;
      if (!fault) return;
      const isThere = fault.code !== 'HTTP_STATUS' && fault.code !== 'NOT_FOUND';
      this.#differ(isThere ? 'LINK_DIFFERS' : 'LINK_MISSING', this.#served.url(path).href, fault.message);
    });
    progress.done();
  }

  /** What hosts are installed from: `.treeinfo` to the letter, images by their checksums. */
  async #installTree({ treeinfo, files }: PublishedTree, prefix: string): Promise<void> {
    const found = await this.#served.read(prefix + TREEINFO, MAX_SIGNATURE + treeinfo.length);
    if (!found.bytes) this.#differ('TREE', found.url, found.missing);
    else if (!found.bytes.equals(treeinfo)) this.#differ('TREE', found.url, 'is not what the commit gives');
    if (!this.#o.packages) return;
    await inParallel(files, REQUESTS_AT_ONCE, async ({ path, checksum }) => {
      const expect = { checksum, size: undefined };
      const fault = await this.#served.prove(prefix + path, expect, 'image', (n) => this.#read(n));
      if (fault) this.#differ('TREE', this.#served.url(prefix + path).href, fault.message);
    });
  }

  #read(bytes: number): void {
    this.#bytes += bytes;
  }

  async #keys(): Promise<void> {
    for (const [name, text] of await keysOf(this.#o.history, await this.#reader.blobs())) {
      const found = await this.#served.read(`keys/${name}`, MAX_STATEMENT);
      if (!found.bytes) this.#differ('KEY', found.url, found.missing);
      else if (found.bytes.toString() !== text)
        this.#differ('KEY', found.url, 'is not the key that the commit has');
    }
  }

  async #statement(): Promise<void> {
    const { history } = this.#o;
    const commit = { id: history.commit, time: history.chain[0]?.time ?? new Date(0) };
    const wanted = statementOf(commit, this.#stated, await this.#reader.blobs());
    const path = `at/${history.commit}/${STATEMENT}`;
    const found = await this.#served.read(path, MAX_STATEMENT);
    if (!found.bytes) return this.#differ('STATEMENT', found.url, found.missing);
    if (!found.bytes.equals(wanted)) {
      return this.#differ('STATEMENT', found.url, 'is not what the commit gives');
    }
    for (const key of await this.#lacking(`${path}.asc`, wanted)) {
      this.#differ('SIGNATURE', `${found.url}.asc`, `has no signature that counts by ${key}`);
    }
  }
}
