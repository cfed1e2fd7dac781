import { execFile } from 'node:child_process';
import { createSign } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { Unknown } from './unknown.ts';
import type { Texts } from './workflow.ts';

/** What a step's action has of its job. */
export interface ActionCall {
  readonly inputs: Texts;
  readonly workspace: string;
  readonly env: Texts;
  readonly github: {
    readonly serverUrl: string;
    readonly apiUrl: string;
    readonly repository: string;
    readonly ref: string;
    readonly sha: string;
    readonly token: string;
  };
  readonly now: () => Date;
  readonly mask: (secret: string) => void;
  readonly say: (line: string) => void;
  /** Done when the job ends, however it ends. */
  readonly after: (work: () => Promise<void> | void) => void;
  /** "the token is revoked in the `post` step" */
  readonly revoke: (token: string) => void;
}

type Action = (call: ActionCall) => Promise<Texts>;

/** By name: the inputs that are known here, with their documented defaults, and what it does. Its outputs are the answer. */
const ACTIONS: Readonly<Record<string, { readonly inputs: Texts; readonly run: Action }>> = {
  // https://github.com/actions/checkout, README of v6, "Usage"
  'actions/checkout': {
    inputs: {
      ...{ ref: '', token: '', 'persist-credentials': 'true', path: '', clean: 'true', 'fetch-depth': '1' },
      'fetch-tags': 'false',
    },
    run: checkout,
  },
  // https://github.com/actions/setup-node: no Node but the one that runs the tests is to be had
  'actions/setup-node': {
    inputs: { 'node-version': '' },
    async run({ inputs }) {
      const [major] = process.versions.node.split('.');
      if (inputs['node-version']?.split('.')[0] !== major) {
        throw new Unknown('actions/setup-node', `Node ${inputs['node-version']}`);
      }
      return { 'node-version': process.version };
    },
  },
  // https://github.com/actions/create-github-app-token, README of v3, "Inputs"
  'actions/create-github-app-token': {
    inputs: {
      ...{ 'app-id': '', 'private-key': '', 'skip-token-revoke': 'false' },
      ...Object.fromEntries(
        ['actions', 'checks', 'contents', 'issues', 'pull-requests', 'statuses'].map((p) => [
          `permission-${p}`,
          '',
        ]),
      ),
    },
    run: appToken,
  },
};

export async function useAction(
  uses: string,
  given: Texts,
  call: Omit<ActionCall, 'inputs'>,
): Promise<Texts> {
  const [, name = '', version = ''] = /^([\w.-]+\/[\w.-]+)@(.+)$/.exec(uses) ?? [];
  const action = ACTIONS[name];
  if (action === undefined || version === '') throw new Unknown('uses', uses);
  for (const input of Object.keys(given)) {
    if (action.inputs[input] === undefined) throw new Unknown(name, `the input ${input}`);
  }
  return action.run({ ...call, inputs: { ...action.inputs, ...given } });
}

async function checkout(call: ActionCall): Promise<Texts> {
  const { inputs, workspace, github, env, say, after } = call;
  const dir = join(workspace, inputs['path'] ?? '');
  if (relative(workspace, dir).startsWith('..') || isAbsolute(inputs['path'] ?? '')) {
    throw new Error(`Repository path '${dir}' is not under '${workspace}'`);
  }
  const url = `${github.serverUrl}/${github.repository}`;
  const basic = Buffer.from(`x-access-token:${inputs['token'] || github.token}`).toString('base64');
  const header = [`http.${new URL(url).origin}/.extraheader`, `AUTHORIZATION: basic ${basic}`] as const;
  call.mask(basic);
  const git = (...args: string[]) => runGit(dir, args, env);
  const fetch = (...args: string[]) => {
    say(`git fetch ${args.join(' ')}`);
    return runGit(dir, ['fetch', '--prune', '--no-recurse-submodules', '--no-tags', ...args], {
      ...env,
      ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: header[0], GIT_CONFIG_VALUE_0: header[1] },
      GIT_TERMINAL_PROMPT: '0',
    });
  };
  mkdirSync(dir, { recursive: true });
  const there = existsSync(join(dir, '.git')) && (await git('remote', 'get-url', 'origin')).trim() === url;
  if (there) {
    // what an earlier job of the same runner left
    if (inputs['clean'] === 'true') {
      await git('clean', '-ffdx');
      await git('reset', '--hard', 'HEAD');
    }
    await git('checkout', '--detach');
    const heads = await git('for-each-ref', '--format=%(refname)', 'refs/heads');
    for (const head of heads.split('\n').filter(Boolean)) await git('update-ref', '-d', head);
  } else {
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true, force: true });
    await git('init', '-q');
    await git('remote', 'add', 'origin', url);
  }
  const wanted = inputs['ref'] ?? '';
  const isCommit = /^[0-9a-f]{40}$/.test(wanted);
  const ref = wanted === '' ? github.ref : isCommit ? '' : wanted;
  const commit = wanted === '' ? github.sha : isCommit ? wanted : '';
  const local = await fetchRef(fetch, git, { ref, commit, depth: inputs['fetch-depth'] ?? '1' });
  await git('checkout', '-q', '--force', ...(local.branch ? ['-B', local.branch] : []), local.start);
  if (inputs['persist-credentials'] === 'true') {
    await git('config', '--local', ...header);
    after(async () => void (await git('config', '--local', '--unset-all', header[0])));
  }
  return { ref, commit: (await git('rev-parse', 'HEAD')).trim() };
}

