import type { World } from './call.ts';
import { checkRules, isGreen } from './merging.ts';
import { type Actor, type Issue, isPull, type Pull } from './state.ts';

interface Entry {
  readonly issue: Issue & { pull: Pull };
  readonly ref: string;
  readonly sha: string;
}

/**
 * "Managing a merge queue": each entry of a group is a merge on the one before it, on a branch of its own, and the required checks
 * of each decide; main then is the last one that is green, and what comes after a red one is put on main anew. `settle` runs the
 * workflows that listen to `merge_group`. Answers the numbers that were thrown out.
 */
export async function mergeTogether(
  world: World,
  numbers: readonly number[],
  by: Actor,
  settle: () => Promise<unknown>,
): Promise<number[]> {
  const { state, git } = world;
  const base = (await git.ref('refs/heads/main')) ?? '';
  const entries: Entry[] = [];
  for (const number of numbers) {
    const issue = state.issue(number);
    if (!issue || !isPull(issue)) throw new Error(`no pull request ${number}`);
    await checkRules(world, issue);
    entries.push(await enter(world, issue, entries.at(-1)?.sha ?? base));
  }
  await settle();
  const red = entries.findIndex(({ sha }) => !isGreen(state, sha));
  const green = red < 0 ? entries : entries.slice(0, red);
  const tip = green.at(-1)?.sha;
  for (const { ref, sha } of entries) await git.setRef(ref, undefined, sha);
  if (tip !== undefined) {
    await git.setRef('refs/heads/main', tip, base);
    for (const { issue, sha } of green) {
      state.close(issue, by);
      Object.assign(issue.pull, { mergedAt: state.now(), mergedBy: by, mergeCommit: sha });
      state.happened({ name: 'pull_request', action: 'closed', actor: by, number: issue.number });
      state.verified.add(sha);
    }
  }
  await world.settle(by);
  if (red < 0) return [];
  const [out, ...rest] = entries.slice(red).map(({ issue }) => issue.number);
  const more = rest.length > 0 ? await mergeTogether(world, rest, by, settle) : [];
  return [out as number, ...more];
}

async function enter({ state, git }: World, issue: Issue & { pull: Pull }, on: string): Promise<Entry> {
  const { pull, number, title } = issue;
  const tree = await git.mergeTree(on, pull.headSha);
  if (tree === undefined) throw new Error(`pull request ${number} does not merge`);
  const web = { name: 'GitHub', email: 'noreply@github.com', date: state.now() };
  const message = `Merge pull request #${number} from ${state.owner}/${pull.branch}\n\n${title}`;
  const sha = await git.writeCommit({
    tree,
    parents: [on, pull.headSha],
    author: web,
    committer: web,
    message,
  });
  const ref = `refs/heads/gh-readonly-queue/${pull.base}/pr-${number}-${on}`;
  await git.setRef(ref, sha);
  const actor = state.actor('github-merge-queue[bot]');
  state.happened({ name: 'merge_group', action: 'checks_requested', actor, ref, sha, before: on });
  return { issue, ref, sha };
}
