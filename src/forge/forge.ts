import { Fault, malformed, quote } from '../base/fault.ts';
import type { Window } from '../manifest/window.ts';
import type { ForgeWords } from '../report/acting.ts';
import { plain } from '../report/safe.ts';
import type { Check, SetCheck } from './check.ts';

/** What a flow wants reviewed: one intent, one branch, one commit on `base`. */
export interface Draft {
  /** `sluice/<verb>/…`; see `branchName`. */
  readonly branch: string;
  /** The commit of main that the plan was made from. */
  readonly base: string;
  readonly title: string;
  readonly body: string;
  /** Paths from the root of the repository; `null` deletes. */
  readonly files: ReadonlyMap<string, string | null>;
  readonly trailers: readonly (readonly [string, string])[];
  readonly labels?: readonly string[];
  /** What the files and the trailers say is all that matters: an equal plan in other words is no reason to write. */
  readonly isPlan?: boolean;
  /** What must not wait for its readers to come to rest: words of the body, such as ids of advisories. */
  readonly urgent?: readonly string[];
  /** When what it changes may move: an approval is not taken away before the next one opens (`thawsAt`). */
  readonly window?: Window;
}

export type PullState = 'open' | 'merged' | 'closed';

export interface Approval {
  readonly by: string;
  readonly at: Date;
  /** What was looked at: an approval of another head than the present one is stale. */
  readonly head: string;
}

export interface Comment {
  readonly by: string;
  readonly at: Date;
  readonly text: string;
}

export interface PullRequest {
  readonly number: number;
  readonly branch: string;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly trailers: readonly (readonly [string, string])[];
  readonly state: PullState;
  readonly base: string;
  /** The branch as it is now, while it is open; what was merged or closed, after that. */
  readonly head: string;
  /** The head that a bot proposed last; absent where a person opened it. Another `head`: people changed it. */
  readonly proposed: string | undefined;
  readonly approvals: readonly Approval[];
  readonly comments: readonly Comment[];
  readonly openedBy: string;
  readonly openedAt: Date;
  readonly updatedAt: Date;
  readonly closedAt?: Date;
  readonly mergedAt?: Date;
  readonly mergedBy?: string;
  readonly mergeCommit?: string;
  /** Its head is in somebody else's copy of the repository: nobody there was ever let in here. */
  readonly fromFork?: boolean;
  /** Of the local forge, which has no other page for them; of its head and of earlier ones. */
  readonly checks?: readonly SetCheck[];
}

export interface Proposed {
  readonly number: number;
  /**
   * `frozen`: approved, told to stay as it is, or left to its readers after rewrites on several days (but for a severe fix that is new). `declined`: people closed the same plan. `edited`: people have commits on it, and the
   * plan has changed since. None of the three is what was asked for, and none was rewritten.
   */
  readonly outcome: 'opened' | 'updated' | 'unchanged' | 'frozen' | 'declined' | 'edited';
  /** Of the last three, for people. */
  readonly why?: string;
}

/** A branch that a person pushed. */
export interface Opening extends Act {
  readonly branch: string;
  readonly title: string;
  readonly body?: string;
  readonly labels?: readonly string[];
}

/** `key`: there is one comment of it, which is edited. */
export interface Remark extends Act {
  readonly text: string;
  readonly key?: string;
}

/** Who does it (`Anna <anna@example.org>` or a bare name), and when. */
export interface Act {
  readonly by: string;
  readonly now: Date;
}

export interface ProposeOptions {
  readonly now: Date;
  readonly by?: string;
  /** Somebody asked for it: what people changed on the branch is discarded, no approval holds it. */
  readonly rebuild?: boolean;
  /** Somebody asked for just this: no approval holds it; what people changed on the branch stays. */
  readonly asked?: boolean;
}

/** What stands below a pull request or an issue. */
export interface Said {
  /** Tells it from all others; part of the key of its answer. */
  readonly id: string;
  /** The pull request's or the number. */
  readonly on: number;
  readonly by: string;
  /** How a policy names who wrote it: `@anna`. */
  readonly owner: string;
  readonly at: Date;
  readonly text: string;
  /** Whoever may write to a repository can edit what others said there. */
  readonly isEdited: boolean;
  readonly isBot: boolean;
  /** Of a comment of ours. */
  readonly key: string | undefined;
  /** The code host says by itself that it is nobody of the project. */
  readonly isStranger: boolean;
}

