import { byCodeUnit } from '../base/order.ts';
import type { RepositoryName } from '../manifest/ids.ts';
import type { Lockstep } from '../manifest/lockstep.ts';
import type { Pin, Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { nameArch } from '../rpm/nevra.ts';
import type { LockstepRule } from './promote.ts';

/** A group in one tier of one client set, with its teams there. */
export interface LockstepSet {
  readonly group: Lockstep;
  readonly tier: string;
  /** At least two, in order. */
  readonly teams: readonly string[];
}

/** What keeps the builds of a team's lockstep packages where they are while only that team moves. */
export function lockstepRule(sets: readonly LockstepSet[], team: string): LockstepRule | undefined {
  if (sets.length === 0) return undefined;
  return {
    moves: false,
    keeps: ({ name }) => {
      const set = ownerOf(name, sets);
      if (!set) return undefined;
      const others = set.teams.filter((other) => other !== team);
      const who = `${others.length === 1 ? 'team' : 'teams'} ${others.join(', ')}`;
      return {
        kind: 'lockstep',
        why: `moves in lockstep with ${who}: sluice promote --lockstep ${set.group.id} --to ${set.tier}`,
      };
    },
  };
}

/** The group that keeps a package together: the first one, where two do against the rules. */
export function ownerOf(name: string, sets: readonly LockstepSet[]): LockstepSet | undefined {
  return sets.find(({ group }) => group.matches(name));
}

/** What a team's clients have of a client set in a tier. */
export interface TeamBuilds {
  readonly team: string;
  readonly snapshots: readonly Pick<Snapshot, 'repository' | 'pins'>[];
}

export interface NewestBuild {
  readonly team: string;
  readonly pin: Pin;
  readonly repository: RepositoryName;
}

/** Of a name.arch the newest build of each team that has it, where these are not one version. */
export interface Apart {
  readonly nameArch: string;
  readonly builds: readonly NewestBuild[];
}

/** Packages in which teams differ. Older builds that a tier keeps besides are no difference: clients take the newest. */
export function findApart(teams: readonly TeamBuilds[], owns: (name: string) => boolean): Apart[] {
  const builds = new Map<string, NewestBuild[]>();
  for (const team of teams) {
    for (const [key, build] of newestBuilds(team, owns)) builds.set(key, [...(builds.get(key) ?? []), build]);
  }
  return [...builds]
    .filter(([, [first, ...rest]]) => rest.some((b) => first && compare(first, b) !== 0))
    .map(([key, list]) => ({ nameArch: key, builds: list }))
    .sort((a, b) => byCodeUnit(a.nameArch, b.nameArch));
}

/** By name.arch. */
export function newestBuilds(
  { team, snapshots }: TeamBuilds,
  owns: (name: string) => boolean,
): Map<string, NewestBuild> {
  const newest = new Map<string, NewestBuild>();
  for (const { repository, pins } of snapshots) {
    for (const pin of pins) {
      if (!owns(pin.nevra.name)) continue;
      const build = { team, pin, repository };
      const known = newest.get(nameArch(pin.nevra));
      if (!known || compare(known, build) < 0) newest.set(nameArch(pin.nevra), build);
    }
  }
  return newest;
}

export function compare(a: NewestBuild, b: NewestBuild): number {
  return compareEvr(a.pin.nevra.evr, b.pin.nevra.evr);
}
