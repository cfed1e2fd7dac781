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
  /** Builds by name, and by the rest of the NEVRA; of names that artifacts have. */
  readonly #named = new Map<string, ReadonlyMap<string, readonly number[]>>();

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

  /** Builds of the set that are this artifact, letter by letter; `0:` is no epoch. */
  #artifact(text: string): readonly number[] {
    const { name, evr, arch } = splitArtifact(text);
    const { index } = this.#set;
    const textOf = (build: number): string => {
      const nevra = index.nevra(build);
      return `${formatEvr(nevra.evr)}.${nevra.arch}`;
    };
    const named = this.#named.get(name) ?? groupBy(this.#here(index.named(name)), textOf);
    this.#named.set(name, named);
    return named.get(`${evr}.${arch}`) ?? [];
  }

  #here(builds: readonly number[]): number[] {
    return builds.filter((build) => this.every[build] === 1);
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
    for (const [, documents] of groupBy(variant.documents, (d) => d.document.arch)) {
      const free = demodularized(documents);
      for (const { name, arch } of documents.flatMap((d) => d.document.artifacts.map(splitArtifact))) {
        if (!free.has(name)) (SOURCES.includes(arch) ? sources : names).add(name);
      }
    }
    const shadowed = new Set<number>();
    for (const name of names) {
      for (const build of index.named(name)) shadowed.add(build);
      for (const build of index.providing(name)) if (!isSource(build)) shadowed.add(build);
    }
    for (const name of sources)
      for (const build of index.named(name)) if (isSource(build)) shadowed.add(build);
    const hidden = this.#here([...shadowed]).filter((build) => !this.#exempt(build));
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

/** Names that the newest of these versions gave back; two repositories can have the newest. */
function demodularized(documents: readonly StreamDocument[]): Set<string> {
  const newest = documents.reduce((a, b) => (vercmp(b.version, a.version) > 0 ? b : a));
  const all = documents.filter((d) => vercmp(d.version, newest.version) === 0);
  return new Set(all.flatMap((d) => d.document.demodularized));
}

/** As parseNevra, which read them all before: without a check, and the EVR as text. */
function splitArtifact(text: string): { name: string; evr: string; arch: string } {
  const dot = text.lastIndexOf('.');
  const release = text.lastIndexOf('-', dot);
  const version = text.lastIndexOf('-', release - 1) + 1;
  const evr = text.slice(text.startsWith('0:', version) ? version + 2 : version, dot);
  return { name: text.slice(0, version - 1), evr, arch: text.slice(dot + 1) };
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
