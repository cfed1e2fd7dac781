import { Fault, quote } from '../base/fault.ts';
import {
  clientSetKey,
  LIVE_TEAM,
  LIVE_TIER,
  parseRepositoryId,
  type RepositoryName,
  upstreamId,
} from './ids.ts';
import type { Also, Policies, Profile, TeamPolicy } from './policy.ts';
import { type PolicyFile, refuse } from './policy-reading.ts';
import type { Path } from './yaml.ts';

/** As a policy writes an entry that concerns some client sets only. */
export interface AlsoData {
  readonly repository: string;
  readonly for: readonly string[];
}
export interface ProfileData {
  readonly file: string;
  readonly for: readonly string[];
}

export function readAlso(list: readonly (string | AlsoData)[] | undefined, file: PolicyFile): Also[] {
  const all = (list ?? []).map((entry, i): Also => {
    const at = file.doc.at(['also', i]);
    return typeof entry === 'string' ? { id: entry, at } : { id: entry.repository, for: entry.for, at };
  });
  all.forEach(({ id }, i) => {
    const twice = all.findIndex((other) => other.id === id) < i;
    if (twice) refuse(file, ['also', i], `names ${id} twice`, 'Keep one of the two.');
  });
  return all;
}

export function readProfiles(
  list: readonly (string | ProfileData)[] | undefined,
  file: PolicyFile,
): Profile[] {
  const all = (list ?? []).map((entry, i): Profile => {
    const at = file.doc.at(['profiles', i]);
    return typeof entry === 'string' ? { file: entry, at } : { ...entry, at };
  });
  all.forEach((profile, i) => {
    const twice = all.findIndex((other) => other.file === profile.file) < i;
    if (twice) refuse(file, ['profiles', i], `names ${profile.file} twice`, 'Keep one of the two.');
  });
  return all;
}

/** The client sets of a team: `rocky-9-x86_64`. Repositories that stand alone are in none. */
export function clientSetsOf(team: TeamPolicy, { upstreams }: Policies): string[] {
  const sets = team.repositories.flatMap((id) => {
    const upstream = upstreams.get(id);
    return upstream && !upstream.alone ? [clientSetKey(upstream.name)] : [];
  });
  return [...new Set(sets)];
}

/** The repository whose manifest an entry means: of an upstream it is live's. Undefined where no policy declares it. */
export function alsoRepository({ id }: Also, { upstreams, teams }: Policies): RepositoryName | undefined {
  const upstream = upstreams.get(id);
  if (upstream) return { team: LIVE_TEAM, tier: LIVE_TIER, ...upstream.name };
  const name = repositoryName(id);
  if (!name) return undefined;
  if (name.team === LIVE_TEAM && name.tier === LIVE_TIER) {
    return upstreams.has(upstreamId(name)) ? name : undefined;
  }
  const team = teams.get(name.team);
  const declared =
    team?.repositories.includes(upstreamId(name)) && team.tiers.some((tier) => tier.name === name.tier);
  return declared ? name : undefined;
}

/**
 * The client sets of the team that have this repository: those that the entry names; else the one that it belongs to by its own
 * name; else, as a third party's has an `os` of its own, those of the same version and arch.
 */
export function setsOfAlso(
  also: Also,
  repository: RepositoryName,
  sets: readonly string[],
): readonly string[] {
  if (also.for) return sets.filter((set) => also.for?.includes(set));
  const own = clientSetKey(repository);
  if (sets.includes(own)) return [own];
  return sets.filter((set) => set.endsWith(`-${repository.version}-${repository.arch}`));
}

/** What a team says of its clients fits the other policies, which are among `files`. */
export function checkClients(
  team: TeamPolicy,
  policies: Policies,
  file: PolicyFile,
  files: ReadonlyMap<string, string>,
): void {
  const sets = clientSetsOf(team, policies);
  const known = sets.join(', ') || 'none';
  team.also.forEach((also, i) => {
    const key: Path = ['also', i];
    checkSets(also.for, [...key, 'for'], sets, file);
    const repository = alsoRepository(also, policies);
    if (!repository) {
      if (hasComplaints(also.id, policies, files)) return;
      const hint = "Use an upstream's id, or the repository id of a team's tier.";
      refuse(file, key, `names ${also.id}, which no policy declares`, hint);
      return;
    }
    const isOwn =
      repository.team === team.team ||
      (repository.team === LIVE_TEAM && team.repositories.includes(upstreamId(repository)));
    if (isOwn) {
      const hint = 'Remove it: clients have those anyway, each in the tier that they follow.';
      refuse(file, key, `names ${also.id}, which is the team's own already`, hint);
      return;
    }
    if (!also.for && sets.length > 0 && setsOfAlso(also, repository, sets).length === 0) {
      const hint = `Say which clients have it: { repository: ${also.id}, for: [${sets[0]}] }. The team's: ${known}.`;
      refuse(
        file,
        key,
        `names ${also.id}, which is for another version or arch than the team's clients`,
        hint,
      );
    }
  });
  for (const tier of team.tiers) {
    for (const { set } of tier.baseline ?? []) {
      if (set !== undefined) checkSets([set], ['tiers', tier.name, 'baseline'], sets, file);
    }
  }
  team.profiles.forEach((profile, i) => {
    checkSets(profile.for, ['profiles', i, 'for'], sets, file);
  });
}

function checkSets(
  wanted: readonly string[] | undefined,
  key: Path,
  sets: readonly string[],
  file: PolicyFile,
): void {
  wanted?.forEach((set, i) => {
    if (sets.length === 0 || sets.includes(set)) return;
    const message = `must be one of the team's client sets, not ${quote(set)}`;
    const at: Path = key.at(-1) === 'baseline' ? [...key, set] : [...key, i];
    refuse(file, at, message, `Use one of: ${sets.join(', ')}.`);
  });
}

/** Declared in a file that is not read: it has complaints of its own. */
function hasComplaints(id: string, { teams }: Policies, files: ReadonlyMap<string, string>): boolean {
  if (files.has(`policies/upstreams/${id}.yaml`)) return true;
  const name = repositoryName(id);
  return name !== undefined && !teams.has(name.team) && files.has(`policies/teams/${name.team}.yaml`);
}

function repositoryName(id: string): RepositoryName | undefined {
  try {
    return parseRepositoryId(id);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
