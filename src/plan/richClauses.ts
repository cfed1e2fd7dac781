import { unreachable } from '../base/fault.ts';
import type { Rich } from '../rpm/rich.ts';
import { type Clause, type Literal, no, yes } from './clause.ts';

/** A rich dependency over builds, without negation but at its leaves: one of these is in, or none of them. */
type Formula =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Formula[] }
  | { readonly kind: 'in' | 'out'; readonly builds: readonly number[] };

const ALWAYS: Formula = { kind: 'all', of: [] };
const NEVER: Formula = { kind: 'any', of: [] };

/** Who satisfies a part that speaks of one build; 'always' for what needs no build. */
export type Leaves = (rich: Rich) => readonly number[] | 'always';

/**
 * One rich dependency of one owner as clauses: with the owner, it holds (or, a conflict, does not). Parts get variables of
 * their own (Tseitin), whose clauses come with them: in full, `(a1 and b1) or (a2 and b2) or …` doubles with each pair.
 */
export class RichClauses<Reason> {
  private readonly reason: Reason;
  private readonly leaves: Leaves;
  private readonly fresh: () => number;
  private readonly formulas = new Map<Rich, [Formula?, Formula?]>();
  private readonly variables = new Map<Formula, number>();
  private readonly parts = new Map<number, Formula>();

  constructor(reason: Reason, leaves: Leaves, fresh: () => number) {
    this.reason = reason;
    this.leaves = leaves;
    this.fresh = fresh;
  }

  clauses(owner: number, rich: Rich, holds: boolean): Clause<Reason>[] {
    return this.implied(owner, this.formula(rich, holds));
  }

  /** Of a variable that stands for a part. */
  ofPart(variable: number): Clause<Reason>[] {
    return this.implied(variable, this.parts.get(variable) ?? ALWAYS);
  }

  private implied(owner: number, formula: Formula): Clause<Reason>[] {
    const { reason } = this;
    switch (formula.kind) {
      case 'all':
        return formula.of.flatMap((part) => this.implied(owner, part));
      case 'in':
        return [{ literals: [no(owner), ...formula.builds.map(yes)], reason }];
      case 'out':
        return formula.builds.map((build) => ({ literals: [no(owner), no(build)], reason }));
      case 'any': {
        const without = formula.of.filter((part) => part.kind === 'out'); // first: they need nothing
        const parts = [...without, ...formula.of.filter((part) => part.kind !== 'out')];
        const literals = [no(owner), ...parts.flatMap((part) => this.literals(part))];
        return [{ literals, reason, late: without.length > 0 }];
      }
      default:
        return unreachable(formula);
    }
  }

  private literals(part: Formula): Literal[] {
    if (part.kind === 'in') return part.builds.map(yes);
    const variable = this.variables.get(part) ?? this.fresh();
    this.variables.set(part, variable);
    this.parts.set(variable, part);
    return [yes(variable)];
  }

  /** Each part once: `when` stands twice in what `if` and `else` mean, and nested it would double and double. */
  private formula(rich: Rich, holds: boolean): Formula {
    const known = this.formulas.get(rich) ?? [];
    this.formulas.set(rich, known);
    const side = holds ? 1 : 0;
    known[side] ??= this.meant(rich, holds);
    return known[side];
  }

  private meant(rich: Rich, holds: boolean): Formula {
    const both = (of: Formula[]): Formula => joined(holds ? 'all' : 'any', of);
    const either = (of: Formula[]): Formula => joined(holds ? 'any' : 'all', of);
    switch (rich.kind) {
      case 'and':
        return both(rich.of.map((part) => this.formula(part, holds)));
      case 'or':
        return either(rich.of.map((part) => this.formula(part, holds)));
      case 'if': {
        const needed = either([this.formula(rich.what, holds), this.formula(rich.when, !holds)]);
        if (rich.otherwise === undefined) return needed;
        return both([needed, either([this.formula(rich.otherwise, holds), this.formula(rich.when, holds)])]);
      }
      case 'unless': {
        const allowed = both([this.formula(rich.what, holds), this.formula(rich.when, !holds)]);
        if (rich.otherwise === undefined) return allowed;
        return either([allowed, both([this.formula(rich.otherwise, holds), this.formula(rich.when, holds)])]);
      }
      case 'capability':
      case 'with':
      case 'without': {
        const builds = this.leaves(rich);
        if (builds === 'always') return holds ? ALWAYS : NEVER;
        if (builds.length === 0) return holds ? NEVER : ALWAYS;
        return { kind: holds ? 'in' : 'out', builds };
      }
      default:
        return unreachable(rich);
    }
  }
}

/** Without the parts that change nothing; one that decides all stands for all. */
function joined(kind: 'all' | 'any', of: readonly Formula[]): Formula {
  const [neutral, deciding] = kind === 'all' ? [ALWAYS, NEVER] : [NEVER, ALWAYS];
  if (of.includes(deciding)) return deciding;
  const parts = of.filter((part) => part !== neutral);
  if (parts.length === 0) return neutral;
  return parts.length === 1 ? (parts[0] as Formula) : { kind, of: parts };
}
