import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { formatRepositoryId, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { Policies } from '../manifest/policy.ts';

export interface SectionsOptions {
  /** As the commit has them. */
  readonly repositories: readonly RepositoryName[];
  /** What people read before the names: `infra stable`. */
  readonly title: (repository: RepositoryName) => string;
  readonly policies: Pick<Policies, 'upstreams' | 'site'>;
  /** A commit whose trees clients shall stay on; without one they follow main. */
  readonly at?: string;
}

export interface RepofileOptions extends Omit<SectionsOptions, 'title'> {
  readonly team: string;
  readonly tier: string;
}

/** How soon a client asks for the one line that names the current tree: nothing else ever changes. */
const METADATA_EXPIRE = '900';

/**
 * The `.repo` file of one team and tier, for dnf, yum and zypper: one section a repository, in order of their ids.
 * NOT_FOUND, POLICY_INVALID without `mirrorUrl`.
 */
export function repofile(o: RepofileOptions): string {
  const repositories = o.repositories.filter((r) => r.team === o.team && r.tier === o.tier);
  if (repositories.length === 0) {
    throw new Fault('NOT_FOUND', `${o.team} has no repository at the tier ${o.tier}`, {
      hint: 'Look at the folders below snapshots/.',
    });
  }
  return repofileOf({ ...o, repositories, title: () => `${o.team} ${o.tier}` });
}

/** The same of any repositories. */
export function repofileOf(o: SectionsOptions): string {
  const { mirrorUrl } = o.policies.site;
  if (mirrorUrl === undefined) {
    throw new Fault('POLICY_INVALID', 'policies/site.yaml names no mirrorUrl', {
      hint: 'Write there the URL at which clients reach the folder `public` of the mirror.',
      at: 'policies/site.yaml',
    });
  }
  const base = mirrorUrl.replace(/\/+$/, '');
  const sections = o.repositories
    .map((repository) => ({ id: formatRepositoryId(repository), repository }))
    .sort((a, b) => byCodeUnit(a.id, b.id))
    .map(({ id, repository }) => section(id, repository, base, o));
  return sections.join('\n');
}

function section(id: string, repository: RepositoryName, base: string, o: SectionsOptions): string {
  const upstream = o.policies.upstreams.get(upstreamId(repository));
  if (!upstream) {
    throw new Fault('NOT_FOUND', `no policy for the upstream ${upstreamId(repository)}`, {
      hint: `Write policies/upstreams/${upstreamId(repository)}.yaml.`,
      at: id,
    });
  }
  const { os, version, arch, repo } = repository;
  const where =
    o.at === undefined ? `mirrorlist=${base}/${id}/mirrorlist` : `baseurl=${base}/at/${o.at}/${id}/`;
  const { signatures, reason } = upstream.packages;
  const notes = [
    ...(upstream.content === 'thin'
      ? [
          `thin: packages come from ${upstream.baseurl[0] ?? 'the upstream'} and are gone when they are gone there;`,
          'zypper and Pulp cannot use this repository.',
        ]
      : []),
    ...(signatures === 'none'
      ? [`packages are not checked by signature: ${reason ?? 'no reason given'}`]
      : []),
  ];
  const { signing } = o.policies.site;
  const vendors = signatures === 'required' ? upstream.keys : [];
  const keys = [...new Set([...vendors, ...signing].map((key) => `${base}/${key.file}`))];
  return [
    `[${id}]`,
    ...notes.map((note) => `# ${oneLine(note)}`),
    `name=${o.title(repository)}: ${os} ${version} ${arch} ${repo}`,
    where,
    'enabled=1',
    `gpgcheck=${signatures === 'required' ? 1 : 0}`,
    ...(signing.length > 0 ? ['repo_gpgcheck=1'] : []),
    ...(keys.length > 0 ? [`gpgkey=${keys.join('\n       ')}`] : []),
    `metadata_expire=${METADATA_EXPIRE}`,
    '',
  ].join('\n');
}

/** A reason may have any text; a comment has one line. */
function oneLine(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ');
}
