import { expect, it } from 'vitest';
import { ruleset } from '../../src/flows/templates/github.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { beginMain, caller, testForge } from '../fixtures/testForge.ts';
import { Actions } from './actions/engine.ts';
import type { Run } from './actions/run.ts';
import { Unknown } from './actions/unknown.ts';
import { machine } from './machine.ts';
import { mergeTogether } from './merge-queue.ts';
import { importRuleset } from './ruleset.ts';

const SHA = 'a'.repeat(40);
const step = (script: string, more = '') => `      - run: |\n${script.replace(/^/gm, '          ')}\n${more}`;
const workflow = (on: string, steps: string, job = '', top = '') =>
  `name: w\non: ${on}\n${top}jobs:\n  j:\n    runs-on: ubuntu-24.04\n${job}    steps:\n${steps}`;

/** A repository whose main has these workflows, by name. */
async function given(
  workflows: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
) {
  const forge = await testForge({ owner: 'acme', repo: 'state' });
  const actions = new Actions(forge, { dir: await tempDir(), machineEnv: machine(() => new Date()) });
  const all = Object.entries(workflows).map(([name, text]) => [`.github/workflows/${name}.yml`, text]);
  await beginMain(forge, { ...files, ...Object.fromEntries(all) });
  Object.assign(forge.settings.access, { ben: 'write' });
  const as = (kind: 'app' | 'actions' | 'user', login?: string) => caller(forge, forge.tokenOf(kind, login));
  /** A branch with one commit on main, by whoever asks. */
  const branch = async (send: ReturnType<typeof as>, name: string, path: string, message = 'Change') => {
    const main = (await send('GET', 'git/ref/heads%2Fmain')).body.object.sha;
    const base_tree = (await send('GET', `git/commits/${main}`)).body.tree.sha;
    const { body: tree } = await send('POST', 'git/trees', {
      base_tree,
      tree: [{ path, mode: '100644', type: 'blob', content: name }],
    });
    const { body: commit } = await send('POST', 'git/commits', { message, tree: tree.sha, parents: [main] });
    await send('POST', 'git/refs', { ref: `refs/heads/${name}`, sha: commit.sha });
    return commit.sha as string;
  };
  const propose = async (send: ReturnType<typeof as>, name: string, path = name, message?: string) => {
    const head = await branch(send, name, path, message);
    const { body } = await send('POST', 'pulls', { title: name, head: name, base: 'main' });
    return { head, number: body.number as number };
  };
  return { forge, actions, as, branch, propose };
}

const logs = (runs: readonly Run[]) => runs.flatMap(({ jobs }) => jobs.map(({ log }) => log)).join('');
const ends = (runs: readonly Run[]) =>
  runs.map(({ occasion, conclusion }) => `${occasion.name} ${conclusion}`);
const HELLO = step('echo "$GITHUB_EVENT_NAME $GITHUB_REF $GITHUB_SHA"');

it('who did it decides whether a run is made, waits for a person, or is none', async () => {
  const { forge, actions, as, propose } = await given({
    check: workflow('{ pull_request: , push: { branches: [main] } }', HELLO),
  });
  forge.settings.actionsMayOpenPulls = true;
  expect(ends(await actions.settle())).toEqual(['push success']); // the first commit
  const [byApp, byJob, byAnna] = [
    await propose(as('app'), 'by-app'),
    await propose(as('actions'), 'by-job'),
    await propose(as('user'), 'by-anna'),
  ];
  expect(ends(await actions.settle())).toEqual(['pull_request success', 'pull_request success']);
  const [waiting] = actions.of(byJob.number);
  expect([actions.of(byApp.number).length, actions.of(byAnna.number).length, waiting?.status]).toEqual([
    1,
    1,
    'waiting',
  ]);
  expect(forge.state.checks.filter(({ sha }) => sha === byJob.head)).toEqual([]);
  expect(ends(await actions.approve(waiting as Run))).toEqual(['pull_request success']);
  expect(
    forge.state.checks.filter(({ sha }) => sha === byJob.head).map((c) => [c.name, c.conclusion]),
  ).toEqual([['j', 'success']]);
  await as('actions')('PUT', `pulls/${byJob.number}/merge`);
  expect(await actions.settle()).toEqual([]); // a push by GITHUB_TOKEN starts nothing
  await as('user')('PUT', `pulls/${byApp.number}/merge`);
  expect(ends(await actions.settle())).toEqual(['push success']);
});

