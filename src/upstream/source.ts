import { readFile } from 'node:fs/promises';
import { Fault } from '../base/fault.ts';
import type { Auth, ClientCertificate, SecretFile } from '../manifest/policy.ts';
import { AddressGuard, type Resolve } from './address.ts';
import { agentsWith } from './agents.ts';
import { TIMING, type Timing } from './attempt.ts';
import { readCredentials } from './credentials.ts';
import type { HttpContext } from './http.ts';
import { LOCAL } from './local.ts';
import { rsyncTransport } from './rsync.ts';
import type { Transport } from './transfer.ts';
import { webTransport } from './web.ts';

/** How many requests one upstream sees at once. */
export const REQUESTS_AT_ONCE = 8;
/** Daemons allow few connections of one host, and each file is one. */
const RSYNCS_AT_ONCE = 4;
/** One upstream as bytes by URL. Faults NETWORK, HTTP_STATUS, UNSAFE_URL, TOO_LARGE, NOT_FOUND. */
export interface Source extends Transport, AsyncDisposable {
  /** How many downloads it bears at once. */
  readonly atOnce: number;
}

export interface SourceOptions {
  readonly bases: readonly URL[];
  readonly client?: ClientCertificate | undefined;
  readonly auth?: Auth | undefined;
  /** Where the policy's environment variables are looked up. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where rsync may write; absent: it may not. */
  readonly mirrorRoot?: string | undefined;
  readonly timing?: Partial<Timing> | undefined;
  readonly resolve?: Resolve | undefined;
}

export async function openSource(o: SourceOptions): Promise<Source> {
  const timing = { ...TIMING, ...o.timing };
  const guard = new AddressGuard(o.bases, o.resolve);
  const credentials = await readCredentials(o.auth, o.bases, o.env);
  const { ca, ...certified } = await certificate(o);
  const connect = { timeout: timing.connect, lookup: guard.lookup, ...(ca ? { ca } : {}) };
  const agents = agentsWith(
    {
      connections: REQUESTS_AT_ONCE,
      headersTimeout: timing.idle,
      bodyTimeout: timing.idle,
      keepAliveTimeout: 10_000,
      connect,
    },
    certified,
  );
  const http: HttpContext = { agents, credentials, guard, timing };
  const web = webTransport(http);
  const rsync = rsyncTransport({ guard, credentials, timing, named: o.bases, mirrorRoot: o.mirrorRoot });
  const transportOf = ({ protocol }: URL): Transport =>
    protocol === 'file:' ? LOCAL : protocol === 'rsync:' ? rsync : web;
  return {
    atOnce: o.bases.some((base) => base.protocol === 'rsync:') ? RSYNCS_AT_ONCE : REQUESTS_AT_ONCE,
    read: (url, options) => transportOf(url).read(url, options),
    download: (url, incoming, options) => transportOf(url).download(url, incoming, options),
    [Symbol.asyncDispose]: () => agents[Symbol.asyncDispose](),
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
