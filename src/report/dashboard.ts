import { byCodeUnit, groupBy } from '../base/order.ts';
import type { Reason } from '../plan/types.ts';
import type { ForgeWords } from './acting.ts';
import { box } from './box.ts';
import { type Cut, fitted } from './fitted.ts';
import { endWords, type QueuedHold, sinceOf } from './holds.ts';
import { code, markdown, name } from './safe.ts';
import { andMore, folded, join, table } from './tables.ts';
import { count, day, number, when, why } from './words.ts';

/** Candidates of one source package that a tier does not have yet. */
export interface WaitingRow {
  /** `infra/stable rocky-9-x86_64` */
  readonly where: string;
  readonly source: string;
  readonly build: string;
  /** Since when upstream shows it. */
  readonly seen: Date | undefined;
  readonly reason: Reason;
}

export interface UpstreamRow {
  readonly id: string;
  /** The time of the state that main has; undefined before the first import. */
  readonly accepted: Date | undefined;
  /** When it was looked at last, whatever came of it; undefined: the mirror does not know. */
  readonly asked: Date | undefined;
  /** From this day on it counts as frozen, by its policy's `maxAge`; undefined: it has none. */
  readonly staleFrom: Date | undefined;
  /** What the last sync ended with, where it did not go well. */
  readonly trouble: string | undefined;
}

export interface PullRow {
  readonly number: number;
  readonly title: string;
  readonly branch: string;
  readonly openedAt: Date;
  /** A bot opened it. */
  readonly isOurs: boolean;
  /** A person changed it: the bot leaves it alone. */
  readonly edited: boolean;
  /** Approved: it does not grow until it is merged or its window ends. */
  readonly frozen: boolean;
  /** Why it cannot be merged, where that is known. */
  readonly blocked: string | undefined;
}

/** All that the one issue says that people look at instead of asking. */
export interface Dashboard {
  readonly now: Date;
  readonly waiting: readonly WaitingRow[];
  readonly holds: readonly QueuedHold[];
  readonly upstreams: readonly UpstreamRow[];
  readonly pulls: readonly PullRow[];
  /** People closed them, and so said no to their plans. */
  readonly declined: readonly PullRow[];
}

const DAY = 86_400_000;

/** The body. It says days, not hours, so that it is written once a day at most where nothing happens. */
export function dashboard(data: Dashboard, forge: ForgeWords): string {
  const render = (cut: Cut) =>
    `${join([
      head(data),
      pulls(data, forge, cut.attention),
      declined(data, forge, cut.attention),
      upstreams(data, cut.security),
      waiting(data, cut.routine),
      blocked(data, forge, cut.routine),
      holds(data, cut.security),
      box(forge, 'sync', 'Look at all upstreams again now'),
      '<sub>Written by sluice from main and its policies. What is changed here by hand is overwritten.</sub>',
    ])}\n`;
  return fitted(render, forge.bodyLimit) ?? `> ${headline(data)} Nothing more of it fits here.\n`;
}

function headline({ waiting, pulls, holds }: Dashboard): string {
  return `${count(pulls.length, 'open pull request')}, ${count(waiting.length, 'source package that waits', 'source packages that wait')}, ${count(holds.length, 'hold')}.`;
}

/** Silence is never the answer: each tier that lacks what upstream shows says since when, and by what. */
function head(data: Dashboard): string {
  const tiers = [...groupBy(data.waiting, (row) => row.where)].sort(([a], [b]) => byCodeUnit(a, b));
  const rows = tiers.map(([where, own]) => {
    const oldest = Math.min(...own.map(({ seen }) => seen?.getTime() ?? Number.POSITIVE_INFINITY));
    const days = Number.isFinite(oldest) ? Math.max(0, Math.floor((data.now.getTime() - oldest) / DAY)) : 0;
    const kinds = [...groupBy(own, ({ reason }) => KINDS[reason.kind])];
    const by = kinds.map(([kind, list]) => `${number(list.length)} ${kind}`).sort(byCodeUnit);
    return [name(where), number(own.length), count(days, 'day'), by.join(', ')];
  });
  const columns = ['tier', 'upstream shows', 'policy has held them up to', 'by'];
  const more = rows.length > 100 ? andMore(rows.length - 100, ' tiers') : '';
  return join([`> ${headline(data)}`, rows.length > 0 ? table(columns, rows.slice(0, 100)) : '', more]);
}

const KINDS: Readonly<Record<Reason['kind'], string>> = {
  wait: 'wait their days',
  window: 'wait for a window',
  held: 'held',
  with: 'wait for another build',
  broken: 'would break something',
  lockstep: 'wait for other teams',
  mode: 'in a frozen tier',
  filtered: 'kept out by the policy',
  withdrawn: 'pulled back by upstream',
  unknown: 'of unknown age',
};

