import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { LIVE_TEAM, LIVE_TIER, upstreamId } from '../manifest/ids.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import type { Closure, Contents } from '../plan/closing.ts';
import { NameArches } from '../plan/nameArches.ts';
import { Requirements } from '../plan/requirements.ts';
import { Sight } from '../plan/sight.ts';
import type { ModuleSource } from '../plan/streams.ts';
import type { Filter, Universe } from '../plan/watch.ts';
import type { Catalog } from '../pool/catalog.ts';
import { type ModuleDocument, projectModules, readModules } from '../repodata/modules.ts';
import { archesFor } from '../rpm/arches.ts';
import { clientSetOf } from './client-set.ts';
import { moduleDocument, whole } from './facts.ts';
import type { State } from './state.ts';
import { filelistsNotes, type Universe as Loaded, universes } from './universe.ts';

const MAX_MODULES = 64 << 20;

/** What a plan is to know of the dependencies of its client set, and what is to be said about that. */
export interface ClosureOfSet {
  readonly closure: Closure;
  /** Of every build of the set, by record: read once for all. */
  readonly primaries: ReadonlyMap<string, Buffer>;
  readonly notes: readonly string[];
}

const loaders = new WeakMap<Catalog, ReturnType<typeof universes>>();
const prepared = new WeakMap<Loaded, Universe>();

/**
 * From what main says at a commit. Read once for all tiers of a set, and again only where other builds are there. A repository
 * that stands alone (sources, debuginfo) is no client set: nothing is asked of it. `beside`: manifests whose builds the answers
 * must know too, though the state does not have them: another state's, or what a tier is to be filled from.
 */
export async function closureOf(
  state: State,
  catalog: Catalog,
  { team, set }: { readonly team: TeamPolicy; readonly set: string },
  beside: readonly Snapshot[] = [],
): Promise<ClosureOfSet> {
  const { own, also, notes } = clientSetOf(state, team, set);
  const load = loaders.get(catalog) ?? universes(catalog);
  loaders.set(catalog, load);
  const standsAlone = own.length === 0;
  const all = standsAlone ? [] : [...own, ...also, ...beside];
  const loaded = await load(all);
  const universe = prepare(loaded);
  const modules = await ModuleDocuments.read(state, catalog, all);
  const arch = own[0]?.repository.arch ?? '';
  const closure: Closure = {
    universe,
    number: (pin) => loaded.numbers.get(pin.record),
    also: loaded.setOf(also),
    filters: (contents) => {
      if (standsAlone) return [];
      const sources = [...contents.map((c) => modules.of(c)), ...also.map((s) => modules.ofSnapshot(s))];
      return filtersOf(universe, arch, sources, membersOf(loaded, contents, also));
    },
  };
  const lists = [...filelistsNotes(loaded, [...own, ...also]).values()];
  return { closure, primaries: loaded.primaries, notes: [...notes, ...lists] };
}

function prepare(loaded: Loaded): Universe {
  const known = prepared.get(loaded) ?? {
    requirements: new Requirements(loaded.index),
    names: new NameArches(loaded.index),
  };
  prepared.set(loaded, known);
  return known;
}

function membersOf(loaded: Loaded, contents: readonly Contents[], also: readonly Snapshot[]): Uint8Array {
  return loaded.setOf([...contents, ...also]);
}