it('a pull request runs the merge that GitHub made of it, and none where it conflicts or says to skip', async () => {
  const { forge, actions, as, propose } = await given(
    {
      check: workflow(
        'pull_request',
        `      - uses: actions/checkout@${SHA}\n${HELLO}${step('cat one; git rev-list HEAD | wc -l')}`,
      ),
    },
    { one: 'main\n' },
  );
  const good = await propose(as('user'), 'good', 'two');
  const runs = await actions.settle();
  const merge = await forge.world.git.ref(`refs/pull/${good.number}/merge`);
  expect(logs(runs)).toContain(`pull_request refs/pull/${good.number}/merge ${merge}`);
  expect(logs(runs)).toMatch(/^main\n1$/m); // a depth of one
  await propose(as('user'), 'skipped', 'three', 'Change [skip ci]');
  const conflict = await propose(as('user'), 'conflict', 'one');
  const other = await propose(as('user'), 'other', 'one');
  await actions.settle();
  await as('user')('PUT', `pulls/${other.number}/merge`);
  const before = actions.runs.length;
  await as('user')('PATCH', `pulls/${conflict.number}`, { state: 'closed' });
  await as('user')('PATCH', `pulls/${conflict.number}`, { state: 'open' });
  expect(await actions.settle()).toEqual([]);
  expect(actions.runs.length).toBe(before);
});

it('the token may what the job says and no more, is gone after it, and secrets are not shown', async () => {
  const ask = (path: string) =>
    step(
      `node -e 'fetch(process.env.GITHUB_API_URL+"/repos/acme/state/${path}",{method:"POST",body:JSON.stringify({title:"x"}),headers:{authorization:"Bearer "+process.env.T}}).then(r=>console.log("answer",r.status,process.env.T,process.env.S))'`,
      '        env: { T: "${{ github.token }}", S: "${{ secrets.KEY }}" }\n',
    );
  const job = (p: string) => `    permissions: ${p}\n    environment: prod\n`;
  const { forge, actions } = await given({
    may: workflow('workflow_dispatch', ask('issues'), job('{ issues: write }')),
    not: workflow('workflow_dispatch', ask('issues'), job('{ contents: write }')),
    bare: workflow('workflow_dispatch', step('printenv GITHUB_TOKEN SLUICE_X || echo none')),
  });
  actions.settings.environments['prod'] = { branches: ['main'], secrets: { KEY: 'hunter2' } };
  expect(logs(await actions.dispatch('may', {}))).toContain('answer 201 *** ***');
  expect(logs(await actions.dispatch('not', {}))).toContain('answer 403 *** ***');
  expect(logs(await actions.dispatch('bare', {}))).toContain('none');
  expect(
    [...forge.state.tokens.values()].filter(({ actor }) => actor.kind === 'actions').every((t) => t.expired),
  ).toBe(true);
  actions.settings.environments['prod'] = { branches: ['release'], secrets: { KEY: 'hunter2' } };
  expect(logs(await actions.dispatch('may', {}))).toMatch(/not allowed to deploy to prod/);
});

it('one workflow starts another by gh, as far as its token may and the other can be started', async () => {
  const gh = (file: string) =>
    step(
      `gh workflow run ${file}.yml --ref main`,
      '        env: { GH_TOKEN: "${{ github.token }}", GH_REPO: acme/state }\n',
    );
  const may = '    permissions: { actions: write }\n';
  const { forge, actions } = await given({
    other: workflow('workflow_dispatch', HELLO),
    same: workflow('workflow_dispatch', HELLO),
    pushed: workflow('push', HELLO),
    may: workflow('workflow_dispatch', gh('other'), may),
    not: workflow('workflow_dispatch', gh('other')),
    none: workflow('workflow_dispatch', gh('missing'), may),
    deaf: workflow('workflow_dispatch', gh('pushed'), may),
  });
  await actions.settle();
  const runs = await actions.dispatch('may', {});
  expect(runs.map((run) => [run.workflow.path, run.conclusion, run.occasion.actor.login])).toEqual([
    ['.github/workflows/may.yml', 'success', 'anna'],
    ['.github/workflows/other.yml', 'success', 'github-actions[bot]'],
  ]);
  expect(logs(runs)).toContain('workflow_dispatch refs/heads/main');
  const refused = [
    ['not', '403: Resource not accessible by integration'],
    ['none', '404'],
    ['deaf', "422: Workflow does not have 'workflow_dispatch' trigger"],
  ] as const;
  for (const [name, words] of refused) {
    const ended = await actions.dispatch(name, {});
    expect(ends(ended), name).toEqual(['workflow_dispatch failure']);
    expect(logs(ended)).toContain(words);
  }
  const sent = forge.requests.filter(({ route }) => route.endsWith('/dispatches'));
  expect(sent.map(({ status }) => status)).toEqual([204, 403, 422]);
});

