import { Fault } from '../base/fault.ts';
import type { Clause, Literal } from './clause.ts';

export type Outcome<Reason> =
  | { readonly kind: 'met'; readonly chosen: readonly number[] }
  | { readonly kind: 'impossible'; readonly because: readonly Reason[] };

/** Clauses and literals looked at, some seconds; the hardest of 17,649 builds of CentOS 9 take a hundredth of that. */
const MAX_STEPS = 20_000_000;

/** A clause at work. Learned ones have no reason of their own but those that they were derived from. */
interface Held<Reason> {
  readonly literals: readonly Literal[];
  readonly reason: Reason | undefined;
  readonly from: readonly number[];
  watchA: Literal;
  watchB: Literal;
  /** All literals before this place are false for good, but for the owner's denial, which comes first. */
  open: number;
}

const FREE = 0;
const TRUE = 1;
const FALSE = -1;
const NONE = -1;

/**
 * Conflict-driven search (watched literals, first unique implication point, backjumping) for variables that meet all that
 * is wanted. What a variable brings with it is asked when it is first taken, and every such clause begins with its denial:
 * whatever is never taken is out, and costs nothing. Alternatives are tried in the order of their clause, wishes in the
 * order in which they came up, so that equal questions have equal answers. TOO_LARGE instead of an endless search.
 */
export class Sat<Reason> {
  private readonly rulesOf: (variable: number) => readonly Clause<Reason>[];
  private readonly clauses: Held<Reason>[] = [];
  private readonly watching = new Map<Literal, number[]>();
  /** By variable: TRUE, FALSE or FREE; since which assumption; because of which clause. */
  private values = new Int8Array(1 << 10);
  private levels = new Int32Array(1 << 10);
  private reasons = new Int32Array(1 << 10);
  /** By variable that was taken: its clauses that are met by taking something, those that are not late and the late ones. */
  private readonly wishes = new Map<number, readonly [number[], number[]]>();
  private readonly trail: Literal[] = [];
  private reached = 0;
  private steps = 0;
  /** By level: where it begins on the trail, and up to where wishes were met before it. */
  private readonly begins: number[] = [];
  private readonly metBefore: [number, number][] = [];
  private met: [number, number] = [0, 0];

  constructor(rulesOf: (variable: number) => readonly Clause<Reason>[]) {
    this.rulesOf = rulesOf;
  }

  /** To be asked once. */
  solve(wanted: readonly Clause<Reason>[]): Outcome<Reason> {
    const roots: number[] = [];
    let conflict = NONE;
    for (const clause of wanted) {
      const number = this.hold(clause.literals, clause.reason, []);
      roots.push(number);
      const broken = this.settle(number);
      if (conflict === NONE) conflict = broken;
    }
    for (;;) {
      if (conflict === NONE) conflict = this.propagate();
      if (conflict !== NONE) {
        if (this.begins.length === 0) return { kind: 'impossible', because: this.core(conflict) };
        if (this.steps > MAX_STEPS) throw tooHard();
        this.learn(conflict);
        conflict = NONE;
        continue;
      }
      const next = this.undecided(roots) ?? this.undecidedWish(0) ?? this.undecidedWish(1);
      if (next === undefined) {
        const chosen = this.trail.filter((literal) => literal % 2 === 0).map((literal) => literal / 2);
        return { kind: 'met', chosen };
      }
      this.begins.push(this.trail.length);
      this.metBefore.push([...this.met]);
      this.assign(next, NONE);
    }
  }

  private value(literal: Literal): number {
    const value = this.values[literal >> 1] ?? FREE;
    return literal % 2 === 0 ? value : -value;
  }

  private level(literal: Literal): number {
    return this.levels[literal >> 1] as number;
  }

  private assign(literal: Literal, reason: number): void {
    const variable = literal >> 1;
    if (variable >= this.values.length) this.grow(variable);
    this.values[variable] = literal % 2 === 0 ? TRUE : FALSE;
    this.levels[variable] = this.begins.length;
    this.reasons[variable] = reason;
    this.trail.push(literal);
  }

