import { type Answer, type Call, notFound, Refusal, text, type World } from './call.ts';
import { readCodeowners } from './codeowners.ts';
import type { BareGit } from './git.ts';
import { signatureOf } from './git-routes.ts';
import { type Actor, type Issue, isPull, type Pull, type State } from './state.ts';

type PullIssue = Issue & { pull: Pull };

/** Works out whether it merges, and keeps the test merge as `refs/pull/N/merge`, as GitHub does. */
export async function mergeability({ git, state }: World, { number, pull }: PullIssue): Promise<boolean> {
  const of = `${pull.headSha} ${pull.baseSha}`;
  if (pull.mergeable?.of === of) return pull.mergeable.value;
  const tree = await git.mergeTree(pull.baseSha, pull.headSha);
  let commit: string | null = null;
  if (tree !== undefined) {
    const web = { name: 'GitHub', email: 'noreply@github.com', date: state.now() };
    const message = `Merge ${pull.headSha} into ${pull.baseSha}`;
    const parents = [pull.baseSha, pull.headSha];
    commit = await git.writeCommit({ tree, parents, author: web, committer: web, message });
    await git.run(['update-ref', `refs/pull/${number}/merge`, commit]);
  }
  pull.mergeable = { of, value: tree !== undefined, commit };
  return tree !== undefined;
}

export async function mergePull(call: Call): Promise<Answer> {
  const { state, git, actor, body } = call;
  const issue = state.issue(Number(call.params['pull_number']));
  if (!issue || !isPull(issue)) throw notFound();
  const { pull } = issue;
  if (issue.state !== 'open' || pull.draft) throw new Refusal(405, 'Pull Request is not mergeable');
  const sha = text(body['sha']);
  if (sha !== undefined && sha !== pull.headSha) {
    // rest/pulls, `sha`: "SHA that pull request head must match to allow merge"
    throw new Refusal(409, 'Head branch was modified. Review and try the merge again.');
  }
  const method = text(body['merge_method']) ?? 'merge';
  if (!state.settings.mergeMethods.some((allowed) => allowed === method)) {
    throw new Refusal(405, `${method} merges are not allowed on this repository.`);
  }
  const { rules } = state.settings;
  if (pull.base === 'main' && rules?.methods && !rules.methods.includes(method)) {
    violates(`${method} merges are not allowed on this branch.`);
  }
  if (!(await mergeability(call, issue))) throw new Refusal(405, 'Pull Request is not mergeable');
  await checkRules(call, issue);
  const commit = await writeMerge(call, issue, method);
  if (!(await git.setRef(`refs/heads/${pull.base}`, commit, pull.baseSha))) {
    throw new Refusal(405, 'Base branch was modified. Review and try the merge again.');
  }
  state.verified.add(commit); // made and signed by GitHub's web flow
  state.close(issue, actor);
  Object.assign(pull, { mergedAt: state.now(), mergedBy: actor, mergeCommit: commit });
  state.happened({ name: 'pull_request', action: 'closed', actor, number: issue.number });
  if (state.settings.deleteBranchOnMerge)
    await git.setRef(`refs/heads/${pull.branch}`, undefined, pull.headSha);
  await call.settle(actor);
  return { status: 200, body: { sha: commit, merged: true, message: 'Pull Request successfully merged' } };
}

async function writeMerge(
  { state, git, actor, body }: Call,
  issue: PullIssue,
  method: string,
): Promise<string> {
  const { pull, number, title } = issue;
  const tree = await git.mergeTree(pull.baseSha, pull.headSha);
  if (tree === undefined) throw new Refusal(405, 'Pull Request is not mergeable');
  const squash = method === 'squash';
  const from = `Merge pull request #${number} from ${state.owner}/${pull.branch}`;
  const subject = text(body['commit_title']) ?? (squash ? `${title} (#${number})` : from);
  const words = text(body['commit_message']) ?? (squash ? '' : title);
  return git.writeCommit({
    tree,
    parents: squash ? [pull.baseSha] : [pull.baseSha, pull.headSha],
    author: signatureOf(actor, state.now()),
    committer: { name: 'GitHub', email: 'noreply@github.com', date: state.now() },
    message: words === '' ? subject : `${subject}\n\n${words}`,
  });
}

