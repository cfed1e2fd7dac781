import type { Stats } from 'node:fs';
import { lstat, readlink, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { codeOf } from '../base/fault.ts';
import { formatRepositoryId } from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { lockMirror, syncFolder } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import type { Pool } from '../pool/pool.ts';
import { DocumentProjector } from './documents.ts';
import { framePath } from './frames.ts';
import { seenFolders } from './install-tree.ts';
import { isCommitId, isRepositoryId, type Layout, layoutOf, previewLayout } from './layout.ts';
import { linkNames } from './links.ts';
import { away, knownPreviews, removePreview } from './preview.ts';
import { adoptTrees, entriesOf, knownIds, readState, revisionAt, seenOf, writeState } from './state.ts';
import { readTreePackages } from './tree-packages.ts';

/** What must stay reachable: everything that some commit says to which someone may go back. */
export interface Retained {
  /** Every commit that was main's tip within `retain`, the one before it too: it was the tip until then. */
  readonly commits: ReadonlySet<string>;
  /** Numbers of open pull requests. */
  readonly pulls: ReadonlySet<number>;
  /** Every distinct snapshot of those commits and of open pull requests' heads; once each is enough. */
  readonly snapshots: AsyncIterable<Snapshot> | Iterable<Snapshot>;
}

export interface GcOptions {
  readonly mirror: string;
  readonly pool: Pool;
  readonly catalog: Catalog;
  readonly retained: Retained;
  /** How long earlier trees stay, and how long what nobody names yet does, in milliseconds. */
  readonly grace: number;
  readonly now: Date;
  readonly dryRun: boolean;
  /** Told of every file, link and folder that is looked at. */
  readonly tell?: (entry: GcEntry) => void;
}

export interface GcEntry {
  readonly kind: 'view' | 'tree' | 'link' | 'frame' | 'package' | 'document' | 'record';
  readonly path: string;
  readonly bytes: number;
  readonly fate: 'kept' | 'freed';
  readonly reason: string;
}

export interface Collected {
  readonly freed: number;
  readonly kept: number;
  /** Of freed files: a link's bytes are counted where the pool's file goes. */
  readonly bytes: number;
}

/**
 * Frees what no retained commit and no tree within its grace can reach. From the outside in: views, trees, links, then
 * what they stand on, so that a run that is killed leaves nothing that points at what is gone.
 */
export async function gc(o: GcOptions): Promise<Collected> {
  await using _lock = await lockMirror(o.mirror);
  return await new Collector(o).run();
}

/** Why each thing stays, by its key. The first reason is the one that is told. */
class Reasons {
  readonly #reasons = new Map<string, string>();

  add(key: string, reason: string): void {
    if (!this.#reasons.has(key)) this.#reasons.set(key, reason);
  }

  of(key: string): string | undefined {
    return this.#reasons.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#reasons.keys();
  }
}

class Collector {
  readonly #o: GcOptions;
  readonly #layout: Layout;
  /** Of pull requests that are open: each a small mirror of its own. */
  readonly #previews: Layout[] = [];
  readonly #packages = new Reasons();
  readonly #quarantined = new Reasons();
  readonly #documents = new Reasons();
  readonly #records = new Reasons();
  readonly #links = new Reasons();
  readonly #trees = new Reasons();
  readonly #projector: DocumentProjector;
  #freed = 0;
  #kept = 0;
  #bytes = 0;

  constructor(o: GcOptions) {
    this.#o = o;
    this.#layout = layoutOf(o.mirror);
    this.#projector = new DocumentProjector(o.catalog);
  }

  async run(): Promise<Collected> {
    for await (const snapshot of this.#o.retained.snapshots) {
      this.#reach(snapshot);
      if (snapshot.kickstart) await this.#reachInstallTree(snapshot.kickstart, snapshot);
    }
    await this.#views();
    await this.#pulls();
    for (const layout of [this.#layout, ...this.#previews]) {
      const ids = await this.#ids(layout);
      for (const id of ids) await this.#treesOf(layout, id);
      for (const id of ids) await this.#linksOf(layout, id);
    }
    await this.#frames();
    await this.#pool();
    await this.#catalog();
    return { freed: this.#freed, kept: this.#kept, bytes: this.#bytes };
  }

  #reach(snapshot: Snapshot): void {
    const id = formatRepositoryId(snapshot.repository);
    const reason = `a retained commit's ${id} needs it`;
    const [names, folder] = [linkNames(snapshot.pins), this.#layout.packages(id)];
    snapshot.pins.forEach((pin, i) => {
      this.#packages.add(formatChecksum(pin.checksum), reason);
      this.#records.add(pin.record, reason);
      this.#links.add(join(folder, names[i] as string), reason);
    });
    for (const { checksum } of snapshot.quarantined) this.#quarantined.add(formatChecksum(checksum), reason);
    const { upstream, modules } = snapshot;
    for (const sum of [
      ...(upstream ? [upstream.repomd, ...upstream.documents.values()] : []),
      ...modules.values(),
    ]) {
      this.#documents.add(formatChecksum(sum), reason);
    }
  }

  /** What cannot be read any more names nobody knows what: then nothing is freed. */
  async #reachInstallTree(sum: Checksum, { repository }: Snapshot): Promise<void> {
    const reason = `a retained commit's ${formatRepositoryId(repository)} is installed from it`;
    this.#documents.add(formatChecksum(sum), reason);
    for (const { checksum } of (await this.#projector.tree(sum)).files) {
      this.#packages.add(formatChecksum(checksum), reason);
    }
  }

  async #ids(layout: Layout): Promise<string[]> {
    const folders = ['tree', 'packages'].map((name) => entriesOf(join(layout.public, name)));
    const all = [...(await Promise.all(folders)).flat(), ...(await knownIds(layout))];
    return [...new Set(all.filter(isRepositoryId))].sort();
  }

  /** `public/at/<commit>`; what stays keeps the trees that it names. */
  async #views(): Promise<void> {
    const parent = join(this.#layout.public, 'at');
    for (const name of (await entriesOf(parent)).filter(isCommitId)) {
      const path = join(parent, name);
      const retained = this.#o.retained.commits.has(name);
      const reason = retained ? 'the commit is retained' : await this.#young(path);
      await this.#view(path, reason, `public/at/${name} names it`, () => away(this.#o.mirror, path));
    }
  }

  /** `public/pr/<n>`; one that stays may stand on trees that are served, too. */
  async #pulls(): Promise<void> {
    const { mirror, retained } = this.#o;
    for (const number of await knownPreviews(mirror)) {
      const layout = previewLayout(mirror, number);
      const path = layout.public;
      const reason = retained.pulls.has(number) ? 'the pull request is open' : await this.#young(path);
      await this.#view(path, reason, `public/pr/${number} names it`, () =>
        removePreview(mirror, number, { locked: true }),
      );
      if (reason !== undefined) this.#previews.push(layout);
    }
  }

  async #view(
    path: string,
    reason: string | undefined,
    why: string,
    free: () => Promise<void>,
  ): Promise<void> {
    const entry = { kind: 'view', path, bytes: 0 } as const;
    if (reason === undefined) return this.#free(entry, 'nothing retained names it', free);
    this.#keep(entry, reason);
    for (const id of (await entriesOf(path)).filter(isRepositoryId))
      await this.#keepTree(join(path, id), why);
  }

  /** By its path: a preview's pointer may name a tree of its own, or one that is served. */
  async #keepTree(link: string, reason: string): Promise<void> {
    if ((await revisionAt(link)) === undefined) return;
    const target = await readlink(link);
    this.#trees.add(isAbsolute(target) ? target : join(dirname(link), target), reason);
  }

  async #treesOf(layout: Layout, id: string): Promise<void> {
    const { now, grace, dryRun, retained } = this.#o;
    await this.#keepTree(layout.pointer(id), 'it is current');
    const before = await readState(layout, id);
    const state = await adoptTrees(layout, id, before, now);
    for (const { revision, until } of state.earlier) {
      const left = Date.parse(until) + grace - now.getTime(); // a time that cannot be read keeps its tree
      if (!(left <= 0))
        this.#trees.add(layout.tree(id, revision), `clients may read it until its grace ends`);
    }
    const gone = new Set<string>();
    for (const revision of (await entriesOf(layout.trees(id))).filter(isCommitId)) {
      const path = layout.tree(id, revision);
      const entry = { kind: 'tree', path, bytes: 0 } as const;
      const reason = this.#trees.of(path);
      if (reason === undefined) {
        gone.add(revision);
        await this.#free(entry, 'its grace has ended, and no view names it', () =>
          away(this.#o.mirror, path),
        );
        continue;
      }
      this.#keep(entry, reason);
      // Its builds are those of a retained commit, unless it stands here for its grace alone.
      if (!retained.commits.has(revision)) await this.#reachTree(layout, id, path, reason);
    }
    if (dryRun) return;
    const earlier = state.earlier.filter((tree) => !gone.has(tree.revision));
    const after = { ...state, earlier };
    if (JSON.stringify(after) !== JSON.stringify(before)) await writeState(layout, id, after);
  }

  async #reachTree(layout: Layout, id: string, tree: string, reason: string): Promise<void> {
    for await (const { name, checksum } of readTreePackages(tree)) {
      if (name !== undefined) this.#links.add(join(layout.packages(id), name), reason);
      this.#packages.add(formatChecksum(checksum), reason);
    }
  }

  async #linksOf(layout: Layout, id: string): Promise<void> {
    const folder = layout.packages(id);
    const { current } = await readState(layout, id);
    const folders = await seenFolders(layout, id, current?.revision ?? '0'.repeat(40));
    const seen = await seenOf(folders);
    const gone: string[] = [];
    for (const name of await entriesOf(folder)) {
      const entry = { kind: 'link', path: join(folder, name), bytes: 0 } as const;
      const reason = this.#links.of(entry.path);
      if (reason !== undefined) this.#keep(entry, reason);
      else {
        gone.push(name);
        await this.#free(entry, 'no tree that stays names it', () => rm(entry.path, { force: true }));
      }
    }
    if (this.#o.dryRun || gone.length === 0) return;
    await syncFolder(folder);
    const state = await readState(layout, id);
    // What was as it must be before is so after: the next publication need not look again.
    if (state.current?.seen === seen) {
      const renewed = { ...state.current, seen: await seenOf(folders) };
      await writeState(layout, id, { ...state, current: renewed });
    }
  }

  async #frames(): Promise<void> {
    const used = new Set<string>();
    for (const layout of [this.#layout, ...this.#previews]) {
      for (const id of (await knownIds(layout)).filter(isRepositoryId)) {
        for (const key of (await readState(layout, id)).current?.frames ?? []) used.add(key);
      }
    }
    for (const prefix of await entriesOf(this.#layout.frames)) {
      for (const name of await entriesOf(join(this.#layout.frames, prefix))) {
        const path = join(this.#layout.frames, prefix, name);
        const entry = { kind: 'frame', path, bytes: (await statOf(path))?.size ?? 0 } as const;
        if (used.has(name) && framePath(this.#layout.frames, name) === path)
          this.#keep(entry, 'a current tree has it');
        else await this.#free(entry, 'no current tree has it', () => rm(path, { force: true }));
      }
    }
  }

  async #pool(): Promise<void> {
    const { pool } = this.#o;
    for await (const { checksum, size } of pool.list()) {
      const entry = { kind: 'package', path: pool.path(checksum), bytes: size } as const;
      const reason = this.#packages.of(formatChecksum(checksum)) ?? (await this.#young(entry.path));
      if (reason) this.#keep(entry, reason);
      else await this.#free(entry, 'nothing retained pins it', () => pool.remove(checksum));
    }
    for await (const { checksum, size } of pool.listQuarantine()) {
      const path = pool.quarantinePath(checksum);
      const entry = { kind: 'package', path, bytes: size } as const;
      const reason = this.#quarantined.of(formatChecksum(checksum)) ?? (await this.#young(path));
      if (reason) this.#keep(entry, reason);
      else await this.#free(entry, 'nothing retained names it', () => rm(path, { force: true }));
    }
  }

  async #catalog(): Promise<void> {
    const { catalog, dryRun } = this.#o;
    for await (const { checksum, size } of catalog.listDocuments()) {
      const entry = { kind: 'document', path: catalog.documentPath(checksum), bytes: size } as const;
      const reason = this.#documents.of(formatChecksum(checksum)) ?? (await this.#young(entry.path));
      if (reason) this.#keep(entry, reason);
      else await this.#free(entry, 'nothing retained names it', () => catalog.removeDocument(checksum));
    }
    for (const { name, ids } of await catalog.listPacks()) {
      const pack = join(this.#o.mirror, 'catalog', 'packs', `${name}.zst`);
      const young = await this.#young(pack);
      for (const id of ids) {
        if (young) this.#records.add(id, young);
        const entry = { kind: 'record', path: `${pack}#${id}`, bytes: 0 } as const;
        const reason = this.#records.of(id);
        if (reason) this.#keep(entry, reason);
        else await this.#free(entry, 'nothing retained names it', async () => {});
      }
    }
    if (dryRun) return;
    const { freed } = await catalog.compact(new Set(this.#records.keys()));
    this.#bytes += Math.max(0, freed);
  }

  #keep(entry: Omit<GcEntry, 'fate' | 'reason'>, reason: string): void {
    this.#kept += 1;
    this.#o.tell?.({ ...entry, fate: 'kept', reason });
  }

  async #free(
    entry: Omit<GcEntry, 'fate' | 'reason'>,
    reason: string,
    free: () => Promise<void>,
  ): Promise<void> {
    if (!this.#o.dryRun) await onDisk('removing', entry.path, free);
    this.#freed += 1;
    this.#bytes += entry.bytes;
    this.#o.tell?.({ ...entry, fate: 'freed', reason });
  }

  /** What came in lately may belong to a commit that is still being made. */
  async #young(path: string): Promise<string | undefined> {
    const stats = await statOf(path);
    if (!stats) return undefined;
    const born = stats.birthtimeMs > 0 ? stats.birthtimeMs : stats.ctimeMs;
    return this.#o.now.getTime() - born < this.#o.grace ? 'it is new' : undefined;
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
