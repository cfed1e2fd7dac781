import { groupBy } from '../base/order.ts';
import type { LostAdvisory, Plan } from '../plan/types.ts';
import { compareEvr, formatEvr } from '../rpm/evr.ts';
import { versions } from './details.ts';
import type { Digest, Row } from './digest.ts';
import { link, markdown, name, plain } from './safe.ts';
import type { SecurityRow } from './security.ts';
import { andMore, details, folded, join, table } from './tables.ts';
import { age, bytes, count, number } from './words.ts';

/** What a person must look at: open, and whole where it fits by itself. */
export function attention(plan: Plan, d: Digest, max: number): string {
  if (d.attention.length === 0) return '';
  const aged = plan.verb === 'promote' && d.attention.some((a) => a.inParent !== undefined);
  const rows = d.attention
    .slice(0, max)
    .map((a) => [
      `**${name(plain(a.what, 300))}**`,
      name(a.repository),
      markdown(a.why, 300),
      ...(aged ? [age(a.inParent, plan.now)] : []),
    ]);
  const rest = d.attention.length - rows.length;
  const said =
    rest === 0
      ? ''
      : `**${number(rest)} of ${number(d.attention.length)} rows that need your eyes do not fit here.** All of them: the summary of the check \`sluice/plan\`, or \`--all\` in a terminal.`;
  const head = ['what', 'repository', 'why it is here', ...(aged ? [`in \`${plan.from}\``] : [])];
  return join(['### Needs attention', said, rows.length > 0 ? table(head, rows) : '']);
}

/** With more advisories than these the less severe ones are folded. */
const OPEN_ADVISORIES = 12;

export function security(plan: Plan, d: Digest, max: number): string {
  if (d.security.length === 0) return carried(d, '### Security\n\n');
  const aged = EXPOSES.has(plan.verb) && d.security.some((s) => s.exposed !== undefined);
  const head = [
    'advisory',
    'severity',
    'CVEs',
    'source packages',
    'builds',
    ...(aged ? [`exposed in \`${plan.tier}\``] : []),
  ];
  const cells = (row: SecurityRow) => [...securityCells(row), ...(aged ? [age(row.exposed, plan.now)] : [])];
  const shown = d.security.slice(0, max);
  const many = shown.length > OPEN_ADVISORIES;
  const open = shown.filter(({ advisory: { severity } }) => !many || isSevere(severity));
  const rest = shown.filter(({ advisory: { severity } }) => many && !isSevere(severity));
  return join([
    '### Security',
    open.length > 0 ? table(head, open.map(cells)) : '',
    rest.length > 0
      ? details(
          count(
            rest.length,
            `${open.length > 0 ? 'more ' : ''}advisory`,
            `${open.length > 0 ? 'more ' : ''}advisories`,
          ),
          table(head, rest.map(cells)),
        )
      : '',
    d.security.length > shown.length ? andMore(d.security.length - shown.length, ' advisories') : '',
    carried(d),
  ]);
}

/** Named where they are few: a first import has those of years. */
function carried(d: Digest, head = ''): string {
  const n = d.carried.length;
  if (n === 0) return '';
  const severe = d.carried.filter(({ advisory }) => isSevere(advisory.severity)).length;
  const more = d.security.length > 0 ? 'more ' : '';
  const what = count(n, `${more}security advisory is`, `${more}security advisories are`);
  const named =
    n > 6
      ? ''
      : `: ${d.carried.map(({ advisory, presence }) => `${link(advisory.id, advisory.url)} (${presence})`).join(', ')}`;
  const said = severe > 0 ? ` (${number(severe)} critical or important)` : '';
  return `${head}${what} of packages that were not there before, so nothing was exposed${said}${named}.`;
}

/** Verbs that bring a fix to hosts which had the build before it. */
const EXPOSES: ReadonlySet<string> = new Set(['promote', 'hotfix', 'import']);

function isSevere(severity: string): boolean {
  return severity === 'critical' || severity === 'important';
}

/** Ids of advisories that somebody is exposed to until this is merged: their readers are not left in peace for days. */
export function urgent(d: Digest): string[] {
  return d.security.filter(({ advisory }) => isSevere(advisory.severity)).map(({ advisory }) => advisory.id);
}

function securityCells({ advisory, moving, presence, lacking, rows }: SecurityRow): string[] {
  const sources = [...new Set(rows.map((row) => `${name(row.source)} ${versions(row)}`))];
  const lack =
    lacking.length === 0
      ? ''
      : ` (not \`${lacking.slice(0, 3).join('`, `')}\`${lacking.length > 3 ? ', …' : ''})`;
  const about = advisory.title === '' ? '' : `: ${markdown(advisory.title, 80)}`;
  return [
    `${link(advisory.id, advisory.url)}${about}`,
    advisory.severity === 'critical' ? '**critical**' : advisory.severity,
    cves(advisory.cves),
    `${sources.slice(0, 4).join(', ')}${sources.length > 4 ? `, … ${count(sources.length, 'package')}` : ''}`,
    `${moving.length} move; ${presence}${lack}`,
  ];
}

