import { commentKey } from '../report/marker.ts';
import { type Check, checkDigest, type SetCheck } from './check.ts';
import type { Act, Draft, PullRequest, Said } from './forge.ts';
import type { RefUpdate } from './refs.ts';

/** A pull request as it is stored; times are ISO 8601. `head` is the last one that the forge itself knows. */
export interface PullRecord {
  readonly number: number;
  readonly branch: string;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly trailers: readonly (readonly [string, string])[];
  readonly state: 'open' | 'merged' | 'closed';
  readonly base: string;
  readonly head: string;
  readonly proposed?: string;
  readonly approvals: readonly { readonly by: string; readonly at: string; readonly head: string }[];
  readonly comments: readonly { readonly by: string; readonly at: string; readonly text: string }[];
  readonly openedBy: string;
  readonly openedAt: string;
  readonly updatedAt: string;
  readonly endedAt?: string;
  readonly mergedBy?: string;
  readonly mergeCommit?: string;
  /** Of each name the last. */
  readonly checks?: readonly CheckRecord[];
}

type CheckRecord = Omit<SetCheck, 'at'> & { readonly at: string };

/** The checks with this one in place of the one before it; undefined where it says nothing else. */
export function withCheck(
  checks: readonly CheckRecord[],
  check: Check,
  o: Act,
): readonly CheckRecord[] | undefined {
  const known = checks.find(({ name }) => name === check.name);
  if (known && checkDigest({ ...known, annotations: [known.annotations] }) === checkDigest(check))
    return undefined;
  const made = { ...check, annotations: check.annotations.flat(), by: o.by, at: o.now.toISOString() };
  return [...checks.filter(({ name }) => name !== check.name), made];
}

/** What an open pull request says after a proposal; what others added to it before stays. */
export function proposal(
  known: PullRecord | undefined,
  draft: Draft,
  o: { number: number; base: string; head: string; by: string; now: Date },
): PullRecord {
  const at = o.now.toISOString();
  const { branch, title, body, trailers } = draft;
  const facts = { branch, title, body, labels: draft.labels ?? [], trailers, base: o.base, head: o.head };
  const before = known ?? { approvals: [], comments: [], openedBy: o.by, openedAt: at };
  return { ...before, number: o.number, ...facts, state: 'open', proposed: o.head, updatedAt: at };
}

/** As flows see it: `head` is where the branch is now, while it is open. */
export function asPullRequest(record: PullRecord, branchHead: string | undefined): PullRequest {
  const { endedAt, state } = record;
  const { number, branch, title, body, labels, trailers, base, openedBy } = record;
  return {
    ...{ number, branch, title, body, labels, trailers, state, base, openedBy },
    head: state === 'open' ? (branchHead ?? record.head) : record.head,
    proposed: record.proposed,
    approvals: record.approvals.map((a) => ({ ...a, at: new Date(a.at) })),
    comments: record.comments.map((c) => ({ ...c, at: new Date(c.at) })),
    openedAt: new Date(record.openedAt),
    updatedAt: new Date(record.updatedAt),
    ...(state === 'closed' && endedAt ? { closedAt: new Date(endedAt) } : {}),
    ...(state === 'merged' && endedAt ? { mergedAt: new Date(endedAt) } : {}),
    ...(record.mergedBy === undefined ? {} : { mergedBy: record.mergedBy }),
    ...(record.mergeCommit === undefined ? {} : { mergeCommit: record.mergeCommit }),
    ...(record.checks === undefined
      ? {}
      : { checks: record.checks.map((check) => ({ ...check, at: new Date(check.at) })) }),
  };
}

/** The branch of a pull request that ends, if it is still there. */
export function deletion(record: PullRecord, branchHead: string | undefined): RefUpdate[] {
  return branchHead === undefined
    ? []
    : [{ ref: `refs/heads/${record.branch}`, from: branchHead, to: undefined }];
}

export function remark(o: Act, text: string): PullRecord['comments'][number] {
  return { by: o.by, at: o.now.toISOString(), text };
}

/** Comments are appended, and edited in their place: which one it is, is its number. */
export function saidOn({ number, comments }: PullRecord): Said[] {
  return comments.map(({ by, at, text }, i) => ({
    ...{ id: `${number}-${i + 1}`, on: number, by, owner: by, at: new Date(at), text },
    ...{ isEdited: false, isBot: false, isStranger: false, key: commentKey(text) },
  }));
}
