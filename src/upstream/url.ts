import { Fault, quote, quoteUrl } from '../base/fault.ts';
import { safeHref } from '../repodata/location.ts';

const SCHEMES = new Set(['http:', 'https:', 'rsync:', 'file:']);

/** A policy's base URL: http, https, rsync or file, without credentials, query or fragment, with a slash at its end. */
export function baseUrl(text: string, at: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !SCHEMES.has(url.protocol))
    throw unsafe(`${quoteUrl(text)} is no http, https, rsync or file URL`, at);
  if (url.username || url.password) throw unsafe('a base URL must not hold credentials', at);
  if (url.search || url.hash) throw unsafe(`${quoteUrl(text)} has a query or a fragment`, at);
  if (url.protocol === 'file:' && url.host) throw unsafe(`${quote(text)} names a host`, at);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** What metadata says of where a document or a package lies. */
export interface Location {
  readonly href: string;
  /** `xml:base`. */
  readonly base?: string | undefined;
}

/**
 * The URL of a document or a package. It stays on the origin of one of the bases, and below that base unless the
 * policy allows `../`. Checked as written (UNSAFE_PATH) and again as parsed (UNSAFE_URL), because `new URL` quietly
 * turns `//host/x`, `\` and tabs into other places.
 */
export function locate(
  bases: readonly URL[],
  location: Location,
  o: { at: string; parentHref: boolean },
): URL {
  const first = bases[0];
  if (!first) throw new Error('an upstream without a base URL');
  const root = location.base === undefined ? first : baseUrl(location.base, o.at);
  const home = bases.find((base) => isSameServer(base, root));
  if (!home) throw unsafe(`xml:base ${quote(root.href)} is not on the upstream's own server`, o.at);
  const url = new URL(encoded(safeHref(location.href, o.at, o)), root);
  const stays = isSameServer(url, home) && !url.username && !url.password;
  const below =
    o.parentHref || bases.some((b) => isSameServer(b, url) && url.pathname.startsWith(b.pathname));
  if (!stays || !below) throw unsafe(`${quote(location.href)} leaves the repository`, o.at);
  return url;
}

/** Not by `origin`, which is "null" for file and rsync alike. */
function isSameServer(a: URL, b: URL): boolean {
  return a.protocol === b.protocol && a.host === b.host;
}

/**
 * A path as metadata writes it (`libstdc++-1~2^3.rpm`, or already with `%2B`) as a URL has it. Sent as it is where
 * it may be, because some servers take `%7E` and `~` for two files.
 */
function encoded(href: string): string {
  const segments = href.toWellFormed().split('/'); // half a surrogate pair is a character that no server has
  return segments.map((s) => s.replace(/[^%A-Za-z0-9._~!$&'()*+,;=:@-]/gu, encodeURIComponent)).join('/');
}

/** Without its query, which may be a token: a content network's redirects are signed in it. */
export function shownUrl(url: URL): string {
  return url.search === '' ? url.href : `${url.origin}${url.pathname}?…`;
}

/** Where a redirect may lead, apart from the address that the name stands for. */
export function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || (to.protocol !== 'http:' && to.protocol !== 'https:')) {
    throw unsafe(`redirected to ${quoteUrl(location)}`, shownUrl(from));
  }
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw unsafe(`redirected from https to ${quoteUrl(to.href)}`, shownUrl(from));
  }
  if (to.username || to.password) throw unsafe('redirected to a URL with credentials', shownUrl(from));
  return to;
}

export function unsafe(message: string, at: string, cause?: unknown): Fault {
  return new Fault('UNSAFE_URL', message, {
    hint: 'Ask whoever runs this upstream, or name another mirror.',
    at,
    cause,
  });
}
