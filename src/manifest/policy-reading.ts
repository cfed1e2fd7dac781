import { parseDuration } from '../base/duration.ts';
import { Fault, quote, quoteUrl } from '../base/fault.ts';
import type { KeyReference } from './policy.ts';
import { pathText } from './validate.ts';
import type { Path, YamlDocument } from './yaml.ts';

/** One policy file while it is read: complaints are gathered, so that a person sees all of them at once. */
export interface PolicyFile {
  readonly path: string;
  readonly doc: YamlDocument;
  complain(fault: Fault): void;
}

/** A complaint about the value at `key`. */
export function refuse(file: PolicyFile, key: Path, message: string, hint: string, which?: 'key'): void {
  const at = file.doc.at(key, which);
  file.complain(new Fault('POLICY_INVALID', `${pathText(key)} ${message}`, { hint, at }));
}

/** What `read` gives; undefined, and a complaint at `key`, where it throws a Fault. */
export function attempt<T>(file: PolicyFile, key: Path, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { hint } = error;
    const at = file.doc.at(key);
    file.complain(
      new Fault('POLICY_INVALID', `${pathText(key)}: ${error.message}`, { hint, at, cause: error }),
    );
    return undefined;
  }
}

/** In milliseconds. A complaint is made of what cannot be read; nothing is built from a file with complaints. */
export function durationAt(file: PolicyFile, key: Path, text: string | undefined, absent: number): number {
  if (text === undefined) return absent;
  return attempt(file, key, () => parseDuration(text)) ?? Number.POSITIVE_INFINITY;
}

/** A complaint about a URL that is not written as it will be used, or that says what a policy must not say. */
export function urlAt(
  file: PolicyFile,
  key: Path,
  text: string,
  schemes: readonly string[],
  o: { readonly query?: boolean } = {},
): void {
  const wrong = wrongUrl(text, schemes, o.query ?? false);
  if (wrong !== undefined) refuse(file, key, wrong, 'Correct the URL.');
}

/** Its parsers leave a host as it stands, and rsync knows no escapes: what has one spelling is taken. */
const RSYNC =
  /^rsync:\/\/(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9_][A-Za-z0-9._+@=,~-]*)+\/?$/;

/** What URL parsers silently mend (`..`, `\`, tabs, upper-case hosts, other spellings of an address) is refused. */
function wrongUrl(text: string, schemes: readonly string[], query: boolean): string | undefined {
  if (!URL.canParse(text)) return `must be a URL, not ${quoteUrl(text)}`;
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  if (!schemes.includes(scheme)) return `must be ${schemes.join(' or ')}, not ${scheme}`;
  if (url.username !== '' || url.password !== '') {
    return 'must not have a user or a password: policies are public';
  }
  if (query ? text.includes('#') : /[?#]/.test(text)) {
    return `must not have a ${query ? '' : 'query or a '}fragment`;
  }
  if (scheme === 'rsync' && !RSYNC.test(text))
    return 'must be rsync://host/module/…, in plain lower-case letters';
  if (/%2[ef]|%5c|%00/i.test(text)) return 'must not have escaped dots or slashes';
  if (url.href === text || url.href === `${text}/`) return undefined;
  return `must be written as it is used, ${quote(url.href)}, not ${quote(text)}`;
}

/** A key as policies write it. */
export interface KeyData {
  readonly file: string;
  readonly fingerprint: string;
  readonly subkeys?: readonly string[];
}

export function keyOf({ file, fingerprint, subkeys }: KeyData): KeyReference {
  return {
    file,
    fingerprint: fingerprint.toUpperCase(),
    ...(subkeys ? { subkeys: subkeys.map((subkey) => subkey.toUpperCase()) } : {}),
  };
}
