import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { codeOf, Fault, type FaultCode } from '../base/fault.ts';
import { keepsSecrets } from '../manifest/auth-policy.ts';
import type { Auth, Secret } from '../manifest/policy.ts';

const MAX_SECRET_BYTES = 16 << 10;
/** Shorter ones would be found in words that have nothing to do with them. */
const LEAST_TO_HIDE = 6;

type Environment = Readonly<Record<string, string | undefined>> | undefined;

/** What a policy's `auth` adds to a request; no URL that is shown or kept ever has it. */
export interface Credentials {
  readonly kind?: Auth['kind'];
  /** Whether requests that begin at this URL carry them: only to what the policy itself names, and not in the open. */
  belongTo(url: URL): boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Path and query of a request. */
  target(url: URL): string;
  /** Whether a server says them back. */
  hidden(text: string): boolean;
  /** For a program that wants to be told both. */
  readonly basic?: { readonly user: string; readonly password: string };
}

/** Reads what the policy refers to. NOT_FOUND, USAGE or UNSAFE_PATH name the reference, never the value. */
export async function readCredentials(
  auth: Auth | undefined,
  named: readonly URL[],
  env: Environment,
): Promise<Credentials> {
  const origins = new Set(named.filter(keepsSecrets).map((url) => url.origin));
  const belongTo = (url: URL) => origins.has(url.origin);
  const plain = (url: URL) => url.pathname + url.search;
  if (!auth) return { belongTo, headers: {}, target: plain, hidden: () => false };
  if (auth.kind === 'query') {
    const token = await read(auth.token, env, /^[A-Za-z0-9._~!$&'()*+,;=:@/%-]+$/, QUERY);
    const target = (url: URL) => `${plain(url)}${url.search === '' ? '?' : '&'}${token}`;
    return { kind: auth.kind, belongTo, headers: {}, target, hidden: hides([token]) };
  }
  if (auth.kind === 'bearer') {
    const token = await read(auth.token, env, /^[!-~]+$/, 'characters that no token has');
    const headers = { authorization: `Bearer ${token}` };
    return { kind: auth.kind, belongTo, headers, target: plain, hidden: hides([token]) };
  }
  const { user: name } = auth;
  const user = typeof name === 'string' ? name : await read(name, env, /^[ -9;-~]+$/, `${ASCII}, or a colon`);
  const password = await read(auth.password, env, /^[ -~]+$/, ASCII);
  const both = Buffer.from(`${user}:${password}`).toString('base64'); // RFC 7617, 2
  return {
    kind: auth.kind,
    belongTo,
    headers: { authorization: `Basic ${both}` },
    target: plain,
    hidden: hides([password, both]),
    basic: { user, password },
  };
}

const ASCII = 'characters other than printable ASCII';
const QUERY = 'characters that no query has; it begins behind the question mark';

/** Whether a text has one of them, as it is or as base64, and each perhaps as a URL has it. */
function hides(secrets: readonly string[]): (text: string) => boolean {
  const long = secrets.filter((secret) => secret.length >= LEAST_TO_HIDE);
  const spellings = long.flatMap((secret) => {
    const packed = Buffer.from(secret);
    return [secret, packed.toString('base64'), packed.toString('base64url')];
  });
  return (text) => spellings.some((s) => text.includes(s) || unescaped(text).includes(unescaped(s)));
}

/** Also where not every `%` begins an escape. */
function unescaped(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

async function read(secret: Secret, env: Environment, form: RegExp, lacks: string): Promise<string> {
  const name = secret.kind === 'path' ? secret.path : `$${secret.variable}`;
  const text = secret.kind === 'path' ? await readSecretFile(secret.path) : env?.[secret.variable];
  const hint =
    secret.kind === 'path' ? 'Write the secret into it.' : 'Set it to the secret itself, not to a path.';
  if (text === undefined)
    throw new Fault('USAGE', `${name} is not set: auth of an upstream names it`, { hint });
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw new Fault('USAGE', `${name} is empty: auth of an upstream names it`, { hint });
  if (value.length > MAX_SECRET_BYTES || !form.test(value)) {
    throw new Fault(
      'USAGE',
      `${name} has ${value.length > MAX_SECRET_BYTES ? 'too many characters' : lacks}`,
      {
        hint: 'Write the secret there as the upstream gave it, in one line.',
      },
    );
  }
  return value;
}

/**
 * The same error without what a server said back to us, in a redirect's address most often; and without its cause: a
 * connection's error keeps what was received, or sent.
 */
export function withoutSecrets(error: unknown, { kind, hidden }: Credentials): unknown {
  if (!(error instanceof Fault) || kind === undefined) return error;
  const { code, message, hint, at } = error;
  const place = at !== undefined && hidden(at) ? undefined : at;
  return hidden(message) || place !== at ? saidBack(code, place) : new Fault(code, message, { hint, at });
}

export function saidBack(code: FaultCode, at: string | undefined): Fault {
  return new Fault(code, 'the server says our credentials back in what it answers, which is not shown', {
    hint: 'Ask whoever runs this upstream, or name another mirror.',
    at,
  });
}

/** As ssh reads a private key: a regular file that nobody but its owner and group can read. */
async function readSecretFile(path: string): Promise<string> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe would wait for a writer
    const { size, mode } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw refuse(`${path} is not a regular file`, path);
    if ((mode & 0o007) !== 0)
      throw refuse(`everybody on this machine can open ${path}, which holds a secret`, path);
    if (size > MAX_SECRET_BYTES) throw refuse(`${path} has ${size} bytes, more than a secret has`, path);
    return await file.readFile('latin1'); // what is not ASCII is refused, not repaired
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('NOT_FOUND', `cannot read the secret in ${path} (${codeOf(cause) ?? 'unknown error'})`, {
      hint: 'Put the file there, readable by the user that runs sluice and by nobody else.',
      cause,
    });
  }
}

function refuse(message: string, path: string): Fault {
  return new Fault('UNSAFE_PATH', message, { hint: `Use a file of one line, and chmod 600 ${path}.` });
}
