import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestForge } from '../server.ts';
import { type Actor, isPull } from '../state.ts';
import { nextTime } from './cron.ts';
import { admission, fits, inputsOf, isSkipped, type Occasion, occasionOf } from './events.ts';
import { asText, condition, fill, type Value } from './expression.ts';
import { type Conclusion, type JobResult, runJob } from './job.ts';
import { type Run, report, scopeOf } from './run.ts';
import { type Job, readWorkflow, type Texts, type Workflow } from './workflow.ts';

/** What an owner sets besides the repository's own settings. */
export interface ActionsSettings {
  vars: Record<string, string>;
  secrets: Record<string, string>;
  /** "Managing environments for deployment": secrets that only some branches' jobs get. */
  environments: Record<string, { branches: readonly string[]; secrets: Readonly<Record<string, string>> }>;
}

/**
 * GitHub Actions of a test forge: what happens there makes runs of the workflow files that the commit has, and their steps are
 * executed. Nothing here knows a workflow of ours; what a file uses and this does not know is an `Unknown`, and the test fails.
 */
export class Actions {
  readonly settings: ActionsSettings = { vars: {}, secrets: {}, environments: {} };
  readonly runs: Run[] = [];
  readonly #forge: TestForge;
  readonly #dir: string;
  readonly #machineEnv: () => Texts;
  readonly #files = new Map<string, Promise<Workflow[]>>();
  #seen: number;

  /** `dir`: an empty folder, for workspaces. `machineEnv`: what each step sees of its machine, its PATH above all. */
  constructor(forge: TestForge, o: { dir: string; machineEnv: () => Texts }) {
    this.#forge = forge;
    this.#dir = o.dir;
    this.#machineEnv = o.machineEnv;
    this.#seen = forge.state.events.length;
  }

  /** Runs what has been started, and what follows from that, until nothing is left; those that ended. */
  async settle(): Promise<Run[]> {
    const ended: Run[] = [];
    await this.#list();
    for (;;) {
      await this.#read();
      const next = this.runs.find(({ status }) => status === 'queued');
      if (next === undefined) return ended;
      await this.#run(next);
      ended.push(next);
    }
  }

