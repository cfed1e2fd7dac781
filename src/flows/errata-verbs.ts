import { errata } from './errata.ts';
import { Args, operand, TEAM, type Verb } from './verb.ts';

export const ERRATA: Verb = {
  name: 'errata',
  summary: 'a dated set: the newest build of each name as of a day, on standard output',
  operands: '',
  options: {
    'as-of': { type: 'string', value: 'DATE', help: 'the day that the set is of and is called by' },
    set: { type: 'string', value: 'SET', help: 'the client set (rocky-9-x86_64), where there are several' },
    team: { ...TEAM, help: 'of a tier of this team (default: of live)' },
    tier: { type: 'string', value: 'TIER', help: 'the tier' },
    upstream: { type: 'string', multiple: true, value: 'ID', help: 'of live: only these' },
    from: { type: 'string', value: 'DIR', help: 'of a folder of RPM files, or of a repository on disk' },
    'with-kernel': { type: 'boolean', help: 'kernels and what is built for them too (default: left out)' },
  },
  example: 'sluice errata --as-of 2026-11-01 > errata/rocky-9-x86_64/2026-11-01.yaml',
  run: async (world, args) => {
    if (args.operands.length > 0) operand(new Args(['', ...args.operands], args.values), 'nothing');
    await errata(world, {
      asOf: args.need('as-of'),
      set: args.text('set'),
      team: args.text('team'),
      tier: args.text('tier'),
      upstreams: args.list('upstream'),
      from: args.text('from'),
      kernels: args.flag('with-kernel'),
    });
    return undefined;
  },
};
