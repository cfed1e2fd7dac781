import { readFileSync } from 'node:fs';
import { parseDuration } from '../base/duration.ts';
import { Fault } from '../base/fault.ts';
import { add } from './add.ts';
import { fixWorkTree } from './check-tree.ts';
import type { World } from './context.ts';
import { diff } from './diff.ts';
import { explain } from './explain.ts';
import { initFlow } from './init-flow.ts';
import { presets } from './presets.ts';
import { fill, type PromoteRequest, promote } from './promote.ts';
import { promoteLockstep } from './promote-lockstep.ts';
import {
  freeMirror,
  publishMain,
  type RepofileOf,
  verifyMirror,
  verifyServed,
  writeRepofile,
} from './publish.ts';
import { sync } from './sync.ts';
import { Args, DELIVERY, delivering, lines, operand, TEAM, type Verb } from './verb.ts';
import { ASK_VERBS } from './verbs-ask.ts';
import { BACK_VERBS } from './verbs-back.ts';
import { CHECK } from './verbs-check.ts';
import { DOCTOR } from './verbs-doctor.ts';
import { ERRATA, IMPORT } from './verbs-errata.ts';
import { HOLD_VERBS } from './verbs-hold.ts';
import { HOTFIX } from './verbs-hotfix.ts';
import { PR } from './verbs-pr.ts';
import { watchMain } from './watch.ts';

function toolAt(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Fault('USAGE', `${path} cannot be read`, {
      hint: 'Name the file that npm pack wrote.',
      at: path,
      cause,
    });
  }
}

/** One team's, or those of a lockstep group, which names its packages and teams itself. */
function promoting(world: World, request: PromoteRequest & { readonly lockstep: string | undefined }) {
  const { lockstep, packages, team } = request;
  if (lockstep === undefined) return promote(world, request);
  if (packages.length === 0 && team === undefined)
    return promoteLockstep(world, { ...request, group: lockstep });
  throw new Fault('USAGE', '--lockstep moves all packages of its group, for all of its teams', {
    hint: `Leave ${team === undefined ? packages.join(' ') : `--team ${team}`} out.`,
  });
}

/** At least a second: what is asked of a code host is asked by everybody. */
function intervalOf(text: string): number {
  return Math.max(1_000, parseDuration(text, '--interval'));
}

/** A date is a date; anything else is a file. */
function startOf(text: string | undefined) {
  if (text === undefined || text === 'latest') return {};
  if (/^\d{4}-\d\d-\d\d/.test(text)) return { at: text };
  return { list: lines(text) };
}