type Git = (...args: string[]) => Promise<string>;

/** A branch by its name, or what `ref` says, at the commit that the event was of even where the branch has moved since. */
async function fetchRef(
  fetch: Git,
  git: Git,
  { ref, commit, depth }: { ref: string; commit: string; depth: string },
): Promise<{ branch?: string; start: string }> {
  const branch =
    /^refs\/heads\/(.*)/.exec(ref)?.[1] ?? (ref !== '' && !ref.startsWith('refs/') ? ref : undefined);
  const pull = /^refs\/pull\/(.*)/.exec(ref)?.[1];
  if (branch === undefined && pull === undefined && commit === '') throw new Unknown('checkout', ref);
  const to = branch === undefined ? `refs/remotes/pull/${pull}` : `refs/remotes/origin/${branch}`;
  const exact = ref === '' ? commit : `+${commit || `refs/heads/${branch}`}:${to}`;
  if (depth !== '0') {
    await fetch(`--depth=${depth}`, 'origin', exact);
  } else {
    await fetch('origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*');
    const has = ref === '' ? commit : await git('rev-parse', '--verify', '--quiet', to).catch(() => '');
    // "the ref we're interested in may have moved to a different commit": then by the commit
    if (pull !== undefined || (commit !== '' && has.trim() !== commit)) await fetch('origin', exact);
  }
  return { ...(branch === undefined ? {} : { branch }), start: ref === '' ? commit : to };
}

function runGit(dir: string, args: readonly string[], env: Texts): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: dir, env, encoding: 'utf8', maxBuffer: 1 << 26 } as const;
    execFile('git', ['-c', 'advice.detachedHead=false', ...args], options, (error, out, words) => {
      if (error) reject(new Error(`git ${args[0]} failed: ${words}`));
      else resolve(out);
    });
  });
}

async function appToken(call: ActionCall): Promise<Texts> {
  const { inputs, github, mask, after } = call;
  const [id, key] = [inputs['app-id'], inputs['private-key']];
  if (!id || !key) throw new Error("The 'app-id' and 'private-key' inputs must be set to a non-empty string");
  const now = Math.floor(call.now().getTime() / 1000);
  const part = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url');
  const claims = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now - 30, exp: now + 600, iss: id })}`;
  const jwt = `${claims}.${createSign('RSA-SHA256').update(claims).sign(key, 'base64url')}`;
  const ask = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${github.apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${jwt}`, 'user-agent': 'actions/create-github-app-token' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(`${response.status} ${String(answer['message'])}`);
    return answer;
  };
  const { id: installation, app_slug: slug } = await ask('GET', `/repos/${github.repository}/installation`);
  const permissions = Object.fromEntries(
    Object.entries(inputs)
      .filter(([name, level]) => name.startsWith('permission-') && level !== '')
      .map(([name, level]) => [name.slice('permission-'.length).replaceAll('-', '_'), level]),
  );
  const [, repository] = github.repository.split('/');
  const wanted = Object.keys(permissions).length > 0 ? { permissions } : {}; // else all that the App has
  const body = { repositories: [repository], ...wanted };
  const { token } = await ask('POST', `/app/installations/${String(installation)}/access_tokens`, body);
  mask(String(token));
  if (inputs['skip-token-revoke'] !== 'true') after(() => call.revoke(String(token)));
  return { token: String(token), 'installation-id': String(installation), 'app-slug': String(slug) };
}
