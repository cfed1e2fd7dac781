import { Fault, quote } from '../base/fault.ts';
import { safeBase, safeHref } from '../repodata/location.ts';
import type { Locations } from './content.ts';

/**
 * Where a client finds a package at its upstream: `xml:base` and `href`, resolved. dnf joins the two as text, so every
 * leading `../` takes one folder off the base (run). UNSAFE_PATH, UNSAFE_URL, NOT_SUPPORTED.
 */
export function thinLocation(
  locations: Extract<Locations, { kind: 'thin' }>,
  written: { readonly href: string; readonly base?: string },
  at: string,
): { href: string; base: string } {
  if (!/^https?:/i.test(locations.baseurl)) {
    throw new Fault('NOT_SUPPORTED', `${quote(locations.baseurl)} is no base that clients can reach`, {
      hint: 'Give the upstream an http or https baseurl, or publish it with `content: full`.',
      at,
    });
  }
  const from = new URL(slashed(safeBase(locations.baseurl, at)));
  const own = written.base === undefined ? from : new URL(slashed(safeBase(written.base, at)));
  if (own.origin !== from.origin) throw outside(written.base ?? '', from, at);
  let href = safeHref(written.href, at, { parentHref: locations.parentHref });
  let base = own;
  while (href.startsWith('../')) {
    if (base.pathname === '/') throw outside(written.href, from, at);
    base = new URL('../', base);
    href = href.slice('../'.length);
  }
  return { href, base: base.href };
}

function slashed(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}

function outside(written: string, from: URL, at: string): Fault {
  return new Fault('UNSAFE_URL', `the location ${quote(written)} leaves ${from.origin}`, {
    hint: 'Publish this upstream with `content: full`.',
    at,
  });
}
