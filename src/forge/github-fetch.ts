import { Fault, quote, quoteUrl } from '../base/fault.ts';
import { checkAnswer, StrangeAnswer } from './github-answers.ts';

export interface FetchTiming {
  /** From the request to the last byte of its answer. */
  readonly answerMs?: number;
}

/** A tree of 8 MB takes GitHub some seconds. */
const ANSWER_MS = 120_000;
/** A page of a hundred pull requests, each with a body of 65,536 characters, of which most are bytes, and as much around them. */
const MOST_BYTES = 32 << 20;
/** A repository that is renamed is at another path of the same server: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects */
const MOST_REDIRECTS = 3;
/** Of one list, a hundred entries each: a server that never says that it is the last one must not keep a bot for ever. */
const MOST_PAGES = 300;

/** `fetch` for Octokit: a token goes to the server that it is for and to no other, and what comes back has an end and a form. */
export function guardedFetch({ answerMs = ANSWER_MS }: FetchTiming = {}): typeof fetch {
  return async (input, init = {}) => {
    const method = init.method ?? 'GET';
    const signal = AbortSignal.timeout(answerMs);
    let url = new URL(String(input));
    if (Number(url.searchParams.get('page')) > MOST_PAGES) throw endless(method, url);
    for (let hops = 0; ; hops += 1) {
      const response = await fetch(url.href, { ...init, redirect: 'manual', signal });
      const { status } = response;
      const target = status >= 300 && status < 400 && status !== 304 && response.headers.get('location');
      if (!target) return whole(response, method, url);
      await response.body?.cancel();
      const next = URL.parse(target, url.href);
      if (next?.origin !== url.origin || hops === MOST_REDIRECTS || (method !== 'GET' && status < 307)) {
        throw elsewhere(method, url, target);
      }
      url = next;
    }
  };
}

async function whole(response: Response, method: string, { pathname }: URL): Promise<Response> {
  const { status, headers } = response;
  const bytes = await limited(response);
  if (status === 204 || status === 205 || status === 304) return new Response(null, { status, headers });
  if (status < 300) {
    const text = bytes.toString('utf8');
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      throw new StrangeAnswer(`no JSON (${quote(headers.get('content-type') ?? 'of no type')})`);
    }
    checkAnswer(method, pathname, data);
  }
  return new Response(new Uint8Array(bytes), { status, headers });
}

async function limited({ body }: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new StrangeAnswer(`more than ${MOST_BYTES >> 20} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function elsewhere(method: string, from: URL, target: string): Fault {
  return new Fault('UNSAFE_URL', `GitHub sends ${method} requests elsewhere: to ${quoteUrl(target)}`, {
    hint: 'Correct forge.github or forge.api in policies/site.yaml, if the repository or its server has moved: no token follows by itself.',
    at: `${method} ${from.pathname}`,
  });
}

function endless(method: string, { pathname }: URL): Fault {
  return new Fault('TOO_LARGE', `a list of more than ${MOST_PAGES} pages`, {
    hint: 'Close what is open and needless; where there is not so much, the server that forge.api names is no GitHub.',
    at: `${method} ${pathname}`,
  });
}
