import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Note, Output, readAssignments } from './commands.ts';
import { asText, condition, fill, type Scope, type Value } from './expression.ts';
import { Unknown } from './unknown.ts';
import { type ActionCall, useAction } from './uses.ts';
import type { Job, Step, Texts } from './workflow.ts';

export type Conclusion = 'success' | 'failure' | 'cancelled' | 'skipped';

export interface JobResult {
  readonly id: string;
  readonly name: string;
  readonly conclusion: Conclusion;
  readonly outputs: Texts;
  readonly notes: readonly Note[];
  /** As GitHub shows it below the run; empty where a step wrote more than it takes. */
  readonly summary: string;
  /** With secrets as `***`. */
  readonly log: string;
  readonly steps: readonly { readonly name: string; readonly conclusion: Conclusion }[];
}

export interface JobGiven {
  readonly job: Job;
  readonly name: string;
  /** `github`, `vars`, `secrets`, `needs`, `inputs`. */
  readonly contexts: Scope['contexts'];
  readonly workflowEnv: Texts;
  /** The machine: its PATH and what else its steps see without asking. */
  readonly machineEnv: () => Texts;
  readonly workspace: string;
  /** An empty folder of this job. */
  readonly temp: string;
  readonly event: Readonly<Record<string, unknown>>;
  readonly where: string;
  readonly secrets: readonly string[];
  readonly github: ActionCall['github'];
  readonly now: () => Date;
  readonly revoke: (token: string) => void;
}

/** "Limitations" of workflow commands: "Job summaries … up to a maximum size of 1MiB" of each step. */
const SUMMARY_BYTES = 1 << 20;
/** "defaults.run.shell": what GitHub makes of the words; nothing at all is bash as well, with less. */
const SHELLS: Readonly<Record<string, readonly string[]>> = {
  '': ['bash', '-e'],
  bash: ['bash', '--noprofile', '--norc', '-eo', 'pipefail'],
  sh: ['sh', '-e'],
};
const CLOSED = ['github', 'steps', 'needs', 'inputs', 'runner', 'job'];

export async function runJob(given: JobGiven): Promise<JobResult> {
  return new JobRun(given).run();
}

class JobRun {
  readonly #given: JobGiven;
  readonly #masks: Set<string>;
  readonly #steps: Record<string, { outputs: Texts; outcome: Conclusion; conclusion: Conclusion }> = {};
  readonly #done: { name: string; conclusion: Conclusion }[] = [];
  readonly #notes: Note[] = [];
  readonly #after: (() => Promise<void> | void)[] = [];
  readonly #added: Record<string, string> = {};
  readonly #paths: string[] = [];
  #status: 'success' | 'failure' = 'success';
  #log = '';
  #summary = '';

  constructor(given: JobGiven) {
    this.#given = given;
    this.#masks = new Set(given.secrets);
  }

