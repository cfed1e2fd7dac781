import { obey } from './commands.ts';
import { showDashboard, writeDashboard } from './dashboard.ts';
import type { Verb } from './verb.ts';

/** The verbs by which the bot listens and answers. */
export const ASK_VERBS: readonly Verb[] = [
  {
    name: 'commands',
    summary: 'do what people asked for in comments (/sluice …) and by tick boxes, and answer',
    operands: '',
    options: {},
    example: 'sluice commands',
    run: async (world) => {
      await obey(world);
      return undefined;
    },
  },
  {
    name: 'dashboard',
    summary: 'what waits and until when, what is held and by whom, what is open, how fresh upstreams are',
    operands: '',
    options: { issue: { type: 'boolean', help: 'put it on its issue, where it says something new' } },
    example: 'sluice dashboard --issue',
    run: async (world, args) => {
      await (args.flag('issue') ? writeDashboard(world) : showDashboard(world));
      return undefined;
    },
  },
];
