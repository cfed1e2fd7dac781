import { type Break, type Filter, type Sighting, type Universe, Watch } from './watch.ts';

/** One way to change the builds of a name.arch in one repository: what comes in, and what goes by it. */
export interface Option {
  readonly adds: readonly number[];
  readonly drops: readonly number[];
}

/** The builds of one name.arch in one repository, or those of a module stream, and what they may become. */
export interface Unit {
  readonly nameArches: readonly number[];
  /** The newest first. Beyond the last one the unit stays as it is. */
  readonly options: readonly Option[];
  /** When only one of two may move, the lower one does. No two are equal. */
  readonly priority: number;
  /** Changes the documents of modules, and so what clients are shown. */
  readonly modular: boolean;
  /** It moves for its own sake; else only where another one needs it. */
  readonly starts: boolean;
}

/** Something that would be broken for a client if a unit's option were taken, with all else as the result has it. */
export interface Lack {
  readonly client: string;
  readonly broken: Break;
  /** From the unit's own build: what each one needs of the next; the last one is what is broken. */
  readonly path: readonly Break[];
  /** Whether it is one of the path's own builds that lacks something; else one that is there, or that moves. */
  readonly own: boolean;
  /** Builds that meet the requirement now, for that client, and would be out of its sight. */
  readonly hides: readonly number[];
}

export interface Settled {
  /** Of each unit the option that is taken; its number of options where it stays. */
  readonly chosen: Int32Array;
  /** By unit, then by option: why it is not the one. */
  readonly causes: ReadonlyMap<number, ReadonlyMap<number, readonly Lack[]>>;
  /** Units that came along: for whom, and for which of its requirements. */
  readonly pulled: ReadonlyMap<number, { readonly by: number; readonly broken: Break }>;
  readonly watches: readonly Watch[];
}

export interface SettleInput {
  readonly universe: Universe;
  readonly units: readonly Unit[];
  /** How many repositories of the client set have each build now. */
  readonly members: Uint8Array;
  /** The clients before, and what is known of them; the second one is whom a client is compared with that is new. */
  readonly before: readonly Sighting[];
  /** The clients as they are with these options; called only after a modular unit changed. */
  readonly filters: (chosen: Int32Array) => readonly Filter[];
}

/**
 * A maximal set of moves that adds no break for any client: everything that may move does, but for what would lack something, or
 * take something from others. Ties go by priority. The same for every order of the input, because units are taken by priority.
 */
export function settle(input: SettleInput): Settled {
  const work = new Settling(input);
  work.all();
  work.demote();
  const causes = work.raise();
  return work.result(causes);
}

/** The named units and as few others as they need; what cannot move stays, with its cause. */
export function pull(input: SettleInput, named: ReadonlySet<number>): Settled {
  const work = new Settling(input);
  const causes = work.pull(named);
  return work.result(causes);
}

type Causes = Map<number, Map<number, readonly Lack[]>>;

/** More than these need not be known to say why something stays. */
const MAX_LACKS = 16;

class Settling {
  readonly #o: SettleInput;
  readonly #order: readonly number[];
  readonly #chosen: Int32Array;
  readonly #members: Uint8Array;
  readonly #byName = new Map<number, number[]>();
  readonly #pulled = new Map<number, { by: number; broken: Break }>();
  readonly #brought = new Set<number>();
  #watches: Watch[];

  constructor(input: SettleInput) {
    this.#o = input;
    const { units, members, before, universe } = input;
    const priority = (unit: number) => units[unit]?.priority ?? 0;
    this.#order = units.map((_, i) => i).sort((a, b) => priority(a) - priority(b));
    this.#chosen = Int32Array.from(units, (unit) => unit.options.length);
    this.#members = members.slice();
    for (const unit of this.#order) {
      for (const name of this.#unit(unit).nameArches) {
        this.#byName.set(name, [...(this.#byName.get(name) ?? []), unit]);
      }
    }
    this.#watches = before.map((sighting) => new Watch(universe, sighting));
  }

