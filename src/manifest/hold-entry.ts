import { Fault, quote } from '../base/fault.ts';
import { compileGlob, compileRegex, type Hold } from './pattern.ts';

/** A hold as a policy writes it: one of the three patterns, and what it is narrowed to. */
export interface HoldEntry {
  readonly match?: string;
  readonly glob?: string;
  readonly source?: string;
  readonly repository?: string;
  readonly tier?: string;
  readonly reason: string;
  readonly owner: string;
  readonly until?: string;
}

export type HoldPattern = Pick<HoldEntry, 'match' | 'glob' | 'source'>;

/** What no glob has: whoever writes it means a regular expression. */
const REGEX = /[\^$()|\\]|\.[*+?]/;

/**
 * What a person typed as a pattern: a name or a glob is one over the whole name; what no glob can be is a regular expression,
 * searched anywhere in the name. Of sources policies know regular expressions only, so a glob is written as one.
 */
export function holdPattern(text: string, source: boolean): HoldPattern {
  if (REGEX.test(text)) {
    compileRegex(text);
    return source ? { source: text } : { match: text };
  }
  compileGlob(text);
  if (!source) return { glob: text };
  if (/[[\]{}]/.test(text)) {
    const hint = `Write it as a regular expression, such as '^mysql(-.*)?$'.`;
    throw new Fault('USAGE', `${quote(text)} cannot be a pattern of source packages`, { hint });
  }
  return { source: sourceRegex(text) };
}

function sourceRegex(glob: string): string {
  const body = glob.replace(/[.+]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
  return `^${body}$`;
}

/** The ways in which somebody may have written this hold's pattern on a command line. */
export function isWrittenAs(hold: Hold, text: string): boolean {
  const regex = (written: string) => written === text || (!REGEX.test(text) && written === sourceRegex(text));
  if (hold.match?.kind === 'glob') return hold.match.text === text;
  if (hold.match) return regex(hold.match.text) && (!hold.source || hold.source.text === text);
  return hold.source !== undefined && regex(hold.source.text);
}

/** Whether a hold of the policy has just this pattern, narrowed to just this. */
export function isSameHold(hold: Hold, entry: HoldEntry): boolean {
  const [match, glob] =
    hold.match?.kind === 'glob' ? [undefined, hold.match.text] : [hold.match?.text, undefined];
  return (
    match === entry.match &&
    glob === entry.glob &&
    hold.source?.text === entry.source &&
    hold.repository === entry.repository &&
    hold.tier === entry.tier
  );
}