/** "Available rules for rulesets"; the words are those of the merge API's 405. */
export async function checkRules({ state, git }: World, { number, pull, by }: PullIssue): Promise<void> {
  const { rules } = state.settings;
  if (!rules || pull.base !== 'main') return;
  const latest = new Map<string, string>();
  for (const review of state.reviews) {
    if (review.pull !== number || review.state === 'COMMENTED') continue;
    latest.set(review.by.login, review.state);
  }
  const approvals = [...latest].filter(
    ([login, is]) => is === 'APPROVED' && mayWrite(state, state.actor(login)),
  );
  if ([...latest.values()].includes('CHANGES_REQUESTED')) violates('Changes have been requested.');
  if (approvals.filter(([login]) => login !== by.login).length < rules.approvals) {
    violates(`At least ${rules.approvals} approving review is required by reviewers with write access.`);
  }
  const yes = approvals.map(([login]) => login).filter((login) => login !== by.login);
  if (rules.codeOwners !== false) {
    const files = await changedFiles(git, pull);
    const owners = await readCodeowners(git, pull.baseSha, state.settings.teams);
    const lacking = files.find((file) => {
      const of = owners(file);
      return of.length > 0 && !of.some((login) => yes.includes(login));
    });
    if (lacking !== undefined) violates('Waiting on code owner review.');
  }
  if (rules.lastPush && !yes.some((login) => login !== pull.pushedBy.login)) {
    violates('New changes require approval from someone other than the last pusher.');
  }
  for (const check of rules.checks) {
    const is = checkAt(state, pull.headSha, check);
    if (is !== 'green') violates(`Required status check "${check.context}" is ${is}.`);
  }
  if (rules.upToDate && !(await git.isAncestor(pull.baseSha, pull.headSha))) {
    violates('Head branch is out of date. Review and try the merge again.');
  }
}

/** Whether all checks that main requires are there, and good. */
export function isGreen(state: State, sha: string): boolean {
  const checks = state.settings.rules?.checks ?? [];
  return checks.every((check) => checkAt(state, sha, check) === 'green');
}

function checkAt(
  state: State,
  sha: string,
  { context, appId }: { context: string; appId?: number },
): 'green' | 'failing' | 'expected' {
  const run = state.checks.findLast(
    (check) => check.sha === sha && check.name === context && (appId ?? appOf(check.by)) === appOf(check.by),
  );
  const status = state.statuses.findLast((s) => s.sha === sha && s.context === context);
  const good = ['success', 'neutral', 'skipped'].includes(run?.conclusion ?? '');
  if (good || (appId === undefined && status?.state === 'success')) return 'green';
  return run || status ? 'failing' : 'expected';
}

async function changedFiles(git: BareGit, { baseSha, headSha }: Pull): Promise<string[]> {
  const base = (await git.mergeBase(baseSha, headSha)) ?? baseSha;
  return (await git.changes(base, headSha)).map(({ filename }) => filename);
}

/** Of `mergeable_state`: "blocked" where it would be refused. */
export async function keepsRules(world: World, issue: PullIssue): Promise<boolean> {
  try {
    await checkRules(world, issue);
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return false;
  }
}

function violates(rule: string): never {
  throw new Refusal(405, `Repository rule violations found\n\n${rule}\n\n`);
}

export function appOf({ kind }: Actor): number | undefined {
  return { app: 1, actions: 15368, user: undefined }[kind];
}

export function mayWrite(state: { settings: { access: Record<string, string> } }, actor: Actor): boolean {
  return actor.kind !== 'user' || ['admin', 'write'].includes(state.settings.access[actor.login] ?? 'read');
}
