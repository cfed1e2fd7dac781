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
import type { Comment, Issue } from './state.ts';

const READ = ['issues:read', 'pull_requests:read'];
/** rest/issues: "every pull request is an issue", and either permission will do for what both have. */
const WRITE = ['issues:write', 'pull_requests:write'];

export const ISSUE_ROUTES: Routes = {
  'issues/list-for-repo': { needs: READ, run: list },
  'issues/create': { needs: ['issues:write'], content: true, run: create },
  'issues/get': { needs: READ, run: (call) => ({ status: 200, body: call.json.issue(issueOf(call)) }) },
  'issues/update': { needs: WRITE, content: true, run: update },
  'issues/list-comments': {
    needs: READ,
    run(call) {
      const { number } = issueOf(call);
      const found = call.state.comments.filter(({ issue }) => issue === number);
      return {
        status: 200,
        list: since(found, call),
        each: (comment: Comment) => call.json.comment(comment),
      };
    },
  },
  'issues/list-comments-for-repo': {
    needs: READ,
    run(call) {
      const sort = call.query.get('sort') === 'updated' ? 'updatedAt' : 'createdAt';
      const found = since(call.state.comments, call).sort((a, b) => (a[sort] < b[sort] ? -1 : 1));
      if (call.query.get('direction') === 'desc') found.reverse();
      return { status: 200, list: found, each: (comment: Comment) => call.json.comment(comment) };
    },
  },
  'issues/create-comment': { needs: WRITE, content: true, run: comment },
  'issues/update-comment': {
    needs: WRITE,
    content: true,
    run(call) {
      const found = commentOf(call);
      checkComment(call.body['body']);
      found.body = String(call.body['body']);
      found.updatedAt = call.state.now();
      const { actor, state } = call;
      const about = { number: found.issue, comment: found.id };
      state.happened({ name: 'issue_comment', action: 'edited', actor, ...about });
      return { status: 200, body: call.json.comment(found) };
    },
  },
  'reactions/create-for-issue-comment': { needs: WRITE, content: true, run: react },
  'issues/list-labels-for-repo': {
    needs: READ,
    run: ({ state, json }) => ({ status: 200, list: state.labels.map((label) => json.label(label)) }),
  },
  'issues/create-label': {
    needs: WRITE,
    content: true,
    run({ state, json, body }) {
      const name = String(body['name']);
      checkLabel(name);
      if (state.labels.some((label) => same(label.name, name)))
        throw invalid('Label', 'name', 'already_exists');
      const color = text(body['color']) ?? 'ededed';
      if (!/^[0-9a-f]{6}$/i.test(color)) throw invalid('Label', 'color', 'invalid'); // "without the leading #"
      const description = text(body['description']) ?? null;
      if ((description?.length ?? 0) > 100) {
        throw invalid(
          'Label',
          'description',
          'custom',
          'description is too long (maximum is 100 characters)',
        );
      }
      const label = { id: state.id(), name, color, description };
      state.labels.push(label);
      return { status: 201, body: json.label(label) };
    },
  },
  'issues/add-labels': {
    needs: WRITE,
    content: true,
    run(call) {
      const issue = issueOf(call);
      const given = Array.isArray(call.body) ? call.body : call.body['labels'];
      setLabels(call, issue, [...issue.labels, ...labelNames(given)]);
      return { status: 200, body: call.json.labels(issue.labels) };
    },
  },
  'issues/remove-label': {
    needs: WRITE,
    run(call) {
      const issue = issueOf(call);
      const name = call.params['name'] ?? '';
      if (!issue.labels.some((label) => same(label, name))) throw new Refusal(404, 'Label does not exist');
      issue.labels = issue.labels.filter((label) => !same(label, name));
      call.state.touch(issue);
      return { status: 200, body: call.json.labels(issue.labels) };
    },
  },
};

function issueOf({ state, params }: Call): Issue {
  const issue = state.issue(Number(params['issue_number']));
  if (!issue) throw notFound();
  return issue;
}

function commentOf({ state, params }: Call): Comment {
  const found = state.comments.find(({ id }) => id === Number(params['comment_id']));
  if (!found) throw notFound();
  return found;
}

function since(comments: readonly Comment[], { query }: Call): Comment[] {
  const from = query.get('since');
  return comments.filter(({ updatedAt }) => from === null || Date.parse(updatedAt) >= Date.parse(from));
}

