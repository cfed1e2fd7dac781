import { Fault } from '../base/fault.ts';
import { NOARCH, PLATFORM, preferred, type StreamDocument } from './streams.ts';

const YES = 1;
const NO = -1;
/** Looks at a candidate, of all questions together: some seconds. A distribution needs a hundredth of it. */
const MAX_LOOKS = 100_000_000;
/** Of a question's own beginning: what it costs beside a look, for each document and each candidate of a job. */
const BEGINNING = 5;

/** Documents that are chosen need one of `any`. Equal ones are one, because every document of a stream has the same. */
interface Rule {
  readonly any: readonly number[];
  readonly owners: number[];
}

/** Chooses documents: unit propagation, and where there is a choice libsolv's preference first. */
export class ModuleSolver {
  readonly #documents: readonly StreamDocument[];
  /** Numbers of documents by module and by stream: what requirements and conflicts name. */
  readonly #byWord = new Map<string, number[]>();
  readonly #conflicting = new Map<string, number[]>();
  readonly #rulesOf: readonly Rule[][];
  readonly #rulesWith: readonly Rule[][];
  readonly #impossible: Uint8Array;
  #decided = new Int8Array(0);
  #order: number[] = [];
  #done = 0;
  #jobs: readonly (readonly number[])[] = [];
  #jobsWith = new Map<number, (readonly number[])[]>();
  #looks = 0;