it('an App’s token has the permissions that were asked for, and what the App lacks is refused', async () => {
  const use = (permission: string) =>
    `      - id: app\n        uses: actions/create-github-app-token@${SHA}\n        with:\n          app-id: 1\n          private-key: \${{ secrets.KEY }}\n          ${permission}\n`;
  const { forge, actions } = await given({
    good: workflow(
      'workflow_dispatch',
      use('permission-contents: read') +
        step('test -n "$T"', '        env: { T: "${{ steps.app.outputs.token }}" }\n'),
    ),
    bad: workflow('workflow_dispatch', use('permission-actions: write')),
  });
  actions.settings.secrets['KEY'] = forge.app.privateKey();
  expect(ends(await actions.dispatch('good', {}))).toEqual(['workflow_dispatch success']);
  const made = [...forge.state.tokens.values()].at(-1);
  expect([made?.actor.kind, made?.permissions, made?.expired]).toEqual(['app', { contents: 'read' }, true]);
  const runs = await actions.dispatch('bad', {});
  expect(ends(runs)).toEqual(['workflow_dispatch failure']);
  expect(logs(runs)).toContain('not granted to this installation');
});

it('steps: outputs, environment, conditions, what goes on after a failure; jobs: needs and always()', async () => {
  const text = `name: w
on: { workflow_dispatch: { inputs: { who: { required: true, type: string } } } }
env: { TOP: top }
jobs:
  a:
    runs-on: ubuntu-24.04
    outputs: { said: "\${{ steps.say.outputs.word }}" }
    steps:
      - { id: say, run: 'echo "word=$WHO" >> "$GITHUB_OUTPUT"; echo "LATER=$TOP" >> "$GITHUB_ENV"; echo "# Hi" >> "$GITHUB_STEP_SUMMARY"', env: { WHO: "\${{ inputs.who }}" } }
      - run: test "$LATER-$TOP" = top-top
      - { run: exit 3, continue-on-error: true }
      - run: false | true
      - { run: false | true, shell: bash }
      - run: echo never
      - { if: always(), run: 'echo always $GITHUB_JOB' }
  b: { runs-on: ubuntu-24.04, needs: a, steps: [{ run: echo b }] }
  c:
    { runs-on: ubuntu-24.04, needs: [a, b], if: always(), name: "c-\${{ needs.a.outputs.said }}", steps: [{ run: 'test "$R" = failure-skipped', env: { R: "\${{ needs.a.result }}-\${{ needs.b.result }}" } }] }
`;
  const { actions } = await given({ w: text });
  await expect(actions.dispatch('w', {})).rejects.toThrow(/422 Required input 'who'/);
  await expect(actions.dispatch('w', { who: 'x', more: 'y' })).rejects.toThrow(/422 Unexpected inputs/);
  const [run] = await actions.dispatch('w', { who: 'a; exit 1' });
  expect(run?.jobs.map(({ name, conclusion }) => [name, conclusion])).toEqual([
    ['a', 'failure'],
    ['b', 'skipped'],
    ['c-a; exit 1', 'success'],
  ]);
  const [a] = run?.jobs ?? [];
  expect(a?.steps.map(({ conclusion }) => conclusion)).toEqual([
    ...['success', 'success', 'success', 'success', 'failure', 'skipped', 'success'],
  ]);
  expect([a?.summary, a?.log.includes('always a'), run?.conclusion]).toEqual(['# Hi\n', true, 'failure']);
});

it.each([
  ['an action', `      - uses: actions/cache@${SHA}\n`],
  ['an input of an action', `      - uses: actions/checkout@${SHA}\n        with: { submodules: true }\n`],
  ['a shell', '      - { run: exit, shell: pwsh }\n'],
  ['a context', '      - { run: exit, env: { A: "${{ matrix.a }}" } }\n'],
  ['a workflow command', step('echo "::save-state name=a::b"')],
])('%s that is not known fails the test and is not passed over', async (_, steps) => {
  const { actions } = await given({ w: workflow('workflow_dispatch', steps) });
  await expect(actions.dispatch('w', {})).rejects.toThrow(Unknown);
});

