import { Fault } from '../base/fault.ts';
import type { Relation } from '../repodata/primary.ts';
import { archRank, sharesColor } from '../rpm/arches.ts';
import type { Capability } from '../rpm/capability.ts';
import { compareEvr } from '../rpm/evr.ts';
import type { Nevra } from '../rpm/nevra.ts';
import type { Rich } from '../rpm/rich.ts';
import { asksRpm, rpmMeets } from '../rpm/rpmlib.ts';
import { type Clause, no, yes } from './clause.ts';
import { type Leaves, RichClauses } from './richClauses.ts';
import type { Satisfiers } from './satisfiers.ts';

/** Why a clause stands: one rule about one build. Builds are numbers of the universe. */
export type Reason =
  | { readonly kind: 'wanted'; readonly anyOf: readonly number[] }
  | { readonly kind: 'arch'; readonly build: number }
  | { readonly kind: 'beside'; readonly build: number; readonly better: readonly number[] }
  | {
      readonly kind: 'requires';
      readonly build: number;
      readonly capability: Capability;
      /** Who satisfies it; of a rich one, those that could. */
      readonly by: readonly number[];
      /** Why a rich one cannot be read. */
      readonly unreadable?: string | undefined;
    }
  | {
      readonly kind: 'conflicts' | 'obsoletes';
      readonly build: number;
      readonly capability: Capability;
      readonly other: number | undefined;
    }
  | { readonly kind: 'sameName'; readonly build: number; readonly other: number };

/** What differs between clients that look at one set. */
export interface Client {
  readonly arch: string;
  /**
   * Builds of 32 and 64 bits of one name may both be installed, and one of a lesser arch needs the same version of the better
   * one beside it, as with the libsolv of Fedora, RHEL and their kin; without, a name is installed once, in its best arch.
   */
  readonly multilib: boolean;
  /** What marks builds of which several versions may be installed. */
  readonly installOnly: readonly string[];
}

/** What such a package provides, by dnf's default (libdnf/conf/Const.hpp): its builds are installed beside each other. */
export const INSTALL_ONLY: readonly string[] = [
  ...['kernel', 'kernel-PAE', 'installonlypkg(kernel)', 'installonlypkg(kernel-module)'],
  ...['installonlypkg(vm)', 'multiversion(kernel)'],
];

/** dnf with its defaults. */
export function dnfClient(arch: string): Client {
  return { arch, multilib: true, installOnly: INSTALL_ONLY };
}

/**
 * What each build of a visible set brings with it, as libsolv makes rules for rpm (src/rules.c): its requirements, conflicts
 * and obsoletes, one build of a name, the better arch. Weak dependencies make none. Made for a build when it is first asked
 * for, and kept: one set may be asked about all of its builds.
 */
export class Clauses {
  readonly satisfiers: Satisfiers;
  readonly visible: Uint8Array;
  readonly client: Client;
  private readonly made = new Map<number, readonly Clause<Reason>[]>();
  private readonly madeBeside = new Map<number, readonly Clause<Reason>[]>();
  private readonly parts: RichClauses<Reason>[] = [];
  private readonly installOnly: ReadonlySet<number>;

  constructor(satisfiers: Satisfiers, visible: Uint8Array, client: Client) {
    this.satisfiers = satisfiers;
    this.visible = visible;
    this.client = client;
    this.installOnly = new Set(client.installOnly.flatMap((name) => satisfiers.index.providing(name)));
  }

  /** Whether clients of this arch see a build at all. */
  sees(build: number): boolean {
    return this.visible[build] === 1 && archRank(this.nevra(build).arch, this.client.arch) !== undefined;
  }

  /** The same client in front of another set. */
  seeing(visible: Uint8Array): Clauses {
    return new Clauses(this.satisfiers, visible, this.client);
  }

  /** Visible builds that obsolete this one, the newest of a name first. */
  obsoleters(build: number): number[] {
    return this.satisfiers.obsoletersOf(build).filter((other) => other !== build && this.sees(other));
  }

