import { RE2JS, RE2JSException } from 're2js';
import { Fault, quote } from '../base/fault.ts';

/** A compiled pattern over one name. */
export interface Pattern {
  readonly kind: 'regex' | 'glob';
  /** As the policy writes it. */
  readonly text: string;
  /** In time linear in the name's length, whatever the pattern. */
  matches(name: string): boolean;
}

/** Package names that the project knows to belong together. */
export interface Preset {
  readonly name: string;
  matches(name: string): boolean;
}

/** What a filter asks of a build; what it does not name, it does not ask. */
export interface Filter {
  /** In place of `match`. */
  readonly preset?: Preset;
  /** Names that it means besides the preset's. */
  readonly add?: readonly Pattern[];
  /** Names that it does not mean after all. */
  readonly except?: readonly Pattern[];
  /** Over the package's name. */
  readonly match?: Pattern;
  /** Over the source package's name. */
  readonly source?: Pattern;
  /** An upstream id. */
  readonly repository?: string;
  readonly tier?: string;
  /** `policies/teams/infra.yaml:12:5` */
  readonly at: string;
}

/** Keeps what it matches from moving up by itself; what is there stays. */
export interface Hold extends Filter {
  readonly reason: string;
  readonly owner: string;
  /** `2027-03-31`: in force to the end of that day (UTC), and after it until it is renewed or dropped. */
  readonly until?: string;
}

/** Lets what it matches move into a frozen tier, to the end of a day (UTC). */
export interface Exception extends Filter {
  readonly reason: string;
  readonly owner: string;
  /** `2027-03-31` */
  readonly until: string;
}

/** The build that a filter is asked about. */
export interface Subject {
  readonly name: string;
  /** The source package's name; a build that names none is its own source. */
  readonly source: string | undefined;
  /** An upstream id. */
  readonly repository: string;
  readonly tier: string;
}

/** True where everything that the filter names fits. */
export function patternMatches(filter: Filter, subject: Subject): boolean {
  if (!concerns(filter, subject)) return false;
  const { preset, add, except } = filter;
  const { name } = subject;
  if (preset && !preset.matches(name) && !add?.some((pattern) => pattern.matches(name))) return false;
  if (except?.some((pattern) => pattern.matches(name))) return false;
  if (filter.match && !filter.match.matches(subject.name)) return false;
  return !filter.source || filter.source.matches(subject.source ?? subject.name);
}

/** True where the filter's `except` names the build: it goes its own way, whatever becomes of its siblings. */
export function isExcepted(filter: Filter, subject: Subject): boolean {
  return concerns(filter, subject) && (filter.except?.some((p) => p.matches(subject.name)) ?? false);
}

function concerns(filter: Filter, subject: Subject): boolean {
  if (filter.tier !== undefined && filter.tier !== subject.tier) return false;
  return filter.repository === undefined || filter.repository === subject.repository;
}

/** Long enough for an alternation of names; a longer one is a list of filters. */
const MAX_PATTERN = 2_000;

/** An RE2 expression (linear time, no look-around, no back-references), searched unanchored. */
export function compileRegex(text: string, at?: string): Pattern {
  checkLength(text, 'regular expression', at);
  try {
    const regex = RE2JS.compile(text);
    return { kind: 'regex', text, matches: (name) => regex.test(name) };
  } catch (cause) {
    if (!(cause instanceof RE2JSException)) throw cause;
    const message = `${quote(text)} is not a regular expression that can be used here: ${cause.message}`;
    throw new Fault('POLICY_INVALID', message, { hint: regexHint(text), at, cause });
  }
}

/** A shell glob over the whole name: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `\` before any of them. */
export function compileGlob(text: string, at?: string): Pattern {
  checkLength(text, 'glob', at);
  const regex = RE2JS.compile(globToRegex(text, at));
  return { kind: 'glob', text, matches: (name) => regex.test(name) };
}

