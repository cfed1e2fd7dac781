import type { PullRequest, Standing } from './forge.ts';
import { type ApiPull, asPull, isFork, markerOf, NO_PLAN } from './github-pull.ts';
import { claimOf, type Github, listed, readApprovals } from './github-reads.ts';
import { conflictsOf } from './merge.ts';

/** Of those that were closed last so many are looked at: what was declined long ago people know. */
const MOST_CLOSED = 50;

/** Two requests, and one for each that is open; git says what merges. */
export async function readStanding(github: Github, open: readonly ApiPull[]): Promise<Standing> {
  const { clone } = github;
  const main = await clone.main();
  const known = await listed(github, open);
  const standing: Standing['open'][number][] = [];
  for (const pull of known) {
    const approvals = pull.fromFork ? [] : await readApprovals(github, pull.number);
    const conflicts = pull.fromFork ? [] : await conflictsOf(clone.git, main, pull.head);
    standing.push({ pull: { ...pull, approvals }, conflicts });
  }
  const ours = new Set(known.flatMap(({ branch, fromFork }) => (fromFork ? [] : branch)));
  return { open: standing, declined: await declined(github, ours) };
}

/** The newest of its branch, closed by people: the bot takes the plan out of what it closes itself. */
async function declined(github: Github, open: ReadonlySet<string>): Promise<PullRequest[]> {
  const { api, slug, clone } = github;
  const query = { ...slug, state: 'closed', base: 'main', sort: 'updated', direction: 'desc' } as const;
  const closed: ApiPull[] = await api.ask((k) => k.rest.pulls.list({ ...query, per_page: MOST_CLOSED }));
  const ours = closed.filter((pull) => !isFork(pull) && pull.head.ref.startsWith('sluice/'));
  const newest = new Map<string, ApiPull>();
  for (const pull of ours.sort((a, b) => a.number - b.number)) newest.set(pull.head.ref, pull);
  const candidates = [...newest.values()].filter((pull) => {
    const plan = markerOf(pull)?.plan;
    return pull.merged_at === null && !open.has(pull.head.ref) && plan !== undefined && plan !== NO_PLAN;
  });
  if (candidates.length === 0) return [];
  const branches = await clone.branches('sluice/');
  const found: PullRequest[] = [];
  for (const pull of candidates) {
    if (branches.get(pull.head.ref) !== pull.head.sha) continue;
    await clone.heads([{ number: pull.number, head: pull.head.sha }]);
    found.push(asPull(pull, await claimOf(github, pull)));
  }
  return found.sort((a, b) => b.number - a.number);
}
