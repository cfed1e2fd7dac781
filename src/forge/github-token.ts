import { createSign } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { codeOf, Fault } from '../base/fault.ts';

/**
 * `app`: an installation of a GitHub App, whose commits GitHub signs. `actions`: the `GITHUB_TOKEN` of a workflow, whose
 * pull requests start no checks by themselves. `personal`: a person's, whose commits are theirs to sign.
 */
export type TokenKind = 'app' | 'actions' | 'personal' | 'none';

/** Asks the API with another authorization than an installation's: the App's own. */
export type AskAsApp = (
  route: string,
  o: { readonly jwt: string; readonly body?: object },
) => Promise<Readonly<Record<string, unknown>>>;

export interface Tokens {
  readonly kind: TokenKind;
  /** Where it comes from, for people: the name of a variable, never its value. */
  readonly from: string;
  /** What a request carries now; undefined: nothing, where the repository is public. */
  current(ask: AskAsApp): Promise<string | undefined>;
  /** After a 401: true where another try makes sense. */
  renew(refused: string | undefined): boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Installation tokens live for an hour; one that is as old as this is replaced before it is used. */
const FRESH_MS = 55 * 60_000;
/** Of a JWT: GitHub takes at most ten minutes, and clocks differ. */
const JWT_SECONDS = 9 * 60;
const JWT_EARLY_SECONDS = 60;

/** What a bot needs, and no more: `workflows` and `administration` never. */
const WANTED = ['checks', 'contents', 'issues', 'pull_requests'] as const;

/** The strongest of what the environment has: an App's key, a token of our own name, the one that workflows get. */
export async function readTokens(env: Environment, repository: string): Promise<Tokens> {
  const id = env['SLUICE_GITHUB_APP_ID'];
  const keyFile = env['SLUICE_GITHUB_APP_KEY'];
  if (id && keyFile) return appTokens(checkAppId(id), await readKey(keyFile), repository);
  if (id || keyFile) {
    const lacking = id ? 'SLUICE_GITHUB_APP_KEY' : 'SLUICE_GITHUB_APP_ID';
    throw new Fault('USAGE', `${lacking} is not set`, {
      hint: 'Set both: the number of the GitHub App, and the path of its private key.',
    });
  }
  for (const name of ['SLUICE_GITHUB_TOKEN', 'GITHUB_TOKEN'] as const) {
    const token = env[name];
    if (token) return fixedToken(name, checkToken(name, token), env);
  }
  return { kind: 'none', from: 'no token', current: async () => undefined, renew: () => false };
}

function fixedToken(name: string, token: string, env: Environment): Tokens {
  const ofWorkflow = env['GITHUB_ACTIONS'] !== undefined && token === env['GITHUB_TOKEN'];
  // the prefixes of https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
  const kind = ofWorkflow ? 'actions' : token.startsWith('ghs_') ? 'app' : 'personal';
  return { kind, from: name, current: async () => token, renew: () => false };
}

function appTokens(id: string, key: string, repository: string): Tokens {
  let minted: { readonly token: string; readonly at: number } | undefined;
  let minting: Promise<string> | undefined;
  const mint = async (ask: AskAsApp): Promise<string> => {
    const jwt = appJwt(id, key);
    const [, name = ''] = repository.split('/');
    const installation = await ask(`GET /repos/${repository}/installation`, { jwt });
    const granted = (installation['permissions'] ?? {}) as Record<string, unknown>;
    const permissions = Object.fromEntries(WANTED.filter((p) => p in granted).map((p) => [p, granted[p]]));
    const route = `POST /app/installations/${Number(installation['id'])}/access_tokens`;
    const { token } = await ask(route, { jwt, body: { repositories: [name], permissions } });
    if (typeof token !== 'string') throw new TypeError('an installation without a token');
    minted = { token, at: performance.now() };
    return token;
  };
  return {
    kind: 'app',
    from: 'SLUICE_GITHUB_APP_ID',
    async current(ask) {
      if (minted && performance.now() - minted.at < FRESH_MS) return minted.token;
      minting ??= mint(ask).finally(() => {
        minting = undefined;
      });
      return minting;
    },
    renew(refused) {
      if (minted?.token === refused) minted = undefined;
      return true;
    },
  };
}

/** RFC 7519, signed as GitHub wants it (RS256). */
function appJwt(id: string, key: string): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url');
  const claims = { iat: now - JWT_EARLY_SECONDS, exp: now + JWT_SECONDS, iss: id };
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  try {
    return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`;
  } catch {
    throw badKey('SLUICE_GITHUB_APP_KEY'); // what OpenSSL says could be a part of the key
  }
}

function checkAppId(id: string): string {
  if (/^[A-Za-z0-9.]{1,40}$/.test(id)) return id;
  throw new Fault('USAGE', 'SLUICE_GITHUB_APP_ID is no App id', {
    hint: 'Set it to the number (or the client id) that the settings page of the App shows.',
  });
}

function checkToken(name: string, token: string): string {
  if (/^[A-Za-z0-9_.-]{4,2000}$/.test(token)) return token;
  throw new Fault('USAGE', `${name} has characters that no token has`, {
    hint: 'Set it to the token alone, without quotes or line ends.',
  });
}

const MAX_KEY_BYTES = 16 << 10;

async function readKey(path: string): Promise<string> {
  try {
    const { mode, size } = await stat(path);
    if ((mode & 0o007) !== 0 || size > MAX_KEY_BYTES) {
      throw new Fault('UNSAFE_PATH', `${path} can be opened by everybody on this machine, or is no key`, {
        hint: `Use the file that GitHub gave, and chmod 600 ${path}.`,
      });
    }
    const key = await readFile(path, 'utf8');
    if (key.includes('PRIVATE KEY-----')) return key;
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault(
      'NOT_FOUND',
      `cannot read the key of the App in ${path} (${codeOf(cause) ?? 'unknown'})`,
      {
        hint: 'Put it there, readable by the user that runs sluice and by nobody else.',
      },
    );
  }
  throw badKey(path);
}

function badKey(path: string): Fault {
  return new Fault('USAGE', `${path} has no private key in PEM form`, {
    hint: 'Generate a private key on the settings page of the App, and name its file.',
  });
}
