import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, Fault } from '../base/fault.ts';
import { byCodeUnit, groupBy } from '../base/order.ts';
import { type Progress, SILENT } from '../base/progress.ts';
import { clientSetKey, formatRepositoryId, lockPath, type RepositoryName } from '../manifest/ids.ts';
import type { Pin } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { lockMirror, pointAt, sweepTemporary, syncFolder } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import type { Pool } from '../pool/pool.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { CommitReader } from './commit.ts';
import { type Content, FORMAT } from './content.ts';
import { DocumentProjector, sha256Hex } from './documents.ts';
import { type FrameStore, openFrameStore } from './frames.ts';
import type { CommitHistory, Moment } from './history.ts';
import { seenFolders, TREEINFO } from './install-tree.ts';
import { publishKeys } from './keys.ts';
import { isRepositoryId, type Layout, layoutOf, previewLayout, type View } from './layout.ts';
import { linkPackages } from './packages.ts';
import { readPlain } from './plain.ts';
import { type KnownRevision, revisionOf, unchangedSince } from './revision.ts';
import { codecOf } from './runs.ts';
import { repomdPath, type Signer, Signing } from './sign.ts';
import {
  adoptTrees,
  entriesOf,
  type PublishedTip,
  type RepositoryState,
  readState,
  readTip,
  revisionAt,
  seenOf,
  writeState,
  writeTip,
} from './state.ts';
import { placeStatement, STATEMENT, type Stated, statementOf } from './statement.ts';
import { placeTree } from './tree.ts';

export interface PublishOptions {
  /** The mirror root. */
  readonly mirror: string;
  /** Of main's tip; of the commit to look at, where a view is named. */
  readonly history: CommitHistory;
  readonly catalog: Catalog;
  readonly pool: Pool;
  readonly now: Date;
  /** Publishes beside the current trees, without switching any. */
  readonly view?: View;
  /** Publishes what a merge would give as a small mirror of its own; `history` is of that merge (`mergedHistory`). */
  readonly preview?: Preview;
  /** Why a build must not be published whatever was merged: a recall. */
  readonly refuse?: (id: string, pin: Pin) => string | undefined;
  /** Makes the signatures that the site's policy asks for. */
  readonly signer?: Signer;
  /** The caller holds the mirror's lock. */
  readonly locked?: boolean;
  readonly progress?: Progress;
}

export interface Preview {
  /** Of the pull request. */
  readonly number: number;
  /** Main as it is: it says who signs, not the pull request. */
  readonly main: CommitHistory;
  /** What is shown: sets that the pull request touches. */
  readonly shows: (repository: RepositoryName) => boolean;
}

export interface PublishedRepository {
  readonly id: string;
  readonly revision: string;
  readonly outcome: 'unchanged' | 'published';
  /** New package links. */
  readonly linked: number;
}

export interface Published {
  readonly commit: string;
  /** By id. */
  readonly repositories: readonly PublishedRepository[];
  /** Ids whose pointer went because main no longer has them. */
  readonly removed: readonly string[];
  /** What could not be: its client set keeps what it had. */
  readonly failed: readonly { readonly id: string; readonly fault: Fault }[];
  /** Ids that another version of Sluice published in another format: the same state, written as other bytes now. */
  readonly reformatted: readonly string[];
}

/**
 * Brings the mirror to what the commit says, whatever state it is in; a run that was killed anywhere is finished by
 * the next. Every tree of a client set is in place before the first pointer of it moves. A repository that cannot be
 * published holds back its own client set and nobody else's. LOCKED, HISTORY_REFUSED, DISK.
 *
 * A repository that main no longer has loses its pointer at once, because a merge publishes exactly what it says and
 * a client should hear that nobody looks after it any more; its trees stay for the grace.
 */
export async function publish(o: PublishOptions): Promise<Published> {
  await using _lock = o.locked ? undefined : await lockMirror(o.mirror);
  return await new Run(o).run();
}

class Run {
  readonly #o: PublishOptions;
  readonly #layout: Layout;
  readonly #reader: CommitReader;
  readonly #frames: FrameStore;
  readonly #reformatted: string[] = [];
  #tip: PublishedTip | undefined;
  #signing: Promise<Signing | undefined> | undefined;
  readonly #switched: [RepositoryName, Moment][] = [];