function cves(ids: readonly string[]): string {
  const shown = ids.slice(0, 6).map((cve) => markdown(cve, 30));
  return shown.join(', ') + (ids.length > 6 ? `, … ${number(ids.length)}` : '');
}

export function lost(d: Digest, max: number): string {
  if (d.lost.length === 0) return '';
  const cells = ({ advisory, packages }: LostAdvisory) => [
    link(advisory.id, advisory.url),
    advisory.severity === 'critical' ? '**critical**' : advisory.severity,
    markdown(advisory.title, 100),
    cves(advisory.cves),
    packages.slice(0, 4).map(name).join(', ') + (packages.length > 4 ? ', …' : ''),
  ];
  const head = ['advisory', 'severity', 'title', 'CVEs', 'packages'];
  const rest = d.lost.length - Math.min(d.lost.length, max);
  const rows = d.lost.slice(0, max).map(cells);
  return join([
    '### Security fixes that are lost',
    rows.length > 0 ? table(head, rows) : '',
    rest > 0 ? andMore(rest, ' advisories') : '',
  ]);
}

/** What neither needs eyes nor fixes a known hole. */
export function routineRows(d: Digest): readonly Row[] {
  const fixing = new Set(d.security.flatMap((s) => s.rows));
  return d.rows.filter((row) => row.kind !== 'resigned' && row.flags.length === 0 && !fixing.has(row));
}

/** By source package: that is what reviewers think in. */
export function routine(plan: Plan, rows: readonly Row[], max: number): string {
  const updates = rows.filter((row) => row.kind !== 'add');
  const added = rows.filter((row) => row.kind === 'add');
  const back = plan.verb === 'rollback';
  return join([
    section(back ? 'Goes back' : 'Updates', updates, plan, max),
    section(back ? 'Comes back' : 'New', added, plan, max),
  ]);
}

function section(head: string, rows: readonly Row[], plan: Plan, max: number): string {
  if (rows.length === 0) return '';
  const aged = plan.verb === 'promote';
  const many = plan.hotfix !== undefined || plan.teams !== undefined;
  const told = rows.some((row) => row.changelog !== undefined);
  const lines = many ? rows.map((row) => [row]) : [...groupBy(rows, lineOf).values()];
  const cells = (line: readonly Row[]) => {
    const row = line[0] as Row;
    return [
      name(row.source),
      ...(many ? [name(row.repository)] : []),
      row.from === undefined ? versionsOf(line) : versions(row),
      String(line.reduce((n, { builds }) => n + builds.length, 0)),
      ...(aged ? [age(row.inParent ?? row.seen, plan.now)] : []),
      told ? changed(row) : markdown(row.summary, 80),
    ];
  };
  const columns = [
    'source package',
    ...(many ? ['where'] : []),
    rows.some(({ from }) => from !== undefined) ? 'from → to' : 'version',
    'builds',
    ...(aged ? [`in \`${plan.from}\``] : []),
    told ? 'what changed' : 'what it is',
  ];
  const builds = rows.reduce((n, row) => n + row.builds.length, 0);
  const size = rows.reduce((n, row) => n + row.bytes, 0);
  const sources = new Set(rows.map(({ source }) => source)).size;
  const what = `${count(sources, 'source package')}, ${count(builds, 'build')}, ${bytes(size)}`;
  return `### ${head}\n\n${folded(what, columns, lines, cells, max)}`;
}

/** New versions of one source package are one line: an import may bring years of them. */
function lineOf({ source, repository, from, to }: Row): string {
  return `${source}\0${repository}\0${from === undefined ? '' : `${from}\0${to}`}`;
}

/** `2.6.0-2.el9 and 4 older`. */
function versionsOf(line: readonly Row[]): string {
  const evrs = line.flatMap(({ builds }) => builds.slice(0, 1).map(({ nevra }) => nevra.evr));
  const [newest, ...older] = evrs.sort((a, b) => compareEvr(b, a)).map(formatEvr);
  return `${name(newest ?? '')}${older.length > 0 ? ` and ${number(older.length)} older` : ''}`;
}

/** `Fix a leak in read; 2 more entries`. */
function changed({ changelog }: Row): string {
  if (!changelog) return '';
  const { first, entries, complete } = changelog;
  const more = entries - 1;
  const rest =
    more === 0 ? '' : `; ${complete ? '' : 'at least '}${count(more, 'more entry', 'more entries')}`;
  return `${first === '' ? 'an entry without words' : markdown(first, 100)}${rest}`;
}
