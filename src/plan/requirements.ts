import type { PackageIndex } from '../repodata/packageIndex.ts';
import type { Relation } from '../repodata/primary.ts';
import { type Capability, formatCapability } from '../rpm/capability.ts';
import { capabilitiesOf, matching, type Rich, readableRich } from '../rpm/rich.ts';
import { canHold } from '../rpm/richChoice.ts';

/** A set of builds of a universe: 1 where the build of that number is in it. */
export type BuildSet = Uint8Array;

/**
 * Who requires what, and who satisfies it, over all builds of a universe: computed once, and the same whatever is pinned.
 * Distinct requirements are numbered from 0; `rpmlib(…)` is rpm's own to provide and is none of them.
 */
export class Requirements {
  readonly index: PackageIndex;
  /** How many distinct requirements there are. */
  readonly size: number;
  /** Of their capabilities, in the index. */
  readonly #numbers: readonly number[];
  readonly #rich = new Map<number, Rich>();
  /** `(foo)` is foo. */
  readonly #plain = new Map<number, Capability>();
  #names: Int32Array | undefined;
  readonly #ofBuild: Lists;
  readonly #requirers: Lists;
  readonly #satisfiers: Lists;
  readonly #satisfied: Lists;
  readonly #leaves: ReadonlyMap<Rich, ReadonlyMap<Capability, Int32Array>>;

  /**
   * A rich dependency that cannot be read is met by nobody. `complete: false`: clients have repositories that are not known here,
   * and what nothing in the universe could ever meet is theirs to provide, and no requirement.
   */
  constructor(index: PackageIndex, { complete = true }: { readonly complete?: boolean } = {}) {
    this.index = index;
    const { numbers, ofBuild } = distinct(index, 'requires');
    this.#numbers = numbers;
    this.size = numbers.length;
    const leaves = new Map<Rich, Map<Capability, Int32Array>>();
    const satisfiers = numbers.map((number, requirement) => {
      if (!index.isRich(number)) return index.satisfiersOf(number);
      const rich = readableRich(index.capability(number).name);
      if (!rich) return NOBODY;
      if (rich.kind === 'capability') return index.satisfying(this.#setPlain(requirement, rich.capability));
      this.#rich.set(requirement, rich);
      const each = new Map(
        [...capabilitiesOf(rich)].map((leaf) => [leaf, Int32Array.from(index.satisfying(leaf))]),
      );
      leaves.set(rich, each);
      return [...new Set([...each.values()].flatMap((builds) => [...builds]))].sort((a, b) => a - b);
    });
    this.#leaves = leaves;
    this.#satisfiers = Lists.of(satisfiers);
    this.#satisfied = this.#satisfiers.inverted(index.size);
    const all = new Uint8Array(index.size).fill(1);
    const outside = complete ? [] : numbers.map((_, r) => !this.isMet(r, all));
    this.#ofBuild = Lists.of(complete ? ofBuild : ofBuild.map((own) => own.filter((r) => !outside[r])));
    this.#requirers = this.#ofBuild.inverted(this.size);
  }

  capability(requirement: number): Capability {
    return this.#plain.get(requirement) ?? this.index.capability(this.#numbers[requirement] as number);
  }

  #setPlain(requirement: number, capability: Capability): Capability {
    this.#plain.set(requirement, capability);
    return capability;
  }

  /** Equal numbers for equal names of capabilities, whatever the versions. */
  nameOf(requirement: number): number {
    this.#names ??= this.#numberNames();
    return this.#names[requirement] as number;
  }

