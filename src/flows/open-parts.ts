import { Fault } from '../base/fault.ts';
import type { PullRequest } from '../forge/forge.ts';
import type { Repository } from '../forge/repository.ts';
import type { World } from './context.ts';
import { forgeOf } from './forge-of.ts';
import { type Part, partBranch, readPart } from './part.ts';
import type { PromoteScope } from './plan-promote.ts';
import { branchOf } from './proposal.ts';

/** Of a scope what is to be proposed: its parts that are open, and the rest. */
export type PartsOf = (scope: PromoteScope) => readonly (Part | undefined)[];

export const NOTHING_OPEN: PartsOf = () => [undefined];

/** What people had dropped or split stays so while the pull requests are open: they say it themselves, in their commits. */
export async function openParts(world: World, repo: Repository): Promise<PartsOf> {
  const pulls = await (await forgeOf(world, repo)).list({ state: 'open' });
  return (scope) => {
    const own = pulls.flatMap((pull) => partOf(pull, scope) ?? []);
    const parts = own.filter(({ only }) => only.length > 0);
    const dropped = own.find(({ only }) => only.length === 0)?.dropped ?? [];
    const elsewhere = [...new Set(parts.flatMap(({ only }) => only))].sort();
    const rest = dropped.length + elsewhere.length > 0 ? { only: [], dropped, elsewhere } : undefined;
    return [...parts, rest];
  };
}

/** Undefined where it is none of this scope's, or has all of it. Its branch and its commit must say the same. */
function partOf({ trailers, proposed, branch }: PullRequest, scope: PromoteScope): Part | undefined {
  const all = (trailer: string) => trailers.flatMap(([key, value]) => (key === trailer ? [value] : []));
  const words = `${scope.team.team}/${scope.tier.name} ${scope.set}`;
  if (proposed === undefined || all('Sluice-Verb').join() !== 'promote') return undefined;
  if (all('Sluice-Scope').join() !== words || all('Sluice-Named').length > 0) return undefined;
  const part = readable(all);
  if (!part) return undefined;
  const { team, tier, set } = scope;
  const own = { verb: 'promote', scope: words, now: new Date(0), options: [] };
  const named = part.only.length > 0 ? { branch: partBranch(part) } : {};
  const expected = branchOf({ team: team.team, tier: tier.name, set }, { ...own, ...named });
  return branch === expected ? part : undefined;
}

/** What somebody else wrote into a commit is the check's to complain about, and stops no other promotion. */
function readable(all: Parameters<typeof readPart>[0]): Part | undefined {
  try {
    return readPart(all);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
