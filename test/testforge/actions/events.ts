import type { World } from '../call.ts';
import { mergeability } from '../merging.ts';
import { type Actor, type ForgeEvent, isPull } from '../state.ts';
import { Unknown } from './unknown.ts';
import type { Trigger, Workflow } from './workflow.ts';

/** What a workflow is started by, whatever becomes of it. */
export interface Occasion {
  readonly name: string;
  /** `opened`, `created`, …: what `types` narrows. */
  readonly action: string;
  readonly actor: Actor;
  /** GITHUB_REF and GITHUB_SHA; the workflow file is that commit's. */
  readonly ref: string;
  readonly sha: string;
  /** Of a pull request or a push: what `branches` narrows. */
  readonly branch: string;
  /** Where check runs stand: of a pull request its head. */
  readonly checked: string;
  readonly headRef: string;
  readonly baseRef: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** The one workflow that was asked for by name, and what with. */
  readonly asked?: ForgeEvent['workflow'];
}

/** "Events that trigger workflows": the activity types where a workflow names none. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  pull_request: ['opened', 'synchronize', 'reopened'],
  merge_group: ['checks_requested'],
  issue_comment: ['created', 'edited', 'deleted'],
};

/** Undefined: GitHub starts nothing for it, whatever the workflows say. */
export async function occasionOf(world: World, event: ForgeEvent): Promise<Occasion | undefined> {
  const { state, git, json } = world;
  const { name, action, actor } = event;
  const common = { repository: json.repository(), sender: json.user(actor) };
  const onMain = async (payload: object): Promise<Occasion> => {
    const sha = (await git.ref('refs/heads/main')) ?? '';
    const ref = 'refs/heads/main';
    const place = { ref, sha, checked: sha, branch: 'main', headRef: '', baseRef: '' };
    return { name, action, actor, ...place, payload: { action, ...payload, ...common } };
  };
  if (name === 'push') {
    const { ref = '', sha, before } = event;
    if (sha === undefined || !ref.startsWith('refs/heads/')) return undefined; // "delete" is another event
    const branch = ref.slice('refs/heads/'.length);
    const zero = '0'.repeat(40);
    const payload = { ref, before: before ?? zero, after: sha, created: before === undefined, ...common };
    return { name, action, actor, ref, sha, checked: sha, branch, headRef: '', baseRef: '', payload };
  }
  if (name === 'merge_group') {
    const { ref = '', sha = '', before = '' } = event;
    const group = { head_sha: sha, head_ref: ref, base_sha: before, base_ref: 'refs/heads/main' };
    const place = { ref, sha, checked: sha, branch: 'main', headRef: '', baseRef: '' };
    return { name, action, actor, ...place, payload: { action, merge_group: group, ...common } };
  }
  if (name === 'pull_request') {
    const issue = state.issue(event.number ?? 0);
    if (!issue || !isPull(issue)) throw new Error(`no pull request ${event.number}`);
    // "Workflows will not run on pull_request activity if the pull request has a merge conflict"
    if (issue.state === 'open' && !(await mergeability(world, issue))) return undefined;
    const ref = `refs/pull/${issue.number}/merge`;
    const sha = await git.ref(ref);
    if (sha === undefined) return undefined;
    const { branch: headRef, base: baseRef, headSha: checked } = issue.pull;
    const pull_request = await json.pull(issue);
    const payload = { action, number: issue.number, pull_request, ...common };
    return { name, action, actor, ref, sha, checked, branch: baseRef, headRef, baseRef, payload };
  }
  if (name === 'issue_comment' || name === 'issues') {
    const issue = state.issue(event.number ?? 0);
    if (!issue || (name === 'issues' && issue.pull)) return undefined;
    const comment = state.comments.find(({ id }) => id === event.comment);
    return onMain({ issue: json.issue(issue), ...(comment ? { comment: json.comment(comment) } : {}) });
  }
  if (name === 'workflow_dispatch') {
    const { ref = '', sha = '', workflow: asked } = event;
    if (asked === undefined) throw new Error('no workflow');
    const branch = ref.slice('refs/heads/'.length);
    const place = { ref, sha, checked: sha, branch, headRef: '', baseRef: '' };
    return { name, action, actor, ...place, asked, payload: { ref, ...asked, ...common } };
  }
  if (name === 'pull_request_review') return undefined; // no workflow of ours listens: see EVENTS in workflow.ts
  throw new Unknown('an event', name);
}

/** Whether a workflow is meant by it. */
export function fits(workflow: Workflow, occasion: Occasion): boolean {
  const trigger = workflow.on.get(occasion.name);
  if (trigger === undefined) return false;
  if (occasion.asked) return workflow.path === occasion.asked.path;
  const types = trigger.types ?? USUAL[occasion.name];
  if (types && !types.includes(occasion.action)) return false;
  return trigger.branches?.some((pattern) => isBranch(pattern, occasion.branch)) ?? true;
}

/** "Filter pattern cheat sheet": `*` has no slash, `**` has. */
function isBranch(pattern: string, branch: string): boolean {
  if (/[?+[\]!]/.test(pattern)) throw new Unknown('branches', pattern);
  const words = pattern.split(/(\*\*?)/).map((piece) => {
    if (piece === '**') return '.*';
    return piece === '*' ? '[^/]*' : piece.replace(/[.\\^$|(){}]/g, '\\$&');
  });
  return new RegExp(`^${words.join('')}$`).test(branch);
}

/**
 * Whether a run is made, and whether a person starts it. "Triggering a workflow", "Triggering a workflow from a workflow": events
 * of GITHUB_TOKEN "with the exception of workflow_dispatch and repository_dispatch, will not create a new workflow run"; pull
 * requests that it opens or pushes to have runs "in an approval-required state". An App's token and a person's start runs.
 */
export function admission({ name, action, actor }: Occasion): 'runs' | 'waits' | 'none' {
  if (actor.kind !== 'actions' || name === 'workflow_dispatch' || name === 'schedule') return 'runs';
  const isReviewed = name === 'pull_request' && ['opened', 'synchronize', 'reopened'].includes(action);
  return isReviewed ? 'waits' : 'none';
}

/** "Skipping workflow runs": of push and pull_request, by the message of the push or the pull request's head. */
export function isSkipped({ name }: Occasion, message: string): boolean {
  if (name !== 'push' && name !== 'pull_request') return false;
  return (
    /\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]/.test(message) ||
    /\n\nskip-checks: ?true\s*$/.test(message)
  );
}

/** What a person filled in, as the form of `workflow_dispatch` takes it; the 422 of GitHub otherwise. */
export function inputsOf(
  trigger: Trigger,
  given: Readonly<Record<string, string>>,
): Record<string, string | boolean> {
  const known = trigger.inputs ?? {};
  const odd = Object.keys(given).filter((name) => known[name] === undefined);
  if (odd.length > 0) throw new Error(`422 Unexpected inputs provided: ${JSON.stringify(odd)}`);
  return Object.fromEntries(
    Object.entries(known).map(([name, input]) => {
      const value = given[name] ?? input.default;
      if (input.required && (value === undefined || value === '')) {
        throw new Error(`422 Required input '${name}' not provided`);
      }
      if (input.type === 'choice' && value !== undefined && !input.options.includes(value)) {
        throw new Error(
          `422 Provided value '${value}' for input '${name}' not in the list of allowed values`,
        );
      }
      return [name, input.type === 'boolean' ? value === 'true' : (value ?? '')];
    }),
  );
}
