import { setTimeout as sleep } from 'node:timers/promises';
import type { Octokit } from '@octokit/rest';
import { Fault, type FaultCode, quote } from '../base/fault.ts';
import { StrangeAnswer } from './github-answers.ts';
import { type FetchTiming, guardedFetch } from './github-fetch.ts';
import type { Tokens } from './github-token.ts';

/** What every request says it was written for: https://docs.github.com/en/rest/about-the-rest-api/api-versions */
export const API_VERSION = '2022-11-28';

/** Waits of the tests are none; `throttle` goes to @octokit/plugin-throttling. */
export interface ApiTiming extends FetchTiming {
  readonly throttle?: Readonly<Record<string, unknown>> & { readonly enabled?: boolean };
  /** Before the second and the third try of what may be asked again. */
  readonly retryMs?: readonly number[];
}

export interface GithubApi {
  /** One request; what GitHub refuses is an ApiRefusal, what does not get through a Fault. */
  ask<T>(work: (octokit: Octokit) => Promise<{ readonly data: T }>): Promise<T>;
  /** What the current token is, for git. */
  token(): Promise<string | undefined>;
  /** After git was refused with it: true where another may be had. */
  renew(refused: string | undefined): boolean;
}

/** 405 is a merge's alone: a review or a check that main's rules want is not there yet. */
const CODES: Readonly<Record<number, FaultCode>> = {
  404: 'NOT_FOUND',
  405: 'FORGE_BLOCKED',
  409: 'FORGE_CONFLICT',
};

/** GitHub's own no. `words` are quoted: they may repeat what somebody wrote. */
export class ApiRefusal extends Fault {
  readonly status: number;
  readonly words: string;

  constructor(status: number, words: string, o: { hint: string; at: string }) {
    super(CODES[status] ?? 'FORGE_REFUSED', `GitHub refuses (${status}): ${quote(words)}`, o);
    this.status = status;
    this.words = words;
  }
}

const RETRY_MS = [1_000, 4_000];
/** A wait for a limit that is longer is left to the next run. */
const LONGEST_WAIT_S = 120;
const MOST_WAITS = 2;

export interface ApiOptions {
  readonly api: string;
  readonly tokens: Tokens;
  readonly timing?: ApiTiming;
  readonly userAgent: string;
}

/** Octokit is loaded with the first request, like undici: most commands never talk to GitHub. */
export function openApi(o: ApiOptions): GithubApi {
  let loaded: Promise<Octokit> | undefined;
  const octokit = () => {
    loaded ??= loadOctokit(o);
    return loaded;
  };
  return {
    token: () => guarded(() => o.tokens.current((route, asked) => askAsApp(o, route, asked))),
    renew: (refused) => o.tokens.renew(refused),
    ask: (work) => guarded(async () => (await work(await octokit())).data),
  };
}

const VERSION_HEADER = { 'x-github-api-version': API_VERSION };
const SILENT = { debug() {}, info() {}, warn() {}, error() {} }; // requests are nobody's to log

async function loadOctokit(o: ApiOptions): Promise<Octokit> {
  const [{ Octokit }, { throttling }] = await Promise.all([
    import('@octokit/rest'),
    import('@octokit/plugin-throttling'),
  ]);
  const again = (retryAfter: number, _: object, __: object, retries: number): boolean =>
    retryAfter <= LONGEST_WAIT_S && retries < MOST_WAITS;
  const octokit: Octokit = new (Octokit.plugin(throttling))({
    baseUrl: o.api,
    userAgent: o.userAgent,
    log: SILENT,
    request: { fetch: guardedFetch(o.timing) },
    throttle: { onRateLimit: again, onSecondaryRateLimit: again, ...o.timing?.throttle },
  });
  const current = () => o.tokens.current((route, asked) => askAsApp(o, route, asked));
  octokit.hook.wrap('request', (request, options) => {
    const send = (token: string | undefined) => {
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
      Object.assign(options.headers, VERSION_HEADER, authorization); // hooks below get this object, whatever is passed
      return request(options);
    };
    return tries(o.timing?.retryMs ?? RETRY_MS, isSafe(options.method, options.url), async () => {
      const token = await current();
      try {
        return await send(token);
      } catch (error) {
        if (statusOf(error) !== 401 || !o.tokens.renew(token)) throw error;
        return send(await current()); // nothing was done under a token that had ended
      }
    });
  });
  return octokit;
}

