import { Fault } from '../base/fault.ts';
import type { PackageIndex } from '../repodata/packageIndex.ts';
import type { Active } from './activate.ts';
import { NameArches } from './nameArches.ts';
import { type ClientSet, Sight } from './sight.ts';
import { type Filter, inSight } from './watch.ts';

export interface Client {
  /** `every build`, `newest, default streams`, `newest, with nodejs:18`. */
  readonly label: string;
  /** For each build of the index: 1 when the client sees it. Equal ones are one object, so that it can stand for the answer. */
  readonly sees: Uint8Array;
}

export interface Clients {
  readonly clients: readonly Client[];
  /** `perl-DBI:1.641`: streams that have builds in the set, and that no client can enable. */
  readonly unusable: readonly string[];
}

/**
 * The clients whose dependencies must hold (design, 4): one that sees every build, one that takes the newest of each
 * name.arch after dnf hid what belongs to other streams than the defaults, and that again with each further stream.
 */
export class Views {
  readonly #sight: Sight;
  readonly #every: Filter;
  readonly #newest: Filter;
  readonly #defaults: Active;
  /** Undefined where no client can enable the stream. */
  readonly #withStream = new Map<string, Filter | undefined>();

  /** `set.members`: every build that may come to be there, with the documents of now. */
  constructor(set: ClientSet) {
    this.#sight = new Sight(set);
    this.#defaults = this.#sight.activate([]) ?? NOTHING;
    this.#every = { label: 'every build', shows: this.#sight.every, newestOnly: false };
    const shows = this.#sight.visible(this.#defaults);
    this.#newest = { label: 'newest, default streams', shows, newestOnly: true };
  }

  /** One for each stream of which a build is there. Equal ones are one object. TOO_LARGE. */
  filters(has: (build: number) => boolean): Filter[] {
    return [this.#every, this.#newest, ...this.#streams(has).flatMap((stream) => this.#with(stream) ?? [])];
  }

  /** Streams of which a build is there, and that no client can enable: `perl-DBI:1.641`. */
  unusable(has: (build: number) => boolean): string[] {
    return this.#streams(has).filter((stream) => this.#with(stream) === undefined);
  }

  #streams(has: (build: number) => boolean): readonly string[] {
    const streams = this.#sight.streamsAmong(has).filter((stream) => !this.#defaults.streams.has(stream));
    if (streams.length > MAX_STREAMS) throw tooMany(streams.length);
    return streams;
  }

  #with(stream: string): Filter | undefined {
    if (this.#withStream.has(stream)) return this.#withStream.get(stream);
    const active = this.#sight.activate([stream]);
    const filter = active?.streams.has(stream)
      ? { label: `newest, with ${stream}`, shows: this.#sight.visible(active), newestOnly: true }
      : undefined;
    this.#withStream.set(stream, filter);
    return filter;
  }
}

/** What the clients of one set see, of the builds that are in it. */
export function clientsOf(set: ClientSet): Clients {
  const has = (build: number) => set.members[build] === 1;
  const views = new Views(set);
  const shared = sharing();
  const clients = views.filters(has).map((filter) => {
    return { label: filter.label, sees: shared(seenBy(filter, set)) };
  });
  return { clients, unusable: views.unusable(has) };
}

/** Of the builds that are in a set: 1 where a client sees the build. */
export function seenBy(filter: Filter, { index, members }: ClientSet): Uint8Array {
  const names = NAMES.get(index) ?? new NameArches(index);
  NAMES.set(index, names);
  const sees = new Uint8Array(index.size);
  for (let name = 0; name < names.size; name += 1) {
    for (const build of inSight(names, filter, name, (n) => members[n] === 1)) sees[build] = 1;
  }
  return sees;
}

const NAMES = new WeakMap<PackageIndex, NameArches>();

/** Each one is a client, for whom everything is asked again. Enterprise Linux 8 has about a hundred. */
const MAX_STREAMS = 1_000;

function tooMany(streams: number): Fault {
  return new Fault('TOO_LARGE', `the set has builds of ${streams} module streams, more than ${MAX_STREAMS}`, {
    hint: 'Look at the module documents of its repositories.',
  });
}

const NOTHING: Active = { variants: new Set(), streams: new Set() };

/** Gives the first of equal sets for each of them. */
function sharing(): (sees: Uint8Array) => Uint8Array {
  const known: Buffer[] = [];
  return (sees) => {
    const bytes = Buffer.from(sees.buffer, sees.byteOffset, sees.length);
    const same = known.find((other) => other.equals(bytes));
    if (same) return same;
    known.push(bytes);
    return bytes;
  };
}
