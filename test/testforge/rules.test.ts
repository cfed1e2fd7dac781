import { execFile } from 'node:child_process';
import { createSign } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../fixtures/tempDir.ts';
import { beginMain, caller, type Reply, testForge } from '../fixtures/testForge.ts';
import type { startTestForge, TestForge } from './server.ts';

type Send = ReturnType<typeof caller>;

/** main with one commit, and the App. */
async function begun(
  o: Parameters<typeof startTestForge>[0] = {},
): Promise<{ forge: TestForge; app: Send; main: string }> {
  const forge = await testForge(o);
  const main = await beginMain(forge, { 'a.txt': 'one\n', 'd/b.txt': 'two\n' });
  return { forge, app: caller(forge, forge.tokenOf('app')), main };
}

/** A commit on `parent` that writes these files. */
async function commit(
  send: Send,
  parent: string,
  files: Record<string, string>,
  message = 'Change',
): Promise<string> {
  const tree = Object.entries(files).map(([path, content]) => ({
    path,
    mode: '100644',
    type: 'blob',
    content,
  }));
  const base_tree = (await send('GET', `git/commits/${parent}`)).body.tree.sha;
  const made = await send('POST', 'git/trees', { base_tree, tree });
  expect(made.status).toBe(201);
  const commit = await send('POST', 'git/commits', { message, tree: made.body.sha, parents: [parent] });
  expect(commit.status).toBe(201);
  return commit.body.sha;
}

async function branch(send: Send, name: string, sha: string): Promise<Reply> {
  return send('POST', 'git/refs', { ref: `refs/heads/${name}`, sha });
}

async function opened(
  send: Send,
  main: string,
  name = 'topic',
  more: Record<string, unknown> = {},
): Promise<number> {
  const sha = await commit(send, main, { 'a.txt': `${name}\n` });
  expect((await branch(send, name, sha)).status).toBe(201);
  const made = await send('POST', 'pulls', {
    title: 'A change',
    head: name,
    base: 'main',
    body: 'why',
    ...more,
  });
  expect(made.status).toBe(201);
  return made.body.number;
}

describe('the whole way', () => {
  it('makes a verified commit, a branch, a pull request, a check, a review and a merge', async () => {
    const { forge, app, main } = await begun();
    const anna = caller(forge, forge.tokenOf('user'));
    const number = await opened(app, main);
    const { body: pull } = await app('GET', `pulls/${number}`);
    expect(pull).toMatchObject({
      state: 'open',
      mergeable: null,
      mergeable_state: 'unknown',
      changed_files: 1,
      additions: 1,
    });
    expect((await app('GET', `pulls/${number}`)).body).toMatchObject({
      mergeable: true,
      mergeable_state: 'clean',
    });
    const at = pull.head.sha;
    expect((await app('GET', `git/commits/${at}`)).body.verification).toMatchObject({ verified: true });
    const run = { name: 'sluice/plan', head_sha: at, status: 'completed', conclusion: 'success' };
    expect((await app('POST', 'check-runs', run)).status).toBe(201);
    expect((await app('GET', `commits/${at}/check-runs`)).body).toMatchObject({ total_count: 1 });
    expect((await anna('POST', `pulls/${number}/reviews`, { event: 'APPROVE' })).status).toBe(200);
    const merged = await anna('PUT', `pulls/${number}/merge`, { sha: at });
    expect(merged.body).toMatchObject({ merged: true });
    expect((await app('GET', `git/ref/heads%2Fmain`)).body.object.sha).toBe(merged.body.sha);
    expect((await app('GET', `pulls/${number}`)).body).toMatchObject({ state: 'closed', merged: true });
  });
});

