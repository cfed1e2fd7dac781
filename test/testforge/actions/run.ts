import type { TestForge } from '../server.ts';
import type { CheckRun } from '../state.ts';
import type { Occasion } from './events.ts';
import type { Scope, Value } from './expression.ts';
import type { Conclusion, JobResult } from './job.ts';
import type { Job, Texts, Workflow } from './workflow.ts';

export interface Run {
  readonly id: number;
  readonly workflow: Workflow;
  readonly occasion: Occasion;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly group: string | undefined;
  /** `waiting`: a person has to approve it first. */
  status: 'queued' | 'waiting' | 'completed';
  conclusion: Conclusion | undefined;
  jobs: JobResult[];
}

/** What expressions of a run, and of one of its jobs, can name before its steps begin. */
export function scopeOf(
  { url, owner, repo }: TestForge,
  vars: Texts,
  { id, workflow, occasion, inputs }: Pick<Run, 'id' | 'workflow' | 'occasion' | 'inputs'>,
  job?: Job,
  needs: Value = {},
): Scope {
  const { name, ref, sha, actor, headRef, baseRef, payload } = occasion;
  const ref_name = ref.replace(/^refs\/(?:heads|tags|pull)\//, '');
  const place = `${owner}/${repo}/${workflow.path}@${ref}`;
  const github = {
    ...{
      event_name: name,
      event: payload as Value,
      ref,
      ref_name,
      ref_type: 'branch',
      sha,
      job: job?.id ?? '',
    },
    ...{ head_ref: headRef, base_ref: baseRef, actor: actor.login, actor_id: String(actor.id) },
    ...{ triggering_actor: actor.login, repository: `${owner}/${repo}`, repository_owner: owner },
    ...{
      repository_id: '1',
      server_url: url,
      api_url: url,
      graphql_url: `${url}/graphql`,
      run_id: String(id),
    },
    ...{ run_number: String(id), run_attempt: '1', workflow: workflow.name },
    ...{ workflow_ref: place, workflow_sha: sha },
  };
  return {
    contexts: { github, vars, needs, inputs },
    closed: ['github', 'needs', 'inputs'],
    where: workflow.path,
  };
}

/** A job's check run is GitHub Actions' own; on a pull request it stands on the head. */
export function report({ state, url }: TestForge, run: Run, job: JobResult): void {
  const check: CheckRun = {
    ...{ id: state.id(), sha: run.occasion.checked, by: state.actor('github-actions[bot]'), name: job.name },
    ...{ status: 'completed', conclusion: job.conclusion, startedAt: state.now(), completedAt: state.now() },
    ...{ externalId: '', detailsUrl: `${url}/actions/runs/${run.id}`, title: null, text: null },
    summary: job.summary === '' ? null : job.summary.slice(0, 65_535),
    annotations: job.notes.map(({ level, path, line, message, title }) => ({
      ...{ path, start_line: line, end_line: line, annotation_level: level, message },
      ...(title === undefined ? {} : { title }),
    })),
  };
  state.checks.push(check);
}
