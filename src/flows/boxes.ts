import { Fault, quote } from '../base/fault.ts';
import { BOT, type Forge, type PullRequest } from '../forge/forge.ts';
import { ticked } from '../report/box.ts';
import { actingAs, type World } from './context.ts';
import { writeDashboard } from './dashboard.ts';
import { promote } from './promote.ts';
import { sync } from './sync.ts';
import { type Asker, notDone, rebuild } from './wishes.ts';

/**
 * Does what is ticked in the bodies that are ours: on a code host only people who may write can edit those. A box is empty again
 * afterwards; where it could not be done, a comment says why.
 */
export async function obeyBoxes(world: World, forge: Forge, passing: ReadonlySet<string>): Promise<number> {
  if (!forge.words.taskLists) return 0;
  let done = 0;
  const tick = async (on: number, what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Fault) || passing.has(error.code)) throw error;
      await forge.comment(on, {
        by: BOT,
        now: world.now,
        text: notDone(error),
        key: `box-${what.split(' ')[0]}`,
      });
    }
    done += 1;
  };
  for (const pull of await forge.list({ state: 'open' })) {
    const boxes = pull.proposed === undefined ? [] : ticked(pull.body).filter((what) => what === 'rebuild');
    if (boxes.length === 0) continue;
    await tick(pull.number, 'rebuild', () => rebuild(askerOf(world, forge, pull)));
    await forge.untick(pull.number, { by: BOT, now: world.now, boxes });
  }
  const board = await forge.board();
  const boxes = [...new Set(board ? ticked(board.body) : [])];
  if (!board || boxes.length === 0) return done;
  for (const what of boxes) await tick(board.number, what, () => ofBoard(world, forge, what));
  await writeDashboard(world, boxes);
  return done;
}

/** One of the dashboard's. */
async function ofBoard(world: World, forge: Forge, what: string): Promise<void> {
  const [kind, ...words] = what.split(' ');
  switch (kind) {
    case 'sync':
      await sync(quiet(world), { upstreams: [], how: 'propose', all: false });
      return;
    case 'discard':
    case 'rebuild':
    case 'again': {
      const pull = await forge.get(Number(words[0]));
      await rebuild({ ...askerOf(world, forge, pull), again: kind === 'again' });
      return;
    }
    case 'promote': {
      const [where = '', , name = ''] = words;
      const [team, to] = where.split('/');
      await promote(quiet(world), { packages: [name], team, to, how: 'propose', all: false });
      return;
    }
    default:
      throw new Fault('USAGE', `there is no box ${quote(what)}`, {
        hint: 'Tick one of those that are there.',
      });
  }
}

/** Whoever ticks a box is not told: somebody who may write. */
function askerOf(world: World, forge: Forge, pull: PullRequest): Asker {
  return { world: quiet(world), forge, pull, owner: BOT };
}

function quiet(world: World): World {
  return actingAs(world, { by: BOT, print: () => {} });
}
