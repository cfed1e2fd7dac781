import type { Option, SettleInput, Unit } from './settle.ts';
import { type Break, Watch } from './watch.ts';

/** One option of one unit. */
export interface Choice {
  readonly unit: number;
  readonly option: number;
}

/** Units with the options that they have at the moment, and what each client would see and lack. */
export class Moving {
  readonly #o: SettleInput;
  readonly #chosen: Int32Array;
  /** How many repositories have each build. */
  readonly #members: Uint8Array;
  readonly #byName = new Map<number, number[]>();
  /** By label: every client that ever was one. Those that are none at the moment are kept up to date too. */
  readonly #known: Map<string, Watch>;
  /** By priority. */
  readonly order: readonly number[];
  #watches: readonly Watch[];

  constructor(input: SettleInput) {
    this.#o = input;
    const { units, members, before, universe } = input;
    this.order = units.map((_, i) => i).sort((a, b) => this.unit(a).priority - this.unit(b).priority);
    this.#chosen = Int32Array.from(units, (unit) => unit.options.length);
    this.#members = members.slice();
    for (const unit of this.order) {
      for (const name of this.unit(unit).nameArches) {
        const others = this.#byName.get(name);
        if (others) others.push(unit);
        else this.#byName.set(name, [unit]);
      }
    }
    this.#watches = before.map((sighting) => new Watch(universe, sighting));
    this.#known = new Map(this.#watches.map((watch) => [watch.label, watch]));
  }

  /** Of each unit the option that it has; its number of options where it stays. */
  get chosen(): Int32Array {
    return this.#chosen;
  }

  get watches(): readonly Watch[] {
    return this.#watches;
  }

  get isClosed(): boolean {
    return this.#watches.every((watch) => watch.isClosed);
  }

  unit(unit: number): Unit {
    return this.#o.units[unit] as Unit;
  }

  at(unit: number): number {
    return this.#chosen[unit] as number;
  }

  hasMoved(unit: number): boolean {
    return this.at(unit) < this.unit(unit).options.length;
  }

  /** Units of a build's name.arch, by priority. */
  unitsOf(build: number): readonly number[] {
    return this.#byName.get(this.#o.universe.names.of(build)) ?? [];
  }

  /** Who brought a build in. */
  moverOf(build: number): number | undefined {
    return this.unitsOf(build).find((unit) => this.unit(unit).options[this.at(unit)]?.adds.includes(build));
  }

  /** The one of them that gives way. */
  least(units: Iterable<number>): number {
    return [...units].reduce((a, b) => (this.unit(a).priority > this.unit(b).priority ? a : b));
  }

  choose(choices: Iterable<readonly [unit: number, option: number]>): void {
    const touched = new Set<number>();
    let modular = false;
    for (const [unit, option] of choices) {
      const { options, nameArches, modular: isModular } = this.unit(unit);
      this.#apply(options[this.at(unit)], -1);
      this.#apply(options[option], 1);
      this.#chosen[unit] = option;
      for (const name of nameArches) touched.add(name);
      modular ||= isModular;
    }
    for (const watch of this.#known.values()) watch.change(touched, this.#has);
    if (modular) this.#look();
  }

  /** Other documents of modules may be other clients, and show them other builds. */
  #look(): void {
    const [every, fallback = every] = this.#o.before;
    this.#watches = this.#o.filters(this.#chosen, this.#has).map((filter) => {
      const like = this.#known.get(fallback?.filter.label ?? '') as Watch;
      const watch = this.#known.get(filter.label) ?? like.copy(); // a new client is compared with who has no stream
      watch.look(filter, this.#has);
      this.#known.set(filter.label, watch);
      return watch;
    });
  }

  /**
   * Who could mend what is broken by moving up from `from` (of each unit the option that it has): one that brings what is missing,
   * or the one whose build lacks it, in another build. A client that sees every build would lack it in one that requires it too.
   */
  *repairs(watch: Watch, { build, requirement }: Break, from: (unit: number) => number): Generator<Choice> {
    const { requirements, names } = this.#o.universe;
    const { shows, newestOnly } = watch.filter;
    for (const satisfier of requirements.satisfiers(requirement)) {
      if (shows[satisfier] !== 1) continue;
      for (const unit of this.#byName.get(names.of(satisfier)) ?? []) {
        yield* this.#below(unit, from(unit), ({ adds }) => adds.includes(satisfier));
      }
    }
    const lacks = newestOnly
      ? (other: number) => other === build
      : (other: number) =>
          other === build || (shows[other] === 1 && requirements.of(other).includes(requirement));
    for (const unit of this.unitsOf(build)) {
      yield* this.#below(unit, from(unit), ({ adds }) => !adds.some(lacks));
    }
  }

  *#below(unit: number, end: number, fits: (option: Option) => boolean): Generator<Choice> {
    const { options } = this.unit(unit);
    for (let option = 0; option < end; option += 1) {
      if (fits(options[option] as Option)) yield { unit, option };
    }
  }

  /** Of these the unit that goes first, in its newest build that does. */
  best(choices: Iterable<Choice>): Choice | undefined {
    let best: Choice | undefined;
    for (const choice of choices) {
      const order = best ? this.unit(choice.unit).priority - this.unit(best.unit).priority : -1;
      if (!best || order < 0 || (order === 0 && choice.option < best.option)) best = choice;
    }
    return best;
  }

  #apply(option: Option | undefined, by: 1 | -1): void {
    const add = (build: number, n: number) => {
      this.#members[build] = (this.#members[build] as number) + n;
    };
    for (const build of option?.adds ?? []) add(build, by);
    for (const build of option?.drops ?? []) add(build, -by);
  }

  readonly #has = (build: number): boolean => this.#members[build] !== 0;
}
