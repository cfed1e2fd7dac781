import { Fault } from '../base/fault.ts';
import { NOARCH, PLATFORM, preferred, type StreamDocument, type Streams } from './streams.ts';

/** Which streams a client has, of those that it enabled and of the defaults. */
export interface Active {
  /** `nodejs:18:rhel9`. */
  readonly variants: ReadonlySet<string>;
  /** `nodejs:18`. */
  readonly streams: ReadonlySet<string>;
}

/**
 * Answers of libdnf's module solver (ModulePackageContainer::resolveActiveModulePackages), for one set of documents. Of each
 * module at most one document is chosen; default streams give way when they cannot be had, enabled ones do not.
 */
export class Activation {
  readonly #streams: Streams;
  readonly #solver: Solver;
  readonly #byStream = new Map<string, number[]>();

  /** `platform`: `el9`; undefined where the client's is not known, and taken for the one that is asked for. */
  constructor(streams: Streams, platform: string | undefined) {
    this.#streams = streams;
    streams.documents.forEach(({ stream }, n) => {
      const numbers = this.#byStream.get(stream);
      if (numbers) numbers.push(n);
      else this.#byStream.set(stream, [n]);
    });
    this.#solver = new Solver(streams.documents, platform);
  }

  /** Undefined when the enabled streams cannot be had together: then dnf enables none of them. */
  solve(enabled: ReadonlySet<string>): Active | undefined {
    const first = this.#solve(enabled);
    if (!first || enabled.size === 0) return first;
    // Enabling a stream enables what it requires too, and these are no defaults that could give way any more.
    return this.#solve(this.#withRequired(first, enabled)) ?? first;
  }

  #solve(enabled: ReadonlySet<string>): Active | undefined {
    const { documents, defaults } = this.#streams;
    const modules = new Set([...enabled].map((stream) => stream.slice(0, stream.indexOf(':'))));
    const firm: Job[] = [];
    const loose: Job[] = [];
    for (const [stream, numbers] of this.#byStream) {
      const { module } = documents[numbers[0] as number] as StreamDocument;
      const possible = this.#solver.possible(numbers);
      const best = preferred(possible, documents);
      const job = { any: numbers, best, choice: best.length < possible.length };
      if (enabled.has(stream)) firm.push(job);
      else if (!modules.has(module) && `${module}:${defaults.get(module)}` === stream) loose.push(job);
    }
    const chosen = this.#chosen(firm, loose);
    return chosen && named(chosen.map((n) => documents[n] as StreamDocument));
  }

  /** First all and the newest of each; then without the defaults that cannot be had; then older documents too. */
  #chosen(firm: readonly Job[], loose: readonly Job[]): number[] | undefined {
    const solver = this.#solver;
    const all = solver.solve([...strict(firm), ...strict(loose)]);
    if (all) return all;
    const [rules, rulesOf] = solver.solve(strict(firm)) ? [strict(firm), strict] : [lenient(firm), lenient];
    if (!solver.solve(rules)) return undefined;
    // libsolv gives up the last rule of those that contradict each other; the rules about the newest come last.
    let kept = [...loose.filter((job) => !job.choice), ...loose.filter((job) => job.choice)];
    for (;;) {
      const fits = longest(kept.length, (n) => solver.solve([...rules, ...rulesOf(kept.slice(0, n))]) !== undefined);
      if (fits === kept.length) return solver.solve([...rules, ...rulesOf(kept)]);
      kept = kept.filter((_, n) => n !== fits);
    }
  }

  /** libdnf's enableDependencyTree. */
  #withRequired({ variants }: Active, enabled: ReadonlySet<string>): Set<string> {
    const active = this.#streams.documents.filter((d) => variants.has(d.variant));
    const all = new Set(enabled);
    const waiting = active.filter((d) => all.has(d.stream));
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const words = new Set(next.requires.flat());
      for (const d of active) {
        if (all.has(d.stream) || !(words.has(d.module) || words.has(d.stream))) continue;
        all.add(d.stream);
        waiting.push(...active.filter((other) => other.stream === d.stream));
      }
    }
    return all;
  }
}

/** A stream that should be there: any of its documents, and better one of the newest. */
interface Job {
  readonly any: readonly number[];
  readonly best: readonly number[];
  /** There are others than the best. */
  readonly choice: boolean;
}

type Rules = readonly (readonly number[])[];
const lenient = (jobs: readonly Job[]): Rules => jobs.map((job) => job.any);
const strict = (jobs: readonly Job[]): Rules => jobs.flatMap((job) => [job.any, job.best]);

