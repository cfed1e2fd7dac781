import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { formatRepositoryId, lockPath } from '../manifest/ids.ts';
import type { Pin, Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { PathSearch } from '../repodata/filelists.ts';
import { isPrimaryFile } from '../repodata/headerRelations.ts';
import { PackageIndex } from '../repodata/packageIndex.ts';
import { RELATIONS, type Relation } from '../repodata/primary.ts';
import { compareNevra, formatNevra, nameArch, sameNevra } from '../rpm/nevra.ts';

/**
 * Every build that dependency questions of a client set may look at, one for each record of the catalog. Source packages are no
 * part of it: no client installs them by their dependencies, which are those of a build. Never changed once it is loaded, and
 * numbered by NEVRA, so that equal manifests in any order give equal numbers.
 */
export interface Universe {
  readonly index: PackageIndex;
  /** The number of a pin's build, by its record. Source packages have none. */
  readonly numbers: ReadonlyMap<string, number>;
  /** By record; source packages too. For `loadFacts`, so that they are read once. */
  readonly primaries: ReadonlyMap<string, Buffer>;
  /** What filelists were asked for; undefined where nothing asked, and none was opened. */
  readonly files: LookedUp | undefined;
  /** Which builds these manifests have: 1 at their numbers. */
  setOf(snapshots: Iterable<Pick<Snapshot, 'pins'>>): Uint8Array;
}

/** Paths that primaries have no answer for were looked up in the filelists of all builds. */
interface LookedUp {
  /** By the number of the capability that names them. */
  readonly asked: ReadonlyMap<number, readonly string[]>;
  /** By the number of the build that asks for them. */
  readonly byBuild: ReadonlyMap<number, readonly string[]>;
  /** Records that have no filelists. */
  readonly without: ReadonlySet<string>;
}

/** rpm obsoletes by name only, and what is provided asks nothing. */
const ASKING: readonly Relation[] = RELATIONS.filter((r) => r !== 'provides' && r !== 'obsoletes');

const NO_SOURCES = new Set(['src', 'nosrc']);

/**
 * Reads the builds of these manifests into one index. `primaries`: those that were read already, by record; what is not among
 * them comes from the catalog. CATALOG_MISSING where a build's record is lost, LOCK_MISMATCH where it is another build's.
 */
export async function loadUniverse(
  catalog: Catalog,
  snapshots: readonly Snapshot[],
  primaries: ReadonlyMap<string, Buffer> = new Map(),
): Promise<Universe> {
  const pins = pinsOf(snapshots, () => true);
  const binary = pinsOf(snapshots, ({ nevra }) => !NO_SOURCES.has(nevra.arch)); // by what it is, whichever line names its record too
  const elements = await elementsOf(catalog, [...pins.keys()], primaries);
  const index = new PackageIndex();
  const numbers = new Map<string, number>();
  for (const { record } of inOrder([...binary.values()])) {
    numbers.set(record, index.add(elements.get(record) as Buffer, `record ${record}`));
  }
  for (const snapshot of snapshots) checkRecords(snapshot, index, numbers);
  return {
    index,
    numbers,
    primaries: elements,
    files: await lookUpFiles(catalog, index, numbers),
    setOf(of) {
      const set = new Uint8Array(index.size);
      for (const { pins: members } of of) {
        for (const { record, nevra } of members) {
          const number = numbers.get(record);
          if (number !== undefined) set[number] = 1;
          else if (!NO_SOURCES.has(nevra.arch)) throw new Error(`record ${record} is not in the universe`);
        }
      }
      return set;
    },
  };
}

/**
 * Loads universes and keeps the last one: as long as the manifests name the same builds nothing is read or indexed again, whichever
 * tier is the target, and after a promotion too, because live has what any tier pins.
 */
export function universes(
  catalog: Catalog,
): (snapshots: readonly Snapshot[], primaries?: ReadonlyMap<string, Buffer>) => Promise<Universe> {
  let last: Universe | undefined;
  let places = new Places(new Map());
  let asked: readonly Snapshot[] = [];
  let checked = new WeakSet<Snapshot>();
  return async (snapshots, primaries) => {
    if (last && snapshots.length === asked.length && snapshots.every((s, i) => s === asked[i])) return last;
    asked = [...snapshots];
    if (last && places.areAll(snapshots)) {
      for (const snapshot of snapshots) {
        if (!checked.has(snapshot)) checkRecords(snapshot, last.index, last.numbers);
        checked.add(snapshot);
      }
      return last;
    }
    last = undefined; // before the next one is made: two of them need not be in memory
    last = await loadUniverse(catalog, snapshots, primaries);
    places = new Places(last.primaries);
    checked = new WeakSet(snapshots);
    return last;
  };
}

/** Which records lists name, as places in one row of them: found once for each list. */
class Places {
  readonly #places: ReadonlyMap<string, number>;
  readonly #lists = new WeakMap<readonly Pin[], Int32Array>();

  constructor(records: ReadonlyMap<string, unknown>) {
    this.#places = new Map([...records.keys()].map((record, place) => [record, place]));
  }

  /** Whether these lists together name all of the records, and no other. */
  areAll(snapshots: readonly Pick<Snapshot, 'pins'>[]): boolean {
    const named = new Uint8Array(this.#places.size);
    for (const { pins } of snapshots) {
      for (const place of this.#of(pins)) {
        if (place < 0) return false;
        named[place] = 1;
      }
    }
    return !named.includes(0);
  }

  #of(pins: readonly Pin[]): Int32Array {
    const known =
      this.#lists.get(pins) ?? Int32Array.from(pins, ({ record }) => this.#places.get(record) ?? -1);
    this.#lists.set(pins, known);
    return known;
  }
}

/**
 * By repository id: that some of its builds have no filelists, where a build of these manifests asks for a path that only
 * filelists would list. Such a path then counts as dnf counts it: as missing.
 */
export function filelistsNotes(universe: Universe, snapshots: readonly Snapshot[]): Map<string, string> {
  const notes = new Map<string, string>();
  const { files } = universe;
  if (!files || files.without.size === 0) return notes;
  const all = snapshots.map((snapshot) => ({ snapshot, ...filesOf(snapshot.pins, universe, files) }));
  const paths = [...new Set(all.flatMap(({ asks }) => asks))].sort();
  const [first] = paths;
  if (first === undefined) return notes;
  for (const { snapshot, builds, without } of all) {
    if (without === 0) continue;
    const which = without === builds ? '' : ` of ${without} of its ${builds} builds`;
    const more = paths.length > 1 ? ` and ${paths.length - 1} more` : '';
    const id = formatRepositoryId(snapshot.repository);
    notes.set(
      id,
      `${id} has no filelists${which}: of files that dependencies ask for (${first}${more}), only those that primary.xml lists are known`,
    );
  }
  return notes;
}

interface FilesOf {
  readonly builds: number;
  readonly without: number;
  /** Paths that some of the builds ask for, each once. */
  readonly asks: readonly string[];
}

/** By the files that were looked up, then by list: each list is asked about once for each tier and team. */
const known = new WeakMap<LookedUp, WeakMap<readonly Pin[], FilesOf>>();

function filesOf(pins: readonly Pin[], { numbers }: Universe, files: LookedUp): FilesOf {
  const lists = known.get(files) ?? new WeakMap<readonly Pin[], FilesOf>();
  known.set(files, lists);
  const before = lists.get(pins);
  if (before) return before;
  const asks = new Set<string>();
  let [builds, without] = [0, 0];
  for (const { record } of pins) {
    const build = numbers.get(record);
    if (build === undefined) continue;
    builds += 1;
    if (files.without.has(record)) without += 1;
    for (const path of files.byBuild.get(build) ?? []) asks.add(path);
  }
  const found = { builds, without, asks: [...asks] };
  lists.set(pins, found);
  return found;
}

/** One for each record. */
function pinsOf(snapshots: readonly Snapshot[], isWanted: (pin: Pin) => boolean): Map<string, Pin> {
  return new Map(snapshots.flatMap(({ pins }) => pins.filter(isWanted).map((pin) => [pin.record, pin])));
}

/** Of these builds and no others, whatever else was read before. */
async function elementsOf(
  catalog: Catalog,
  records: readonly string[],
  known: ReadonlyMap<string, Buffer>,
): Promise<ReadonlyMap<string, Buffer>> {
  const read = await catalog.getPrimaries(records.filter((record) => !known.has(record)));
  return new Map(records.map((record) => [record, (known.get(record) ?? read.get(record)) as Buffer]));
}

/** A lock is text: a record that is another build's would answer for the wrong dependencies. */
function checkRecords(
  { repository, pins }: Snapshot,
  index: PackageIndex,
  numbers: ReadonlyMap<string, number>,
): void {
  for (const { nevra, record } of pins) {
    const number = numbers.get(record);
    if (number === undefined || sameNevra(nevra, index.nevra(number))) continue;
    const message = `${formatNevra(nevra)} has the record ${record}, which is that of ${formatNevra(index.nevra(number))}`;
    const hint = 'Remove its line from the lock and run sluice fix.';
    throw new Fault('LOCK_MISMATCH', message, { hint, at: lockPath(repository) });
  }
}

/** By NEVRA and record, so that numbers do not depend on the order of the manifests. */
function inOrder(pins: readonly Pin[]): Pin[] {
  return pins
    .map((pin) => ({ pin, key: nameArch(pin.nevra) }))
    .sort(
      (a, b) =>
        byCodeUnit(a.key, b.key) ||
        compareNevra(a.pin.nevra, b.pin.nevra) ||
        byCodeUnit(a.pin.record, b.pin.record),
    )
    .map(({ pin }) => pin);
}

/** Nothing is opened unless a dependency names a path for which no primary.xml has the answer. */
async function lookUpFiles(
  catalog: Catalog,
  index: PackageIndex,
  numbers: ReadonlyMap<string, number>,
): Promise<LookedUp | undefined> {
  const asked = new Map<number, readonly string[]>();
  for (const relation of ASKING) {
    for (const number of index.distinct(relation)) {
      const paths = pathsIn(index, number).filter((path) => isForFilelists(index, path));
      if (paths.length > 0) asked.set(number, paths);
    }
  }
  if (asked.size === 0) return undefined;
  const search = new PathSearch([...asked.values()].flat());
  const without = new Set(numbers.keys());
  for await (const { id, element } of catalog.scanFilelists([...numbers.keys()])) {
    without.delete(id);
    const found = search.in(element);
    if (found.length > 0) index.addFiles(numbers.get(id) as number, found);
  }
  return { asked, byBuild: askersOf(index, asked), without };
}

function askersOf(index: PackageIndex, asked: LookedUp['asked']): Map<number, readonly string[]> {
  const byBuild = new Map<number, readonly string[]>();
  for (let build = 0; build < index.size; build += 1) {
    const paths: string[] = [];
    for (const relation of ASKING) {
      for (const number of index.relation(build, relation)) paths.push(...(asked.get(number) ?? []));
    }
    if (paths.length > 0) byBuild.set(build, paths);
  }
  return byBuild;
}

/**
 * What primary.xml lists by its path's form is looked up only where nobody is known to have it (other programs than createrepo_c
 * may list less); all else is: that somebody provides it by name does not say who owns it.
 */
function isForFilelists(index: PackageIndex, path: string): boolean {
  return !isPrimaryFile(path) || index.providing(path).length === 0;
}

/** In a rich dependency a path is a word, which may have parentheses of its own. */
const PATH_WORD = /(?<=[\s(])\/(?:[^\s()]|\([^\s()]*\))+/g;

function pathsIn(index: PackageIndex, number: number): string[] {
  if (index.isPath(number)) return [index.capability(number).name];
  return index.isRich(number) ? (index.capability(number).name.match(PATH_WORD) ?? []) : [];
}
