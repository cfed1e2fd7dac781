import { inputsOf } from './actions/events.ts';
import { readWorkflow } from './actions/workflow.ts';
import { type Answer, type Call, notFound, Refusal, type Routes, text } from './call.ts';
import type { Workflow } from './state.ts';

export const WORKFLOW_ROUTES: Routes = {
  'actions/list-repo-workflows': {
    needs: ['actions:read', 'metadata:read'],
    run: ({ state, json }) => ({
      status: 200,
      wrap: 'workflows',
      list: state.settings.workflows.map((workflow) => workflowJson(workflow, json.url, state.now())),
    }),
  },
  'actions/get-workflow': {
    needs: ['actions:read', 'metadata:read'],
    run: (call) => ({
      status: 200,
      body: workflowJson(workflowOf(call), call.json.url, call.state.now()),
    }),
  },
  'actions/create-workflow-dispatch': { needs: ['actions:write'], run: dispatch },
};

function workflowOf({ state, params }: Call): Workflow {
  const wanted = params['workflow_id'] ?? '';
  const found = state.settings.workflows.find(
    ({ id, path }) => `${id}` === wanted || path.endsWith(`/${wanted}`),
  );
  if (!found) throw notFound();
  return found;
}

/** "This event will only trigger a workflow run if the workflow file exists on the default branch", and as the ref's file says. */
async function dispatch(call: Call): Promise<Answer> {
  const { state, git, actor, body } = call;
  const { path, state: is } = workflowOf(call);
  if (is !== 'active') throw new Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow");
  const ref = `refs/heads/${text(body['ref'])}`;
  const sha = await git.ref(ref);
  if (sha === undefined) throw new Refusal(422, `No ref found for: ${text(body['ref'])}`);
  const [file] = await git.listTree(sha, false, path);
  const bytes = file && (await git.bytes(file.sha));
  const trigger = readWorkflow(path, bytes?.toString('utf8') ?? '').on.get('workflow_dispatch');
  if (!trigger) throw new Refusal(422, "Workflow does not have 'workflow_dispatch' trigger");
  const inputs = inputsOf(trigger, (body['inputs'] ?? {}) as Readonly<Record<string, string>>);
  state.happened({ name: 'workflow_dispatch', action: '', actor, ref, sha, workflow: { path, inputs } });
  return { status: 204 };
}

function workflowJson(
  { id, name, path, state }: { id: number; name: string; path: string; state: string },
  url: string,
  at: string,
) {
  const self = `${url}/actions/workflows/${id}`;
  const urls = { url: self, html_url: `${url}/${path}`, badge_url: `${self}/badge.svg` };
  return { id, node_id: `W${id}`, name, path, state, created_at: at, updated_at: at, ...urls };
}
