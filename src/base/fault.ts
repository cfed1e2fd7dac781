/** What went wrong, as a closed set: tests and callers assert the code, people read the message. */
export type FaultCode =
  | 'USAGE' // the command line does not say what to do
  | 'MALFORMED' // a word from outside that is not what it should be (an EVR, an id, a duration)
  | 'SIGNATURE_INVALID' // a signature or a key that cannot be read
  | 'SIGNING_FAILED' // our own signature could not be made
  | 'RPM_INVALID' // a file that is not the RPM that it should be
  | 'DEPENDENCY_INVALID' // a rich dependency that rpm would not read
  | 'METADATA_INVALID' // repodata that cannot be read, or that contradicts itself
  | 'CHECKSUM_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'TOO_LARGE' // over a ceiling
  | 'UNSAFE_PATH'
  | 'UNSAFE_URL'
  | 'NETWORK' // no answer, or a cut one, after all retries
  | 'HTTP_STATUS'
  | 'UPSTREAM_ROLLBACK' // older than what was accepted before
  | 'UPSTREAM_FROZEN' // older than the policy's maxAge
  | 'UPSTREAM_INCONSISTENT' // documents that do not belong together
  | 'UPSTREAM_REROLLED' // a known NEVRA with other bytes
  | 'MANIFEST_INVALID'
  | 'MANIFEST_NOT_CANONICAL'
  | 'LOCK_MISMATCH' // a snapshot's two files disagree
  | 'POLICY_INVALID'
  | 'NOT_YET' // right, but at another time: outside a tier's window
  | 'HELD' // a hold is in the way of what a person asked for
  | 'LOCKSTEP' // teams that are to have the same builds would not
  | 'RECALLED' // a build that was recalled, where nobody may have it
  | 'BROKEN_SET' // a change that would leave a client of the set without something that it requires
  | 'PROVENANCE' // a build that its team's rule on origins and signatures does not let in
  | 'NOT_SUPPORTED'
  | 'NOT_FOUND' // a package, team, tier, pull request or revision that does not exist
  | 'GIT'
  | 'HISTORY_REFUSED' // a main that lost what it had, a shallow clone, a time out of order
  | 'FORGE_REFUSED' // the forge's rules say no
  | 'FORGE_BLOCKED' // what main's rules want is not there yet
  | 'FORGE_CONFLICT' // someone else moved it
  | 'PLAN_DIFFERS' // a pull request that is not what its trailers say
  | 'POOL_CONFLICT'
  | 'POOL_MISSING'
  | 'POOL_CORRUPT'
  | 'CATALOG_MISSING'
  | 'CATALOG_CORRUPT'
  | 'PUBLICATION_CORRUPT'
  | 'LOCKED' // another run holds the mirror
  | 'DISK'; // full, read-only, another device

/** Something a person must act on. Whatever else is thrown is a bug of ours. */
export class Fault extends Error {
  readonly code: FaultCode;
  /** The next step, one imperative sentence. */
  readonly hint: string;
  /** Where: `policies/teams/infra.yaml:12:3`, a URL, a package. */
  readonly at: string | undefined;

  constructor(
    code: FaultCode,
    message: string,
    o: { hint: string; at?: string | undefined; cause?: unknown },
  ) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.name = 'Fault';
    this.code = code;
    this.hint = o.hint;
    this.at = o.at;
  }
}

/** A word from outside that does not have the form it must have. `at` says where it was read. */
export function malformed(what: string, text: string, at?: string): Fault {
  return new Fault('MALFORMED', `${quote(text)} is not a valid ${what}`, {
    hint: 'Correct it at its source.',
    at,
  });
}

/** Foreign text inside a message: no control characters, no more than 80 characters. */
export function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 77)}…` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => {
      return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
    },
  );
}

/** A URL inside a message: what stands before `@` or behind `?` may be a password or a token, and is not shown. */
export function quoteUrl(text: string): string {
  return quote(text.replace(/:\/\/[^?#]*@/, '://…@').replace(/[?#].+$/s, '?…'));
}

/** Makes a `switch` over a union total: a new kind fails to compile here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** The system's error code of whatever was thrown: `ENOENT`, `EXDEV`, … */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