  nevra(build: number): Nevra {
    return this.satisfiers.index.nevra(build);
  }

  /** Whether several versions of a build may be installed. */
  isInstallOnly(build: number): boolean {
    return this.installOnly.has(build);
  }

  /** Clauses of a build, or of a part of a rich dependency. */
  of(variable: number): readonly Clause<Reason>[] {
    const part = this.parts[variable - this.satisfiers.index.size];
    if (part) return part.ofPart(variable);
    const known = this.made.get(variable);
    if (known) return known;
    const clauses = [
      ...this.requires(variable),
      ...this.conflicts(variable),
      ...this.obsoletes(variable),
      ...this.sameName(variable),
    ];
    this.made.set(variable, clauses);
    return clauses;
  }

  /** A build of a lesser arch where the name has a better one; builds that were asked for by name are free of this. */
  beside(build: number): readonly Clause<Reason>[] {
    const clauses = this.madeBeside.get(build) ?? this.makeBeside(build);
    this.madeBeside.set(build, clauses);
    return clauses;
  }

  private makeBeside(build: number): readonly Clause<Reason>[] {
    if (build >= this.satisfiers.index.size) return [];
    const own = this.nevra(build);
    const rank = archRank(own.arch, this.client.arch) ?? 0;
    const others = this.seenOf(own.name, build).map((other) => ({ other, nevra: this.nevra(other) }));
    const better = others.filter(({ nevra }) => {
      return nevra.arch !== 'noarch' && (archRank(nevra.arch, this.client.arch) ?? rank) < rank;
    });
    if (better.length === 0) return [];
    const same = this.client.multilib ? others.filter(({ nevra }) => isSameEvr(nevra, own)) : [];
    const allowed = same.filter(({ nevra }) => (archRank(nevra.arch, this.client.arch) ?? rank) < rank);
    const by = allowed.map(({ other }) => other);
    const reason: Reason = { kind: 'beside', build, better: better.map(({ other }) => other) };
    return [{ literals: [no(build), ...by.map(yes)], reason }];
  }

  private capabilities(build: number, relation: Relation): number[] {
    return [...new Set(this.satisfiers.index.relation(build, relation))];
  }

  private requires(build: number): Clause<Reason>[] {
    return this.capabilities(build, 'requires').flatMap((number): Clause<Reason>[] => {
      const capability = this.satisfiers.index.capability(number);
      const rich = this.satisfiers.rich(capability.name);
      if (rich) return this.requiresRich(build, capability, rich);
      if (asksRpm(capability.name) && rpmMeets(capability)) return [];
      const by = this.satisfiers.of(number).filter((other) => this.sees(other));
      if (by.includes(build)) return [];
      const reason: Reason = { kind: 'requires', build, capability, by };
      return [{ literals: [no(build), ...this.bestArchFirst(by).map(yes)], reason }];
    });
  }

  /** rpm takes what it cannot read for unsatisfied (unsatisfiedDepend); libsolv drops it. */
  private requiresRich(build: number, capability: Capability, rich: Rich | Fault): Clause<Reason>[] {
    if (rich instanceof Fault) {
      const reason: Reason = { kind: 'requires', build, capability, by: [], unreadable: rich.message };
      return [{ literals: [no(build)], reason }];
    }
    const leaves = (leaf: Rich): readonly number[] | 'always' => {
      if (leaf.kind === 'capability' && rpmMeets(leaf.capability)) return 'always';
      return this.bestArchFirst(this.satisfiers.ofOneBuild(leaf).filter((other) => this.sees(other)));
    };
    const found = leavesOf(rich).map(leaves);
    const by = new Set(found.flatMap((builds) => (builds === 'always' ? [] : builds)));
    const reason: Reason = { kind: 'requires', build, capability, by: [...by] };
    const clauses = this.rich(reason, leaves).clauses(build, rich, true);
    return clauses.filter(({ literals }) => !literals.includes(yes(build)));
  }

