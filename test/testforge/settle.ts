import type { World } from './call.ts';
import type { Actor, State } from './state.ts';

/** What GitHub does after refs changed, whoever changed them and whichever way. */
export function settler(world: Omit<World, 'settle'>): (by: Actor) => Promise<void> {
  let known = new Map<string, string>();
  return async (by) => {
    const { state, git } = world;
    const now = new Map((await git.refs('refs/heads/')).map(({ ref, sha }) => [ref, sha]));
    for (const ref of new Set([...known.keys(), ...now.keys()])) {
      const sha = now.get(ref);
      if (sha === known.get(ref)) continue;
      const action = sha === undefined ? 'deleted' : known.has(ref) ? 'updated' : 'created';
      const before = known.get(ref);
      state.pushers.set(ref, by);
      state.happened({
        ...{ name: 'push', action, actor: by, ref },
        ...(sha === undefined ? {} : { sha }),
        ...(before === undefined ? {} : { before }),
      });
    }
    known = now;
    for (const issue of state.openPulls) {
      const { pull, number } = issue;
      const head = now.get(`refs/heads/${pull.branch}`);
      const base = now.get(`refs/heads/${pull.base}`);
      if (head === undefined) {
        // "Deleting a branch that has open pull requests closes them"
        state.close(issue, by);
        state.happened({ name: 'pull_request', action: 'closed', actor: by, number });
        continue;
      }
      if (head !== pull.headSha) {
        pull.headSha = head;
        pull.pushedBy = by;
        await git.run(['update-ref', `refs/pull/${number}/head`, head]);
        dismissStale(state, number);
        state.touch(issue);
        state.happened({ name: 'pull_request', action: 'synchronize', actor: by, number, sha: head });
      }
      if (base !== undefined && base !== pull.baseSha) {
        // "About pull request merges", indirect merges: its commits reached the base otherwise
        if (await git.isAncestor(head, base)) {
          state.close(issue, by);
          Object.assign(pull, { mergedAt: state.now(), mergedBy: by, mergeCommit: base });
          state.happened({ name: 'pull_request', action: 'closed', actor: by, number });
        } else {
          pull.baseSha = base;
        }
      }
    }
  };
}

/** "Dismiss stale pull request approvals when new commits are pushed". */
function dismissStale(state: State, number: number): void {
  if (!state.settings.rules?.dismissStale) return;
  for (const review of state.reviews) {
    if (review.pull === number && review.state === 'APPROVED') review.state = 'DISMISSED';
  }
}
