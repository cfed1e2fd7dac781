import type { NameArches } from './nameArches.ts';
import type { BuildSet, Requirements } from './requirements.ts';

/** How a client looks at the builds of its set. */
export interface Filter {
  /** `every build`, `newest, default streams`, `newest, with nodejs:18`. */
  readonly label: string;
  /** 1 for builds of the universe that it would see if they were in the set. */
  readonly shows: BuildSet;
  /** Whether it takes only the newest of each name.arch. */
  readonly newestOnly: boolean;
}

/** A requirement of a build in sight that nothing in sight meets. */
export interface Break {
  readonly build: number;
  readonly requirement: number;
}

/** What is the same for all that is asked of a universe. */
export interface Universe {
  readonly requirements: Requirements;
  readonly names: NameArches;
}

/** What one client sees of a set of builds, and which requirements that meets. */
export class Sighting {
  readonly filter: Filter;
  readonly sees: BuildSet;
  /** Of each requirement: how many builds in sight satisfy it; of a rich one, how many have a part in it. */
  readonly support: Int32Array;
  readonly met: Uint8Array;
  #lacked: Set<number> | undefined;

  constructor(filter: Filter, sees: BuildSet, support: Int32Array, met: Uint8Array) {
    this.filter = filter;
    this.sees = sees;
    this.support = support;
    this.met = met;
  }

  static of({ requirements, names }: Universe, filter: Filter, has: (build: number) => boolean): Sighting {
    const sees = new Uint8Array(requirements.index.size);
    const support = new Int32Array(requirements.size);
    for (let name = 0; name < names.size; name += 1) {
      for (const build of inSight(names, filter, name, has)) {
        sees[build] = 1;
        for (const r of requirements.satisfiedBy(build)) support[r] = (support[r] as number) + 1;
      }
    }
    const met = new Uint8Array(requirements.size);
    for (let r = 0; r < met.length; r += 1) {
      const isMet = requirements.isRich(r) ? requirements.isMet(r, sees) : support[r] !== 0;
      met[r] = isMet ? 1 : 0;
    }
    return new Sighting(filter, sees, support, met);
  }

  copy(): Sighting {
    return new Sighting(this.filter, this.sees.slice(), this.support.slice(), this.met.slice());
  }

  /** Whether a build of this one's name.arch lacks a capability of that name, in whatever version. */
  lacked({ requirements, names }: Universe, build: number, requirement: number): boolean {
    this.#lacked ??= new Set(
      [...this.breaks({ requirements, names })].map(
        (known) => names.of(known.build) * requirements.size + requirements.nameOf(known.requirement),
      ),
    );
    return this.#lacked.has(names.of(build) * requirements.size + requirements.nameOf(requirement));
  }

  *breaks({ requirements }: Universe): Generator<Break> {
    for (let build = 0; build < this.sees.length; build += 1) {
      if (this.sees[build] !== 1) continue;
      for (const requirement of requirements.of(build)) {
        if (this.met[requirement] === 0) yield { build, requirement };
      }
    }
  }
}

/** What was last asked of a universe: the state before is the same for one plan after another. */
const last = new WeakMap<
  Universe,
  { readonly members: Uint8Array; readonly sightings: readonly Sighting[] }
>();

/** What these clients see of a set: `members` has how many repositories have each build. */
export function sightings(
  universe: Universe,
  filters: readonly Filter[],
  members: Uint8Array,
): readonly Sighting[] {
  const known = last.get(universe);
  const same = known?.members.every((n, build) => n === members[build]) ? known.sightings : [];
  const has = (build: number) => members[build] !== 0;
  const all = filters.map(
    (filter) => same.find((s) => s.filter === filter) ?? Sighting.of(universe, filter, has),
  );
  last.set(universe, { members: members.slice(), sightings: all });
  return all;
}

/** The builds of a name.arch that a client sees. */
export function inSight(
  names: NameArches,
  { shows, newestOnly }: Filter,
  name: number,
  has: (build: number) => boolean,
): readonly number[] {
  const isThere = (build: number) => shows[build] === 1 && has(build);
  return newestOnly ? names.newest(name, isThere) : names.all(name, isThere);
}

