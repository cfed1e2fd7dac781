import { unreachable } from '../base/fault.ts';
import { formatRich, type Rich } from './rich.ts';

/** Terms that stand in a dependency both as wanted and as unwanted are tried both ways; more than these are taken as free. */
const MAX_TRIED = 12;

/**
 * Whether some choice of what to install meets a dependency, where `isAvailable` says of a capability (or of `with`, `without`)
 * that a build for it could be installed: `(foo if bar)` is met without foo by leaving bar out. Repositories offer, they do not
 * install, so that is what a repository can be asked; whether one client can have it all together is the solver's question.
 */
export function canHold(rich: Rich, isAvailable: (term: Rich) => boolean): boolean {
  const both = new Map<string, Rich>();
  const wanted = new Set<string>();
  const unwanted = new Set<string>();
  visit(rich, true, (term, positive) => {
    const text = formatRich(term);
    (positive ? wanted : unwanted).add(text);
    if ((positive ? unwanted : wanted).has(text)) both.set(text, term);
  });
  const tried = [...both].filter(([, term]) => isAvailable(term)).slice(0, MAX_TRIED);
  for (let choice = 0; choice < 1 << tried.length; choice += 1) {
    const fixed = new Map(tried.map(([text], i) => [text, (choice & (1 << i)) !== 0]));
    if (new Choice(fixed, isAvailable).can(rich, true)) return true;
  }
  return false;
}

/** One way to fix the terms of both signs, and what came of it for each part: a condition is asked twice at every level. */
class Choice {
  readonly #fixed: ReadonlyMap<string, boolean>;
  readonly #isAvailable: (term: Rich) => boolean;
  readonly #known = new Map<Rich, { yes?: boolean; no?: boolean }>();

  constructor(fixed: ReadonlyMap<string, boolean>, isAvailable: (term: Rich) => boolean) {
    this.#fixed = fixed;
    this.#isAvailable = isAvailable;
  }

  /** Whether a part can be made true, or false. */
  can(rich: Rich, be: boolean): boolean {
    const known = this.#known.get(rich) ?? {};
    const key = be ? 'yes' : 'no';
    const answer = known[key] ?? this.#judge(rich, be);
    this.#known.set(rich, { ...this.#known.get(rich), [key]: answer });
    return answer;
  }

  #judge(rich: Rich, be: boolean): boolean {
    switch (rich.kind) {
      case 'capability':
      case 'with':
      case 'without': {
        const decided = this.#fixed.size > 0 ? this.#fixed.get(formatRich(rich)) : undefined;
        if (decided !== undefined) return decided === be;
        return be ? this.#isAvailable(rich) : true;
      }
      case 'and':
        return be
          ? rich.of.every((part) => this.can(part, true))
          : rich.of.some((part) => this.can(part, false));
      case 'or':
        return be
          ? rich.of.some((part) => this.can(part, true))
          : rich.of.every((part) => this.can(part, false));
      case 'if': {
        if (this.can(rich.when, true) && this.can(rich.what, be)) return true;
        const otherwise = rich.otherwise === undefined ? be : this.can(rich.otherwise, be);
        return otherwise && this.can(rich.when, false);
      }
      case 'unless': {
        if (this.can(rich.when, false) && this.can(rich.what, be)) return true;
        const otherwise = rich.otherwise === undefined ? !be : this.can(rich.otherwise, be);
        return otherwise && this.can(rich.when, true);
      }
      default:
        return unreachable(rich);
    }
  }
}

/** Every term with the sign that it has: conditions of `if` and `unless` have both. */
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
    case 'unless': {
      visit(rich.what, positive, see);
      const sign = !positive;
      visit(rich.when, sign, see);
      if (!rich.otherwise) return;
      visit(rich.when, !sign, see);
      visit(rich.otherwise, positive, see);
      return;
    }
    default:
      unreachable(rich);
  }
}
