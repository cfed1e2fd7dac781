import type { Plan } from '../plan/types.ts';
import { box } from './box.ts';
import { holdWords, hostsHint } from './going-back.ts';
import { BODY_LIMIT } from './limits.ts';
import { code, markdown } from './safe.ts';
import { join } from './tables.ts';

/** What a code host does with a text besides showing it; a report names no command that would not be obeyed. */
export interface ForgeWords {
  /** In UTF-16 units. */
  readonly bodyLimit: number;
  /** `/sluice …` in a comment is a command. */
  readonly commands: boolean;
  /** A box in a body can be ticked, and a bot sees it. */
  readonly taskLists: boolean;
  /** Pull requests have labels, by which a bot can be stopped. */
  readonly labels: boolean;
}

/** A forge that shows Markdown, and does nothing else with it. */
export const PLAIN_FORGE: ForgeWords = {
  bodyLimit: BODY_LIMIT,
  commands: false,
  taskLists: false,
  labels: false,
};

/** What the plan comes from; the same for equal plans. */
export interface Provenance {
  /** The commit that the plan was computed against. */
  readonly base: string;
  /** Digest of the plan's files, `sha256:…`. */
  readonly plan: string;
  /** Digest of all policies, `sha256:…`. */
  readonly policies?: string;
  /** The upstream states that it was computed from: `rocky-9-x86_64-baseos sha256:…`. */
  readonly catalog: readonly string[];
  /** `https://mirror.example/sluice`, where previews and trees are served; undefined: not said. */
  readonly mirrorUrl: string | undefined;
  readonly version: string;
}

/** Comment commands by verb; of a plan that a person asked for by name there is nothing to drop or split. */
const COMMANDS: Readonly<Partial<Record<Plan['verb'], readonly string[]>>> = {
  promote: [
    '/sluice hold NAME until DATE because …',
    '/sluice drop NAME',
    '/sluice promote NAME',
    '/sluice split',
    '/sluice rebuild',
    '/sluice explain NAME',
  ],
  sync: ['/sluice hold NAME until DATE because …', '/sluice rebuild', '/sluice explain NAME'],
};

const FEW_COMMANDS = ['/sluice rebuild', '/sluice explain NAME'];

/** How to go on: what merging does, and how to have something else. */
export function acting(plan: Plan, forge: ForgeWords): string {
  const [head, words] = wordsOf(plan);
  if (head === '') return '';
  const commands = (COMMANDS[plan.verb] ?? FEW_COMMANDS).map(code).join(' · ');
  const label = forge.labels ? ' The label `sluice:stop-updating` keeps the bot from touching it.' : '';
  return join([
    `### ${head}\n\n${words}${label}`,
    forge.commands ? `In a comment, for whoever may write here: ${commands}` : '',
    box(forge, 'rebuild', 'Rebuild this pull request from scratch (discards edits)'),
  ]);
}

function wordsOf(plan: Plan): readonly [head: string, words: string] {
  const hint = hostsHint(plan);
  if (hint !== undefined) {
    const holds = (plan.files?.size ?? 0) > 0 ? `${markdown(holdWords(plan), 600)} ` : '';
    return ['To act', `${holds}${hint}`];
  }
  switch (plan.verb) {
    case 'good':
      return ['', ''];
    case 'sync':
      return [
        'To act',
        'Merging makes this the state that every tier chooses from; no client uses `live`. To keep a build from going further, hold it in the team’s policy: `sluice hold NAME --team TEAM --reason TEXT --until DATE`.',
      ];
    case 'hotfix':
      return [
        'To change it',
        'Merging publishes this. Only what this plan has may be in it: whatever else there is to do is a pull request of its own.',
      ];
    case 'recall':
      return [
        'To act',
        'Merging publishes this for every team at once, and no sync, promotion or fill brings the builds back until the recall is withdrawn. `dnf distro-sync` on the hosts goes back to what is left; what they have installed stays until then.',
      ];
    case 'hold':
    case 'unhold':
      return [
        'To act',
        'Merging changes the policy: the promotions from then on go by it. Nothing that is in a tier now moves by this.',
      ];
    default:
      return [
        'To change it',
        `Merging publishes this. To leave something out, hold it and run the command again: \`sluice hold NAME --team ${plan.team} --reason TEXT --until DATE\`. Or edit the YAML by hand and run \`sluice fix\`: your edits stay, and are shown as yours. Why a package is where it is: \`sluice explain NAME\`.`,
      ];
  }
}

/** `sha256:` and twelve digits: whole ones are in the trailers of the commit. */
const DIGEST = 19;

export function provenance(plan: Plan, from: Provenance): string {
  // what changes a policy says its days itself: a bot that runs again the next day changes nothing
  const at = plan.repositories.length > 0 ? ` at ${plan.now.toISOString()}` : '';
  const short = (line: string) => code(line.replace(/(?<=sha256:[0-9a-f]{12})[0-9a-f]+$/, ''));
  const upstreams = from.catalog.slice(0, 8).map(short).join(', ');
  const more = from.catalog.length > 8 ? ` and ${from.catalog.length - 8} more` : '';
  return [
    `<sub>Plan ${code(from.plan)} of base ${code(from.base.slice(0, 12))}${at}`,
    from.policies === undefined ? '' : `policies ${code(from.policies.slice(0, DIGEST))}`,
    upstreams === '' ? '' : `upstream ${upstreams}${more}`,
    `sluice ${from.version}</sub>`,
  ]
    .filter((part) => part !== '')
    .join(' · ');
}
