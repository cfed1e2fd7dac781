import type { PackageIndex } from '../repodata/packageIndex.ts';
import type { Relation } from '../repodata/primary.ts';
import { type Capability, formatCapability } from '../rpm/capability.ts';
import { capabilitiesOf, isRich, matching, type Rich, readableRich } from '../rpm/rich.ts';
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
  readonly #capabilities: readonly Capability[];
  readonly #names: Int32Array;
  readonly #rich: readonly (Rich | undefined)[];
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
    const { capabilities, numbers, ofBuild } = distinct(index, 'requires');
    this.#capabilities = capabilities;
    this.size = capabilities.length;
    const names = new Map<string, number>();
    for (const { name } of capabilities) if (!names.has(name)) names.set(name, names.size);
    this.#names = Int32Array.from(capabilities, ({ name }) => names.get(name) as number);
    this.#rich = capabilities.map((c) => (isRich(c.name) ? readableRich(c.name) : undefined));
    const leaves = new Map<Rich, Map<Capability, Int32Array>>();
    const satisfiers = capabilities.map((c, i) => {
      const rich = this.#rich[i];
      const number = numbers[i] as number;
      if (!rich) return isRich(c.name) ? [] : number < 0 ? index.satisfying(c) : index.satisfiersOf(number);
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
    const outside = complete ? [] : capabilities.map((_, r) => !this.isMet(r, all));
    this.#ofBuild = Lists.of(complete ? ofBuild : ofBuild.map((own) => own.filter((r) => !outside[r])));
    this.#requirers = this.#ofBuild.inverted(this.size);
  }

  capability(requirement: number): Capability {
    return this.#capabilities[requirement] as Capability;
  }

  /** Equal numbers for equal names of capabilities, whatever the versions. */
  nameOf(requirement: number): number {
    return this.#names[requirement] as number;
  }

  text(requirement: number): string {
    return formatCapability(this.capability(requirement));
  }

  isRich(requirement: number): boolean {
    return this.#rich[requirement] !== undefined;
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
    const rich = this.#rich[requirement];
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

function distinct(index: PackageIndex, relation: Relation) {
  const known = new Map<number, number>();
  const byText = new Map<string, number>();
  const capabilities: Capability[] = [];
  const numbers: number[] = [];
  const ofBuild: number[][] = [];
  const lastOf: number[] = []; // by requirement: the last build that has it
  for (let build = 0; build < index.size; build += 1) {
    const own: number[] = [];
    for (const number of index.relation(build, relation)) {
      let requirement = known.get(number);
      if (requirement === undefined) {
        const capability = plainly(index.capability(number));
        const text = formatCapability(capability);
        requirement = capability.name.startsWith('rpmlib(') ? -1 : (byText.get(text) ?? capabilities.length);
        if (requirement === capabilities.length) {
          capabilities.push(capability);
          numbers.push(index.isRich(number) ? -1 : number); // `(foo)` is asked as foo
        }
        byText.set(text, requirement);
        known.set(number, requirement);
      }
      if (requirement < 0 || lastOf[requirement] === build) continue;
      lastOf[requirement] = build;
      own.push(requirement);
    }
    ofBuild.push(own);
  }
  return { capabilities, numbers, ofBuild };
}

/** `(foo)` is foo. */
function plainly(capability: Capability): Capability {
  if (!isRich(capability.name)) return capability;
  const rich = readableRich(capability.name);
  return rich?.kind === 'capability' ? rich.capability : capability;
}

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
