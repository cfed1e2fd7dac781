import {
  type Answer,
  type Call,
  checkBody,
  checkTitle,
  invalid,
  notFound,
  Refusal,
  type Routes,
  strings,
  text,
} from './call.ts';
import type { FileChange } from './git.ts';
import { keepsRules, mergeability, mergePull } from './merging.ts';
import { type Issue, isPull, type Pull, type Review } from './state.ts';

export const PULL_ROUTES: Routes = {
  'pulls/list': { needs: ['pull_requests:read'], run: list },
  'pulls/create': { needs: ['pull_requests:write'], content: true, run: create },
  'pulls/get': {
    needs: ['pull_requests:read'],
    async run(call) {
      const issue = pullOf(call);
      const body = await call.json.pull(issue);
      await mergeability(call, issue); // rest/pulls: the first read starts the computation and says null
      const blocked = body.mergeable_state === 'clean' && !(await keepsRules(call, issue));
      return { status: 200, body: blocked ? { ...body, mergeable_state: 'blocked' } : body };
    },
  },
  'pulls/update': { needs: ['pull_requests:write'], content: true, run: update },
  'pulls/merge': { needs: ['contents:write'], run: mergePull },
  'pulls/list-commits': {
    needs: ['pull_requests:read'],
    async run(call) {
      const { pull } = pullOf(call);
      const commits = await call.git.log(pull.headSha, pull.baseSha); // "a maximum of 250 commits"
      return { status: 200, list: commits.reverse().map((commit) => call.json.commit(commit)) };
    },
  },
  'pulls/list-files': {
    needs: ['pull_requests:read'],
    async run(call) {
      const { git, json } = call;
      const { pull } = pullOf(call);
      const base = (await git.mergeBase(pull.baseSha, pull.headSha)) ?? pull.baseSha;
      const changes = (await git.changes(base, pull.headSha)).slice(0, 3000); // "a maximum of 3000 files"
      const each = async (change: FileChange) =>
        json.file(change, await git.patch(base, pull.headSha, change.filename));
      return { status: 200, list: changes, each };
    },
  },
  'pulls/list-reviews': {
    needs: ['pull_requests:read'],
    run(call) {
      const { number } = pullOf(call);
      const reviews = call.state.reviews.filter((review) => review.pull === number);
      return { status: 200, list: reviews.map((review) => call.json.review(review)) };
    },
  },
  'pulls/create-review': { needs: ['pull_requests:write'], content: true, run: review },
  'pulls/request-reviewers': {
    needs: ['pull_requests:write'],
    content: true,
    run(call) {
      const issue = pullOf(call);
      const wanted = strings(call.body['reviewers']);
      const stranger = wanted.find((login) => call.state.settings.access[login] === undefined);
      if (stranger !== undefined) {
        throw new Refusal(422, 'Reviews may only be requested from collaborators.');
      }
      issue.pull.reviewers = [...new Set([...issue.pull.reviewers, ...wanted])];
      call.state.touch(issue);
      return { status: 201, body: call.json.pullInList(issue) };
    },
  },
};

function pullOf({ state, params }: Call): Issue & { pull: Pull } {
  const issue = state.issue(Number(params['pull_number']));
  if (!issue || !isPull(issue)) throw notFound();
  return issue;
}