/** Why a pattern may match more than was meant; undefined where nothing is odd. */
export function lintPattern(pattern: Pattern): string | undefined {
  if (pattern.kind === 'glob') {
    return pattern.text === '*' ? 'the glob "*" matches every package' : undefined;
  }
  if (pattern.matches(''))
    return `${quote(pattern.text)} matches every package: it is searched anywhere in the name`;
  const open = branches(pattern.text).find(
    (branch) => !/(\$|\\z|\.[*+])\)*$/.test(branch.replace(/\\[^z]/g, '_')),
  );
  if (open === undefined) return undefined;
  const which = open === pattern.text ? quote(open) : `${quote(open)} in ${quote(pattern.text)}`;
  return `${which} has no $ at its end, so it also matches longer names`;
}

/** The alternatives at the top of a regular expression: `^a$|^b` has two. */
function branches(regex: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < regex.length; i += 1) {
    const c = regex[i];
    if (c === '\\') i += 1;
    else if (c === '[') i = Math.max(i, regex.indexOf(']', i + 2));
    else if (c === '(') depth += 1;
    else if (c === ')') depth -= 1;
    else if (c === '|' && depth === 0) {
      found.push(regex.slice(start, i));
      start = i + 1;
    }
  }
  return [...found, regex.slice(start)];
}

function checkLength(text: string, what: string, at: string | undefined): void {
  if (text === '') {
    const hint = 'Write the pattern, or leave the key out.';
    throw new Fault('POLICY_INVALID', `an empty ${what} would match every package`, { hint, at });
  }
  if (text.length > MAX_PATTERN) {
    const hint = 'Split it into several entries.';
    throw new Fault('POLICY_INVALID', `a ${what} of ${text.length} characters; ${MAX_PATTERN} at most`, {
      hint,
      at,
    });
  }
}

function regexHint(text: string): string {
  if (/\(\?<?[=!]/.test(text))
    return 'Write it without look-around: name what is meant, or use several entries.';
  if (/\\[1-9]|\(\?P=|\\k</.test(text)) return 'Write it without back-references.';
  return 'Use the RE2 syntax (https://github.com/google/re2/wiki/Syntax).';
}

function globToRegex(glob: string, at: string | undefined): string {
  let out = '';
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const c = glob.charAt(i);
    if (c === '*') out += '.*';
    else if (c === '?') out += '.';
    else if (c === '{') {
      depth++;
      out += '(?:';
    } else if (c === '}' && depth > 0) {
      depth--;
      out += ')';
    } else if (c === ',' && depth > 0) out += '|';
    else if (c === '[') {
      const [, negated = '', body = ''] = /^\[([!^]?)(\]?[A-Za-z0-9._+~^-]*)\]/.exec(glob.slice(i)) ?? [];
      if (body === '') throw badGlob(glob, 'a "[" without its "]"', at);
      out += `[${negated && '^'}${classBody(body, glob, at)}]`;
      i += negated.length + body.length + 1;
    } else if (c === '\\') {
      if (++i >= glob.length) throw badGlob(glob, 'a "\\" at its end', at);
      out += RE2JS.quote(glob.charAt(i));
    } else out += RE2JS.quote(c);
  }
  if (depth > 0) throw badGlob(glob, 'a "{" without its "}"', at);
  return `(?s)\\A(?:${out})\\z`;
}

/** Ranges stay; what means something inside a class of RE2 is escaped. */
function classBody(body: string, glob: string, at: string | undefined): string {
  for (const [, low = '', high = ''] of body.matchAll(/(.)-(.)/g)) {
    if (low > high) throw badGlob(glob, `the range ${low}-${high} is the wrong way round`, at);
  }
  return body.replace(/[\]^]/g, '\\$&');
}

function badGlob(glob: string, why: string, at: string | undefined): Fault {
  return new Fault('POLICY_INVALID', `${quote(glob)} is not a glob: ${why}`, {
    hint: 'Correct the glob.',
    at,
  });
}

/** Just this name. */
export function exactly(name: string): Pattern {
  return { kind: 'glob', text: name, matches: (other) => other === name };
}
