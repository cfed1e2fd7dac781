import { Fault } from '../base/fault.ts';
import type { Command, Where } from '../report/command.ts';
import { code, printed } from '../report/safe.ts';
import { actingAs, openState } from './context.ts';
import type { Delivered } from './deliver.ts';
import { explain } from './explain.ts';
import { hold } from './hold.ts';
import { promote } from './promote.ts';
import { readClaim } from './recompute.ts';
import { split } from './split.ts';
import { readState } from './state.ts';
import { type Asker, drop, rebuild } from './wishes.ts';

/** Does what a comment asks for, as the verb of that name would; what became of it, in Markdown. */
export async function act(asker: Asker, command: Command): Promise<string> {
  switch (command.verb) {
    case 'rebuild':
      return rebuild(asker);
    case 'drop':
      return drop(asker, command.names);
    case 'split':
      return split(asker);
    case 'hold': {
      const { patterns, until, reason, owner = asker.owner } = command;
      const { team, tier } = await teamFor(asker, command.where);
      const request = { patterns, team, tier: command.where && tier, source: false, reason, owner, until };
      const done = await hold(asker.world, { ...request, how: 'propose', all: false });
      return `${outcomes(done, 'The policy says so already.')}${asker.pull ? FROM_THEN_ON : ''}`;
    }
    case 'promote': {
      const { team, tier } = await teamFor(asker, command.where);
      if (tier === undefined) {
        throw new Fault('USAGE', 'the tier is not said', {
          hint: `For example: /sluice promote ${command.names.join(' ')} in ${team}/TIER.`,
        });
      }
      const request = { packages: command.names, team, to: tier, how: 'propose', all: false } as const;
      return outcomes(await promote(asker.world, request), 'There is nothing to move.');
    }
    case 'explain':
      return explained(asker, command.name, command.where);
  }
}

const FROM_THEN_ON =
  ' Once that is merged, the next run leaves it out of here; `/sluice drop` leaves it out at once.';

function outcomes(done: readonly Delivered[], nothing: string): string {
  const pulls = done.flatMap(({ pull }) => pull ?? []);
  if (pulls.length === 0) return nothing;
  const words = pulls.map(({ number, outcome, why }) => `#${number} ${outcome}${why ? ` (${why})` : ''}`);
  return `Proposed: ${words.join(', ')}.`;
}

/** As it was said, or the pull request's; with one team there is no doubt. */
async function teamFor(asker: Asker, where: Where | undefined): Promise<Where> {
  if (where) return where;
  const claim = asker.pull && readClaim(asker.pull.trailers);
  const { repo, main } = await openState(asker.world);
  const { teams } = (await readState(repo, main)).policies;
  const own = claim && teams.get(claim.team);
  if (own) {
    const isTier = own.tiers.some(({ name }) => name === claim.tier);
    return { team: claim.team, tier: isTier ? claim.tier : undefined };
  }
  const [only, other] = teams.keys();
  if (only !== undefined && other === undefined) return { team: only, tier: undefined };
  throw new Fault('USAGE', 'whose packages are meant is not said', {
    hint: `Add a team: in ${[...teams.keys()].slice(0, 20).join(', in ')}.`,
  });
}

/** A comment holds no more; what was cut stands in the command's own output. */
const MOST_EXPLAINED = 40_000;

async function explained(asker: Asker, name: string, where: Where | undefined): Promise<string> {
  const { team } = await teamFor(asker, where);
  const said: string[] = [];
  const world = actingAs(asker.world, { by: asker.world.by, print: (text) => said.push(text) });
  await explain(world, name, team);
  const text = said.join('');
  if (text.length <= MOST_EXPLAINED) return printed(text);
  const end = text.lastIndexOf('\n', MOST_EXPLAINED);
  return `${printed(text.slice(0, end))}\n\nThere is more: ${code(`sluice explain ${name} --team ${team}`)}`;
}
