import type { Withdrawal } from './forge.ts';
import { STOP_LABEL, thawsAt } from './fresh.ts';
import type { Proposing } from './github-propose.ts';
import { type ApiPull, markerOf } from './github-pull.ts';
import { readApprovals } from './github-reads.ts';
import { mergeCommits } from './merge.ts';
import { readCommit } from './refs.ts';

/** Whether it is the bot's to close: nobody else opened or changed it, told the bot to keep off, or approved of what it still brings. */
export async function mayWithdraw(
  github: Proposing,
  pull: ApiPull,
  o: Pick<Withdrawal, 'now' | 'window'>,
): Promise<boolean> {
  const { state, base, head } = pull;
  if (state !== 'open' || base.ref !== 'main' || markerOf(pull)?.head !== head.sha) return false;
  if (pull.labels.some(({ name }) => name === STOP_LABEL) || !(await github.isOwn(pull.user))) return false;
  const approvals = await readApprovals(github, pull.number);
  const until = thawsAt({ head: head.sha, approvals }, o.window);
  return until === undefined || until <= o.now || !(await brings(github, pull));
}

/** Merged now, it would change something. */
async function brings({ clone }: Proposing, pull: ApiPull): Promise<boolean> {
  const main = await clone.main();
  await clone.heads([{ number: pull.number, head: pull.head.sha }]);
  const { tree, conflicts } = await mergeCommits(clone.git, main, pull.head.sha);
  return conflicts.length === 0 && tree !== (await readCommit(clone.git, main)).tree;
}