  constructor(o: PublishOptions) {
    this.#o = o;
    this.#layout = o.preview ? previewLayout(o.mirror, o.preview.number) : layoutOf(o.mirror);
    this.#reader = new CommitReader(o.history, new DocumentProjector(o.catalog));
    this.#frames = openFrameStore(this.#layout.frames);
  }

  async run(): Promise<Published> {
    const { history, now, view, preview, progress = SILENT } = this.#o;
    await sweepTemporary(this.#o.mirror, now);
    if (!preview) this.#tip = await readTip(this.#layout);
    if (!view && !preview) acceptTip(history, this.#tip);
    const all = await this.#reader.repositories();
    const repositories = preview ? all.filter(preview.shows) : all;
    if (!preview) await publishKeys(history, await this.#reader.blobs(), this.#layout);
    const done: PublishedRepository[] = [];
    const failed: { id: string; fault: Fault }[] = [];
    progress.start('publish', repositories.length, 'items');
    const sets = groupBy(repositories, (r) => `${r.team}-${r.tier}-${clientSetKey(r)}`);
    for (const set of sets.values()) {
      try {
        done.push(...(await this.#publishSet(set)));
      } catch (cause) {
        if (!(cause instanceof SetFault)) throw cause;
        failed.push({ id: cause.id, fault: cause.fault });
      }
      progress.advance(set.length);
    }
    progress.done();
    const ids = new Set(repositories.map(formatRepositoryId));
    const removed = view ? [] : await this.#removeAllBut(ids);
    const statement = failed.length > 0 ? undefined : await this.#state(failed);
    if (!view && !preview) {
      const behind = repositories.map(formatRepositoryId).filter((id) => !done.some((r) => r.id === id));
      const tip = {
        commit: history.commit,
        failed: behind,
        ...(statement === undefined ? {} : { statement }),
      };
      if (JSON.stringify(tip) !== JSON.stringify(this.#tip)) await writeTip(this.#layout, tip, now);
    }
    const byId = done.sort((a, b) => byCodeUnit(a.id, b.id));
    return { commit: history.commit, repositories: byId, removed, failed, reformatted: this.#reformatted };
  }

  /** The statement of the commit, once every repository of it has its tree: what is half there is not stated. */
  async #state(failed: { id: string; fault: Fault }[]): Promise<string | undefined> {
    const { history, now, signer, preview } = this.#o;
    if (preview) return undefined;
    const commit = { id: history.commit, time: history.chain[0]?.time ?? new Date(0) };
    const stated: Stated[] = [];
    for (const [repository, revision] of this.#switched) {
      const tree = this.#layout.tree(formatRepositoryId(repository), revision.id);
      const treeinfo = await readPlain(join(tree, TREEINFO));
      stated.push({
        repository,
        revision,
        repomd: sha256Hex(await readFile(repomdPath(tree))),
        ...(treeinfo ? { treeinfo: sha256Hex(treeinfo) } : {}),
      });
    }
    const statement = statementOf(commit, stated, await this.#reader.blobs());
    const known = this.#tip?.commit === history.commit ? this.#tip.statement : undefined;
    const signing = () => (this.#signing ??= Signing.of(history, now, signer));
    try {
      return await placeStatement(this.#layout, history.commit, statement, known, signing);
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code === 'DISK') throw cause;
      failed.push({ id: `at/${history.commit}/${STATEMENT}`, fault: cause });
      return undefined;
    }
  }

  async #publishSet(set: readonly RepositoryName[]): Promise<PublishedRepository[]> {
    const ready: Ready[] = [];
    for (const repository of set) {
      try {
        const one = await this.#prepare(repository);
        await this.#sign(one);
        ready.push(one);
      } catch (cause) {
        if (!(cause instanceof Fault) || cause.code === 'DISK') throw cause; // a full disk is everybody's
        throw new SetFault(formatRepositoryId(repository), cause);
      }
    }
    for (const one of ready) await this.#switch(one);
    for (const [i, { revision }] of ready.entries())
      this.#switched.push([set[i] as RepositoryName, revision]);
    return ready.map(({ id, revision, outcome, linked }) => ({ id, revision: revision.id, outcome, linked }));
  }

  /** What nothing happened to has its signature. */
  async #sign({ id, revision, next }: Ready): Promise<void> {
    const { history, now, signer, view, preview } = this.#o;
    if (!next && !view) return;
    this.#signing ??= Signing.of(preview?.main ?? history, now, signer);
    await (await this.#signing)?.sign(repomdPath(this.#layout.tree(id, revision.id)), this.#layout);
  }

  /** Everything but the switch. */
  async #prepare(repository: RepositoryName): Promise<Ready> {
    const { history, view, preview } = this.#o;
    const id = formatRepositoryId(repository);
    const inputs = (await this.#reader.inputs(repository)) ?? '';
    const served = preview && (await this.#served(id, inputs));
    if (served) return served;
    const before = await readState(this.#layout, id);
    const { current } = before;
    if (current && !current.inputs.startsWith(`${FORMAT}\n`)) this.#reformatted.push(id);
    const known = view ? undefined : this.#known(id, before);
    const untouched =
      current !== undefined &&
      known !== undefined &&
      this.#o.refuse === undefined &&
      (await unchangedSince(known, repository, history, this.#reader)) &&
      current.seen === (await this.#seen(id, current.revision));
    if (untouched) return { id, revision: known.revision, outcome: 'unchanged', linked: 0 };

    const content = await this.#reader.content(repository);
    this.#refuse(repository, content);
    const revision = preview
      ? this.#newRevision(before, content)
      : await revisionOf(repository, content, history, this.#reader, known);
    const linked = await this.#link(content);
    const timestamp = Math.floor(revision.time.getTime() / 1000);
    const intact =
      current?.revision === revision.id &&
      current.key === content.key &&
      ownPart(current.seen) === ownPart(await this.#seen(id, revision.id));
    if (intact && current) {
      return {
        id,
        revision,
        outcome: 'unchanged',
        linked,
        next: { ...current, inputs, commit: history.commit },
      };
    }
    const sources = {
      getRecords: (ids: readonly string[]) => this.#o.catalog.getRecords(ids),
      frames: this.#frames,
    };
    const made = await placeTree(this.#layout, { content, revision: revision.id, timestamp }, sources);
    const next = {
      revision: revision.id,
      timestamp,
      since: current?.revision === revision.id ? current.since : this.#o.now.toISOString(),
      commit: history.commit,
      key: content.key,
      inputs,
      codec: codecOf(content.compression),
      repomd: sha256Hex(made.repomd),
      seen: '',
      frames: made.frames,
    };
    return { id, revision, outcome: 'published', linked, next };
  }

  /** A preview of what is served already needs no tree of its own. */
  async #served(id: string, inputs: string): Promise<Ready | undefined> {
    const layout = layoutOf(this.#o.mirror);
    const { current } = await readState(layout, id);
    if (current?.inputs !== inputs || (await revisionAt(layout.pointer(id))) !== current.revision)
      return undefined;
    const revision = { id: current.revision, time: new Date(current.timestamp * 1000) };
    return { id, revision, outcome: 'unchanged', linked: 0, tree: layout.tree(id, current.revision) };
  }

  /** Of a preview: no commit of main brought it, so it counts from the merge that nobody has made. */
  #newRevision({ current }: RepositoryState, content: Content): Moment {
    if (current?.key === content.key)
      return { id: current.revision, time: new Date(current.timestamp * 1000) };
    return this.#o.history.chain[0] as Moment;
  }

  /** What the last runs found out, where this history still has the commit at which they did. */
  #known(id: string, { current }: RepositoryState): KnownRevision | undefined {
    if (!current?.inputs.startsWith(`${FORMAT}\n`)) return undefined; // an older Sluice said other things
    const tip = this.#tip && !this.#tip.failed.includes(id) ? this.#tip.commit : undefined;
    const commit = this.#o.history.chain.find((c) => c.id === current.commit || c.id === tip)?.id;
    if (commit === undefined) return undefined;
    const revision: Moment = { id: current.revision, time: new Date(current.timestamp * 1000) };
    return { commit, revision, key: current.key, inputs: current.inputs };
  }

  #refuse(repository: RepositoryName, content: Content): void {
    for (const pin of this.#o.refuse ? content.pins : []) {
      const reason = this.#o.refuse?.(content.id, pin);
      if (reason === undefined) continue;
      throw new Fault('FORGE_REFUSED', `${formatNevra(pin.nevra)} must not be published: ${reason}`, {
        hint: 'Merge a pull request that removes it (sluice recall, sluice remove).',
        at: lockPath(repository),
      });
    }
  }

  async #link(content: Content): Promise<number> {
    if (content.locations.kind === 'thin') return 0;
    return await linkPackages(this.#layout, this.#o.pool, content.id, content.pins, content.locations.names);
  }

  async #seen(id: string, revision: string): Promise<string> {
    return await seenOf(await seenFolders(this.#layout, id, revision));
  }

  async #switch({ id, revision, next, tree = this.#layout.tree(id, revision.id) }: Ready): Promise<void> {
    const { view, preview, now, history } = this.#o;
    const fixed = view ?? { kind: 'at', commit: history.commit };
    if (!preview) await this.#point(join(this.#layout.view(fixed), id), tree, revision.id);
    if (view) return;
    await this.#point(this.#layout.pointer(id), tree, revision.id);
    if (!next) return;
    const before = await readState(this.#layout, id);
    const current = { ...next, seen: await this.#seen(id, revision.id) };
    const left = before.current && before.current.revision !== revision.id ? [before.current.revision] : [];
    const until = now.toISOString();
    const earlier = [
      ...before.earlier.filter((t) => t.revision !== revision.id && !left.includes(t.revision)),
      ...left.map((r) => ({ revision: r, until })),
    ];
    const state = await adoptTrees(this.#layout, id, { format: 1, current, earlier }, now);
    if (JSON.stringify(state) !== JSON.stringify(before)) await writeState(this.#layout, id, state);
  }

  async #point(link: string, tree: string, revision: string): Promise<void> {
    if ((await revisionAt(link)) !== revision) await pointAt(link, tree, { mirrorRoot: this.#layout.root });
  }

  async #removeAllBut(ids: ReadonlySet<string>): Promise<string[]> {
    const entries = await readdir(this.#layout.public, { withFileTypes: true }).catch((cause: unknown) => {
      if (codeOf(cause) === 'ENOENT') return [];
      throw cause;
    });
    const gone = entries.filter((e) => e.isSymbolicLink() && isRepositoryId(e.name) && !ids.has(e.name));
    const removed = gone.map((e) => e.name).sort(byCodeUnit);
    for (const id of removed) {
      const until = this.#o.now.toISOString();
      const { current, earlier } = await readState(this.#layout, id);
      const left = current ? [...earlier, { revision: current.revision, until }] : earlier;
      await onDisk('removing', this.#layout.pointer(id), () => rm(this.#layout.pointer(id), { force: true }));
      const state = await adoptTrees(this.#layout, id, { format: 1, earlier: left }, this.#o.now);
      await writeState(this.#layout, id, state);
    }
    if (removed.length > 0) await syncFolder(this.#layout.public);
    return removed;
  }
}

/** Of what was seen: the tree's own folders, without that of the package links, which other trees change too. */
function ownPart(seen: string): string {
  return seen.slice(0, seen.lastIndexOf(' '));
}

/** A repository whose tree is in place. */
interface Ready {
  readonly id: string;
  readonly revision: Moment;
  readonly outcome: PublishedRepository['outcome'];
  readonly linked: number;
  /** Where it is not where this layout has trees. */
  readonly tree?: string;
  /** What to remember once it is switched. */
  readonly next?: NonNullable<RepositoryState['current']>;
}

/** Which repository stopped its set. */
class SetFault extends Error {
  readonly id: string;
  readonly fault: Fault;
  constructor(id: string, fault: Fault) {
    super(`${id}: ${fault.message}`, { cause: fault });
    this.id = id;
    this.fault = fault;
  }
}

/** Main must go on from what was published: a rewritten one could bring back what was taken away. */
function acceptTip(history: CommitHistory, tip: PublishedTip | undefined): void {
  if (!tip || history.chain.some(({ id }) => id === tip.commit)) return;
  throw new Fault('HISTORY_REFUSED', `main does not contain ${tip.commit}, which was published last`, {
    hint: 'Restore main; nothing was changed on the mirror.',
    at: history.commit,
  });
}

/** Every repository id that has a pointer. */
export async function publishedIds(layout: Layout): Promise<string[]> {
  return (await entriesOf(layout.public)).filter(isRepositoryId);
}
