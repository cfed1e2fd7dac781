import { createEmulator } from 'emulate';
import { expect, it, onTestFinished } from 'vitest';
import { beginMain, testForge } from '../fixtures/testForge.ts';
import { OpenApi } from './openapi.ts';

/** What a bot does at GitHub, with the status that GitHub answers. `$name` is what an earlier step left. */
const STEPS: readonly (readonly [string, number, string, string, object?])[] = [
  ['repository', 200, 'GET', ''],
  ['main', 200, 'GET', 'git/ref/heads%2Fmain'],
  ['main commit', 200, 'GET', 'git/commits/$main'],
  ['tree', 201, 'POST', 'git/trees', { base_tree: '$main tree', tree: [file('a.txt', 'new\n')] }],
  ['commit', 201, 'POST', 'git/commits', { message: 'Change', tree: '$tree', parents: ['$main'] }],
  ['other tree', 201, 'POST', 'git/trees', { base_tree: '$main tree', tree: [file('a.txt', 'other\n')] }],
  ['other commit', 201, 'POST', 'git/commits', { message: 'Other', tree: '$other tree', parents: ['$main'] }],
  ['a bad path', 422, 'POST', 'git/trees', { base_tree: '$main tree', tree: [file('.git/config', 'x')] }],
  ['branch', 201, 'POST', 'git/refs', { ref: 'refs/heads/topic', sha: '$commit' }],
  ['other branch', 201, 'POST', 'git/refs', { ref: 'refs/heads/other', sha: '$other commit' }],
  ['branch twice', 422, 'POST', 'git/refs', { ref: 'refs/heads/topic', sha: '$commit' }],
  ['no fast-forward', 422, 'PATCH', 'git/refs/heads%2Ftopic', { sha: '$other commit' }],
  ['pull', 201, 'POST', 'pulls', { title: 'Change', head: 'topic', base: 'main', body: 'why' }],
  ['pull twice', 422, 'POST', 'pulls', { title: 'Change', head: 'topic', base: 'main' }],
  ['no such head', 422, 'POST', 'pulls', { title: 'Change', head: 'nosuch', base: 'main' }],
  ['no commits', 422, 'POST', 'pulls', { title: 'Change', head: 'main', base: 'main' }],
  [
    'a long body',
    422,
    'POST',
    'pulls',
    { title: 'x', head: 'other', base: 'main', body: 'x'.repeat(70_000) },
  ],
  ['pulls', 200, 'GET', 'pulls?state=open&base=main'],
  ['one pull', 200, 'GET', 'pulls/$pull'],
  ['files', 200, 'GET', 'pulls/$pull/files'],
  ['label', 200, 'POST', 'issues/$pull/labels', { labels: ['sluice'] }],
  ['comment', 201, 'POST', 'issues/$pull/comments', { body: 'a word' }],
  ['comment edited', 200, 'PATCH', 'issues/comments/$comment', { body: 'another' }],
  ['check', 201, 'POST', 'check-runs', { name: 'sluice/plan', head_sha: '$commit', conclusion: 'success' }],
  ['60 annotations', 422, 'POST', 'check-runs', { name: 'x', head_sha: '$commit', output: annotated(60) }],
  ['status', 201, 'POST', 'statuses/$commit', { state: 'success', context: 'sluice/plan' }],
  ['compare', 200, 'GET', 'compare/main...topic'],
  ['contents', 200, 'GET', 'contents/a.txt?ref=topic'],
  ['merge of another head', 409, 'PUT', 'pulls/$pull/merge', { sha: '$main' }],
  ['merge', 200, 'PUT', 'pulls/$pull/merge', { sha: '$commit' }],
  ['branch deleted', 204, 'DELETE', 'git/refs/heads%2Ftopic'],
];

/** As measured; a version that mends one of them, or adds one, is noticed here. It has no git over HTTP either. */
const KNOWN: readonly string[] = [
  "repository: 200 must have required property 'network_count'",
  "repository: 200 must have required property 'subscribers_count'",
  'commit: unsigned',
  'a bad path: 201, not 422',
  'pull twice: 201, not 422',
  'no such head: 201, not 422',
  'a long body: 201, not 422',
  'one pull: 0 files, +0 −0',
  "check: 201/output must have required property 'annotations_url'",
  '60 annotations: 201, not 422',
  'status: 404, not 201',
  'merge of another head: 422, not 409',
];

function file(path: string, content: string) {
  return { path, mode: '100644', type: 'blob', content };
}

function annotated(count: number) {
  const annotation = { path: 'a.txt', start_line: 1, end_line: 1, annotation_level: 'notice', message: 'x' };
  return { title: 't', summary: 's', annotations: Array(count).fill(annotation) };
}

/** Where it differs from GitHub: in its statuses, in the shape of its answers, and in what they say. */
async function deviations(root: string, token: string): Promise<string[]> {
  const openApi = new OpenApi();
  const found = new Set<string>();
  const left: Record<string, string> = {};
  const fill = (text: string): string =>
    Object.keys(left)
      .sort((a, b) => b.length - a.length)
      .reduce((filled, name) => filled.replaceAll(`$${name}`, left[name] ?? ''), text);
  for (const [name, wanted, method, path, given] of STEPS) {
    const url = new URL(`${root}${fill(path) && `/${fill(path)}`}`);
    const operation = openApi.find(method, url.pathname);
    if (!operation) throw new Error(`${method} ${path} is not described`);
    const sent = given && (JSON.parse(fill(JSON.stringify(given))) as object);
    if (wanted < 400) expect(openApi.wrongRequest(operation, url.searchParams, sent)).toEqual([]);
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
    });
    const text = await response.text();
    const body = text === '' ? undefined : JSON.parse(text);
    if (response.status !== wanted) {
      found.add(`${name}: ${response.status}, not ${wanted}`);
      continue;
    }
    for (const wrong of openApi.wrongResponse(operation, wanted, body)) {
      found.add(`${name}: ${wrong.replace(/ \(.*\)$/, '')}`);
    }
    left[name] = String(body?.object?.sha ?? body?.sha ?? body?.number ?? body?.id ?? '');
    if (name === 'main commit') left['main tree'] = body.tree.sha;
    if (name === 'commit') found.add(`commit: ${body.verification.verified ? 'verified' : 'unsigned'}`);
    if (name === 'one pull')
      found.add(`one pull: ${body.changed_files} files, +${body.additions} −${body.deletions}`);
    if (name === 'merge') expect(body.merged).toBe(true);
  }
  return [...found];
}

it('the test forge differs from GitHub’s description nowhere', async () => {
  const forge = await testForge();
  await beginMain(forge, { 'a.txt': 'one\n' });
  const root = `${forge.url}/repos/${forge.owner}/${forge.repo}`;
  const found = await deviations(root, forge.tokenOf('app'));
  expect(found).toEqual(['commit: verified', 'one pull: 1 files, +1 −1']);
  // what it refuses there is also a violation of the description, which would fail any other test
  expect(forge.violations.splice(0)).toEqual([expect.stringContaining('must NOT have more than 50 items')]);
});

/** A second opinion, by other people; what it leaves out is what a test against it alone would not notice. */
it('emulate 0.12.2 takes the same requests, and deviates where it is known to', async () => {
  const emulator = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      tokens: { token: { login: 'anna', scopes: ['repo'] } },
      github: { users: [{ login: 'anna' }], repos: [{ owner: 'anna', name: 'state', auto_init: true }] },
    },
  });
  onTestFinished(() => emulator.close());
  expect(await deviations(`${emulator.url}/repos/anna/state`, 'token')).toEqual(KNOWN);
});
