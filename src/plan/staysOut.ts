import { type Hold, patternMatches } from '../manifest/pattern.ts';

/** What a command takes away or back must not come again with the next promotion: who decided that, and until when. */
export interface StaysOut {
  readonly reason: string;
  readonly owner: string;
  /** `2026-12-05` */
  readonly until: string;
}

/** A build that is to stay out, as holds see it. */
export interface OutOfTier {
  readonly name: string;
  readonly source: string;
  readonly repository: string;
  readonly tier: string;
}

/** A pattern of a policy may have 2,000 characters. */
const MAX_PATTERN = 1_900;

/** Holds by package or by source, for one tier; none for what a hold keeps out for as long already. */
export function holdsFor(
  out: readonly OutOfTier[],
  by: 'name' | 'source',
  holds: readonly Hold[],
  { reason, owner, until }: StaysOut,
) {
  const isHeld = (subject: OutOfTier) =>
    holds.some((h) => (h.until === undefined || h.until >= until) && patternMatches(h, subject));
  const key = by === 'name' ? 'match' : 'source';
  const tiers = [...new Set(out.map(({ tier }) => tier))];
  return tiers.flatMap((tier) => {
    const own = out.filter((subject) => subject.tier === tier && !isHeld(subject));
    const words = [...new Set(own.map((subject) => subject[by]))].sort();
    return patterns(words).map((pattern) => ({ [key]: pattern, tier, reason, owner, until }));
  });
}

/** More holds than this at once nobody would release one by one, nor read. */
const MOST_HOLDS = 25;

/** One for each of a few, so that each is released by itself; of many as few as the length of a pattern allows. */
function patterns(words: readonly string[]): string[] {
  const escaped = words.map((word) => word.replace(/[.+*?()|[\]{}^$\\]/g, '\\$&'));
  if (escaped.length <= MOST_HOLDS) return escaped.map((word) => `^${word}$`);
  const chunks: string[][] = [];
  let length = MAX_PATTERN;
  for (const word of escaped) {
    if (length + word.length + 1 > MAX_PATTERN) {
      chunks.push([]);
      length = 0;
    }
    chunks.at(-1)?.push(word);
    length += word.length + 1;
  }
  return chunks.map((chunk) => (chunk.length === 1 ? `^${chunk[0]}$` : `^(${chunk.join('|')})$`));
}
