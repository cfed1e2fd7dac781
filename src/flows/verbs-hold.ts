import { Fault } from '../base/fault.ts';
import { type HoldRequest, hold, unhold } from './hold.ts';
import { listHolds, renewHolds } from './hold-queue.ts';
import { recall } from './recall.ts';
import { type Args, DELIVERY, delivering, TEAM, type Verb } from './verb.ts';

const NARROW = {
  team: TEAM,
  'all-teams': { type: 'boolean', help: 'every team that has what is named: one pull request each' },
  tier: { type: 'string', value: 'TIER', help: 'only for what moves into this tier' },
  repository: { type: 'string', value: 'ID', help: 'only of this upstream' },
  source: { type: 'boolean', help: 'the patterns are of source packages: all that is built from them' },
  reason: { type: 'string', value: 'TEXT', help: 'why; it stands in the policy and in the commit' },
} as const;

/** The verbs that hold builds back and let go of them. */
export const HOLD_VERBS: readonly Verb[] = [
  {
    name: 'hold',
    summary: 'keep packages from moving up by themselves, until a day; or list what is held',
    operands: '[PATTERN|PACKAGE…]',
    options: {
      ...NARROW,
      owner: { type: 'string', value: 'NAME', help: 'who decides when it ends' },
      until: { type: 'string', value: 'DATE|DURATION', help: '2027-03-31, or 90d from now' },
      list: { type: 'boolean', help: 'what is held, what that keeps back and since when; the oldest first' },
      renewals: { type: 'boolean', help: 'renew what ends within a week: a pull request for each' },
      ...DELIVERY,
    },
    example: `sluice hold 'kernel*' --team infra --reason "no Lustre module yet" --owner @acme/hpc --until 60d --propose`,
    run: async (world, args) => {
      if (args.flag('list')) {
        refuseOperands(args, '--list');
        await listHolds(world, { team: args.text('team') });
        return undefined;
      }
      if (args.flag('renewals')) {
        refuseOperands(args, '--renewals');
        const { how } = args;
        const request = { team: args.text('team'), until: args.text('until'), how, all: args.flag('all') };
        return delivering(world, renewHolds(world, request));
      }
      return delivering(
        world,
        hold(world, { ...requestOf(args), owner: args.need('owner'), until: args.text('until') }),
      );
    },
  },
  {
    name: 'unhold',
    summary: 'let go of what is held, with what then moves by itself',
    operands: 'PATTERN|PACKAGE…',
    options: { ...NARROW, ...DELIVERY },
    example: `sluice unhold 'kernel*' --team infra --reason "Lustre 2.16 is there" --propose`,
    run: async (world, args) => delivering(world, unhold(world, requestOf(args))),
  },
  {
    name: 'recall',
    summary: 'take builds out of every tier of every team, and let nobody have them again',
    operands: '[NEVRA|SOURCE[-VERSION-RELEASE]|CHECKSUM]',
    options: {
      reason: {
        type: 'string',
        value: 'TEXT',
        help: 'why; it stands in policies/recalls/ and in the commit',
      },
      cascade: { type: 'boolean', help: 'take along what would be broken without them' },
      withdraw: {
        type: 'string',
        value: 'ID',
        help: 'end this recall: the next sync takes back what is listed',
      },
      ...DELIVERY,
    },
    example: 'sluice recall xz-5.6.1-1.el10 --reason "CVE-2024-3094" --propose',
    run: async (world, args) => {
      const [what, more] = args.operands;
      if (more !== undefined) {
        throw new Fault('USAGE', `${JSON.stringify(more)} is one word too many`, {
          hint: 'A recall is of one build, source package or checksum.',
        });
      }
      const [reason, withdraw, cascade] = [args.need('reason'), args.text('withdraw'), args.flag('cascade')];
      return delivering(
        world,
        recall(world, { what, withdraw, reason, cascade, how: args.how, all: args.flag('all') }),
      );
    },
  },
];

function requestOf(args: Args): HoldRequest {
  const team = args.text('team');
  if ((team === undefined) !== args.flag('all-teams')) {
    throw new Fault('USAGE', 'whose packages are meant is not said', {
      hint: 'Add --team TEAM or --all-teams.',
    });
  }
  return {
    patterns: args.operands,
    team,
    tier: args.text('tier'),
    repository: args.text('repository'),
    source: args.flag('source'),
    reason: args.need('reason'),
    how: args.how,
    all: args.flag('all'),
  };
}

function refuseOperands(args: Args, option: string): void {
  if (args.operands.length === 0) return;
  throw new Fault('USAGE', `${option} takes no packages`, {
    hint: 'Leave them out, or leave the option out.',
  });
}
