import { Fault, quote } from '../base/fault.ts';

/** Longer locations than this are no one's. */
const MAX_HREF = 2048;
const SCHEMES = new Set(['http:', 'https:', 'file:']);

/** A policy's base URL: http, https or file, without credentials, query or fragment, with a slash at its end. */
export function baseUrl(text: string, at: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !SCHEMES.has(url.protocol)) throw unsafe(`${quote(text)} is no http, https or file URL`, at);
  if (url.username || url.password) throw unsafe('a base URL must not hold credentials', at);
  if (url.search || url.hash) throw unsafe(`${quote(text)} has a query or a fragment`, at);
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
 * policy allows `../`. Checked as written and again as parsed, because `new URL` quietly turns `//host/x`, `\` and
 * tabs into other places.
 */
export function locate(
  bases: readonly URL[],
  location: Location,
  o: { at: string; parentHref: boolean },
): URL {
  const first = bases[0];
  if (!first) throw new Error('an upstream without a base URL');
  const root = location.base === undefined ? first : baseUrl(location.base, o.at);
  const home = bases.find((base) => base.origin === root.origin && base.protocol === root.protocol);
  if (!home) throw unsafe(`xml:base ${quote(root.href)} is not on the upstream's own server`, o.at);
  const url = new URL(encoded(location.href, o), root);
  const sameServer =
    url.protocol === home.protocol && url.host === home.host && !url.username && !url.password;
  const below =
    o.parentHref || bases.some((b) => b.origin === url.origin && url.pathname.startsWith(b.pathname));
  if (!sameServer || !below) throw unsafe(`${quote(location.href)} leaves the repository`, o.at);
  return url;
}

/** As metadata writes paths (`libstdc++~1^2 .rpm`, or already with `%2B`), so that a URL keeps each character. */
function encoded(href: string, o: { at: string; parentHref: boolean }): string {
  const refuse = (why: string) => unsafe(`the location ${quote(href)} ${why}`, o.at);
  if (href === '' || href.length > MAX_HREF) throw refuse(`has ${href.length} characters`);
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]|\p{Cs}/u.test(href)) throw refuse('holds a character that no path has');
  if (href.startsWith('/') || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(href)) throw refuse('is not relative');
  const segments = href.split('/');
  for (const segment of segments) {
    if (segment === '..' && !o.parentHref) throw refuse('leaves its folder');
    if (/%(?:2e|2f|5c|[01][0-9a-f]|7f)/i.test(segment))
      throw refuse('hides a dot, a slash or a control character');
    if (/%(?![0-9a-f]{2})/i.test(segment)) throw refuse('has a % that encodes nothing');
  }
  return segments
    .map((s) => s.replace(/[^%A-Za-z0-9._~!$&'()*+,;=:@-]/gu, encodeURIComponent))
    .join('/')
    .replace(/^(?=[^/]*:)/, './');
}

/** Where a redirect may lead, apart from the address that the name stands for. */
export function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || (to.protocol !== 'http:' && to.protocol !== 'https:')) {
    throw unsafe(`redirected to ${quote(location)}`, from.href);
  }
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw unsafe(`redirected from https to ${quote(to.href)}`, from.href);
  }
  if (to.username || to.password) throw unsafe('redirected to a URL with credentials', from.href);
  return to;
}

export function unsafe(message: string, at: string, cause?: unknown): Fault {
  return new Fault('UNSAFE_URL', message, {
    hint: 'Ask whoever runs this upstream, or name another mirror.',
    at,
    cause,
  });
}
