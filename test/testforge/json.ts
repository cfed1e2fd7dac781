import type { BareGit, CommitFacts, FileChange, TreeItem } from './git.ts';
import type { Actor, CheckRun, Comment, Issue, Label, Pull, Review, State, Status } from './state.ts';

const USER_URLS = [
  'followers',
  'following',
  'gists',
  'starred',
  'subscriptions',
  'organizations',
  'repos',
  'events',
  'received_events',
];
const REPOSITORY_URLS =
  `archive assignees blobs branches collaborators comments commits compare contents contributors
  deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels
  languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags teams
  trees`.split(/\s+/);

/** The whole answers that GitHub gives, of what the state and the repository know. */
export class Json {
  readonly #state: State;
  readonly #git: BareGit;
  /** `http://127.0.0.1:PORT` */
  readonly #root: string;
  readonly url: string;

  constructor(state: State, git: BareGit, root: string) {
    this.#state = state;
    this.#git = git;
    this.#root = root;
    this.url = `${root}/repos/${state.owner}/${state.repo}`;
  }

  user({ id, login, type }: Actor) {
    const url = `${this.#root}/users/${encodeURIComponent(login)}`;
    return {
      ...{ login, id, node_id: node('U', id), avatar_url: `${url}/avatar`, gravatar_id: '', url, type },
      ...{
        html_url: `${this.#root}/${encodeURIComponent(login)}`,
        site_admin: false,
        user_view_type: 'public',
      },
      ...Object.fromEntries(USER_URLS.map((name) => [`${name}_url`, `${url}/${name}`])),
    };
  }

