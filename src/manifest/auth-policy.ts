import type { Auth, Secret } from './policy.ts';
import { type PolicyFile, refuse } from './policy-reading.ts';
import type { Path } from './yaml.ts';

/** As policies write it; the schema sees to it that there is exactly one. */
export interface AuthData {
  readonly basic?: { readonly user: string; readonly password: string };
  readonly bearer?: string;
  readonly query?: string;
}

interface Sent {
  readonly baseurl?: readonly string[];
  readonly mirrorlist?: string;
  readonly metalink?: string;
  readonly content?: 'full' | 'thin';
  readonly auth?: AuthData;
}

/** Complaints about credentials that would travel in the open, or that would be of no use. */
export function refuseAuth(file: PolicyFile, data: Sent): void {
  const urls: [Path, string][] = (data.baseurl ?? []).map((url, i) => [['baseurl', i], url]);
  for (const key of ['mirrorlist', 'metalink'] as const) {
    const url = data[key];
    if (url !== undefined) urls.push([[key], url]);
  }
  for (const [key, text] of urls) {
    if (!text.startsWith('http:') || !URL.canParse(text) || keepsSecrets(new URL(text))) continue;
    refuse(file, key, 'would carry the credentials of auth in the open', 'Use https, or remove auth.');
  }
  for (const [key, text] of urls) {
    if (data.auth?.basic || !text.startsWith('rsync:')) continue;
    refuse(file, key, 'is rsync, which takes a user and a password', 'Use basic, or another URL.');
  }
  if (urls.every(([, url]) => url.startsWith('file:'))) {
    refuse(file, ['auth'], 'says nothing where files are read from disk', 'Remove it.', 'key');
  }
  if (data.content === 'thin') {
    const hint = 'Use content: full, or remove auth.';
    refuse(file, ['auth'], 'is not what clients have, and they fetch what is thin', hint, 'key');
  }
}

/** Whether nobody on the way can read what is sent there: TLS, or this machine itself. */
export function keepsSecrets(url: URL): boolean {
  if (url.protocol === 'https:') return true;
  return url.protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
}

export function authOf({ basic, bearer, query }: AuthData): Auth {
  if (basic) {
    const user = /^[$/]/.test(basic.user) ? secret(basic.user) : basic.user;
    return { kind: 'basic', user, password: secret(basic.password) };
  }
  if (bearer !== undefined) return { kind: 'bearer', token: secret(bearer) };
  return { kind: 'query', token: secret(query ?? '') };
}

export function secret(text: string): Secret {
  return text.startsWith('$') ? { kind: 'env', variable: text.slice(1) } : { kind: 'path', path: text };
}
