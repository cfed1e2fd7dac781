import { parse } from 'yaml';
import { Unknown } from './unknown.ts';

export interface Workflow {
  readonly path: string;
  readonly name: string;
  readonly on: ReadonlyMap<string, Trigger>;
  readonly permissions: Permissions | undefined;
  readonly concurrency: Concurrency | undefined;
  readonly env: Texts;
  readonly jobs: readonly Job[];
}

export interface Trigger {
  readonly branches?: readonly string[];
  readonly types?: readonly string[];
  readonly crons?: readonly string[];
  readonly inputs?: Readonly<Record<string, Input>>;
}

export interface Input {
  readonly required: boolean;
  readonly type: 'string' | 'choice' | 'boolean';
  readonly default: string | undefined;
  readonly options: readonly string[];
}

export type Permissions = Readonly<Record<string, 'read' | 'write'>>;
export type Texts = Readonly<Record<string, string>>;

export interface Concurrency {
  readonly group: string;
  readonly cancels: string;
}

export interface Job {
  readonly id: string;
  readonly name: string;
  readonly needs: readonly string[];
  readonly if: string | undefined;
  readonly runsOn: readonly string[];
  readonly minutes: number;
  readonly permissions: Permissions | undefined;
  readonly environment: string | undefined;
  readonly env: Texts;
  readonly outputs: Texts;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly if: string | undefined;
  readonly uses: string | undefined;
  readonly with: Texts;
  readonly run: string | undefined;
  readonly shell: string | undefined;
  readonly folder: string | undefined;
  readonly env: Texts;
  readonly goesOn: boolean;
  readonly minutes: number | undefined;
}

type Map_ = Readonly<Record<string, unknown>>;

/** The keys that are known, by what they are of. Whatever else stands there is an `Unknown`. */
const KEYS = {
  workflow: ['name', 'on', 'permissions', 'concurrency', 'env', 'jobs'],
  job: [
    ...['name', 'needs', 'if', 'runs-on', 'timeout-minutes', 'permissions', 'environment', 'env', 'outputs'],
    'steps',
  ],
  step: [
    ...['id', 'name', 'if', 'uses', 'with', 'run', 'shell', 'working-directory', 'env', 'continue-on-error'],
    'timeout-minutes',
  ],
  concurrency: ['group', 'cancel-in-progress'],
  input: ['description', 'required', 'type', 'default', 'options'],
} as const;

/** What an event may be narrowed by. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  push: ['branches'],
  pull_request: ['branches', 'types'],
  merge_group: ['branches', 'types'],
  workflow_dispatch: ['inputs'],
  schedule: [],
  issue_comment: ['types'],
  issues: ['types'],
};

/** "Permissions for the GITHUB_TOKEN", as far as a route of the test forge asks for it. */
const SCOPES = ['actions', 'checks', 'contents', 'issues', 'pull-requests', 'statuses'];

export function readWorkflow(path: string, text: string): Workflow {
  const all = map(parse(text), path, KEYS.workflow);
  const jobs = map(all['jobs'], `${path}: jobs`);
  return {
    path,
    name: one(all['name']) ?? path,
    on: triggers(all['on'], path),
    permissions: permissions(all['permissions'], path),
    concurrency: concurrency(all['concurrency'], path),
    env: texts(all['env'], path),
    jobs: Object.entries(jobs).map(([id, job]) => readJob(id, map(job, `${path}: ${id}`, KEYS.job), path)),
  };
}

function readJob(id: string, job: Map_, path: string): Job {
  const where = `${path}: ${id}`;
  const { environment } = job as { environment?: unknown };
  if (environment !== undefined && typeof environment !== 'string') throw new Unknown(where, 'environment.*');
  if (job['runs-on'] === undefined) throw new Unknown(where, 'a job without runs-on');
  return {
    id,
    name: one(job['name']) ?? id,
    needs: list(job['needs']),
    if: one(job['if']),
    runsOn: list(job['runs-on']),
    minutes: Number(job['timeout-minutes'] ?? 360), // "The default is 360"
    permissions: permissions(job['permissions'], where),
    environment,
    env: texts(job['env'], where),
    outputs: texts(job['outputs'], where),
    steps: (job['steps'] as readonly unknown[]).map((step, n) => readStep(step, `${where}, step ${n + 1}`)),
  };
}

