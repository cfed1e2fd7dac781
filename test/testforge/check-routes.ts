import { type Answer, type Call, invalid, notFound, Refusal, type Routes, text } from './call.ts';
import type { Annotation, CheckRun, Status } from './state.ts';

/** rest/checks/runs: "The Checks API limits the number of annotations to a maximum of 50 per API request". */
const MAX_ANNOTATIONS = 50;

export const CHECK_ROUTES: Routes = {
  'checks/create': { needs: ['checks:write'], content: true, run: create },
  'checks/update': {
    needs: ['checks:write'],
    content: true,
    run(call) {
      const run = runOf(call);
      if (run.by.login !== call.actor.login) {
        throw new Refusal(
          403,
          'Invalid app_id `1` - check run can only be modified by the GitHub App that created it.',
        );
      }
      write(call, run);
      return { status: 200, body: call.json.check(run) };
    },
  },
  'checks/get': {
    needs: ['checks:read'],
    run: (call) => ({ status: 200, body: call.json.check(runOf(call)) }),
  },
  'checks/list-annotations': {
    needs: ['checks:read'],
    run(call) {
      const run = runOf(call);
      const nothing = { start_column: null, end_column: null, title: null, raw_details: null };
      const list = run.annotations.map((annotation) => ({
        ...nothing,
        ...annotation,
        blob_href: `${call.json.url}/blob/${run.sha}/${annotation.path}`,
      }));
      return { status: 200, list };
    },
  },
  'checks/list-for-ref': {
    needs: ['checks:read'],
    async run({ state, git, json, params, query }) {
      const sha = await git.resolve(params['ref'] ?? '');
      if (sha === undefined) throw new Refusal(422, `No commit found for SHA: ${params['ref']}`);
      const name = query.get('check_name');
      let runs = state.checks
        .filter((run) => run.sha === sha && (name === null || run.name === name))
        .reverse();
      if (query.get('filter') !== 'all') {
        runs = runs.filter((run, i) => runs.findIndex((r) => r.name === run.name && r.by === run.by) === i);
      }
      return { status: 200, wrap: 'check_runs', list: runs.map((run) => json.check(run)) };
    },
  },
  'repos/create-commit-status': { needs: ['statuses:write'], content: true, run: createStatus },
  'repos/get-combined-status-for-ref': {
    needs: ['statuses:read'],
    async run({ state, git, json, params }) {
      const sha = await git.resolve(params['ref'] ?? '');
      if (sha === undefined) throw notFound();
      const latest = new Map(state.statuses.filter((s) => s.sha === sha).map((s) => [s.context, s]));
      const states = [...latest.values()].map((s) => s.state);
      const bad = states.some((s) => s === 'failure' || s === 'error');
      const green = states.length > 0 && states.every((s) => s === 'success');
      const statuses = [...latest.values()].map((s) => {
        const { creator: _, ...rest } = json.status(s);
        return rest;
      });
      const answer = { sha, statuses, total_count: statuses.length, repository: json.repository() };
      const urls = { commit_url: `${json.url}/commits/${sha}`, url: `${json.url}/commits/${sha}/status` };
      return {
        status: 200,
        body: { state: bad ? 'failure' : green ? 'success' : 'pending', ...answer, ...urls },
      };
    },
  },
};

function runOf({ state, params }: Call): CheckRun {
  const run = state.checks.find(({ id }) => id === Number(params['check_run_id']));
  if (!run) throw notFound();
  return run;
}

async function create(call: Call): Promise<Answer> {
  const { state, git, json, actor, body } = call;
  const sha = await git.resolve(String(body['head_sha']));
  if (sha === undefined || sha !== body['head_sha'])
    throw new Refusal(422, `No commit found for SHA: ${body['head_sha']}`);
  const run: CheckRun = {
    ...{
      id: state.id(),
      sha,
      by: actor,
      name: '',
      status: 'queued',
      conclusion: null,
      startedAt: state.now(),
    },
    ...{ completedAt: null, detailsUrl: null, externalId: '', title: null, summary: null, text: null },
    annotations: [],
  };
  write(call, run);
  state.checks.push(run);
  return { status: 201, body: json.check(run) };
}

function write({ state, body }: Call, run: CheckRun): void {
  const output = body['output'] as
    | { title?: string; summary?: string; text?: string; annotations?: Annotation[] }
    | undefined;
  const annotations = output?.annotations ?? [];
  if (annotations.length > MAX_ANNOTATIONS) {
    const message = `Invalid request.\n\nNo more than ${MAX_ANNOTATIONS} items are allowed; ${annotations.length} were supplied.`;
    throw new Refusal(422, message);
  }
  // rest/checks/runs: summary and text have 65535 characters at most, as `maxLength` of the description says too
  for (const field of ['summary', 'text'] as const) {
    if ((output?.[field]?.length ?? 0) > 65_535) {
      throw new Refusal(
        422,
        `Invalid request.\n\nOnly 65535 characters are allowed; ${output?.[field]?.length} were supplied.`,
      );
    }
  }
  if (body['status'] === 'completed' && body['conclusion'] === undefined) {
    throw new Refusal(422, 'Invalid request.\n\nMissing required key "conclusion"');
  }
  const conclusion = text(body['conclusion']);
  run.name = text(body['name']) ?? run.name;
  run.status = conclusion === undefined ? (text(body['status']) ?? run.status) : 'completed'; // sets it by itself
  run.conclusion = conclusion ?? run.conclusion;
  run.startedAt = text(body['started_at']) ?? run.startedAt;
  run.completedAt = text(body['completed_at']) ?? (conclusion === undefined ? run.completedAt : state.now());
  run.detailsUrl = text(body['details_url']) ?? run.detailsUrl;
  run.externalId = text(body['external_id']) ?? run.externalId;
  run.title = output?.title ?? run.title;
  run.summary = output?.summary ?? run.summary;
  run.text = output?.text ?? run.text;
  run.annotations.push(...annotations); // "annotations are appended" by an update
}

async function createStatus({ state, git, json, actor, params, body }: Call): Promise<Answer> {
  const sha = await git.resolve(params['sha'] ?? '');
  if (sha === undefined) throw new Refusal(422, `No commit found for SHA: ${params['sha']}`);
  const context = text(body['context']) ?? 'default';
  const description = text(body['description']) ?? null;
  if ((description?.length ?? 0) > 140) {
    // not in the description; every client library that met it cuts at 140
    throw invalid('Status', 'description', 'custom', 'description is too long (maximum is 140 characters)');
  }
  if (state.statuses.filter((s) => s.sha === sha && s.context === context).length >= 1000) {
    throw new Refusal(422, 'Validation Failed', {
      errors: [
        {
          resource: 'Status',
          code: 'custom',
          message: 'This SHA and context has reached the maximum number of statuses.',
        },
      ],
    });
  }
  const made: Status = {
    ...{ id: state.id(), sha, by: actor, state: String(body['state']), context, description },
    ...{ targetUrl: text(body['target_url']) ?? null, at: state.now() },
  };
  state.statuses.push(made);
  return { status: 201, body: json.status(made) };
}
