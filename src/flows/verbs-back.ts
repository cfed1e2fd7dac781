import { Fault } from '../base/fault.ts';
import { remove } from './remove.ts';
import { good, rollback } from './rollback.ts';
import { type Args, DELIVERY, delivering, type Option, TEAM, type Verb } from './verb.ts';

const REASON = {
  type: 'string',
  value: 'TEXT',
  help: 'why; it stands in the commit and in the policy',
} as const satisfies Option;

const OWNER = {
  type: 'string',
  value: 'WHO',
  help: 'who decides when it may come again (default: you)',
} as const satisfies Option;

const UNTIL = {
  type: 'string',
  value: 'DATE',
  help: 'when the hold is to be looked at again (default: in 14 days)',
} as const satisfies Option;

/** `TEAM TIER`, as two words. */
function teamAndTier(args: Args): { team: string; tier: string } {
  const [team, tier, more] = args.operands;
  if (team !== undefined && tier !== undefined && more === undefined) return { team, tier };
  throw new Fault('USAGE', 'the team and the tier are needed, and nothing else', {
    hint: 'Name both: sluice rollback infra stable --to last-known-good --reason TEXT',
  });
}

/** Verbs that take builds out of a tier, or the tier back. */
export const BACK_VERBS: readonly Verb[] = [
  {
    name: 'remove',
    summary: 'take builds out of a tier, with what could not stay without them',
    operands: 'PACKAGE|SOURCE|NEVRA…',
    options: {
      team: TEAM,
      tier: { type: 'string', value: 'TIER', help: 'the tier' },
      reason: REASON,
      cascade: { type: 'boolean', help: 'what needs them goes along, as the tree says' },
      'and-below': { type: 'boolean', help: 'the tiers that take from this one lose them too' },
      source: { type: 'boolean', help: 'the names are those of source packages' },
      owner: OWNER,
      until: UNTIL,
      ...DELIVERY,
    },
    example:
      'sluice remove openssl --team infra --tier stable --reason "breaks logins, ticket 4711" --propose',
    run: async (world, args) =>
      delivering(
        world,
        remove(world, {
          named: args.operands,
          team: args.need('team'),
          tier: args.need('tier'),
          reason: args.need('reason'),
          owner: args.text('owner'),
          until: args.text('until'),
          sources: args.flag('source'),
          cascade: args.flag('cascade'),
          below: args.flag('and-below'),
          how: args.how,
          all: args.flag('all'),
        }),
      ),
  },
  {
    name: 'rollback',
    summary: 'a tier as it was at an earlier commit of main',
    operands: 'TEAM TIER',
    options: {
      to: {
        type: 'string',
        value: 'COMMIT|DATE|last-known-good',
        help: 'the state to go back to; COMMIT^ is what was before a merge',
      },
      set: { type: 'string', value: 'SET', help: 'only this client set, such as rocky-9-x86_64' },
      reason: REASON,
      owner: OWNER,
      until: UNTIL,
      ...DELIVERY,
    },
    example: 'sluice rollback infra stable --to last-known-good --reason "logins fail" --propose',
    run: async (world, args) =>
      delivering(
        world,
        rollback(world, {
          ...teamAndTier(args),
          to: args.need('to'),
          set: args.text('set'),
          reason: args.need('reason'),
          owner: args.text('owner'),
          until: args.text('until'),
          how: args.how,
          all: args.flag('all'),
        }),
      ),
  },
  {
    name: 'good',
    summary: 'mark a state of a tier as good: what last-known-good means',
    operands: 'TEAM TIER',
    options: {
      at: { type: 'string', value: 'COMMIT|DATE', help: 'the state (default: main as it is)' },
      reason: REASON,
      owner: { ...OWNER, help: 'who vouches for it (default: you)' },
      write: DELIVERY.write,
      propose: DELIVERY.propose,
    },
    example: 'sluice good infra stable --reason "the load test passed" --propose',
    run: async (world, args) =>
      delivering(
        world,
        good(world, {
          ...teamAndTier(args),
          at: args.text('at'),
          reason: args.need('reason'),
          owner: args.text('owner'),
          how: args.how,
        }),
      ),
  },
];