/** `mine`: do it. `taken`: another run does, or did until a short while ago. `ended`: it was begun too often. */
export type Taken = 'mine' | 'taken' | 'ended';

/** The one issue that people look at instead of asking. */
export interface Board {
  readonly number: number;
  readonly body: string;
}

export interface BoardSet {
  readonly number: number;
  readonly outcome: 'opened' | 'updated' | 'unchanged';
}

/** Pull requests, with what is known of them only by asking for each. */
export interface Standing {
  readonly open: readonly {
    readonly pull: PullRequest;
    /** Files that do not merge into main. */
    readonly conflicts: readonly string[];
  }[];
  /** People closed them, and the branch is still there: their plan is not proposed again. */
  readonly declined: readonly PullRequest[];
}

export interface Withdrawal extends Act {
  readonly comment: string;
  readonly window?: Window;
}

/** All that a flow needs of a code host. Doing a thing twice is harmless. */
export interface Forge {
  /** What it does with a text besides showing it. */
  readonly words: ForgeWords;
  /** The commit that main points at. */
  tip(): Promise<string>;
  /**
   * One open pull request per branch. A second run with the same facts writes nothing; the trailer `Sluice-Now` is not
   * a fact (a plan that comes out the same keeps the time it was first made with).
   */
  propose(draft: Draft, o: ProposeOptions): Promise<Proposed>;
  /** A pull request for a branch that a person pushed. */
  open(o: Opening): Promise<Proposed>;
  /**
   * Closes what a bot has open on this branch, because nothing is left of its plan; its number. What people changed stays, and what
   * they approved of, as long as an approval freezes it (`window`: as in a draft).
   */
  withdraw(branch: string, o: Withdrawal): Promise<number | undefined>;
  /** By number, the newest first. Approvals and comments may be left out: `get` has them. */
  list(o?: { readonly state?: PullState }): Promise<PullRequest[]>;
  get(number: number): Promise<PullRequest>;
  approve(number: number, o: Act): Promise<void>;
  close(number: number, o: Act & { readonly comment?: string }): Promise<void>;
  comment(number: number, o: Remark): Promise<void>;
  /** What a check says of a head of this pull request. False: it said just that already, and nothing was written. */
  setCheck(number: number, check: Check, o: Act): Promise<boolean>;
  /** The tree that a merge would give now; FORGE_CONFLICT names the files that do not merge. */
  preview(number: number): Promise<{ readonly tip: string; readonly head: string; readonly tree: string }>;
  /** Whether rules that only the code host knows keep it from being merged now, or it cannot say yet. */
  isBlocked(number: number): Promise<boolean>;
  /** The merge commit. With `head` or `tip`: only if they are still what was checked. */
  merge(number: number, o: Act & { readonly head?: string; readonly tip?: string }): Promise<string>;
  /** As a unified diff from where it left main. */
  diff(number: number): Promise<string>;
  standing(): Promise<Standing>;
  /** Everything that was written or edited since then, below whatever; the oldest first. */
  saidSince(since: Date): Promise<Said[]>;
  mayWrite(who: string): Promise<boolean>;
  /** Of runs that come upon the same comment one does what it says. */
  takeUp(said: Said, o: { readonly now: Date }): Promise<Taken>;
  /** Takes the tick out of boxes in a body of ours; those that have none stay as they are. */
  untick(number: number, o: Act & { readonly boxes: readonly string[] }): Promise<void>;
  /** Undefined: there is none yet, or the forge has no issues. */
  board(): Promise<Board | undefined>;
  /** Writes where something is other. Undefined: the forge has no issues. */
  setBoard(o: Act & { readonly title: string; readonly body: string }): Promise<BoardSet | undefined>;
}

/** Trailers that say when, not what: another value alone is no reason to touch a pull request. */
export const TIME_TRAILERS: ReadonlySet<string> = new Set(['Sluice-Now']);

/** Which upstream states a plan stood on: others that lead to the same plan are no news. */
const STANDS_ON: ReadonlySet<string> = new Set(['Sluice-Catalog']);

/** The trailers that tell one proposal from another. */
export function factTrailers({ trailers, isPlan }: Pick<Draft, 'trailers' | 'isPlan'>): Draft['trailers'] {
  return trailers.filter(([key]) => !TIME_TRAILERS.has(key) && !(isPlan && STANDS_ON.has(key)));
}

