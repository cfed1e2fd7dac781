import { plain } from '../report/safe.ts';
import { openState, type World } from './context.ts';
import { forgeOf } from './forge-of.ts';

/** A pull request for a branch that a person pushed: how policies change, and snapshots by hand. Twice is harmless. */
export async function pullOpen(world: World, branch: string, title: string): Promise<number> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  const { number, outcome } = await forge.open({ branch, title, by: world.by, now: world.now });
  if (world.json) world.print(`${JSON.stringify({ number, outcome })}\n`);
  else world.print(`pull request #${number} ${outcome}: ${plain(title, 200)}\n`);
  return number;
}
