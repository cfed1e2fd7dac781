import type { Choice, Moving } from './moving.ts';
import type { Lack, SettleInput } from './settle.ts';
import type { Break, Watch } from './watch.ts';

/** More than these need not be known to say why something stays. */
const MAX_LACKS = 16;

/** So many more come along once something is lacking: they would not move, but may lack what is waited for longer. */
const MAX_MORE = 32;

/** Who came along: for whom, and for which of its requirements. */
export type Pulled = Map<number, { readonly by: number; readonly broken: Break }>;

interface Found {
  readonly watch: Watch;
  readonly broken: Break;
  /** The mover that requires it, or that took it away. */
  readonly by: number;
}

/**
 * Takes options one by one, each with what it needs of the others. What failed is remembered, with the options that it failed by: as
 * long as nothing else moves they fail for everybody who needs them, so that a family of n that waits for one laggard takes n
 * steps and not n².
 */
export class Attempts {
  readonly #o: SettleInput;
  readonly #moving: Moving;
  /** By unit, then by option: why it cannot be taken, whatever else comes along. */
  readonly #dead = new Map<number, Map<number, readonly Lack[]>>();

  constructor(input: SettleInput, moving: Moving) {
    this.#o = input;
    this.#moving = moving;
  }

  /**
   * Takes an option, with what it needs; puts everything back and says what is lacking where that does not do. It ends, because every
   * round moves one more unit up, none of them twice, or finds one more lack.
   */
  try(unit: number, option: number, pulled: Pulled): readonly Lack[] {
    const known = this.#dead.get(unit)?.get(option);
    if (known) return known;
    const attempt = new Attempt(this.#o, this.#moving, this.#dead, unit);
    const lacks = attempt.run(option);
    if (lacks.length === 0) {
      this.#dead.clear();
      for (const [other, why] of attempt.pulled) pulled.set(other, why);
    }
    return lacks;
  }
}

class Attempt {
  readonly #o: SettleInput;
  readonly #moving: Moving;
  readonly #dead: Map<number, Map<number, readonly Lack[]>>;
  readonly #unit: number;
  /** Who moved, in order, and the option that it had before. */
  readonly #was = new Map<number, number>();
  readonly #place = new Map<number, number>();
  readonly #lacks: { readonly lack: Lack; readonly found: Found }[] = [];
  /** Of those that came along: what it was that each one mends. */
  readonly #mends = new Map<number, Found>();
  readonly #lost = new Set<string>();
  readonly pulled: Pulled = new Map();

  constructor(
    input: SettleInput,
    moving: Moving,
    dead: Map<number, Map<number, readonly Lack[]>>,
    unit: number,
  ) {
    this.#o = input;
    this.#moving = moving;
    this.#dead = dead;
    this.#unit = unit;
  }

  run(option: number): readonly Lack[] {
    this.#move(this.#unit, option);
    let more = MAX_MORE;
    for (let found = this.#breaks(); found.length > 0; found = this.#breaks()) {
      const mendable: Found[] = [];
      for (const each of found) {
        if (this.#isLost(each.broken)) continue; // for another client too
        const { live, dead } = this.#repairsOf(each);
        if (live.length > 0) mendable.push(each);
        else this.#lose(each, dead);
        if (this.#isEnough()) return this.#giveUp();
      }
      for (const each of mendable) {
        if (!each.watch.lacks(each.broken)) continue; // by one that was brought for another
        if (this.#lacks.length > 0 && more-- <= 0) return this.#giveUp();
        this.#mend(each);
      }
    }
    return this.#lacks.length > 0 ? this.#giveUp() : [];
  }

  #isEnough(): boolean {
    const last = this.#lacks.at(-1);
    if (!last) return false;
    return this.#lacks.length >= MAX_LACKS || (this.#o.isFinal?.(last.lack.broken) ?? false);
  }

  #move(unit: number, option: number): void {
    this.#place.set(unit, this.#was.size);
    this.#was.set(unit, this.#moving.at(unit));
    this.#moving.choose([[unit, option]]);
  }

  /** In the order in which those came who brought them: so that every path is as short as there is. */
  #breaks(): Found[] {
    const found: (Found & { readonly place: number })[] = [];
    for (const watch of this.#moving.watches) {
      for (const broken of watch.added()) {
        if (this.#isLost(broken)) continue;
        const by = this.#bringer(broken) ?? this.#taker(watch, broken) ?? this.#unit;
        found.push({ watch, broken, by, place: this.#place.get(by) ?? 0 });
      }
    }
    return found.sort((a, b) => a.place - b.place);
  }

  #repairsOf({ watch, broken }: Found): { live: Choice[]; dead: Choice[] } {
    const now = (unit: number) => (this.#was.has(unit) ? 0 : this.#moving.at(unit));
    const [live, dead]: [Choice[], Choice[]] = [[], []];
    for (const choice of this.#moving.repairs(watch, broken, now)) {
      (this.#deadOf(choice) ? dead : live).push(choice);
    }
    return { live, dead };
  }

  /** Who was brought for another break of the same round may be the one that is needed: then the next round tells. */
  #mend(found: Found): void {
    const mend = this.#moving.best(this.#repairsOf(found).live);
    if (!mend) return;
    const { broken, by } = found;
    this.pulled.set(mend.unit, { by, broken });
    this.#mends.set(mend.unit, found);
    this.#move(mend.unit, mend.option);
  }

  #lose(found: Found, dead: readonly Choice[]): void {
    const { watch, broken } = found;
    this.#lost.add(keyOf(broken));
    const gone = this.#moving.best(dead);
    const own = this.#bringer(broken) !== undefined;
    if (!gone) this.#lacks.push({ lack: this.#lackOf(watch, broken, own), found });
    for (const lack of (gone && this.#deadOf(gone)) ?? []) {
      const path = { broken, next: lack.path, length: lack.path.length + 1 };
      this.#lacks.push({ lack: { ...lack, path }, found });
      this.#lost.add(keyOf(lack.broken));
    }
  }

  #lackOf(watch: Watch, broken: Break, own: boolean): Lack {
    const hides = [...this.#o.universe.requirements.satisfiers(broken.requirement)].filter((build) => {
      return watch.before.sees[build] === 1 && watch.now.sees[build] === 0;
    });
    return { client: watch.label, broken, hides, own, path: { broken, next: undefined, length: 1 } };
  }

  #deadOf({ unit, option }: Choice): readonly Lack[] | undefined {
    return this.#dead.get(unit)?.get(option);
  }

