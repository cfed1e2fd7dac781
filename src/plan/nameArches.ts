import type { PackageIndex } from '../repodata/packageIndex.ts';
import { compareEvr } from '../rpm/evr.ts';

/** The builds of a universe by name.arch, the newest first: what dnf chooses from when it takes the newest. */
export class NameArches {
  readonly #of: Int32Array;
  readonly #groups: readonly Int32Array[];
  /** Equal ranks within a name.arch are equal EVRs. */
  readonly #rank: Int32Array;

  constructor(index: PackageIndex) {
    this.#of = new Int32Array(index.size);
    this.#rank = new Int32Array(index.size);
    const groups: number[][] = [];
    for (let build = 0; build < index.size; build += 1) {
      const { name, arch } = index.nevra(build);
      const like = index.named(name).find((other) => other >= build || index.nevra(other).arch === arch);
      const number = like === build || like === undefined ? groups.push([]) - 1 : this.of(like);
      this.#of[build] = number;
      groups[number]?.push(build);
    }
    const evr = (build: number) => index.nevra(build).evr;
    for (const group of groups) {
      if (group.length > 1) group.sort((a, b) => compareEvr(evr(b), evr(a)));
      for (const [i, build] of group.entries()) {
        const previous = group[i - 1];
        const equal = previous !== undefined && compareEvr(evr(previous), evr(build)) === 0;
        this.#rank[build] = equal ? (this.#rank[previous] as number) : i;
      }
    }
    this.#groups = groups.map((group) => Int32Array.from(group));
  }

  get size(): number {
    return this.#groups.length;
  }

  /** The number of a build's name.arch. */
  of(build: number): number {
    return this.#of[build] as number;
  }

  /** The builds of a name.arch, the newest first. */
  builds(nameArch: number): Int32Array {
    return this.#groups[nameArch] as Int32Array;
  }

  /** Those that are there. */
  all(nameArch: number, isThere: (build: number) => boolean): number[] {
    const found: number[] = [];
    for (const build of this.builds(nameArch)) if (isThere(build)) found.push(build);
    return found;
  }

  /** Of those that are there, all that have the highest EVR. */
  newest(nameArch: number, isThere: (build: number) => boolean): number[] {
    const found: number[] = [];
    for (const build of this.builds(nameArch)) {
      if (found[0] !== undefined && this.#rank[build] !== this.#rank[found[0]]) break;
      if (isThere(build)) found.push(build);
    }
    return found;
  }
}
