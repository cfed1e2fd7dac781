import { groupBy } from '../base/order.ts';
import { ModuleSolver } from './moduleSolver.ts';
import { preferred, type StreamDocument, type Streams } from './streams.ts';

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
  readonly #documents: readonly StreamDocument[];
  readonly #solver: ModuleSolver;
  readonly #jobs: readonly Job[];
  readonly #alone = new Map<typeof strict, Map<Job, boolean>>();

  /** `platform`: `el9`; undefined where the client's is not known, and taken for the one that is asked for. */
  constructor({ documents, defaults }: Streams, platform: string | undefined) {
    this.#documents = documents;
    this.#solver = new ModuleSolver(documents, platform);
    const streams = groupBy(documents.keys(), (n) => (documents[n] as StreamDocument).stream);
    this.#jobs = [...streams].map(([stream, any]) => {
      const { module } = documents[any[0] as number] as StreamDocument;
      const possible = this.#solver.possible(any);
      const best = preferred(possible, documents);
      const isDefault = `${module}:${defaults.get(module)}` === stream;
      return { stream, module, isDefault, any, best, choice: best.length < possible.length };
    });
  }

  /** Undefined when the enabled streams cannot be had together: then dnf enables none of them. */
  solve(enabled: ReadonlySet<string>): Active | undefined {
    const first = this.#solve(enabled);
    if (!first || enabled.size === 0) return first;
    // Enabling a stream enables what it requires too, and these are no defaults that could give way any more.
    return this.#solve(this.#withRequired(first, enabled)) ?? first;
  }

  #solve(enabled: ReadonlySet<string>): Active | undefined {
    const firm = this.#jobs.filter(({ stream }) => enabled.has(stream));
    const modules = new Set(firm.map(({ module }) => module));
    const loose = this.#jobs.filter(({ module, isDefault }) => isDefault && !modules.has(module));
    const chosen = this.#chosen(firm, loose)?.map((n) => this.#documents[n] as StreamDocument);
    return (
      chosen && {
        variants: new Set(chosen.map((d) => d.variant)),
        streams: new Set(chosen.map((d) => d.stream)),
      }
    );
  }

  /** First all and the newest of each; then without the defaults that cannot be had; then older documents too. */
  #chosen(firm: readonly Job[], loose: readonly Job[]): number[] | undefined {
    const all = this.#solved([...firm, ...loose.filter((job) => this.#fits(job, strict))], strict);
    if (all) return all;
    const rules = [strict, lenient].find((how) => this.#solved(firm, how));
    if (!rules) return undefined;
    // libsolv gives up the last rule of those that contradict each other; the rules about the newest come last.
    const had = loose.filter((job) => this.#fits(job, rules));
    let kept = [...had.filter((job) => !job.choice), ...had.filter((job) => job.choice)];
    for (;;) {
      const first = (n: number) => [...firm, ...kept.slice(0, n)];
      const fits = longest(kept.length, (n) => this.#solved(first(n), rules) !== undefined);
      if (fits === kept.length) return this.#solved(first(fits), rules);
      kept = kept.filter((_, n) => n !== fits);
    }
  }

  /** Whether enabled or not, jobs are in the order of the documents: the first one has the first choice. */
  #solved(jobs: readonly Job[], rules: typeof strict): number[] | undefined {
    const wanted = new Set(jobs);
    return this.#solver.solve(rules(this.#jobs.filter((job) => wanted.has(job))));
  }

  /** Whether a default can be had at all. What cannot is given up in every question, and so asked once. */
  #fits(job: Job, rules: typeof strict): boolean {
    const known = this.#alone.get(rules) ?? new Map<Job, boolean>();
    this.#alone.set(rules, known);
    const fits = known.get(job) ?? this.#solved([job], rules) !== undefined;
    known.set(job, fits);
    return fits;
  }

  /** libdnf's enableDependencyTree. */
  #withRequired({ variants }: Active, enabled: ReadonlySet<string>): Set<string> {
    const active = this.#documents.filter((d) => variants.has(d.variant));
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
  readonly stream: string;
  readonly module: string;
  readonly isDefault: boolean;
  readonly any: readonly number[];
  readonly best: readonly number[];
  /** There are others than the best. */
  readonly choice: boolean;
}

type Rules = readonly (readonly number[])[];
const lenient = (jobs: readonly Job[]): Rules => jobs.map((job) => job.any);
const strict = (jobs: readonly Job[]): Rules => [...lenient(jobs), ...jobs.map((job) => job.best)];

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
