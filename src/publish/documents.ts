import { createHash } from 'node:crypto';
import { type Checksum, formatChecksum, sameChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { AcceptedState, Pin } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { decompress } from '../repodata/compression.ts';
import { projectComps } from '../repodata/comps.ts';
import { type ModuleDocument, projectModules, readModules, writeModules } from '../repodata/modules.ts';
import { projectTreeinfo, readTreeinfo, type TreeFile } from '../repodata/treeinfo.ts';
import { type Advisory, projectUpdateinfo, readUpdateinfo } from '../repodata/updateinfo.ts';
import { formatNevra } from '../rpm/nevra.ts';

/** A document beside the three that list packages, as it is published but for its compression. */
export interface SideDocument {
  /** As repomd.xml names it. */
  readonly type: string;
  /** `open`: compressed as the site says; `plain`: as it is (dnf 4 reads comps so in every version); `opaque`: the upstream's own file. */
  readonly form: 'open' | 'plain' | 'opaque';
  readonly bytes: Buffer;
}

/** What hosts are installed from, as it is published. */
export interface PublishedTree {
  /** `.treeinfo`, ours. */
  readonly treeinfo: Buffer;
  readonly files: readonly TreeFile[];
}

/** What a live manifest says that other repositories of the same upstream need of it. */
export interface LiveView {
  readonly documents: AcceptedState['documents'];
  readonly names: ReadonlySet<string>;
}

const COMPS = /^group(?:_(?:gz|xz|zst|bz2))?$/;
const READ = new Set(['primary', 'filelists', 'other', 'updateinfo', 'modules']);
/** yum, librepo and zypper prefer these to primary, or they name packages: over a selection, every build would be back. */
const NEVER = /(?:_db|_zck)$|^(?:prestodelta|deltainfo|pkgtags|group.*)$|^susedata(?:\.|$)/;

const MAX_BYTES = 512 << 20;
const MAX_PARSED = 8;

/** What is published beside the three lists. */
export type Projector = Pick<DocumentProjector, 'project' | 'tree'>;

/** What is asked of a catalog. */
export type Documents = Pick<Catalog, 'readDocument' | 'documentPath'>;

/**
 * Live's newest verified documents, projected onto the pins of one repository (design, 4 and 6). Parsed documents are
 * kept by checksum for a run: every team's repository reads the same ones.
 */
export class DocumentProjector {
  readonly #catalog: Documents;
  readonly #advisories = new Map<string, Promise<readonly Advisory[]>>();
  readonly #modules = new Map<string, Promise<readonly ModuleDocument[]>>();

  constructor(catalog: Documents) {
    this.#catalog = catalog;
  }

  /** In the order of repomd.xml: group, updateinfo, modules, then the opaque ones by type. */
  async project(
    pins: readonly Pin[],
    modules: ReadonlyMap<string, Checksum>,
    live: LiveView | undefined,
  ): Promise<SideDocument[]> {
    const documents = live?.documents ?? new Map<string, Checksum>();
    const comps = [...documents].filter(([type]) => COMPS.test(type)).sort(([a], [b]) => byCodeUnit(a, b))[0];
    const side: SideDocument[] = [];
    if (comps && live) side.push(plain(await this.#comps(comps[1], pins, live)));
    const updateinfo = documents.get('updateinfo');
    const advisories = updateinfo && (await this.#updateinfo(updateinfo, pins));
    if (advisories) side.push(open('updateinfo', advisories));
    if (modules.size > 0)
      side.push(open('modules', writeModules(await this.modules(modules, documents.get('modules')))));
    for (const [type, sum] of [...documents].sort(([a], [b]) => byCodeUnit(a, b))) {
      if (READ.has(type) || COMPS.test(type) || NEVER.test(type)) continue;
      side.push({ type, form: 'opaque', bytes: await this.#raw(sum) });
    }
    return side;
  }

  /** Of a pinned `.treeinfo`. */
  async tree(sum: Checksum): Promise<PublishedTree> {
    const [bytes, where] = [await this.#raw(sum), at('.treeinfo', sum)];
    return { treeinfo: projectTreeinfo(bytes, where), files: readTreeinfo(bytes, where).files };
  }

  async #comps(sum: Checksum, pins: readonly Pin[], live: LiveView): Promise<Buffer> {
    const here = new Set(pins.map((pin) => pin.nevra.name));
    // A name that live does not list either is another repository's: the upstream's own groups do so too.
    const keep = (name: string) => here.has(name) || !live.names.has(name);
    return projectComps(await this.#opened(sum), keep, at('comps', sum));
  }

  async #updateinfo(sum: Checksum, pins: readonly Pin[]): Promise<Buffer | undefined> {
    const advisories = await remember(this.#advisories, formatChecksum(sum), async () => {
      const where = at('updateinfo', sum);
      const bytes = decompress(this.#catalog.readDocument(sum), { maxBytes: MAX_BYTES, at: where });
      return await readUpdateinfo(bytes, where);
    });
    const here = new Set(pins.map((pin) => formatNevra(pin.nevra)));
    return projectUpdateinfo(advisories, (nevra) => here.has(formatNevra(nevra)));
  }

  /** The documents of a repository's modules.yaml: the pinned ones, and of live's newest (`sum`) what stands beside them. */
  async modules(pinned: ReadonlyMap<string, Checksum>, sum: Checksum | undefined): Promise<ModuleDocument[]> {
    const listed = sum ? await this.#moduleDocuments(sum) : [];
    const streams: ModuleDocument[] = [];
    for (const [nsvca, digest] of [...pinned].sort(([a], [b]) => byCodeUnit(a, b))) {
      const current = listed.find((d) => d.nsvca === nsvca && sameChecksum(d.digest, digest));
      streams.push(current ?? (await this.#storedModule(nsvca, digest)));
    }
    return projectModules(streams, listed);
  }

  async #storedModule(nsvca: string, digest: Checksum): Promise<ModuleDocument> {
    const documents = readModules(await this.#opened(digest), `${nsvca} (${formatChecksum(digest)})`);
    const found = documents.find((d) => d.nsvca === nsvca && sameChecksum(d.digest, digest));
    if (found) return found;
    throw new Fault('CATALOG_CORRUPT', `${formatChecksum(digest)} is no document of the module ${nsvca}`, {
      hint: 'Run sluice sync; if it stays so, correct the modules of the snapshot.',
      at: this.#catalog.documentPath(digest),
    });
  }

  #moduleDocuments(sum: Checksum): Promise<readonly ModuleDocument[]> {
    return remember(this.#modules, formatChecksum(sum), async () =>
      readModules(await this.#opened(sum), at('modules', sum)),
    );
  }

  async #raw(sum: Checksum): Promise<Buffer> {
    return await collect(this.#catalog.readDocument(sum));
  }

  async #opened(sum: Checksum): Promise<Buffer> {
    const where = at('document', sum);
    return await collect(decompress(this.#catalog.readDocument(sum), { maxBytes: MAX_BYTES, at: where }));
  }
}

/** True where a fault says that the catalog no longer has what an old commit was published from. */
export function isMissing(cause: unknown): boolean {
  return codeOf(cause) === 'CATALOG_MISSING';
}

export function sha256Hex(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The oldest of more than a few is forgotten: one run meets the same documents one after the other. */
function remember<T>(known: Map<string, Promise<T>>, key: string, read: () => Promise<T>): Promise<T> {
  const found = known.get(key);
  if (found) return found;
  const reading = read();
  known.set(key, reading);
  const [oldest] = known.keys();
  if (known.size > MAX_PARSED && oldest !== undefined) known.delete(oldest);
  return reading;
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function plain(bytes: Buffer): SideDocument {
  return { type: 'group', form: 'plain', bytes };
}

function open(type: string, bytes: Buffer): SideDocument {
  return { type, form: 'open', bytes };
}

function at(type: string, sum: Checksum): string {
  return `${type} ${formatChecksum(sum)}`;
}