  private conflicts(build: number): Clause<Reason>[] {
    return this.capabilities(build, 'conflicts').flatMap((number): Clause<Reason>[] => {
      const capability = this.satisfiers.index.capability(number);
      const rich = this.satisfiers.rich(capability.name);
      if (rich instanceof Fault) return []; // rpm ignores what it cannot read here
      if (rich) return this.conflictsRich(build, capability, rich);
      return this.satisfiers.of(number).flatMap((other): Clause<Reason>[] => {
        if (other === build || !this.sees(other)) return [];
        const reason: Reason = { kind: 'conflicts', build, capability, other };
        return [{ literals: [no(build), no(other)], reason }];
      });
    });
  }

  /** Of others only: no package conflicts with itself. */
  private conflictsRich(build: number, capability: Capability, rich: Rich): Clause<Reason>[] {
    const reason: Reason = { kind: 'conflicts', build, capability, other: undefined };
    const leaves = (leaf: Rich): readonly number[] =>
      this.satisfiers.ofOneBuild(leaf).filter((other) => other !== build && this.sees(other));
    return this.rich(reason, leaves).clauses(build, rich, false);
  }

  /** A new kernel obsoletes nothing: dnf keeps what is installed beside it (libsolv without keepexplicitobsoletes). */
  private obsoletes(build: number): Clause<Reason>[] {
    if (this.isInstallOnly(build)) return [];
    return this.capabilities(build, 'obsoletes').flatMap((number) => {
      const capability = this.satisfiers.index.capability(number);
      return this.satisfiers.named(capability).flatMap((other): Clause<Reason>[] => {
        if (other === build || !this.sees(other)) return [];
        const reason: Reason = { kind: 'obsoletes', build, capability, other };
        return [{ literals: [no(build), no(other)], reason }];
      });
    });
  }

  private sameName(build: number): Clause<Reason>[] {
    const own = this.nevra(build);
    return this.seenOf(own.name, build).flatMap((other): Clause<Reason>[] => {
      const nevra = this.nevra(other);
      const several = this.isInstallOnly(build) && this.isInstallOnly(other);
      if (several && !(nevra.arch === own.arch && isSameEvr(nevra, own))) return [];
      if (this.client.multilib && !sharesColor(own.arch, nevra.arch)) return [];
      return [{ literals: [no(build), no(other)], reason: { kind: 'sameName', build, other } }];
    });
  }

  private seenOf(name: string, but: number): number[] {
    return this.satisfiers.index.named(name).filter((other) => other !== but && this.sees(other));
  }

  private bestArchFirst(builds: readonly number[]): readonly number[] {
    const rank = (build: number): number => archRank(this.nevra(build).arch, this.client.arch) ?? 0;
    return builds.every((build) => rank(build) === 0)
      ? builds
      : [...builds].sort((a, b) => rank(a) - rank(b));
  }

  /** Variables for parts of a rich dependency stand above those of the builds. */
  private rich(reason: Reason, leaves: Leaves): RichClauses<Reason> {
    const fresh = (): number => this.satisfiers.index.size + this.parts.push(rich) - 1;
    const rich: RichClauses<Reason> = new RichClauses<Reason>(reason, leaves, fresh);
    return rich;
  }
}

function isSameEvr(a: Nevra, b: Nevra): boolean {
  return compareEvr(a.evr, b.evr) === 0;
}

/** The parts that speak of one build. */
function leavesOf(rich: Rich): Rich[] {
  switch (rich.kind) {
    case 'and':
    case 'or':
      return rich.of.flatMap(leavesOf);
    case 'if':
    case 'unless':
      return [rich.what, rich.when, ...(rich.otherwise ? [rich.otherwise] : [])].flatMap(leavesOf);
    default:
      return [rich];
  }
}