  #isLost(broken: Break): boolean {
    return this.#lost.has(keyOf(broken));
  }

  /** The one of those that moved here: who moved before is not to blame, and may even be who mends it. */
  #bringer({ build }: Break): number | undefined {
    const mover = this.#moving.moverOf(build);
    return mover !== undefined && this.#was.has(mover) ? mover : undefined;
  }

  /** Who took away what a build needs that was there before. */
  #taker(watch: Watch, { requirement }: Break): number | undefined {
    const { requirements } = this.#o.universe;
    let first: { unit: number; place: number } | undefined;
    for (const satisfier of requirements.satisfiers(requirement)) {
      if (watch.before.sees[satisfier] !== 1 || watch.now.sees[satisfier] !== 0) continue;
      for (const unit of this.#moving.unitsOf(satisfier)) {
        const place = this.#place.get(unit);
        if (place !== undefined && (!first || place < first.place)) first = { unit, place };
      }
    }
    return first?.unit;
  }

  #giveUp(): readonly Lack[] {
    const isModular = [...this.#was.keys()].some((unit) => this.#moving.unit(unit).modular);
    const lacks = this.#lacks.map(({ lack, found }) => this.#follow(lack, found, !isModular));
    this.#moving.choose(this.#was);
    return lacks;
  }

  /**
   * The lack as seen from the unit that was tried. On the way back from where it was found each mover is dead by it that would break
   * the same alone, and that nobody could help but those who are dead themselves.
   */
  #follow(lack: Lack, from: Found, learn: boolean): Lack {
    let isProven = learn;
    for (let found = from; ; ) {
      isProven &&= this.#isDead(found);
      if (isProven) {
        const options = this.#dead.get(found.by) ?? new Map<number, readonly Lack[]>();
        const option = this.#moving.at(found.by);
        this.#dead.set(
          found.by,
          options.set(option, [...(options.get(option) ?? []), lack].slice(0, MAX_LACKS)),
        );
      }
      const before = found.by === this.#unit ? undefined : this.#mends.get(found.by);
      if (!before) return lack;
      const { path }: Lack = lack;
      lack = { ...lack, path: { broken: before.broken, next: path, length: path.length + 1 } };
      found = before;
    }
  }

  #isDead({ watch, broken, by }: Found): boolean {
    const { requirements } = this.#o.universe;
    const isAlive = (unit: number) =>
      unit !== by && this.#was.has(unit) && !this.#deadOf({ unit, option: this.#moving.at(unit) });
    for (const build of [broken.build, ...requirements.satisfiers(broken.requirement)]) {
      if (this.#moving.unitsOf(build).some(isAlive)) return false;
    }
    const before = (unit: number) => this.#was.get(unit) ?? this.#moving.at(unit);
    for (const choice of this.#moving.repairs(watch, broken, before)) {
      if (choice.unit !== by && !this.#deadOf(choice)) return false;
    }
    return true;
  }
}

function keyOf({ build, requirement }: Break): string {
  return `${build} ${requirement}`;
}
