import { Fault } from '../base/fault.ts';
import { errata } from './errata.ts';
import { importFrom } from './import-pins.ts';
import { Args, DELIVERY, delivering, lines, operand, TEAM, type Verb } from './verb.ts';

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

export const IMPORT: Verb = {
  name: 'import',
  summary: 'what clients pinned by themselves, as holds and builds of a tier',
  operands: 'versionlock|excludes|rpm-qa FILE',
  options: {
    team: TEAM,
    tier: { type: 'string', value: 'TIER', help: 'the tier that these clients follow' },
    set: { type: 'string', value: 'SET', help: 'the client set (rocky-9-x86_64), where there are several' },
    reason: { type: 'string', value: 'TEXT', help: 'why (default: the line of the file)' },
    owner: { type: 'string', value: 'WHO', help: 'who decides about the holds (default: who acts)' },
    until: { type: 'string', value: 'DATE', help: 'the day that the holds end (default: none)' },
    'holds-only': { type: 'boolean', help: 'no builds: only what keeps them from moving' },
    ...DELIVERY,
  },
  example: 'sluice import versionlock /etc/dnf/plugins/versionlock.list --team infra --tier stable --propose',
  run: async (world, args) => {
    const [kind, file, ...more] = args.operands;
    if (
      (kind !== 'versionlock' && kind !== 'excludes' && kind !== 'rpm-qa') ||
      file === undefined ||
      more.length > 0
    ) {
      throw new Fault('USAGE', 'import reads one kind of file', {
        hint: 'sluice import versionlock|excludes|rpm-qa FILE --team TEAM --tier TIER',
      });
    }
    return delivering(
      world,
      importFrom(world, {
        kind,
        file,
        text: lines(file).join('\n'),
        team: args.need('team'),
        tier: args.need('tier'),
        set: args.text('set'),
        reason: args.text('reason'),
        owner: args.text('owner') ?? world.by,
        until: args.text('until'),
        holdsOnly: args.flag('holds-only'),
        how: args.how,
        all: args.flag('all'),
      }),
    );
  },
};