  async run(): Promise<JobResult> {
    const { job, name } = this.#given;
    for (const [n, step] of job.steps.entries()) await this.#step(step, n + 1);
    for (const work of this.#after.reverse()) await work();
    const outputs = Object.fromEntries(
      Object.entries(job.outputs).map(([key, text]) => [key, asText(fill(text, this.#scope({})))]),
    );
    return {
      ...{ id: job.id, name, conclusion: this.#status, outputs, notes: this.#notes, summary: this.#summary },
      ...{ log: this.#log, steps: this.#done },
    };
  }

  async #step(step: Step, n: number): Promise<void> {
    const { job, where } = this.#given;
    const name = step.name ?? step.uses ?? step.run ?? '';
    const key = step.id ?? `__${n}`;
    if (!condition(step.if ?? 'success()', this.#scope(this.#env(job.env)))) {
      this.#steps[key] = { outputs: {}, outcome: 'skipped', conclusion: 'skipped' };
      this.#done.push({ name, conclusion: 'skipped' });
      return;
    }
    const own = Object.entries(step.env);
    const jobEnv = this.#env(job.env);
    const filled = own.map(([k, text]) => [k, asText(fill(text, this.#scope(jobEnv)))] as const);
    const env = { ...jobEnv, ...Object.fromEntries(filled) };
    const output = new Output(this.#masks, where);
    let outputs: Texts = {};
    let good = true;
    try {
      outputs =
        step.uses === undefined
          ? await this.#script(step, n, env, output)
          : await this.#use(step, env, output);
    } catch (error) {
      if (error instanceof Unknown) throw error;
      good = false;
      if (!(error instanceof StepFailed))
        output.add(`::error::${String((error as Error).message).replaceAll('\n', '%0A')}`);
    }
    this.#log += `## ${name}\n${output.log}`;
    this.#notes.push(...output.notes);
    const outcome = good ? 'success' : 'failure';
    const conclusion = good || step.goesOn ? 'success' : 'failure';
    this.#steps[key] = { outputs, outcome, conclusion };
    this.#done.push({ name, conclusion });
    if (conclusion === 'failure') this.#status = 'failure';
  }

  #scope(env: Texts): Scope {
    const { contexts, workspace, temp, where } = this.#given;
    const runner = { os: 'Linux', arch: 'X64', temp, name: 'test forge', tool_cache: temp };
    const own = { env, steps: this.#steps as unknown as Value, runner, job: { status: this.#status } };
    const github = { ...(contexts['github'] as Record<string, Value>), workspace };
    return { contexts: { ...contexts, ...own, github }, closed: CLOSED, status: this.#status, where };
  }

  /** `env` of the workflow, of the job, and what steps wrote to GITHUB_ENV. */
  #env(ofJob: Texts): Texts {
    const { workflowEnv, contexts, where } = this.#given;
    const scope = { contexts, closed: CLOSED, where };
    const all = Object.entries({ ...workflowEnv, ...ofJob });
    const filled = all.map(([key, text]) => [key, asText(fill(text, scope))] as const);
    return { ...Object.fromEntries(filled), ...this.#added };
  }

  async #use(step: Step, env: Texts, output: Output): Promise<Texts> {
    const { workspace, github, now, revoke } = this.#given;
    const inputs = Object.fromEntries(
      Object.entries(step.with).map(([key, text]) => [key, asText(fill(text, this.#scope(env)))]),
    );
    return useAction(step.uses ?? '', inputs, {
      ...{ workspace, github, now, revoke, env: this.#all(env) },
      mask: (secret) => this.#masks.add(secret),
      say: (line) => output.add(line),
      after: (work) => this.#after.push(work),
    });
  }

  async #script(step: Step, n: number, env: Texts, output: Output): Promise<Texts> {
    const { workspace, temp, where } = this.#given;
    const shell = SHELLS[step.shell ?? ''];
    if (shell === undefined) throw new Unknown(where, `the shell ${step.shell}`);
    const scope = this.#scope(env);
    const script = join(temp, `step-${n}.sh`);
    writeFileSync(script, asText(fill(step.run ?? '', scope)));
    const file = (name: string) => join(temp, `${name}-${n}`);
    const files = { GITHUB_OUTPUT: file('output'), GITHUB_ENV: file('env'), GITHUB_PATH: file('path') };
    const summary = file('summary');
    for (const path of [...Object.values(files), summary]) writeFileSync(path, '');
    const folder = asText(fill(step.folder ?? '', scope));
    const all = { ...this.#all(env), ...files, GITHUB_STEP_SUMMARY: summary };
    const minutes = step.minutes ?? this.#given.job.minutes;
    const code = await execute([...shell, script], join(workspace, folder), all, minutes, output);
    Object.assign(this.#added, readAssignments(readFileSync(files.GITHUB_ENV, 'utf8'), where));
    this.#paths.unshift(...readFileSync(files.GITHUB_PATH, 'utf8').split('\n').filter(Boolean));
    if (statSync(summary).size <= SUMMARY_BYTES) this.#summary += readFileSync(summary, 'utf8');
    else output.add('::error::$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k');
    if (code !== 0) {
      output.add(`::error::Process completed with exit code ${code}.`);
      throw new StepFailed();
    }
    return readAssignments(readFileSync(files.GITHUB_OUTPUT, 'utf8'), where);
  }

  /** What a process sees. */
  #all(env: Texts): Texts {
    const { contexts, workspace, temp, event } = this.#given;
    const machineEnv = this.#given.machineEnv();
    const path = join(temp, 'event.json');
    if (!existsSync(path)) {
      mkdirSync(join(temp, 'home'), { recursive: true });
      writeFileSync(path, JSON.stringify(event));
    }
    const github = contexts['github'] as Readonly<Record<string, Value>>;
    const named = GITHUB_NAMES.map((name) => [`GITHUB_${name.toUpperCase()}`, asText(github[name] ?? null)]);
    return {
      ...{ HOME: join(temp, 'home'), LANG: 'C.UTF-8', CI: 'true', ...machineEnv, GITHUB_ACTIONS: 'true' },
      ...{ PATH: [...this.#paths, machineEnv['PATH']].join(':'), ...Object.fromEntries(named) },
      ...{ GITHUB_WORKSPACE: workspace, GITHUB_EVENT_PATH: path, RUNNER_TEMP: temp, RUNNER_OS: 'Linux' },
      ...{ RUNNER_ARCH: 'X64', ...env },
    };
  }
}

/** The script said already why. */
class StepFailed extends Error {}

/** "Variables reference": `GITHUB_` and these are in every step's environment; GITHUB_TOKEN is not. */
const GITHUB_NAMES = [
  ...['actor', 'actor_id', 'api_url', 'base_ref', 'event_name', 'graphql_url', 'head_ref', 'job', 'ref'],
  ...['ref_name', 'ref_type', 'repository', 'repository_id', 'repository_owner', 'run_attempt', 'run_id'],
  ...['run_number', 'server_url', 'sha', 'triggering_actor', 'workflow', 'workflow_ref', 'workflow_sha'],
];

function execute(
  [program = '', ...args]: readonly string[],
  cwd: string,
  env: Texts,
  minutes: number,
  output: Output,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: minutes * 60_000,
    });
    for (const stream of [child.stdout, child.stderr]) {
      const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
      lines.on('line', (line) => {
        try {
          output.add(line);
        } catch (error) {
          child.kill();
          reject(error);
        }
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