function readStep(given: unknown, where: string): Step {
  const step = map(given, where, KEYS.step);
  if ((step['uses'] === undefined) === (step['run'] === undefined)) {
    throw new Unknown(where, 'a step that neither runs nor uses');
  }
  return {
    ...{ id: one(step['id']), name: one(step['name']), if: one(step['if']), uses: one(step['uses']) },
    ...{ with: texts(step['with'], where), run: one(step['run']), shell: one(step['shell']) },
    ...{ folder: one(step['working-directory']), env: texts(step['env'], where) },
    goesOn: step['continue-on-error'] === true,
    minutes: step['timeout-minutes'] === undefined ? undefined : Number(step['timeout-minutes']),
  };
}

function triggers(on: unknown, path: string): Map<string, Trigger> {
  const names = typeof on === 'string' || Array.isArray(on) ? list(on) : undefined;
  const entries = names?.map((name) => [name, null] as const) ?? Object.entries(map(on, `${path}: on`));
  return new Map(
    entries.map(([name, filter]): [string, Trigger] => {
      const where = `${path}: on.${name}`;
      const known = EVENTS[name];
      if (known === undefined) throw new Unknown(path, `the event ${name}`);
      if (name === 'schedule') {
        return [name, { crons: (filter as Map_[]).map((c) => String(map(c, where, ['cron'])['cron'])) }];
      }
      const { branches, types, inputs } = map(filter ?? {}, where, known);
      return [
        name,
        {
          ...(branches === undefined ? {} : { branches: list(branches) }),
          ...(types === undefined ? {} : { types: list(types) }),
          ...(inputs === undefined ? {} : { inputs: readInputs(inputs, where) }),
        },
      ];
    }),
  );
}

function readInputs(inputs: unknown, where: string): Record<string, Input> {
  return Object.fromEntries(
    Object.entries(map(inputs, where)).map(([name, given]) => {
      const input = map(given, `${where}: ${name}`, KEYS.input);
      const type = one(input['type']) ?? 'string';
      if (type !== 'string' && type !== 'choice' && type !== 'boolean') {
        throw new Unknown(where, `an input of the type ${type}`);
      }
      const options = list(input['options']);
      return [name, { required: input['required'] === true, type, default: one(input['default']), options }];
    }),
  );
}

function permissions(given: unknown, where: string): Permissions | undefined {
  if (given === undefined) return undefined;
  const all = map(given, `${where}: permissions`, SCOPES);
  return Object.fromEntries(
    Object.entries(all).flatMap(([scope, level]) => {
      if (level === 'none') return [];
      if (level !== 'read' && level !== 'write') throw new Unknown(where, `${scope}: ${level}`);
      return [[scope.replace('-', '_'), level] as const];
    }),
  );
}

function concurrency(given: unknown, where: string): Concurrency | undefined {
  if (given === undefined) return undefined;
  if (typeof given === 'string') return { group: given, cancels: 'false' };
  const all = map(given, `${where}: concurrency`, KEYS.concurrency);
  return { group: one(all['group']) ?? '', cancels: one(all['cancel-in-progress']) ?? 'false' };
}

function map(value: unknown, where: string, known?: readonly string[]): Map_ {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Unknown(where, `${JSON.stringify(value)} there`);
  }
  for (const key of Object.keys(value)) {
    if (known && !known.includes(key)) throw new Unknown(where, `the key ${key}`);
  }
  return value as Map_;
}

function texts(value: unknown, where: string): Texts {
  const all = Object.entries(map(value ?? {}, where)).map(([key, text]) => [key, one(text) ?? ''] as const);
  return Object.fromEntries(all);
}

function one(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}

function list(value: unknown): string[] {
  return value === undefined || value === null ? [] : [value].flat().map(String);
}
