import type { RepositoryName } from '../../src/manifest/ids.ts';
import { makeSnapshot, type Pin } from '../../src/manifest/snapshot.ts';
import type { ChangelogNews } from '../../src/plan/changelog.ts';
import type { About, AdvisoryFacts, Change, Plan, Staying } from '../../src/plan/types.ts';
import type { ForgeWords, Provenance } from '../../src/report/acting.ts';
import { BODY_LIMIT } from '../../src/report/limits.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { pin } from '../plan/world.ts';

export const NOW = new Date('2026-03-10T04:17:00Z');
const DAY = 86_400_000;

export const FROM: Provenance = {
  base: '4f0c1ab2'.repeat(5),
  plan: `sha256:${'9be1'.repeat(16)}`,
  policies: `sha256:${'77c0'.repeat(16)}`,
  catalog: [`rocky-9-x86_64-baseos sha256:${'0aa1'.repeat(16)}`],
  mirrorUrl: 'https://mirror.example',
  version: '0.4.0',
};

export const GITHUB: ForgeWords = { bodyLimit: BODY_LIMIT, commands: true, taskLists: true, labels: true };

export const STABLE: RepositoryName = {
  team: 'infra',
  tier: 'stable',
  os: 'rocky',
  version: '9',
  arch: 'x86_64',
  repo: 'baseos',
};

/** One source package that moves, as a reviewer would tell it. */
export interface Moving {
  readonly source: string;
  /** Version and release; undefined: a new name. */
  readonly from?: string | undefined;
  readonly to: string;
  /** Names of its packages; its own alone where none is said. */
  readonly names?: readonly string[];
  readonly kind?: 'rerolled' | 'resigned';
  readonly past?: readonly string[];
  readonly summary?: string;
  readonly advisories?: readonly AdvisoryFacts[];
  readonly changelog?: ChangelogNews;
  /** Days in the parent, and since upstream had it. */
  readonly inParent?: number;
  readonly seen?: number;
}

export interface Given {
  readonly verb?: Plan['verb'];
  readonly moving: readonly Moving[];
  readonly staying?: readonly Staying[];
  readonly notes?: readonly string[];
  readonly attention?: readonly { readonly build: Pin; readonly why: string }[];
  readonly reason?: string;
}

/** A plan of one repository: only what reports read of it. */
export function planOf(given: Given): Plan {
  const verb = given.verb ?? 'promote';
  const about = new Map<string, About>();
  const changelogs = new Map<string, ChangelogNews>();
  const changes: Change[] = [];
  const [before, after]: [Pin[], Pin[]] = [[], []];
  for (const m of given.moving) {
    for (const name of m.names ?? [m.source]) {
      const to = pin(`${name}-${m.to}.x86_64`);
      after.push(to);
      about.set(formatNevra(to.nevra), aboutOf(m));
      if (m.changelog && name === (m.names?.[0] ?? m.source))
        changelogs.set(formatNevra(to.nevra), m.changelog);
      if (m.from === undefined) {
        changes.push({ kind: 'add', to, source: m.source, past: m.past ?? [] });
        continue;
      }
      const from = pin(`${name}-${m.from}.x86_64`, m.kind ? { salt: 'before' } : {});
      before.push(from);
      if (m.kind) changes.push({ kind: m.kind, from, to, source: m.source });
      else changes.push({ kind: 'update', from, to, source: m.source, past: m.past ?? [] });
    }
  }
  const live = verb === 'sync' || verb === 'init';
  const repository = live ? { ...STABLE, team: 'vendor', tier: 'live' } : STABLE;
  const snapshot = (pins: readonly Pin[]) => makeSnapshot({ repository, from: 'x', pins });
  return {
    verb,
    team: repository.team,
    tier: repository.tier,
    set: 'rocky-9-x86_64',
    now: NOW,
    from: live ? 'upstream' : 'unstable',
    repositories: [
      {
        repository,
        before: verb === 'init' ? undefined : snapshot(before),
        after: snapshot(after),
        changes,
        staying: given.staying ?? [],
        attention: given.attention ?? [],
        troubles: [],
        notes: given.notes ?? [],
      },
    ],
    about,
    changelogs,
    ...(verb === 'init' ? {} : { inside: { changes: new Map(), unseen: 0 } }),
    ...(given.reason === undefined ? {} : { reason: given.reason }),
  };
}

function aboutOf(m: Moving): About {
  const stay = (days: number) => ({ began: new Date(NOW.getTime() - days * DAY), exact: true });
  return {
    source: m.source,
    sourceVersion: m.to,
    obsoletes: [],
    summary: m.summary ?? '',
    advisories: m.advisories ?? [],
    seen: stay(m.seen ?? 12),
    inParent: stay(m.inParent ?? 9),
  };
}

export function advisory(id: string, o: Partial<AdvisoryFacts> = {}): AdvisoryFacts {
  return {
    id,
    severity: 'important',
    type: 'security',
    title: '',
    cves: [],
    url: `https://errata.example/${id}`,
    builds: [],
    ...o,
  };
}

/** Numbers that look like nothing, and are the same every time. */
export function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator
    return (state >>> 8) % sides;
  };
}

const SEVERITIES = ['critical', 'important', 'moderate', 'low'] as const;

/** A promotion of that many source packages: some with advisories, some that need eyes, some that stay. */
export function wave(count: number, o: { readonly eyes?: number; readonly verb?: Plan['verb'] } = {}): Plan {
  const roll = dice(count);
  const moving = Array.from({ length: count }, (_, i): Moving => {
    const source = `package-${String(i).padStart(5, '0')}`;
    const names = Array.from({ length: 1 + roll(4) }, (_, k) => (k === 0 ? source : `${source}-part${k}`));
    const [version, release] = [roll(40), 1 + roll(20)];
    const to = `${version}.${roll(10)}-${release + 1}.el9`;
    const isFix = roll(12) === 0;
    const builds = names.map((name) => `${name}-${to}.x86_64`);
    return {
      source,
      names,
      from: o.verb === 'init' || roll(30) === 0 ? undefined : `${version}.0-${release}.el9`,
      to,
      summary: `What package ${i} is for, said in one line of some length`,
      changelog: {
        first: `Resolves: RHEL-${roll(99_999)} a fault in package ${i}`,
        entries: 1 + roll(4),
        complete: true,
      },
      inParent: 7 + roll(20),
      seen: 10 + roll(30),
      ...(isFix
        ? {
            advisories: [
              advisory(`RLSA-2026:${1000 + i}`, {
                severity: SEVERITIES[roll(4)] ?? 'low',
                cves: [`CVE-2026-${10_000 + i}`],
                title: `${source} security update`,
                builds: roll(3) === 0 ? [...builds, `${source}-debuginfo-${to}.x86_64`] : builds,
              }),
            ],
          }
        : {}),
      ...(i < (o.eyes ?? 0) ? { past: ['3 of 7 days in unstable'] } : {}),
    };
  });
  const staying = Array.from({ length: Math.ceil(count / 10) }, (_, i): Staying => {
    const build = pin(`waiting-${String(i).padStart(4, '0')}-2-1.el9.x86_64`);
    const until = new Date(NOW.getTime() + (1 + roll(9)) * DAY);
    return {
      build,
      source: build.nevra.name,
      has: undefined,
      reason: { kind: 'wait', until, why: `${roll(7)} of 7 days in unstable` },
    };
  });
  return planOf({ verb: o.verb ?? 'promote', moving, staying: o.verb === 'init' ? [] : staying });
}