it('of runs that wait in one group the last is kept; one that nobody can run is cancelled; one that is off is none', async () => {
  const group = 'concurrency: { group: one, cancel-in-progress: false }\n';
  const { forge, actions, as, branch } = await given({
    push: workflow('push', HELLO, '', group),
    own: workflow('workflow_dispatch', HELLO).replace('ubuntu-24.04', '[self-hosted, mine]'),
  });
  for (const name of ['a', 'b', 'c']) await branch(as('user'), name, name);
  await actions.settle();
  expect(actions.runs.map(({ occasion, conclusion }) => [occasion.branch, conclusion])).toEqual([
    ...[
      ['main', 'success'],
      ['a', 'cancelled'],
      ['b', 'cancelled'],
      ['c', 'success'],
    ],
  ]);
  expect(ends(await actions.dispatch('own', {}))).toEqual(['workflow_dispatch cancelled']);
  forge.settings.runners = [{ name: 'm', status: 'online', labels: ['mine'] }];
  expect(ends(await actions.dispatch('own', {}))).toEqual(['workflow_dispatch success']);
  Object.assign(forge.settings.workflows[0] ?? {}, { state: 'disabled_inactivity' });
  expect(ends(await actions.dispatch('own', {}))).toEqual([]);
});

it('checkout has the commit of the event though main moved on, leaves no credentials, and cleans what was left', async () => {
  const steps = `      - uses: actions/checkout@${SHA}\n        with: { fetch-depth: 0, persist-credentials: false }\n${step(
    'echo "at $(git rev-parse HEAD) of $(git rev-parse origin/main) $(ls)"; ! grep -i authorization .git/config; touch left',
  )}`;
  const { forge, actions, as, propose } = await given({
    w: workflow('{ push: { branches: [main] } }', steps).replace('ubuntu-24.04', '[self-hosted, mine]'),
  });
  forge.settings.private = true;
  forge.settings.runners = [{ name: 'm', status: 'online', labels: ['mine'] }];
  const first = await forge.world.git.ref('refs/heads/main');
  const { number } = await propose(as('user'), 'next');
  await as('user')('PUT', `pulls/${number}/merge`);
  const second = await forge.world.git.ref('refs/heads/main');
  const runs = await actions.settle();
  expect(logs(runs.slice(0, 1))).toContain(`at ${first} of ${first} \n`);
  expect(logs(runs.slice(1))).toContain(`at ${second} of ${second} next\n`); // and not: left
  expect(ends(runs)).toEqual(['push success', 'push success']);
});

it('the ruleset that is shipped: owners, the last push, the merge method, the check; and a queue that drops a red entry', async () => {
  const files = { '.github/CODEOWNERS': '* @acme/site\n/teams/ @acme/team\n' };
  const red = '[ "$GITHUB_EVENT_NAME" = pull_request ] || test ! -e two'; // red once it is merged with main
  const check = `      - uses: actions/checkout@${SHA}\n${step(red)}`;
  const { forge, actions, as, propose } = await given(
    {
      check: workflow('{ pull_request: , merge_group: }', check).replace(
        '  j:\n',
        '  j:\n    name: sluice/plan\n',
      ),
    },
    files,
  );
  const rules = importRuleset(ruleset());
  forge.settings.rules = { ...rules, checks: [{ context: 'sluice/plan', appId: 15368 }] };
  forge.settings.teams = { 'acme/site': ['ben'], 'acme/team': ['carl'] };
  Object.assign(forge.settings.access, { carl: 'write' });
  const [anna, ben, carl] = [as('user', 'anna'), as('user', 'ben'), as('user', 'carl')];
  const merge = async (number: number, merge_method = 'merge') =>
    (await ben('PUT', `pulls/${number}/merge`, { merge_method })).body.message as string;
  const { number, head } = await propose(as('app'), 'one', 'teams/one');
  await ben('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
  expect(await merge(number)).toContain('code owner');
  await carl('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
  expect(await merge(number)).toContain('"sluice/plan" is expected');
  await actions.settle();
  expect(await merge(number, 'squash')).toContain('squash merges are not allowed');
  const { tree } = (await carl('GET', `git/commits/${head}`)).body;
  const more = { message: 'More', tree: tree.sha, parents: [head] };
  const { sha } = (await carl('POST', 'git/commits', more)).body;
  await carl('PATCH', 'git/refs/heads%2Fone', { sha });
  await actions.settle();
  await carl('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
  expect(await merge(number)).toContain('other than the last pusher');
  await anna('POST', `pulls/${number}/reviews`, { event: 'APPROVE' });
  expect(await merge(number)).toContain('successfully merged');

  const two = await propose(anna, 'two');
  const three = await propose(anna, 'three');
  await actions.settle();
  for (const p of [two, three]) await ben('POST', `pulls/${p.number}/reviews`, { event: 'APPROVE' });
  const by = forge.state.actor('ben');
  const numbers = [two.number, three.number];
  const settle = () => actions.settle();
  expect(await mergeTogether(forge.world, numbers, by, settle)).toEqual([two.number]);
  const merged = forge.state.issues.filter(({ pull }) => pull?.mergedAt).map((issue) => issue.number);
  expect(merged).toEqual([number, three.number]);
});
