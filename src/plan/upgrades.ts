import { formatNevra } from '../rpm/nevra.ts';
import { Clauses, dnfClient, type Reason } from './clauses.ts';
import { sentence } from './explain.ts';
import type { BuildSet } from './requirements.ts';
import type { Satisfiers } from './satisfiers.ts';
import { installable, upgradable } from './solve.ts';
import type { Universe } from './watch.ts';

/** What one host, or a client that has certain builds, can do before a plan and not after it. */
export interface Trouble {
  /** `profiles/web.txt`, or the build of whom it is said. */
  readonly who: string;
  /** Undefined for a host. */
  readonly build: number | undefined;
  readonly what: 'cannot upgrade' | 'can no longer be installed';
  /** Rules none of which can be left out, as sentences, from what is wanted to what is in the way. */
  readonly because: readonly string[];
}

export interface Host {
  readonly file: string;
  /** Builds of the universe that it has. */
  readonly builds: readonly number[];
}

export interface UpgradeQuestion {
  readonly universe: Universe;
  readonly satisfiers: Satisfiers;
  readonly arch: string;
  /** What a client is shown, by the default streams, before the plan and after it. */
  readonly before: BuildSet;
  readonly after: BuildSet;
  readonly hosts: readonly Host[];
}

/** More questions than these are not asked of one plan: each takes some milliseconds. */
const MAX_ASKED = 1_000;
const MAX_REASONS = 6;

export interface Upgrades {
  readonly troubles: readonly Trouble[];
  /** How many builds and hosts were asked about, and how many more there are. */
  readonly asked: number;
  readonly left: number;
}

/**
 * Whether clients that have the newest builds of before can upgrade to the newest of after, whether the hosts can, and whether
 * what could be installed still can. Only what the plan touches is asked; what went wrong before is no news.
 */
export function askUpgrades(question: UpgradeQuestion): Upgrades {
  return new Asking(question).all();
}

class Asking {
  readonly #o: UpgradeQuestion;
  readonly #before: Clauses;
  readonly #after: Clauses;
  readonly #fine = new Set<number>();
  readonly #troubles: Trouble[] = [];
  #asked = 0;
  #left = 0;

  constructor(question: UpgradeQuestion) {
    this.#o = question;
    this.#before = new Clauses(question.satisfiers, question.before, dnfClient(question.arch));
    this.#after = this.#before.seeing(question.after);
  }

  all(): Upgrades {
    for (const { file, builds } of this.#o.hosts) this.#host(file, builds);
    for (const build of this.#superseded()) {
      if (this.#fine.has(build)) continue;
      if (this.#mayAsk()) this.#client(build);
    }
    for (const build of this.#bereft()) if (this.#mayAsk()) this.#install(build);
    return { troubles: this.#troubles, asked: this.#asked, left: this.#left };
  }

  #mayAsk(): boolean {
    if (this.#asked >= MAX_ASKED) this.#left += 1;
    else this.#asked += 1;
    return this.#left === 0;
  }

  #host(file: string, builds: readonly number[]): void {
    this.#asked += 1;
    const answer = upgradable(this.#after, builds, { best: true });
    if (answer.kind === 'yes' || upgradable(this.#before, builds, { best: true }).kind === 'no') return;
    this.#note(file, undefined, 'cannot upgrade', answer.because, this.#after);
  }

  /** A client that has a build and what that needs. One that can upgrade answers for all that it has. */
  #client(build: number): void {
    const has = installable(this.#before, build);
    if (has.kind === 'no') return;
    const answer = upgradable(this.#after, has.builds, { best: true });
    if (answer.kind === 'yes') {
      for (const other of has.builds) this.#fine.add(other);
      return;
    }
    if (upgradable(this.#before, has.builds, { best: true }).kind === 'no') return;
    this.#note(this.#text(build), build, 'cannot upgrade', answer.because, this.#after);
  }

  #install(build: number): void {
    const answer = installable(this.#after, build);
    if (answer.kind === 'yes' || installable(this.#before, build).kind === 'no') return;
    this.#note(this.#text(build), build, 'can no longer be installed', answer.because, this.#after);
  }

  /** The newest of before whose name.arch has another newest after. */
  #superseded(): number[] {
    const { names } = this.#o.universe;
    const { before, after } = this.#o;
    const found: number[] = [];
    for (let name = 0; name < names.size; name += 1) {
      const was = names.newest(name, (build) => before[build] === 1);
      const is = names.newest(name, (build) => after[build] === 1);
      if (was.length !== is.length || was.some((build, i) => build !== is[i])) found.push(...was);
    }
    return found;
  }

  /** Builds that are there still and that needed one that is not. */
  #bereft(): number[] {
    const { requirements } = this.#o.universe;
    const { before, after } = this.#o;
    const found = new Set<number>();
    for (let gone = 0; gone < before.length; gone += 1) {
      if (before[gone] !== 1 || after[gone] === 1) continue;
      for (const r of requirements.satisfiedBy(gone)) {
        for (const build of requirements.requirers(r)) {
          if (before[build] === 1 && after[build] === 1) found.add(build);
        }
      }
    }
    return [...found].sort((a, b) => a - b);
  }

  #note(
    who: string,
    build: number | undefined,
    what: Trouble['what'],
    because: readonly Reason[],
    clauses: Clauses,
  ): void {
    const sentences = because.filter((r) => r.kind !== 'wanted').map((reason) => sentence(reason, clauses));
    const more = sentences.length > MAX_REASONS ? [`and ${sentences.length - MAX_REASONS} more`] : [];
    this.#troubles.push({ who, build, what, because: [...sentences.slice(0, MAX_REASONS), ...more] });
  }

  #text(build: number): string {
    return formatNevra(this.#o.universe.requirements.index.nevra(build));
  }
}
