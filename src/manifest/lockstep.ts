import { byCodeUnit } from '../base/order.ts';
import { type NamesData, readNames } from './names.ts';
import { type Filter, patternMatches } from './pattern.ts';
import type { TeamPolicy } from './policy.ts';
import { type PolicyFile, refuse } from './policy-reading.ts';
import schema from './schemas/lockstep.schema.json' with { type: 'json' };
import { compileSchema } from './validate.ts';

/** `policies/lockstep/<id>.yaml`: packages of which several teams have the same builds in a tier, and so move at once. */
export interface Lockstep {
  readonly id: string;
  readonly path: string;
  readonly reason: string;
  readonly owner: string;
  /** Over package names. */
  readonly packages: readonly Filter[];
  /** Absent: all. */
  readonly teams?: readonly string[];
  /** Absent: all that two of the teams have. */
  readonly tiers?: readonly string[];
  matches(name: string): boolean;
}

export interface LockstepData {
  readonly id: string;
  readonly packages: readonly NamesData[];
  readonly teams?: readonly string[];
  readonly tiers?: readonly string[];
  readonly reason: string;
  readonly owner: string;
}

export const validLockstep = compileSchema<LockstepData>(schema);

export function lockstepPath(id: string): string {
  return `policies/lockstep/${id}.yaml`;
}

/** What it says of teams is checked by `checkLockstep`, once all are read. */
export function readLockstep(data: LockstepData, file: PolicyFile): Lockstep {
  const { id, reason, owner, teams, tiers } = data;
  if (file.path !== lockstepPath(id)) {
    refuse(file, ['id'], `must be the file's name, not ${id}`, 'Correct the id, or rename the file.');
  }
  for (const [key, list] of [
    ['teams', teams],
    ['tiers', tiers],
  ] as const) {
    list?.forEach((word, i) => {
      if (list.indexOf(word) < i) refuse(file, [key, i], `names ${word} twice`, 'Keep one of the two.');
    });
  }
  const packages = data.packages.map((names, i): Filter => {
    const key = ['packages', i];
    if (names.preset === undefined && names.match === undefined && names.glob === undefined) {
      refuse(file, key, 'must say which packages', 'Add preset, match or glob.');
    }
    return { ...readNames(names, key, file), at: file.doc.at(key) };
  });
  const known = new Map<string, boolean>(); // every team and tier asks of the same few thousand names
  const matches = (name: string): boolean => {
    const matched = known.get(name) ?? packages.some((filter) => patternMatches(filter, subject(name)));
    known.set(name, matched);
    return matched;
  };
  return {
    id,
    path: file.path,
    reason,
    owner,
    packages,
    ...(teams ? { teams } : {}),
    ...(tiers ? { tiers } : {}),
    matches,
  };
}

function subject(name: string) {
  return { name, source: undefined, repository: '', tier: '' };
}

/** The teams of a group that have the tier, in order: those that have the same builds there. Fewer than two keep nothing together. */
export function lockstepTeams(
  group: Pick<Lockstep, 'teams' | 'tiers'>,
  tier: string,
  teams: ReadonlyMap<string, TeamPolicy>,
): TeamPolicy[] {
  if (group.tiers && !group.tiers.includes(tier)) return [];
  const own = [...teams.values()].filter(
    ({ team, tiers }) => (group.teams?.includes(team) ?? true) && tiers.some((t) => t.name === tier),
  );
  return own.sort((a, b) => byCodeUnit(a.team, b.team));
}

/** The tiers that a group keeps together, in the order of its first team that has each. */
export function lockstepTiers(
  group: Pick<Lockstep, 'teams' | 'tiers'>,
  teams: ReadonlyMap<string, TeamPolicy>,
): string[] {
  const names = new Set([...teams.values()].flatMap(({ tiers }) => tiers.map((t) => t.name)));
  return [...names].filter((name) => lockstepTeams(group, name, teams).length > 1);
}

/** Teams and tiers that a group names exist, and two of them have something to keep together. */
export function checkLockstep(
  group: Lockstep,
  others: readonly Lockstep[],
  teams: ReadonlyMap<string, TeamPolicy>,
  files: ReadonlyMap<string, string>,
  file: PolicyFile,
): void {
  const hint = 'Correct the name: a group that keeps nothing together is an error.';
  const isWritten = (team: string) => files.has(`policies/teams/${team}.yaml`); // it may have complaints of its own
  group.teams?.forEach((team, i) => {
    if (teams.has(team) || isWritten(team)) return;
    const known = [...teams.keys()].sort(byCodeUnit).join(', ') || 'none';
    refuse(file, ['teams', i], `must be one of the teams (${known}), not ${team}`, hint);
  });
  const incomplete = [...files.keys()].some((path) => {
    const team = /^policies\/teams\/([^/]+)\.yaml$/.exec(path)?.[1];
    return team !== undefined && !teams.has(team);
  });
  if (!incomplete) {
    group.tiers?.forEach((tier, i) => {
      const have = lockstepTeams(group, tier, teams).map(({ team }) => team);
      if (have.length > 1) return;
      const who = have.length === 0 ? 'none of its teams has' : `of its teams only ${have[0]} has`;
      refuse(file, ['tiers', i], `names ${tier}, which ${who}`, hint);
    });
    if (!group.tiers && lockstepTiers(group, teams).length === 0) {
      refuse(file, ['id'], `${group.id} keeps nothing together: no tier is one of two of its teams`, hint);
    }
  }
  const texts = new Map(others.filter((o) => overlap(group, o, teams)).flatMap((o) => patternsOf(o)));
  group.packages.forEach((filter, i) => {
    const other = texts.get(patternText(filter));
    if (other === undefined) return;
    const message = `is in the lockstep group ${other} too, of some of the same teams and tiers`;
    refuse(file, ['packages', i], message, 'Keep it in one of the two.');
  });
}

function patternsOf(group: Lockstep): [text: string, id: string][] {
  return group.packages.map((filter) => [patternText(filter), group.id]);
}

function patternText({ preset, match }: Filter): string {
  return preset ? `preset ${preset.name}` : `${match?.kind} ${match?.text}`;
}

/** Whether two groups speak of the same tier of the same team. */
export function overlap(a: Lockstep, b: Lockstep, teams: ReadonlyMap<string, TeamPolicy>): boolean {
  return lockstepTiers(a, teams).some((tier) => {
    const own = new Set(lockstepTeams(a, tier, teams));
    return lockstepTeams(b, tier, teams).some((team) => own.has(team));
  });
}

/** The group that keeps a package together in a tier of a team: the first one by its id, where two do against the rules. */
export function lockstepOf(name: string, groups: readonly Lockstep[]): Lockstep | undefined {
  return groups.find((group) => group.matches(name));
}
