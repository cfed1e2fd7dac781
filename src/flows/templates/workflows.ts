/**
 * The workflows of a state repository on GitHub. None is a program: each checks out main, installs the tool that main's lock file
 * names, and calls one command. What they must never do stands in test/workflows/rules.ts, which reads them.
 */

// The commits that these tags pointed at when they were looked at; a tag can be moved.
const CHECKOUT = 'actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2';
const APP_TOKEN = 'actions/create-github-app-token@bcd2ba49218906704ab6c1aa796996da409d3eb1 # v3.2.0';

/** Hosted: nothing of a pull request ever runs beside the mirror. */
const HOSTED = 'ubuntu-24.04';
const MIRROR = '[self-hosted, sluice-mirror]';

/** Main, with all of its history (which is Sluice's clock), and the tool from main's own lock file. */
const TOOL = `      - uses: ${CHECKOUT}
        with:
          fetch-depth: 0
          persist-credentials: false
      - run: npm ci --ignore-scripts`;

interface Job {
  /** The file's name without its ending, and the job's. */
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** What starts it, besides a person (`workflow_dispatch`). */
  readonly on: string;
  readonly command: string;
  readonly minutes: number;
  /** What it does on GitHub: proposes pull requests, says what it found of them, or only reads main. */
  readonly does: 'proposes' | 'checks' | 'reads';
  readonly group?: string;
  readonly inputs?: string;
  readonly env?: string;
}

/** Minutes that are not 0: at the full hour GitHub delays schedules, and drops some. */
const JOBS: readonly Job[] = [
  {
    name: 'sluice-upstream',
    title: 'upstream',
    about: 'What upstreams have that is new: a pull request for live.',
    on: "  schedule:\n    - cron: '17 3,9,15,21 * * *'\n",
    command: 'sync --propose',
    minutes: 360,
    does: 'proposes',
  },
  {
    name: 'sluice-promote',
    title: 'promote',
    about: 'What has waited long enough: a pull request for each tier of each team.',
    on: "  schedule:\n    - cron: '43 5 * * *'\n",
    command: 'promote --propose',
    minutes: 60,
    does: 'proposes',
  },
  {
    name: 'sluice-holds',
    title: 'holds',
    about: 'Holds that end within a week: a pull request to renew each.',
    on: "  schedule:\n    - cron: '29 5 * * *'\n",
    command: 'hold --renewals --propose',
    minutes: 30,
    does: 'proposes',
  },
  {
    name: 'sluice-commands',
    title: 'commands',
    about:
      'What people asked for in comments (/sluice …) and by tick boxes. sluice-ask starts it at once, the schedule makes up for it.',
    on: "  schedule:\n    - cron: '3,13,23,33,43,53 * * * *'\n",
    command: 'commands',
    minutes: 55, // shorter than what one run lets another one have for a command
    does: 'proposes',
  },
  {
    name: 'sluice-dashboard',
    title: 'dashboard',
    about:
      'The issue "Staging dashboard": what waits, what is held, what is open; written where it says something new.',
    on: "  schedule:\n    - cron: '47 0,4,6,10,16,22 * * *'\n",
    command: 'dashboard --issue',
    minutes: 30,
    does: 'proposes',
  },
  {
    name: 'sluice-publish',
    title: 'publish',
    about:
      'Makes the mirror serve what main says, whatever it served before: a run that was lost is made up for by the next.',
    on: "  push:\n    branches: [main]\n  schedule:\n    - cron: '7,37 * * * *'\n",
    command: 'publish',
    minutes: 120,
    does: 'reads',
  },
  {
    name: 'sluice-mirror',
    title: 'mirror',
    about:
      'What the mirror says of each open pull request, again when main moved: the check sluice/mirror, and previews.',
    on: "  push:\n    branches: [main]\n  schedule:\n    - cron: '8,18,28,38,48,58 * * * *'\n",
    command: 'check --pulls',
    minutes: 120,
    does: 'checks',
  },
  {
    name: 'sluice-hotfix',
    title: 'hotfix',
    about:
      'Straight into a tier and every tier between, with what it needs. The pull request still wants its review.',
    on: '',
    command: 'hotfix --inputs --propose',
    minutes: 120,
    does: 'proposes',
    group: `sluice-hotfix-\${{ github.run_id }}`, // of runs that wait in one group only the last is kept
    inputs: `    inputs:
      packages:
        description: Packages, source packages, advisories or CVEs, with spaces between
        required: true
        type: string
      teams:
        description: Teams, with spaces between; or all
        required: true
        type: string
      tier:
        description: The tier; those between live and it get it too
        required: true
        type: string
      reason:
        description: Why; it stands in the commit and in the pull request
        required: true
        type: string
`,
    env: `          SLUICE_INPUT_PACKAGES: \${{ inputs.packages }}
          SLUICE_INPUT_TEAMS: \${{ inputs.teams }}
          SLUICE_INPUT_TIER: \${{ inputs.tier }}
          SLUICE_INPUT_REASON: \${{ inputs.reason }}
          SLUICE_BY: \${{ github.actor }}
`,
  },
];