  constructor(documents: readonly StreamDocument[], platform: string | undefined) {
    this.#documents = documents;
    this.#rulesOf = documents.map(() => []);
    this.#rulesWith = documents.map(() => []);
    for (const [n, { module, stream, conflicts }] of documents.entries()) {
      push(this.#byWord, module, n);
      push(this.#byWord, stream, n);
      for (const word of conflicts) push(this.#conflicting, word, n);
    }
    const rules = new Map<string, Rule>();
    for (const [n, { requires }] of documents.entries()) {
      for (const words of requires)
        if (!words.some((word) => isHost(word, platform))) this.#add(rules, words, n);
    }
    this.#impossible = Uint8Array.from(documents, ({ arch, module, conflicts }) =>
      arch < NOARCH || module === PLATFORM || conflicts.includes(`${PLATFORM}:${platform}`) ? 1 : 0,
    );
  }

  possible(numbers: readonly number[]): number[] {
    return numbers.filter((n) => this.#impossible[n] === 0);
  }

  /** Numbers of documents so that every job has one of its own; undefined where there is no such choice. */
  solve(jobs: readonly (readonly number[])[]): number[] | undefined {
    this.#decided = new Int8Array(this.#documents.length);
    this.#order = [];
    this.#done = 0;
    this.#jobs = jobs;
    this.#jobsWith = new Map();
    for (const job of jobs) for (const n of job) push(this.#jobsWith, n, job);
    this.#look(BEGINNING * (this.#documents.length + this.#jobsWith.size));
    for (const n of this.#documents.keys()) {
      if (this.#impossible[n] === 1 || this.#rulesOf[n]?.some(({ any }) => any.length === 0))
        this.#decide(n, NO);
    }
    if (!jobs.every((job) => this.#unit(job)) || !this.#propagate() || !this.#complete()) return undefined;
    return this.#order.filter((n) => this.#decided[n] === YES);
  }

  #add(rules: Map<string, Rule>, words: readonly string[], owner: number): void {
    const key = words.join(' ');
    let rule = rules.get(key);
    if (!rule) {
      rule = { any: [...new Set(words.flatMap((word) => this.#byWord.get(word) ?? []))], owners: [] };
      rules.set(key, rule);
      this.#look(rule.any.length);
      for (const n of rule.any) this.#rulesWith[n]?.push(rule);
    }
    rule.owners.push(owner);
    this.#rulesOf[owner]?.push(rule);
  }

  /** Chooses until nothing is open; the last choice that turns out wrong is taken back and excluded. */
  #complete(): boolean {
    const choices: { choice: number; before: number }[] = [];
    for (let open = this.#open(); open; open = this.#open()) {
      const choice = preferred(open, this.#documents)[0] as number;
      choices.push({ choice, before: this.#order.length });
      let fits = this.#decide(choice, YES) && this.#propagate();
      while (!fits) {
        const wrong = choices.pop();
        if (!wrong) return false;
        for (const n of this.#order.splice(wrong.before)) this.#decided[n] = 0;
        this.#done = wrong.before;
        fits = this.#decide(wrong.choice, NO) && this.#propagate();
      }
    }
    return true;
  }

  /** The candidates of the first rule that nothing satisfies yet; jobs first, then where there is one best candidate. */
  #open(): number[] | undefined {
    let postponed: number[] | undefined;
    for (const job of this.#jobs) {
      const open = this.#candidates(job);
      if (open) return open;
    }
    for (const n of this.#order) {
      if (this.#decided[n] !== YES) continue;
      for (const rule of this.#rulesOf[n] ?? []) {
        const open = this.#candidates(rule.any);
        if (!open) continue;
        if (preferred(open, this.#documents).length === 1) return open;
        postponed ??= open;
      }
    }
    return postponed;
  }

  /** Those that are still open; undefined where one is chosen. */
  #candidates(any: readonly number[]): number[] | undefined {
    this.#look(any.length);
    const open: number[] = [];
    for (const n of any) {
      if (this.#decided[n] === YES) return undefined;
      if (this.#decided[n] === 0) open.push(n);
    }
    return open;
  }

  /** False on a contradiction. */
  #decide(n: number, to: typeof YES | typeof NO): boolean {
    if (this.#decided[n] !== 0) return this.#decided[n] === to;
    this.#decided[n] = to;
    this.#order.push(n);
    return true;
  }

  #propagate(): boolean {
    for (; this.#done < this.#order.length; this.#done += 1) {
      const n = this.#order[this.#done] as number;
      if (!(this.#decided[n] === YES ? this.#chosen(n) : this.#refused(n))) return false;
    }
    return true;
  }

  #chosen(n: number): boolean {
    const { module, stream, conflicts } = this.#documents[n] as StreamDocument;
    const others = [
      ...[module, ...conflicts].map((word) => this.#byWord.get(word) ?? []),
      ...[module, stream].map((word) => this.#conflicting.get(word) ?? []),
    ];
    for (const numbers of others) {
      this.#look(numbers.length);
      for (const other of numbers) if (other !== n && !this.#decide(other, NO)) return false;
    }
    return (this.#rulesOf[n] ?? []).every((rule) => this.#unit(rule.any));
  }

  #refused(n: number): boolean {
    if (!(this.#jobsWith.get(n) ?? []).every((job) => this.#unit(job))) return false;
    for (const { any, owners } of this.#rulesWith[n] ?? []) {
      const open = this.#candidates(any);
      if (!open || open.length > 1) continue;
      this.#look(owners.length);
      if (open.length === 0) {
        if (!owners.every((owner) => this.#decide(owner, NO))) return false;
      } else if (owners.some((owner) => this.#decided[owner] === YES)) {
        if (!this.#decide(open[0] as number, YES)) return false;
      }
    }
    return true;
  }

  /** Of a rule that must hold: its last candidate is chosen. */
  #unit(any: readonly number[]): boolean {
    const open = this.#candidates(any);
    if (!open) return true;
    if (open.length === 0) return false;
    return open.length > 1 || this.#decide(open[0] as number, YES);
  }

  #look(at: number): void {
    this.#looks += at;
    if (this.#looks <= MAX_LOOKS) return;
    throw new Fault('TOO_LARGE', 'which of the module streams go together takes too long to find out', {
      hint: 'Look at what the module documents of these repositories require of each other.',
    });
  }
}

/** What the machine has by itself, and not from a repository. */
function isHost(word: string, platform: string | undefined): boolean {
  if (platform === undefined) return word === PLATFORM || word.startsWith(`${PLATFORM}:`);
  return word === PLATFORM || word === `${PLATFORM}:${platform}`;
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
