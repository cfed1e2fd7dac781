import { Fault } from '../base/fault.ts';
import { BOT, type Forge, type PullRequest, type Said } from '../forge/forge.ts';
import { firstLine, isCommand, parseCommand } from '../report/command.ts';
import { code } from '../report/safe.ts';
import { count } from '../report/words.ts';
import { obeyBoxes } from './boxes.ts';
import { act } from './command-acts.ts';
import { actingAs, openState, type World } from './context.ts';
import { forgeOf } from './forge-of.ts';
import { faultLine } from './main.ts';
import { type Asker, notDone } from './wishes.ts';

/** Whoever waits longer for an answer has written again. */
const LOOKS_BACK_MS = 14 * 86_400_000;
/** Of one run; the others are the next one's. */
const MOST_A_RUN = 20;

/** Not the command's fault, and over in a while: it is left for the next run. */
const PASSING: ReadonlySet<string> = new Set(['NETWORK', 'HTTP_STATUS', 'LOCKED', 'GIT']);

/**
 * Does what people asked for since the last run, by comment and by tick box. There is no list of what was done: what has an answer was
 * done, so that it is harmless to run it twice, or to cut it off.
 */
export async function obey(world: World): Promise<void> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  const faults: Fault[] = [];
  let done = 0;
  const { open, noted } = await unanswered(world, forge);
  const answering = { world, forge, noted, writers: new Map<string, Promise<boolean>>() };
  for (const said of open) {
    if (done === MOST_A_RUN) break;
    try {
      if (await answer(answering, said)) done += 1;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error);
      world.progress.say(`#${said.on}: ${faultLine(error, false)}`);
    }
  }
  const boxes = await obeyBoxes(world, forge, PASSING);
  const all = done + boxes;
  if (world.json) world.print(`${JSON.stringify({ commands: done, boxes })}\n`);
  else
    world.print(
      all === 0 ? 'nobody asked for anything\n' : `did ${count(all, 'thing')} that people asked for\n`,
    );
  if (faults[0]) throw faults[0];
}

/** Commands without an answer, the oldest first. A bot's words are none, and nobody obeys himself. */
async function unanswered({ now }: World, forge: Forge): Promise<{ open: Said[]; noted: Set<number> }> {
  const since = new Date(now.getTime() - LOOKS_BACK_MS);
  const all = await forge.saidSince(since);
  const answered = new Set(all.flatMap(({ on, key }) => (key === undefined ? [] : `${on} ${key}`)));
  const noted = new Set(all.flatMap(({ on, key }) => (key === NOT_FOR_ALL ? on : [])));
  const open = all.filter(
    (said) =>
      said.at >= since &&
      !said.isBot &&
      said.key === undefined &&
      isCommand(said.text) &&
      !answered.has(`${said.on} ${keyOf(said)}`),
  );
  return { open, noted };
}

function keyOf({ id }: Said): string {
  return `command-${id}`;
}

const NOT_FOR_ALL = 'command-access';

interface Answering {
  readonly world: World;
  readonly forge: Forge;
  /** By login: asked once. */
  readonly writers: Map<string, Promise<boolean>>;
  readonly noted: ReadonlySet<number>;
}

/** True where there is an answer now that was not there before. */
async function answer(o: Answering, said: Said): Promise<boolean> {
  const { world, forge, writers } = o;
  if (said.isStranger) return turnDown(o, said);
  const may = writers.get(said.by) ?? forge.mayWrite(said.by);
  writers.set(said.by, may);
  if (!(await may)) return turnDown(o, said);
  const taken = await forge.takeUp(said, { now: world.now });
  if (taken === 'taken') return false;
  const words = taken === 'mine' ? await obeyed(world, forge, said) : GIVEN_UP;
  const text = `> ${code(firstLine(said.text).slice(0, 300))}\n\n${words}`;
  await forge.comment(said.on, { by: BOT, now: world.now, text, key: keyOf(said) });
  return true;
}

const GIVEN_UP =
  '**Not done.** It was begun three times and never came to an end: the log of `sluice commands` says where. Write it again once that is mended.';

/** Once on each pull request, whoever wrote how much there: nobody can make the bot talk. */
async function turnDown({ world, forge, noted }: Answering, { on }: Said): Promise<boolean> {
  if (noted.has(on)) return false;
  const pulls = await forge.list({ state: 'open' });
  if (!pulls.some(({ number, proposed }) => number === on && proposed !== undefined)) return false;
  const text = 'Commands are obeyed where they come from people who may write to this repository.';
  await forge.comment(on, { by: BOT, now: world.now, text, key: NOT_FOR_ALL });
  return false;
}

async function obeyed(world: World, forge: Forge, said: Said): Promise<string> {
  try {
    if (said.isEdited) {
      throw new Fault('USAGE', 'the comment was edited, perhaps by somebody else', {
        hint: 'Write the command as a new comment.',
      });
    }
    const command = parseCommand(said.text);
    const pull = await pullOf(forge, said.on);
    const acting = actingAs(world, { by: said.by, print: () => {} });
    const asker: Asker = { world: acting, forge, pull, owner: said.owner };
    return await act(asker, command);
  } catch (error) {
    if (!(error instanceof Fault) || PASSING.has(error.code)) throw error;
    return notDone(error);
  }
}

async function pullOf(forge: Forge, number: number): Promise<PullRequest | undefined> {
  try {
    return await forge.get(number);
  } catch (error) {
    if (error instanceof Fault && error.code === 'NOT_FOUND') return undefined; // an issue
    throw error;
  }
}
