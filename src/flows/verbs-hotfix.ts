import { Fault } from '../base/fault.ts';
import { hotfixAndFollow } from './follow.ts';
import { hotfix } from './hotfix.ts';
import { DELIVERY, delivering, TEAM, type Verb } from './verb.ts';

/** The verb for emergencies. */
export const HOTFIX: Verb = {
  name: 'hotfix',
  summary: 'straight from live into a tier and every tier between, with what it needs; waits waived',
  operands: 'PACKAGE|SOURCE|ADVISORY|CVE|NEVRA…',
  options: {
    team: TEAM,
    'all-teams': { type: 'boolean', help: 'every team that has it: one plan each' },
    together: {
      type: 'boolean',
      help: 'with --all-teams: one pull request, and one review, for all of them',
    },
    to: { type: 'string', value: 'TIER', help: 'the tier; those between live and it get it too' },
    reason: { type: 'string', value: 'TEXT', help: 'why; it stands in the commit and the pull request' },
    'override-hold': { type: 'string', value: 'REASON', help: 'past holds; the reason is in the commit' },
    follow: {
      type: 'boolean',
      help: 'with --propose: wait for the review, then check, merge and publish',
    },
    sync: { type: 'boolean', help: 'take in what upstreams have now first; with --propose' },
    ...DELIVERY,
  },
  example:
    'sluice hotfix CVE-2026-1234 --team infra --to stable --reason "exploited since this morning" --propose',
  run: async (world, args) => {
    if (args.flag('all-teams') === (args.text('team') !== undefined)) {
      throw new Fault('USAGE', 'for whom is missing, or said twice', {
        hint: 'Add either --team TEAM or --all-teams.',
      });
    }
    if (args.flag('together') && !args.flag('all-teams')) {
      throw new Fault('USAGE', '--together is of several teams', {
        hint: 'Add --all-teams, or leave it out.',
      });
    }
    const request = {
      named: args.operands,
      team: args.text('team'),
      to: args.need('to'),
      reason: args.need('reason'),
      overrideHolds: args.text('override-hold'),
      together: args.flag('together'),
      sync: args.flag('sync'),
      how: args.how,
      all: args.flag('all'),
    };
    if (args.flag('follow')) {
      if (request.how !== 'propose') {
        throw new Fault('USAGE', '--follow is of a pull request', { hint: 'Add --propose.' });
      }
      await hotfixAndFollow(world, request);
      return undefined;
    }
    return delivering(world, hotfix(world, request));
  },
};
