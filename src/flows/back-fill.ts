import { formatChecksum, sameChecksum } from '../base/checksum.ts';
import { formatRepositoryId, LIVE_TIER, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import { amendSnapshot, emptySnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { chainOf } from './plan-hotfix.ts';
import { liveName, type State, targetName } from './state.ts';

/** A line that `fix` writes into a tier between, so that what a person wrote behind it is not ahead of it. */
export interface BackFilled {
  readonly repository: RepositoryName;
  readonly build: string;
  /** The tier that has it. */
  readonly behind: string;
}

/**
 * A hotfix by hand is one line: every tier between live and the one that was edited gets the build too, where it is older there. Only
 * builds that main does not have in that tier, and that live has with the same bytes. `work` is changed.
 */
export function backFill(
  main: State,
  policies: State['policies'],
  work: Map<string, Snapshot>,
): BackFilled[] {
  const added: BackFilled[] = [];
  for (const { repository, pins } of [...work.values()]) {
    const team = policies.teams.get(repository.team);
    const tier = team?.tiers.find(({ name }) => name === repository.tier);
    const upstream = policies.upstreams.get(upstreamId(repository));
    if (!team || !tier || !upstream) continue; // check says so
    const had = new Set((main.snapshot(repository)?.pins ?? []).map((p) => formatChecksum(p.checksum)));
    const live = main.snapshot(liveName(upstream));
    const fresh = pins.filter(
      (pin) =>
        !had.has(formatChecksum(pin.checksum)) &&
        live?.pins.some((known) => !known.withdrawn && sameChecksum(known.checksum, pin.checksum)),
    );
    if (fresh.length === 0 || !live) continue;
    for (const between of chainOf(team, tier).slice(1)) {
      const name = targetName(team, between.name, upstream);
      const key = formatRepositoryId(name);
      const id = between.from === LIVE_TIER ? liveName(upstream) : targetName(team, between.from, upstream);
      const before = work.get(key) ?? emptySnapshot(name, formatRepositoryId(id));
      const missing = fresh.filter((pin) => !before.pins.some((other) => isAhead(other, pin)));
      if (missing.length === 0) continue;
      const modules = new Map(before.modules);
      for (const [nsvca, sum] of work.get(formatRepositoryId(repository))?.modules ?? []) {
        const known = live.modules.get(nsvca);
        if (known && sameChecksum(known, sum) && !modules.has(nsvca)) modules.set(nsvca, sum);
      }
      const { from, repository: same } = before;
      work.set(
        key,
        amendSnapshot(before, { without: new Set(), pins: missing }, { repository: same, from, modules }),
      );
      for (const { nevra } of missing) {
        added.push({ repository: name, build: formatNevra(nevra), behind: `${team.team}/${tier.name}` });
      }
    }
  }
  return added;
}

function isAhead(other: Snapshot['pins'][number], pin: Snapshot['pins'][number]): boolean {
  return nameArch(other.nevra) === nameArch(pin.nevra) && compareEvr(other.nevra.evr, pin.nevra.evr) >= 0;
}
