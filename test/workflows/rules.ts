import { parse } from 'yaml';

/** What a rule sees: the workflow as text and as data. */
interface Seen {
  readonly text: string;
  readonly workflow: Workflow;
  readonly triggers: ReadonlySet<string>;
  readonly jobs: readonly (readonly [string, Job])[];
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on?: string | readonly string[] | Readonly<Record<string, unknown>>;
  readonly permissions?: unknown;
  readonly concurrency?: { readonly 'cancel-in-progress'?: unknown };
  readonly env?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly name?: string;
  readonly if?: unknown;
  readonly 'runs-on'?: string | readonly string[];
  readonly 'timeout-minutes'?: number;
  readonly permissions?: unknown;
  readonly environment?: unknown;
  readonly needs?: unknown;
  readonly uses?: string;
  readonly secrets?: unknown;
  readonly steps?: readonly Step[];
}

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly if?: unknown;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, unknown>>;
}

/** Complaints of one rule about a workflow; none: it is kept. */
type Rule = (seen: Seen) => readonly string[];

/** Where a person or a pull request decides what runs. */
const FROM_PULLS = ['pull_request', 'merge_group'];
/** The only ones after which main, and nothing else, is what runs. */
const ON_MAIN = ['push', 'schedule', 'workflow_dispatch'];

