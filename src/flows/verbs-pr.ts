import { Fault } from '../base/fault.ts';
import { pullApprove, pullClose, pullComment, pullList, pullMerge, pullShow } from './pull.ts';
import { pullOpen } from './pull-open.ts';
import type { Verb } from './verb.ts';

function pullNumber(text: string | undefined): number {
  const number = Number((text ?? '').replace(/^#/, ''));
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Fault('USAGE', 'the number of the pull request is missing', {
    hint: 'sluice pr list shows them.',
  });
}

export const PR: Verb = {
  name: 'pr',
  summary: 'pull requests: list, show, open, comment, approve, merge, close',
  operands: 'list | show N | open BRANCH | comment N TEXT | approve N | merge N… | close N',
  options: {
    state: { type: 'string', value: 'open|merged|closed', help: 'list: only these (default: open)' },
    diff: { type: 'boolean', help: 'show: the change itself' },
    title: { type: 'string', value: 'TEXT', help: 'open: what the branch that you pushed is for' },
    comment: { type: 'string', value: 'TEXT', help: 'close: why' },
  },
  example: 'sluice pr show 3',
  run: async (world, args) => {
    const [verb = 'list', number, ...others] = args.operands;
    if (others[0] !== undefined && verb !== 'merge' && verb !== 'comment') {
      throw new Fault('USAGE', `${JSON.stringify(others[0])} is one word too many`, {
        hint: 'Only merge takes several numbers.',
      });
    }
    switch (verb) {
      case 'list': {
        const state = args.text('state') ?? 'open';
        if (state !== 'open' && state !== 'merged' && state !== 'closed' && state !== 'all') {
          throw new Fault('USAGE', `${JSON.stringify(state)} is no state`, {
            hint: 'open, merged, closed or all',
          });
        }
        await pullList(world, state === 'all' ? undefined : state);
        return undefined;
      }
      case 'show':
        await pullShow(world, pullNumber(number), { diff: args.flag('diff') });
        return undefined;
      case 'open': {
        if (number === undefined)
          throw new Fault('USAGE', 'the branch is missing', { hint: 'Push it to origin, then name it.' });
        await pullOpen(world, number, args.need('title'));
        return undefined;
      }
      case 'comment':
        await pullComment(world, pullNumber(number), others);
        return undefined;
      case 'approve':
        await pullApprove(world, pullNumber(number));
        return undefined;
      case 'merge':
        await pullMerge(world, ...[number, ...others].map(pullNumber));
        return undefined;
      case 'close':
        await pullClose(world, pullNumber(number), args.text('comment'));
        return undefined;
      default:
        throw new Fault('USAGE', `pr has no ${JSON.stringify(verb)}`, {
          hint: 'list, show, open, comment, approve, merge or close',
        });
    }
  },
};
