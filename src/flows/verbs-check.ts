import { Fault } from '../base/fault.ts';
import { checkMerged } from './check-merged.ts';
import { checkPulls } from './check-pulls.ts';
import { checkWorkTree } from './check-tree.ts';
import { pullNumber, type Verb } from './verb.ts';

/** While another run holds the mirror: a publication takes minutes at most. */
const MIRROR_PATIENCE = 10 * 60_000;

export const CHECK: Verb = {
  name: 'check',
  summary: 'everything that a pull request is judged by',
  operands: '[NUMBER…]',
  options: {
    pulls: {
      type: 'boolean',
      help: 'on the mirror: what it says of open pull requests (all with news, or those named), as the check sluice/mirror, with a preview of each below public/pr/NUMBER/',
    },
    base: { type: 'string', value: 'REV', help: 'what the work tree is compared with (default: main)' },
    merged: {
      type: 'string',
      value: 'REV',
      help: 'instead of the work tree: the merges that a code host made beyond origin/main (GITHUB_SHA)',
    },
    provenance: { type: 'boolean', help: 'name every build with its upstream and its signers' },
  },
  example: 'sluice check --base origin/main',
  run: async (world, args) => {
    const merged = args.text('merged');
    if (args.flag('pulls')) {
      const numbers = args.operands.map(pullNumber);
      return checkPulls(world, { numbers, patience: MIRROR_PATIENCE });
    }
    if (args.operands.length > 0) {
      throw new Fault('USAGE', 'a number is of a pull request', { hint: 'sluice check --pulls NUMBER…' });
    }
    if (merged !== undefined) return checkMerged(world, merged);
    return checkWorkTree(world, { base: args.text('base'), provenance: args.flag('provenance') });
  },
};
