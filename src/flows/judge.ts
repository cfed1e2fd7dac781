import { Fault } from '../base/fault.ts';
import type { Repository } from '../forge/repository.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import {
  type CheckedState,
  checkMoves,
  compareWithPlan,
  type Difference,
  movedUnder,
  stateAt,
} from './check.ts';
import { checkErrata } from './check-errata.ts';
import { checkErrataViews } from './check-errata-views.ts';
import { endedHolds, holdWarnings } from './check-holds.ts';
import { checkLockstepGroups } from './check-lockstep.ts';
import { builtByHand, checkRules } from './check-provenance.ts';
import { checkScope, checkTrailers } from './check-scope.ts';
import { brokenSets, isExcusable } from './check-sets.ts';
import { CODEOWNERS, checkCodeowners } from './codeowners.ts';
import type { Mirror, World } from './context.ts';
import { changedOutside, checkPaths } from './outside.ts';
import { type Claim, recompute } from './recompute.ts';
import type { State } from './state.ts';

/** A pull request and what merging it gives, wherever the two stand. */
export interface Merging {
  /** What a bot says of it. */
  readonly claim: Claim | undefined;
  readonly trailers: readonly (readonly [string, string])[];
  /** What it was made from. */
  readonly base: State;
  readonly head: string;
  /** The head as it stands on its base. */
  readonly found: CheckedState;
  readonly main: State;
  /** The tree, or the commit, that main would be after it. */
  readonly merged: string;
  /** Whether it may leave something unmet that was met. */
  readonly excused: () => Promise<boolean>;
}

export interface Judgement {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  /** Undefined: a person's pull request, which claims no plan; or it did not come to that. */
  readonly differences: readonly Difference[] | undefined;
  /** The same plan, computed again. */
  readonly plan?: Plan | undefined;
  /** Whether the merge itself was looked at. */
  readonly reached: boolean;
  /** What main would be; undefined where that cannot be read. */
  readonly state: State | undefined;
}

/**
 * Everything in a head is data. A bot's commit must be its plan, recomputed from its base; what people changed on top is listed. Then
 * the tree that a merge gives is checked as a whole. `mirror`: where there is one, it is asked whether it could serve the result.
 */
export async function judgeMerge(
  world: World,
  repo: Repository,
  { claim, trailers, base, head, found, main, merged: tree, excused }: Merging,
  catalog: Catalog,
  mirror: Mirror | undefined,
): Promise<Judgement> {
  if (claim && claim.now > world.now) {
    const hint = 'Check the clocks of whoever proposed it and of this host.';
    throw new Fault('HISTORY_REFUSED', `Sluice-Now (${claim.now.toISOString()}) lies ahead of this clock`, {
      hint,
    });
  }
  if (!found.state) return { ...found.checked, differences: undefined, reached: false, state: undefined };
  const plan = claim && (await recompute(claim, base, found.state, catalog));
  if (plan) checkTrailers({ trailers }, plan);
  const differences = plan && [
    ...compareWithPlan(plan, base, found.state),
    ...(await changedOutside(base.history, base.commit, head)),
  ];
  const merged = await stateAt(repo, tree, main.history, found);
  const { state } = merged;
  const spoken = { claim, proven: differences?.length === 0, now: world.now };
  const moves = state ? await checkMoves(main, state, spoken) : [];
  const warnings = [...merged.checked.warnings];
  if (state && plan) moves.push(...checkScope(plan, main, state));
  if (state && merged.checked.complaints.length === 0) {
    const ended = await endedHolds(main, state, spoken, catalog);
    moves.push(...ended.complaints);
    warnings.push(...(await holdWarnings(state, world.now)), ...ended.warnings);
    const differs = new Set(differences?.map((d) => d.path));
    const planned = (path: string) => claim !== undefined && !differs.has(path);
    const together = checkLockstepGroups(main, state, spoken);
    moves.push(...together.complaints);
    warnings.push(...together.warnings);
    const owners = async (rev: string) => (await repo.readCommitted(rev, [CODEOWNERS])).get(CODEOWNERS);
    if (checkCodeowners(main.policies, await owners(main.commit)).length === 0) {
      moves.push(...checkCodeowners(state.policies, await owners(tree))); // what main has wrong is not this merge's
    }
    if (claim) moves.push(...movedUnder(claim, found.state, state));
    moves.push(...(await builtByHand(main, state, planned)), ...(await checkRules(world, main, state)));
    moves.push(...(await checkErrata(main, state, catalog)));
    moves.push(...(await checkErrataViews(main, state, mirror)));
    const broken = await brokenSets(main, state, catalog);
    const goesBack = claim?.verb === 'rollback' && differences?.length === 0; // its pull request names what it breaks
    const may = goesBack || (broken.some(isExcusable) && (await excused()));
    for (const fault of broken) (may && isExcusable(fault) ? warnings : moves).push(fault);
  }
  const complaints = [...(await checkPaths(main.history, tree)), ...merged.checked.complaints, ...moves];
  return { complaints, warnings, differences, plan, reached: true, state };
}
