import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { RepositoryFile } from '../forge/repository.ts';
import type { Policies } from '../manifest/policy.ts';

export const CODEOWNERS = '.github/CODEOWNERS';

const HEAD = `# Written by sluice fix from the owners in policies/: change them there. The last line that fits counts, and of its owners any
# one is enough.
`;

/**
 * Who reviews what, as GitHub reads it: a team's policy and manifests are its own, what several teams share is all of theirs, and the
 * rest (upstreams, live, keys, recalls, errata, workflows) is the site's. Undefined where the site names no owners: then the file is
 * nobody's but whoever wrote it.
 */
export function codeowners({ site, teams, lockstep }: Policies): string | undefined {
  if (site.owners.length === 0) return undefined;
  const rows: [path: string, owners: readonly string[]][] = [['*', site.owners]];
  const ownersOf = (team: string): readonly string[] => {
    const named = teams.get(team)?.owners ?? [];
    return named.length > 0 ? named : site.owners;
  };
  for (const team of [...teams.keys()].sort(byCodeUnit)) {
    rows.push([`/policies/teams/${team}.yaml`, ownersOf(team)], [`/snapshots/${team}/`, ownersOf(team)]);
  }
  for (const { path, teams: named } of lockstep.values()) {
    const all = (named ?? [...teams.keys()]).flatMap(ownersOf);
    rows.push([`/${path}`, [...new Set([...site.owners, ...all])].sort(byCodeUnit)]);
  }
  // said once more, and last: no line for a team may ever take these
  for (const path of [
    '/.github/',
    '/policies/site.yaml',
    '/policies/upstreams/',
    '/policies/keys/',
    '/policies/recalls/',
  ]) {
    rows.push([path, site.owners]);
  }
  for (const path of ['/policies/errata.yaml', '/errata/']) rows.push([path, site.owners]);
  const width = Math.max(...rows.map(([path]) => path.length));
  return `${HEAD}${rows.map(([path, owners]) => `${path.padEnd(width)} ${owners.join(' ')}\n`).join('')}`;
}

/** A reviewer who is not asked because a file is out of date is a reviewer less. */
export function checkCodeowners(policies: Policies, found: RepositoryFile | undefined): Fault[] {
  const wanted = codeowners(policies);
  if (wanted === undefined || (found?.text === wanted && found.mode === '100644')) return [];
  const message = found
    ? 'does not say what the owners in policies/ say'
    : 'is missing, and policies/site.yaml names owners';
  return [new Fault('POLICY_INVALID', message, { hint: 'Run sluice fix.', at: CODEOWNERS })];
}
