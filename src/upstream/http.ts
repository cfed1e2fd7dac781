import type { Dispatcher } from 'undici';
import { Fault } from '../base/fault.ts';
import type { AddressGuard } from './address.ts';
import type { Agents } from './agents.ts';
import { connectionError, retryAfter, type Timing, TryAgain } from './attempt.ts';
import { type Credentials, saidBack } from './credentials.ts';
import { redirected, shownUrl } from './url.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Worth another attempt: timeouts, rate limits, and a server's bad moment. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
const USER_AGENT = 'sluice';

/** What makes the next request for the same document conditional (RFC 9110, 13.1). */
export interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface HttpContext {
  readonly agents: Agents;
  readonly credentials: Credentials;
  readonly guard: AddressGuard;
  readonly timing: Timing;
}

/** 200, 206, 304 or 416; every other status is a Fault already. */
export interface Answer {
  readonly status: number;
  readonly validators: Validators;
  readonly contentLength: number | undefined;
  /** First byte of a 206. */
  readonly rangeStart: number | undefined;
  /** Whether the server calls it a page: then a login or an error page is likely. */
  readonly html: boolean;
  readonly body: AsyncIterable<Buffer>;
  /** Leaves the body unread. */
  discard(): Promise<void>;
}

/**
 * One GET, through redirects that are checked one by one. Faults, or TryAgain. Credentials and the client certificate go
 * to the origin that the policy names, and no further: a redirect away from it ends them, also when it leads back.
 */
export async function openHttp(
  http: HttpContext,
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  let at = url;
  let named = http.credentials.belongTo(url);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    await http.guard.checkUrl(at);
    const name = at === url ? url.href : shownUrl(at);
    const response = await get(http, at, name, { headers, named });
    if (REDIRECTS.has(response.statusCode)) {
      await discard(response);
      const to = follow(http, at, header(response, 'location') ?? '');
      named &&= to.origin === at.origin;
      at = to;
      continue;
    }
    return await judged(response, name, { ...http, named });
  }
  throw new Fault('HTTP_STATUS', `more than ${MAX_REDIRECTS} redirects`, {
    hint: 'Name another mirror in the policy.',
    at: url.href,
  });
}

function follow({ credentials }: HttpContext, from: URL, location: string): URL {
  try {
    return redirected(from, location);
  } catch (error) {
    if (!credentials.hidden(location)) throw error;
    throw saidBack('UNSAFE_URL', shownUrl(from)); // a message would show a part of it
  }
}

async function get(
  { agents, credentials }: HttpContext,
  url: URL,
  at: string,
  { headers, named }: { readonly headers: Readonly<Record<string, string>>; readonly named: boolean },
): Promise<Dispatcher.ResponseData> {
  const agent = await agents.of(named);
  try {
    return await agent.request({
      origin: url.origin,
      path: named ? credentials.target(url) : url.pathname + url.search,
      method: 'GET',
      headers: {
        'user-agent': USER_AGENT,
        accept: '*/*',
        'accept-encoding': 'identity',
        ...headers,
        ...(named ? credentials.headers : {}),
      },
    });
  } catch (cause) {
    throw connectionError(cause, at);
  }
}

/** An answer's context, and whether what was asked is what the policy names. */
type Asked = Pick<HttpContext, 'timing' | 'credentials'> & { readonly named: boolean };

async function judged(response: Dispatcher.ResponseData, at: string, asked: Asked): Promise<Answer> {
  const status = response.statusCode;
  if (![200, 206, 304, 416].includes(status)) {
    await discard(response);
    const fault = new Fault('HTTP_STATUS', `the server answers ${status}`, {
      hint: hintOf(status, asked),
      at,
    });
    throw PASSING.has(status) ? new TryAgain(fault, retryAfter(header(response, 'retry-after'))) : fault;
  }
  if (status === 304 || status === 416) await discard(response);
  const etag = kept(header(response, 'etag'), asked);
  const lastModified = kept(header(response, 'last-modified'), asked);
  const length = header(response, 'content-length');
  const range = /^bytes (\d+)-/.exec(header(response, 'content-range') ?? '')?.[1];
  return {
    status,
    validators: {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    },
    contentLength: length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
    rangeStart: range === undefined ? undefined : Number(range),
    html: /^text\/html\b/i.test(header(response, 'content-type') ?? ''),
    body: bodyOf(response, at, asked.timing),
    discard: () => discard(response),
  };
}

/** What is written down to ask again with, unless the server says a secret back in it. */
function kept(validator: string | undefined, { credentials }: Asked): string | undefined {
  return validator !== undefined && credentials.hidden(validator) ? undefined : validator;
}

function hintOf(status: number, { credentials, named }: Asked): string {
  if (status === 401 || status === 403) {
    if (!named) return 'Name this server in the policy: `auth` and `client` go to no other.';
    return credentials.kind === undefined
      ? 'Check whether this upstream asks for a password or a token (`auth`), or for a certificate (`client`).'
      : 'Renew what `auth` refers to, and check whether a certificate (`client`) is asked for, too.';
  }
  if (status === 404 || status === 410) return 'Check the base URL, or name another mirror in the policy.';
  return 'Try again later, or name another mirror in the policy.';
}

/** The body, with the connection's errors translated and a floor under its speed. */
async function* bodyOf(response: Dispatcher.ResponseData, at: string, timing: Timing): AsyncIterable<Buffer> {
  let since = performance.now();
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      bytes += (chunk as Buffer).length;
      yield chunk as Buffer;
      const elapsed = performance.now() - since;
      if (elapsed < timing.slow) continue;
      if (bytes < (timing.minBytesPerSecond * elapsed) / 1_000)
        throw new TryAgain(tooSlow(at, bytes, elapsed));
      since = performance.now();
      bytes = 0;
    }
  } catch (cause) {
    throw cause instanceof TryAgain ? cause : connectionError(cause, at);
  } finally {
    if (!response.body.readableEnded) response.body.destroy(); // left early: the connection is of no more use
  }
}

function tooSlow(at: string, bytes: number, ms: number): Fault {
  return new Fault('NETWORK', `${bytes} bytes in ${Math.round(ms / 1_000)} seconds is too slow`, {
    hint: 'Try again later, or name another mirror in the policy.',
    at,
  });
}

async function discard(response: Dispatcher.ResponseData): Promise<void> {
  await response.body.dump({ limit: 64 << 10 }).catch(() => {}); // the status has said enough
}

function header(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
