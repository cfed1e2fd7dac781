import { type Marker, parseMarker, withMarker, withoutMarker } from '../report/marker.ts';
import type { Approval, Comment, PullRequest, PullState } from './forge.ts';
import type { CommitInfo } from './refs.ts';

/** The part of the API's answers that is looked at. */
export interface ApiUser {
  readonly login: string;
  readonly type?: string;
}

export interface ApiPull {
  readonly number: number;
  readonly title: string;
  readonly body: string | null;
  readonly state: string;
  readonly labels: readonly { readonly name?: string }[];
  readonly user: ApiUser | null;
  readonly head: {
    readonly ref: string;
    readonly sha: string;
    readonly repo: { readonly full_name: string } | null;
  };
  readonly base: {
    readonly ref: string;
    readonly sha: string;
    readonly repo: { readonly full_name: string };
  };
  readonly created_at: string;
  readonly updated_at: string;
  readonly closed_at: string | null;
  readonly merged_at: string | null;
  readonly merge_commit_sha: string | null;
  readonly merged_by?: ApiUser | null;
  /** Not in lists. */
  readonly mergeable_state?: string;
}

export interface ApiReview {
  readonly user: ApiUser | null;
  readonly state: string;
  readonly submitted_at?: string | undefined;
  readonly commit_id: string | null;
  readonly author_association: string;
}

export interface ApiComment {
  readonly id: number;
  readonly user: ApiUser | null;
  readonly body?: string | undefined;
  readonly created_at: string;
}

/** A fork's branch may have any name; what a marker says there is somebody else's. */
export function isFork({ head, base }: Pick<ApiPull, 'head' | 'base'>): boolean {
  return head.repo?.full_name.toLowerCase() !== base.repo.full_name.toLowerCase();
}

/** What the bot left for itself; undefined of a pull request that people opened. */
export function markerOf(pull: ApiPull): Marker | undefined {
  if (isFork(pull) || !pull.head.ref.startsWith('sluice/')) return undefined;
  const marker = parseMarker(pull.body ?? '');
  return marker?.id === idOf(pull.head.ref) ? marker : undefined;
}

/** The intent: a branch without its prefix. */
export function idOf(branch: string): string {
  return branch.slice('sluice/'.length);
}

/** Closed by the bot itself, so that nobody takes it for people's no. */
export const NO_PLAN = `sha256:${'0'.repeat(64)}`;

const WRITES = /\n*<!-- sluice:writes ([0-9TZ:., -]{0,800}) -->\n*$/;

/** When it was rewritten, as far as the caps need it (`keptRewrites`). */
export function rewritesOf(pull: Pick<ApiPull, 'body'>): Date[] {
  const times = WRITES.exec(withoutMarker(pull.body ?? ''))?.[1]?.split(',') ?? [];
  return times.map((time) => new Date(time)).filter((time) => !Number.isNaN(time.getTime()));
}

/** What stands on GitHub: the words, when they were written, the marker, and what people wrote below it. */
export function bodyWith(
  text: string,
  marker: Marker,
  writes: readonly Date[],
  before?: string | null,
): string {
  const times = writes.map((time) => time.toISOString()).join(',');
  const words = times === '' ? text : `${text.trimEnd()}\n\n<!-- sluice:writes ${times} -->`;
  return withMarker(words, marker, before ?? undefined);
}

export function wordsOf(body: string | null): string {
  return withoutMarker((body ?? '').replaceAll('\r\n', '\n'))
    .replace(WRITES, '')
    .trimEnd();
}

/** `proposed`: the bot's own commit, where it is one of a bot; its trailers and its parent are what the pull request claims. */
export function asPull(
  pull: ApiPull,
  o: {
    readonly proposed: CommitInfo | undefined;
    readonly base: string;
    readonly approvals?: readonly Approval[];
    readonly comments?: readonly Comment[];
  },
): PullRequest {
  const state: PullState = pull.merged_at !== null ? 'merged' : pull.state === 'open' ? 'open' : 'closed';
  const ended = pull.merged_at ?? pull.closed_at;
  return {
    number: pull.number,
    branch: pull.head.ref,
    title: pull.title,
    body: wordsOf(pull.body),
    labels: pull.labels.flatMap(({ name }) => name ?? []),
    trailers: o.proposed?.trailers ?? [],
    state,
    base: o.base,
    head: pull.head.sha,
    proposed: o.proposed?.id,
    approvals: o.approvals ?? [],
    comments: o.comments ?? [],
    openedBy: pull.user?.login ?? 'ghost',
    openedAt: new Date(pull.created_at),
    updatedAt: new Date(pull.updated_at),
    ...(isFork(pull) ? { fromFork: true } : {}),
    ...(state === 'closed' && ended !== null ? { closedAt: new Date(ended) } : {}),
    ...(state === 'merged' && ended !== null ? { mergedAt: new Date(ended) } : {}),
    ...(state === 'merged' && pull.merged_by ? { mergedBy: pull.merged_by.login } : {}),
    ...(state === 'merged' && pull.merge_commit_sha ? { mergeCommit: pull.merge_commit_sha } : {}),
  };
}

/** Anybody may press Approve on a public repository; these can be asked to. Branch rules count for themselves. */
export const TRUSTED: ReadonlySet<string> = new Set(['OWNER', 'MEMBER', 'COLLABORATOR']);

/** Each person's last word: a later request for changes, or a dismissal, ends an approval; a comment does not. */
export function approvalsOf(reviews: readonly ApiReview[]): Approval[] {
  const last = new Map<string, ApiReview>();
  for (const review of reviews) {
    const { user, state } = review;
    if (!user || user.type === 'Bot' || !['APPROVED', 'CHANGES_REQUESTED', 'DISMISSED'].includes(state))
      continue;
    last.delete(user.login);
    last.set(user.login, review);
  }
  return [...last].flatMap(([by, { state, submitted_at, commit_id, author_association }]) =>
    state === 'APPROVED' && commit_id !== null && TRUSTED.has(author_association)
      ? [{ by, at: new Date(submitted_at ?? 0), head: commit_id }]
      : [],
  );
}

export function commentsOf(comments: readonly ApiComment[]): Comment[] {
  return comments.map(({ user, created_at, body }) => ({
    by: user?.login ?? 'ghost',
    at: new Date(created_at),
    text: body ?? '',
  }));
}