/**
 * The breaks that a plan adds for one client: kept up to date while builds come and go, at the cost of what changes. A requirement
 * that was not met before for a build of the same name.arch, in whatever version, is an old break and is carried.
 */
export class Watch {
  readonly #universe: Universe;
  readonly #before: Sighting;
  readonly #now: Sighting;
  /** By build * requirements + requirement. */
  readonly #added: Set<number>;
  #filter: Filter;

  constructor(universe: Universe, before: Sighting, from?: Watch) {
    this.#universe = universe;
    this.#before = before;
    this.#now = (from?.now ?? before).copy();
    this.#filter = from?.filter ?? before.filter;
    this.#added = from ? new Set(from.#added) : new Set();
  }

  copy(): Watch {
    return new Watch(this.#universe, this.#before, this);
  }

  get label(): string {
    return this.#filter.label;
  }

  get filter(): Filter {
    return this.#filter;
  }

  get before(): Sighting {
    return this.#before;
  }

  get now(): Sighting {
    return this.#now;
  }

  get isClosed(): boolean {
    return this.#added.size === 0;
  }

  /** In order of builds, then of requirements. */
  added(): Break[] {
    const { size } = this.#universe.requirements;
    return [...this.#added]
      .sort((a, b) => a - b)
      .map((code) => ({ build: Math.floor(code / size), requirement: code % size }));
  }

  lacks({ build, requirement }: Break): boolean {
    return this.#added.has(this.#code(build, requirement));
  }

  /** Documents of modules changed, and what the client would be shown. */
  look(filter: Filter, has: (build: number) => boolean): void {
    const { names } = this.#universe;
    const [was, is] = [this.#filter.shows, filter.shows];
    const touched = new Set<number>();
    for (let build = 0; was !== is && build < is.length; build += 1) {
      if (was[build] !== is[build]) touched.add(names.of(build));
    }
    this.#filter = filter;
    this.change(touched, has);
  }

  /** Builds of these name.arches came or went. */
  change(nameArches: Iterable<number>, has: (build: number) => boolean): void {
    const { names, requirements } = this.#universe;
    const { sees } = this.#now;
    const [came, went]: [number[], number[]] = [[], []];
    for (const name of nameArches) {
      const there = inSight(names, this.#filter, name, has);
      for (const build of there) if (sees[build] === 0) came.push(build);
      for (const build of names.builds(name)) {
        if (sees[build] === 1 && !there.includes(build)) went.push(build);
      }
    }
    for (const build of went)
      for (const r of requirements.of(build)) this.#added.delete(this.#code(build, r));
    const touched = new Set<number>();
    for (const build of came) this.#see(build, 1, touched);
    for (const build of went) this.#see(build, 0, touched);
    for (const r of touched) this.#judge(r);
    for (const build of came) {
      for (const r of requirements.of(build)) if (this.#now.met[r] === 0) this.#note(build, r);
    }
  }

  #see(build: number, bit: 0 | 1, touched: Set<number>): void {
    const { sees, support } = this.#now;
    sees[build] = bit;
    for (const r of this.#universe.requirements.satisfiedBy(build)) {
      support[r] = (support[r] as number) + (bit === 1 ? 1 : -1);
      touched.add(r);
    }
  }

  #judge(r: number): void {
    const { requirements } = this.#universe;
    const { sees, support, met } = this.#now;
    const isMet = (requirements.isRich(r) ? requirements.isMet(r, sees) : support[r] !== 0) ? 1 : 0;
    if (met[r] === isMet) return;
    met[r] = isMet;
    for (const build of requirements.requirers(r)) {
      if (isMet === 1) this.#added.delete(this.#code(build, r));
      else if (sees[build] === 1) this.#note(build, r);
    }
  }

  #note(build: number, r: number): void {
    if (!this.#before.lacked(this.#universe, build, r)) this.#added.add(this.#code(build, r));
  }

  #code(build: number, r: number): number {
    return build * this.#universe.requirements.size + r;
  }
}
