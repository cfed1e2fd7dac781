import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Checksum, sameChecksum } from '../base/checksum.ts';
import { codeOf, Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import { addedFolder } from '../pool/added.ts';
import { writeFileAtomic } from '../pool/disk.ts';
import { type Metalink, readMetalink } from '../repodata/metalink.ts';
import type { Source } from './source.ts';
import { baseUrl } from './url.ts';

const MAX_LIST_BYTES = 1 << 20;
/** Nobody tries more than that of a list of hundreds. */
const MOST_MIRRORS = 20;
/** How long a mirror that failed comes after all others. */
const BAD_FOR = 24 * 3_600_000;
const REPOMD = 'repodata/repomd.xml';

/** Where an upstream can be had from now, best first. */
export interface Mirrors {
  readonly bases: readonly URL[];
  /** Which repomd.xml the metalink vouches for. */
  readonly metalink?: Metalink | undefined;
}

/** The policy's own base URLs; of builds that were added, the folder below the mirror. */
export function ownBases(policy: UpstreamPolicy, mirrorRoot: string): URL[] {
  if (policy.source === 'added') return [folderUrl(addedFolder(mirrorRoot, policy.id))];
  return policy.baseurl.map((text) => baseUrl(text, policy.path));
}

export function folderUrl(folder: string): URL {
  return baseUrl(pathToFileURL(folder).href, folder);
}

/** URLs that the policy itself names: what a redirect or a mirror may reach is measured by them. */
export function namedUrls(policy: UpstreamPolicy, mirrorRoot: string): URL[] {
  const lists = [policy.mirrorlist, policy.metalink].filter((text) => text !== undefined);
  return [...ownBases(policy, mirrorRoot), ...lists.map((text) => new URL(text))];
}

/**
 * Where hrefs are resolved when only their form is judged, which needs no server: the first base URL, or a name that cannot exist
 * (RFC 2606) where mirrors are listed elsewhere, or builds were added: no plan depends on where a mirror lies on its host.
 */
export function formalBases(policy: UpstreamPolicy): URL[] {
  if (policy.baseurl.length > 0) return policy.baseurl.map((text) => baseUrl(text, policy.path));
  return [new URL('https://mirror.invalid/')];
}

/** The policy's own base URLs first, then those of its mirrorlist or metalink; mirrors that failed lately come last. */
export async function findMirrors(
  policy: UpstreamPolicy,
  source: Source,
  o: { readonly mirrorRoot: string; readonly now: Date; readonly home?: URL | undefined },
): Promise<Mirrors> {
  const own = o.home ? [o.home] : ownBases(policy, o.mirrorRoot);
  const listed = await listedMirrors(policy, source);
  const bad = await badMirrors(o.mirrorRoot, policy.id, o.now);
  const bases: URL[] = [];
  for (const base of [...own, ...listed.bases]) {
    if (!bases.some((known) => known.href === base.href)) bases.push(base);
  }
  const sorted = [
    ...bases.filter((base) => !bad.has(base.href)),
    ...bases.filter((base) => bad.has(base.href)),
  ];
  if (sorted.length === 0) {
    throw new Fault('UPSTREAM_INCONSISTENT', 'its list names no mirror that can be used', {
      hint: 'Try again later, or name a base URL.',
      at: policy.mirrorlist ?? policy.metalink ?? policy.path,
    });
  }
  return { bases: sorted.slice(0, MOST_MIRRORS), metalink: listed.metalink };
}

async function listedMirrors(policy: UpstreamPolicy, source: Source): Promise<Mirrors> {
  const { mirrorlist, metalink } = policy;
  if (metalink !== undefined) {
    const url = new URL(metalink);
    const read = readMetalink(await bytesOf(source, url), url.href);
    const texts = read.urls
      .filter((text) => text.endsWith(`/${REPOMD}`))
      .map((text) => text.slice(0, -REPOMD.length));
    return { bases: usable(texts, true), metalink: read };
  }
  if (mirrorlist === undefined) return { bases: [] };
  const url = new URL(mirrorlist);
  const text = (await bytesOf(source, url)).toString('utf8');
  if (/<(?:!doctype )?html/i.test(text.slice(0, 1024))) {
    throw new Fault('UPSTREAM_INCONSISTENT', 'a web page answers instead of a mirror list', {
      hint: 'Check the URL: a login or an error page answers.',
      at: url.href,
    });
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  // Over plain HTTP anybody may answer: then the list itself, or a signature, has to have been read safely.
  const plain = url.protocol === 'http:' || policy.metadata.signatures === 'required';
  return {
    bases: usable(
      lines.filter((line) => line !== '' && !line.startsWith('#')),
      plain,
    ),
  };
}

/** What is no http(s) URL (rsync, ftp, a line with `$basearch`) is left out, as by dnf; https before http. */
function usable(texts: readonly string[], plain: boolean): URL[] {
  const urls: URL[] = [];
  for (const text of texts) {
    if (!/^https?:\/\//.test(text) || text.includes('$')) continue;
    try {
      urls.push(baseUrl(text, text));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }
  const secure = urls.filter((url) => url.protocol === 'https:');
  return plain ? [...secure, ...urls.filter((url) => url.protocol === 'http:')] : secure;
}

async function bytesOf(source: Source, url: URL): Promise<Buffer> {
  const read = await source.read(url, { maxBytes: MAX_LIST_BYTES });
  return read.kind === 'bytes' ? read.bytes : Buffer.alloc(0);
}

/** Why a mirror's repomd.xml will not do, by the metalink: another one, or one of before. Undefined: it is the newest. */
export function metalinkRefuses(
  metalink: Metalink,
  sum: (type: Checksum['type']) => Checksum,
): string | undefined {
  const is = (checksums: readonly Checksum[]) =>
    checksums.length > 0 && checksums.every((known) => sameChecksum(sum(known.type), known));
  if (is(metalink.newest.checksums)) return undefined;
  return metalink.earlier.some(is)
    ? 'this mirror is behind: it has a repomd.xml of before'
    : 'its repomd.xml is not one that the metalink vouches for';
}

function pathOf(mirrorRoot: string, upstream: string): string {
  return join(mirrorRoot, 'state', 'mirrors', `${upstream}.json`);
}

/** Base URLs that failed less than a day ago. Derived, never truth. */
async function badMirrors(
  mirrorRoot: string,
  upstream: string,
  now: Date,
): Promise<ReadonlyMap<string, string>> {
  const bad = new Map<string, string>();
  try {
    const data: unknown = JSON.parse(await readFile(pathOf(mirrorRoot, upstream), 'utf8'));
    for (const [base, since] of Object.entries(Object(data))) {
      const age = now.getTime() - Date.parse(String(since));
      if (age >= 0 && age < BAD_FOR) bad.set(base, String(since));
    }
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT' && !(cause instanceof SyntaxError)) throw cause;
  }
  return bad;
}

/** Remembers which mirrors failed in this run; one that did well is forgotten. Writes only what changed. */
export async function rememberMirrors(
  policy: UpstreamPolicy,
  o: {
    readonly mirrorRoot: string;
    readonly now: Date;
    readonly failed: readonly URL[];
    readonly good: URL | undefined;
  },
): Promise<void> {
  if (policy.mirrorlist === undefined && policy.metalink === undefined) return; // a person's own order stands
  const before = await badMirrors(o.mirrorRoot, policy.id, o.now);
  const after = new Map(before);
  for (const base of o.failed) if (!after.has(base.href)) after.set(base.href, o.now.toISOString());
  if (o.good) after.delete(o.good.href);
  const text = (bad: ReadonlyMap<string, string>) =>
    `${JSON.stringify(Object.fromEntries([...bad].sort(([a], [b]) => byCodeUnit(a, b))), null, 1)}\n`;
  if (text(after) === text(before)) return;
  await writeFileAtomic(pathOf(o.mirrorRoot, policy.id), text(after), { mirrorRoot: o.mirrorRoot });
}
