import { groupBy } from '../base/order.ts';
import type { PackageIndex } from '../repodata/packageIndex.ts';
import { archesFor } from '../rpm/arches.ts';
import { compareEvr, formatEvr, vercmp } from '../rpm/evr.ts';
import { Activation, type Active } from './activate.ts';
import { type ModuleSource, PLATFORM, type StreamDocument, streamsOf } from './streams.ts';

/** The repositories that a client has enabled together, as builds of an index. */
export interface ClientSet {
  readonly index: PackageIndex;
  /** For each build of the index: 1 when it is in the set. */
  readonly members: Uint8Array;
  /** For each build of the set: in which of `repositories` it is. */
  readonly repositoryOf: ArrayLike<number>;
  readonly repositories: readonly ClientRepository[];
  /** Of the clients: `x86_64`. */
  readonly arch: string;
  /** `el9`, as in `platform:el9`. Where it is absent, what the set's system-release says. */
  readonly platform?: string;
}

/** `modules` as they are published: DocumentProjector.modules. */
export interface ClientRepository extends ModuleSource {
  /** Clients have `module_hotfixes=1` for it: no module hides its builds. */
  readonly moduleHotfixes?: boolean;
}

const SOURCES: readonly string[] = ['src', 'nosrc'];

/** Which builds of a set dnf shows (libdnf's setModuleExcludes), to a client that has enabled some streams. */
export class Sight {
  /** All that machines of the arch can install, and sources. */
  readonly every: Uint8Array;
  readonly #set: ClientSet;
  readonly #activation: Activation;
  readonly #variants: readonly Variant[];
  readonly #shadows = new Map<Variant, readonly number[]>();
  #order: Order | undefined;

  constructor(set: ClientSet) {
    this.#set = set;
    const { index, members, arch } = set;
    const arches = new Set([...archesFor(arch), ...SOURCES]);
    this.every = Uint8Array.from(members, (bit, n) => (bit === 1 && arches.has(index.nevra(n).arch) ? 1 : 0));
    const streams = streamsOf(set.repositories, arch);
    this.#activation = new Activation(streams, set.platform ?? platformOf(index, this.every));
    this.#variants = [...groupBy(streams.documents, (d) => d.variant)].map(([name, documents]) => ({
      name,
      documents,
      builds: documents.flatMap((d) => d.document.artifacts.flatMap((text) => this.#artifact(text))),
    }));
  }

  /** Streams of which there are builds, in order. */
  get streams(): readonly string[] {
    return this.streamsAmong(() => true);
  }

  /** Those of which one of these builds is. */
  streamsAmong(has: (build: number) => boolean): readonly string[] {
    const there = this.#variants.filter(({ builds }) => builds.some(has));
    return [...new Set(there.flatMap((v) => v.documents[0]?.stream ?? []))].sort();
  }

  /** Undefined when dnf refuses to enable these streams together, or what they require is not there. */
  activate(enabled: readonly string[]): Active | undefined {
    return this.#activation.solve(new Set(enabled));
  }

  visible(active: Active): Uint8Array {
    const sees = this.every.slice();
    const shown = this.#variants.filter(({ name }) => active.variants.has(name));
    for (const { name, builds } of this.#variants) {
      if (active.variants.has(name)) continue;
      for (const build of builds) if (!this.#exempt(build)) sees[build] = 0;
    }
    for (const variant of shown) for (const build of this.#shadowed(variant)) sees[build] = 0;
    for (const { builds } of shown) for (const build of builds) sees[build] = 1;
    return sees;
  }

  /** Of each name.arch the highest EVR that is visible; all builds that have it. */
  newest(active: Active): Uint8Array {
    const visible = this.visible(active);
    const sees = new Uint8Array(visible.length);
    this.#order ??= newestFirst(this.#set.index, this.every);
    const { builds, groups, ranks } = this.#order;
    let [group, rank] = [-1, -1];
    for (let i = 0; i < builds.length; i += 1) {
      const build = builds[i] as number;
      if (visible[build] !== 1) continue;
      if (groups[i] !== group) [group, rank] = [groups[i] as number, ranks[i] as number];
      if (ranks[i] === rank) sees[build] = 1;
    }
    return sees;
  }

  /** Builds of the set that are this artifact, letter by letter; `0:` is no epoch. */
  #artifact(text: string): number[] {
    const { name, evr, arch } = splitArtifact(text);
    const { index } = this.#set;
    return index.named(name).filter((build) => {
      if (this.every[build] !== 1) return false;
      const nevra = index.nevra(build);
      return nevra.arch === arch && formatEvr(nevra.evr) === evr;
    });
  }

  #exempt(build: number): boolean {
    return this.#set.repositories[this.#set.repositoryOf[build] as number]?.moduleHotfixes === true;
  }

  /** What an active variant hides outside of it: builds of the same names, and binary ones that provide such a name. */
  #shadowed(variant: Variant): readonly number[] {
    const known = this.#shadows.get(variant);
    if (known) return known;
    const { index } = this.#set;
    const isSource = (build: number) => SOURCES.includes(index.nevra(build).arch);
    const [names, sources] = [new Set<string>(), new Set<string>()];
    for (const d of variant.documents) {
      const free = demodularized(variant, d.arch);
      for (const { name, arch } of d.document.artifacts.map(splitArtifact)) {
        if (!free.has(name)) (SOURCES.includes(arch) ? sources : names).add(name);
      }
    }
    const shadowed: number[] = [];
    for (const name of names) {
      shadowed.push(...index.named(name), ...index.providing(name).filter((build) => !isSource(build)));
    }
    for (const name of sources) shadowed.push(...index.named(name).filter(isSource));
    const hidden = [...new Set(shadowed)].filter((build) => this.every[build] === 1 && !this.#exempt(build));
    this.#shadows.set(variant, hidden);
    return hidden;
  }
}

