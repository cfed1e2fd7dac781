import { plain } from './safe.ts';
import { columns } from './terminal.ts';
import { count, number } from './words.ts';

/** A build that a hold keeps from moving now. */
export interface KeptBack {
  /** `infra/stable` */
  readonly tier: string;
  readonly build: string;
  readonly has: string | undefined;
  /** Since when the tier's parent has it. */
  readonly since: Date | undefined;
}

/** One hold, and what it keeps back. */
export interface QueuedHold {
  readonly team: string;
  /** As people wrote it, with what it is narrowed to. */
  readonly pattern: string;
  readonly at: string;
  readonly owner: string;
  readonly reason: string;
  readonly until: string | undefined;
  /** Negative: it has ended, and stays in force. Undefined: it has no end. */
  readonly days: number | undefined;
  /** Names of the team's that it matches. */
  readonly names: readonly string[];
  readonly keepsBack: readonly KeptBack[];
}

/** How much of what a team pins, and of what its hosts have installed, is held. */
export interface HeldShare {
  readonly team: string;
  readonly names: number;
  readonly held: number;
  readonly profiles: readonly { readonly file: string; readonly names: number; readonly held: number }[];
}

export interface HeldQueue {
  /** The one that keeps something back longest first. */
  readonly holds: readonly QueuedHold[];
  readonly shares: readonly HeldShare[];
}

export function sinceOf({ keepsBack }: QueuedHold): Date | undefined {
  const dates = keepsBack.flatMap(({ since }) => since ?? []);
  return dates.length === 0 ? undefined : new Date(Math.min(...dates.map((d) => d.getTime())));
}

export function endWords({ until, days }: Pick<QueuedHold, 'until' | 'days'>): string {
  if (until === undefined || days === undefined) return 'no end';
  if (days < 0) return `ended on ${until}, and stays in force`;
  return `until ${until}, ${days === 0 ? 'today' : `in ${count(days, 'day')}`}`;
}

const SHOWN = 8;
const DAY = 86_400_000;

export function queueText({ holds, shares }: HeldQueue, now: Date): string {
  const parts = holds.map((hold) => {
    const since = sinceOf(hold);
    const waited = since ? ` for ${count(Math.floor((now.getTime() - since.getTime()) / DAY), 'day')}` : '';
    const builds = hold.keepsBack
      .slice(0, SHOWN)
      .map((k) => [
        k.tier,
        k.build,
        k.has === undefined ? 'has none' : `has ${k.has}`,
        k.since ? `since ${k.since.toISOString().slice(0, 10)}` : '',
      ]);
    const more = hold.keepsBack.length - builds.length;
    const keeps =
      hold.keepsBack.length === 0
        ? `keeps nothing back now; matches ${count(hold.names.length, 'name')}`
        : `keeps ${count(hold.keepsBack.length, 'build')} back${waited}; matches ${count(hold.names.length, 'name')}`;
    return [
      `${hold.team}: ${plain(hold.pattern)} (${plain(hold.owner)}, ${endWords(hold)})\n`,
      `  ${plain(hold.reason, 300)}\n  ${hold.at}: ${keeps}\n`,
      columns(builds, '    '),
      more > 0 ? `    … and ${number(more)} more\n` : '',
    ].join('');
  });
  const said = shares.map(({ team, names, held, profiles }) => {
    const hosts = profiles.map((p) => `, ${share(p.held, p.names)} in ${p.file}`).join('');
    return `${team}: ${share(held, names)} pinned names are held${hosts}\n`;
  });
  return `${parts.length > 0 ? parts.join('\n') : 'nothing is held\n'}\n${said.join('')}`;
}

function share(held: number, names: number): string {
  const percent = names === 0 ? 0 : Math.round((held / names) * 1000) / 10;
  return `${number(held)} of ${number(names)} (${percent} %)`;
}

export function queueJson({ holds, shares }: HeldQueue) {
  return {
    holds: holds.map((hold) => ({
      ...hold,
      since: sinceOf(hold)?.toISOString(),
      keepsBack: hold.keepsBack.map((k) => ({ ...k, since: k.since?.toISOString() })),
    })),
    shares,
  };
}
