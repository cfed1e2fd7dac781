import { type Capability, overlaps } from '../rpm/capability.ts';
import { HASH_PRIME, HASH_START, InternTable } from './internTable.ts';
import { type Groups, groupNumbers, Numbers } from './numbers.ts';

/** What the answers are made from: an index that is filled. */
export interface Filled {
  /** How many builds there are. */
  readonly size: number;
  /** Distinct `rpm:entry` attributes, which begin with ` name="`. */
  readonly entries: InternTable;
  /** Distinct paths, as they are. */
  readonly paths: InternTable;
  capability(entry: number): Capability;
  /** Entries and paths, by number. */
  provides(build: number): Int32Array;
  files(build: number): Iterable<number>;
}

const NAME_AT = ' name="'.length;
const QUOTE = 0x22;
const SLASH = 0x2f;
const NOBODY = new Int32Array(0);

/**
 * Who provides a name, owns a path, satisfies a requirement. Names are numbered too, so that a question compares no texts but
 * versions. Answers are in ascending order of the builds, none twice.
 */
export class Providers {
  private readonly filled: Filled;
  private readonly names = new InternTable();
  private readonly nameOf: Int32Array;
  /** 1 for entries that have no more than a name, and no path: more than half of those that anybody requires. */
  private readonly isBareName: Uint8Array;
  /** Everything that is provided, build by build; and by name, at which places there. */
  private readonly builds = new Numbers();
  private readonly entries = new Numbers();
  private readonly places: Groups;
  private owners: Groups | undefined;
  private answers: (Int32Array | undefined)[] = [];
  private scratch = new Int32Array(1 << 10);

  constructor(filled: Filled) {
    this.filled = filled;
    const { size } = filled.entries;
    this.nameOf = new Int32Array(size);
    this.isBareName = new Uint8Array(size);
    for (let entry = 0; entry < size; entry += 1) this.nameOf[entry] = this.nameNumber(entry);
    for (let build = 0; build < filled.size; build += 1) {
      const provides = filled.provides(build);
      for (let i = 0; i < provides.length; i += 1) {
        this.builds.push(build);
        this.entries.push(provides[i] as number);
      }
    }
    this.places = groupNumbers(this.names.size, (note) => {
      const { length } = this.entries;
      for (let place = 0; place < length; place += 1) {
        note(this.nameOf[this.entries.at(place)] as number, place);
      }
    });
  }

  /** A build was given further files. */
  forgetFiles(): void {
    this.owners = undefined;
    this.answers = [];
  }

  providing(name: string): number[] {
    const id = this.names.findText(name);
    const providers = id < 0 ? NOBODY : this.providersOf(id, undefined);
    return [...union(providers, this.ownersOf(this.filled.paths.findText(name)))];
  }

  satisfying(require: Capability): number[] {
    const id = this.names.findText(require.name);
    const providers = id < 0 ? NOBODY : this.providersOf(id, require);
    return [...union(providers, this.ownersOf(this.pathOf(require.name)))];
  }

  /** As `satisfying`, of an entry's capability; remembered. */
  satisfiersOf(entry: number): Int32Array {
    const known = this.answers[entry];
    if (known) return known;
    const name = this.nameOf[entry] as number;
    const answer =
      this.isBareName[entry] === 1 ? this.providersOf(name, undefined) : this.satisfy(entry, name);
    this.answers[entry] = answer;
    return answer;
  }

  private satisfy(entry: number, name: number): Int32Array {
    const require = this.filled.capability(entry);
    return union(this.providersOf(name, require), this.ownersOf(this.pathOf(require.name)));
  }

  private pathOf(name: string): number {
    return name.startsWith('/') ? this.filled.paths.findText(name) : -1;
  }

  private providersOf(name: number, require: Capability | undefined): Int32Array {
    const { filled, entries, builds, places } = this;
    const end = places.starts[name + 1] as number;
    let count = 0;
    for (let i = places.starts[name] as number; i < end; i += 1) {
      const place = places.members[i] as number;
      const build = builds.at(place);
      if (count > 0 && this.scratch[count - 1] === build) continue;
      if (require?.flags && !overlaps(filled.capability(entries.at(place)), require)) continue;
      if (count === this.scratch.length) this.scratch = grown(this.scratch);
      this.scratch[count] = build;
      count += 1;
    }
    return count === 0 ? NOBODY : this.scratch.slice(0, count);
  }

  private ownersOf(path: number): Int32Array {
    if (path < 0) return NOBODY;
    this.owners ??= groupNumbers(this.filled.paths.size, (note) => {
      for (let build = 0; build < this.filled.size; build += 1) {
        for (const file of this.filled.files(build)) note(file, build);
      }
    });
    return this.owners.members.subarray(this.owners.starts[path], this.owners.starts[path + 1]);
  }

  /** Of an entry's name, without reading the rest of the capability. */
  private nameNumber(entry: number): number {
    const { entries } = this.filled;
    const bytes = entries.all;
    const from = entries.startOf(entry) + NAME_AT;
    let end = from;
    let hash = HASH_START;
    for (let byte = bytes[end]; byte !== QUOTE; byte = bytes[end]) {
      // a reference, or what XML takes for a space
      if (byte === 0x26 || byte === 9 || byte === 10 || byte === 13 || byte === undefined) {
        return this.names.internText(this.filled.capability(entry).name);
      }
      hash = Math.imul(hash ^ byte, HASH_PRIME);
      end += 1;
    }
    if (bytes[from] !== SLASH && end + 1 === entries.startOf(entry + 1)) this.isBareName[entry] = 1;
    return this.names.intern(bytes, from, end, hash);
  }
}

function union(a: Int32Array, b: Int32Array): Int32Array {
  if (b.length === 0) return a;
  return Int32Array.from(new Set([...a, ...b])).sort();
}

function grown(list: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}
