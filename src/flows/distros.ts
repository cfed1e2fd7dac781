import { Fault, quote, quoteUrl } from '../base/fault.ts';
import { parseUpstreamId, type UpstreamName, upstreamId } from '../manifest/ids.ts';
import { DISTRIBUTIONS, type Distribution, type VendorKey, type VendorRepository } from './distro-table.ts';

/** One upstream of a new state repository: all that its policy will say. */
export interface NewUpstream {
  readonly id: string;
  readonly name: UpstreamName;
  /** `Rocky Linux 9` */
  readonly title: string;
  readonly baseurl: string;
  readonly keys: readonly VendorKey[];
  readonly notes: readonly string[];
  readonly client: boolean;
  readonly parentHref: boolean;
}

/** What `--distro` knows by name. */
export const DISTROS: ReadonlyMap<string, Distribution> = new Map(DISTRIBUTIONS.map((d) => [d.id, d]));

interface Wanted {
  readonly distribution: Distribution;
  readonly base: string;
}

const ARCHES = ['x86_64', 'aarch64'];

/**
 * The upstreams that `--distro` names, in that order: `rocky-9` from the table, `sles-15.7=URL` where the site must say
 * where, `harbor-9-x86_64-base=URL` for any other repository. EPEL becomes part of each Enterprise Linux of its version
 * that is named with it (`rocky-9-x86_64-epel`), because clients enable them together; else it stands for itself.
 * `keys` sign what is named by its URL.
 */
export function upstreamsOf(
  distros: readonly string[],
  arch: string,
  keys: readonly VendorKey[] = [],
): NewUpstream[] {
  const words = distros.map((text) => split(text));
  const wanted = words.map(({ id, url }) => (isTabled(id) ? lookUp(id, url, arch) : undefined));
  const known = wanted.filter((w) => w !== undefined);
  const upstreams = words.flatMap(({ id, url }, i) => {
    const w = wanted[i];
    return w ? tabled(w, known, arch) : [custom(id, url, keys)];
  });
  const ids = new Set<string>();
  for (const { id } of upstreams) {
    if (ids.has(id)) throw usage(`${id} is named twice`, 'Name each distribution once.');
    ids.add(id);
  }
  if (upstreams.length === 0) {
    throw usage(
      'no distribution is named',
      `Name some with --distro: ${tabledIds()}, or ID=URL for your own.`,
    );
  }
  return upstreams;
}

function split(text: string): { id: string; url: string | undefined } {
  const at = text.indexOf('=');
  if (at < 0) return { id: text, url: undefined };
  return { id: text.slice(0, at), url: checkUrl(text.slice(at + 1), `--distro ${text.slice(0, at)}`) };
}

/** http, https or file, without credentials, query or fragment, and with the slash at the end. */
function checkUrl(text: string, at: string): string {
  const plain =
    /^(?:https?:\/\/|file:\/\/\/)[!-~]+$/.test(text) && !/[?#"\\]/.test(text) && URL.canParse(text);
  if (!plain || new URL(text).username !== '' || new URL(text).password !== '') {
    const wanted = 'https://…, http://… or file:///…, without credentials';
    throw new Fault('MALFORMED', `${quoteUrl(text)} is not a valid base URL (${wanted})`, {
      hint: 'Correct it; credentials are named in the policy, as references (docs/trust.md).',
      at,
    });
  }
  return text.endsWith('/') ? text : `${text}/`;
}

function isTabled(id: string): boolean {
  return DISTROS.has(id) || !/^[^-]+-[^-]+-[^-]+-/.test(id);
}

function lookUp(id: string, url: string | undefined, arch: string): Wanted {
  const distribution = DISTROS.get(id);
  if (!distribution) {
    throw usage(
      `there is no distribution ${quote(id)} in the table`,
      `Name one of ${tabledIds()}, or your own as <os>-<version>-<arch>-<repo>=URL.`,
    );
  }
  if (!ARCHES.includes(arch)) {
    throw usage(
      `${id} is known for ${ARCHES.join(' and ')}, not for ${quote(arch)}`,
      'Name its repositories as <os>-<version>-<arch>-<repo>=URL.',
    );
  }
  const base = url ?? distribution.base;
  if (base === undefined) {
    const { needs = 'name its address' } = distribution;
    throw usage(`${id} has no address of its own`, `${needs.charAt(0).toUpperCase()}${needs.slice(1)}.`);
  }
  return { distribution, base: base.replace(/\/$/, '') };
}

function tabledIds(): string {
  return [...DISTROS.keys()].join(', ');
}

function tabled(wanted: Wanted, all: readonly Wanted[], arch: string): NewUpstream[] {
  const { distribution } = wanted;
  if (distribution.os === 'epel') {
    const hosts = all.filter(({ distribution: d }) => d.el === distribution.version);
    const [everything] = distribution.repositories;
    if (hosts.length > 0 && everything) {
      return hosts.map(({ distribution: { os, version } }) =>
        upstream(wanted, { os, version, arch, repo: 'epel' }, everything),
      );
    }
  }
  const epel = all.some(({ distribution: d }) => d.os === 'epel' && d.version === distribution.el);
  const { os, version } = distribution;
  return distribution.repositories
    .filter((r) => epel || !r.withEpel)
    .map((r) => upstream(wanted, { os, version, arch, repo: r.repo }, r));
}

function upstream({ distribution, base }: Wanted, name: UpstreamName, r: VendorRepository): NewUpstream {
  return {
    id: upstreamId(name),
    name,
    title: distribution.title,
    baseurl: r.url.replaceAll('{base}', base).replaceAll('{arch}', name.arch),
    keys: r.keys ?? distribution.keys,
    notes: distribution.notes,
    client: distribution.client ?? false,
    parentHref: distribution.parentHref ?? false,
  };
}

function custom(id: string, url: string | undefined, keys: readonly VendorKey[]): NewUpstream {
  const name = parseUpstreamId(id, '--distro');
  if (url === undefined) {
    throw usage(`${id} has no address`, `Say where it is: ${id}=https://…, or file:///… for a folder.`);
  }
  return { id, name, title: id, baseurl: url, keys, notes: [], client: false, parentHref: false };
}

function usage(message: string, hint: string): Fault {
  return new Fault('USAGE', message, { hint });
}
