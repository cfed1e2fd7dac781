import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { LIVE_TIER, snapshotPath } from '../manifest/ids.ts';
import { type Lockstep, lockstepTiers, overlap } from '../manifest/lockstep.ts';
import { patternMatches } from '../manifest/pattern.ts';
import { readPins } from '../manifest/snapshot.ts';
import {
  type Apart,
  findApart,
  type NewestBuild,
  newestBuilds,
  ownerOf,
  type TeamBuilds,
} from '../plan/lockstep.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Checked, Spoken } from './check.ts';
import { lockstepSets, teamsInLockstep } from './lockstep-sets.ts';
import { clientSets, type State, targetName, upstreamsOf } from './state.ts';

/** A group in one tier of one client set, with what its teams have there. */
interface Place {
  readonly group: Lockstep;
  readonly tier: string;
  readonly set: string;
}

/**
 * Teams of a group that would differ in a package that more than one of them has. A complaint where a merge parts them, or changes
 * what differs and does not bring it together; a warning where they differ as they did before.
 */
export function checkLockstepGroups(
  main: State,
  merged: State,
  spoken: Pick<Spoken, 'claim' | 'proven'>,
): Checked {
  const complaints: Fault[] = [];
  const warnings: Fault[] = [];
  for (const group of merged.policies.lockstep.values()) {
    for (const tier of lockstepTiers(group, merged.policies.teams)) {
      for (const set of setsOf(merged)) {
        const place = { group, tier, set };
        const teams = teamsInLockstep(merged.policies, group, tier, set).map(({ team }) => team);
        if (teams.length === 0) continue;
        const owns = ownsIn(merged, place);
        const before = new Map(
          buildsOf(main, merged, place).map((team) => [team.team, newestBuilds(team, owns)] as const),
        );
        for (const apart of findApart(buildsOf(merged, merged, place), owns)) {
          const changed = apart.builds.filter(
            (b) => evrOf(before.get(b.team)?.get(apart.nameArch)) !== evrOf(b),
          );
          const mayPart = spoken.proven && spoken.claim?.verb === 'recall'; // safety first; the next one moves all of them
          const list = changed.length === 0 || mayPart ? warnings : complaints;
          list.push(apartFault(merged, place, apart, changed, spoken));
        }
      }
    }
  }
  const twice = inTwoGroups(merged);
  const isNew = policiesOf(main) !== policiesOf(merged);
  (isNew ? complaints : warnings).push(...twice); // what upstream adds is no fault of whoever syncs
  return { complaints, warnings };
}

function setsOf({ policies }: State): string[] {
  const sets = [...policies.teams.values()].flatMap((team) => [
    ...clientSets(upstreamsOf(policies, team)).keys(),
  ]);
  return [...new Set(sets)].sort(byCodeUnit);
}

function ownsIn({ policies }: State, { group, tier, set }: Place): (name: string) => boolean {
  const teams = teamsInLockstep(policies, group, tier, set);
  const sets = teams.flatMap((team) => lockstepSets(policies, { team, tier: { name: tier }, set }));
  return (name) => ownerOf(name, sets)?.group === group;
}

/** What `state` has in the repositories that the policies of `merged` name. */
function buildsOf(state: State, { policies }: State, { group, tier, set }: Place): TeamBuilds[] {
  return teamsInLockstep(policies, group, tier, set).map((team) => {
    const upstreams = clientSets(upstreamsOf(policies, team)).get(set) ?? [];
    return {
      team: team.team,
      snapshots: upstreams.flatMap((u) => state.snapshot(targetName(team, tier, u)) ?? []),
    };
  });
}

function evrOf(build: NewestBuild | undefined): string | undefined {
  return build && formatEvr(build.pin.nevra.evr);
}

function apartFault(
  state: State,
  { group, tier, set }: Place,
  { nameArch, builds }: Apart,
  changed: readonly NewestBuild[],
  { claim }: Pick<Spoken, 'claim'>,
): Fault {
  const have = builds.map((build) => `${build.team} ${evrOf(build)}`).join(', ');
  const verb = changed.length === 0 ? 'differ' : 'would differ';
  const message = `teams ${verb} in ${nameArch} of ${tier} (${set}): ${have}. They are in lockstep by ${group.id}: ${group.reason} (${group.owner})`;
  const [at = builds[0]] = changed;
  return new Fault('LOCKSTEP', message, {
    hint: hintFor(claim?.verb, group, tier, changed),
    at: at ? lineOf(state, at) : group.path,
  });
}

function hintFor(
  verb: string | undefined,
  { id, path }: Lockstep,
  tier: string,
  changed: readonly NewestBuild[],
): string {
  const together = `sluice promote --lockstep ${id} --to ${tier}`;
  if (changed.length === 0) return `Bring them together: ${together}.`;
  const team = changed[0]?.team ?? '';
  switch (verb) {
    case 'hotfix':
      return 'Ask for all of them: the same sluice hotfix with --all-teams is one pull request for the teams of the group.';
    case 'remove':
    case 'rollback':
      return `What goes back goes back for all: sluice recall takes a build from every team. Else take ${team} out of ${path} first, in a pull request of its own.`;
    case 'fill':
      return `Fill it with what the others have: the same sluice fill with --like TEAM.`;
    case undefined:
      return `Change it for the other teams in the same pull request, or let it come by ${together}.`;
    default:
      return `Let all of them move at once: ${together}.`;
  }
}

function lineOf(state: State, { pin, repository }: NewestBuild): string {
  const path = snapshotPath(repository);
  const read = readPins(state.files.get(path) ?? '', path);
  const line = read.builds.find(({ text }) => text === formatNevra(pin.nevra));
  return line ? read.at(line.offset) : path;
}

/** Of each two groups that share a team and a tier the first package that both name. */
function inTwoGroups(state: State): Fault[] {
  const { lockstep, teams } = state.policies;
  const groups = [...lockstep.values()];
  const pairs = groups.flatMap((group, i) =>
    groups.slice(0, i).flatMap((other) => (overlap(group, other, teams) ? [[other, group] as const] : [])),
  );
  if (pairs.length === 0) return [];
  const live = state.repositories.filter(({ tier }) => tier === LIVE_TIER);
  const names = new Set(
    live.flatMap((name) => state.snapshot(name)?.pins.map(({ nevra }) => nevra.name) ?? []),
  );
  return pairs.flatMap(([other, group]) => {
    const name = [...names].find((n) => group.matches(n) && other.matches(n));
    if (name === undefined) return [];
    const subject = { name, source: undefined, repository: '', tier: '' };
    const at = group.packages.find((filter) => patternMatches(filter, subject))?.at;
    const message = `${name} is in two lockstep groups of the same team and tier, ${other.id} and ${group.id}`;
    const hint = 'Keep it in one of them: narrow a pattern, or name it under except.';
    return [new Fault('POLICY_INVALID', message, { hint, at: at ?? group.path })];
  });
}

/** What decides which package is in which group. */
function policiesOf({ files }: State): string {
  const isOurs = (path: string) => /^policies\/(lockstep|teams)\//.test(path);
  return JSON.stringify([...files].filter(([path]) => isOurs(path)).sort(([a], [b]) => byCodeUnit(a, b)));
}
