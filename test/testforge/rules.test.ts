import { describe, expect, it } from 'vitest';
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
  const made = await send('POST', 'git/trees', { base_tree: parent, tree });
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