function list({ state, json, query }: Call): Answer {
  const wanted = query.get('state') ?? 'open';
  const labels = (query.get('labels') ?? '').split(',').filter((name) => name !== '');
  const by = query.get('creator');
  const found = state.issues
    .filter((issue) => wanted === 'all' || issue.state === wanted)
    .filter((issue) => labels.every((name) => issue.labels.some((label) => same(label, name))))
    .filter((issue) => by === null || issue.by.login === by);
  const sort = query.get('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  found.sort((a, b) => (a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : a.number - b.number));
  if (query.get('direction') !== 'asc') found.reverse();
  return { status: 200, list: found, each: (issue: Issue) => json.issue(issue) };
}

function create(call: Call): Answer {
  const { state, json, actor, body } = call;
  checkTitle(body['title']);
  checkBody(body['body']);
  const now = state.now();
  const issue: Issue = {
    ...{ id: state.id(), number: state.issues.length + 1, by: actor, title: String(body['title']) },
    ...{ body: text(body['body']) ?? null, state: 'open', stateReason: null, labels: [] },
    ...{ createdAt: now, updatedAt: now, closedAt: null, closedBy: null },
  };
  state.issues.push(issue);
  setLabels(call, issue, labelNames(body['labels']));
  state.happened({ name: 'issues', action: 'opened', actor, number: issue.number });
  return { status: 201, body: json.issue(issue) };
}

function update(call: Call): Answer {
  const { state, json, actor, body } = call;
  const issue = issueOf(call);
  checkTitle(body['title']);
  checkBody(body['body']);
  if (body['title'] !== undefined && body['title'] !== null) issue.title = String(body['title']);
  if ('body' in body) issue.body = text(body['body']) ?? null;
  if ('labels' in body) setLabels(call, issue, labelNames(body['labels']));
  if (body['state'] === 'closed' && issue.state === 'open') {
    state.close(issue, actor, issue.pull ? null : (text(body['state_reason']) ?? 'completed'));
    state.happened({
      name: issue.pull ? 'pull_request' : 'issues',
      action: 'closed',
      actor,
      number: issue.number,
    });
  } else if (body['state'] === 'open' && issue.state === 'closed') {
    if (issue.pull) throw invalid('Issue', 'state', 'invalid'); // through the pull request: its branch decides
    Object.assign(issue, { state: 'open', stateReason: 'reopened', closedAt: null, closedBy: null });
  }
  state.touch(issue);
  state.happened({
    name: issue.pull ? 'pull_request' : 'issues',
    action: 'edited',
    actor,
    number: issue.number,
  });
  return { status: 200, body: json.issue(issue) };
}

function comment(call: Call): Answer {
  const { state, json, actor, body } = call;
  const issue = issueOf(call);
  checkComment(body['body']);
  const now = state.now();
  const made: Comment = {
    ...{ id: state.id(), issue: issue.number, by: actor, body: String(body['body']) },
    ...{ createdAt: now, updatedAt: now, reactions: [] },
  };
  state.comments.push(made);
  state.touch(issue);
  state.happened({ name: 'issue_comment', action: 'created', actor, number: issue.number, comment: made.id });
  return { status: 201, body: json.comment(made) };
}

function checkComment(body: unknown): void {
  checkBody(body, 'IssueComment');
  if (String(body).trim() === '') {
    throw invalid('IssueComment', 'data', 'unprocessable', 'Body cannot be blank');
  }
}

/** 200 where the same one was there, 201 where it is new (rest/reactions). */
function react({ state, json, actor, body, ...call }: Call): Answer {
  const on = commentOf({ state, json, actor, body, ...call });
  const content = String(body['content']);
  const known = on.reactions.find((r) => r.content === content && r.by.login === actor.login);
  const reaction = known ?? { id: state.id(), by: actor, content, at: state.now() };
  if (!known) on.reactions.push(reaction);
  const node_id = Buffer.from(`REA:${reaction.id}`).toString('base64url');
  const answer = { id: reaction.id, node_id, user: json.user(actor), content, created_at: reaction.at };
  return { status: known ? 200 : 201, body: answer };
}

function labelNames(given: unknown): string[] {
  if (!Array.isArray(given)) return [];
  return given.map((label) =>
    typeof label === 'string' ? label : String((label as { name?: string }).name),
  );
}

/** Labels that the repository does not have are made, grey, as GitHub does. */
function setLabels({ state }: Call, issue: Issue, names: readonly string[]): void {
  const set: string[] = [];
  for (const name of names) {
    checkLabel(name);
    let label = state.labels.find((known) => same(known.name, name));
    if (!label) {
      label = { id: state.id(), name, color: 'ededed', description: null };
      state.labels.push(label);
    }
    if (!set.includes(label.name)) set.push(label.name);
  }
  if (strings(issue.labels).join('\n') === set.join('\n')) return;
  issue.labels = set;
  state.touch(issue);
}

function checkLabel(name: string): void {
  if (name.trim() === '') throw invalid('Label', 'name', 'missing_field');
  if (name.length > 50)
    throw invalid('Label', 'name', 'custom', 'name is too long (maximum is 50 characters)');
}

/** "Managing labels": names differ in more than their case. */
function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