/** Documents that are active together, and those of their artifacts that are in the set. */
interface Variant {
  readonly name: string;
  readonly documents: readonly StreamDocument[];
  readonly builds: readonly number[];
}

/** Names that the newest of a variant's documents for an arch gave back. */
function demodularized({ documents }: Variant, arch: number): Set<string> {
  const own = documents.filter((d) => d.arch === arch);
  const newest = own.filter((d) => own.every((other) => vercmp(d.version, other.version) >= 0));
  return new Set(newest.flatMap((d) => d.document.demodularized));
}

/** As parseNevra, which read them all before: without a check, and the EVR as text. */
function splitArtifact(text: string): { name: string; evr: string; arch: string } {
  const dot = text.lastIndexOf('.');
  const release = text.lastIndexOf('-', dot);
  const version = text.lastIndexOf('-', release - 1) + 1;
  const evr = text.slice(text.startsWith('0:', version) ? version + 2 : version, dot);
  return { name: text.slice(0, version - 1), evr, arch: text.slice(dot + 1) };
}

/** Builds by name.arch, the highest EVR first; equal ranks are equal EVRs. */
interface Order {
  readonly builds: Int32Array;
  readonly groups: Int32Array;
  readonly ranks: Int32Array;
}

function newestFirst(index: PackageIndex, of: Uint8Array): Order {
  const size = of.reduce((sum, bit) => sum + bit, 0);
  const order = { builds: new Int32Array(size), groups: new Int32Array(size), ranks: new Int32Array(size) };
  let [place, group] = [0, 0];
  const take = (numbers: readonly number[]) => {
    const evr = (build: number) => index.nevra(build).evr;
    const sorted = numbers.length > 1 ? [...numbers].sort((a, b) => compareEvr(evr(b), evr(a))) : numbers;
    sorted.forEach((build, i) => {
      const equal = i > 0 && compareEvr(evr(sorted[i - 1] as number), evr(build)) === 0;
      order.builds[place] = build;
      order.groups[place] = group;
      order.ranks[place] = equal ? (order.ranks[place - 1] as number) : place;
      place += 1;
    });
    group += 1;
  };
  for (let build = 0; build < of.length; build += 1) {
    const named = index.named(index.nevra(build).name);
    if (named[0] !== build) continue; // each name once
    const here = named.filter((n) => of[n] === 1);
    if (here.length === 1) take(here);
    else for (const [, alike] of groupBy(here, (n) => index.nevra(n).arch)) take(alike);
  }
  return order;
}

/**
 * libdnf's createPlatformSolvable: what the newest builds that provide `system-release` say, when they say one thing. A host
 * without such a build says it itself, in os-release.
 */
function platformOf(index: PackageIndex, of: Uint8Array): string | undefined {
  const releases = index.providing('system-release').filter((build) => of[build] === 1);
  const newest = releases.filter((build) => {
    const { name, evr } = index.nevra(build);
    return releases.every((n) => index.nevra(n).name !== name || compareEvr(index.nevra(n).evr, evr) <= 0);
  });
  const said = newest.flatMap((build) =>
    [...index.relation(build, 'provides')].map((number) => index.capability(number).name),
  );
  const platforms = new Set(said.flatMap((name) => PROVIDED.exec(name)?.[1] ?? []));
  return platforms.size === 1 ? [...platforms][0] : undefined;
}

const PROVIDED = new RegExp(`^base-module\\(${PLATFORM}:([^)]+)\\)$`);