/** The rules of workflow files (zizmor's audits, OpenSSF Scorecard, GitHub's own hardening guide), by name. */
export const RULES: Readonly<Record<string, Rule>> = {
  // Text of others in a script is a script of others; `env:` hands it over as data.
  'no expression in run': ({ steps }) =>
    steps.flatMap(({ run }) => (run?.includes('${{') ? [`run: ${run}`] : [])),

  // The same for what the default shell or action would interpret.
  'no script of an action': ({ steps }) =>
    steps.flatMap(({ with: w }) => (w && 'script' in w ? ['an action is given a script'] : [])),

  'no permissions at the top': ({ workflow: { permissions: p } }) =>
    isEmptyMap(p) || isReadContents(p) ? [] : [`permissions: ${JSON.stringify(p)}`],

  'permissions of each job': ({ workflow, jobs, triggers }) =>
    jobs.flatMap(([name, job]) => {
      if (job.permissions === undefined)
        return isReadContents(workflow.permissions) ? [] : [`${name} has none`];
      if (typeof job.permissions !== 'object' || job.permissions === null)
        return [`${name}: ${job.permissions}`];
      return Object.entries(job.permissions).flatMap(([scope, level]) =>
        scopesFor(triggers).get(scope)?.includes(String(level)) ? [] : [`${name}: ${scope}: ${level}`],
      );
    }),

  'no write for what is not on main': ({ triggers, jobs }) =>
    jobs.flatMap(([name, { permissions: p }]) =>
      FROM_PULLS.some((t) => triggers.has(t)) && JSON.stringify(p ?? {}).includes('write') ? [name] : [],
    ),

  'actions by commit': ({ text, steps, jobs }) =>
    [...steps.map((s) => s.uses), ...jobs.map(([, j]) => j.uses)].flatMap((uses) => {
      if (uses === undefined || uses.startsWith('./')) return [];
      if (!/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/.test(uses)) return [uses];
      return text.split('\n').some((l) => l.includes(uses) && /# v\d+(\.\d+)*$/.test(l))
        ? []
        : [`${uses}: of which version?`];
    }),

  'no credentials left by checkout': ({ steps }) =>
    steps.flatMap(({ uses, with: w }) =>
      uses?.startsWith('actions/checkout@') && w?.['persist-credentials'] !== false ? [uses] : [],
    ),

  'no dangerous trigger': ({ triggers }) =>
    ['pull_request_target', 'workflow_run', 'repository_dispatch'].filter((t) => triggers.has(t)),

  // Anybody may comment: that starts a workflow of main, and hands nothing on (GITHUB 3.5).
  'a comment only wakes': ({ text, triggers, jobs }) => {
    if (!triggers.has('issue_comment')) return [];
    const others = [...triggers].filter((t) => t !== 'issue_comment');
    const found = others.map((t) => `beside ${t}`);
    for (const [name, { if: condition, steps = [], ...job }] of jobs) {
      if (isOwnRunner(job)) found.push(`${name}: a runner of ours`);
      if (condition !== undefined && condition !== "startsWith(github.event.comment.body, '/sluice')")
        found.push(`${name}: if ${condition}`);
      for (const { uses, run, env } of steps) {
        if (uses !== undefined) found.push(`${name}: ${uses}`);
        if (!/^gh workflow run [a-z-]+\.yml --ref main$/.test(run?.trim() ?? ''))
          found.push(`${name}: ${run}`);
        for (const value of Object.values(env ?? {}))
          if (!['${{ github.token }}', '${{ github.repository }}'].includes(String(value)))
            found.push(`${name}: ${value}`);
      }
    }
    const expressions = [...text.matchAll(/\$\{\{([^}]*)\}\}/g)].map(([, inner = '']) => inner);
    return [...found, ...expressions.filter((e) => /event|inputs|head_ref|secrets/.test(e))];
  },

  'no secret where pull requests run': ({ text, triggers }) =>
    FROM_PULLS.some((t) => triggers.has(t)) && /\$\{\{[^}]*\bsecrets\b/.test(text) ? ['secrets'] : [],

  'secrets in an environment': ({ jobs }) =>
    jobs.flatMap(([name, job]) =>
      /\$\{\{[^}]*\bsecrets\b/.test(JSON.stringify(job)) && job.environment === undefined ? [name] : [],
    ),

  'no secrets inherited': ({ jobs }) => jobs.flatMap(([name, j]) => (j.secrets === 'inherit' ? [name] : [])),

  'own runners for main only': ({ triggers, jobs }) =>
    jobs.flatMap(([name, job]) => {
      if (!isOwnRunner(job)) return [];
      const others = [...triggers].filter((t) => !ON_MAIN.includes(t));
      if (others.length > 0) return [`${name} on ${others}`];
      return String(job.if).includes("github.ref == 'refs/heads/main'") ? [] : [`${name} on any branch`];
    }),

  'push of main only': ({ workflow: { on } }) => {
    const push =
      typeof on === 'object' && 'push' in on ? (on['push'] as { branches?: string[] } | null) : undefined;
    return push !== undefined && JSON.stringify(push?.branches) !== '["main"]' ? ['push'] : [];
  },

  // A workflow that a filter keeps from running never reports, and its required check waits for ever.
  'no filter of paths': ({ workflow: { on } }) =>
    /"paths(-ignore)?":/.test(JSON.stringify(on)) ? ['paths'] : [],

  // A job that is skipped counts as success: the required one looks at how the others ended.
  'required checks always run': ({ jobs }) =>
    jobs.flatMap(([name, job]) => {
      if (!job.name?.startsWith('sluice/')) return [];
      const looks = JSON.stringify(job.steps ?? []).includes('.result');
      return job.if === 'always()' && job.needs !== undefined && looks ? [] : [name];
    }),

  concurrency: ({ workflow: { concurrency }, triggers }) => {
    if (concurrency === undefined) return ['none'];
    const cancels = concurrency['cancel-in-progress'];
    if (!FROM_PULLS.some((t) => triggers.has(t)))
      return cancels === false ? [] : ['a run on main may be cut off'];
    return cancels === false || cancels === "${{ github.event_name == 'pull_request' }}"
      ? []
      : [`cancel: ${cancels}`];
  },

  timeouts: ({ jobs }) =>
    jobs.flatMap(([name, job]) => {
      const minutes = job['timeout-minutes'];
      return job.uses === undefined && !(typeof minutes === 'number' && minutes <= 360) ? [name] : [];
    }),

  // At the full hour GitHub delays schedules, and drops some.
  'odd minutes': ({ text }) =>
    [...text.matchAll(/cron: *['"]([^'"]+)['"]/g)].flatMap(([, cron = '']) => {
      const minutes = (cron.split(' ')[0] ?? '').split(',');
      return minutes.every((m) => /^\d+$/.test(m) && Number(m) % 5 !== 0) ? [] : [cron];
    }),

  // `if: github.actor == 'x[bot]'` can be made true by whoever pushes last (zizmor: bot-conditions).
  'no condition on who': ({ jobs }) =>
    jobs.flatMap(([name, job]) =>
      [job.if, ...(job.steps ?? []).map((s) => s.if)].some((c) =>
        /actor|triggering_actor|sender/.test(String(c ?? '')),
      )
        ? [name]
        : [],
    ),

  'nothing from the network into a shell': ({ steps }) =>
    steps.flatMap(({ run }) =>
      run && /\b(curl|wget)\b|npx (?!--no )|npm (install|i)\b/.test(run) ? [run] : [],
    ),

  'no environment for later steps': ({ steps }) =>
    steps.flatMap(({ run }) => (run && /GITHUB_(ENV|PATH)/.test(run) ? [run] : [])),

  // What was cached by a pull request is believed on main.
  'no cache': ({ steps }) =>
    steps.flatMap(({ uses, with: w }) =>
      uses?.startsWith('actions/cache') || w?.['cache'] ? [String(uses)] : [],
    ),

  'images by digest': ({ text }) =>
    [...text.matchAll(/^\s*(?:image|container): *(\S+)$/gm)].flatMap(([, image = '']) =>
      /@sha256:[0-9a-f]{64}$/.test(image) ? [] : [image],
    ),

  // A pull request's own files are read, never installed or run: what runs is checked out by the default branch's name.
  'only main is run where pull requests are': ({ triggers, jobs }) =>
    !triggers.has('merge_group')
      ? []
      : jobs.flatMap(([name, { steps = [] }]) =>
          steps.flatMap((step) =>
            step.run && /\bnp[mx]\b/.test(step.run) && folderOf(step) !== mainFolder(steps)
              ? [`${name}: ${step.run}`]
              : [],
          ),
        ),
};

/** What a job may ask for at most. */
const SCOPES: ReadonlyMap<string, readonly string[]> = new Map([
  ['contents', ['read', 'write']],
  ['pull-requests', ['read', 'write']],
  ['issues', ['write']],
  ['checks', ['write']],
]);

/** Who may start workflows may nothing else. */
function scopesFor(triggers: ReadonlySet<string>): typeof SCOPES {
  return triggers.has('issue_comment') ? new Map([['actions', ['write']]]) : SCOPES;
}

function isEmptyMap(p: unknown): boolean {
  return typeof p === 'object' && p !== null && Object.keys(p).length === 0;
}

function isReadContents(p: unknown): boolean {
  return JSON.stringify(p) === '{"contents":"read"}';
}

function isOwnRunner(job: Job): boolean {
  const on = job['runs-on'];
  const labels = typeof on === 'string' ? [on] : [...(on ?? [])];
  return (
    job.uses === undefined && !(labels.length === 1 && /^ubuntu-\d\d\.\d\d(-arm)?$/.test(labels[0] ?? ''))
  );
}

function folderOf(step: Step): unknown {
  return 'working-directory' in step ? step['working-directory'] : '';
}

function mainFolder(steps: readonly Step[]): unknown {
  return steps.find((s) => s.with?.['ref'] === '${{ github.event.repository.default_branch }}')?.with?.[
    'path'
  ];
}

/** Everything that a workflow file breaks, as `rule: what`. */
export function complaintsAbout(text: string): string[] {
  const workflow = parse(text) as Workflow;
  const { on } = workflow;
  const triggers = new Set(typeof on === 'string' ? [on] : Array.isArray(on) ? on : Object.keys(on ?? {}));
  const jobs = Object.entries(workflow.jobs);
  const seen: Seen = { text, workflow, triggers, jobs, steps: jobs.flatMap(([, job]) => job.steps ?? []) };
  return Object.entries(RULES).flatMap(([name, rule]) => rule(seen).map((what) => `${name}: ${what}`));
}
