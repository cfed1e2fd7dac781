import { type Hold, patternMatches, type TeamPolicy } from '../manifest/policy.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { loadFacts } from './facts.ts';
import { liveName, type State, targetName, upstreamsOf } from './state.ts';

/** The packages of a team's tiers and of live beneath them, and which of them a hold matches. */
export interface HeldNames {
  readonly all: ReadonlySet<string>;
  /** Empty where nobody asked for sources: they stand in the catalog. */
  readonly sources: ReadonlySet<string>;
  /** Names, sorted. */
  matchedBy(hold: Hold): string[];
}

export async function namesOf(
  state: State,
  catalog: Catalog | undefined,
  team: TeamPolicy,
  o: { readonly sources: boolean; readonly live?: boolean },
): Promise<HeldNames> {
  const known: { name: string; source: string | undefined; repository: string }[] = [];
  const all = new Set<string>();
  const sources = new Set<string>();
  for (const upstream of upstreamsOf(state.policies, team)) {
    const tiers = team.tiers.map((tier) => targetName(team, tier.name, upstream));
    const names = o.live === false ? tiers : [liveName(upstream), ...tiers];
    const snapshots: Snapshot[] = names.flatMap((name) => state.snapshot(name) ?? []);
    const facts = o.sources && catalog ? await loadFacts(catalog, snapshots) : undefined;
    const seen = new Set<string>();
    for (const pin of snapshots.flatMap((s) => s.pins)) {
      const { name } = pin.nevra;
      const source = facts?.build(pin).source;
      const key = `${name} ${source ?? ''}`;
      if (seen.has(key)) continue;
      seen.add(key);
      all.add(name);
      if (source !== undefined) sources.add(source);
      known.push({ name, source, repository: upstream.id });
    }
  }
  return {
    all,
    sources,
    matchedBy(hold) {
      const matches = (k: (typeof known)[number], tier: string) => patternMatches(hold, { ...k, tier });
      const found = known.filter((k) => team.tiers.some((tier) => matches(k, tier.name)));
      return [...new Set(found.map((k) => k.name))].sort();
    },
  };
}
