import { createVerify } from 'node:crypto';
import { type Call, notFound, Refusal, type Routes } from './call.ts';
import type { Limits } from './limits.ts';
import type { Token } from './state.ts';

export const INSTALLATION = 77;
export const APP_ID = 1;

export function appRoutes(limits: Limits, mint: (permissions?: Token['permissions']) => Token): Routes {
  return {
    'apps/get-authenticated': {
      needs: ['jwt'],
      run: ({ json, actor }) => ({ status: 200, body: json.app(actor) }),
    },
    'apps/get-repo-installation': {
      needs: ['jwt'],
      run({ state, json }) {
        const at = state.now();
        const url = `${json.url}/installation`;
        const facts = {
          id: INSTALLATION,
          app_id: APP_ID,
          app_slug: 'sluice',
          target_id: 1,
          target_type: 'User',
        };
        const urls = {
          access_tokens_url: `${url}/access_tokens`,
          html_url: url,
          repositories_url: `${url}/repositories`,
        };
        const suspended = { suspended_by: null, suspended_at: null, single_file_name: null };
        const account = json.user(state.actor(state.owner));
        const { appPermissions: permissions } = state.settings;
        const more = { account, permissions, events: [], created_at: at, updated_at: at };
        return {
          status: 200,
          body: { ...facts, ...urls, ...suspended, ...more, repository_selection: 'selected' },
        };
      },
    },
    'apps/create-installation-access-token': {
      needs: ['jwt'],
      run(call) {
        if (Number(call.params['installation_id']) !== INSTALLATION) throw notFound();
        const token = mint(wanted(call));
        const expires_at = new Date(token.expiresAt ?? 0).toISOString().replace(/\.\d+Z$/, 'Z');
        const { permissions } = token;
        return {
          status: 201,
          body: { token: token.token, expires_at, permissions, repository_selection: 'selected' },
        };
      },
    },
    'rate-limit/get': {
      needs: [],
      run({ token }) {
        const core = limits.of(token);
        return {
          status: 200,
          body: { resources: { core, search: { ...core, limit: 30, remaining: 30, used: 0 } }, rate: core },
        };
      },
    },
    'users/get-authenticated': {
      needs: [],
      run({ actor, json, state }) {
        // rest/users: an installation has no user
        if (actor.kind !== 'user') throw new Refusal(403, 'Resource not accessible by integration');
        const nothing = {
          name: null,
          company: null,
          blog: null,
          location: null,
          email: null,
          hireable: null,
          bio: null,
        };
        const counts = { public_repos: 0, public_gists: 0, followers: 0, following: 0 };
        const at = { created_at: state.now(), updated_at: state.now() };
        return { status: 200, body: { ...json.user(actor), ...nothing, ...counts, ...at } };
      },
    },
  };
}

/** Fewer permissions than the installation has, never more. */
function wanted({ state, body }: Call): Token['permissions'] {
  const granted = state.settings.appPermissions;
  const asked = body['permissions'] as Token['permissions'] | undefined;
  if (asked === undefined) return granted;
  for (const [scope, level] of Object.entries(asked)) {
    const has = granted[scope];
    if (has === undefined || (level === 'write' && has === 'read')) {
      throw new Refusal(422, 'The permissions requested are not granted to this installation.');
    }
  }
  return asked;
}

/** The claims of an App's JSON Web Token (RS256), if the key signed it and it is neither too old nor too long. */
export function checkJwt(jwt: string, publicKey: string, now: Date): boolean {
  const [head = '', claims = '', signature = ''] = jwt.split('.');
  const verify = createVerify('RSA-SHA256').update(`${head}.${claims}`);
  if (!verify.verify(publicKey, Buffer.from(signature, 'base64url'))) return false;
  const read = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'));
  const seconds = now.getTime() / 1000;
  // "Generating a JSON Web Token (JWT) for a GitHub App": no more than 10 minutes ahead
  return (
    String(read.iss) === String(APP_ID) &&
    read.exp > seconds &&
    read.exp <= seconds + 600 &&
    read.iat <= seconds + 60
  );
}
