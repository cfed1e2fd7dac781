import { createHash } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { type Checksum, formatChecksum } from '../../src/base/checksum.ts';
import { by } from '../../src/base/order.ts';
import { readBaseline } from '../../src/manifest/baseline.ts';
import type { RepositoryName } from '../../src/manifest/ids.ts';
import { loadPolicies, type Policies } from '../../src/manifest/policy.ts';
import { makeSnapshot, type Pin, type Snapshot } from '../../src/manifest/snapshot.ts';
import type { Closure } from '../../src/plan/closing.ts';
import { groupPins } from '../../src/plan/groups.ts';
import { NameArches } from '../../src/plan/nameArches.ts';
import type { PromoteInput } from '../../src/plan/promote.ts';
import { Requirements } from '../../src/plan/requirements.ts';
import type { AdvisoryFacts, Facts, Stay } from '../../src/plan/types.ts';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { formatNevra, type Nevra, nameArch, parseNevra } from '../../src/rpm/nevra.ts';
import { packageXml } from '../fixtures/libsolv.ts';

/** A scenario as people write it: NEVRAs with the day since when they stand there. */
export interface Given {
  readonly now: string;
  /** Of the team's policy: `holds`, `allow`, `deny`, and one `tier`. */
  readonly team?: Readonly<Record<string, unknown>>;
  readonly tier?: Readonly<Record<string, unknown>>;
  readonly severity?: 'trusted';
  /** In the parent since that day. */
  readonly parent: Readonly<Record<string, string>>;
  /** Seen upstream since that day, where that is not the day of the parent. */
  readonly seen?: Readonly<Record<string, string>>;
  readonly target?: readonly string[];
  /** Module documents that the target has; absent: none. */
  readonly targetModules?: readonly string[];
  /** Since when the target has them, where retention asks. */
  readonly inTarget?: Readonly<Record<string, string>>;
  /** Source package by package name. */
  readonly sources?: Readonly<Record<string, string>>;
  readonly obsoletes?: Readonly<Record<string, readonly string[]>>;
  /** By package name or NEVRA, as a spec file has them: `libfoo >= 2`, `(a if b)`. Every build provides its own name. */
  readonly requires?: Readonly<Record<string, readonly string[]>>;
  readonly provides?: Readonly<Record<string, readonly string[]>>;
  /** What clients have besides (`also:`). */
  readonly also?: readonly string[];
  readonly overrideHolds?: string;
  /** Lines of the tier's baseline. */
  readonly baseline?: string;
  /** Builds that a host's profile has. */
  readonly installed?: readonly string[];
  /** Names (in front of a version, where it is in the name) that dnf installs beside each other. */
  readonly installOnly?: Readonly<Record<string, 'kernel' | 'other'>>;
  readonly streams?: Readonly<Record<string, readonly string[]>>;
  readonly advisories?: readonly {
    readonly id: string;
    readonly severity: AdvisoryFacts['severity'];
    readonly builds: readonly string[];
    readonly cves?: readonly string[];
  }[];
  readonly children?: Readonly<
    Record<string, { readonly seen?: string; readonly inParent?: string; readonly has: readonly string[] }>
  >;
  readonly withdrawn?: readonly string[];
  /** Builds of the target whose bytes are not the parent's. */
  readonly otherBytes?: readonly string[];
  readonly named?: readonly string[];
}

export const UPSTREAM = 'harbor-9-x86_64-base';

export function readGiven(text: string): Given {
  return parse(text, { schema: 'failsafe' }) as Given;
}

export function policiesFor(given: Given): Policies {
  const upstream = {
    apiVersion: 'sluice/v1',
    kind: 'Upstream',
    id: UPSTREAM,
    baseurl: ['https://vendor.example/base/'],
    packages: { signatures: 'none', reason: 'a test' },
    metadata: {
      signatures: 'none',
      reason: 'a test',
      ...(given.severity ? { severity: given.severity } : {}),
    },
  };
  return loadPolicies(
    new Map([
      [`policies/upstreams/${UPSTREAM}.yaml`, stringify(upstream)],
      ['policies/teams/infra.yaml', policyText(given)],
    ]),
  );
}