describe('pull requests', () => {
  it('refuses what GitHub refuses, in its words', async () => {
    const { app, main, forge } = await begun();
    await opened(app, main);
    await branch(app, 'same', main);
    await branch(app, 'other', await commit(app, main, { 'a.txt': 'other\n' }));
    const refusals = [
      [{ head: 'topic' }, { message: 'A pull request already exists for example:topic.' }],
      [{ head: 'same' }, { message: 'No commits between main and same' }],
      [{ head: 'main' }, { message: 'No commits between main and main' }],
      [{ head: 'nosuch' }, { field: 'head', code: 'invalid' }],
      [{ head: 'mallory:topic' }, { field: 'head', code: 'invalid' }],
      [
        { head: 'other', base: 'nosuch' },
        { field: 'base', code: 'invalid' },
      ],
      [
        { head: 'other', title: '' },
        { field: 'title', code: 'missing_field' },
      ],
      [
        { head: 'other', body: 'x'.repeat(65_537) },
        { field: 'body', code: 'custom', message: 'body is too long (maximum is 65536 characters)' },
      ],
      [
        { head: 'other', title: 'x'.repeat(257) },
        { field: 'title', code: 'custom' },
      ],
    ] as const;
    for (const [wrong, error] of refusals) {
      const { status, body } = await app('POST', 'pulls', { title: 'x', base: 'main', ...wrong });
      expect({ status, body }).toMatchObject({
        status: 422,
        body: { message: 'Validation Failed', errors: [error] },
      });
    }
    expect(forge.state.openPulls).toHaveLength(1);
  });

  it('takes a body of 65,536 and no more, in comments and issues too', async () => {
    const { app, main } = await begun();
    const number = await opened(app, main, 'topic', { body: 'x'.repeat(65_536) });
    const long = { body: 'x'.repeat(65_537) };
    for (const [method, path, body] of [
      ['PATCH', `pulls/${number}`, long],
      ['PATCH', `issues/${number}`, long],
      ['POST', `issues/${number}/comments`, long],
      ['POST', 'issues', { title: 'x', ...long }],
    ] as const) {
      expect((await app(method, path, body)).body.errors).toMatchObject([{ field: 'body', code: 'custom' }]);
    }
    expect((await app('POST', `issues/${number}/comments`, { body: 'x'.repeat(65_536) })).status).toBe(201);
  });

  it('closes with its branch, and is not opened again without it', async () => {
    const { app, main } = await begun();
    const number = await opened(app, main);
    expect((await app('DELETE', 'git/refs/heads/topic')).status).toBe(204);
    expect((await app('GET', `pulls/${number}`)).body).toMatchObject({ state: 'closed', merged: false });
    const again = await app('PATCH', `pulls/${number}`, { state: 'open' });
    expect(again).toMatchObject({ status: 422, body: { errors: [{ field: 'state', code: 'invalid' }] } });
  });

  it('filters by owner:branch, state and base', async () => {
    const { app, main } = await begun();
    const [a, b] = [await opened(app, main, 'a'), await opened(app, main, 'b')];
    await app('PATCH', `pulls/${a}`, { state: 'closed' });
    const numbers = async (query: string): Promise<number[]> =>
      (await app('GET', `pulls?${query}`)).body.map(({ number }: { number: number }) => number);
    expect(await numbers('')).toEqual([b]);
    expect(await numbers('head=example:a&state=all')).toEqual([a]);
    expect(await numbers('head=example:a')).toEqual([]);
    expect(await numbers('head=a&state=all')).toEqual([b, a]); // without the owner it is no filter
    expect(await numbers('base=nosuch')).toEqual([]);
  });
});

