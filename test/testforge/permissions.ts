import { Refusal, type Route, type World } from './call.ts';
import { mayWrite } from './merging.ts';
import type { Operation } from './openapi.ts';
import type { Token } from './state.ts';

/** What a personal token with `repo`, and GITHUB_TOKEN with the permissions of a workflow, may do. */
export function ordinary(kind: 'user' | 'actions'): Token['permissions'] {
  const both: Token['permissions'] = {
    ...{ actions: 'read', contents: 'write', issues: 'write', metadata: 'read' },
    ...{ pull_requests: 'write', statuses: 'write' },
  };
  return kind === 'user' ? { ...both, checks: 'read', administration: 'read' } : { ...both, checks: 'write' };
}

export function authorize(token: Token, { needs }: Route, { id }: Operation, { state }: World): void {
  if (needs.length === 0 || needs.includes('jwt')) return;
  const granted = needs.some((need) => {
    const [scope = '', level] = need.split(':');
    const has = scope === 'metadata' ? 'read' : token.permissions[scope];
    return has === 'write' || has === level;
  });
  const user = token.actor.kind === 'user';
  if (!granted) {
    // rest/checks/runs: "Write permission for the REST API … is only available to GitHub Apps"
    if (user && id.startsWith('checks/')) throw new Refusal(403, 'You must authenticate via a GitHub App.');
    const whose = user ? 'personal access token' : 'integration';
    throw new Refusal(403, `Resource not accessible by ${whose}`);
  }
  const open = [
    'pulls/create-review',
    'issues/create',
    'issues/create-comment',
    'reactions/create-for-issue-comment',
  ];
  const writes = needs.some((need) => need.endsWith(':write')) && !open.includes(id);
  // without write access GitHub says that there is nothing (private) or that it may not
  if (user && writes && !mayWrite(state, token.actor))
    throw new Refusal(403, 'Must have push access to repository');
}
