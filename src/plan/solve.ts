import { compareEvr } from '../rpm/evr.ts';
import { type Clause, yes } from './clause.ts';
import type { Clauses, Reason } from './clauses.ts';
import { byPath } from './explain.ts';
import { Sat } from './sat.ts';

/** Builds that may be installed together and lack nothing, or why there are none: rules none of which can be left out. */
export type Answer =
  | { readonly kind: 'yes'; readonly builds: readonly number[] }
  | { readonly kind: 'no'; readonly because: readonly Reason[] };

/** Rules looked at, over all searches that shorten an explanation: of 200 rules each is tried, of 10,000 none but large runs. */
const MAX_LOOKED_AT = 40_000;

/** Whether a client that sees this set can install a build, on an empty system. */
export function installable(clauses: Clauses, build: number): Answer {
  return resolvable(clauses, [[build]]);
}

/** Whether there is a system that has one of each of these. Builds that are named here may be of a lesser arch. */
export function resolvable(clauses: Clauses, wanted: readonly (readonly number[])[]): Answer {
  const named = new Set(wanted.flat().map((build) => clauses.nevra(build).name));
  const size = clauses.satisfiers.index.size;
  const rulesOf = (variable: number): readonly Clause<Reason>[] => {
    const own = clauses.of(variable);
    if (variable >= size || named.has(clauses.nevra(variable).name)) return own;
    const beside = clauses.beside(variable);
    return beside.length === 0 ? own : [...own, ...beside];
  };
  const roots = wanted.flatMap((anyOf) => wish(clauses, anyOf));
  const outcome = new Sat(rulesOf).solve(roots);
  if (outcome.kind === 'met') return { kind: 'yes', builds: outcome.chosen.filter((n) => n < size) };
  return { kind: 'no', because: byPath(shortened(outcome.because, roots, rulesOf)) };
}

/**
 * Those of these builds that cannot be installed, and why. A system that was found for one build answers for all others
 * that it has.
 */
export function uninstallable(clauses: Clauses, builds: Iterable<number>): Map<number, readonly Reason[]> {
  const known = new Set<number>();
  const not = new Map<number, readonly Reason[]>();
  for (const build of builds) {
    if (known.has(build)) continue;
    const answer = installable(clauses, build);
    if (answer.kind === 'no') not.set(build, answer.because);
    else if (clauses.beside(build).length === 0) for (const other of answer.builds) known.add(other);
  }
  return not;
}

/**
 * Whether a client with these builds installed can upgrade to the visible set: for each of them a build of its name and arch
 * that is not lower, or one that obsoletes it; with `best`, only the newest of them. What the set has nothing for stays.
 */
export function upgradable(clauses: Clauses, installed: readonly number[], o: { best: boolean }): Answer {
  const kept = Uint8Array.from(clauses.visible);
  const wanted = installed.map((build) => {
    const successors = successorsOf(clauses, build, o.best);
    if (successors.length > 0) return successors;
    kept[build] = 1;
    return [build];
  });
  return resolvable(clauses.seeing(kept), wanted);
}

function successorsOf(clauses: Clauses, build: number, best: boolean): number[] {
  const own = clauses.nevra(build);
  const order = (a: number, b: number) => compareEvr(clauses.nevra(a).evr, clauses.nevra(b).evr);
  const notLower = clauses.satisfiers.index
    .named(own.name)
    .filter(
      (other) => clauses.sees(other) && order(other, build) >= 0 && fits(clauses.nevra(other).arch, own.arch),
    )
    .sort((a, b) => order(b, a) || a - b);
  const newest = best ? notLower.filter((other) => order(other, notLower[0] as number) === 0) : notLower;
  return [...newest, ...clauses.obsoleters(build)];
}

/** An upgrade may go to noarch and come from it. */
function fits(next: string, arch: string): boolean {
  return next === arch || next === 'noarch' || arch === 'noarch';
}

function wish(clauses: Clauses, anyOf: readonly number[]): Clause<Reason>[] {
  const seen = anyOf.filter((build) => clauses.sees(build));
  const [first] = anyOf;
  const reason: Reason =
    seen.length === 0 && first !== undefined
      ? { kind: 'arch', build: first }
      : { kind: 'wanted', anyOf: seen };
  return [{ literals: seen.map(yes), reason }];
}

/**
 * Of contradicting rules those of which none can be left out: runs of them are left out, shorter and shorter ones, as long as
 * the rest still contradicts itself. Each search goes down to what it used.
 */
function shortened(
  because: readonly Reason[],
  roots: readonly Clause<Reason>[],
  rulesOf: (variable: number) => readonly Clause<Reason>[],
): readonly Reason[] {
  let kept = because;
  const without = (from: number, to: number): boolean => {
    const left = new Set([...kept.slice(0, from), ...kept.slice(to)]);
    const keeps = ({ reason }: Clause<Reason>): boolean => left.has(reason);
    const search = new Sat<Reason>((variable) => rulesOf(variable).filter(keeps));
    const outcome = search.solve(roots.filter(keeps));
    if (outcome.kind === 'impossible') {
      const used = new Set(outcome.because);
      kept = kept.filter((reason) => used.has(reason));
    }
    return outcome.kind === 'impossible';
  };
  let lookedAt = 0;
  for (let run = kept.length >> 1; run >= 1; run >>= 1) {
    for (let from = 0; from < kept.length && lookedAt < MAX_LOOKED_AT; ) {
      lookedAt += kept.length;
      if (!without(from, from + run)) from += run;
    }
  }
  return kept;
}
