import { type Answer, type Call, notFound, type Routes } from './call.ts';
import { mayWrite } from './merging.ts';

export const REPO_ROUTES: Routes = {
  'repos/get': {
    needs: ['metadata:read'],
    run({ state, json, actor }) {
      const push = mayWrite(state, actor);
      const admin = state.settings.access[actor.login] === 'admin';
      const permissions = { admin, maintain: admin, push, triage: push, pull: true };
      return { status: 200, body: { ...json.fullRepository(), permissions } };
    },
  },
  'repos/get-branch': {
    needs: ['contents:read'],
    async run({ state, git, json, params }) {
      const name = params['branch'] ?? '';
      const sha = await git.ref(`refs/heads/${name}`);
      if (sha === undefined) throw notFound();
      const url = `${json.url}/branches/${name}`;
      const isProtected = name === 'main' && state.settings.rules !== undefined;
      const links = { html: url, self: url };
      const protection = {
        enabled: false,
        required_status_checks: { enforcement_level: 'off', contexts: [], checks: [] },
      };
      const more = { protected: isProtected, protection, protection_url: `${url}/protection` };
      return {
        status: 200,
        body: { name, commit: json.commit(await git.commit(sha)), _links: links, ...more },
      };
    },
  },
  'repos/get-branch-rules': { needs: ['metadata:read'], run: branchRules },
  'repos/get-repo-rulesets': {
    needs: ['metadata:read'],
    run({ state }) {
      const source = `${state.owner}/${state.repo}`;
      const ruleset = {
        id: 1,
        name: 'main',
        target: 'branch',
        source_type: 'Repository',
        source,
        enforcement: 'active',
      };
      return { status: 200, list: state.settings.rules ? [ruleset] : [] };
    },
  },
  'repos/get-commit': {
    needs: ['contents:read'],
    async run({ git, json, params }) {
      const sha = await git.resolve(params['ref'] ?? '');
      if (sha === undefined) throw notFound();
      return { status: 200, body: json.commit(await git.commit(sha)) };
    },
  },
  'repos/compare-commits-with-basehead': { needs: ['contents:read'], run: compare },
  'repos/get-content': { needs: ['contents:read'], run: content },
  'repos/get-collaborator-permission-level': {
    needs: ['metadata:read'],
    run({ state, json, params }) {
      const login = params['username'] ?? '';
      const permission = state.settings.access[login] ?? 'read';
      const write = permission === 'admin' || permission === 'write';
      const permissions = { admin: permission === 'admin', push: write, pull: permission !== 'none' };
      const user = { ...json.user(state.actor(login)), role_name: permission, permissions };
      return { status: 200, body: { permission, role_name: permission, user } };
    },
  },
  'actions/list-self-hosted-runners-for-repo': {
    needs: ['administration:read'],
    run: ({ state }) => ({
      status: 200,
      wrap: 'runners',
      list: state.settings.runners.map(({ name, status, labels }, i) => ({
        ...{ id: i + 1, name, os: 'linux', status, busy: false, ephemeral: false },
        labels: labels.map((label, j) => ({ id: j + 1, name: label, type: 'custom' })),
      })),
    }),
  },
  'actions/get-github-actions-default-workflow-permissions-repository': {
    needs: ['administration:read'],
    run: ({ state }) => ({
      status: 200,
      body: {
        default_workflow_permissions: 'read',
        can_approve_pull_request_reviews: state.settings.actionsMayOpenPulls,
      },
    }),
  },
};

function branchRules({ state, params }: Call): Answer {
  const { rules } = state.settings;
  if (!rules || params['branch'] !== 'main') return { status: 200, list: [] };
  const of = {
    ruleset_source_type: 'Repository',
    ruleset_source: `${state.owner}/${state.repo}`,
    ruleset_id: 1,
  };
  const pull = {
    ...{
      required_approving_review_count: rules.approvals,
      dismiss_stale_reviews_on_push: rules.dismissStale,
    },
    ...{
      require_code_owner_review: rules.codeOwners ?? true,
      require_last_push_approval: rules.lastPush ?? false,
    },
    required_review_thread_resolution: false,
  };
  const required_status_checks = rules.checks.map(({ context, appId }) => ({
    context,
    ...(appId === undefined ? {} : { integration_id: appId }),
  }));
  const checks = { required_status_checks, strict_required_status_checks_policy: rules.upToDate };
  const list = [
    { type: 'deletion', ...of },
    { type: 'non_fast_forward', ...of },
    { type: 'pull_request', parameters: pull, ...of },
    ...(rules.checks.length > 0 ? [{ type: 'required_status_checks', parameters: checks, ...of }] : []),
  ];
  return { status: 200, list };
}

/** 250 commits and 300 files at most, as rest/commits/commits says. */
async function compare({ git, json, params }: Call): Promise<Answer> {
  const [from = '', to = ''] = (params['basehead'] ?? '').split('...');
  const [base, head] = [await git.resolve(from), await git.resolve(to)];
  if (base === undefined || head === undefined) throw notFound();
  const common = await git.mergeBase(base, head);
  if (common === undefined) throw notFound(); // "No common ancestor"
  const commits = await git.log(head, base);
  const behind = (await git.log(base, head)).length;
  const files = (await git.changes(common, head)).slice(0, 300);
  const status =
    base === head ? 'identical' : commits.length === 0 ? 'behind' : behind === 0 ? 'ahead' : 'diverged';
  const url = `${json.url}/compare/${base}...${head}`;
  const urls = { url, html_url: url, permalink_url: url, diff_url: `${url}.diff`, patch_url: `${url}.patch` };
  const counts = { ahead_by: commits.length, behind_by: behind, total_commits: commits.length };
  const body = {
    ...{ ...urls, ...counts, status, commits: commits.reverse().map((commit) => json.commit(commit)) },
    base_commit: json.commit(await git.commit(base)),
    merge_base_commit: json.commit(await git.commit(common)),
    files: files.map((file) => json.file(file, undefined)),
  };
  return { status: 200, body };
}

/** rest/repos/contents: a folder lists its files, up to 1,000; a file over 1 MB has no content here. */
async function content({ git, json, params, query }: Call): Promise<Answer> {
  const path = params['path'] ?? '';
  const tree = await git.resolve(query.get('ref') ?? 'refs/heads/main', 'tree');
  if (tree === undefined) throw notFound();
  const [item] = await git.listTree(tree, false, path);
  if (!item) throw notFound();
  const entry = (at: string, sha: string, type: string, size = 0) => {
    const url = `${json.url}/contents/${at.split('/').map(encodeURIComponent).join('/')}`;
    const git_url = `${json.url}/git/${type}s/${sha}`;
    const links = { self: url, git: git_url, html: url };
    const kind = type === 'tree' ? 'dir' : 'file';
    const names = { name: at.split('/').at(-1) ?? '', path: at, sha, size, type: kind };
    return {
      ...names,
      url,
      git_url,
      html_url: url,
      download_url: kind === 'dir' ? null : url,
      _links: links,
    };
  };
  if (item.type === 'tree') {
    const items = (await git.listTree(item.sha, false)).slice(0, 1000);
    return { status: 200, body: items.map((i) => entry(`${path}/${i.path}`, i.sha, i.type, i.size)) };
  }
  const small = (item.size ?? 0) <= 1_000_000;
  const bytes = small ? ((await git.bytes(item.sha)) ?? Buffer.alloc(0)) : Buffer.alloc(0);
  const body = { content: bytes.toString('base64'), encoding: small ? 'base64' : 'none' };
  return { status: 200, body: { ...entry(path, item.sha, 'blob', item.size), ...body } };
}
