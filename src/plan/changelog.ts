import type { ChangelogEntry } from '../repodata/other.ts';

/** What a build's changelog says that the one before it did not. */
export interface ChangelogNews {
  /** First line of the newest entry, in the packager's words. */
  readonly first: string;
  readonly entries: number;
  /** False: metadata keeps the last few entries only, and all of them are new; there may be more. */
  readonly complete: boolean;
}

const DAY = 86_400;

/**
 * The entries since the one before, the newest first. createrepo_c moves entries of one day by seconds, so days are compared. An entry
 * that was there before ends it: what is below was rewritten, if it is new at all.
 */
export function changelogNews(
  before: readonly ChangelogEntry[],
  after: readonly ChangelogEntry[],
): ChangelogNews | undefined {
  const key = ({ author, date, text }: ChangelogEntry) =>
    `${date === undefined ? '' : Math.floor(date / DAY)}\0${author.trim()}\0${text.trim()}`;
  const known = new Set(before.map(key));
  const end = after.findIndex((entry) => known.has(key(entry)));
  const fresh = end < 0 ? after : after.slice(0, end);
  const [newest] = fresh;
  if (!newest) return undefined;
  return { first: firstLine(newest.text), entries: fresh.length, complete: end >= 0 };
}

function firstLine(text: string): string {
  const line = text.split('\n').find((one) => /[\p{L}\p{N}]/u.test(one)) ?? '';
  return line.replace(/^[\s*+-]+/, '').trim();
}
