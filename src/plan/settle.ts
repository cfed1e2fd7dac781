import { Attempts, type Pulled } from './attempt.ts';
import { Moving } from './moving.ts';
import type { Break, Filter, Sighting, Universe, Watch } from './watch.ts';

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

/** What one build needs of the next one, and so on; the last one is what is broken. Shared by all whose paths end alike. */
export interface Step {
  readonly broken: Break;
  readonly next: Step | undefined;
  readonly length: number;
}

/** Something that would be broken for a client if a unit's option were taken, with all else as the result has it. */
export interface Lack {
  readonly client: string;
  readonly broken: Break;
  /** From the unit's own build. */
  readonly path: Step;
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
  /** The clients as they are with these options and builds; called only after a modular unit changed. */
  readonly filters: (chosen: Int32Array, has: (build: number) => boolean) => readonly Filter[];
  /** Nothing that waits would mend it either: with such a cause no further one is looked for. */
  readonly isFinal?: (broken: Break) => boolean;
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

/**
 * Why it ends: all() moves once. demote() brings each unit at most once and otherwise takes at least one a step further down, of which
 * there are as many as options. raise() goes round only after an option went up, which none of its steps takes down again.
 */
class Settling {
  readonly #o: SettleInput;
  readonly #moving: Moving;
  readonly #attempts: Attempts;
  readonly #pulled: Pulled = new Map();
  readonly #brought = new Set<number>();

  constructor(input: SettleInput) {
    this.#o = input;
    this.#moving = new Moving(input);
    this.#attempts = new Attempts(input, this.#moving);
  }

  result(causes: Causes): Settled {
    const { chosen, watches } = this.#moving;
    return { chosen, causes, pulled: this.#pulled, watches };
  }

  all(): void {
    const { order } = this.#moving;
    this.#moving.choose(order.flatMap((unit) => (this.#starts(unit) ? [[unit, 0] as const] : [])));
  }

  /** Takes back what breaks something until nothing is broken: at the worst nothing moves, which adds no break. */
  demote(): void {
    const moving = this.#moving;
    while (!moving.isClosed) {
      if (this.#bring()) continue;
      const forced = new Set<number>();
      const tied: Set<number>[] = [];
      for (const watch of moving.watches) {
        for (const broken of watch.added()) {
          const blamed = this.#blamed(watch, broken);
          if (blamed.size === 1) for (const unit of blamed) forced.add(unit);
          else if (blamed.size > 1) tied.push(blamed);
        }
      }
      const back = forced.size > 0 ? forced : this.#leastOf(tied);
      if (back.size === 0) return; // nothing moved that could be taken back
      moving.choose([...back].map((unit) => [unit, moving.at(unit) + 1]));
    }
  }

  /** Of each one who gives way, and one only where several have somebody in common: the others may be mended by that. */
  #leastOf(tied: readonly ReadonlySet<number>[]): ReadonlySet<number> {
    const least = new Map(tied.map((units) => [units, this.#moving.least(units)]));
    const priority = (units: ReadonlySet<number>) => this.#moving.unit(least.get(units) as number).priority;
    const back = new Set<number>();
    const spoken = new Set<number>();
    for (const units of [...tied].sort((a, b) => priority(b) - priority(a))) {
      if (units.isDisjointFrom(spoken)) back.add(least.get(units) as number);
      for (const unit of units) spoken.add(unit);
    }
    return back;
  }

  /** Brings what others need and what does not move by itself. */
  #bring(): boolean {
    const moving = this.#moving;
    const from = (unit: number) => (this.#starts(unit) || this.#brought.has(unit) ? 0 : moving.at(unit));
    let brought = false;
    for (const watch of moving.watches) {
      for (const broken of watch.added()) {
        if (!watch.lacks(broken)) continue; // one that was just brought mends it
        const by = moving.moverOf(broken.build);
        const mend = by === undefined ? undefined : moving.best(moving.repairs(watch, broken, from));
        if (!mend || by === undefined) continue;
        this.#brought.add(mend.unit); // once: what is taken back again does not come back here
        this.#pulled.set(mend.unit, { by, broken });
        moving.choose([[mend.unit, mend.option]]);
        brought = true;
      }
    }
    return brought;
  }

  /** Gives back what others, taken back later, were in the way of. Returns why the rest stays. */
  raise(): Causes {
    const starting = this.#moving.order.filter((unit) => this.#starts(unit));
    for (;;) {
      const { causes, raised } = this.#tryAll(starting);
      if (raised) continue;
      this.#giveBackAll((unit) => this.#starts(unit));
      return causes;
    }
  }

  pull(named: ReadonlySet<number>): Causes {
    const { causes } = this.#tryAll(this.#moving.order.filter((unit) => named.has(unit)));
    this.#giveBackAll((unit) => named.has(unit));
    return causes;
  }

  #tryAll(units: readonly number[]): { causes: Causes; raised: boolean } {
    const causes: Causes = new Map();
    let raised = false;
    for (const unit of units) {
      for (let option = 0; option < this.#moving.at(unit); option += 1) {
        const lacks = this.#attempts.try(unit, option, this.#pulled);
        if (lacks.length === 0) raised = true;
        else causes.set(unit, (causes.get(unit) ?? new Map<number, readonly Lack[]>()).set(option, lacks));
      }
    }
    return { causes, raised };
  }

  /** What came along and is not needed after all, because something that came later does it too. */
  #giveBackAll(moves: (unit: number) => boolean): void {
    for (const unit of [...this.#pulled.keys()].reverse()) {
      if (moves(unit)) this.#pulled.delete(unit);
      else this.#giveBack(unit);
    }
  }

  #giveBack(unit: number): void {
    const moving = this.#moving;
    const was = moving.at(unit);
    moving.choose([[unit, moving.unit(unit).options.length]]);
    if (moving.isClosed) this.#pulled.delete(unit);
    else moving.choose([[unit, was]]);
  }

  /** The units that moved and without which it might not be broken: the one that requires it, and those that took it away. */
  #blamed(watch: Watch, { build, requirement }: Break): Set<number> {
    const moving = this.#moving;
    const { requirements } = this.#o.universe;
    const blamed = new Set<number>();
    const mover = moving.moverOf(build);
    if (mover !== undefined) blamed.add(mover);
    for (const satisfier of requirements.satisfiers(requirement)) {
      if (watch.before.sees[satisfier] !== 1 || watch.now.sees[satisfier] === 1) continue;
      for (const unit of moving.unitsOf(satisfier)) if (moving.hasMoved(unit)) blamed.add(unit);
    }
    if (blamed.size > 0) return blamed;
    const moved = moving.order.filter((unit) => moving.hasMoved(unit));
    const modular = moved.filter((unit) => moving.unit(unit).modular);
    return new Set(modular.length > 0 ? modular : moved);
  }

  #starts(unit: number): boolean {
    return this.#moving.unit(unit).starts;
  }
}
