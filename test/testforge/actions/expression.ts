import { Unknown } from './unknown.ts';

/** Values of GitHub's expressions; "Evaluate expressions in workflows and actions" of docs.github.com has the rules. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };

export interface Scope {
  readonly contexts: Readonly<Record<string, Value>>;
  /** Contexts of which every key is known: another one is a mistake, which GitHub takes for an empty string. */
  readonly closed?: readonly string[];
  /** Of the steps or jobs before, for `success()` and its siblings; absent: they are not to be had here. */
  readonly status?: 'success' | 'failure' | 'cancelled' | 'skipped';
  /** Of the file, for messages. */
  readonly where: string;
}

const TOKEN =
  /\s*(?:(?<string>'(?:[^']|'')*')|(?<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))|(?<name>[A-Za-z_][\w-]*)|(?<sign>&&|\|\||[=!<>]=|[!<>()[\].,*]))/y;

interface Token {
  readonly kind: 'string' | 'number' | 'name' | 'sign' | 'end';
  readonly text: string;
}

const LEVELS: readonly (readonly string[])[] = [['||'], ['&&'], ['==', '!='], ['<', '<=', '>', '>=']];

/** `github.ref == 'refs/heads/main'`, without the braces around it. */
export function evaluate(text: string, scope: Scope): Value {
  const parser = new Parser(tokens(text, scope), scope);
  const value = parser.level(0, true);
  parser.expect('');
  return value;
}

/** A text with `${{ … }}` in it; the value itself where it is nothing else. */
export function fill(text: string, scope: Scope): Value {
  const pieces = text.split(/\$\{\{((?:'(?:[^']|'')*'|[^'}]|\}(?!\}))*)\}\}/);
  if (pieces.length === 3 && pieces[0] === '' && pieces[2] === '') return evaluate(pieces[1] ?? '', scope);
  if (pieces.some((piece, n) => n % 2 === 0 && piece.includes('${{'))) {
    throw new Unknown(scope.where, `the expression in ${JSON.stringify(text)}`);
  }
  return pieces.map((piece, n) => (n % 2 === 0 ? piece : asText(evaluate(piece, scope)))).join('');
}

/** "You can omit the ${{ }}" in `if`, and without a status function it means `success() && …`. */
export function condition(text: string, scope: Scope): boolean {
  const bare = /^\s*\$\{\{(.*)\}\}\s*$/s.exec(text)?.[1] ?? text;
  const asksStatus = /\b(?:success|failure|always|cancelled)\s*\(/.test(bare);
  const value = isTrue(evaluate(bare, scope));
  return asksStatus ? value : value && scope.status === 'success';
}

export function asText(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'object') return Array.isArray(value) ? 'Array' : 'Object';
  return String(value);
}

export function isTrue(value: Value): boolean {
  return value !== null && value !== false && value !== '' && value !== 0 && !Number.isNaN(value);
}

function tokens(text: string, { where }: Scope): Token[] {
  const found: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    const [kind, token] = Object.entries(groups ?? {}).find(([, t]) => t !== undefined) ?? [];
    if (kind === undefined || token === undefined) throw new Unknown(where, `${text.slice(at)} in ${text}`);
    found.push({ kind: kind as Token['kind'], text: token });
  }
  return [...found, { kind: 'end', text: '' }];
}