function pulls({ pulls: open }: Dashboard, forge: ForgeWords, max: number): string {
  if (open.length === 0) return '';
  const cells = (p: PullRow) => [
    `#${p.number}`,
    markdown(p.title, 120),
    day(p.openedAt),
    [
      p.edited ? '**edited by people**: the bot leaves it alone' : '',
      p.frozen ? 'approved: grows no more' : '',
      p.blocked === undefined ? '' : `blocked: ${markdown(p.blocked, 200)}`,
    ]
      .filter((word) => word !== '')
      .join('; '),
  ];
  const boxes = open
    .filter((p) => p.isOurs)
    .slice(0, max)
    .map((p) =>
      p.edited
        ? box(forge, `discard ${p.number}`, `Discard the edits of #${p.number} and rebuild it`)
        : box(forge, `rebuild ${p.number}`, `Rebuild #${p.number}`),
    );
  return join([
    '### Open pull requests',
    folded(count(open.length, 'pull request'), ['', 'title', 'since', 'state'], open, cells, max, 50),
    boxes.filter((line) => line !== '').join('\n'),
  ]);
}

function declined({ declined: closed }: Dashboard, forge: ForgeWords, max: number): string {
  if (closed.length === 0) return '';
  const cells = (p: PullRow) => [`#${p.number}`, markdown(p.title, 120), day(p.openedAt)];
  const boxes = closed
    .slice(0, max)
    .map((p) => box(forge, `again ${p.number}`, `Propose #${p.number} again`))
    .filter((line) => line !== '');
  return join([
    '### Declined',
    'Closed by people: the same plan is not proposed again, another one is.',
    folded(count(closed.length, 'pull request'), ['', 'title', 'since'], closed, cells, max, 20),
    boxes.join('\n'),
  ]);
}

function upstreams({ upstreams: all, now }: Dashboard, max: number): string {
  if (all.length === 0) return '';
  const cells = ({ id, accepted, asked, staleFrom, trouble }: UpstreamRow) => [
    name(id),
    asked === undefined ? 'unknown' : day(asked),
    accepted === undefined ? 'never' : day(accepted),
    trouble !== undefined
      ? `**failed**: ${markdown(trouble, 200)}`
      : staleFrom === undefined
        ? 'no limit of age'
        : now >= staleFrom
          ? `**too old since ${day(staleFrom)}**`
          : `fresh until ${day(staleFrom)}`,
  ];
  const columns = ['upstream', 'last asked', 'its state is of', 'freshness'];
  return `### Upstreams\n\n${folded(count(all.length, 'upstream'), columns, all, cells, max, 40)}`;
}

function waiting({ waiting: all }: Dashboard, max: number): string {
  const own = all.filter(({ reason }) => !isBlocked(reason));
  return own.length === 0 ? '' : `### What waits, and until when\n\n${rowsOf(own, max)}`;
}

function blocked({ waiting: all }: Dashboard, forge: ForgeWords, max: number): string {
  const own = all.filter(({ reason }) => isBlocked(reason));
  if (own.length === 0) return '';
  return join([`### What is blocked, and by what\n\n${rowsOf(own, max)}`, byName(own, forge, max)]);
}

/** What people can move by its name. So many boxes are enough: `/sluice promote` takes any. */
const MOST_BOXES = 15;

function byName(rows: readonly WaitingRow[], forge: ForgeWords, max: number): string {
  const movable = rows.filter(({ reason: { kind } }) => kind === 'held' || kind === 'mode');
  const boxes = movable
    .filter(({ source }) => !source.includes('--')) // which ends a comment of HTML early
    .map(({ where, source }) =>
      box(forge, `promote ${where} ${source}`, `Promote ${name(source)} to ${name(where)}`),
    );
  return [...new Set(boxes)]
    .filter((line) => line !== '')
    .slice(0, Math.min(max, MOST_BOXES))
    .join('\n');
}

/** No day moves it: somebody or something else has to. */
function isBlocked(reason: Reason): boolean {
  return ['broken', 'held', 'mode', 'unknown'].includes(reason.kind);
}

function rowsOf(rows: readonly WaitingRow[], max: number): string {
  const cells = ({ where, source, build, reason }: WaitingRow) => [
    name(where),
    name(source),
    name(build),
    markdown(why(reason), 300),
    when(reason),
  ];
  const columns = ['where', 'source package', 'waiting build', 'why', 'moves'];
  return folded(count(rows.length, 'build'), columns, rows, cells, max, 30).replaceAll(
    'see the diff',
    '`sluice explain NAME` tells of each',
  );
}

function holds({ holds: all, now }: Dashboard, max: number): string {
  if (all.length === 0) return '';
  const cells = (hold: QueuedHold) => {
    const since = sinceOf(hold);
    const waited =
      since === undefined ? '' : `, for ${count(Math.floor((now.getTime() - since.getTime()) / DAY), 'day')}`;
    return [
      name(hold.team),
      code(hold.pattern),
      markdown(hold.owner, 100),
      endWords(hold),
      `${count(hold.keepsBack.length, 'build')}${waited}`,
      markdown(hold.reason, 200),
    ];
  };
  const columns = ['team', 'held', 'owner', 'end', 'keeps back', 'because'];
  return `### Holds\n\n${folded(count(all.length, 'hold'), columns, all, cells, max, 30)}`;
}
