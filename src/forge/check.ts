import { createHash } from 'node:crypto';
import type { CheckPage } from '../report/check-page.ts';
import { CHECK_LIMIT } from '../report/limits.ts';

/** What is said of a head under a name; what was said of it before under that name no longer counts. */
export interface Check extends Omit<CheckPage, 'conclusion'> {
  readonly name: string;
  /** The commit that was looked at. */
  readonly head: string;
  readonly state: CheckState;
  /** Where there is more to see. */
  readonly url?: string | undefined;
}

export type CheckState = 'pending' | 'success' | 'failure';

/** As the local forge keeps it. */
export interface SetCheck extends Omit<Check, 'annotations'> {
  readonly annotations: readonly CheckPage['annotations'][number][number][];
  readonly by: string;
  readonly at: Date;
}

/** The same words about the same head: how a check that was set is known again. */
export function checkDigest({ name, head, state, title, summary, text, url, annotations }: Check): string {
  const facts = [name, head, state, title, summary, text, url ?? '', annotations.flat()];
  return `sha256:${createHash('sha256').update(JSON.stringify(facts)).digest('hex')}`;
}

/** Within what a code host takes, whoever made the text. */
export function withinLimits(text: string): string {
  return text.length <= CHECK_LIMIT ? text : `${text.slice(0, CHECK_LIMIT - 1).toWellFormed()}…`;
}
