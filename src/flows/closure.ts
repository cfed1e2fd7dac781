import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { LIVE_TEAM, LIVE_TIER, upstreamId } from '../manifest/ids.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { Views } from '../plan/clients.ts';
import type { Closure, Documents } from '../plan/closing.ts';
import { NameArches } from '../plan/nameArches.ts';
import { Requirements } from '../plan/requirements.ts';
import type { ModuleSource } from '../plan/streams.ts';
import type { Universe } from '../plan/watch.ts';
import type { Catalog } from '../pool/catalog.ts';
import { type ModuleDocument, projectModules, readModules } from '../repodata/modules.ts';
import { clientSetOf } from './client-set.ts';
import { moduleDocument, rememberDocuments, whole } from './facts.ts';
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
const prepared = new WeakMap<Loaded, { readonly complete: boolean; readonly universe: Universe }>();
/** One for each catalog: its universe is large. */
const last = new WeakMap<Catalog, { state: State; scope: Scope; closure: ClosureOfSet }>();

interface Scope {
  readonly team: TeamPolicy;
  readonly set: string;
}

/**
 * From what main says at a commit. Read once for all tiers of a set, and again only where other builds are there. A repository
 * that stands alone (sources, debuginfo) is no client set: nothing is asked of it. `beside`: manifests whose builds the answers
 * must know too, though the state does not have them: another state's, or what a tier is to be filled from.
 */
export async function closureOf(
  state: State,
  catalog: Catalog,
  scope: Scope,
  beside: readonly Snapshot[] = [],
): Promise<ClosureOfSet> {
  if (beside.length > 0) return readClosure(state, catalog, scope, beside);
  const known = last.get(catalog);
  if (
    known?.state.files === state.files &&
    known.scope.team === scope.team &&
    known.scope.set === scope.set
  ) {
    return known.closure;
  }
  last.delete(catalog);
  const closure = await readClosure(state, catalog, scope, beside);
  last.set(catalog, { state, scope, closure });
  return closure;
}

async function readClosure(
  state: State,
  catalog: Catalog,
  { team, set }: Scope,
  beside: readonly Snapshot[],
): Promise<ClosureOfSet> {
  const { own, also, notes } = clientSetOf(state, team, set);
  const load = loaders.get(catalog) ?? universes(catalog);
  loaders.set(catalog, load);
  const standsAlone = own.length === 0;
  const all = standsAlone ? [] : [...own, ...also, ...beside];
  const loaded = await load(all);
  const universe = prepare(loaded, team.complete);
  const modules = await ModuleDocuments.read(state, catalog, all);
  const arch = own[0]?.repository.arch ?? '';
  const closure: Closure = {
    universe,
    number: (pin) => loaded.numbers.get(pin.record),
    also: loaded.setOf(also),
    filters: (documents, has) => {
      if (standsAlone) return [];
      const sources = [...documents.map((d) => modules.of(d)), ...also.map((s) => modules.ofSnapshot(s))];
      return viewsOf(universe, arch, sources).filters(has);
    },
  };
  const lists = [...filelistsNotes(loaded, [...own, ...also]).values()];
  return { closure, primaries: loaded.primaries, notes: [...notes, ...lists] };
}

function prepare(loaded: Loaded, complete: boolean): Universe {
  const known = prepared.get(loaded);
  if (known?.complete === complete) return known.universe;
  const requirements = new Requirements(loaded.index, { complete });
  const universe = { requirements, names: known?.universe.names ?? new NameArches(loaded.index) };
  prepared.set(loaded, { complete, universe });
  return universe;
}

const views = new WeakMap<Universe, Map<string, Views>>();

/** Of the sets of documents that one plan tries, and the next ones; each is a few times the size of the universe in bytes. */
const MAX_VIEWS = 32;

function viewsOf(universe: Universe, arch: string, repositories: readonly ModuleSource[]): Views {
  const known = views.get(universe) ?? new Map<string, Views>();
  views.set(universe, known);
  const documents = repositories.map(({ id, modules }) => [id, modules.map((m) => m.digest.hex).sort()]);
  const key = JSON.stringify([arch, documents]);
  const { index } = universe.requirements;
  const members = new Uint8Array(index.size).fill(1);
  const repositoryOf = new Uint8Array(index.size); // of no account here: nobody has module_hotfixes
  const view = known.get(key) ?? new Views({ index, members, repositoryOf, repositories, arch });
  if (known.size >= MAX_VIEWS && !known.has(key)) known.delete(known.keys().next().value ?? '');
  known.set(key, view);
  return view;
}

/** Module documents of whole files by their checksums, each read once: a set is asked about tier by tier, before and after. */
class KnownDocuments {
  readonly #catalog: Catalog;
  readonly #listed = new Map<string, readonly ModuleDocument[]>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  async listed(sum: Checksum, at: string): Promise<readonly ModuleDocument[]> {
    const key = formatChecksum(sum);
    const known = this.#listed.get(key);
    if (known) return known;
    const documents = readModules(await whole(this.#catalog, sum, MAX_MODULES, at), at);
    this.#listed.set(key, documents);
    rememberDocuments(this.#catalog, documents); // most of those that are pinned are among them
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
      const id = upstreamId(repository);
      if (modules.size === 0 || listed.has(id)) continue;
      const live = state.snapshot({ ...repository, team: LIVE_TEAM, tier: LIVE_TIER });
      const sum = live?.upstream?.documents.get('modules');
      listed.set(id, sum ? await known.listed(sum, id) : []);
    }
    for (const { modules } of snapshots) {
      for (const [nsvca, sum] of modules) {
        const key = `${nsvca} ${formatChecksum(sum)}`;
        if (!pinned.has(key)) pinned.set(key, await moduleDocument(catalog, nsvca, sum));
      }
    }
    return new ModuleDocuments(pinned, listed);
  }

  of({ repository, modules }: Documents): ModuleSource {
    const streams = [...modules].flatMap(([nsvca, sum]) => {
      return this.#pinned.get(`${nsvca} ${formatChecksum(sum)}`) ?? [];
    });
    return { id: repository, modules: projectModules(streams, this.#listed.get(repository) ?? []) };
  }

  ofSnapshot({ repository, modules }: Snapshot): ModuleSource {
    return this.of({ repository: upstreamId(repository), modules });
  }
}