export const BOT = 'sluice <sluice@localhost>';

/** True when an approval is of the head that stands there now. */
export function isCurrent(pull: Pick<PullRequest, 'head'>, approval: Approval): boolean {
  return approval.head === pull.head;
}

/** `sluice/<part>/<part>…`, each part made of what git and every code host takes in a branch. */
export function branchName(...parts: readonly string[]): string {
  const slug = (part: string): string =>
    part
      .replace(/[^A-Za-z0-9._+-]+/g, '-')
      .replace(/\.{2,}/g, '.')
      .replace(/^[.-]+|(?:[.-]|\.lock)+$/g, '')
      .slice(0, 80)
      .replace(/(?:[.-]|\.lock)+$/, '') || 'x';
  return checkBranch(['sluice', ...parts.map(slug)].join('/'));
}

const SEGMENT = /^[A-Za-z0-9_+][A-Za-z0-9._+-]*$/;

/** git's check-ref-format and a shorter alphabet; returns the branch. */
export function checkBranch(branch: string): string {
  const good = branch
    .split('/')
    .every((s) => SEGMENT.test(s) && !s.includes('..') && !s.endsWith('.') && !s.endsWith('.lock'));
  if (!good || branch.length > 240) throw malformed('branch', branch);
  return branch;
}

// C0, C1, zero-width, line separators, bidi controls, and the tag block: nothing that a reviewer cannot see
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u;
// What code hosts obey in a commit message or a title
const ORDERS =
  /\[\s*(?:skip|no|ci|actions)[\s-]+(?:skip|ci|actions)\s*\]|^\s*skip-checks\s*:|\*\*\*NO_CI\*\*\*/i;

/** A line that people read and that code hosts may obey: a title, the value of a trailer. */
export function checkLine(what: string, text: string, at?: string, most = 300): string {
  checkVisible(what, text, at, most);
  if (ORDERS.test(text)) {
    throw new Fault('MALFORMED', `${what} ${quote(text)} would tell a code host to skip its checks`, {
      hint: 'Word it otherwise.',
      at,
    });
  }
  return text;
}

/** The first line of a merge's message: titles are people's, or a stranger's, and none of them switches off what main starts. */
export function mergeTitle(number: number, title: string): string {
  const line = plain(title, 240);
  return `Merge #${number}: ${ORDERS.test(line) ? line.replace(/[[\]*]/g, '') : line}`;
}

/** A line that people read, and nobody obeys: the title of a check, which may quote what somebody wrote. */
export function checkVisible(what: string, text: string, at?: string, most = 300): string {
  const empty = text.trim() !== text || text === '';
  if (!empty && text.length <= most && !UNSEEN.test(text) && text.isWellFormed()) return text;
  throw malformed(`${what} (one visible line of at most ${most} characters)`, text, at);
}

/** A fault unless every part may be written to git as it is. */
export function checkDraft(draft: Draft): void {
  checkBranch(draft.branch);
  if (!draft.branch.startsWith('sluice/')) throw malformed('branch of a bot (sluice/…)', draft.branch);
  checkLine('title', draft.title);
  checkTrailers(draft.trailers);
  for (const label of draft.labels ?? []) checkLine('label', label);
  if (!draft.body.isWellFormed() || draft.body.includes('\0')) throw malformed('body', draft.body);
}

/** A baseline of some ten thousand builds, as JSON: what a check needs to make the plan again. */
const LONG: ReadonlyMap<string, number> = new Map([
  ['Sluice-Fill', 1 << 20],
  ['Sluice-Import', 1 << 20],
]);

export function checkTrailers(trailers: readonly (readonly [string, string])[]): void {
  for (const [key, value] of trailers) {
    if (!/^[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)+$/.test(key)) throw malformed('trailer', key);
    checkLine(`value of ${key}`, value, undefined, LONG.get(key));
  }
}

/** Title, an empty line, trailers: nothing in between, so that no text can pass for a trailer. */
export function commitMessage(title: string, trailers: readonly (readonly [string, string])[]): string {
  const lines = trailers.map(([key, value]) => `${key}: ${value}\n`).join('');
  return lines === '' ? `${title}\n` : `${title}\n\n${lines}`;
}
