import { byCodeUnit, groupBy } from '../base/order.ts';
import type { ModuleDocument } from '../repodata/modules.ts';
import { archesFor } from '../rpm/arches.ts';
import { vercmp } from '../rpm/evr.ts';

/** What a client knows of module streams: the documents of its repositories, in the words of libdnf. */
export interface Streams {
  readonly documents: readonly StreamDocument[];
  /** By module. */
  readonly defaults: ReadonlyMap<string, string>;
}

/** A modulemd as the solver sees it: a package `variant`, of which a client can have one per module. */
export interface StreamDocument {
  readonly document: ModuleDocument;
  readonly module: string;
  /** `nodejs:18`. */
  readonly stream: string;
  /** `nodejs:18:rhel9`: documents of one variant are versions of one thing, and active together. */
  readonly variant: string;
  readonly version: string;
  /** What clients of the arch make of the document's own: the lower the better, 1 is `noarch`, 0 what they cannot have. */
  readonly arch: number;
  /** All of them; each one by any of its words, `perl` or `perl:5.26`. */
  readonly requires: readonly (readonly string[])[];
  /** Streams, `perl:5.24`. */
  readonly conflicts: readonly string[];
}

/** Of one repository, as it is published; `id` tells in which order clients read them. */
export interface ModuleSource {
  readonly id: string;
  readonly modules: readonly ModuleDocument[];
}

export const PLATFORM = 'platform';
export const NOARCH = 1;

/**
 * libdnf's ModulePackageContainer::add, addVersion2Modules and libmodulemd's merging of defaults. Whatever the order of the
 * input, repositories are read by id and documents by name, as published.
 */
export function streamsOf(sources: readonly ModuleSource[], arch: string): Streams {
  const ordered = [...sources].sort((a, b) => byCodeUnit(a.id, b.id));
  const documents = ordered.flatMap(({ modules }) => modules.filter(isStream).sort(byName));
  const fixed = documents.filter((d) => d.staticContext);
  const hashed = documents.filter((d) => !d.staticContext);
  const named = new Map<string, string>();
  for (const d of fixed) {
    const like = `${d.name}:${d.stream} ${requirementsText(d)}`;
    if (!named.has(like)) named.set(like, d.context);
  }
  const contextOf = (d: Stream): string => {
    if (d.staticContext) return d.context;
    // A hash says nothing: what the stream requires stands for the context, so that versions of it are comparable.
    const requirements = requirementsText(d);
    return named.get(`${d.name}:${d.stream} ${requirements}`) ?? (requirements || 'NoRequires');
  };
  const scores = archScores(arch);
  return {
    documents: [...fixed, ...hashed].map((d) => ({
      document: d,
      module: d.name,
      stream: `${d.name}:${d.stream}`,
      variant: `${d.name}:${d.stream}:${contextOf(d)}`,
      version: d.moduleVersion,
      arch: scores.get(d.arch) ?? 0,
      ...relationsOf(d),
    })),
    defaults: mergedDefaults(ordered.map((source) => source.modules)),
  };
}

type Stream = ModuleDocument &
  Required<Pick<ModuleDocument, 'name' | 'stream' | 'moduleVersion' | 'context' | 'arch' | 'nsvca'>>;

function isStream(d: ModuleDocument): d is Stream {
  return d.kind === 'modulemd' && d.nsvca !== undefined;
}

function byName(a: Stream, b: Stream): number {
  return byCodeUnit(a.name, b.name) || byCodeUnit(a.nsvca, b.nsvca);
}

/** libdnf's getRequires without the platform, concentrated: `perl:[5.24,5.26];ruby`. */
function requirementsText({ requires }: Stream): string {
  const texts = requires.flatMap((entry) =>
    [...entry]
      .filter(([name]) => name !== PLATFORM)
      .map(([name, streams]) => (streams.length === 0 ? name : `${name}:[${streams.join(',')}]`)),
  );
  return texts.sort(byCodeUnit).join(';');
}

/** libdnf's createDependencies. It takes a stream that has a `-` anywhere for one to stay away from. */
function relationsOf(d: Stream): Pick<StreamDocument, 'requires' | 'conflicts'> {
  const requires: string[][] = [];
  const conflicts: string[] = [];
  for (const [name, streams] of d.requires.flatMap((entry) => [...entry])) {
    const wanted = streams.filter((stream) => !stream.includes('-')).map((stream) => `${name}:${stream}`);
    for (const s of streams) if (s.includes('-')) conflicts.push(`${name}:${s.slice(1)}`);
    requires.push(wanted.length > 0 ? wanted : [name]);
  }
  return { requires, conflicts };
}

/** As libsolv scores arches: only the order matters, and that `noarch` goes with any. */
function archScores(arch: string): Map<string, number> {
  const [own = arch, , ...compatible] = archesFor(arch);
  const scores = new Map([...compatible].map((other) => [other, NOARCH + 2] as [string, number]));
  return scores.set(own, NOARCH + 1).set('noarch', NOARCH);
}

/**
 * Of two documents about a module in one repository the last one counts; of two repositories the one that was modified
 * later, and neither when they disagree with the same date (modulemd_defaults_v1_merge).
 */
function mergedDefaults(repositories: readonly (readonly ModuleDocument[])[]): Map<string, string> {
  const merged = new Map<string, { stream: string | undefined; modified: number; conflict: boolean }>();
  for (const modules of repositories) {
    const own = new Map<string, ModuleDocument>();
    for (const d of modules) if (d.kind === 'modulemd-defaults' && d.name !== undefined) own.set(d.name, d);
    for (const [name, { stream, modified }] of own) {
      const known = merged.get(name) ?? { stream: undefined, modified, conflict: false };
      const latest = { ...known, modified: Math.max(known.modified, modified) };
      if (known.stream === undefined) latest.stream = stream;
      else if (stream !== undefined && stream !== known.stream && !known.conflict) {
        if (modified > known.modified) latest.stream = stream;
        else if (modified === known.modified) latest.conflict = true;
      }
      merged.set(name, latest);
    }
  }
  const streams = [...merged].flatMap(([name, { stream, conflict }]) =>
    stream === undefined || conflict ? [] : [[name, stream] as const],
  );
  return new Map(streams);
}

/**
 * What libsolv would choose from, best first (policy_filter_unwanted): the best arch, of each variant the highest version,
 * variants by their text.
 */
export function preferred(numbers: readonly number[], documents: readonly StreamDocument[]): number[] {
  const of = (n: number) => documents[n] as StreamDocument;
  const arches = numbers.map((n) => of(n).arch).filter((score) => score > NOARCH);
  const best = Math.min(...arches);
  const fitting = numbers.filter((n) => arches.length === 0 || of(n).arch <= Math.max(best, NOARCH));
  const groups = [...groupBy(fitting, (n) => of(n).variant)].sort(([a], [b]) => byCodeUnit(a, b));
  return groups.map(([, group]) =>
    group.reduce((a, b) => (vercmp(of(b).version, of(a).version) > 0 ? b : a)),
  );
}