function list({ state, json, query }: Call): Answer {
  const wanted = query.get('state') ?? 'open';
  const head = query.get('head');
  const base = query.get('base');
  const found = state.issues
    .filter(isPull)
    .filter((issue) => wanted === 'all' || issue.state === wanted)
    // rest/pulls: `user:ref-name`; without the owner GitHub ignores the filter
    .filter(({ pull }) => !head?.includes(':') || head === `${state.owner}:${pull.branch}`)
    .filter(({ pull }) => base === null || pull.base === base);
  const sort = query.get('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  const up =
    query.get('direction') === 'asc' ||
    (query.get('direction') === null && query.has('sort') && sort === 'createdAt');
  found.sort((a, b) => (a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : a.number - b.number));
  if (!up) found.reverse();
  return { status: 200, list: found, each: (issue: Issue & { pull: Pull }) => json.pullInList(issue) };
}

async function create(call: Call): Promise<Answer> {
  const { state, git, json, actor, body } = call;
  // "Preventing GitHub Actions from creating or approving pull requests"
  if (actor.kind === 'actions' && !state.settings.actionsMayOpenPulls) {
    throw new Refusal(403, 'GitHub Actions is not permitted to create or approve pull requests.');
  }
  const [owner, branch] = splitHead(String(body['head']), state.owner);
  const base = String(body['base']);
  const title = text(body['title']);
  if (title === undefined || title === '') throw invalid('PullRequest', 'title', 'missing_field');
  const baseSha = await git.ref(`refs/heads/${base}`);
  if (baseSha === undefined) throw invalid('PullRequest', 'base', 'invalid');
  const headSha = owner === state.owner ? await git.ref(`refs/heads/${branch}`) : undefined;
  if (headSha === undefined) throw invalid('PullRequest', 'head', 'invalid'); // peter-evans/create-pull-request threads
  checkTitle(title);
  checkBody(body['body']);
  if (state.openPulls.some(({ pull }) => pull.branch === branch && pull.base === base)) {
    throw refusedPull(`A pull request already exists for ${state.owner}:${branch}.`);
  }
  if (branch === base || (await git.isAncestor(headSha, baseSha))) {
    throw refusedPull(`No commits between ${base} and ${branch}`);
  }
  const now = state.now();
  const issue: Issue & { pull: Pull } = {
    ...{
      id: state.id(),
      number: state.issues.length + 1,
      by: actor,
      title,
      body: text(body['body']) ?? null,
    },
    ...{ state: 'open', stateReason: null, labels: [], createdAt: now, updatedAt: now },
    ...{ closedAt: null, closedBy: null },
    pull: {
      ...{
        branch,
        base,
        headSha,
        baseSha,
        draft: body['draft'] === true,
        pushedBy: state.pushers.get(`refs/heads/${branch}`) ?? actor,
        reviewers: [],
        mergeable: undefined,
      },
      ...{ mergedAt: null, mergedBy: null, mergeCommit: null },
    },
  };
  state.issues.push(issue);
  await git.run(['update-ref', `refs/pull/${issue.number}/head`, headSha]);
  state.happened({ name: 'pull_request', action: 'opened', actor, number: issue.number, sha: headSha });
  return { status: 201, body: await json.pull(issue) };
}

function refusedPull(message: string): Refusal {
  return new Refusal(422, 'Validation Failed', {
    errors: [{ resource: 'PullRequest', code: 'custom', message }],
  });
}

function splitHead(head: string, owner: string): readonly [string, string] {
  const colon = head.indexOf(':');
  return colon < 0 ? [owner, head] : [head.slice(0, colon), head.slice(colon + 1)];
}

async function update(call: Call): Promise<Answer> {
  const { state, git, json, actor, body } = call;
  const issue = pullOf(call);
  checkTitle(body['title']);
  checkBody(body['body']);
  const base = text(body['base']);
  if (base !== undefined && base !== issue.pull.base) {
    const sha = await git.ref(`refs/heads/${base}`);
    if (sha === undefined) throw invalid('PullRequest', 'base', 'invalid');
    Object.assign(issue.pull, { base, baseSha: sha, mergeable: undefined });
  }
  if (body['state'] === 'open' && issue.state === 'closed') await reopen(call, issue);
  if (body['state'] === 'closed' && issue.state === 'open') {
    state.close(issue, actor);
    state.happened({ name: 'pull_request', action: 'closed', actor, number: issue.number });
  }
  const title = text(body['title']);
  const changed = title !== undefined || 'body' in body;
  if (title !== undefined) issue.title = title;
  if ('body' in body) issue.body = text(body['body']) ?? null;
  if (changed) state.happened({ name: 'pull_request', action: 'edited', actor, number: issue.number });
  state.touch(issue);
  return { status: 200, body: await json.pull(issue) };
}

/** "state cannot be changed": a merged one, a branch that is gone, or one that was rewritten since. */
async function reopen({ state, git, actor }: Call, issue: Issue & { pull: Pull }): Promise<void> {
  const { pull } = issue;
  const head = await git.ref(`refs/heads/${pull.branch}`);
  const why =
    pull.mergedAt !== null
      ? 'The pull request is merged.'
      : head === undefined
        ? `The ${pull.branch} branch has been deleted.`
        : !(await git.isAncestor(pull.headSha, head))
          ? `The ${pull.branch} branch was force-pushed or recreated.`
          : state.openPulls.some((other) => other.pull.branch === pull.branch)
            ? `A pull request already exists for ${state.owner}:${pull.branch}.`
            : undefined;
  if (why !== undefined) {
    throw invalid('PullRequest', 'state', 'invalid', `state cannot be changed. ${why}`);
  }
  Object.assign(issue, { state: 'open', closedAt: null, closedBy: null });
  state.happened({ name: 'pull_request', action: 'reopened', actor, number: issue.number });
}

function review(call: Call): Answer {
  const { state, json, actor, body } = call;
  const issue = pullOf(call);
  const event = text(body['event']) ?? 'PENDING';
  checkBody(body['body'], 'PullRequestReview');
  if (event !== 'COMMENT' && actor.login === issue.by.login) {
    const what = event === 'APPROVE' ? 'approve' : 'request changes on';
    throw new Refusal(422, 'Unprocessable Entity', { errors: [`Can not ${what} your own pull request`] });
  }
  if (actor.kind === 'actions' && event === 'APPROVE' && !state.settings.actionsMayOpenPulls) {
    throw new Refusal(422, 'Unprocessable Entity', {
      errors: ['GitHub Actions is not permitted to approve pull requests.'],
    });
  }
  const states = { APPROVE: 'APPROVED', REQUEST_CHANGES: 'CHANGES_REQUESTED', COMMENT: 'COMMENTED' } as const;
  const as = states[event as keyof typeof states];
  if (as === undefined)
    throw new Refusal(422, 'Unprocessable Entity', { errors: ['Pending reviews: not here'] });
  const made: Review = {
    ...{ id: state.id(), pull: issue.number, by: actor, body: text(body['body']) ?? '', state: as },
    ...{ commit: text(body['commit_id']) ?? issue.pull.headSha, at: state.now() },
  };
  state.reviews.push(made);
  state.touch(issue);
  state.happened({ name: 'pull_request_review', action: 'submitted', actor, number: issue.number });
  return { status: 200, body: json.review(made) };
}