/** Values are computed while reading; `live` is false in the half of `&&` and `||` that does not count. */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #scope: Scope;
  #at = 0;

  constructor(tokens: readonly Token[], scope: Scope) {
    this.#tokens = tokens;
    this.#scope = scope;
  }

  expect(sign: string): void {
    const { kind, text } = this.#next();
    if (sign === '' ? kind !== 'end' : text !== sign) throw this.#unknown(`${text || 'the end'} there`);
  }

  level(n: number, live: boolean): Value {
    const signs = LEVELS[n];
    if (!signs) return this.#unary(live);
    let left = this.level(n + 1, live);
    for (let sign = this.#take(signs); sign !== undefined; sign = this.#take(signs)) {
      const stops = (sign === '||' && isTrue(left)) || (sign === '&&' && !isTrue(left));
      const right = this.level(n + 1, live && !stops);
      left = sign === '||' || sign === '&&' ? (stops ? left : right) : compare(sign, left, right);
    }
    return left;
  }

  #unary(live: boolean): Value {
    if (this.#take(['!']) !== undefined) return !isTrue(this.#unary(live));
    let value = this.#primary(live);
    for (let sign = this.#take(['.', '[']); sign !== undefined; sign = this.#take(['.', '['])) {
      const key = sign === '[' ? this.level(0, live) : this.#next().text;
      if (sign === '[') this.expect(']');
      else if (key === '*') throw this.#unknown('.*');
      value = property(value, asText(key)) ?? null;
    }
    return value;
  }

  #primary(live: boolean): Value {
    const { kind, text } = this.#next();
    if (kind === 'string') return text.slice(1, -1).replaceAll("''", "'");
    if (kind === 'number') return Number(text);
    if (text === '(') {
      const value = this.level(0, live);
      this.expect(')');
      return value;
    }
    if (kind !== 'name') throw this.#unknown(text || 'an end there');
    const literal = ({ null: null, true: true, false: false } as Record<string, Value>)[text];
    if (literal !== undefined) return literal;
    return this.#take(['(']) === undefined ? this.#context(text, live) : this.#call(text, live);
  }

  #context(name: string, live: boolean): Value {
    const { contexts, closed = [] } = this.#scope;
    const value = contexts[name.toLowerCase()];
    if (value === undefined) throw this.#unknown(`the context ${name} here`);
    const [dot, key] = [this.#tokens[this.#at], this.#tokens[this.#at + 1]];
    if (
      live &&
      closed.includes(name) &&
      dot?.text === '.' &&
      property(value, key?.text ?? '') === undefined
    ) {
      throw this.#unknown(`${name}.${key?.text}`);
    }
    return value;
  }

  #call(name: string, live: boolean): Value {
    const args: Value[] = [];
    while (this.#take([')']) === undefined) {
      if (args.length > 0) this.expect(',');
      args.push(this.level(0, live));
    }
    const { status } = this.#scope;
    const asked = { success: 'success', failure: 'failure', cancelled: 'cancelled' }[name];
    if (asked !== undefined && status !== undefined) return status === asked;
    if (name === 'always' && status !== undefined) return true;
    const known = FUNCTIONS[name.toLowerCase()];
    if (known === undefined) throw this.#unknown(`the function ${name} here`);
    return known(...args);
  }

  #next(): Token {
    const token = this.#tokens[this.#at] as Token;
    this.#at += 1;
    return token;
  }

  #take(signs: readonly string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'sign' || !signs.includes(token.text)) return undefined;
    this.#at += 1;
    return token.text;
  }

  #unknown(what: string): Unknown {
    return new Unknown(this.#scope.where, `${what} in an expression`);
  }
}

const FUNCTIONS: Readonly<Record<string, (...args: Value[]) => Value>> = {
  contains: (all = '', one = '') =>
    Array.isArray(all) ? all.some((v: Value) => equals(v, one)) : lower(all).includes(lower(one)),
  startswith: (text = '', start = '') => lower(text).startsWith(lower(start)),
  endswith: (text = '', end = '') => lower(text).endsWith(lower(end)),
  format: (text = '', ...args) =>
    asText(text).replace(/\{\{|\}\}|\{(\d+)\}/g, (all, n) =>
      n === undefined ? all.charAt(0) : asText(args[n] ?? null),
    ),
  join: (all = '', between = ',') =>
    Array.isArray(all) ? all.map(asText).join(asText(between)) : asText(all),
  tojson: (value = null) => JSON.stringify(value, null, 2),
  fromjson: (text = '') => JSON.parse(asText(text)) as Value,
};

function lower(value: Value): string {
  return asText(value).toLowerCase();
}

/** Names of properties do not mind their case. */
function property(value: Value, key: string): Value | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const own = Object.keys(value).find((name) => name.toLowerCase() === key.toLowerCase());
  return own === undefined ? undefined : (value as Readonly<Record<string, Value>>)[own];
}

function compare(sign: string, a: Value, b: Value): boolean {
  if (sign === '==') return equals(a, b);
  if (sign === '!=') return !equals(a, b);
  const texts = typeof a === 'string' && typeof b === 'string';
  const [x, y] = texts ? [a.toLowerCase(), b.toLowerCase()] : [asNumber(a), asNumber(b)];
  return sign === '<' ? x < y : sign === '<=' ? x <= y : sign === '>' ? x > y : x >= y;
}

/** "GitHub performs loose equality comparisons", and "ignores case when comparing strings". */
function equals(a: Value, b: Value): boolean {
  if (typeof a === 'string' && typeof b === 'string') return a.toLowerCase() === b.toLowerCase();
  if (typeof a === typeof b && typeof a === 'object' && a !== null && b !== null) return a === b;
  return asNumber(a) === asNumber(b);
}

function asNumber(value: Value): number {
  if (value === null) return 0;
  if (typeof value === 'object') return Number.NaN;
  return typeof value === 'string' && value.trim() === '' ? 0 : Number(value);
}
