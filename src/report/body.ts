import type { Plan } from '../plan/types.ts';
import { type Digest, digest, type Row, type StayRow } from './digest.ts';
import { cascadeWords, holdWords, hostsHint } from './going-back.ts';
import { hotfixSections } from './hotfix.ts';
import { code, fence, link, markdown } from './safe.ts';
import { summary } from './summary.ts';
import { age, count, day, number, when, why } from './words.ts';

/** What the body says of where the plan comes from; the same for equal plans. */
export interface Provenance {
  /** The commit that the plan was computed against. */
  readonly base: string;
  /** Digest of the plan's files, `sha256:…`. */
  readonly plan: string;
  /** The upstream states that it was computed from: `rocky-9-x86_64-baseos sha256:…`. */
  readonly catalog: readonly string[];
  /** `https://mirror.example/sluice`, where previews and trees are served; undefined: not said. */
  readonly mirrorUrl: string | undefined;
  readonly version: string;
}

/** GitHub refuses more than 65,536 characters; some stay free for what a forge adds. */
const BUDGET = 60_000;

/** How many rows each section may have, from all of them down to what always fits. */
const CUTS = [Number.POSITIVE_INFINITY, 1_000, 300, 100, 40, 10, 0];

/**
 * The pull request's body. Needs attention and security come first and are never cut; routine rows and what stays are folded,
 * and cut from the end where the whole would be too long (the diff and the report have them all).
 */
export function body(plan: Plan, from: Provenance): string {
  const d = digest(plan);
  let text = '';
  const most = Math.max(plan.follows?.effects.length ?? 0, d.rows.length, d.staying.length, d.dropped.length);
  for (const rows of CUTS.filter((cut) => cut < most * 10 || !(most > 1_000))) {
    text = `${sections(plan, d, from, rows).join('\n\n')}\n`;
    if (text.length <= BUDGET) break;
  }
  return text;
}

function sections(plan: Plan, d: Digest, from: Provenance, rows: number): string[] {
  const hotfix = hotfixSections(plan);
  return [
    summary(plan, d),
    hotfix.head,
    follows(plan, rows),
    attention(d),
    security(d),
    lost(d),
    cascade(plan, rows),
    undone(plan, rows),
    routine(plan, d, rows),
    resigned(d, rows),
    inside(d, rows),
    modules(d, rows),
    trees(d),
    plan.cascade || plan.verb === 'recall' ? '' : dropped(d, rows),
    staying(plan, d, rows),
    notes(d),
    hotfix.tail,
    acting(plan),
    provenance(plan, from),
  ].filter((section) => section !== '');
}

/** What follows from a command that was not asked for by name, before anything else. */
function follows({ follows: said }: Plan, max: number): string {
  if (!said || (said.notes.length === 0 && said.effects.length === 0)) return '';
  const notes = said.notes.map((note) => `- ${markdown(note, 500)}`).join('\n');
  const cells = said.effects.map((e) => [
    e.where,
    code(e.build),
    markdown(e.what, 120),
    markdown(e.why, 300),
  ]);
  const rows =
    cells.length > 0
      ? folded(count(cells.length, 'build'), ['where', 'build', 'what becomes of it', 'why'], cells, max, 30)
      : '';
  return ['### What follows', notes, rows].filter((part) => part !== '').join('\n\n');
}

function attention(d: Digest): string {
  if (d.attention.length === 0) return '';
  const rows = d.attention.map((a) => [`**${a.what}**`, a.repository, markdown(a.why, 300)]);
  return `### Needs attention\n\n${table(['what', 'repository', 'why it is here'], rows)}`;
}

function security(d: Digest): string {
  if (d.security.length === 0) return '';
  const rows = d.security.map(({ advisory, moving, presence }) => [
    link(advisory.id, advisory.url),
    advisory.severity === 'critical' ? '**critical**' : advisory.severity,
    markdown(advisory.title, 100),
    advisory.cves
      .slice(0, 6)
      .map((cve) => markdown(cve, 30))
      .join(', ') + (advisory.cves.length > 6 ? ', …' : ''),
    `${moving.length} move; ${presence}`,
  ]);
  return `### Security\n\n${table(['advisory', 'severity', 'title', 'CVEs', 'builds'], rows)}`;
}