describe('merging', () => {
  it('answers 409 to another head, 405 to a conflict, a closed one and one that the rules hold back', async () => {
    const { forge, app, main } = await begun();
    const anna = caller(forge, forge.tokenOf('user'));
    const [one, two] = [await opened(app, main, 'left'), await opened(app, main, 'right')];
    const merge = (number: number, body = {}): Promise<Reply> => anna('PUT', `pulls/${number}/merge`, body);
    expect(await merge(one, { sha: main })).toMatchObject({
      status: 409,
      body: { message: 'Head branch was modified. Review and try the merge again.' },
    });
    forge.settings.rules = {
      approvals: 1,
      dismissStale: true,
      upToDate: false,
      checks: [{ context: 'sluice/plan', appId: 1 }],
    };
    expect((await merge(one)).body.message).toContain('At least 1 approving review is required');
    await anna('POST', `pulls/${one}/reviews`, { event: 'APPROVE' });
    expect((await merge(one)).body.message).toContain('Required status check "sluice/plan" is expected.');
    const head = (await app('GET', `pulls/${one}`)).body.head.sha;
    const run = { name: 'sluice/plan', head_sha: head, conclusion: 'success' };
    const actions = caller(forge, forge.tokenOf('actions'));
    await actions('POST', 'check-runs', run); // another source than the rule names
    expect((await merge(one)).status).toBe(405);
    await app('POST', 'check-runs', run);
    expect((await merge(one)).status).toBe(200);
    expect((await merge(one)).status).toBe(405);
    forge.settings.rules = undefined;
    await app('GET', `pulls/${two}`);
    expect((await app('GET', `pulls/${two}`)).body).toMatchObject({
      mergeable: false,
      mergeable_state: 'dirty',
    });
    expect(await merge(two)).toMatchObject({
      status: 405,
      body: { message: 'Pull Request is not mergeable' },
    });
  });

  it('dismisses approvals at a push where the rule says so, and only there', async () => {
    const { forge, app, main } = await begun();
    const anna = caller(forge, forge.tokenOf('user'));
    const number = await opened(app, main);
    await anna('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
    const states = async (): Promise<string[]> =>
      (await app('GET', `pulls/${number}/reviews`)).body.map(({ state }: { state: string }) => state);
    const push = async (text: string): Promise<void> => {
      const sha = await commit(app, main, { 'a.txt': text });
      expect((await app('PATCH', 'git/refs/heads/topic', { sha, force: true })).status).toBe(200);
    };
    await push('again');
    expect(await states()).toEqual(['APPROVED']);
    forge.settings.rules = { approvals: 1, dismissStale: true, upToDate: false, checks: [] };
    await push('and again');
    expect(await states()).toEqual(['DISMISSED']);
    const own = await app('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
    expect(own).toMatchObject({ status: 422, body: { errors: ['Can not approve your own pull request'] } });
  });
});

describe('git data', () => {
  it('refuses refs that exist, that do not, and that would lose commits', async () => {
    const { app, main } = await begun();
    const one = await commit(app, main, { 'a.txt': '1' });
    const two = await commit(app, main, { 'a.txt': '2' });
    expect((await branch(app, 'x', one)).status).toBe(201);
    const says = (reply: Reply): unknown => [reply.status, reply.body.message];
    expect(says(await branch(app, 'x', one))).toEqual([422, 'Reference already exists']);
    expect((await branch(app, 'x/y', one)).status).toBe(422); // a ref cannot be a folder too
    expect(says(await branch(app, 'z', '0'.repeat(40)))).toEqual([422, 'Object does not exist']);
    const update = (name: string, body: object): Promise<Reply> =>
      app('PATCH', `git/refs/heads/${name}`, body);
    expect(says(await update('x', { sha: two }))).toEqual([422, 'Update is not a fast forward']);
    expect(says(await update('nosuch', { sha: two }))).toEqual([422, 'Reference does not exist']);
    expect((await update('x', { sha: two, force: true })).body.object.sha).toBe(two);
    expect(says(await app('DELETE', 'git/refs/heads/nosuch'))).toEqual([422, 'Reference does not exist']);
    expect((await app('GET', 'git/ref/heads/nosuch')).status).toBe(404);
    expect((await app('GET', 'git/matching-refs/heads/')).body).toHaveLength(2);
  });

  it('refuses paths that git skips without a word', async () => {
    const { app } = await begun();
    for (const path of ['../../etc/x', '.git/config', '/abs', 'a//b', 'd/./b', 'D/.GIT/x']) {
      const item = { path, mode: '100644', type: 'blob', content: 'x' };
      const reply = await app('POST', 'git/trees', { tree: [item] });
      expect(reply).toMatchObject({
        status: 422,
        body: { message: expect.stringContaining('malformed path') },
      });
    }
  });

  it('deletes what is there and nothing else; 300 files in a moment', async () => {
    const { app, main } = await begun();
    const gone = { path: 'd/b.txt', mode: '100644', type: 'blob', sha: null };
    expect((await app('POST', 'git/trees', { base_tree: main, tree: [gone] })).status).toBe(422); // a commit
    const base_tree = (await app('GET', `git/commits/${main}`)).body.tree.sha;
    const made = await app('POST', 'git/trees', { base_tree, tree: [gone] });
    expect(made.body.tree.map(({ path }: { path: string }) => path)).toEqual(['a.txt']);
    const missing = await app('POST', 'git/trees', { base_tree, tree: [{ ...gone, path: 'nosuch' }] });
    expect(missing.status).toBe(422);
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`many/${i}`, `${i}\n`]));
    const sha = await commit(app, main, many);
    expect((await app('GET', `git/trees/${sha}?recursive=1`)).body.tree).toHaveLength(304);
  });

  it('signs what an App commits in its own name, and nothing else', async () => {
    const { forge, app, main } = await begun();
    const verified = async (sha: string) =>
      (await app('GET', `git/commits/${sha}`)).body.verification.verified;
    expect(await verified(await commit(app, main, { x: '1' }))).toBe(true);
    expect(await verified(await commit(caller(forge, forge.tokenOf('user')), main, { x: '2' }))).toBe(false);
    const tree = (await app('GET', `git/commits/${main}`)).body.tree.sha;
    const author = { name: 'Somebody', email: 's@example.org' };
    const named = await app('POST', 'git/commits', { message: 'x', tree, parents: [main], author });
    expect(await verified(named.body.sha)).toBe(false);
  });

  it('serves the same refs to git, and takes its pushes from who may write', async () => {
    const { forge, app, main } = await begun();
    const number = await opened(app, main);
    const clone = join(await tempDir(), 'clone');
    const withToken = (token: string): string => forge.gitUrl.replace('//', `//x-access-token:${token}@`);
    const git = async (...args: string[]): Promise<{ status: number | null; words: string }> => {
      // not the synchronous one: the server is in this process
      return new Promise((resolve) => {
        const env = { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_GLOBAL: '/dev/null' };
        const child = execFile('git', args, { env }, (_, out, words) =>
          resolve({ status: child.exitCode, words: out + words }),
        );
      });
    };
    expect((await git('clone', '-q', forge.gitUrl, clone)).status).toBe(0);
    const at = ['-C', clone, '-c', 'user.name=Anna', '-c', 'user.email=anna@example.org'];
    await git(...at, 'fetch', '-q', 'origin', `pull/${number}/head:mine`);
    await git(...at, 'checkout', '-q', 'mine');
    await git(...at, 'commit', '-q', '--allow-empty', '-m', 'By hand');
    const push = (url: string, ref = 'topic') => git(...at, 'push', '-q', url, `HEAD:refs/heads/${ref}`);
    expect((await push(forge.gitUrl)).status).not.toBe(0);
    expect((await push(withToken('ghp_wrong'))).status).not.toBe(0);
    expect((await push(withToken(forge.tokenOf('user', 'mallory')))).status).not.toBe(0);
    expect((await push(withToken(forge.tokenOf('user')))).status).toBe(0);
    const head = (await git(...at, 'rev-parse', 'HEAD')).words.trim();
    expect((await app('GET', `pulls/${number}`)).body.head.sha).toBe(head);
    expect(forge.state.events.at(-1)).toMatchObject({ name: 'pull_request', action: 'synchronize' });
    forge.settings.rules = { approvals: 1, dismissStale: false, upToDate: false, checks: [] };
    const forbidden = await push(withToken(forge.tokenOf('user')), 'main');
    expect(forbidden.words).toContain('GH013');
    expect(
      (await git(...at, 'push', '-q', withToken(forge.tokenOf('user')), 'HEAD:refs/pull/9/head')).status,
    ).not.toBe(0);
    expect(forge.requests.filter(({ route }) => route === 'git /git-receive-pack').length).toBeGreaterThan(0);
  });
});

