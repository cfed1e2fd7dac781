import { Fault } from '../base/fault.ts';
import { type Marker, withoutMarker } from '../report/marker.ts';
import { checkDraft, commitMessage, type Draft, type Proposed, type ProposeOptions } from './forge.ts';
import {
  EDITED_LABEL,
  EDITED_WHY,
  keptRewrites,
  MOST_ASKED_FOR,
  MOST_REWRITES,
  planDigest,
  REWRITES_MS,
  restsUntil,
  STOP_LABEL,
  thawsAt,
} from './fresh.ts';

import { ApiRefusal, Unclear } from './github-api.ts';
import { readBranchRef, type Writer, type Written } from './github-commit.ts';
import { addLabels, mentionOnce } from './github-notes.ts';
import { type ApiPull, type ApiUser, bodyWith, idOf, isFork, markerOf, rewritesOf } from './github-pull.ts';
import { type Github, listPulls, readApprovals, readPull } from './github-reads.ts';
import { conflictsOf } from './merge.ts';
import { writeTree } from './objects.ts';
import { isAncestor, readCommit, readRefs } from './refs.ts';

const MAIN = 'refs/remotes/origin/main';

export interface Proposing extends Github {
  readonly writer: Writer;
  readonly isOwn: (user: ApiUser | null) => Promise<boolean>;
  /** Open pull requests as they were when this run first asked. */
  readonly open: () => Promise<readonly ApiPull[]>;
}

interface Work extends Written {
  readonly digest: string;
  readonly o: ProposeOptions;
}

/** One intent, one pull request, written to only when the plan changed (GITHUB 1.3). */
export async function proposeOnGithub(github: Proposing, draft: Draft, o: ProposeOptions): Promise<Proposed> {
  checkDraft(draft);
  const { git } = github.clone;
  const main = (await readRefs(git, [MAIN])).get(MAIN) ?? (await github.clone.main());
  if (!(await github.clone.has(draft.base)) || !(await isAncestor(git, draft.base, main))) {
    throw refused(`the base ${draft.base.slice(0, 12)} is not on main`, 'Plan again from the tip of main.');
  }
  const { base } = draft;
  const tree = await writeTree(git, base, draft.files);
  const work = { draft, base, tree, o, digest: await planDigest(git, base, draft) };
  const known = (await github.open()).find((p) => p.head.ref === draft.branch && !isFork(p));
  if (!known) return first(github, work);
  const marker = markerOf(known);
  const same = marker?.plan === work.digest && !o.rebuild;
  if (same && (marker.base === base || (await merges(github, known, main)))) {
    return { number: known.number, outcome: 'unchanged' };
  }
  const isTheBots = marker?.head === known.head.sha && known.base.ref === 'main' && !o.rebuild && !o.asked;
  if (isTheBots && (await merges(github, known, main))) {
    const frozen = await frozenBy(github, work, known); // nothing is written: what was listed is good enough
    if (frozen && (await github.isOwn(known.user))) return frozen;
  }
  const now = await readPull(github, known.number); // what was listed may be minutes old
  return now.state === 'open' ? refresh(github, work, now, main) : first(github, work);
}

