import { components } from '../plan/components.ts';
import { code } from '../report/safe.ts';
import { mirrorOf } from './context.ts';
import type { Part } from './part.ts';
import { promotionInput } from './plan-promote.ts';
import { planned } from './promote.ts';
import { type Asker, promotionOf, propose, refused } from './wishes.ts';

/** Reviews that one comment may ask for: what is more goes together in the last of them. */
const MOST_PARTS = 12;
const MOST_NAMED = 8;

/**
 * A pull request for each part of a promotion that can go by itself. The tier's own keeps what is left, and is closed where nothing is.
 * The parts first: whatever cuts this off, the next run of the bot sees them, and takes what they have out of the rest.
 */
export async function split(asker: Asker): Promise<string> {
  const { world } = asker;
  const { pull, repo, state, scope, part } = await promotionOf(asker);
  if (part.only.length > 0) {
    throw refused(
      `#${pull.number} is a part already`,
      'All of it moves together, or was too much to be parted.',
    );
  }
  const { catalog } = mirrorOf(world);
  const input = await promotionInput(state, catalog, scope, { named: [], part, now: world.now });
  const found = components(input);
  if (found.parts.length + (found.rest.length > 0 ? 1 : 0) < 2) {
    throw refused(
      `all of #${pull.number} moves together, or not at all`,
      'Leave something out with /sluice drop NAME: what needs it stays with it.',
    );
  }
  const parts = atMost(found.parts, found.rest.length > 0 ? MOST_PARTS - 1 : MOST_PARTS);
  const said: string[] = [];
  for (const only of parts) {
    const own: Part = { only, dropped: part.dropped, elsewhere: [] };
    const plan = await planned(world, { state, catalog }, scope, { named: [], part: own });
    const done = await propose(asker, plan, { repo, state, wish: 'asked' });
    const more = only.length > MOST_NAMED ? ` and ${only.length - MOST_NAMED} more` : '';
    if (done.pull)
      said.push(`- #${done.pull.number}: ${only.slice(0, MOST_NAMED).map(code).join(', ')}${more}`);
  }
  const elsewhere = [...new Set([...part.elsewhere, ...parts.flat()])].sort();
  const left: Part = { only: [], dropped: part.dropped, elsewhere };
  const rest = await planned(world, { state, catalog }, scope, { named: [], part: left });
  const list = said.join('\n');
  const gone = `This is now in pull requests of its own, each of which can be merged by itself:\n\n${list}`;
  const kept = await propose(asker, rest, { repo, state, wish: 'asked', gone });
  const end = kept.pull ? `\n\n#${pull.number} keeps the rest.` : '';
  return `Split by what has to move together:\n\n${list}${end}\n\nWhat is in one of them stays out of the tier’s other pull requests while it is open; closed, it comes back to those.`;
}

/** The last one has what is over. */
function atMost(parts: readonly (readonly string[])[], most: number): (readonly string[])[] {
  if (parts.length <= most) return [...parts];
  return [
    ...parts.slice(0, most - 1),
    parts
      .slice(most - 1)
      .flat()
      .sort(),
  ];
}
