import type { Plan } from '../plan/types.ts';
import type { Digest, Row, StayRow } from './digest.ts';
import { cascadeWords } from './going-back.ts';
import { code, fence, markdown, name } from './safe.ts';
import { details, folded, join, list, table } from './tables.ts';
import { count, day, number, when, why } from './words.ts';

/** What follows from a command that was not asked for by name, before anything else. */
export function follows({ follows: said }: Plan, max: number): string {
  if (!said || (said.notes.length === 0 && said.effects.length === 0)) return '';
  const head = ['where', 'build', 'what becomes of it', 'why'];
  const rows = folded(
    count(said.effects.length, 'build'),
    head,
    said.effects,
    (e) => [name(e.where), code(e.build), markdown(e.what, 120), markdown(e.why, 300)],
    max,
    30,
  );
  const notes = list(
    said.notes.map((note) => markdown(note, 500)),
    max,
  );
  return join(['### What follows', notes, said.effects.length > 0 ? rows : '']);
}

export function resigned(d: Digest, max: number): string {
  const rows = d.rows.filter((row) => row.kind === 'resigned');
  if (rows.length === 0) return '';
  const cells = (row: Row) => [name(row.source), name(row.to), String(row.builds.length)];
  const head = ['source package', 'version', 'builds'];
  const said = 'The same versions under new signatures: nothing else of these files changed.';
  return `### Signed anew\n\n${said}\n\n${folded(count(rows.length, 'source package'), head, rows, cells, max)}`;
}

const SCRIPT_LINES = 12;

/** What the packages of each row bring that those before them did not: rows with something to say only. */
export function inside(d: Digest, max: number): string {
  const rows = d.rows.filter((row) => row.inside.length > 0);
  const unseen =
    d.unseen > 0
      ? `Of ${count(d.unseen, 'build')} the packages are not on the mirror: scriptlets, file modes and capabilities are not compared.`
      : '';
  if (rows.length === 0) return unseen === '' ? '' : `### Inside the packages\n\n${unseen}`;
  const shown = rows.slice(0, max);
  const more =
    rows.length > shown.length ? [`… and ${number(rows.length - shown.length)} more source packages.`] : [];
  const text = [...shown.map(insideOf), ...more].join('\n\n');
  const summary = count(rows.length, 'source package');
  return join(['### Inside the packages', unseen, details(summary, text)]);
}

function insideOf(row: Row): string {
  const head = `**${name(row.source)}** ${versions(row)}`;
  const items = row.inside.map(({ words, lines, packages }) => {
    const whose = packages.length > 3 ? count(packages.length, 'package') : packages.map(name).join(', ');
    const item = `- ${markdown(words, 300)} (${whose})`;
    if (lines.length === 0) return item;
    const cut = lines.slice(0, SCRIPT_LINES);
    const rest = lines.length > cut.length ? [`  … ${count(lines.length - cut.length, 'more line')}`] : [];
    return `${item}\n${fence([...cut, ...rest], 'diff', '  ')}`;
  });
  return `${head}\n\n${items.join('\n')}`;
}

/** `1.0-1 → 1.2-1`; `1.2-1` of a new name. */
export function versions({ from, to }: Pick<Row, 'from' | 'to'>): string {
  return from === undefined ? name(to) : `${name(from)} → ${name(to)}`;
}

export function modules(d: Digest, max: number): string {
  if (d.modules.length === 0) return '';
  const cells = (m: Digest['modules'][number]) => [code(m.nsvca), m.gone ? 'leaves' : 'comes or changes'];
  return `### Module streams\n\n${folded(count(d.modules.length, 'document'), ['stream', ''], d.modules, cells, max)}`;
}

export function trees(d: Digest): string {
  if (d.trees.length === 0) return '';
  const cell = (text: string | undefined) => (text === undefined ? '—' : code(text));
  const rows = d.trees.map((t) => [name(t.repository), cell(t.was), cell(t.tree), markdown(t.words, 100)]);
  const said =
    'What hosts are installed from: boot images and installer, each verified by its checksum. Nobody signs them.';
  return `### Installation tree\n\n${said}\n\n${table(['repository', 'from', 'to', 'what it is'], rows)}`;
}

export function dropped(d: Digest, max: number): string {
  if (d.dropped.length === 0) return '';
  const cells = (x: Digest['dropped'][number]) => [name(x.build), name(x.repository), markdown(x.why)];
  const head = ['build', 'repository', 'why'];
  return `### Leaving\n\n${folded(count(d.dropped.length, 'build'), head, d.dropped, cells, max)}`;
}

export function staying(plan: Plan, d: Digest, max: number): string {
  if (d.staying.length === 0) return '';
  const cells = (row: StayRow) => [
    name(row.source),
    ...(plan.teams ? [name(row.repository)] : []),
    name(row.build),
    String(row.builds),
    markdown(why(row.reason), 300),
    when(row.reason),
  ];
  const where = plan.teams ? ['where'] : [];
  const head = ['source package', ...where, 'waiting build', 'builds', 'why', 'moves'];
  return `### Not in this pull request, and when\n\n${folded(count(d.staying.length, 'row'), head, d.staying, cells, max, 30)}`;
}

export function notes(d: Digest, max: number): string {
  if (d.notes.length === 0) return '';
  const said = d.notes.map((n) => `${name(n.repository)}: ${markdown(n.note, 300)}`);
  return `### Noted\n\n${list(said, max)}`;
}

/** Never left out of a removal: whoever merges has seen what goes along. */
export function cascade({ cascade: tree }: Plan, max: number): string {
  if (!tree || tree.length === 0) return '';
  const shown = tree.slice(0, Math.max(max, 10)).map(cascadeWords);
  const more =
    tree.length > shown.length ? [`… and ${number(tree.length - shown.length)} more: see the diff`] : [];
  const along = tree.filter((row) => row.needs !== undefined).length;
  const said =
    along === 0 ? 'Nothing else needs it.' : `${count(along, 'build')} could not stay and go along.`;
  return `### What goes, and what for\n\n${said}\n\n${fence([...shown, ...more], 'text')}`;
}

export function undone({ undone: since }: Plan, max: number): string {
  if (!since || since.length === 0) return '';
  const cells = ({ commit, time, verb, reason }: (typeof since)[number]) => [
    code(commit.slice(0, 12)),
    day(time),
    markdown(verb ?? 'by hand', 40),
    markdown(reason ?? '', 200),
  ];
  const head = ['commit', 'day', 'what it was', 'reason'];
  return `### Since then, and taken back\n\n${folded(count(since.length, 'change'), head, since, cells, max)}`;
}
