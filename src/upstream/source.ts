import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { codeOf, Fault } from '../base/fault.ts';
import type { Auth, ClientCertificate, SecretFile } from '../manifest/policy.ts';
import type { Incoming } from '../pool/incoming.ts';
import { AddressGuard, type Resolve } from './address.ts';
import { attempts, TIMING, type Timing, TryAgain } from './attempt.ts';
import { readCredentials, withoutSecrets } from './credentials.ts';
import { type Answer, type HttpContext, openHttp, type Validators } from './http.ts';

/** How many requests one upstream sees at once. */
export const REQUESTS_AT_ONCE = 8;
/** Progress below this does not make a failing download count as alive. */
const PROGRESS_BYTES = 1 << 20;

export type Read =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'bytes';
      readonly bytes: Buffer;
      readonly validators: Validators;
      readonly html: boolean;
    };

/** One upstream as bytes by URL: http, https and file. Faults NETWORK, HTTP_STATUS, UNSAFE_URL, TOO_LARGE, NOT_FOUND. */
export interface Source extends AsyncDisposable {
  /** A small document, whole in memory; with validators, one conditional request. */
  read(url: URL, o: { maxBytes: number; validators?: Validators | undefined }): Promise<Read>;
  /** Into a file that knows what it must become: taken up where it was cut, and verified at the end. */
  download(url: URL, incoming: Incoming, o: DownloadOptions): Promise<void>;
}

export interface DownloadOptions {
  /** What the metadata promises; absent in old metadata, then `maxBytes` alone bounds it. */
  readonly size: number | undefined;
  readonly maxBytes: number;
  /** Bytes as they come; negative when bytes turn out worthless. */
  readonly advance: (bytes: number) => void;
}

export interface SourceOptions {
  readonly bases: readonly URL[];
  readonly client?: ClientCertificate | undefined;
  readonly auth?: Auth | undefined;
  /** Where the policy's environment variables are looked up. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timing?: Partial<Timing> | undefined;
  readonly resolve?: Resolve | undefined;
}

export async function openSource(o: SourceOptions): Promise<Source> {
  const timing = { ...TIMING, ...o.timing };
  const guard = new AddressGuard(o.bases, o.resolve);
  const credentials = await readCredentials(o.auth, o.bases, o.env);
  const { ca, ...certified } = await certificate(o);
  const trusted = ca ? { ca } : {};
  const agentWith = (tls: object) =>
    new Agent({
      connections: REQUESTS_AT_ONCE,
      headersTimeout: timing.idle,
      bodyTimeout: timing.idle,
      keepAliveTimeout: 10_000,
      connect: { timeout: timing.connect, lookup: guard.lookup, ...trusted, ...tls },
    });
  const [agent, stranger] = [agentWith(certified), agentWith({})];
  const http: HttpContext = { agent, stranger, credentials, guard, timing };
  const careful = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw withoutSecrets(error, credentials);
    }
  };
  return {
    read: (url, options) =>
      url.protocol === 'file:'
        ? readLocal(url, options)
        : careful(attempts(timing, () => readHttp(http, url, options))),
    download: (url, incoming, options) =>
      url.protocol === 'file:'
        ? copyLocal(url, incoming, options)
        : careful(downloadHttp(http, url, incoming, options, timing)),
    [Symbol.asyncDispose]: async () => void (await Promise.all([agent.destroy(), stranger.destroy()])),
  };
}

async function certificate({
  client,
  env,
}: SourceOptions): Promise<{ cert?: Buffer; key?: Buffer; ca?: Buffer }> {
  if (!client) return {};
  const [cert, key] = await Promise.all([secret(client.cert, env), secret(client.key, env)]);
  return client.ca ? { cert, key, ca: await secret(client.ca, env) } : { cert, key };
}

async function secret(file: SecretFile, env: SourceOptions['env']): Promise<Buffer> {
  const path = file.kind === 'path' ? file.path : env?.[file.variable];
  const name = file.kind === 'path' ? file.path : `$${file.variable}`;
  try {
    if (path) return await readFile(path);
  } catch (cause) {
    throw new Fault('NOT_FOUND', `cannot read the client certificate's file ${name}`, {
      hint: 'Put the file there, readable by this user.',
      cause,
    });
  }
  throw new Fault('USAGE', `${name} is not set`, {
    hint: "Set it to the path of the client certificate's file.",
  });
}

async function readHttp(
  http: HttpContext,
  url: URL,
  o: { maxBytes: number; validators?: Validators | undefined },
): Promise<Read> {
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
  timing: Timing,
): Promise<void> {
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

async function forget(incoming: Incoming, o: DownloadOptions): Promise<void> {
  o.advance(-incoming.received);
  await incoming.restart();
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

function tooLarge(url: URL, ceiling: number): Fault {
  return new Fault('TOO_LARGE', `more than ${ceiling} bytes`, {
    hint: 'Check the URL, or ask whoever runs it.',
    at: url.href,
  });
}

async function readLocal(url: URL, o: { maxBytes: number }): Promise<Read> {
  await using file = await openLocal(url);
  const { size } = await file.stat();
  if (size > o.maxBytes) throw tooLarge(url, o.maxBytes);
  return { kind: 'bytes', bytes: await file.readFile(), validators: {}, html: false };
}

async function copyLocal(url: URL, incoming: Incoming, o: DownloadOptions): Promise<void> {
  await using file = await openLocal(url);
  const { size } = await file.stat();
  if (size > o.maxBytes) throw tooLarge(url, o.maxBytes);
  if (incoming.received > 0) await forget(incoming, o); // reading again is cheap, and nothing was promised of then
  for await (const chunk of createReadStream(fileURLToPath(url), { highWaterMark: 1 << 20 })) {
    await incoming.write(chunk as Buffer);
    o.advance((chunk as Buffer).length);
  }
  await incoming.verify();
}

/** A regular file; a folder, a pipe or a device in its place is refused before it is opened. */
async function openLocal(url: URL) {
  const path = fileURLToPath(url);
  try {
    if ((await stat(path)).isFile()) return await open(path, 'r');
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT' && codeOf(cause) !== 'ENOTDIR') throw cause;
    throw new Fault('NOT_FOUND', 'no such file', {
      hint: 'Check the base URL in the policy.',
      at: url.href,
      cause,
    });
  }
  throw new Fault('NOT_FOUND', 'not a regular file', {
    hint: 'Check the base URL in the policy.',
    at: url.href,
  });
}
