import type { CascadeRow, Plan, Undone } from '../plan/types.ts';
import { type Digest, digest, type Row } from './digest.ts';
import { cascadeWords, holdWords, hostsHint } from './going-back.ts';
import { hotfixLines, reviewLines, undoLines } from './hotfix.ts';
import { plain } from './safe.ts';
import { title } from './title.ts';
import { age, bytes, count, day, when, why } from './words.ts';

/** A plan for a terminal: what moves, what needs eyes, what stays and until when. `all`: every row, else the first 20 of each. */
export function terminal(plan: Plan, o: { all: boolean } = { all: false }): string {
  const d = digest(plan);
  const max = o.all ? Number.POSITIVE_INFINITY : 20;
  const one = (lines: readonly string[]) => lines.map((line) => [line]);
  const parts = [
    section('hotfix', one(hotfixLines(plan, (text) => plain(text, 300))), Number.POSITIVE_INFINITY),
    section(
      'so that',
      (plan.follows?.notes ?? []).map((note) => [plain(note, 500)]),
      Number.POSITIVE_INFINITY,
    ),
    section(
      'what follows',
      (plan.follows?.effects ?? []).map((e) => [e.where, e.build, plain(e.what, 120), plain(e.why, 300)]),
      max,
    ),
    section(
      'needs attention',
      d.attention.map((a) => [a.what, plain(a.why, 300)]),
      Number.POSITIVE_INFINITY,
    ),
    section('security', securityLines(d.security), Number.POSITIVE_INFINITY),
    section('security of what is new', securityLines(d.carried), max),
    section('security fixes that are lost', lostLines(d), Number.POSITIVE_INFINITY),
    section('what goes, and what for', (plan.cascade ?? []).map(cascadeLine), max),
    section('since then', (plan.undone ?? []).map(undoneCells), max),
    section(HEADS[plan.verb] ?? 'changes', moves(plan, d), max),
    section('inside', insides(d), max),
    section(
      'leaves',
      plan.cascade || plan.verb === 'recall' ? [] : d.dropped.map((x) => [x.build, plain(x.why)]),
      max,
    ),
    section(
      'installation tree',
      d.trees.map((t) => [t.repository, t.was ?? '—', '→', t.tree ?? '—', plain(t.words, 100)]),
      max,
    ),
    section('stays', stays(plan, d), max),
    section(
      'noted',
      d.notes.map((n) => [n.repository, plain(n.note, 300)]),
      max,
    ),
    section('look at it afterwards', one(reviewLines(plan)), max),
    section('to undo it', one(plan.hotfix ? undoLines(plan) : []), max),
  ].filter((part) => part !== '');
  const size = d.bytes > 0 ? `, ${bytes(d.bytes)}` : '';
  const goesBack = plan.verb === 'remove' || plan.verb === 'rollback';
  const holds = (plan.files?.size ?? 0) > 0 && goesBack ? `  ${holdWords(plan)}\n` : '';
  const hint = (d.dropped.length > 0 || plan.verb === 'rollback') && hostsHint(plan);
  const leave = plan.verb === 'remove' || plan.verb === 'recall';
  const n = leave ? new Set(d.dropped.map(({ build }) => build)).size : d.moving;
  const builds = plan.repositories.length > 0 ? `: ${count(n, 'build')}${size}` : '';
  return `${title(plan, d)}${builds}\n${parts.join('')}${holds}${hint ? `  ${hint}\n` : ''}`;
}

const HEADS: Partial<Record<Plan['verb'], string>> = { promote: 'moves', rollback: 'goes back' };

function lostLines(d: Digest): string[][] {
  return d.lost.map(({ advisory, packages }) => [
    advisory.severity,
    advisory.id,
    plain(packages.join(' '), 60),
    plain(advisory.cves.join(' '), 80),
    plain(advisory.title, 60),
  ]);
}

function cascadeLine(row: CascadeRow): string[] {
  return [cascadeWords(row)];
}

function undoneCells(undone: Undone): string[] {
  const { commit, time, verb, reason } = undone;
  return [commit.slice(0, 12), day(time), verb ?? 'by hand', plain(reason ?? '', 100)];
}

function securityLines(rows: Digest['security']): string[][] {
  return rows.map(({ advisory, moving, presence }) => [
    advisory.severity,
    advisory.id,
    `${moving.length} move; ${presence}`,
    plain(advisory.cves.join(' '), 80),
    plain(advisory.title, 60),
  ]);
}

function moves(plan: Plan, d: Digest): string[][] {
  return d.rows.map((row) => {
    const waited = plan.verb === 'promote' ? age(row.inParent ?? row.seen, plan.now) : '';
    return [
      row.source,
      fromTo(row),
      ...(plan.hotfix || plan.teams ? [row.repository] : []),
      count(row.builds.length, 'build'),
      waited && `${waited} in ${plan.from}`,
    ];
  });
}

function insides(d: Digest): string[][] {
  const rows = d.rows.flatMap((row) =>
    row.inside.map(({ words, packages }) => [row.source, plain(words, 160), plain(packages.join(', '), 80)]),
  );
  const unseen = count(d.unseen, 'build');
  return d.unseen > 0
    ? [...rows, [unseen, 'packages are not here: scriptlets, modes and capabilities are not compared']]
    : rows;
}

function fromTo(row: Row): string {
  if (row.kind === 'resigned') return `${row.to}, signed anew`;
  return row.from === undefined ? `new → ${row.to}` : `${row.from} → ${row.to}`;
}

function stays(plan: Plan, d: Digest): string[][] {
  return d.staying.map((row) => [
    ...(plan.teams ? [row.repository] : []),
    row.source,
    row.build,
    `moves: ${when(row.reason)}`,
    plain(why(row.reason), 160),
  ]);
}

/** A heading and its lines in columns. */
function section(name: string, rows: readonly (readonly string[])[], max: number): string {
  if (rows.length === 0) return '';
  const shown = rows.slice(0, max);
  const more =
    rows.length > shown.length ? `    … and ${rows.length - shown.length} more (--all shows them)\n` : '';
  return `  ${name}\n${columns(shown)}${more}`;
}

/** Lines of aligned cells, indented by four; no trailing space. */
export function columns(cells: readonly (readonly string[])[], indent = '    '): string {
  const rows = cells.map((row) => row.map((cell) => plain(cell, Number.POSITIVE_INFINITY))); // whoever wrote it
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.min(44, Math.max(widths[i] ?? 0, cell.length));
  }
  return rows
    .map(
      (row) =>
        `${indent}${row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell)).join('  ')}`,
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}