/** The team's policy as it stands in a file. */
export function policyText(given: Given): string {
  const children = Object.entries(given.children ?? {}).map(([name, { seen, inParent }]) => {
    const wait = { ...(seen ? { seen } : {}), ...(inParent ? { inParent } : {}) };
    return [name, { from: 'stable', wait }] as const;
  });
  const team = {
    apiVersion: 'sluice/v1',
    kind: 'Team',
    team: 'infra',
    repositories: [UPSTREAM],
    tiers: {
      unstable: { from: 'live', wait: { seen: '0d' } },
      stable: { from: 'unstable', ...given.tier },
      ...Object.fromEntries(children),
    },
    ...given.team,
  };
  return stringify(team, { aliasDuplicateObjects: false });
}

export function pin(nevra: string, o: { salt?: string; withdrawn?: boolean } = {}): Pin {
  const digest = createHash('sha256')
    .update(`${nevra}${o.salt ?? ''}`)
    .digest('hex');
  const checksum: Checksum = { type: 'sha256', hex: digest };
  return {
    nevra: parseNevra(nevra),
    checksum,
    size: 1000,
    record: digest.slice(0, 12),
    withdrawn: o.withdrawn ?? false,
  };
}

export function inputOf(given: Given): PromoteInput {
  const policies = policiesFor(given);
  const team = policies.teams.get('infra');
  const tier = team?.tiers.find((t) => t.name === 'stable');
  const upstream = policies.upstreams.get(UPSTREAM);
  if (!team || !tier || !upstream) throw new Error('the scenario has no team');
  const name = (tierName: string): RepositoryName => {
    const owner = tierName === 'live' ? 'vendor' : 'infra';
    return { team: owner, tier: tierName, os: 'harbor', version: '9', arch: 'x86_64', repo: 'base' };
  };
  const facts = factsFor(given);
  const parent = Object.keys(given.parent).map((n) => pin(n));
  const other = new Set(given.otherBytes);
  const target = (given.target ?? []).map((n) => pin(n, other.has(n) ? { salt: 'other' } : {}));
  const gone = new Set(given.withdrawn);
  const live = parent.map((p) => (gone.has(formatNevra(p.nevra)) ? { ...p, withdrawn: true } : p));
  const snapshot = (tierName: string, from: string, pins: readonly Pin[]): Snapshot => {
    const modules = new Map(
      Object.keys(given.streams ?? {}).map((nsvca) => [
        nsvca,
        pin(`${nsvca.replaceAll(':', '_')}-1-1.x`).checksum,
      ]),
    );
    return makeSnapshot({
      repository: name(tierName),
      from,
      modules:
        tierName === 'stable'
          ? new Map([...modules].filter(([nsvca]) => given.targetModules?.includes(nsvca)))
          : modules,
      pins,
    });
  };
  return {
    team,
    tier,
    set: 'harbor-9-x86_64',
    facts,
    named: given.named ?? [],
    ...(given.overrideHolds === undefined ? {} : { overrideHolds: given.overrideHolds }),
    ...(given.installed
      ? { installed: (nevra: Nevra) => given.installed?.includes(formatNevra(nevra)) ?? false }
      : {}),
    closure: closureOf(given, [...parent, ...target]),
    ...(given.baseline === undefined
      ? {}
      : { baseline: readBaseline(given.baseline, 'baselines/image.txt') }),
    now: new Date(given.now),
    repositories: [
      {
        repository: name('stable'),
        upstream,
        live: snapshot('live', UPSTREAM, live),
        parent: snapshot('unstable', `vendor-live-${UPSTREAM}`, parent),
        target: given.target ? snapshot('stable', `infra-unstable-${UPSTREAM}`, target) : undefined,
        seen: stays({ ...given.parent, ...given.seen }),
        inParent: stays(given.parent),
        inTarget: stays(given.inTarget ?? {}),
        children: team.tiers
          .filter((t) => t.from === 'stable')
          .map((t) => ({
            name: `infra/${t.name}`,
            wait: t.wait,
            groups: groupPins(
              (given.children?.[t.name]?.has ?? []).map((n) => pin(n)),
              facts,
            ),
          })),
      },
    ],
  };
}

