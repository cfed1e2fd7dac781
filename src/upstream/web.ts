import { Fault } from '../base/fault.ts';
import type { Incoming } from '../pool/incoming.ts';
import { attempts, TryAgain } from './attempt.ts';
import { withoutSecrets } from './credentials.ts';
import { type Answer, type HttpContext, openHttp } from './http.ts';
import {
  type DownloadOptions,
  forget,
  type Read,
  type ReadOptions,
  type Transport,
  tooLarge,
} from './transfer.ts';

/** Progress below this does not make a failing download count as alive. */
const PROGRESS_BYTES = 1 << 20;

/** http and https. */
export function webTransport(http: HttpContext): Transport {
  const careful = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw withoutSecrets(error, http.credentials);
    }
  };
  return {
    read: (url, o) => careful(attempts(http.timing, () => readHttp(http, url, o))),
    download: (url, incoming, o) => careful(downloadHttp(http, url, incoming, o)),
  };
}

async function readHttp(http: HttpContext, url: URL, o: ReadOptions): Promise<Read> {
  const { etag, lastModified } = o.validators ?? {};
  const conditional: Record<string, string> = { 'cache-control': 'no-cache' }; // a proxy must ask, too
  if (etag !== undefined) conditional['if-none-match'] = etag;
  else if (lastModified !== undefined) conditional['if-modified-since'] = lastModified;
  const answer = await openHttp(http, url, conditional);
  if (answer.status === 304) return { kind: 'unchanged' };
  if (answer.status === 206) throw await wrongStatus(answer, url);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > o.maxBytes) throw tooLarge(url, o.maxBytes);
    chunks.push(chunk);
  }
  return {
    kind: 'bytes',
    bytes: Buffer.concat(chunks, bytes),
    validators: answer.validators,
    html: answer.html,
  };
}

async function downloadHttp(
  http: HttpContext,
  url: URL,
  incoming: Incoming,
  o: DownloadOptions,
): Promise<void> {
  const { timing } = http;
  const resumed = incoming.received > 0;
  let mark = incoming.received;
  let etag: string | undefined; // of the answer that this run began with
  const progressed = () => {
    const further = incoming.received >= mark + PROGRESS_BYTES;
    mark = incoming.received;
    return further;
  };
  const whole = () => o.size !== undefined && incoming.received === o.size;
  const attempt = async () => {
    if (whole()) return; // an earlier run had it all
    const from = incoming.received;
    const range: Record<string, string> = {};
    if (from > 0) range['range'] = `bytes=${from}-`;
    if (from > 0 && etag !== undefined) range['if-range'] = etag;
    const answer = await openHttp(http, url, range);
    etag = answer.validators.etag?.startsWith('"') ? answer.validators.etag : undefined; // strong ones only
    if (answer.status === 416 || (answer.status === 206 && (from === 0 || answer.rangeStart !== from))) {
      await answer.discard();
      await forget(incoming, o);
      if (from === 0) throw await wrongStatus(answer, url);
      throw new TryAgain(await wrongStatus(answer, url));
    }
    if (answer.status === 304) throw await wrongStatus(answer, url);
    if (answer.status === 200 && from > 0) await forget(incoming, o);
    await announcedSize(answer, url, incoming, o);
    for await (const chunk of answer.body) {
      if (incoming.received + chunk.length > o.maxBytes) throw tooLarge(url, o.maxBytes);
      await incoming.write(chunk);
      o.advance(chunk.length);
    }
    if (o.size !== undefined && incoming.received < o.size)
      throw new TryAgain(cut(url, incoming.received, o.size));
  };
  await attempts(timing, attempt, progressed);
  try {
    await incoming.verify();
  } catch (cause) {
    if (!(resumed && cause instanceof Fault)) throw cause;
    await attempts(timing, attempt, progressed); // what an earlier run left may have been another file
    await incoming.verify();
  }
}

/** A length that cannot be right is not worth the transfer. */
async function announcedSize(
  answer: Answer,
  url: URL,
  incoming: Incoming,
  o: DownloadOptions,
): Promise<void> {
  if (answer.contentLength === undefined) return;
  const total = incoming.received + answer.contentLength;
  if (total > o.maxBytes) {
    await answer.discard();
    throw tooLarge(url, o.maxBytes);
  }
  if (o.size === undefined || total === o.size) return;
  await answer.discard();
  throw new Fault(
    'SIZE_MISMATCH',
    `the server has ${total} bytes${answer.html ? ' of HTML' : ''} where the metadata promises ${o.size}`,
    {
      hint: answer.html
        ? 'Check the URL: a login or an error page answers.'
        : 'Try again later, or name another mirror.',
      at: url.href,
    },
  );
}

async function wrongStatus(answer: Answer, url: URL): Promise<Fault> {
  await answer.discard();
  return new Fault('HTTP_STATUS', `status ${answer.status} is no answer to what was asked`, {
    hint: 'Name another mirror in the policy.',
    at: url.href,
  });
}

function cut(url: URL, received: number, size: number): Fault {
  return new Fault('NETWORK', `cut after ${received} of ${size} bytes`, {
    hint: 'Try again later, or name another mirror in the policy.',
    at: url.href,
  });
}
