import { formatChecksum } from '../../src/base/checksum.ts';
import type { RepositoryName } from '../../src/manifest/ids.ts';
import { recallsOf } from '../../src/manifest/recall.ts';
import { makeSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { groupPins } from '../../src/plan/groups.ts';
import type { HotfixInput, HotfixTier } from '../../src/plan/hotfix.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { closureOf, factsFor, type Given, pin, policiesFor, stays, UPSTREAM } from './world.ts';

/** A scenario of a hotfix: live, unstable and stable, each with the day since when it has a build. */
export interface GivenHotfix
  extends Pick<
    Given,
    | 'now'
    | 'team'
    | 'tier'
    | 'severity'
    | 'sources'
    | 'obsoletes'
    | 'requires'
    | 'provides'
    | 'also'
    | 'overrideHolds'
    | 'streams'
    | 'advisories'
    | 'withdrawn'
  > {
  readonly named: readonly string[];
  readonly live: Readonly<Record<string, string>>;
  readonly unstable: Readonly<Record<string, string>>;
  readonly stable: Readonly<Record<string, string>>;
  readonly quarantined?: Readonly<Record<string, string>>;
  /** `unstable`: only into the first tier. */
  readonly to?: string;
}

/** Reading policies takes longer than a plan. */
const known = new Map<string, ReturnType<typeof policiesFor>>();

export function hotfixInput(given: GivenHotfix): HotfixInput {
  const world: Given = { ...given, parent: given.live };
  const key = JSON.stringify([given.team, given.tier, given.severity]);
  const policies = known.get(key) ?? policiesFor(world);
  known.set(key, policies);
  const team = policies.teams.get('infra');
  const upstream = policies.upstreams.get(UPSTREAM);
  if (!team || !upstream) throw new Error('the scenario has no team');
  const facts = factsFor(world);
  const name = (tier: string): RepositoryName => {
    const owner = tier === 'live' ? 'vendor' : 'infra';
    return { team: owner, tier, os: 'harbor', version: '9', arch: 'x86_64', repo: 'base' };
  };
  const gone = new Set(given.withdrawn);
  const pinsOf = (days: Readonly<Record<string, string>>) => Object.keys(days).map((n) => pin(n));
  const modules = new Map(
    Object.keys(given.streams ?? {}).map((nsvca) => {
      return [nsvca, pin(`${nsvca.replaceAll(':', '_')}-1-1.x`).checksum];
    }),
  );
  const live = makeSnapshot({
    repository: name('live'),
    from: UPSTREAM,
    modules,
    pins: pinsOf(given.live).map((p) => (gone.has(formatNevra(p.nevra)) ? { ...p, withdrawn: true } : p)),
    quarantined: Object.entries(given.quarantined ?? {}).map(([nevra, reason]) => {
      return { nevra, checksum: pin(nevra).checksum, reason };
    }),
  });
  const snapshots: Record<string, Snapshot> = {
    live,
    unstable: makeSnapshot({
      repository: name('unstable'),
      from: `vendor-live-${UPSTREAM}`,
      pins: pinsOf(given.unstable),
    }),
    stable: makeSnapshot({
      repository: name('stable'),
      from: `infra-unstable-${UPSTREAM}`,
      pins: pinsOf(given.stable),
    }),
  };
  const now = new Date(given.now);
  const tiers = ['stable', 'unstable'].map((tierName): HotfixTier => {
    const tier = team.tiers.find((t) => t.name === tierName);
    const target = snapshots[tierName];
    const parent = tierName === 'stable' ? snapshots['unstable'] : live;
    if (!tier || !target || !parent) throw new Error(`no tier ${tierName}`);
    const arrives = new Map(live.pins.map((p) => [formatChecksum(p.checksum), { began: now, exact: true }]));
    const own = stays(tierName === 'stable' ? given.unstable : given.live);
    return {
      tier,
      inParent: new Set(parent.pins.map((p) => formatChecksum(p.checksum))),
      repositories: [
        {
          repository: name(tierName),
          upstream,
          live,
          parent: live,
          from: target.from,
          target,
          seen: stays(given.live),
          inParent: new Map([...arrives, ...own]),
          inTarget: stays(tierName === 'stable' ? given.stable : given.unstable),
          children: team.tiers
            .filter((t) => t.from === tierName)
            .map((t) => ({
              name: `infra/${t.name}`,
              wait: t.wait,
              groups: groupPins(snapshots[t.name]?.pins ?? [], facts),
            })),
        },
      ],
    };
  });
  const { named, overrideHolds } = given;
  return {
    team,
    set: 'harbor-9-x86_64',
    tiers: given.to === 'unstable' ? tiers.slice(1) : tiers,
    named,
    reason: 'a test',
    by: 'tester',
    base: 'c0ffee',
    ...(overrideHolds === undefined ? {} : { overrideHolds }),
    facts,
    recalls: recallsOf({ recalls: new Map() }),
    closure: closureOf(world, [...live.pins, ...pinsOf(given.unstable), ...pinsOf(given.stable)]),
    notes: [],
    now,
  };
}