  /** Nobody's push: the next time that a schedule of this workflow names. The others' times until then are dropped, as GitHub may. */
  async nextSchedule(file: string): Promise<Date> {
    const { crons = [] } = (await this.#onMain(file)).on.get('schedule') ?? {};
    const [first] = crons.map((cron) => nextTime(cron, this.#forge.state.clock())).sort((a, b) => +a - +b);
    if (first === undefined) throw new Error(`${file} has no schedule`);
    return first;
  }

  /** A schedule fires; "the last user to commit to the cron schedule" is its actor. */
  async schedule(file: string): Promise<Run[]> {
    const workflow = await this.#onMain(file);
    const [schedule] = workflow.on.get('schedule')?.crons ?? [];
    const owner = this.#forge.state.actor(this.#forge.owner);
    await this.#start(workflow, await this.#ofMain('schedule', owner, { schedule }), {});
    return this.settle();
  }

  /** *Run workflow*, filled in by somebody with write access. */
  async dispatch(file: string, given: Readonly<Record<string, string>>, login = 'anna'): Promise<Run[]> {
    const workflow = await this.#onMain(file);
    const trigger = workflow.on.get('workflow_dispatch');
    if (trigger === undefined) throw new Error(`422 Workflow does not have 'workflow_dispatch' trigger`);
    const inputs = inputsOf(trigger, given);
    const actor = this.#forge.state.actor(login);
    await this.#start(workflow, await this.#ofMain('workflow_dispatch', actor, { inputs }), inputs);
    return this.settle();
  }

  /** *Approve workflows to run*. */
  async approve(run: Run): Promise<Run[]> {
    if (run.status !== 'waiting') throw new Error(`run ${run.id} waits for nobody`);
    run.status = 'queued';
    return this.settle();
  }

  /** *Actions*, the list of workflows: main's. */
  async #list(): Promise<void> {
    const { settings, state, world } = this.#forge;
    const tip = await world.git.ref('refs/heads/main');
    const known = new Map(settings.workflows.map((workflow) => [workflow.path, workflow]));
    settings.workflows = (tip === undefined ? [] : await this.#workflows(tip)).map(
      ({ name, path }) => known.get(path) ?? { id: state.id(), name, path, state: 'active' },
    );
  }

  async #read(): Promise<void> {
    const { state, world } = this.#forge;
    for (; this.#seen < state.events.length; this.#seen += 1) {
      const event = state.events[this.#seen];
      const occasion = event && (await occasionOf(world, event));
      if (occasion === undefined) continue;
      for (const workflow of await this.#workflows(occasion.sha)) {
        if (!fits(workflow, occasion)) continue;
        const { message } = await world.git.commit(occasion.checked);
        if (!isSkipped(occasion, message))
          await this.#start(workflow, occasion, occasion.asked?.inputs ?? {});
      }
    }
  }

  async #start(workflow: Workflow, occasion: Occasion, inputs: Run['inputs']): Promise<void> {
    const known = this.#forge.settings.workflows.find(({ path }) => path === workflow.path);
    if (known && known.state !== 'active') return;
    const is = admission(occasion);
    if (is === 'none') return;
    const id = this.#forge.state.id();
    const scope = scopeOf(this.#forge, this.settings.vars, { id, workflow, occasion, inputs });
    const { concurrency } = workflow;
    const group = concurrency && asText(fill(concurrency.group, scope));
    const run: Run = {
      ...{ id, workflow, occasion, inputs, group, jobs: [], conclusion: undefined },
      status: is === 'waits' ? 'waiting' : 'queued',
    };
    if (group !== undefined) {
      // "at most one running and one pending": the one that runs is the first of those that are queued
      const others = this.runs.filter((r) => r.group === group && r.status === 'queued');
      const cancels = asText(fill(concurrency?.cancels ?? '', scope)) === 'true';
      for (const other of cancels ? others : others.slice(1)) this.#cancel(other);
    }
    this.runs.push(run);
  }

  #cancel(run: Run): void {
    const steps: JobResult['steps'] = [];
    run.jobs = run.workflow.jobs.map(({ id, name }) => ({
      ...{ id, name, conclusion: 'cancelled', outputs: {}, notes: [], summary: '', log: '', steps },
    }));
    for (const job of run.jobs) report(this.#forge, run, job);
    Object.assign(run, { status: 'completed', conclusion: 'cancelled' });
  }

  async #run(run: Run): Promise<void> {
    const { jobs } = run.workflow;
    while (run.jobs.length < jobs.length) {
      const ready = jobs.filter(
        ({ id, needs }) =>
          !run.jobs.some((j) => j.id === id) && needs.every((n) => run.jobs.some((j) => j.id === n)),
      );
      if (ready.length === 0) throw new Error(`${run.workflow.path}: jobs that need each other`);
      for (const job of ready) {
        const result = await this.#job(run, job);
        run.jobs.push(result);
        report(this.#forge, run, result);
      }
    }
    const ends = run.jobs.map(({ conclusion }) => conclusion);
    const worst = (['failure', 'cancelled'] as const).find((c) => ends.includes(c));
    run.conclusion = worst ?? (ends.every((c) => c === 'skipped') ? 'skipped' : 'success');
    run.status = 'completed';
  }

  async #job(run: Run, job: Job): Promise<JobResult> {
    const forge = this.#forge;
    const needed = run.jobs.filter(({ id }) => job.needs.includes(id));
    const needs = Object.fromEntries(
      needed.map(({ id, conclusion, outputs }) => [id, { result: conclusion, outputs }]),
    );
    const scope = scopeOf(this.#forge, this.settings.vars, run, job, needs);
    const name = asText(fill(job.name, scope));
    const ends = needed.map(({ conclusion }) => conclusion);
    const status = (['failure', 'cancelled', 'skipped'] as const).find((c) => ends.includes(c)) ?? 'success';
    const ended = (conclusion: Conclusion, log: string): JobResult => ({
      ...{ id: job.id, name, conclusion, outputs: {}, notes: [], summary: '', log, steps: [] },
    });
    if (!condition(job.if ?? 'success()', { ...scope, status })) return ended('skipped', '');
    const machine = this.#machine(job);
    // "Self-hosted runners", usage limits: "jobs … queued for longer than 24 hours" are cancelled
    if (machine === undefined) return ended('cancelled', `no runner has the labels ${job.runsOn}\n`);
    const environment =
      job.environment === undefined ? undefined : this.settings.environments[job.environment];
    if (environment && !environment.branches.includes(run.occasion.ref.replace('refs/heads/', ''))) {
      const why = `${run.occasion.ref} is not allowed to deploy to ${job.environment}`;
      return ended('failure', `${why} due to environment protection rules\n`);
    }
    const token = forge.tokenOf('actions', undefined, {
      metadata: 'read',
      ...(job.permissions ?? run.workflow.permissions ?? { contents: 'read' }), // with "Read repository contents" as the default
    });
    const secrets: Texts = { ...this.settings.secrets, ...environment?.secrets, GITHUB_TOKEN: token };
    const github = { ...(scope.contexts['github'] as Record<string, Value>), token };
    const temp = mkdtempSync(join(this.#dir, 'job-'));
    const workspace = machine.workspace ?? join(temp, 'workspace');
    mkdirSync(workspace, { recursive: true });
    const end = (used: string) => Object.assign(forge.state.tokens.get(used) ?? {}, { expired: true });
    try {
      return await runJob({
        ...{
          job,
          name,
          workspace,
          temp,
          event: run.occasion.payload,
          where: `${run.workflow.path}: ${job.id}`,
        },
        contexts: { ...scope.contexts, github, secrets },
        ...{ workflowEnv: run.workflow.env, machineEnv: this.#machineEnv, secrets: Object.values(secrets) },
        github: {
          ...{ serverUrl: forge.url, apiUrl: forge.url, repository: `${forge.owner}/${forge.repo}`, token },
          ...{ ref: run.occasion.ref, sha: run.occasion.sha },
        },
        ...{ now: forge.state.clock, revoke: end },
      });
    } finally {
      end(token); // "The token expires when a job finishes"
      rmSync(temp, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  /** A new machine each time for GitHub's own labels; else the same one, with what the last job left in its workspace. */
  #machine({ runsOn }: Job): { workspace?: string } | undefined {
    if (runsOn.length === 1 && /^ubuntu-\d\d\.\d\d$/.test(runsOn[0] ?? '')) return {};
    const { repo, settings } = this.#forge;
    const found = settings.runners.find(
      ({ status, labels }) =>
        status === 'online' && runsOn.every((l) => l === 'self-hosted' || labels.includes(l)),
    );
    return found && { workspace: join(this.#dir, found.name, '_work', repo, repo) };
  }

  async #ofMain(name: string, actor: Actor, payload: Record<string, unknown>): Promise<Occasion> {
    const { git, json } = this.#forge.world;
    const sha = (await git.ref('refs/heads/main')) ?? '';
    const place = { ref: 'refs/heads/main', sha, checked: sha, branch: 'main', headRef: '', baseRef: '' };
    const common = { repository: json.repository(), sender: json.user(actor) };
    return { name, action: '', actor, ...place, payload: { ...payload, ...common } };
  }

  async #onMain(file: string): Promise<Workflow> {
    const sha = (await this.#forge.world.git.ref('refs/heads/main')) ?? '';
    const found = (await this.#workflows(sha)).find(({ path }) => path === `.github/workflows/${file}.yml`);
    if (found === undefined) throw new Error(`main has no workflow ${file}`);
    return found;
  }

  #workflows(commit: string): Promise<Workflow[]> {
    const read = async () => {
      const { git } = this.#forge.world;
      const items = await git.listTree(commit, true, '.github/workflows');
      const files = items.filter(({ type, path }) => type === 'blob' && /\.ya?ml$/.test(path));
      return Promise.all(
        files.map(async ({ path, sha }) =>
          readWorkflow(path, (await git.bytes(sha))?.toString('utf8') ?? ''),
        ),
      );
    };
    const known = this.#files.get(commit) ?? read();
    this.#files.set(commit, known);
    return known;
  }

  /** Of one pull request: what its runs came to. */
  of(number: number): Run[] {
    const issue = this.#forge.state.issue(number);
    if (!issue || !isPull(issue)) throw new Error(`no pull request ${number}`);
    return this.runs.filter(({ occasion }) => occasion.payload['number'] === number);
  }
}
