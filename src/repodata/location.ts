import { Fault, quote, quoteUrl } from '../base/fault.ts';

const MAX_LENGTH = 1000;
const CONTROL = /[\0-\x1f\x7f-\x9f]/;
// Invisible, or reorders what a person reads: zero-width, bidi (TR 9), line separators, BOM, Unicode tags.
const DECEPTIVE = /[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]/u;

/**
 * A `<location href>` of a package or of a repomd record, returned as it is once it is known to stay below its base:
 * relative, segment by segment, as written and as a server would decode it. `..` only at the beginning, and only
 * where the upstream's policy allows locations beside its base. UNSAFE_PATH on anything else.
 */
export function safeHref(href: string, at: string, o: { parentHref?: boolean } = {}): string {
  const refuse = (why: string): Fault =>
    new Fault('UNSAFE_PATH', `the location ${quote(href)} ${why}`, {
      hint: 'Tell the upstream; nothing was written.',
      at,
    });
  if (href.length > MAX_LENGTH) throw refuse(`has more than ${MAX_LENGTH} characters`);
  if (CONTROL.test(href)) throw refuse('has control characters');
  if (DECEPTIVE.test(href)) throw refuse('has invisible or reordering characters');
  if (href.normalize('NFC') !== href) throw refuse('is not in Unicode normal form C');
  if (href.includes('\\')) throw refuse('has a backslash');
  if (/[?#]/.test(href)) throw refuse('has a query or a fragment');
  if (href.startsWith('/')) throw refuse('is absolute');
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(href)) throw refuse('has a scheme');
  const segments = href.split('/');
  let leading = true;
  for (const written of segments) {
    if (written === '..' && leading && o.parentHref) continue;
    leading = false;
    const segment = decoded(written);
    if (segment === undefined) throw refuse('has a percent sign that encodes no character');
    if (segment === '') throw refuse('has an empty segment');
    if (segment === '.' || segment === '..') throw refuse('leaves its folder');
    if (/[/\\%]/.test(segment)) throw refuse('hides a separator behind a percent sign');
    if (CONTROL.test(segment) || DECEPTIVE.test(segment)) throw refuse('hides control characters');
    if (segment.startsWith('-')) throw refuse('has a segment that begins with a hyphen');
    if (/^ |[. ]$/.test(segment))
      throw refuse('has a segment that begins or ends with a space, or ends with a dot');
  }
  if (leading) throw refuse('names no file');
  return href;
}

/** An `xml:base`: an absolute http(s) URL without credentials, query or fragment. UNSAFE_URL on anything else. */
export function safeBase(base: string, at: string): string {
  const refuse = (why: string): Fault =>
    new Fault('UNSAFE_URL', `the base ${quoteUrl(base)} ${why}`, {
      hint: 'Tell the upstream; nothing was fetched.',
      at,
    });
  if (base.length > MAX_LENGTH) throw refuse(`has more than ${MAX_LENGTH} characters`);
  // URL would drop or repair these in silence, and with them the host may change.
  if (CONTROL.test(base) || DECEPTIVE.test(base) || /[\\ ]/.test(base))
    throw refuse('has characters that no URL has');
  if (!/^https?:\/\/[^/]/i.test(base) || !URL.canParse(base))
    throw refuse('is not an absolute http or https URL');
  const url = new URL(base);
  if (url.username || url.password) throw refuse('has credentials');
  if (url.search || url.hash) throw refuse('has a query or a fragment');
  return base;
}

function decoded(segment: string): string | undefined {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