async function refresh(github: Proposing, work: Work, pull: ApiPull, main: string): Promise<Proposed> {
  const { draft, o, digest, base, tree } = work;
  const { number } = pull;
  const marker = markerOf(pull);
  if (!marker || !(await github.isOwn(pull.user))) throw foreign(`#${number} (${draft.branch})`);
  if (pull.base.ref !== 'main') throw turned(number);
  const edited = marker.head !== pull.head.sha;
  if (!o.rebuild) {
    const goes = await merges(github, pull, main);
    if (marker.plan === digest && goes) return { number, outcome: 'unchanged' };
    if (!o.asked && pull.labels.some(({ name }) => name === STOP_LABEL)) {
      return { number, outcome: 'frozen', why: `it has the label ${STOP_LABEL}` };
    }
    if (edited && !(await saysTheSame(github, work, pull))) return stopAtEdits(github, pull);
    const frozen = goes && !o.asked && (await frozenBy(github, work, pull));
    if (frozen) return frozen;
  }
  if ((await readCommit(github.clone.git, base)).tree === tree) throw nothing(draft.branch);
  const writes = keptRewrites(rewritesOf(pull), o.now);
  const ofHour = writes.filter((at) => Math.abs(o.now.getTime() - at.getTime()) < REWRITES_MS).length;
  if (ofHour >= (o.rebuild || o.asked ? MOST_ASKED_FOR : MOST_REWRITES)) {
    throw refused(
      `#${number} was rewritten ${ofHour} times within an hour; the bot stops here`,
      'Find out what makes its plan change, then run it again in an hour.',
    );
  }
  const same = edited && (await saysTheSame(github, work, pull)); // another run was first, with the same plan
  const head = same ? pull.head.sha : await github.writer.commit(work, o.now);
  if (!same && !(await github.writer.move(draft.branch, pull.head.sha, head))) throw moved(number);
  const body = bodyWith(draft.body, markerFor(work, head), [...writes, o.now], pull.body);
  const { api, slug } = github;
  const after: ApiPull = await api.ask((k) =>
    k.rest.pulls.update({ ...slug, pull_number: number, title: draft.title, body }),
  );
  const lacking = (draft.labels ?? []).filter((label) => !pull.labels.some(({ name }) => name === label));
  await addLabels(github, number, lacking);
  if (after.head.sha !== head && (await readPull(github, number)).head.sha !== head) throw moved(number);
  return { number, outcome: 'updated' };
}

/** By an approval, or because it was rewritten on several days: what is newer waits for whoever reads it. */
async function frozenBy(github: Proposing, { draft, o }: Work, pull: ApiPull): Promise<Proposed | undefined> {
  if (!draft.isPlan) return undefined;
  const { number } = pull;
  const rests = restsUntil(rewritesOf(pull), o.now);
  const rest = 'it was rewritten on several days';
  const waits = (why: string, until: Date): Proposed => {
    return { number, outcome: 'frozen', why: `${why}; what is newer comes in after ${until.toISOString()}` };
  };
  if (rests && !saysUrgently(draft, pull.body)) return waits(rest, rests);
  const approvals = await readApprovals(github, number);
  const until = thawsAt({ head: pull.head.sha, approvals }, draft.window);
  return until && until > o.now ? waits('it is approved', until) : undefined;
}

/** Something urgent that the present body does not say. */
function saysUrgently({ urgent = [], body }: Draft, before: string | null): boolean {
  const said = withoutMarker(before ?? '');
  return urgent.some((word) => body.includes(word) && !said.includes(word));
}

/** Of a run that was faster, or that ended before it wrote the marker: the very commit that would be made now. */
async function saysTheSame({ clone }: Github, { tree, base, draft }: Work, pull: ApiPull): Promise<boolean> {
  await clone.heads([{ number: pull.number, head: pull.head.sha }]);
  const head = await readCommit(clone.git, pull.head.sha);
  return head.tree === tree && head.parents.join() === base && sameWords(head.message, draft);
}

/** All but the time, by which runs differ. */
function sameWords(message: string, draft: Draft): boolean {
  const timeless = (text: string) => text.trimEnd().replace(/^Sluice-Now: .*$/m, '');
  return timeless(message) === timeless(commitMessage(draft.title, draft.trailers));
}

/** People's commits are theirs: said once, on the pull request, and the bot keeps off. */
async function stopAtEdits(github: Proposing, { number, labels }: ApiPull): Promise<Proposed> {
  if (!labels.some(({ name }) => name === EDITED_LABEL)) await addLabels(github, number, [EDITED_LABEL]);
  const text =
    'This branch has commits that are not the bot’s, so the bot no longer rewrites it, although its plan has changed since. ' +
    'Merge it as it is, or close it: the next run then proposes the present plan.';
  await mentionOnce(github, number, { key: 'edited', text }, github.isOwn);
  return { number, outcome: 'edited', why: EDITED_WHY };
}

async function merges({ clone }: Github, pull: ApiPull, main: string): Promise<boolean> {
  await clone.heads([{ number: pull.number, head: pull.head.sha }]);
  return (await conflictsOf(clone.git, main, pull.head.sha)).length === 0;
}