export const VERBS: readonly Verb[] = [
  {
    name: 'init',
    summary: 'a new state repository, its local forge, and the first import',
    operands: 'DIR',
    options: {
      distro: {
        type: 'string',
        multiple: true,
        value: 'NAME',
        help: 'rocky-9, fedora-43, …, or ID=URL for any repository; `sluice init --list` names them',
      },
      team: { type: 'string', value: 'TEAM', help: 'the first team (default: infra)' },
      arch: { type: 'string', value: 'ARCH', help: 'x86_64 (default) or aarch64' },
      content: {
        type: 'string',
        value: 'full|thin',
        help: 'mirror the packages (full, the default), or only metadata (thin)',
      },
      key: {
        type: 'string',
        multiple: true,
        value: 'FILE',
        help: 'the armored key that signs the packages of what --distro names by its URL',
      },
      'mirror-url': { type: 'string', value: 'URL', help: 'where clients will find <mirror>/public' },
      github: {
        type: 'string',
        value: 'OWNER/REPO',
        help: 'where it will be hosted: workflows, CODEOWNERS and a ruleset are written for it',
      },
      start: {
        type: 'string',
        value: 'latest|empty|DATE|FILE',
        help: 'what the tiers begin with: the newest builds (default), nothing, a date, or a list such as `rpm -qa`',
      },
      tool: {
        type: 'string',
        value: 'FILE.tgz',
        help: 'the tool itself as npm pack makes it, committed so that git alone has all',
      },
      list: { type: 'boolean', help: 'name the distributions that are known' },
    },
    example: 'sluice init state --distro rocky-9 --start latest --mirror /srv/sluice',
    run: async (world, args) => {
      const { start } = { start: args.text('start') };
      await initFlow(world, {
        dir: args.flag('list') ? undefined : operand(args, 'the folder of the new repository'),
        distros: args.list('distro'),
        keys: args.list('key'),
        team: args.text('team') ?? 'infra',
        arch: args.text('arch'),
        content: args.text('content'),
        mirrorUrl: args.text('mirror-url'),
        github: args.text('github'),
        tool: toolAt(args.text('tool')),
        start: start === 'empty' ? undefined : startOf(start),
      });
      return undefined;
    },
  },
  {
    name: 'sync',
    summary: 'fetch and verify upstreams, and plan what is new in live',
    operands: '[UPSTREAM…]',
    options: DELIVERY,
    example: 'sluice sync --propose',
    run: async (world, args) =>
      delivering(world, sync(world, { upstreams: args.operands, how: args.how, all: args.flag('all') })),
  },
  {
    name: 'accept',
    summary: 'the reviewed way past a stop of sync',
    operands: 'UPSTREAM',
    options: {
      rerolled: {
        type: 'string',
        multiple: true,
        value: 'NEVRA',
        help: 'a build whose bytes changed under its name (may be repeated)',
      },
      older: { type: 'boolean', help: 'an upstream state older than the last accepted one' },
      reason: { type: 'string', value: 'TEXT', help: 'why; it stands in the commit and in the manifest' },
      ...DELIVERY,
    },
    example:
      'sluice accept rocky-9-x86_64-extras --rerolled foo-1-2.x86_64 --reason "vendor re-signed it" --propose',
    run: async (world, args) => {
      const upstream = operand(new Args(args.operands.slice(0, 1), args.values), 'the upstream');
      const rerolled = [...args.list('rerolled'), ...args.operands.slice(1)];
      if (rerolled.length === 0 && !args.flag('older')) {
        throw new Fault('USAGE', 'what is to be accepted is missing', {
          hint: 'Add --rerolled NEVRA… or --older.',
        });
      }
      return delivering(
        world,
        sync(world, {
          upstreams: [upstream],
          how: args.how,
          all: args.flag('all'),
          rerolled,
          older: args.flag('older'),
          reason: args.need('reason'),
        }),
      );
    },
  },
  {
    name: 'add',
    summary: 'take builds of your own in, and plan the sync of their upstream',
    operands: 'FILE.rpm…',
    options: {
      to: { type: 'string', value: 'UPSTREAM', help: 'an upstream whose policy says source: added' },
      ...DELIVERY,
      write: { type: 'boolean', help: 'take the files in, and put the plan into the work tree' },
      propose: { type: 'boolean', help: 'take the files in, and open or refresh the pull request' },
    },
    example: 'sluice add acme-agent-2.1-1.el9.x86_64.rpm --to rocky-9-x86_64-acme --propose',
    run: async (world, args) =>
      delivering(
        world,
        add(world, { files: args.operands, to: args.need('to'), how: args.how, all: args.flag('all') }),
      ),
  },
  {
    name: 'fill',
    summary: 'the first content of an empty tier',
    operands: '[FILE]',
    options: {
      team: TEAM,
      tier: { type: 'string', value: 'TIER', help: 'the empty tier' },
      like: { type: 'string', value: 'TEAM', help: 'what the same tier of another team has' },
      at: { type: 'string', value: 'DATE', help: 'what its parent had then' },
      ...DELIVERY,
    },
    example: 'sluice fill --team web --tier stable --like infra --propose',
    run: async (world, args) => {
      const [file] = args.operands;
      return delivering(
        world,
        fill(world, {
          team: args.need('team'),
          tier: args.need('tier'),
          like: args.text('like'),
          at: args.text('at'),
          list: file === undefined ? undefined : lines(file),
          how: args.how,
          all: args.flag('all'),
        }),
      );
    },
  },
  {
    name: 'promote',
    summary: 'plan what may move up, or what is named',
    operands: '[PACKAGE…]',
    options: {
      team: TEAM,
      to: { type: 'string', value: 'TIER', help: 'only into this tier' },
      lockstep: {
        type: 'string',
        value: 'GROUP',
        help: 'the packages of policies/lockstep/GROUP.yaml, for all of its teams at once',
      },
      'override-hold': {
        type: 'string',
        value: 'REASON',
        help: 'what the named ones need comes along past holds; the reason is in the commit',
      },
      ...DELIVERY,
    },
    example: 'sluice promote --team infra --to stable --propose',
    run: async (world, args) =>
      delivering(
        world,
        promoting(world, {
          lockstep: args.text('lockstep'),
          packages: args.operands,
          team: args.text('team'),
          to: args.text('to'),
          overrideHolds: args.text('override-hold'),
          how: args.how,
          all: args.flag('all'),
        }),
      ),
  },
  HOTFIX,
  ...ASK_VERBS,
  ...BACK_VERBS,
  ...HOLD_VERBS,
  {
    name: 'explain',
    summary: 'where every build of a package stands, why, and when it will move',
    operands: 'PACKAGE',
    options: { team: TEAM },
    example: 'sluice explain openssl --team infra',
    run: async (world, args) => {
      await explain(world, operand(args, 'the package'), args.need('team'));
      return undefined;
    },
  },
  {
    name: 'presets',
    summary: 'what a policy takes in when it names a preset',
    operands: '[NAME]',
    options: {},
    example: 'sluice presets kernel-space',
    run: async (world, args) => {
      presets(world, args.operands[0]);
      return undefined;
    },
  },
  {
    name: 'diff',
    summary: 'compare two repositories, tiers or lists (a baseline), now or @DATE or @COMMIT',
    operands: 'A B',
    options: {},
    example: 'sluice diff infra/stable@2026-10-01 infra/stable',
    run: async (world, args) => {
      const [a, b] = args.operands;
      if (a === undefined || b === undefined || args.operands.length > 2) {
        throw new Fault('USAGE', 'diff compares two things', {
          hint: 'sluice diff infra/unstable infra/stable',
        });
      }
      await diff(world, a, b);
      return undefined;
    },
  },
  ERRATA,
  IMPORT,
  CHECK,
  {
    name: 'fix',
    summary: 'canonical text, and locks completed from git or the catalog',
    operands: '',
    options: {},
    example: 'sluice fix',
    run: async (world) => {
      await fixWorkTree(world);
      return undefined;
    },
  },
  PR,
  {
    name: 'publish',
    summary: 'make the mirror what main says',
    operands: '',
    options: {
      at: {
        type: 'string',
        value: 'REV',
        help: 'publish an earlier commit below public/at/, beside the present',
      },
      watch: {
        type: 'boolean',
        help: 'stay, and do it whenever main has moved; <mirror>/state/watch.json has the lag',
      },
      interval: {
        type: 'string',
        value: 'DURATION',
        help: '--watch: between two looks at main (default: 1m)',
      },
    },
    example: 'sluice publish --mirror /srv/sluice',
    run: async (world, args) => {
      const [at, interval] = [args.text('at'), args.text('interval')];
      if (!args.flag('watch') && interval === undefined) {
        await publishMain(world, at);
        return undefined;
      }
      if (!args.flag('watch') || at !== undefined) {
        throw new Fault('USAGE', '--watch follows main, and --interval is for it', {
          hint: 'sluice publish --watch [--interval DURATION], or sluice publish --at REV.',
        });
      }
      const stop = new AbortController();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
      return watchMain(world, { interval: intervalOf(interval ?? '1m'), stop: stop.signal });
    },
  },
  {
    name: 'verify',
    summary: 'prove that the mirror, or what a URL serves, is what main says',
    operands: '[URL]',
    options: {
      at: { type: 'string', value: 'REV', help: 'URL: prove the view of this commit, below at/' },
      metadata: { type: 'boolean', help: 'URL: leave the packages out' },
    },
    example: 'sluice verify https://mirror.example.com/ --repo state',
    run: async (world, args) => {
      const at = args.text('at');
      const metadata = args.flag('metadata');
      if (args.operands.length > 0)
        return verifyServed(world, { url: operand(args, 'the URL'), at, metadata });
      if (at === undefined && !metadata) return verifyMirror(world);
      throw new Fault('USAGE', '--at and --metadata are for what a URL serves', {
        hint: 'Name the URL of the folder public, as clients have it.',
      });
    },
  },
  {
    name: 'gc',
    summary: 'free what no retained commit can reach',
    operands: '',
    options: { 'dry-run': { type: 'boolean', help: 'only say what would go, and why the rest stays' } },
    example: 'sluice gc --dry-run',
    run: async (world, args) => {
      await freeMirror(world, { dryRun: args.flag('dry-run') });
      return undefined;
    },
  },
  {
    name: 'repofile',
    summary: 'the .repo file for clients of a tier, or of a group of hosts that gets errata sets',
    operands: '',
    options: {
      team: TEAM,
      tier: { type: 'string', value: 'TIER', help: 'the tier' },
      group: { type: 'string', value: 'GROUP', help: 'instead: a group of policies/errata.yaml, or default' },
      set: { type: 'string', value: 'SET', help: 'of a group: only this client set (rocky-9-x86_64)' },
      at: { type: 'string', value: 'REV', help: 'the state of one commit, for ever' },
    },
    example: 'sluice repofile --team infra --tier stable > /etc/yum.repos.d/sluice.repo',
    run: async (world, args) => {
      await writeRepofile(world, repofileRequest(args));
      return undefined;
    },
  },
  DOCTOR,
];

function repofileRequest(args: Args): RepofileOf & { readonly at: string | undefined } {
  const at = args.text('at');
  const [group, set, team, tier] = [
    args.text('group'),
    args.text('set'),
    args.text('team'),
    args.text('tier'),
  ];
  if (group === undefined && set === undefined)
    return { team: args.need('team'), tier: args.need('tier'), at };
  if (group !== undefined && team === undefined && tier === undefined) return { group, set, at };
  const message = group === undefined ? '--set is of a group' : '--group stands without a team and a tier';
  throw new Fault('USAGE', message, {
    hint: 'sluice repofile --team TEAM --tier TIER, or sluice repofile --group GROUP.',
  });
}
