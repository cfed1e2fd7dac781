import { Fault, quote } from '../base/fault.ts';
import { isPackageName } from '../rpm/nevra.ts';
import { hasUnseen } from './safe.ts';

/** What people may write in a comment. */
export type Command =
  | {
      readonly verb: 'hold';
      readonly patterns: readonly string[];
      readonly where: Where | undefined;
      readonly until: string;
      readonly owner: string | undefined;
      readonly reason: string;
    }
  | { readonly verb: 'drop'; readonly names: readonly string[] }
  | { readonly verb: 'promote'; readonly names: readonly string[]; readonly where: Where | undefined }
  | { readonly verb: 'explain'; readonly name: string; readonly where: Where | undefined }
  | { readonly verb: 'rebuild' }
  | { readonly verb: 'split' };

export interface Where {
  readonly team: string;
  readonly tier: string | undefined;
}

const FORMS: Readonly<Record<Command['verb'], readonly [form: string, example: string]>> = {
  hold: [
    'hold PATTERN… [in TEAM[/TIER]] until DATE|DURATION [owner OWNER] because REASON',
    'hold kernel* until 2027-01-31 because the Lustre modules are not built yet',
  ],
  drop: ['drop NAME…', 'drop kernel'],
  rebuild: ['rebuild', 'rebuild'],
  split: ['split', 'split'],
  promote: ['promote NAME… [in TEAM[/TIER]]', 'promote openssl'],
  explain: ['explain NAME [in TEAM]', 'explain openssl'],
};

/** What may stand after the names, each once. */
const CLAUSES: Readonly<Record<string, readonly string[]>> = {
  hold: ['in', 'until', 'owner', 'because'],
  promote: ['in'],
  explain: ['in'],
};

const MOST_CHARACTERS = 1_000;
const MOST_NAMES = 20;

/**
 * A comment is a command where its first line begins with `/sluice`. Nothing before it can quote it, fence it or comment it out, and what
 * an answer by mail brings along stands below it.
 */
export function isCommand(text: string): boolean {
  return /^\/sluice(?:[ \t]|$)/.test(firstLine(text));
}

/** The line that is the command, as it was written. */
export function firstLine(text: string): string {
  const begin = text.slice(0, 2 * MOST_CHARACTERS).replace(/^(?:[ \t]*\r?\n)+/, '');
  return begin.split('\n', 1)[0]?.trimEnd() ?? '';
}

/** A Fault with the form and an example on everything that is not just one. */
export function parseCommand(text: string): Command {
  const line = firstLine(text);
  if (line.length > MOST_CHARACTERS) throw wrong(`a command has at most ${MOST_CHARACTERS} characters`);
  if (hasUnseen(line.replaceAll('\t', ' '))) throw wrong('the command has characters that nobody sees');
  if (text.split('\n').filter((other) => /^\/sluice\b/.test(other)).length > 1)
    throw wrong('there are several commands in one comment: write one comment for each');
  const [, verb = '', ...words] = line.split(/[ \t]+/).map(bare);
  switch (verb) {
    case 'rebuild':
    case 'split':
      if (words.length > 0) throw wrong(`${verb} takes nothing after it`, verb);
      return { verb };
    case 'drop':
      return { verb, names: namesOf(verb, words) };
    case 'promote': {
      const { names, clauses } = parts(verb, words);
      return { verb, names: namesOf(verb, names), where: whereOf(verb, clauses.get('in')) };
    }
    case 'explain': {
      const { names, clauses } = parts(verb, words);
      const [name = '', more] = namesOf(verb, names);
      if (more !== undefined) throw wrong('explain takes one name', verb);
      return { verb, name, where: whereOf(verb, clauses.get('in')) };
    }
    case 'hold': {
      const { names: patterns, clauses } = parts(verb, words);
      const [until, owner] = [one(verb, 'until', clauses), one(verb, 'owner', clauses)];
      const reason = afterBecause(line);
      if (patterns.length === 0) throw wrong('hold says nothing of what is to be held', verb);
      if (patterns.length > MOST_NAMES) throw wrong(`hold takes at most ${MOST_NAMES} patterns`, verb);
      if (until === undefined) throw wrong('hold does not say until when', verb);
      if (reason === '') throw wrong('hold does not say why', verb);
      return { verb, patterns, where: whereOf(verb, clauses.get('in')), until, owner, reason };
    }
    default:
      throw wrong(verb === '' ? 'no command is named' : `there is no command ${quote(verb)}`);
  }
}

/** People write names as code. */
function bare(word: string): string {
  return /^`([^`]+)`$/.exec(word)?.[1] ?? word;
}

function parts(verb: string, words: readonly string[]) {
  const known = CLAUSES[verb] ?? [];
  const names: string[] = [];
  const clauses = new Map<string, string[]>();
  let current = names;
  for (const word of words) {
    if (clauses.has('because') || !known.includes(word)) {
      current.push(word);
      continue;
    }
    if (clauses.has(word)) throw wrong(`${verb} says ${word} twice`, verb);
    current = [];
    clauses.set(word, current);
  }
  return { names, clauses };
}

function one(verb: string, key: string, clauses: ReadonlyMap<string, readonly string[]>): string | undefined {
  const words = clauses.get(key);
  if (words === undefined) return undefined;
  const [word, more] = words;
  if (word === undefined || more !== undefined) throw wrong(`one word belongs after ${key}`, verb);
  return word;
}

/** To the end of the line, from the first one on: a reason may use the word too. */
function afterBecause(line: string): string {
  return /[ \t]because[ \t]+(.*)$/.exec(line)?.[1]?.trim() ?? '';
}

function whereOf(verb: string, words: readonly string[] | undefined): Where | undefined {
  if (words === undefined) return undefined;
  const [, team, tier] = /^([a-z0-9._]+)(?:\/([a-z0-9._]+))?$/.exec(words.join(' ')) ?? [];
  if (team === undefined) throw wrong('after in belongs a team, or TEAM/TIER', verb);
  return { team, tier };
}

function namesOf(verb: string, words: readonly string[]): readonly string[] {
  if (words.length === 0) throw wrong(`${verb} names no package`, verb);
  if (words.length > MOST_NAMES) throw wrong(`${verb} takes at most ${MOST_NAMES} names`, verb);
  for (const word of words) {
    if (!isPackageName(word)) throw wrong(`${quote(word)} is not what a package is called`, verb);
  }
  return [...new Set(words)];
}

function wrong(message: string, verb?: string): Fault {
  const known = Object.keys(FORMS) as Command['verb'][];
  const [form, example] = FORMS[known.find((name) => name === verb) ?? 'hold'];
  const hint = known.some((name) => name === verb)
    ? `It is: /sluice ${form}. For example: /sluice ${example}.`
    : `There are ${known.join(', ')}. For example: /sluice ${example}.`;
  return new Fault('USAGE', message, { hint });
}