  private grow(variable: number): void {
    const size = Math.max(this.values.length * 2, variable + 1);
    const grown = <T extends Int8Array | Int32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.values = grown(new Int8Array(size), this.values);
    this.levels = grown(new Int32Array(size), this.levels);
    this.reasons = grown(new Int32Array(size), this.reasons);
  }

  private held(clause: number): Held<Reason> {
    return this.clauses[clause] as Held<Reason>;
  }

  /** Stores a clause, watched at two literals that are not false, or else became so last. */
  private hold(literals: readonly Literal[], reason: Reason | undefined, from: readonly number[]): number {
    const rank = (l: Literal) => (this.value(l) === FALSE ? this.level(l) : Number.POSITIVE_INFINITY);
    let [watchA, watchB] = [NONE, NONE];
    for (const literal of literals) {
      if (watchA === NONE || rank(literal) > rank(watchA)) [watchA, watchB] = [literal, watchA];
      else if (watchB === NONE || rank(literal) > rank(watchB)) watchB = literal;
    }
    const number =
      this.clauses.push({ literals, reason, from, watchA, watchB, open: (literals[0] ?? 0) % 2 }) - 1;
    if (watchB !== NONE) {
      this.watch(watchA, number);
      this.watch(watchB, number);
    }
    return number;
  }

  private watch(literal: Literal, clause: number): void {
    const list = this.watching.get(literal);
    if (list) list.push(clause);
    else this.watching.set(literal, [clause]);
  }

  /** What follows at once from a clause that is new; its number when it is broken. */
  private settle(clause: number): number {
    const { watchA, watchB } = this.held(clause);
    if (watchA === NONE || this.value(watchA) === FALSE) return clause;
    const alone = watchB === NONE || this.value(watchB) === FALSE;
    if (alone && this.value(watchA) === FREE) this.assign(watchA, clause);
    return NONE;
  }

  /** All that follows from what is assigned; the number of a broken clause, or NONE. */
  private propagate(): number {
    while (this.reached < this.trail.length) {
      const literal = this.trail[this.reached] as Literal;
      this.reached += 1;
      const broken = this.falsified(literal ^ 1);
      if (broken !== NONE) return broken;
      if (literal % 2 === 0 && !this.wishes.has(literal >> 1)) {
        const conflict = this.take(literal >> 1);
        if (conflict !== NONE) return conflict;
      }
    }
    return NONE;
  }

  private falsified(literal: Literal): number {
    const list = this.watching.get(literal);
    if (list === undefined) return NONE;
    this.steps += list.length;
    let kept = 0;
    for (let i = 0; i < list.length; i += 1) {
      const number = list[i] as number;
      const clause = this.held(number);
      const other = clause.watchA === literal ? clause.watchB : clause.watchA;
      const free = this.value(other) === TRUE ? undefined : this.freeOf(clause, other);
      if (free !== undefined) {
        clause.watchA = other;
        clause.watchB = free;
        this.watch(free, number);
        continue;
      }
      list[kept] = number;
      kept += 1;
      if (this.value(other) === FREE) this.assign(other, number);
      else if (this.value(other) === FALSE) {
        list.splice(kept, i + 1 - kept);
        return number;
      }
    }
    list.length = kept;
    return NONE;
  }

  /** A literal that is not false, besides one. */
  private freeOf(clause: Held<Reason>, but: Literal): Literal | undefined {
    const { literals } = clause;
    const first = literals[0] as Literal;
    if (first !== but && this.value(first) !== FALSE) return first;
    this.skip(clause);
    for (let place = clause.open; place < literals.length; place += 1) {
      const literal = literals[place] as Literal;
      this.steps += 1;
      if (literal !== but && this.value(literal) !== FALSE) return literal;
    }
    return undefined;
  }

  private skip(clause: Held<Reason>): void {
    for (; clause.open < clause.literals.length; clause.open += 1) {
      const literal = clause.literals[clause.open] as Literal;
      if (this.value(literal) !== FALSE || this.level(literal) > 0) return;
    }
  }

  /** The clauses that a variable brings with it. */
  private take(variable: number): number {
    const wishes: readonly [number[], number[]] = [[], []];
    this.wishes.set(variable, wishes);
    let conflict = NONE;
    for (const { literals, reason, late } of this.rulesOf(variable)) {
      const number = this.hold(literals, reason, []);
      if (literals.some((literal) => literal % 2 === 0)) wishes[late ? 1 : 0].push(number);
      const broken = this.settle(number);
      if (conflict === NONE) conflict = broken;
    }
    return conflict;
  }

