import { createHash } from 'node:crypto';
import { nextOpening, openingAfter, type Window } from '../manifest/window.ts';
import { type Draft, factTrailers, isCurrent, type PullRequest } from './forge.ts';
import type { Git } from './git.ts';
import { listTree } from './list-tree.ts';
import { readBlobs } from './objects.ts';

/** Where a tier has no window: whoever approved has so long to merge before what is newer comes in. */
const THAWS_AFTER_MS = 7 * 86_400_000;

/** Of one pull request, within an hour: more is a loop, and people get a mail for each (GITHUB 1.3). */
export const MOST_REWRITES = 5;
/** The same where people asked for them. */
export const MOST_ASKED_FOR = 10;
export const REWRITES_MS = 3_600_000;

/** Rewritten on so many days of a week, it is left to its readers for a while: news every night must not keep it from being read. */
const RESTLESS_DAYS = 3;
const WEEK_MS = 7 * 86_400_000;
const RESTS_MS = 3 * 86_400_000;

/** Until when it rests; undefined: it may be rewritten. */
export function restsUntil(rewrites: readonly Date[], now: Date): Date | undefined {
  const recent = rewrites.filter((at) => now.getTime() - at.getTime() < WEEK_MS);
  if (new Set(recent.map(dayOf)).size < RESTLESS_DAYS) return undefined;
  const until = new Date(Math.max(...recent.map((at) => at.getTime())) + RESTS_MS);
  return until > now ? until : undefined;
}

/** What the caps need to know: all of the last hour, and the last one of each day of the week. */
export function keptRewrites(rewrites: readonly Date[], now: Date): Date[] {
  const age = (at: Date) => now.getTime() - at.getTime();
  const week = rewrites.filter((at) => age(at) < WEEK_MS).sort((a, b) => a.getTime() - b.getTime());
  const lastOfDay = new Map(week.map((at) => [dayOf(at), at]));
  return week.filter((at) => age(at) < REWRITES_MS || lastOfDay.get(dayOf(at)) === at);
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

export const STOP_LABEL = 'sluice:stop-updating';
export const EDITED_LABEL = 'sluice:edited';
export const EDITED_WHY = 'it has commits that are not the bot’s, and its plan has changed since';

/**
 * Until when the approvals of the present head keep it from being rewritten. With a window it can be merged only while that is open: the
 * one that is open now, or else the next one, is left to whoever approved, and what is newer comes in with the one after it.
 */
export function thawsAt(pull: Pick<PullRequest, 'head' | 'approvals'>, window?: Window): Date | undefined {
  const given = pull.approvals.filter((a) => isCurrent(pull, a)).map(({ at }) => at.getTime());
  if (given.length === 0) return undefined;
  const last = new Date(Math.max(...given));
  if (!window) return new Date(last.getTime() + THAWS_AFTER_MS);
  return openingAfter(window, nextOpening(window, last));
}

/**
 * What a proposal is, as one digest: what it changes, and what its trailers say. Of a plan the lines that come and go, so that
 * it is the same where main moved elsewhere in a file, and another where a part of it came to main in another way.
 */
export async function planDigest(git: Git, base: string, draft: Draft): Promise<string> {
  const before = await listTree(git, base, [...draft.files.keys()]);
  const changes: unknown[] = [];
  for (const [path, text] of [...draft.files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const id = before.get(path)?.id;
    changes.push([path, ...(draft.isPlan ? await movedLines(git, id, text) : [id ?? null, text])]);
  }
  const words = draft.isPlan ? [] : [draft.title, draft.body, draft.labels ?? []];
  const facts = JSON.stringify([changes, factTrailers(draft), words]);
  return `sha256:${createHash('sha256').update(facts).digest('hex')}`;
}

async function movedLines(git: Git, id: string | undefined, after: string | null): Promise<string[][]> {
  let before = '';
  if (id !== undefined) for await (const { bytes } of readBlobs(git, [id])) before = bytes.toString('utf8');
  const [gone, come] = [new Set(before.split('\n')), new Set((after ?? '').split('\n'))];
  for (const line of [...gone]) if (come.delete(line)) gone.delete(line);
  return [[...gone].sort(), [...come].sort()];
}
