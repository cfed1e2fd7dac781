import { unreachable } from '../base/fault.ts';
import { formatRich, type Rich } from './rich.ts';

/** Kinds of builds that help in one place and harm in another are tried with and without; more than these stay out. */
const MAX_TRIED = 12;

/**
 * Whether some choice of what to install meets a dependency, where `buildsOf` gives, of a capability (or of `with`, `without`),
 * the builds that could be installed for it: `(foo if bar)` is met without foo by leaving bar out. Repositories offer, they do
 * not install, so that is what a repository can be asked; whether one client can have it all together is the solver's question.
 */
export function canHold(rich: Rich, buildsOf: (term: Rich) => Iterable<number>): boolean {
  const terms = termsOf(rich, buildsOf);
  const roles = new Map<number, { wanted: boolean; unwanted: boolean; places: number[] }>();
  for (const [place, term] of [...terms.values()].entries()) {
    for (const build of term.builds) {
      const role = roles.get(build) ?? { wanted: false, unwanted: false, places: [] };
      role.wanted ||= term.wanted;
      role.unwanted ||= term.unwanted;
      role.places.push(place);
      roles.set(build, role);
    }
  }
  const chosen = new Set<number>();
  const kinds = new Map<string, number>();
  for (const [build, { wanted, unwanted, places }] of roles) {
    if (wanted && unwanted)
      kinds.set(places.join(), build); // builds of one kind do for each other
    else if (wanted) chosen.add(build);
  }
  const tried = [...kinds.values()].slice(0, MAX_TRIED);
  for (let choice = 0; choice < 1 << tried.length; choice += 1) {
    const builds = new Set([...chosen, ...tried.filter((_, i) => (choice & (1 << i)) !== 0)]);
    const isMet = (term: Rich): boolean => {
      for (const build of terms.get(formatRich(term))?.builds ?? []) if (builds.has(build)) return true;
      return false;
    };
    if (holdsIf(rich, isMet)) return true;
  }
  return false;
}

interface Term {
  readonly builds: readonly number[];
  wanted: boolean;
  unwanted: boolean;
}

function termsOf(rich: Rich, buildsOf: (term: Rich) => Iterable<number>): Map<string, Term> {
  const terms = new Map<string, Term>();
  visit(rich, true, (term, positive) => {
    const text = formatRich(term);
    const known = terms.get(text) ?? { builds: [...buildsOf(term)], wanted: false, unwanted: false };
    if (positive) known.wanted = true;
    else known.unwanted = true;
    terms.set(text, known);
  });
  return terms;
}

function holdsIf(rich: Rich, isMet: (term: Rich) => boolean): boolean {
  const met = (part: Rich): boolean => holdsIf(part, isMet);
  switch (rich.kind) {
    case 'capability':
    case 'with':
    case 'without':
      return isMet(rich);
    case 'and':
      return rich.of.every(met);
    case 'or':
      return rich.of.some(met);
    case 'if':
      return met(rich.when) ? met(rich.what) : rich.otherwise === undefined || met(rich.otherwise);
    case 'unless':
      return met(rich.when) ? rich.otherwise !== undefined && met(rich.otherwise) : met(rich.what);
    default:
      return unreachable(rich);
  }
}

/** Every term with its sign: conditions are wanted to be false, and those that have an `else` both. */
function visit(rich: Rich, positive: boolean, see: (term: Rich, positive: boolean) => void): void {
  switch (rich.kind) {
    case 'capability':
    case 'with':
    case 'without':
      see(rich, positive);
      return;
    case 'and':
    case 'or':
      for (const part of rich.of) visit(part, positive, see);
      return;
    case 'if':
    case 'unless':
      visit(rich.what, positive, see);
      visitCondition(rich.when, rich.otherwise !== undefined, positive, see);
      if (rich.otherwise) visit(rich.otherwise, positive, see);
      return;
    default:
      unreachable(rich);
  }
}

function visitCondition(
  when: Rich,
  both: boolean,
  positive: boolean,
  see: (term: Rich, positive: boolean) => void,
): void {
  visit(when, !positive, (term, sign) => {
    see(term, sign);
    if (both) see(term, !sign);
  });
}