describe('who may what', () => {
  it('GITHUB_TOKEN opens pull requests only where the setting allows it', async () => {
    const { forge, main, app } = await begun();
    const actions = caller(forge, forge.tokenOf('actions'));
    await branch(app, 'topic', await commit(app, main, { 'a.txt': 'x' }));
    const open = (): Promise<Reply> => actions('POST', 'pulls', { title: 'x', head: 'topic', base: 'main' });
    expect(await open()).toMatchObject({
      status: 403,
      body: { message: 'GitHub Actions is not permitted to create or approve pull requests.' },
    });
    forge.settings.actionsMayOpenPulls = true;
    expect(await open()).toMatchObject({ status: 201, headers: expect.anything() });
    expect((await open()).headers.get('x-ratelimit-limit')).toBe('1000');
  });

  it('a token without the permission, of a reader, wrong, or over its hour is refused', async () => {
    let now = new Date('2026-03-10T09:00:00Z');
    const { forge, app, main } = await begun({ now: () => now });
    const run = { name: 'sluice/plan', head_sha: main, status: 'in_progress' };
    const user = await caller(forge, forge.tokenOf('user'))('POST', 'check-runs', run);
    expect(user).toMatchObject({ status: 403, body: { message: 'You must authenticate via a GitHub App.' } });
    delete forge.settings.appPermissions['checks'];
    const few = await caller(forge, forge.tokenOf('app'))('POST', 'check-runs', run);
    expect(few).toMatchObject({ status: 403, body: { message: 'Resource not accessible by integration' } });
    const reader = caller(forge, forge.tokenOf('user', 'mallory'));
    expect((await reader('POST', 'git/refs', { ref: 'refs/heads/x', sha: main })).status).toBe(403);
    expect((await reader('POST', 'issues', { title: 'a question' })).status).toBe(201);
    expect((await caller(forge, 'ghs_wrong')('GET', '')).status).toBe(401);
    expect((await caller(forge, undefined)('GET', '')).status).toBe(401);
    now = new Date('2026-03-10T10:00:00Z');
    expect(await app('GET', '')).toMatchObject({ status: 401, body: { message: 'Bad credentials' } });
  });

  it('an App makes its tokens with a JSON web token that its key signed', async () => {
    const { forge } = await begun();
    const jwt = (more: Record<string, unknown> = {}): string => {
      const now = Math.floor(Date.now() / 1000);
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now, exp: now + 540, iss: forge.app.id, ...more })}`;
      return `${text}.${createSign('RSA-SHA256').update(text).sign(forge.app.privateKey(), 'base64url')}`;
    };
    const installation = await caller(forge, jwt())('GET', 'installation');
    expect(installation.body).toMatchObject({
      id: forge.app.installation,
      permissions: { contents: 'write' },
    });
    const path = `/app/installations/${installation.body.id}/access_tokens`;
    const made = await caller(forge, jwt())('POST', path, { permissions: { contents: 'read' } });
    const narrow = caller(forge, made.body.token);
    expect((await narrow('GET', 'git/ref/heads/main')).status).toBe(200);
    expect((await narrow('POST', 'issues', { title: 'x' })).status).toBe(403);
    expect((await caller(forge, jwt())('POST', path, { permissions: { workflows: 'write' } })).status).toBe(
      422,
    );
    expect((await caller(forge, jwt({ exp: 1 }))('POST', path)).status).toBe(401);
    expect((await caller(forge, `${jwt().slice(0, -8)}AAAAAAAA`)('POST', path)).status).toBe(401);
  });
});