  /** The first alternative of the first clause that nothing meets yet. */
  private undecided(clauses: readonly number[]): Literal | undefined {
    for (const number of clauses) {
      const clause = this.held(number);
      if (
        this.value(clause.watchA) === TRUE ||
        (clause.watchB !== NONE && this.value(clause.watchB) === TRUE)
      )
        continue;
      this.skip(clause);
      let free: Literal | undefined;
      let isMet = false;
      for (let place = clause.open; place < clause.literals.length && !isMet; place += 1) {
        const literal = clause.literals[place] as Literal;
        isMet = this.value(literal) === TRUE;
        if (free === undefined && this.value(literal) === FREE) free = literal;
      }
      this.steps += (clause.literals.length - clause.open) >> 4; // a glance, no work
      if (!isMet && free !== undefined) return free;
    }
    return undefined;
  }

  private undecidedWish(late: 0 | 1): Literal | undefined {
    for (; this.met[late] < this.trail.length; this.met[late] += 1) {
      const literal = this.trail[this.met[late]] as Literal;
      if (literal % 2 === 1) continue;
      const next = this.undecided(this.wishes.get(literal >> 1)?.[late] ?? []);
      if (next !== undefined) return next;
    }
    return undefined;
  }

  /** From a broken clause: what must not be assumed together, and back to where that leaves one choice. */
  private learn(conflict: number): void {
    const seen = new Set<number>();
    const from: number[] = [];
    const earlier: Literal[] = [];
    let open = 0;
    let place = this.trail.length;
    let clause = conflict;
    let last = NONE;
    do {
      from.push(clause);
      this.steps += this.held(clause).literals.length;
      for (const literal of this.held(clause).literals) {
        const variable = literal >> 1;
        if (literal === last || seen.has(variable)) continue;
        seen.add(variable);
        const level = this.level(literal);
        if (level === 0) from.push(fact(variable));
        else if (level === this.begins.length) open += 1;
        else earlier.push(literal);
      }
      do place -= 1;
      while (!this.isOpen(place, seen));
      last = this.trail[place] as Literal;
      clause = this.reasons[last >> 1] as number;
      open -= 1;
    } while (open > 0);
    this.back(earlier.reduce((level, literal) => Math.max(level, this.level(literal)), 0));
    this.assign(last ^ 1, this.hold([last ^ 1, ...earlier], undefined, from));
  }

  private isOpen(place: number, seen: ReadonlySet<number>): boolean {
    const literal = this.trail[place] as Literal;
    return seen.has(literal >> 1) && this.level(literal) === this.begins.length;
  }

  private back(level: number): void {
    const begin = this.begins[level] as number;
    for (const literal of this.trail.splice(begin)) this.values[literal >> 1] = FREE;
    this.met = this.metBefore[level] as [number, number];
    this.begins.length = level;
    this.metBefore.length = level;
    this.reached = begin;
  }

  /** The reasons of all clauses that a contradiction without any assumption was derived from. */
  private core(conflict: number): Reason[] {
    const because = new Set<Reason>();
    const seen = new Set<number>();
    const todo = [conflict];
    const settled = (clause: number): void => {
      for (const literal of this.held(clause).literals) todo.push(fact(literal >> 1));
    };
    settled(conflict);
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      if (next < 0) {
        const clause = this.reasons[fact(next)] as number;
        todo.push(clause);
        settled(clause);
        continue;
      }
      const { reason, from } = this.held(next);
      if (reason !== undefined) because.add(reason);
      for (const origin of from) todo.push(origin);
    }
    return [...because];
  }
}

/** A variable that is settled for good, among numbers of clauses. */
function fact(variable: number): number {
  return -1 - variable;
}

function tooHard(): Fault {
  return new Fault('TOO_LARGE', `no answer after ${MAX_STEPS} steps of a search through dependencies`, {
    hint: 'Ask about fewer builds at once, or report the set: none that vendors publish comes near.',
  });
}