async function first(github: Proposing, work: Work): Promise<Proposed> {
  const { draft, base, tree, digest, o } = work;
  const { api, slug, writer } = github;
  if ((await readCommit(github.clone.git, base)).tree === tree) throw nothing(draft.branch);
  const earlier = (await listPulls(github, { branch: draft.branch })).filter((pull) => !isFork(pull));
  const [last] = earlier;
  if (last?.state === 'open') return { number: last.number, outcome: await opened(github, work, last) };
  const there = await readBranchRef(api, slug, draft.branch);
  const closed = last !== undefined && last.merged_at === null && there === last.head.sha;
  if (closed && markerOf(last)?.plan === digest && !o.rebuild) {
    const why = `people closed it; reopen it, or delete its branch to have it proposed anew, or write a hold to say no for good`;
    return { number: last.number, outcome: 'declined', why };
  }
  const left = there === undefined || earlier.some(({ head }) => head.sha === there);
  const ours = !left && (await isOurCommit(github, work, there));
  if (!left && !ours) {
    throw new Fault('FORGE_CONFLICT', `there is a branch ${draft.branch} that the bot did not make`, {
      hint: 'Open a pull request for it, or delete it.',
    });
  }
  const head = ours && there !== undefined ? there : await writer.commit(work, o.now);
  if (head !== there && !(await writer.move(draft.branch, there, head))) throw movedBranch(draft.branch);
  const body = bodyWith(draft.body, markerFor(work, head), []);
  const number = await create(github, draft, body);
  await addLabels(github, number, draft.labels ?? []);
  return { number, outcome: 'opened' };
}

/** A run that ended between its branch and its pull request left it: the same commit again, but for its time. */
async function isOurCommit({ api, slug }: Github, { tree, base, draft }: Work, id: string): Promise<boolean> {
  const commit = await api.ask((k) => k.rest.git.getCommit({ ...slug, commit_sha: id }));
  const parents = commit.parents.map(({ sha }) => sha).join();
  return commit.tree.sha === tree && parents === base && sameWords(commit.message, draft);
}

/** Looked for before it is asked for again: a gateway's 502 may come after the pull request was made. */
async function create(github: Proposing, draft: Draft, body: string): Promise<number> {
  const { api, slug } = github;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { title, branch: head } = draft;
      return (await api.ask((k) => k.rest.pulls.create({ ...slug, title, head, base: 'main', body }))).number;
    } catch (error) {
      const exists =
        error instanceof ApiRefusal && error.status === 422 && /already exists/.test(error.words);
      if (!exists && !(error instanceof Unclear)) throw error;
      const [found] = (await listPulls(github, { state: 'open', branch: draft.branch })).filter(
        (p) => !isFork(p),
      );
      if (found && wordless(found) === wordless({ body })) return found.number;
      if (found) throw moved(found.number);
      if (exists || attempt > 1) throw error;
    }
  }
}

function wordless({ body }: Pick<ApiPull, 'body'>): string {
  return (body ?? '').replaceAll('\r\n', '\n').trimEnd();
}

/** It was opened since this run listed what is open. */
async function opened(github: Proposing, work: Work, pull: ApiPull): Promise<'unchanged'> {
  if (markerOf(pull)?.plan !== work.digest) throw moved(pull.number);
  if (!(await github.isOwn(pull.user))) throw foreign(`#${pull.number}`);
  return 'unchanged';
}

function markerFor({ draft, base, digest }: Work, head: string): Marker {
  return { id: idOf(draft.branch), plan: digest, base, head };
}

function refused(message: string, hint: string): Fault {
  return new Fault('FORGE_REFUSED', message, { hint });
}

function nothing(branch: string): Fault {
  return refused(`${branch} would change nothing`, 'Propose only what differs from main.');
}

function foreign(what: string): Fault {
  return new Fault('FORGE_CONFLICT', `${what} is a pull request that the bot did not open`, {
    hint: 'Close it, or rename its branch.',
  });
}

function turned(number: number): Fault {
  return new Fault('FORGE_CONFLICT', `people turned #${number} to another branch than main`, {
    hint: `Turn it back, or close it and delete its branch.`,
  });
}

function moved(number: number): Fault {
  return new Fault('FORGE_CONFLICT', `#${number} changed while it was written`, { hint: 'Run it again.' });
}

function movedBranch(branch: string): Fault {
  return new Fault('FORGE_CONFLICT', `${branch} changed while it was written`, { hint: 'Run it again.' });
}
