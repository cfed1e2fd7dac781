import { formatChecksum } from '../base/checksum.ts';
import { byCodeUnit, groupBy } from '../base/order.ts';
import type { ChangelogNews } from '../plan/changelog.ts';
import type { About, Change, LostAdvisory, Pin, Plan, Reason, Stay } from '../plan/types.ts';
import { compareEvr, formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { placeOf } from './hotfix.ts';
import { insideWords, needsEyes } from './inside.ts';
import { type SecurityRow, securityRows } from './security.ts';
import { day } from './words.ts';

/** The builds of one source package that move together from and to the same versions: one line of a report. */
export interface Row {
  readonly source: string;
  readonly repository: string;
  readonly kind: 'add' | 'update' | 'rerolled' | 'resigned' | 'relisted';
  readonly from: string | undefined;
  readonly to: string;
  readonly builds: readonly Pin[];
  /** What is known of each of them. */
  readonly told: readonly (About | undefined)[];
  readonly bytes: number;
  readonly seen: Stay | undefined;
  readonly inParent: Stay | undefined;
  readonly summary: string;
  readonly flags: readonly string[];
  /** What its changelog says between the two. */
  readonly changelog: ChangelogNews | undefined;
  /** What is other inside of these builds, each thing once. */
  readonly inside: readonly InsideRow[];
}

export interface InsideRow {
  readonly words: string;
  /** Of a script: what came and what went. */
  readonly lines: readonly string[];
  /** Names of the packages, sorted. */
  readonly packages: readonly string[];
}

/** Candidates of one source package that stay for one reason. */
export interface StayRow {
  readonly source: string;
  readonly repository: string;
  readonly has: string | undefined;
  readonly build: string;
  readonly builds: number;
  readonly reason: Reason;
}

/** What a person must look at. */
export interface AttentionRow {
  /** A source package and its versions, a build, or a host's profile. */
  readonly what: string;
  readonly repository: string;
  readonly why: string;
  readonly inParent: Stay | undefined;
}

export interface TreeRow {
  readonly repository: string;
  /** Digests, cut. */
  readonly was: string | undefined;
  readonly tree: string | undefined;
  /** The vendor's words. */
  readonly words: string;
}

/** A plan in the order in which people read it: what both the terminal and the pull request show. */
export interface Digest {
  readonly rows: readonly Row[];
  /** Advisories whose fix takes the place of an older build, and all of a hotfix. */
  readonly security: readonly SecurityRow[];
  /** Advisories of packages that were not there before: nobody was exposed. */
  readonly carried: readonly SecurityRow[];
  readonly staying: readonly StayRow[];
  readonly attention: readonly AttentionRow[];
  readonly dropped: readonly { readonly build: string; readonly repository: string; readonly why: string }[];
  readonly modules: readonly { readonly nsvca: string; readonly gone: boolean }[];
  /** Installation trees that come or go. */
  readonly trees: readonly TreeRow[];
  readonly notes: readonly { readonly repository: string; readonly note: string }[];
  readonly lost: readonly LostAdvisory[];
  readonly moving: number;
  readonly bytes: number;
  /** Builds of which nobody could look inside. */
  readonly unseen: number;
}

export function digest(plan: Plan): Digest {
  const rows = plan.repositories.flatMap((r) => rowsOf(r.changes, placeOf(plan, r.repository), plan));
  const builds = rows.flatMap((row) => row.builds);
  const counted =
    plan.hotfix || plan.teams
      ? [...new Map(builds.map((pin) => [formatNevra(pin.nevra), pin])).values()]
      : builds;
  const advised = securityRows(plan, rows);
  const isFix = (s: SecurityRow) => plan.hotfix !== undefined || s.rows.some((row) => row.from !== undefined);
  return {
    rows,
    security: advised.filter(isFix),
    carried: advised.filter((row) => !isFix(row)),
    staying: plan.repositories.flatMap((r) => stayRows(r.staying, placeOf(plan, r.repository))),
    attention: [...troublesOf(plan), ...attentionOf(plan), ...flagged(rows)],
    dropped: plan.repositories.flatMap((r) =>
      r.changes
        .filter((c) => c.kind === 'drop')
        .map((c) => ({
          build: formatNevra(c.from.nevra),
          repository: placeOf(plan, r.repository),
          why: c.why,
        })),
    ),
    modules: plan.repositories.flatMap((r) =>
      r.changes.filter((c) => c.kind === 'module').map((c) => ({ nsvca: c.nsvca, gone: c.to === undefined })),
    ),
    trees: plan.repositories.flatMap((r) =>
      r.changes
        .filter((c) => c.kind === 'tree')
        .map(({ was, tree, words }) => {
          const cut = (sum: typeof was) => sum && formatChecksum(sum).slice(0, 19);
          return { repository: placeOf(plan, r.repository), was: cut(was), tree: cut(tree), words };
        }),
    ),
    notes: plan.repositories.flatMap((r) =>
      r.notes.map((note) => ({ repository: placeOf(plan, r.repository), note })),
    ),
    lost: plan.lost ?? [],
    moving: counted.length,
    unseen: plan.inside?.unseen ?? 0,
    bytes: counted.reduce((sum, pin) => sum + pin.size, 0),
  };
}

type Moving = Extract<Change, { kind: 'add' | 'update' | 'rerolled' | 'resigned' | 'relisted' }>;

function isMoving(change: Change): change is Moving {
  return ['add', 'update', 'rerolled', 'resigned', 'relisted'].includes(change.kind);
}

function rowsOf(changes: readonly Change[], repository: string, plan: Plan): Row[] {
  const groups = groupBy(changes.filter(isMoving), (c) => {
    const from = c.kind === 'update' ? formatEvr(c.from.nevra.evr) : '';
    return `${c.source}\0${c.kind}\0${from}\0${formatEvr(c.to.nevra.evr)}`;
  });
  const rows = [...groups.values()].map((group): Row => {
    const [first] = group as [Moving, ...Moving[]];
    const builds = group.map((c) => c.to);
    const main = builds.find((pin) => pin.nevra.name === first.source) ?? first.to;
    const told = builds.map((pin) => aboutOf(pin, plan));
    const about = told[builds.indexOf(main)];
    return {
      source: first.source,
      repository,
      kind: first.kind,
      from: 'from' in first ? formatEvr(first.from.nevra.evr) : undefined,
      to: formatEvr(first.to.nevra.evr),
      builds,
      bytes: builds.reduce((sum, pin) => sum + pin.size, 0),
      seen: youngest(told.map((one) => one?.seen)),
      inParent: youngest(told.map((one) => one?.inParent)),
      told,
      summary: about?.summary ?? '',
      changelog: changelogOf(builds, plan),
      flags: [
        ...(isSaid(plan) ? [] : flagsOf(group)),
        ...(plan.verb === 'recall' ? [] : insideFlags(group, plan)),
      ],
      inside: insideRows(group, plan),
    };
  });
  return rows.sort((a, b) => byCodeUnit(a.source, b.source) || byCodeUnit(a.to, b.to));
}

/** What going back means is said of the whole plan. */
function isSaid({ verb }: Plan): boolean {
  return verb === 'rollback' || verb === 'recall';
}

function flagsOf(group: readonly Moving[]): string[] {
  const flags = new Set<string>();
  for (const change of group) {
    if (change.kind === 'rerolled') flags.add('same version, other bytes');
    if (change.kind === 'relisted') flags.add('listed upstream again after it had been pulled back');
    if (change.kind === 'update' && change.from.nevra.evr.epoch !== change.to.nevra.evr.epoch) {
      flags.add(`epoch ${change.from.nevra.evr.epoch} → ${change.to.nevra.evr.epoch}`);
    }
    if (change.kind === 'update' && compareEvr(change.to.nevra.evr, change.from.nevra.evr) < 0) {
      flags.add('older than what live had');
    }
    if (change.kind === 'add' && change.replaces !== undefined)
      flags.add(`new name, replaces ${change.replaces} (Obsoletes)`);
    if ('early' in change && change.early) {
      flags.add(`moves early: ${change.early.why}; else from ${day(change.early.otherwise)}`);
    }
    if ('exception' in change && change.exception !== undefined)
      flags.add(`moves by exception: ${change.exception}`);
    if ('along' in change && change.along) {
      flags.add(
        `comes along: ${change.along.map(({ build, needs }) => `${build} needs ${needs}`).join(', ')}`,
      );
      for (const past of change.past) flags.add(`past ${past}`);
    } else if ('past' in change) for (const past of change.past) flags.add(`moved by name, past ${past}`);
  }
  return [...flags];
}

function insideFlags(group: readonly Moving[], plan: Plan): string[] {
  const flags = new Set<string>();
  if (!plan.inside || plan.inside.changes.size === 0) return [];
  for (const change of group) {
    if (change.kind === 'add') continue; // a new name is a row of its own, and all in it is new
    const inside = plan.inside?.changes.get(formatNevra(change.to.nevra)) ?? [];
    for (const one of inside.filter(needsEyes)) flags.add(`${change.to.nevra.name}: ${insideWords(one)}`);
  }
  return [...flags];
}

function insideRows(group: readonly Moving[], plan: Plan): InsideRow[] {
  if (!plan.inside || plan.inside.changes.size === 0) return [];
  const rows = new Map<string, { words: string; lines: readonly string[]; packages: Set<string> }>();
  for (const { to } of group) {
    for (const change of plan.inside?.changes.get(formatNevra(to.nevra)) ?? []) {
      const words = insideWords(change);
      const lines = change.kind === 'script' ? change.lines : [];
      const key = [words, ...lines].join('\n');
      const row = rows.get(key) ?? { words, lines, packages: new Set() };
      rows.set(key, row);
      row.packages.add(to.nevra.name);
    }
  }
  return [...rows.values()].map((row) => ({ ...row, packages: [...row.packages].sort() }));
}

function flagged(rows: readonly Row[]): AttentionRow[] {
  return rows
    .filter((row) => row.flags.length > 0)
    .map((row) => ({
      what: `${row.source} ${row.from === undefined ? '' : `${row.from} → `}${row.to}`,
      repository: row.repository,
      why: row.flags.join('; '),
      inParent: row.inParent,
    }));
}

function attentionOf(plan: Plan): AttentionRow[] {
  return plan.repositories.flatMap((r) =>
    r.attention.map(({ build, why }) => ({
      what: formatNevra(build.nevra),
      repository: placeOf(plan, r.repository),
      why,
      inParent: undefined,
    })),
  );
}

function troublesOf(plan: Plan): AttentionRow[] {
  return plan.repositories.flatMap((r) =>
    (r.troubles ?? []).map(({ who, build, what, because }) => ({
      what: who,
      repository: placeOf(plan, r.repository),
      why: `${build !== undefined && what === 'cannot upgrade' ? 'who has it ' : ''}${what} after this: ${because.join('; ')}`,
      inParent: undefined,
    })),
  );
}

function aboutOf(pin: Pin, plan: Plan): About | undefined {
  return plan.about.get(formatNevra(pin.nevra));
}

function youngest(stays: readonly (Stay | undefined)[]): Stay | undefined {
  let latest: Stay | undefined;
  for (const stay of stays) if (stay && (!latest || stay.began > latest.began)) latest = stay;
  return latest;
}

function stayRows(staying: Plan['repositories'][number]['staying'], repository: string): StayRow[] {
  const groups = groupBy(
    staying,
    (s) => `${s.source}\0${formatEvr(s.build.nevra.evr)}\0${JSON.stringify(s.reason)}`,
  );
  const rows = [...groups.values()].map((group): StayRow => {
    const first = group[0] as (typeof group)[number];
    return {
      source: first.source,
      repository,
      has: first.has && formatEvr(first.has.nevra.evr),
      build: formatEvr(first.build.nevra.evr),
      builds: group.length,
      reason: first.reason,
    };
  });
  return rows.sort((a, b) => byCodeUnit(a.source, b.source) || byCodeUnit(a.build, b.build));
}

function changelogOf(builds: readonly Pin[], { changelogs }: Plan): ChangelogNews | undefined {
  if (!changelogs || changelogs.size === 0) return undefined;
  for (const { nevra } of builds) {
    const news = changelogs.get(formatNevra(nevra));
    if (news) return news;
  }
  return undefined;
}
