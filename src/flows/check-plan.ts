import { Fault } from '../base/fault.ts';
import type { Repository } from '../forge/repository.ts';
import type { Catalog } from '../pool/catalog.ts';
import { compareWithPlan, type Difference } from './check.ts';
import type { World } from './context.ts';
import { changedOutside } from './outside.ts';
import { type Claim, readClaim, recompute } from './recompute.ts';
import { readState, type State } from './state.ts';

/** A work tree that stands on a bot's commit. */
export interface Claimed {
  readonly claim: Claim;
  /** What the bot planned on: the commit before its own. */
  readonly base: State;
  /** Nobody has changed anything since: then it must be the plan. */
  readonly untouched: boolean;
}

/** Undefined where the first commit beyond `main` claims no plan: a person's change. */
export async function claimOf(repo: Repository, main: State): Promise<Claimed | undefined> {
  if (repo.bare) return undefined;
  const { chain } = await repo.history('HEAD');
  const known = new Set(main.history.chain.map(({ id }) => id));
  const fork = chain.findIndex(({ id }) => known.has(id));
  const [first, parent] = [chain[fork - 1], chain[fork]];
  if (!first || !parent) return undefined;
  const trailers = await repo.trailers(first.id);
  if (trailers.some(([key]) => key === 'Sluice-Pull')) return undefined; // a merge says again what it merged
  const claim = readClaim(trailers);
  if (!claim) return undefined;
  const base = parent.id === main.commit ? main : await readState(repo, parent.id);
  return { claim, base, untouched: fork === 1 && (await repo.uncommitted()).length === 0 };
}

/** Recomputes the plan that a work tree's commit claims, and compares. */
export async function comparePlan(
  world: World,
  { claim, base }: Claimed,
  head: State,
  catalog: Catalog,
): Promise<readonly Difference[]> {
  if (claim.now > world.now) {
    const message = `Sluice-Now (${claim.now.toISOString()}) lies ahead of this clock`;
    const hint = 'Check the clocks of whoever proposed it and of this host.';
    throw new Fault('HISTORY_REFUSED', message, { hint });
  }
  return [
    ...compareWithPlan(await recompute(claim, base, head, catalog), base, head),
    ...(await changedOutside(base.history, base.commit, 'HEAD')),
  ];
}

/** What differs, as one complaint where nobody but the bot wrote it; else as what its reviewers must approve. */
export function planFault(differences: readonly Difference[], untouched: boolean): Fault | undefined {
  const [first] = differences;
  if (!first) return undefined;
  const paths = differences.map(({ path, kind }) => `${path} (${kind})`).join(', ');
  const message = untouched
    ? `this is not the plan that its trailers name: ${paths}`
    : `people changed this beyond its plan: ${paths}`;
  const hint = untouched
    ? 'Close it and run the command again; then find out who wrote it.'
    : 'Look at the changes: a merge wants an approval of just this head.';
  return new Fault('PLAN_DIFFERS', message, { hint, at: first.path });
}