/** The clients of a set: every build, the newest of each name.arch by the default streams, and that with each other stream. */
function filtersOf(
  { requirements: { index } }: Universe,
  arch: string,
  repositories: readonly ModuleSource[],
  members: Uint8Array,
): Filter[] {
  if (repositories.every(({ modules }) => modules.length === 0)) {
    const arches = new Set(archesFor(arch));
    const shows = Uint8Array.from(members, (_, build) => (arches.has(index.nevra(build).arch) ? 1 : 0));
    return [
      { label: 'every build', shows, newestOnly: false },
      { label: 'newest, default streams', shows, newestOnly: true },
    ];
  }
  const all = new Uint8Array(index.size).fill(1);
  const repositoryOf = new Uint8Array(index.size);
  const there = new Sight({ index, members, repositoryOf, repositories, arch });
  const sight = new Sight({ index, members: all, repositoryOf, repositories, arch });
  const defaults = sight.activate([]) ?? { variants: new Set<string>(), streams: new Set<string>() };
  const filters: Filter[] = [
    { label: 'every build', shows: sight.every, newestOnly: false },
    { label: 'newest, default streams', shows: sight.visible(defaults), newestOnly: true },
  ];
  for (const stream of there.streams) {
    if (defaults.streams.has(stream)) continue;
    const active = sight.activate([stream]);
    if (!active?.streams.has(stream)) continue; // no client can enable it
    filters.push({ label: `newest, with ${stream}`, shows: sight.visible(active), newestOnly: true });
  }
  return filters;
}

/** Module documents by their checksums, each read once: a set is asked about tier by tier, before and after. */
class KnownDocuments {
  readonly #catalog: Catalog;
  readonly #pinned = new Map<string, ModuleDocument>();
  readonly #listed = new Map<string, readonly ModuleDocument[]>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  async pinned(nsvca: string, sum: Checksum): Promise<ModuleDocument> {
    const key = `${nsvca} ${formatChecksum(sum)}`;
    const document = this.#pinned.get(key) ?? (await moduleDocument(this.#catalog, nsvca, sum));
    this.#pinned.set(key, document);
    return document;
  }

  async listed(sum: Checksum, at: string): Promise<readonly ModuleDocument[]> {
    const key = formatChecksum(sum);
    const known = this.#listed.get(key);
    if (known) return known;
    const documents = readModules(await whole(this.#catalog, sum, MAX_MODULES, at), at);
    this.#listed.set(key, documents);
    return documents;
  }
}

const documents = new WeakMap<Catalog, KnownDocuments>();

function documentsOf(catalog: Catalog): KnownDocuments {
  const known = documents.get(catalog) ?? new KnownDocuments(catalog);
  documents.set(catalog, known);
  return known;
}

/** The documents that repositories would publish beside their builds, read before the plan, which reads nothing. */
class ModuleDocuments {
  readonly #pinned: ReadonlyMap<string, ModuleDocument>;
  /** By upstream id: all of live's newest modules.yaml. */
  readonly #listed: ReadonlyMap<string, readonly ModuleDocument[]>;

  private constructor(
    pinned: ReadonlyMap<string, ModuleDocument>,
    listed: ReadonlyMap<string, readonly ModuleDocument[]>,
  ) {
    this.#pinned = pinned;
    this.#listed = listed;
  }

  static async read(
    state: State,
    catalog: Catalog,
    snapshots: readonly Snapshot[],
  ): Promise<ModuleDocuments> {
    const known = documentsOf(catalog);
    const pinned = new Map<string, ModuleDocument>();
    const listed = new Map<string, readonly ModuleDocument[]>();
    for (const { repository, modules } of snapshots) {
      for (const [nsvca, sum] of modules) {
        const key = `${nsvca} ${formatChecksum(sum)}`;
        if (!pinned.has(key)) pinned.set(key, await known.pinned(nsvca, sum));
      }
      const id = upstreamId(repository);
      if (modules.size === 0 || listed.has(id)) continue;
      const live = state.snapshot({ ...repository, team: LIVE_TEAM, tier: LIVE_TIER });
      const sum = live?.upstream?.documents.get('modules');
      listed.set(id, sum ? await known.listed(sum, id) : []);
    }
    return new ModuleDocuments(pinned, listed);
  }

  of({ repository, modules }: Pick<Contents, 'repository' | 'modules'>): ModuleSource {
    const streams = [...modules].flatMap(([nsvca, sum]) => {
      return this.#pinned.get(`${nsvca} ${formatChecksum(sum)}`) ?? [];
    });
    return { id: repository, modules: projectModules(streams, this.#listed.get(repository) ?? []) };
  }

  ofSnapshot({ repository, modules }: Snapshot): ModuleSource {
    return this.of({ repository: upstreamId(repository), modules });
  }
}