/** With the App's own authorization. Twice is no harm: a second token is only a second token. */
async function askAsApp(
  o: ApiOptions,
  route: string,
  { jwt, body }: { readonly jwt: string; readonly body?: object },
): Promise<Readonly<Record<string, unknown>>> {
  const { Octokit } = await import('@octokit/rest');
  const request = { fetch: guardedFetch(o.timing) };
  const bare = new Octokit({ baseUrl: o.api, userAgent: o.userAgent, log: SILENT, request });
  const headers = { ...VERSION_HEADER, authorization: `Bearer ${jwt}` };
  const { data } = await tries(o.timing?.retryMs ?? RETRY_MS, true, () =>
    bare.request(route, { ...body, headers }),
  );
  return data as Readonly<Record<string, unknown>>;
}

/**
 * What may be asked twice: reading, what replaces (PUT of the same), and objects of git, which are named by their content
 * and which nobody sees before a ref has them. A POST is looked up by its caller before it is sent again.
 */
function isSafe(method: string, url: string): boolean {
  return method === 'GET' || method === 'HEAD' || /\/git\/(?:blobs|trees|commits)$/.test(url);
}

async function tries<T>(waits: readonly number[], safe: boolean, attempt: () => Promise<T>): Promise<T> {
  for (let n = 0; ; n += 1) {
    try {
      return await attempt();
    } catch (error) {
      const wait = waits[n];
      if (!safe || wait === undefined || !isUnclear(error)) throw error;
      await sleep(wait);
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) : undefined;
}

/** Octokit says 500 of a connection that broke, and of whatever else `fetch` threw. */
function isUnclear(error: unknown): boolean {
  return (statusOf(error) ?? 0) >= 500 && !(causeOf(error) instanceof Fault);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** Of a write: it may have been done all the same. */
export class Unclear extends Fault {
  constructor(message: string, at: string) {
    super('NETWORK', message, { hint: 'Run it again: what was done is looked up first.', at });
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const status = statusOf(error);
    if (error instanceof Fault || status === undefined) throw error;
    if (causeOf(error) instanceof Fault) throw causeOf(error);
    throw refusal(error as RequestFailure, status);
  }
}

interface RequestFailure {
  readonly message: string;
  readonly request?: { readonly method: string; readonly url: string };
  readonly response?: {
    readonly headers: Readonly<Record<string, string | number | undefined>>;
    readonly data?: unknown;
  };
}

/** Without its cause, which has the headers of the request. */
function refusal(error: RequestFailure, status: number): Fault {
  const { message, request, response } = error;
  const path = request ? new URL(request.url).pathname : '';
  const at = request ? `${request.method} ${path}` : '';
  if (causeOf(error) instanceof StrangeAnswer) {
    return new Unclear(`GitHub's answer cannot be its own: ${message}`, at);
  }
  if (status >= 500) return new Unclear(`GitHub does not answer (${status}): ${quote(message)}`, at);
  const header = (name: string) => String(response?.headers[name] ?? '');
  if (status === 429 || header('x-ratelimit-remaining') === '0' || /rate limit/i.test(message)) {
    const until = Number(header('x-ratelimit-reset'));
    const when =
      until > 0 && until < FAR_SECONDS ? `after ${new Date(until * 1000).toISOString()}` : 'in some minutes';
    return new Fault('HTTP_STATUS', `GitHub's rate limit is reached (${status})`, {
      hint: `Run it again ${when}.`,
      at,
    });
  }
  return new ApiRefusal(status, wordsOf(message, response?.data), { hint: hintOf(status, header), at });
}

/** The year 2286; no server's limit ends later. */
const FAR_SECONDS = 1e10;

function wordsOf(message: string, data: unknown): string {
  const { errors } = (data ?? {}) as { errors?: readonly unknown[] };
  const [first] = Array.isArray(errors) ? errors : [];
  const own =
    typeof first === 'object' && first !== null ? (first as { message?: unknown; field?: unknown }) : {};
  if (typeof own.message === 'string') return own.message;
  return typeof own.field === 'string' ? `${message} (${own.field})` : message;
}

function hintOf(status: number, header: (name: string) => string): string {
  if (status === 401)
    return 'Set SLUICE_GITHUB_TOKEN (or the App’s id and key) to one that is still good; sluice doctor says more.';
  const needed = header('x-accepted-github-permissions')
    .replace(/[^a-z_=,; ]/g, '')
    .slice(0, 100);
  if (status === 403)
    return `Give the token what it lacks${needed ? ` (${needed})` : ''}; sluice doctor says more.`;
  if (status === 404)
    return 'Look at the name, and at whether the token may see it; sluice doctor says more.';
  return 'Run sluice doctor, then try again.';
}
