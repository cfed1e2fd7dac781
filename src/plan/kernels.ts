import { MAY_CARRY, moduleOf } from '../rpm/kernel-module.ts';
import { groupKey } from './groups.ts';
import type { PromoteInput, PromoteRepository } from './promote.ts';
import { nevraOf } from './rules.ts';
import type { Facts, Pin } from './types.ts';

/** Builds that a machine boots (`kernel-core`, or `kernel` where that holds the image itself). */
export function kernelsAmong(pins: readonly Pin[], facts: Facts): readonly Pin[] {
  const lists = among.get(facts) ?? new WeakMap<readonly Pin[], readonly Pin[]>();
  among.set(facts, lists);
  const known = lists.get(pins);
  if (known) return known;
  const found = pins.filter(
    (pin) => pin.nevra.name.startsWith('kernel') && facts.build(pin).installOnly === 'kernel',
  );
  lists.set(pins, found);
  return found;
}

/** Of lists of pins: found once for the facts of a state. */
const among = new WeakMap<Facts, WeakMap<readonly Pin[], readonly Pin[]>>();

/** Of one plan: the kernels that its tier and that one's parent have, and the modules that are named after one of them. */
export class Kernels {
  readonly #facts: Facts;
  readonly #repositories: readonly PromoteRepository[];
  readonly #target: readonly Pin[];
  readonly #parent: readonly Pin[];
  readonly #stems = new Map<string, ReadonlySet<string>>();

  constructor({ repositories, facts }: Pick<PromoteInput, 'repositories' | 'facts'>) {
    this.#facts = facts;
    this.#repositories = repositories;
    this.#target = repositories.flatMap((r) => (r.target ? kernelsAmong(r.target.pins, facts) : []));
    this.#parent = repositories.flatMap((r) => kernelsAmong(r.parent.pins, facts));
  }

  /** Kernels of the tier, or of its parent, that a module's name says. */
  inTarget(name: string): Pin[] {
    return this.#target.filter((kernel) => moduleOf(name, kernel.nevra) !== undefined);
  }

  inParent(name: string): Pin[] {
    return this.#parent.filter((kernel) => moduleOf(name, kernel.nevra) !== undefined);
  }

  /** The tier has this module for some kernel: for another one it is no new name. */
  isKnownModule(build: Pin): boolean {
    const own = this.#stemsOf(build);
    if (own.size === 0) return false;
    return this.#repositories.some((r) =>
      r.target?.pins.some(
        (pin) => pin.nevra.arch === build.nevra.arch && !this.#stemsOf(pin).isDisjointFrom(own),
      ),
    );
  }

  #stemsOf({ nevra: { name } }: Pin): ReadonlySet<string> {
    const known = this.#stems.get(name);
    if (known) return known;
    const kernels = MAY_CARRY.test(name) ? [...this.#target, ...this.#parent] : [];
    const stems = new Set(kernels.flatMap((kernel) => moduleOf(name, kernel.nevra) ?? []));
    this.#stems.set(name, stems);
    return stems;
  }

  /** Modules of the tier whose kernel goes with these drops, and for which none stays or comes. */
  leaving(drops: readonly Pin[], adds: readonly Pin[]): Leaving[] {
    const going = kernelsAmong(drops, this.#facts);
    if (going.length === 0) return [];
    const gone = new Set(drops);
    const left = [...this.#target.filter((kernel) => !gone.has(kernel)), ...kernelsAmong(adds, this.#facts)];
    return this.#repositories.flatMap((repository) =>
      (repository.target?.pins ?? []).flatMap((pin): Leaving[] => {
        const { name } = pin.nevra;
        const isOf = (kernel: Pin) => moduleOf(name, kernel.nevra) !== undefined;
        const kernel = gone.has(pin) ? undefined : going.find(isOf);
        if (!kernel || left.some(isOf) || this.#isInChild(pin, repository)) return [];
        return [{ repository, pin, why: `is for ${nevraOf(kernel)}, which leaves` }];
      }),
    );
  }

  #isInChild(pin: Pin, { children }: PromoteRepository): boolean {
    const key = groupKey(pin, this.#facts);
    return children.some(({ groups }) => groups.get(key)?.some((other) => nevraOf(other) === nevraOf(pin)));
  }
}

/** A module that goes with its kernel. */
export interface Leaving {
  readonly repository: PromoteRepository;
  readonly pin: Pin;
  readonly why: string;
}