  #numberNames(): Int32Array {
    const numbers = new Map<string, number>();
    return Int32Array.from({ length: this.size }, (_, requirement) => {
      const { name } = this.capability(requirement);
      const number = numbers.get(name) ?? numbers.size;
      numbers.set(name, number);
      return number;
    });
  }

  text(requirement: number): string {
    return formatCapability(this.capability(requirement));
  }

  isRich(requirement: number): boolean {
    return this.#rich.has(requirement);
  }

  /** What a build requires, none twice. */
  of(build: number): Int32Array {
    return this.#ofBuild.at(build);
  }

  /** Who requires it. */
  requirers(requirement: number): Int32Array {
    return this.#requirers.at(requirement);
  }

  /** Builds that satisfy it; of a rich one those that any part of it asks for. */
  satisfiers(requirement: number): Int32Array {
    return this.#satisfiers.at(requirement);
  }

  /** Requirements that a build satisfies, or, of rich ones, has a part in. */
  satisfiedBy(build: number): Int32Array {
    return this.#satisfied.at(build);
  }

  /** Whether a set of builds offers what meets it: somebody in it satisfies it; of a rich one some choice of them does. */
  isMet(requirement: number, set: BuildSet): boolean {
    const rich = this.#rich.get(requirement);
    if (!rich) return this.satisfiers(requirement).some((build) => set[build] === 1);
    const leaves = this.#leaves.get(rich);
    const satisfiersOf = (leaf: Capability): Int32Array => leaves?.get(leaf) ?? NOBODY;
    const isIn = (build: number) => set[build] === 1;
    return canHold(rich, (term) => {
      if (term.kind === 'capability') return satisfiersOf(term.capability).filter(isIn);
      return [...matching(term, satisfiersOf)].filter(isIn);
    });
  }
}

const NOBODY = new Int32Array(0);

/** Of each requirement the number of its capability in the index; of each build its requirements. */
function distinct(index: PackageIndex, relation: Relation): { numbers: number[]; ofBuild: number[][] } {
  const known = new Int32Array(index.capabilities).fill(UNKNOWN);
  const numbers: number[] = [];
  const ofBuild: number[][] = [];
  const lastOf: number[] = []; // by requirement: the last build that has it
  const requirementOf = (number: number): number => {
    if (index.isRpmlib(number)) return NONE;
    const plain = index.withoutPre(number);
    if (plain !== number && known[plain] !== UNKNOWN) return known[plain] as number;
    const requirement = numbers.push(plain) - 1;
    known[plain] = requirement;
    return requirement;
  };
  for (let build = 0; build < index.size; build += 1) {
    const own: number[] = [];
    for (const number of index.relation(build, relation)) {
      let requirement = known[number] as number;
      if (requirement === UNKNOWN) {
        requirement = requirementOf(number);
        known[number] = requirement;
      }
      if (requirement === NONE || lastOf[requirement] === build) continue;
      lastOf[requirement] = build;
      own.push(requirement);
    }
    ofBuild.push(own);
  }
  return { numbers, ofBuild };
}

const UNKNOWN = -2;
const NONE = -1;

/** Many short lists of numbers in one piece of memory. */
class Lists {
  readonly #from: Int32Array;
  readonly #items: Int32Array;

  /** The items of list i are those from place `from[i]` up to `from[i + 1]`. */
  private constructor(from: Int32Array, items: Int32Array) {
    this.#from = from;
    this.#items = items;
  }

  static of(lists: readonly ArrayLike<number>[]): Lists {
    const from = new Int32Array(lists.length + 1);
    for (let i = 0; i < lists.length; i += 1) {
      from[i + 1] = (from[i] as number) + (lists[i] as ArrayLike<number>).length;
    }
    const items = new Int32Array(from[lists.length] as number);
    for (let i = 0; i < lists.length; i += 1) items.set(lists[i] as ArrayLike<number>, from[i]);
    return new Lists(from, items);
  }

  at(i: number): Int32Array {
    return this.#items.subarray(this.#from[i], this.#from[i + 1]);
  }

  /** For each number below `size`: in which lists it is, ascending. */
  inverted(size: number): Lists {
    const from = new Int32Array(size + 1);
    for (const item of this.#items) from[item + 1] = (from[item + 1] as number) + 1;
    for (let i = 0; i < size; i += 1) from[i + 1] = (from[i + 1] as number) + (from[i] as number);
    const next = from.slice();
    const lists = new Int32Array(this.#items.length);
    for (let list = 0; list + 1 < this.#from.length; list += 1) {
      const end = this.#from[list + 1] as number;
      for (let place = this.#from[list] as number; place < end; place += 1) {
        const item = this.#items[place] as number;
        lists[next[item] as number] = list;
        next[item] = (next[item] as number) + 1;
      }
    }
    return new Lists(from, lists);
  }
}
