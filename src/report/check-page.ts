import type { Fault } from '../base/fault.ts';
import { type Cut, fitted } from './fitted.ts';
import { ANNOTATION_MESSAGE_LIMIT, ANNOTATIONS_A_REQUEST, ANNOTATIONS_LIMIT, CHECK_LIMIT } from './limits.ts';
import { code, markdown, plain } from './safe.ts';
import { andMore, join, table } from './tables.ts';
import { count, number } from './words.ts';

/** What a check found; what `sluice/plan` gives back is one of these. */
export interface Findings {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  /** Files that are other than the plan's; undefined where no plan was claimed. */
  readonly differences:
    | readonly { readonly path: string; readonly kind: 'missing' | 'added' | 'other' }[]
    | undefined;
  /** Somebody who may approved of just this head, with its differences. */
  readonly approved: boolean;
}

/** One remark at a line of the diff: GitHub's names. */
export interface Annotation {
  readonly path: string;
  readonly start_line: number;
  readonly end_line: number;
  readonly start_column?: number;
  readonly end_column?: number;
  readonly annotation_level: 'failure' | 'warning';
  readonly title: string;
  readonly message: string;
}

/** A check as a code host shows it: a verdict, and below it what there is to do. */
export interface CheckPage {
  readonly conclusion: 'success' | 'failure';
  /** One line. */
  readonly title: string;
  readonly summary: string;
  readonly text: string;
  /** In as many requests as they take; complaints before warnings. */
  readonly annotations: readonly (readonly Annotation[])[];
}

export function checkPage(found: Findings): CheckPage {
  const changed = found.differences?.length ?? 0;
  const open = changed > 0 && !found.approved;
  const conclusion = found.complaints.length > 0 || open ? 'failure' : 'success';
  const { annotations, unshown } = annotationsOf(found);
  return {
    conclusion,
    title: titleOf(found, open),
    summary: summaryOf(found, unshown),
    text: checkText((cut) => textOf(found, cut)),
    annotations,
  };
}

/** What has a line, in as many requests as it takes; how many more have one. */
export function annotationsOf(found: Pick<Findings, 'complaints' | 'warnings'>): {
  readonly annotations: CheckPage['annotations'];
  readonly unshown: number;
} {
  const all = [
    ...found.complaints.map((fault) => ({ fault, level: 'failure' as const })),
    ...found.warnings.map((fault) => ({ fault, level: 'warning' as const })),
  ].filter(({ fault }) => placeOf(fault) !== undefined);
  const shown = all.slice(0, ANNOTATIONS_LIMIT).flatMap(({ fault, level }) => annotation(fault, level) ?? []);
  return { annotations: batches(shown, ANNOTATIONS_A_REQUEST), unshown: all.length - shown.length };
}

/** With as many rows as fit into the text of a check. */
export function checkText(render: (cut: Cut) => string): string {
  return fitted(render, CHECK_LIMIT) ?? 'What was found does not fit here.';
}

export function faultSections(
  found: Pick<Findings, 'complaints' | 'warnings'>,
  cut: Cut,
): readonly [string, string] {
  return [
    section('Complaints', found.complaints, faultItem, cut.attention),
    section('Warnings', found.warnings, faultItem, cut.routine),
  ];
}

export function unshownWords(unshown: number): string {
  return unshown > 0 ? `${number(unshown)} more remarks have a line; they are in the text only.` : '';
}

function titleOf({ complaints, warnings, differences }: Findings, open: boolean): string {
  if (complaints.length > 0) return `${count(complaints.length, 'complaint')}`;
  if (open) return `${count(differences?.length ?? 0, 'file')} beyond the plan: an owner has to approve`;
  const said = warnings.length > 0 ? `, ${count(warnings.length, 'warning')}` : '';
  if (differences === undefined) return `Nothing against it${said}`;
  return differences.length === 0 ? `Exactly its plan${said}` : `Its plan and approved edits${said}`;
}

function summaryOf(found: Findings, unshown: number): string {
  const { complaints, warnings, differences } = found;
  const is =
    differences === undefined
      ? 'A person’s pull request: it claims no plan. What it would make of main was checked as a whole.'
      : differences.length === 0
        ? 'Every byte is what the plan gives, made again from its base and its policies.'
        : `**${count(differences.length, 'file')}** differ from the plan; they are listed below. ${found.approved ? 'An owner approved of this head.' : 'They need the approval of an owner for just this head.'}`;
  const rows = [
    ['complaints', number(complaints.length)],
    ['warnings', number(warnings.length)],
    ['files beyond the plan', differences === undefined ? '—' : number(differences.length)],
  ];
  return join([is, table(['what', 'how many'], rows), unshownWords(unshown)]);
}

function textOf(found: Findings, cut: Cut): string {
  const [complaints, warnings] = faultSections(found, cut);
  const line = ({ path, kind }: NonNullable<Findings['differences']>[number]) =>
    `- ${code(path)}: ${KINDS[kind]}`;
  return join([
    complaints,
    section('Beyond the plan', found.differences ?? [], line, cut.security),
    warnings,
  ]);
}

const KINDS = {
  missing: 'the plan writes it, and it is not there',
  added: 'the plan does not have it',
  other: 'other bytes than the plan’s',
} as const;

function section<T>(head: string, items: readonly T[], line: (item: T) => string, max: number): string {
  if (items.length === 0) return '';
  const shown = items.slice(0, max).map(line);
  const rest = items.length - shown.length;
  return join([
    `### ${head} (${number(items.length)})`,
    shown.join('\n'),
    rest > 0 ? andMore(rest).replace('the diff', 'the log') : '',
  ]);
}

function faultItem({ code: what, message, hint, at }: Fault): string {
  const place = at === undefined ? '' : `${code(at)}: `;
  return `- ${place}${markdown(message, 1_000)} (${what})<br>${markdown(hint, 400)}`;
}

const PLACE =
  /^(?<path>[A-Za-z0-9._+~^-]+(?:\/[A-Za-z0-9._+~^-]+)*)(?::(?<line>\d{1,7})(?::(?<column>\d{1,7}))?)?$/;

/** Undefined where it is of no file of the repository: of the pull request, a host, an address. */
function placeOf(fault: Fault): { path: string; line: number; column: number | undefined } | undefined {
  const { path = '', line, column } = PLACE.exec(fault.at ?? '')?.groups ?? {};
  if (!path.includes('/') || path.split('/').some((part) => /^\.+$/.test(part))) return undefined;
  const at = column === undefined ? undefined : Math.max(1, Number(column));
  return { path, line: Math.max(1, Number(line ?? 1)), column: at };
}

function annotation(fault: Fault, level: Annotation['annotation_level']): Annotation | undefined {
  const place = placeOf(fault);
  if (!place) return undefined;
  const { path, line: start, column: at } = place;
  const words = `${fault.message}\n${fault.hint}`.split('\n').map((one) => plain(one, 1_500));
  return {
    path,
    start_line: start,
    end_line: start,
    ...(at === undefined ? {} : { start_column: at, end_column: at }),
    annotation_level: level,
    title: fault.code,
    message: words.join('\n').slice(0, ANNOTATION_MESSAGE_LIMIT).toWellFormed(),
  };
}

function batches<T>(items: readonly T[], size: number): T[][] {
  const lists: T[][] = [];
  for (let i = 0; i < items.length; i += size) lists.push(items.slice(i, i + size));
  return lists;
}