  repository() {
    const { owner, repo, settings } = this.#state;
    const html = `${this.#root}/${owner}/${repo}`;
    const open = this.#state.issues.filter(({ state }) => state === 'open').length;
    const none = { description: null, homepage: null, language: null, mirror_url: null, license: null };
    const has = {
      ...{ has_issues: true, has_projects: false, has_wiki: false, has_pages: false, has_downloads: false },
      has_discussions: false,
    };
    return {
      ...{
        id: 1,
        node_id: node('R', 1),
        name: repo,
        full_name: `${owner}/${repo}`,
        private: settings.private,
      },
      ...{
        owner: this.user(this.#state.actor(owner)),
        html_url: html,
        url: this.url,
        fork: false,
        ...none,
        ...has,
      },
      ...Object.fromEntries(REPOSITORY_URLS.map((name) => [`${name}_url`, `${this.url}/${name}`])),
      ...{ clone_url: `${html}.git`, git_url: `${html}.git`, ssh_url: `${html}.git`, svn_url: html },
      ...{ default_branch: 'main', forks: 0, forks_count: 0, open_issues: open, open_issues_count: open },
      ...{ archived: false, disabled: false, size: 1, stargazers_count: 0, watchers: 0, watchers_count: 0 },
      ...{ pushed_at: this.#state.now(), created_at: this.#state.now(), updated_at: this.#state.now() },
      visibility: settings.private ? 'private' : 'public',
    };
  }

  fullRepository() {
    const { mergeMethods, deleteBranchOnMerge } = this.#state.settings;
    return {
      ...this.repository(),
      ...{ network_count: 0, subscribers_count: 0, allow_rebase_merge: false, allow_auto_merge: false },
      allow_merge_commit: mergeMethods.includes('merge'),
      allow_squash_merge: mergeMethods.includes('squash'),
      delete_branch_on_merge: deleteBranchOnMerge,
    };
  }

  ref(ref: string, sha: string, type = 'commit') {
    return {
      ...{ ref, node_id: node('REF', ref), url: `${this.url}/git/${ref}` },
      object: { sha, type, url: `${this.url}/git/${type}s/${sha}` },
    };
  }

  gitCommit({ sha, tree, parents, author, committer, message }: CommitFacts) {
    const url = `${this.url}/git/commits/${sha}`;
    return {
      ...{
        sha,
        node_id: node('C', sha),
        url,
        html_url: this.#html(`commit/${sha}`),
        author,
        committer,
        message,
      },
      tree: { sha: tree, url: `${this.url}/git/trees/${tree}` },
      parents: parents.map((parent) => ({
        sha: parent,
        url: `${this.url}/git/commits/${parent}`,
        html_url: this.#html(`commit/${parent}`),
      })),
      verification: this.#verification(sha),
    };
  }

  /** As the routes below `/commits` and `/pulls` say it. */
  commit(facts: CommitFacts) {
    const { sha, tree, parents, author, committer, message } = facts;
    const url = `${this.url}/commits/${sha}`;
    const who = (email: string) => {
      const login = /^\d+\+(.+)@users\.noreply\.github\.com$/.exec(email)?.[1];
      const actor = login === undefined ? undefined : this.#state.actors.get(login);
      return actor ? this.user(actor) : null;
    };
    return {
      ...{
        sha,
        node_id: node('C', sha),
        url,
        html_url: this.#html(`commit/${sha}`),
        comments_url: `${url}/comments`,
      },
      commit: {
        ...{ url: `${this.url}/git/commits/${sha}`, author, committer, message, comment_count: 0 },
        tree: { sha: tree, url: `${this.url}/git/trees/${tree}` },
        verification: this.#verification(sha),
      },
      author: who(author.email),
      committer: who(committer.email),
      parents: parents.map((parent) => ({ sha: parent, url: `${this.url}/commits/${parent}` })),
    };
  }

  tree(sha: string, items: readonly TreeItem[], truncated = false) {
    const url = `${this.url}/git/trees/${sha}`;
    const tree = items.map((item) => ({ ...item, url: `${this.url}/git/${item.type}s/${item.sha}` }));
    return { sha, url, tree, truncated };
  }

  file(change: FileChange, patch: string | undefined) {
    const { filename, sha, status, additions, deletions } = change;
    const path = filename.split('/').map(encodeURIComponent).join('/');
    return {
      ...{ filename, sha, status, additions, deletions, changes: additions + deletions },
      ...{ blob_url: this.#html(`blob/${sha}/${path}`), raw_url: this.#html(`raw/${sha}/${path}`) },
      ...{ contents_url: `${this.url}/contents/${path}`, ...(patch === undefined ? {} : { patch }) },
    };
  }

  label({ id, name, color, description }: Label) {
    const url = `${this.url}/labels/${encodeURIComponent(name)}`;
    // labels of pull requests: "description": a string, which other places let be null
    return { id, node_id: node('LA', id), url, name, description: description ?? '', color, default: false };
  }

  labels(names: readonly string[]) {
    return this.#state.labels.filter(({ name }) => names.includes(name)).map((label) => this.label(label));
  }

  issue(issue: Issue) {
    const { id, number, title, body, state } = issue;
    const url = `${this.url}/issues/${number}`;
    const html_url = this.#html(`${issue.pull ? 'pull' : 'issues'}/${number}`);
    const pull_request = {
      ...{ url: `${this.url}/pulls/${number}`, html_url, diff_url: `${html_url}.diff` },
      ...{ patch_url: `${html_url}.patch`, merged_at: issue.pull?.mergedAt ?? null },
    };
    return {
      ...{
        id,
        node_id: node('I', id),
        number,
        title,
        body,
        state,
        state_reason: issue.stateReason,
        url,
        html_url,
      },
      ...{ repository_url: this.url, labels_url: `${url}/labels{/name}`, comments_url: `${url}/comments` },
      ...{ events_url: `${url}/events`, user: this.user(issue.by), labels: this.labels(issue.labels) },
      ...{ assignee: null, assignees: [], milestone: null, locked: false, active_lock_reason: null },
      ...{ comments: this.#comments(number), created_at: issue.createdAt, updated_at: issue.updatedAt },
      ...{ closed_at: issue.closedAt, author_association: association(issue.by) },
      ...(issue.pull ? { pull_request, draft: issue.pull.draft } : {}),
    };
  }

  comment({ id, issue, by, body, createdAt, updatedAt }: Comment) {
    return {
      ...{ id, node_id: node('IC', id), body, url: `${this.url}/issues/comments/${id}`, user: this.user(by) },
      ...{
        html_url: `${this.#html(`issues/${issue}`)}#issuecomment-${id}`,
        author_association: association(by),
      },
      ...{ issue_url: `${this.url}/issues/${issue}`, created_at: createdAt, updated_at: updatedAt },
    };
  }

  review({ id, pull, by, body, state, commit, at }: Review) {
    const html = `${this.#html(`pull/${pull}`)}#pullrequestreview-${id}`;
    const api = `${this.url}/pulls/${pull}`;
    return {
      ...{
        id,
        node_id: node('PRR', id),
        user: this.user(by),
        body,
        state,
        html_url: html,
        pull_request_url: api,
      },
      ...{ author_association: association(by), submitted_at: at, commit_id: commit },
      _links: { html: { href: html }, pull_request: { href: api } },
    };
  }

  /** What the list of pull requests has of each. */
  pullInList(issue: Issue & { pull: Pull }) {
    const { id, number, title, body, state, pull } = issue;
    const url = `${this.url}/pulls/${number}`;
    const html_url = this.#html(`pull/${number}`);
    const issue_url = `${this.url}/issues/${number}`;
    const statuses_url = `${this.url}/statuses/${pull.headSha}`;
    const side = (ref: string, sha: string) => ({
      ...{ label: `${this.#state.owner}:${ref}`, ref, sha },
      ...{ user: this.user(this.#state.actor(this.#state.owner)), repo: this.repository() },
    });
    const head = side(pull.branch, pull.headSha);
    if (pull.fork !== undefined) Object.assign(head.repo, { full_name: pull.fork, fork: true });
    const urls = {
      ...{ comments_url: `${issue_url}/comments`, commits_url: `${url}/commits`, statuses_url },
      ...{
        review_comments_url: `${url}/comments`,
        review_comment_url: `${this.url}/pulls/comments{/number}`,
      },
    };
    const reviewers = pull.reviewers.map((login) => this.user(this.#state.actor(login)));
    return {
      ...{ id, node_id: node('PR', id), number, title, body, state, url, html_url, issue_url, ...urls },
      ...{ diff_url: `${html_url}.diff`, patch_url: `${html_url}.patch`, draft: pull.draft, locked: false },
      ...{ user: this.user(issue.by), author_association: association(issue.by), auto_merge: null },
      ...{ assignee: null, assignees: [], milestone: null, active_lock_reason: null },
      ...{ requested_reviewers: reviewers, requested_teams: [], labels: this.labels(issue.labels) },
      ...{ created_at: issue.createdAt, updated_at: issue.updatedAt, closed_at: issue.closedAt },
      ...{ merged_at: pull.mergedAt, merge_commit_sha: pull.mergeCommit ?? pull.mergeable?.commit ?? null },
      ...{ head, base: side(pull.base, pull.baseSha) },
      _links: {
        ...{ self: { href: url }, html: { href: html_url }, issue: { href: issue_url } },
        ...{ comments: { href: urls.comments_url }, commits: { href: urls.commits_url } },
        ...{ review_comments: { href: urls.review_comments_url }, statuses: { href: statuses_url } },
        review_comment: { href: urls.review_comment_url },
      },
    };
  }

  async pull(issue: Issue & { pull: Pull }) {
    const { pull } = issue;
    const base = (await this.#git.mergeBase(pull.baseSha, pull.headSha)) ?? pull.baseSha;
    const changes = await this.#git.changes(base, pull.headSha);
    const known = issue.state === 'open' ? pull.mergeable?.value : null;
    return {
      ...this.pullInList(issue),
      ...{ merged: pull.mergedAt !== null, merged_by: pull.mergedBy && this.user(pull.mergedBy) },
      ...{ mergeable: known ?? null, rebaseable: known ?? null, maintainer_can_modify: false },
      mergeable_state: known === undefined || known === null ? 'unknown' : known ? 'clean' : 'dirty',
      ...{ comments: this.#comments(issue.number), review_comments: 0, changed_files: changes.length },
      commits: (await this.#git.log(pull.headSha, base)).length,
      additions: changes.reduce((sum, { additions }) => sum + additions, 0),
      deletions: changes.reduce((sum, { deletions }) => sum + deletions, 0),
    };
  }

  check(run: CheckRun) {
    const { id, sha, name, status, conclusion, title, summary } = run;
    const url = `${this.url}/check-runs/${id}`;
    const pulls = this.#state.openPulls.filter(({ pull }) => pull.headSha === sha);
    const side = (ref: string, at: string) => ({
      ref,
      sha: at,
      repo: { id: 1, url: this.url, name: this.#state.repo },
    });
    return {
      ...{
        id,
        node_id: node('CR', id),
        head_sha: sha,
        name,
        url,
        html_url: this.#html(`runs/${id}`),
        status,
      },
      ...{
        conclusion,
        started_at: run.startedAt,
        completed_at: run.completedAt,
        details_url: run.detailsUrl,
      },
      ...{ external_id: run.externalId, check_suite: { id: 1 }, app: this.app(run.by) },
      output: {
        ...{ title, summary, text: run.text },
        ...{ annotations_count: run.annotations.length, annotations_url: `${url}/annotations` },
      },
      pull_requests: pulls.map(({ id: pullId, number, pull }) => ({
        ...{ id: pullId, number, url: `${this.url}/pulls/${number}` },
        ...{ head: side(pull.branch, pull.headSha), base: side(pull.base, pull.baseSha) },
      })),
    };
  }

  status({ id, by, state, context, description, targetUrl, at, sha }: Status) {
    return {
      ...{ id, node_id: node('SC', id), state, context, description, target_url: targetUrl, created_at: at },
      ...{ updated_at: at, url: `${this.url}/statuses/${sha}`, avatar_url: `${this.#root}/avatar` },
      creator: this.user(by),
    };
  }

  app(by: Actor) {
    const actions = by.kind === 'actions';
    const slug = actions ? 'github-actions' : 'sluice';
    return {
      // 15368 is the id of GitHub Actions at github.com; rulesets name it as a source of checks
      ...{ id: actions ? 15368 : 1, node_id: node('A', slug), slug, name: slug, description: null },
      ...{
        owner: this.user(this.#state.actor(this.#state.owner)),
        external_url: `${this.#root}/apps/${slug}`,
      },
      ...{
        html_url: `${this.#root}/apps/${slug}`,
        created_at: this.#state.now(),
        updated_at: this.#state.now(),
      },
      ...{ permissions: this.#state.settings.appPermissions, events: [] },
    };
  }

  #comments(number: number): number {
    return this.#state.comments.filter(({ issue }) => issue === number).length;
  }

  #verification(sha: string) {
    const verified = this.#state.verified.has(sha);
    const signature = verified ? '-----BEGIN PGP SIGNATURE-----\n…' : null;
    const verified_at = verified ? this.#state.now() : null;
    return { verified, reason: verified ? 'valid' : 'unsigned', signature, payload: null, verified_at };
  }

  #html(path: string): string {
    return `${this.#root}/${this.#state.owner}/${this.#state.repo}/${path}`;
  }
}

function association({ kind }: Actor): string {
  return kind === 'user' ? 'COLLABORATOR' : 'NONE';
}

function node(kind: string, id: number | string): string {
  return Buffer.from(`${kind}:${id}`).toString('base64url');
}