/** `.github/workflows/*.yml` of a state repository, by path. */
export function workflows(): Map<string, string> {
  return new Map([
    ...JOBS.map((job) => [`.github/workflows/${job.name}.yml`, workflow(job)] as const),
    ['.github/workflows/sluice-check.yml', CHECK],
    ['.github/workflows/sluice-ask.yml', ASK],
  ]);
}

const HEAD = `# Written by sluice init: docs/github.md of Sluice says what is to be set for it.
`;

function workflow(job: Job): string {
  return `${HEAD}# ${job.about}
name: ${job.title}

on:
${job.on}  workflow_dispatch:
${job.inputs ?? ''}
permissions: {}

concurrency:
  group: ${job.group ?? job.name}
  cancel-in-progress: false

jobs:
  ${job.title}:
    if: github.ref == 'refs/heads/main'
    runs-on: ${MIRROR}
    timeout-minutes: ${job.minutes}
${PERMISSIONS[job.does]}    steps:
${TOOL}
${TOKENS[job.does]}      - run: npx --no -- sluice ${job.command}
        env:
${job.does === 'reads' ? '' : APP}          GITHUB_TOKEN: \${{ github.token }}
          SLUICE_MIRROR: \${{ vars.SLUICE_MIRROR }}
${job.env ?? ''}`;
}

/** Empty where there is no App: then the tool takes the job's own, and says what that cannot do. */
const APP = `          SLUICE_GITHUB_TOKEN: \${{ steps.app.outputs.token }}
`;

const READS = `    permissions:
      contents: read # to fetch main
`;

/** The App's key is in an environment that only main may use; the job's own token is what there is without an App. */
const WRITES = `    environment: sluice
    permissions:
      contents: write # the branches of pull requests, where there is no App
      pull-requests: write # the same
      issues: write # labels and the dashboard, the same
`;

const CHECKS = `    environment: sluice
    permissions:
      contents: read # to fetch main and the heads
      pull-requests: read # which are open, where there is no App
      checks: write # what was found, the same
`;

const PERMISSIONS = { proposes: WRITES, checks: CHECKS, reads: READS };

const MINT = `      - id: app
        if: vars.SLUICE_APP_ID != ''
        uses: ${APP_TOKEN}
        with:
          app-id: \${{ vars.SLUICE_APP_ID }}
          private-key: \${{ secrets.SLUICE_APP_PRIVATE_KEY }}
`;

const TOKENS = {
  proposes: `      # Pull requests that an App opens are checked by themselves; those of the job's own token wait for a person.
${MINT}          permission-contents: write
          permission-pull-requests: write
          permission-issues: write
          permission-checks: write
`,
  checks: `      # The ruleset can be told to believe this check of the App alone.
${MINT}          permission-contents: read
          permission-pull-requests: read
          permission-checks: write
`,
  reads: '',
};

/**
 * The tool and its lock file are main's, beside the pull request, which is only read: nothing in it is installed or run. GITHUB_SHA is
 * the merge as GitHub would make it, of a pull request or of a merge queue's group.
 */
const CHECK = `${HEAD}# What every pull request is judged by. No secret is here, and nothing that a pull request has is run.
name: check

on:
  pull_request:
    branches: [main]
  merge_group:

permissions: {}

concurrency:
  group: sluice-check-\${{ github.event.pull_request.number || github.sha }}
  cancel-in-progress: \${{ github.event_name == 'pull_request' }}

jobs:
  plan:
    runs-on: ${HOSTED}
    timeout-minutes: 30
    permissions:
      contents: read # to fetch the pull request
    steps:
      - uses: ${CHECKOUT}
        with:
          ref: \${{ github.event.repository.default_branch }}
          path: main
          persist-credentials: false
      - uses: ${CHECKOUT}
        with:
          path: merged
          fetch-depth: 0
          persist-credentials: false
      - run: npm ci --ignore-scripts
        working-directory: main
      - run: npx --no -- sluice check --merged "$GITHUB_SHA" --repo ../merged
        working-directory: main

  # The one check that is required: it always runs, so that a job that was skipped or cancelled is not taken for success.
  required:
    name: sluice/plan
    if: always()
    needs: [plan]
    runs-on: ${HOSTED}
    timeout-minutes: 5
    permissions: {}
    steps:
      - run: test "$RESULT" = success
        env:
          RESULT: \${{ needs.plan.result }}
`;

/**
 * A comment only wakes: which one it was is not handed on, nothing is checked out, and what is started reads main and asks GitHub who
 * wrote what. The condition keeps other people's comments, and the bot's answers, from starting anything.
 */
const ASK = `${HEAD}# A comment that begins with /sluice starts the workflow sluice-commands, on main. Nothing of the comment goes along.
name: ask

on:
  issue_comment:
    types: [created]

permissions: {}

concurrency:
  group: sluice-ask
  cancel-in-progress: false

jobs:
  ask:
    if: startsWith(github.event.comment.body, '/sluice')
    runs-on: ${HOSTED}
    timeout-minutes: 5
    permissions:
      actions: write # to start the other workflow
    steps:
      - run: gh workflow run sluice-commands.yml --ref main
        env:
          GH_TOKEN: \${{ github.token }}
          GH_REPO: \${{ github.repository }}
`;