/** The highest n up to `end` that fits, where everything below fits too. 0 does. */
function longest(end: number, fits: (n: number) => boolean): number {
  if (fits(end)) return end;
  let [low, high] = [0, end];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function named(chosen: readonly StreamDocument[]): Active {
  return {
    variants: new Set(chosen.map((d) => d.variant)),
    streams: new Set(chosen.map((d) => d.stream)),
  };
}

const YES = 1;
const NO = -1;
/** Wrong choices, of all questions together. A distribution has a handful; crafted documents could ask for any number. */
const MAX_WRONG = 20_000;

/** Chooses documents: unit propagation, and where there is a choice libsolv's preference first. */
class Solver {
  readonly #documents: readonly StreamDocument[];
  /** For each document the rules of which one must hold when it is chosen: numbers of documents. */
  readonly #required: readonly (readonly (readonly number[])[])[];
  readonly #excluded: readonly (readonly number[])[];
  /** In whose rules a document is, by number. */
  readonly #requiring: readonly (readonly number[])[];
  readonly #impossible: Uint8Array;
  #decided = new Int8Array(0);
  #order: number[] = [];
  #done = 0;
  #jobs: readonly (readonly number[])[] = [];
  #jobsOf: number[][] = [];
  #wrong = 0;

  constructor(documents: readonly StreamDocument[], platform: string | undefined) {
    this.#documents = documents;
    const byWord = new Map<string, number[]>();
    const note = (word: string, n: number) => {
      const numbers = byWord.get(word);
      if (numbers) numbers.push(n);
      else byWord.set(word, [n]);
    };
    documents.forEach(({ module, stream }, n) => {
      note(module, n);
      note(stream, n);
    });
    const hosts = (word: string) =>
      word === PLATFORM ||
      (word.startsWith(`${PLATFORM}:`) && (platform === undefined || word === `${PLATFORM}:${platform}`));
    this.#impossible = Uint8Array.from(documents, ({ arch, module, conflicts }) =>
      arch < NOARCH || module === PLATFORM || conflicts.includes(`${PLATFORM}:${platform}`) ? 1 : 0,
    );
    this.#required = documents.map(({ requires }) =>
      requires
        .filter((words) => !words.some(hosts))
        .map((words) => [...new Set(words.flatMap((word) => byWord.get(word) ?? []))]),
    );
    const excluded = documents.map(
      ({ module }, n) => new Set((byWord.get(module) ?? []).filter((m) => m !== n)),
    );
    documents.forEach(({ conflicts }, n) => {
      for (const other of conflicts.flatMap((word) => byWord.get(word) ?? [])) {
        if (other === n) continue; // no document conflicts with itself
        excluded[n]?.add(other);
        excluded[other]?.add(n);
      }
    });
    this.#excluded = excluded.map((numbers) => [...numbers]);
    const requiring: number[][] = documents.map(() => []);
    this.#required.forEach((rules, n) => {
      for (const m of rules.flat()) if (requiring[m]?.at(-1) !== n) requiring[m]?.push(n);
    });
    this.#requiring = requiring;
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
    this.#jobsOf = this.#documents.map(() => []);
    jobs.forEach((job, j) => {
      for (const n of job) this.#jobsOf[n]?.push(j);
    });
    for (let n = 0; n < this.#documents.length; n += 1) {
      if (this.#impossible[n] === 1) this.#decide(n, NO);
      else this.#settle(n);
    }
    if (!jobs.every((job) => this.#unit(job)) || !this.#propagate() || !this.#complete()) return undefined;
    return this.#order.filter((n) => this.#decided[n] === YES);
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
        this.#wrong += 1;
        if (this.#wrong > MAX_WRONG) throw tooHard();
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
      for (const rule of this.#required[n] ?? []) {
        const open = this.#candidates(rule);
        if (!open) continue;
        if (preferred(open, this.#documents).length === 1) return open;
        postponed ??= open;
      }
    }
    return postponed;
  }

  #candidates(rule: readonly number[]): number[] | undefined {
    const open: number[] = [];
    for (const n of rule) {
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
      if (this.#decided[n] === YES) {
        if (!(this.#excluded[n] ?? []).every((other) => this.#decide(other, NO))) return false;
        if (!(this.#required[n] ?? []).every((rule) => this.#unit(rule))) return false;
      } else {
        if (!(this.#requiring[n] ?? []).every((owner) => this.#settle(owner))) return false;
        if (!(this.#jobsOf[n] ?? []).every((j) => this.#unit(this.#jobs[j] ?? []))) return false;
      }
    }
    return true;
  }

  /** A document that can no longer have what it requires cannot be chosen. */
  #settle(owner: number): boolean {
    if (this.#decided[owner] === NO) return true;
    const rules = this.#required[owner] ?? [];
    if (this.#decided[owner] === YES) return rules.every((rule) => this.#unit(rule));
    const lost = rules.some((rule) => rule.every((n) => this.#decided[n] === NO));
    return !lost || this.#decide(owner, NO);
  }

  /** Of a rule that must hold: its last candidate is chosen. */
  #unit(rule: readonly number[]): boolean {
    const open = this.#candidates(rule);
    if (!open) return true;
    if (open.length === 0) return false;
    return open.length > 1 || this.#decide(open[0] as number, YES);
  }
}

function tooHard(): Fault {
  return new Fault(
    'METADATA_INVALID',
    `${MAX_WRONG} wrong choices did not settle which module streams go together`,
    {
      hint: 'Look at what the module documents of these repositories require of each other.',
    },
  );
}