function routine(plan: Plan, d: Digest, max: number): string {
  if (d.rows.every((row) => row.kind === 'resigned')) return '';
  const parent = plan.verb === 'promote' ? `in \`${plan.from}\`` : '';
  const isMany = plan.hotfix !== undefined || plan.teams !== undefined;
  const where = isMany ? ['where'] : [];
  const head = ['source package', ...where, 'from → to', 'builds', ...(parent ? [parent] : []), 'what it is'];
  const updates = d.rows.filter((row) => row.kind !== 'add' && row.kind !== 'resigned');
  const added = d.rows.filter((row) => row.kind === 'add');
  const cells = (row: Row) => [
    row.source,
    ...(isMany ? [row.repository] : []),
    row.from === undefined ? `— → ${row.to}` : `${row.from} → ${row.to}`,
    String(row.builds.length),
    ...(parent ? [age(row.inParent ?? row.seen, plan.now)] : []),
    markdown(row.summary, 80),
  ];
  const parts = [
    updates.length > 0
      ? `### ${plan.verb === 'rollback' ? 'Goes back' : 'Updates'}\n\n${folded(count(updates.length, 'source package'), head, updates.map(cells), max)}`
      : '',
    added.length > 0
      ? `### ${plan.verb === 'rollback' ? 'Comes back' : 'New'}\n\n${folded(count(added.length, 'source package'), head, added.map(cells), max)}`
      : '',
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function resigned(d: Digest, max: number): string {
  const rows = d.rows.filter((row) => row.kind === 'resigned');
  if (rows.length === 0) return '';
  const cells = rows.map((row) => [row.source, row.to, String(row.builds.length)]);
  const head = ['source package', 'version', 'builds'];
  const said = 'The same versions under new signatures: nothing else of these files changed.';
  return `### Signed anew\n\n${said}\n\n${folded(count(rows.length, 'source package'), head, cells, max)}`;
}

const SCRIPT_LINES = 12;

/** What the packages of each row bring that those before them did not: rows with something to say only. */
function inside(d: Digest, max: number): string {
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
  const folded = `<details><summary>${summary}</summary>\n\n${text}\n\n</details>`;
  return ['### Inside the packages', unseen, folded].filter((part) => part !== '').join('\n\n');
}

function insideOf(row: Row): string {
  const head = `**${row.source}** ${row.from === undefined ? row.to : `${row.from} → ${row.to}`}`;
  const items = row.inside.map(({ words, lines, packages }) => {
    const whose = packages.length > 3 ? count(packages.length, 'package') : packages.join(', ');
    const item = `- ${markdown(words, 300)} (${whose})`;
    if (lines.length === 0) return item;
    const cut = lines.slice(0, SCRIPT_LINES);
    const rest = lines.length > cut.length ? [`  … ${count(lines.length - cut.length, 'more line')}`] : [];
    return `${item}\n${fence([...cut, ...rest], 'diff', '  ')}`;
  });
  return `${head}\n\n${items.join('\n')}`;
}

function modules(d: Digest, max: number): string {
  if (d.modules.length === 0) return '';
  const rows = d.modules.map((m) => [code(m.nsvca), m.gone ? 'leaves' : 'comes or changes']);
  return `### Module streams\n\n${folded(count(d.modules.length, 'document'), ['stream', ''], rows, max)}`;
}

function trees(d: Digest): string {
  if (d.trees.length === 0) return '';
  const cell = (text: string | undefined) => (text === undefined ? '—' : code(text));
  const rows = d.trees.map((t) => [t.repository, cell(t.was), cell(t.tree), markdown(t.words, 100)]);
  const said =
    'What hosts are installed from: boot images and installer, each verified by its checksum. Nobody signs them.';
  return `### Installation tree\n\n${said}\n\n${table(['repository', 'from', 'to', 'what it is'], rows)}`;
}

function dropped(d: Digest, max: number): string {
  if (d.dropped.length === 0) return '';
  const rows = d.dropped.map((x) => [x.build, x.repository, markdown(x.why)]);
  return `### Leaving\n\n${folded(count(d.dropped.length, 'build'), ['build', 'repository', 'why'], rows, max)}`;
}

function staying(plan: Plan, d: Digest, max: number): string {
  if (d.staying.length === 0) return '';
  const cells = (row: StayRow) => [
    row.source,
    ...(plan.teams ? [row.repository] : []),
    row.build,
    String(row.builds),
    markdown(why(row.reason), 300),
    when(row.reason),
  ];
  const where = plan.teams ? ['where'] : [];
  const head = ['source package', ...where, 'waiting build', 'builds', 'why', 'moves'];
  return `### Not in this pull request, and when\n\n${folded(count(d.staying.length, 'row'), head, d.staying.map(cells), max, 30)}`;
}

function notes(d: Digest): string {
  if (d.notes.length === 0) return '';
  return `### Noted\n\n${d.notes.map((n) => `- ${n.repository}: ${markdown(n.note, 300)}`).join('\n')}`;
}

function lost(d: Digest): string {
  if (d.lost.length === 0) return '';
  const rows = d.lost.map(({ advisory, packages }) => [
    link(advisory.id, advisory.url),
    advisory.severity === 'critical' ? '**critical**' : advisory.severity,
    markdown(advisory.title, 100),
    markdown(advisory.cves.slice(0, 6).join(', '), 200) + (advisory.cves.length > 6 ? ', …' : ''),
    packages.slice(0, 4).join(', ') + (packages.length > 4 ? ', …' : ''),
  ]);
  return `### Security fixes that are lost\n\n${table(['advisory', 'severity', 'title', 'CVEs', 'packages'], rows)}`;
}

/** Never left out of a removal: whoever merges has seen what goes along. */
function cascade({ cascade: tree }: Plan, max: number): string {
  if (!tree || tree.length === 0) return '';
  const shown = tree.slice(0, Math.max(max, 10)).map(cascadeWords);
  const more =
    tree.length > shown.length ? [`… and ${number(tree.length - shown.length)} more: see the diff`] : [];
  const along = tree.filter((row) => row.needs !== undefined).length;
  const said =
    along === 0 ? 'Nothing else needs it.' : `${count(along, 'build')} could not stay and go along.`;
  return `### What goes, and what for\n\n${said}\n\n${fence([...shown, ...more], 'text')}`;
}

function undone({ undone: since }: Plan, max: number): string {
  if (!since || since.length === 0) return '';
  const rows = since.map(({ commit, time, verb, reason }) => [
    code(commit.slice(0, 12)),
    day(time),
    markdown(verb ?? 'by hand', 40),
    markdown(reason ?? '', 200),
  ]);
  const head = ['commit', 'day', 'what it was', 'reason'];
  return `### Since then, and taken back\n\n${folded(count(since.length, 'change'), head, rows, max)}`;
}

function acting(plan: Plan): string {
  const hint = hostsHint(plan);
  if (plan.verb === 'good') return '';
  if (hint !== undefined) {
    const holds = (plan.files?.size ?? 0) > 0 ? `${markdown(holdWords(plan), 600)} ` : '';
    return `### To act\n\n${holds}${hint}`;
  }
  if (plan.verb === 'sync') {
    return '### To act\n\nMerging makes this the state that every tier chooses from; no client uses `live`. To keep a build from going further, add a hold to the team’s policy.';
  }
  if (plan.verb === 'hotfix') {
    return '### To change it\n\nMerging publishes this. Only what this plan has may be in it: whatever else there is to do is a pull request of its own.';
  }
  if (plan.verb === 'recall') {
    return '### To act\n\nMerging publishes this for every team at once, and no sync, promotion or fill brings the builds back until the recall is withdrawn. `dnf distro-sync` on the hosts goes back to what is left; what they have installed stays until then.';
  }
  if (plan.verb === 'hold' || plan.verb === 'unhold') {
    return '### To act\n\nMerging changes the policy: the promotions from then on go by it. Nothing that is in a tier now moves by this.';
  }
  return '### To change it\n\nMerging publishes this. To leave something out, add a hold to the team’s policy, or edit the YAML by hand and run `sluice fix`; then run the command again.';
}

function provenance(plan: Plan, from: Provenance): string {
  const catalog = from.catalog.map((c) => code(c)).join(', ');
  // what changes a policy says its days itself: a bot that runs again the next day changes nothing
  const at = plan.repositories.length > 0 ? ` at ${plan.now.toISOString()}` : '';
  return `<sub>Plan ${code(from.plan)} of base ${code(from.base.slice(0, 12))}${at}${catalog ? ` · upstream ${catalog}` : ''} · sluice ${from.version}</sub>`;
}

/** A table; folded where it has more than `open` rows; cut after `max`. */
function folded(
  what: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  max: number,
  open = 12,
): string {
  const shown = rows.slice(0, max);
  const rest = rows.length - shown.length;
  const more = rest > 0 ? `\n\n… and ${number(rest)} more: see the diff.` : '';
  const text = `${shown.length > 0 ? table(head, shown) : ''}${more}`.trim();
  return rows.length <= open && rest === 0
    ? text
    : `<details><summary>${what}</summary>\n\n${text}\n\n</details>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
