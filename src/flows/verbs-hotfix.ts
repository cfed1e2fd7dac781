import { Fault } from '../base/fault.ts';
import { hotfixAndFollow } from './follow.ts';
import { hotfix } from './hotfix.ts';
import { hotfixByInputs } from './hotfix-inputs.ts';
import { type Args, DELIVERY, delivering, TEAM, type Verb } from './verb.ts';

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
    inputs: {
      type: 'boolean',
      help: 'what, for whom, where and why come from SLUICE_INPUT_PACKAGES, _TEAMS (or all), _TIER and _REASON: a form',
    },
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
    const common = {
      overrideHolds: args.text('override-hold'),
      together: args.flag('together'),
      sync: args.flag('sync'),
      how: args.how,
      all: args.flag('all'),
    };
    if (args.flag('inputs')) {
      refuseBeside(args);
      return delivering(world, hotfixByInputs(world, common));
    }
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
    const asked = {
      named: args.operands,
      team: args.text('team'),
      to: args.need('to'),
      reason: args.need('reason'),
    };
    if (args.flag('follow')) {
      if (args.how !== 'propose') {
        throw new Fault('USAGE', '--follow is of a pull request', { hint: 'Add --propose.' });
      }
      await hotfixAndFollow(world, { ...common, ...asked });
      return undefined;
    }
    return delivering(world, hotfix(world, { ...common, ...asked }));
  },
};

/** What the form says and what the command line says must not be two things. */
function refuseBeside(args: Args): void {
  const twice = ['team', 'to', 'reason', 'all-teams'].find((name) => args.values[name] !== undefined);
  if (twice === undefined && args.operands.length === 0) return;
  throw new Fault('USAGE', '--inputs stands alone: everything comes from the environment', {
    hint: `Leave ${twice === undefined ? args.operands.join(' ') : `--${twice}`} out.`,
  });
}
