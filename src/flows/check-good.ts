import { Fault } from '../base/fault.ts';
import type { Repository } from '../forge/repository.ts';
import { mirrorOf, type World } from './context.ts';
import { lastKnownGood, repositoriesOf, snapshotAt } from './past.ts';
import { everyScope } from './promote.ts';
import { unservable } from './servable.ts';
import type { State } from './state.ts';

/** Warnings: tiers whose last-known-good the mirror could not serve any more, so that nobody finds that out in an emergency. */
export async function goodWarnings(world: World, repo: Repository, state: State): Promise<Fault[]> {
  if (world.mirrorDir === undefined) return [];
  const mirror = mirrorOf(world);
  const warnings: Fault[] = [];
  for (const scope of everyScope(state)) {
    const known = await lastKnownGood(repo, state, scope, world.now);
    if (!known) continue;
    const names = repositoriesOf(state, scope);
    const former = await Promise.all(names.map((name) => snapshotAt(state, name, known.commit.id)));
    const said = await unservable(
      state,
      mirror,
      former.filter((snapshot) => snapshot !== undefined),
    );
    if (said.length === 0) continue;
    const { team, tier, set } = scope;
    const more = said.length > 1 ? ` (and ${said.length - 1} more)` : '';
    const message = `${team.team}/${tier.name} ${set} could not be rolled back to its last-known-good, ${known.commit.id.slice(0, 12)}: ${said[0]}${more}`;
    const hint = `Bring the files back from a backup, or mark a later state: sluice good ${team.team} ${tier.name}.`;
    warnings.push(new Fault('POOL_MISSING', message, { hint, at: tier.good?.at ?? team.path }));
  }
  return warnings;
}
