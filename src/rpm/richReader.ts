import { Fault, quote } from '../base/fault.ts';
import type { Capability, Flags } from './capability.ts';
import type { Rich } from './rich.ts';

/** What stands in one pair of brackets: `(B else C)` is no dependency, but in `(A if (B else C))` the rest of one. */
type Group = Rich | { readonly kind: 'else'; readonly when: Rich; readonly otherwise: Rich };

/** Brackets within brackets; CentOS 9 has two. Whatever recurses over a Rich counts on it. */
export const MAX_RICH_DEPTH = 200;

const OPERATORS = ['and', 'or', 'if', 'unless', 'else', 'with', 'without'] as const;
type Operator = (typeof OPERATORS)[number];

const COMPARISONS: ReadonlyMap<string, Flags> = new Map([
  ['<', 'LT'],
  ['<=', 'LE'],
  ['=<', 'LE'],
  ['=', 'EQ'],
  ['==', 'EQ'],
  ['>=', 'GE'],
  ['=>', 'GE'],
  ['>', 'GT'],
]);

/** The text of a rich dependency as rpm's rpmrichParse reads it: recursive descent, as deep as MAX_RICH_DEPTH. */
export class RichReader {
  private readonly text: string;
  private readonly at: string | undefined;
  private place = 0;

  constructor(text: string, at: string | undefined) {
    this.text = text;
    this.at = at;
  }

  rich(): Rich {
    const group = this.group(1);
    if (!this.atEnd) throw this.refused('text after its end');
    return this.whole(group);
  }

  private get atEnd(): boolean {
    return this.place === this.text.length;
  }

  private refused(what: string): Fault {
    return new Fault(
      'DEPENDENCY_INVALID',
      `${quote(this.text)} is no rich dependency: ${what} (character ${this.place + 1})`,
      { hint: 'Report it to whoever built the package: rpm does not read it either.', at: this.at },
    );
  }

  private whole(group: Group): Rich {
    if (group.kind === 'else') throw this.refused('an else without its if or unless');
    return group;
  }

  private group(depth: number): Group {
    if (this.text[this.place] !== '(') throw this.refused('no opening bracket');
    if (depth > MAX_RICH_DEPTH) throw this.refused(`more than ${MAX_RICH_DEPTH} brackets within brackets`);
    this.place += 1;
    const parts: Group[] = [];
    const operators: Operator[] = [];
    for (;;) {
      this.skipWhite();
      if (this.text[this.place] === ')') {
        throw this.refused(parts.length === 0 ? 'nothing between brackets' : 'nothing after an operator');
      }
      parts.push(this.text[this.place] === '(' ? this.group(depth + 1) : this.capability());
      this.skipWhite();
      if (this.atEnd) throw this.refused('a bracket is not closed');
      if (this.text[this.place] === ')') break;
      const operator = this.operator();
      this.checkChain(operators, operator);
      operators.push(operator);
    }
    const group = this.joined(parts, operators);
    this.place += 1;
    return group;
  }

  private joined(parts: readonly Group[], operators: readonly Operator[]): Group {
    const [operator] = operators;
    const [first, second, third] = parts;
    if (operator === undefined) return first as Group;
    if (operator === 'if' || operator === 'unless') {
      const what = this.whole(first as Group);
      if (third === undefined && second?.kind === 'else') {
        return { kind: operator, what, when: second.when, otherwise: second.otherwise };
      }
      const when = this.whole(second as Group);
      return { kind: operator, what, when, otherwise: third && this.whole(third) };
    }
    const whole = parts.map((part) => this.whole(part));
    const [left, right] = whole as [Rich, Rich];
    if (operator === 'else') return { kind: 'else', when: left, otherwise: right };
    if ((operator === 'with' || operator === 'without') && !whole.every(speaksOfOneBuild)) {
      throw this.refused(`only or, with and without may stand within ${operator}`);
    }
    return operator === 'without' ? { kind: 'without', of: left, but: right } : { kind: operator, of: whole };
  }

  private checkChain(operators: readonly Operator[], next: Operator): void {
    const last = operators.at(-1);
    if (last === undefined) return;
    if (next === 'else' && (last === 'if' || last === 'unless')) return;
    if (last !== next) throw this.refused(`${next} after ${last}: brackets must say what belongs together`);
    if (next !== 'and' && next !== 'or' && next !== 'with') throw this.refused(`more than one ${next}`);
  }

  private capability(): Rich {
    const name = this.word();
    this.skipWhite();
    const before = this.place;
    const flags = COMPARISONS.get(this.word());
    if (flags === undefined) {
      this.place = before;
      return { kind: 'capability', capability: { name } };
    }
    this.skipWhite();
    const evr = this.word();
    const parts = this.evr(evr);
    if (parts.version === '') throw this.refused('a comparison without a version');
    return { kind: 'capability', capability: { name, flags, ...parts } };
  }

  /** `[epoch:]version[-release]`, cut as rpm's parseEVR does. */
  private evr(text: string): Pick<Capability, 'epoch' | 'version' | 'release'> {
    const [, epoch, rest = ''] = /^(?:([0-9]*):)?(.*)$/s.exec(text) ?? [];
    const hyphen = rest.lastIndexOf('-');
    const version = hyphen < 0 ? rest : rest.slice(0, hyphen);
    const digits = epoch?.replace(/^0+(?=.)/, ''); // rpm reads `007`
    if (Number(digits ?? 0) > 0xffff_ffff) throw this.refused('an epoch of more than 32 bits');
    return {
      ...(digits === undefined ? {} : { epoch: Number(digits) }),
      version,
      ...(hyphen < 0 ? {} : { release: rest.slice(hyphen + 1) }),
    };
  }

  private operator(): Operator {
    const from = this.place;
    let end = from;
    while (end < this.text.length && !isWhite(this.text[end]) && this.text[end] !== ')') end += 1;
    const word = this.text.slice(from, end);
    const known = OPERATORS.find((operator) => operator === word);
    if (known === undefined) throw this.refused(`${quote(word)} is no operator`);
    this.place = end;
    return known;
  }

  /** Up to white space, a comma, or a bracket that this word did not open. */
  private word(): string {
    const from = this.place;
    let open = 0;
    for (; this.place < this.text.length; this.place += 1) {
      const character = this.text[this.place];
      if (isWhite(character) || character === ',') break;
      if (character === '(') open += 1;
      else if (character === ')') {
        if (open === 0) break;
        open -= 1;
      }
    }
    return this.text.slice(from, this.place);
  }

  private skipWhite(): void {
    while (
      this.place < this.text.length &&
      (isWhite(this.text[this.place]) || this.text[this.place] === ',')
    ) {
      this.place += 1;
    }
  }
}

function speaksOfOneBuild(rich: Rich): boolean {
  switch (rich.kind) {
    case 'capability':
    case 'with': // its parts were looked at when it was read
    case 'without':
      return true;
    case 'or':
      return rich.of.every(speaksOfOneBuild);
    default:
      return false;
  }
}

function isWhite(character: string | undefined): boolean {
  return character !== undefined && ' \t\n\v\f\r'.includes(character);
}