  result(causes: Causes): Settled {
    return { chosen: this.#chosen, causes, pulled: this.#pulled, watches: this.#watches };
  }

  all(): void {
    this.#choose(this.#order.flatMap((unit) => (this.#unit(unit).starts ? [[unit, 0]] : [])));
  }

  /** Takes back what breaks something until nothing is broken: at the worst nothing moves, which adds no break. */
  demote(): void {
    while (!this.#isClosed()) {
      if (this.#bring()) continue;
      const forced = new Set<number>();
      const tied = new Set<number>();
      for (const watch of this.#watches) {
        for (const broken of watch.added()) {
          const blamed = this.#blamed(watch, broken);
          if (blamed.size === 1) for (const unit of blamed) forced.add(unit);
          else tied.add(this.#least(blamed));
        }
      }
      const back = forced.size > 0 ? [...forced] : [this.#least(tied)];
      this.#choose(back.map((unit) => [unit, this.#at(unit) + 1]));
    }
  }

  /** Brings what others need and what does not move by itself. */
  #bring(): boolean {
    for (const watch of this.#watches) {
      for (const broken of watch.added()) {
        const by = this.#moverOf(broken.build);
        const mend = this.#repair(
          watch,
          broken,
          (unit) => !this.#unit(unit).starts && !this.#brought.has(unit),
        );
        if (!mend || by === undefined) continue;
        this.#brought.add(mend.unit); // once: what is taken back again does not come back here
        this.#pulled.set(mend.unit, { by, broken });
        this.#choose([[mend.unit, mend.option]]);
        return true;
      }
    }
    return false;
  }

  /** Gives back what others, taken back later, were in the way of. Returns why the rest stays. */
  raise(): Causes {
    for (;;) {
      const causes: Causes = new Map();
      let raised = false;
      for (const unit of this.#order) {
        if (!this.#unit(unit).starts) continue;
        for (let option = 0; option < this.#at(unit); option += 1) {
          const lacks = this.#attempt(unit, option);
          if (lacks.length === 0) raised = true;
          else causes.set(unit, (causes.get(unit) ?? new Map<number, readonly Lack[]>()).set(option, lacks));
        }
      }
      if (raised) continue;
      this.#giveBackAll((unit) => this.#unit(unit).starts);
      return causes;
    }
  }

  pull(named: ReadonlySet<number>): Causes {
    const causes: Causes = new Map();
    for (const unit of this.#order) {
      if (!named.has(unit)) continue;
      for (let option = 0; option < this.#at(unit); option += 1) {
        const lacks = this.#attempt(unit, option);
        if (lacks.length > 0)
          causes.set(unit, (causes.get(unit) ?? new Map<number, readonly Lack[]>()).set(option, lacks));
      }
    }
    this.#giveBackAll((unit) => named.has(unit));
    return causes;
  }

  /** What came along and is not needed after all, because something that came later does it too. */
  #giveBackAll(moves: (unit: number) => boolean): void {
    for (const unit of [...this.#pulled.keys()].reverse()) {
      if (moves(unit)) this.#pulled.delete(unit);
      else this.#giveBack(unit);
    }
  }

  #giveBack(unit: number): void {
    const was = this.#at(unit);
    this.#choose([[unit, this.#unit(unit).options.length]]);
    if (this.#isClosed()) this.#pulled.delete(unit);
    else this.#choose([[unit, was]]);
  }

  /** Takes an option, with what it needs of the others; puts everything back and says what is lacking where that does not do. */
  #attempt(unit: number, option: number): Lack[] {
    const was = new Map([[unit, this.#at(unit)]]);
    const pulled = new Map<number, { by: number; broken: Break }>();
    const lacks: Lack[] = [];
    const lost = new Set<string>();
    this.#choose([[unit, option]]);
    while (lacks.length < MAX_LACKS) {
      const found = this.#nearestBreak([...was.keys()], lost);
      if (!found) break;
      const { watch, broken, by } = found;
      const mend = this.#repair(watch, broken, (other) => !was.has(other));
      if (mend) {
        was.set(mend.unit, this.#at(mend.unit));
        pulled.set(mend.unit, { by, broken });
        this.#choose([[mend.unit, mend.option]]);
      } else {
        const own = was.has(this.#moverOf(broken.build) ?? -1);
        lacks.push(this.#lackOf(watch, broken, own, this.#pathTo(by, unit, pulled)));
        lost.add(`${broken.build} ${broken.requirement}`);
      }
    }
    if (lacks.length > 0) this.#choose([...was]);
    else for (const [other, why] of pulled) this.#pulled.set(other, why);
    return lacks;
  }

  /** Of the units in the order in which they came: so that every path is as short as there is. */
  #nearestBreak(
    movers: readonly number[],
    without: ReadonlySet<string>,
  ): { watch: Watch; broken: Break; by: number } | undefined {
    const [first = 0] = movers;
    let nearest: { watch: Watch; broken: Break; by: number; place: number } | undefined;
    for (const watch of this.#watches) {
      for (const broken of watch.added()) {
        if (without.has(`${broken.build} ${broken.requirement}`)) continue;
        const by = this.#moverOf(broken.build) ?? this.#taker(watch, broken, movers) ?? first;
        const place = movers.indexOf(by);
        if (!nearest || place < nearest.place) nearest = { watch, broken, by, place };
        if (place === 0) return nearest;
      }
    }
    return nearest;
  }

  /** Who took away what a build needs that was there before. */
  #taker(watch: Watch, { requirement }: Break, movers: readonly number[]): number | undefined {
    const { requirements, names } = this.#o.universe;
    const gone = new Set<number>();
    for (const satisfier of requirements.satisfiers(requirement)) {
      if (watch.before.sees[satisfier] === 1 && watch.now.sees[satisfier] === 0)
        gone.add(names.of(satisfier));
    }
    return movers.find((unit) => this.#unit(unit).nameArches.some((name) => gone.has(name)));
  }

  #pathTo(last: number, first: number, pulled: ReadonlyMap<number, { by: number; broken: Break }>): Break[] {
    const path: Break[] = [];
    const seen = new Set<number>(); // one that moved before may be pulled further by one that came along for it
    for (let at = last; at !== first && !seen.has(at); ) {
      seen.add(at);
      const step = pulled.get(at);
      if (!step) break;
      path.unshift(step.broken);
      at = step.by;
    }
    return path;
  }

  /** Who could mend it by moving up: one that brings what is missing, or the one whose build lacks it, in a newer build. */
  #repair(watch: Watch, { build, requirement }: Break, may: (unit: number) => boolean) {
    const { requirements, names } = this.#o.universe;
    const options: { unit: number; option: number }[] = [];
    const consider = (unit: number, brings: (option: Option) => boolean) => {
      if (!may(unit)) return;
      const option = this.#unit(unit).options.findIndex((o, i) => i < this.#at(unit) && brings(o));
      if (option >= 0) options.push({ unit, option });
    };
    const shown = (satisfier: number) => watch.filter.shows[satisfier] === 1;
    for (const satisfier of requirements.satisfiers(requirement)) {
      if (!shown(satisfier)) continue;
      for (const unit of this.#byName.get(names.of(satisfier)) ?? [])
        consider(unit, (option) => option.adds.includes(satisfier));
    }
    for (const unit of this.#byName.get(names.of(build)) ?? [])
      consider(unit, (option) => !option.adds.includes(build));
    return options.sort((a, b) => this.#unit(a.unit).priority - this.#unit(b.unit).priority)[0];
  }

  #lackOf(watch: Watch, broken: Break, own: boolean, path: readonly Break[]): Lack {
    const hides = [...this.#o.universe.requirements.satisfiers(broken.requirement)].filter((build) => {
      return watch.before.sees[build] === 1 && watch.now.sees[build] === 0;
    });
    return { client: watch.label, broken, hides, own, path: [...path, broken] };
  }

  /** The units that moved and without which it might not be broken: the one that requires it, and those that took it away. */
  #blamed(watch: Watch, { build, requirement }: Break): Set<number> {
    const { requirements, names } = this.#o.universe;
    const blamed = new Set<number>();
    const mover = this.#moverOf(build);
    if (mover !== undefined) blamed.add(mover);
    for (const satisfier of requirements.satisfiers(requirement)) {
      if (watch.before.sees[satisfier] !== 1 || watch.now.sees[satisfier] === 1) continue;
      for (const unit of this.#byName.get(names.of(satisfier)) ?? [])
        if (this.#hasMoved(unit)) blamed.add(unit);
    }
    if (blamed.size > 0) return blamed;
    const moved = this.#order.filter((unit) => this.#hasMoved(unit));
    const modular = moved.filter((unit) => this.#unit(unit).modular);
    return new Set(modular.length > 0 ? modular : moved);
  }

  /** Who brought a build in. */
  #moverOf(build: number): number | undefined {
    const units = this.#byName.get(this.#o.universe.names.of(build)) ?? [];
    return units.find((unit) => this.#unit(unit).options[this.#at(unit)]?.adds.includes(build));
  }

  #hasMoved(unit: number): boolean {
    return this.#at(unit) < this.#unit(unit).options.length;
  }

  /** The one that gives way. */
  #least(units: Iterable<number>): number {
    return [...units].reduce((a, b) => (this.#unit(a).priority > this.#unit(b).priority ? a : b));
  }

  #isClosed(): boolean {
    return this.#watches.every((watch) => watch.isClosed);
  }

  #choose(choices: readonly (readonly [unit: number, option: number])[]): void {
    const touched = new Set<number>();
    let modular = false;
    for (const [unit, option] of choices) {
      const { options, nameArches, modular: isModular } = this.#unit(unit);
      this.#apply(options[this.#at(unit)], -1);
      this.#apply(options[option], 1);
      this.#chosen[unit] = option;
      for (const name of nameArches) touched.add(name);
      modular ||= isModular;
    }
    if (modular) this.#look();
    else for (const watch of this.#watches) watch.change(touched, this.#has);
  }

  #look(): void {
    const [every, fallback] = this.#o.before;
    this.#watches = this.#o.filters(this.#chosen).map((filter) => {
      const same = this.#o.before.find((sighting) => sighting.filter.label === filter.label);
      const compared = same ?? fallback ?? every;
      const watch = new Watch(this.#o.universe, compared as Sighting);
      watch.look(filter, this.#has);
      return watch;
    });
  }

  #apply(option: Option | undefined, by: 1 | -1): void {
    const add = (build: number, n: number) => {
      this.#members[build] = (this.#members[build] as number) + n;
    };
    for (const build of option?.adds ?? []) add(build, by);
    for (const build of option?.drops ?? []) add(build, -by);
  }

  readonly #has = (build: number): boolean => this.#members[build] !== 0;

  #at(unit: number): number {
    return this.#chosen[unit] as number;
  }

  #unit(unit: number): Unit {
    return this.#o.units[unit] as Unit;
  }
}
