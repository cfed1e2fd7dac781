import type { Agent, Dispatcher } from 'undici';
import { Fault } from '../base/fault.ts';
import type { AddressGuard } from './address.ts';
import { connectionError, retryAfter, type Timing, TryAgain } from './attempt.ts';
import { redirected } from './url.ts';

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
  readonly agent: Agent;
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

/** One GET, through redirects that are checked one by one. Faults, or TryAgain. */
export async function openHttp(
  http: HttpContext,
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  let at = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    await http.guard.checkUrl(at);
    const response = await get(http.agent, at, headers);
    if (REDIRECTS.has(response.statusCode)) {
      await discard(response);
      at = redirected(at, header(response, 'location') ?? '');
      continue;
    }
    return await judged(response, at, http.timing);
  }
  throw new Fault('HTTP_STATUS', `more than ${MAX_REDIRECTS} redirects`, {
    hint: 'Name another mirror in the policy.',
    at: url.href,
  });
}

async function get(
  agent: Agent,
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Dispatcher.ResponseData> {
  try {
    return await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { 'user-agent': USER_AGENT, accept: '*/*', 'accept-encoding': 'identity', ...headers },
    });
  } catch (cause) {
    throw connectionError(cause, url.href);
  }
}

async function judged(response: Dispatcher.ResponseData, url: URL, timing: Timing): Promise<Answer> {
  const status = response.statusCode;
  if (![200, 206, 304, 416].includes(status)) {
    await discard(response);
    const fault = new Fault('HTTP_STATUS', `the server answers ${status}`, {
      hint: hintOf(status),
      at: url.href,
    });
    throw PASSING.has(status) ? new TryAgain(fault, retryAfter(header(response, 'retry-after'))) : fault;
  }
  if (status === 304 || status === 416) await discard(response);
  const etag = header(response, 'etag');
  const lastModified = header(response, 'last-modified');
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
    body: bodyOf(response, url, timing),
    discard: () => discard(response),
  };
}

function hintOf(status: number): string {
  if (status === 401 || status === 403) return 'Check whether this upstream asks for a client certificate.';
  if (status === 404 || status === 410) return 'Check the base URL, or name another mirror in the policy.';
  return 'Try again later, or name another mirror in the policy.';
}

/** The body, with the connection's errors translated and a floor under its speed. */
async function* bodyOf(response: Dispatcher.ResponseData, url: URL, timing: Timing): AsyncIterable<Buffer> {
  let since = performance.now();
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      bytes += (chunk as Buffer).length;
      yield chunk as Buffer;
      const elapsed = performance.now() - since;
      if (elapsed < timing.slow) continue;
      if (bytes < (timing.minBytesPerSecond * elapsed) / 1_000)
        throw new TryAgain(tooSlow(url, bytes, elapsed));
      since = performance.now();
      bytes = 0;
    }
  } catch (cause) {
    throw cause instanceof TryAgain ? cause : connectionError(cause, url.href);
  } finally {
    if (!response.body.readableEnded) response.body.destroy(); // left early: the connection is of no more use
  }
}

function tooSlow(url: URL, bytes: number, ms: number): Fault {
  return new Fault('NETWORK', `${bytes} bytes in ${Math.round(ms / 1_000)} seconds is too slow`, {
    hint: 'Try again later, or name another mirror in the policy.',
    at: url.href,
  });
}

async function discard(response: Dispatcher.ResponseData): Promise<void> {
  await response.body.dump({ limit: 64 << 10 }).catch(() => {}); // the status has said enough
}

function header(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