/** The same questions as of a real set, but for module filters: every build is seen, or the newest of each name.arch. */
export function closureOf(given: Given, pins: readonly Pin[]): Closure {
  const index = new PackageIndex();
  const numbers = new Map<string, number>();
  const also = (given.also ?? []).map((n) => pin(n));
  const all = [...pins, ...also].sort(by((p) => `${formatNevra(p.nevra)} ${p.record}`));
  for (const p of all) {
    if (!numbers.has(p.record)) numbers.set(p.record, index.add(elementOf(p, given)));
  }
  const universe = { requirements: new Requirements(index), names: new NameArches(index) };
  const shows = new Uint8Array(index.size).fill(1);
  const alsoSet = new Uint8Array(index.size);
  for (const p of also) alsoSet[numbers.get(p.record) as number] = 1;
  return {
    universe,
    number: (p) => numbers.get(p.record),
    also: alsoSet,
    filters: () => [
      { label: 'every build', shows, newestOnly: false },
      { label: 'newest, default streams', shows, newestOnly: true },
    ],
  };
}

function elementOf({ nevra }: Pin, given: Given): Buffer {
  const { name, arch, evr } = nevra;
  const listed = (of: Readonly<Record<string, readonly string[]>> | undefined) => [
    ...(of?.[name] ?? []),
    ...(of?.[formatNevra(nevra)] ?? []),
  ];
  return packageXml(
    { name, evr: formatEvr(evr), arch },
    {
      provides: [`${name} = ${formatEvr(evr)}`, ...listed(given.provides)],
      requires: listed(given.requires),
      obsoletes: listed(given.obsoletes),
    },
  );
}

export function stays(days: Readonly<Record<string, string>>): ReadonlyMap<string, Stay> {
  return new Map(
    Object.entries(days).map(([n, day]) => [
      formatChecksum(pin(n).checksum),
      { began: new Date(day), exact: true },
    ]),
  );
}

export function factsFor(given: Given): Facts {
  const streams = Object.entries(given.streams ?? {});
  const documents = (nevra: string) =>
    streams.filter(([, builds]) => builds.includes(nevra)).map(([nsvca]) => nsvca);
  return {
    build: ({ nevra }) => ({
      source: given.sources?.[nevra.name] ?? nevra.name,
      sourceVersion: `${nevra.evr.version}-${nevra.evr.release}`,
      obsoletes: [
        ...(given.obsoletes?.[nevra.name] ?? []),
        ...(given.obsoletes?.[formatNevra(nevra)] ?? []),
      ].map((text) => text.split(' ')[0] as string),
      summary: '',
      ...(given.installOnly?.[nevra.name] ? { installOnly: given.installOnly[nevra.name] } : {}),
    }),
    advisories: (nevra) =>
      (given.advisories ?? [])
        .filter((a) => a.builds.includes(nevra))
        .map((a) => ({ ...a, type: 'security', title: a.id, cves: a.cves ?? [], url: undefined })),
    advisoriesOn: (key) =>
      (given.advisories ?? [])
        .filter((a) => a.builds.some((build) => nameArch(parseNevra(build)) === key))
        .map((a) => ({ ...a, type: 'security', title: a.id, cves: a.cves ?? [], url: undefined })),
    documents,
    streams: (nevra) =>
      [...new Set(documents(nevra).map((nsvca) => nsvca.split(':').slice(0, 2).join(':')))].sort(),
    artifacts: (nsvca) => given.streams?.[nsvca] ?? [],
  };
}
