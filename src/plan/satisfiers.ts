import { Fault } from '../base/fault.ts';
import type { PackageIndex } from '../repodata/packageIndex.ts';
import { type Capability, formatCapability, overlaps } from '../rpm/capability.ts';
import { compareEvr, type Evr } from '../rpm/evr.ts';
import { formatRich, isRich, matching, parseRich, type Rich } from '../rpm/rich.ts';

/** What a universe answers about capabilities, each asked once: who satisfies it, what it says. Never about a set. */
export class Satisfiers {
  readonly index: PackageIndex;
  private readonly plain = new Map<string, readonly number[]>();
  private readonly byNumber: (readonly number[] | undefined)[] = [];
  private byObsoleted: ReadonlyMap<string, readonly number[]> | undefined;
  private readonly trees = new Map<string, Rich | Fault>();

  constructor(index: PackageIndex) {
    this.index = index;
  }

  /** Builds that satisfy a plain capability, those to try first first; by the number of the capability. */
  of(number: number): readonly number[] {
    const known = this.byNumber[number];
    if (known) return known;
    const builds = this.ofCapability(this.index.capability(number));
    this.byNumber[number] = builds;
    return builds;
  }

  ofCapability(capability: Capability): readonly number[] {
    const key = formatCapability(capability);
    const known = this.plain.get(key);
    if (known) return known;
    const builds = this.preferred(this.index.satisfying(capability), capability.name);
    this.plain.set(key, builds);
    return builds;
  }

  /** Builds each of which alone satisfies a part of a rich dependency that speaks of one build. */
  ofOneBuild(rich: Rich): readonly number[] {
    if (rich.kind === 'capability') return this.ofCapability(rich.capability);
    const key = formatRich(rich);
    const known = this.plain.get(key);
    if (known) return known;
    const builds = this.preferred([...matching(rich, (capability) => this.ofCapability(capability))], '');
    this.plain.set(key, builds);
    return builds;
  }

  /** A rich dependency as a tree, the Fault where it cannot be read, nothing where it is none. */
  rich(name: string): Rich | Fault | undefined {
    if (!isRich(name)) return undefined;
    const known = this.trees.get(name) ?? readRich(name);
    this.trees.set(name, known);
    return known;
  }

  /** Builds that an Obsoletes means: rpm compares it with names and versions of packages, not with what they provide. */
  named(capability: Capability): readonly number[] {
    return this.index.named(capability.name).filter((build) => {
      return overlaps({ name: capability.name, flags: 'EQ', ...this.index.nevra(build).evr }, capability);
    });
  }

  /** Builds that obsolete this one, those to try first first. */
  obsoletersOf(build: number): readonly number[] {
    const { name, evr } = this.index.nevra(build);
    const own: Capability = { name, flags: 'EQ', ...evr };
    const found = (this.obsoleting().get(name) ?? []).filter((other) => {
      return [...this.index.relation(other, 'obsoletes')].some((number) =>
        overlaps(own, this.index.capability(number)),
      );
    });
    return this.preferred(found, name);
  }

  /** By name: who obsoletes some version of it. */
  private obsoleting(): ReadonlyMap<string, readonly number[]> {
    if (this.byObsoleted) return this.byObsoleted;
    const byName = new Map<string, number[]>();
    for (let build = 0; build < this.index.size; build += 1) {
      const names = [...this.index.relation(build, 'obsoletes')].map((n) => this.index.capability(n).name);
      for (const name of new Set(names)) byName.set(name, [...(byName.get(name) ?? []), build]);
    }
    this.byObsoleted = byName;
    return byName;
  }

  /** Newest of each name first, and of those the one that is called as the requirement; then in order of their numbers. */
  private preferred(builds: readonly number[], name: string): readonly number[] {
    if (builds.length < 2) return builds;
    const newestFirst = builds
      .map((build) => ({ build, nevra: this.index.nevra(build) }))
      .sort((a, b) => compareEvr(b.nevra.evr, a.nevra.evr) || a.build - b.build);
    const before = new Map<string, { evr: Evr; rank: number }>();
    const ranked = newestFirst.map(({ build, nevra }) => {
      const last = before.get(nevra.name);
      const same = last !== undefined && compareEvr(last.evr, nevra.evr) === 0;
      const rank = last === undefined ? 0 : same ? last.rank : last.rank + 1;
      before.set(nevra.name, { evr: nevra.evr, rank });
      return { build, rank, called: nevra.name === name ? 0 : 1 };
    });
    return ranked
      .sort((a, b) => a.rank - b.rank || a.called - b.called || a.build - b.build)
      .map(({ build }) => build);
  }
}

function readRich(name: string): Rich | Fault {
  try {
    return parseRich(name);
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
}
