import { formatChecksum } from '../base/checksum.ts';
import { groupBy } from '../base/order.ts';
import { LIVE_TIER, lockPath, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import { wantsSigned } from '../manifest/provenance-policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import type { RepositoryProvenance, Signed } from '../report/provenance.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { World } from './context.ts';
import { buildKey, type Origins, originsOf } from './origins.ts';
import { signersOf } from './signers.ts';
import type { State } from './state.ts';

/** Every repository of a tier that has a manifest; live follows upstream and is not asked. */
export function tierRepositories(state: State): RepositoryName[] {
  return state.repositories.filter((name) => name.tier !== LIVE_TIER);
}

/** The tier's policy, where one declares it. */
export function tierPolicyOf(state: State, name: RepositoryName): TierPolicy | undefined {
  return state.policies.teams.get(name.team)?.tiers.find((tier) => tier.name === name.tier);
}

/**
 * Where every build of these repositories comes from and who signed it. The manifests must be such as can be read. `full`: for an
 * auditor, so the upstream state of each build too, and every file is read that nobody judged by the rules of now; else only those
 * of tiers whose rule wants signatures.
 */
export async function provenanceOf(
  world: World,
  state: State,
  names: readonly RepositoryName[],
  o: { readonly full: boolean },
): Promise<RepositoryProvenance[]> {
  const origins = await originsOf(state, names, { states: o.full });
  const found: RepositoryProvenance[] = [];
  for (const [id, own] of groupBy(names, upstreamId)) {
    const signed = await signersOfAll(world, state, own, origins, o.full);
    for (const repository of own) {
      const known = origins.get(repository);
      const at = lockPlaces(state, repository);
      const builds = (state.snapshot(repository)?.pins ?? []).map((pin) => {
        const origin =
          known?.get(buildKey(pin)) ?? ({ kind: 'foreign', why: 'nothing is known of it' } as const);
        const isForeign = origin.kind === 'foreign';
        return {
          pin,
          origin,
          signed: isForeign ? undefined : signed.get(formatChecksum(pin.checksum)),
          at: at(formatNevra(pin.nevra)),
        };
      });
      found.push({ repository, upstream: id, builds });
    }
  }
  return found;
}

async function signersOfAll(
  world: World,
  state: State,
  names: readonly RepositoryName[],
  origins: Origins,
  full: boolean,
): Promise<ReadonlyMap<string, Signed>> {
  const upstream = state.policies.upstreams.get(names[0] ? upstreamId(names[0]) : '');
  if (!upstream) return new Map();
  const pins: Pin[] = [];
  const examine = new Set<string>();
  for (const name of names) {
    const tier = tierPolicyOf(state, name);
    for (const pin of state.snapshot(name)?.pins ?? []) {
      if (origins.get(name)?.get(buildKey(pin))?.kind !== 'upstream') continue;
      pins.push(pin);
      if (full || (tier && wantsSigned(tier))) examine.add(formatChecksum(pin.checksum));
    }
  }
  return signersOf(world, state, upstream, pins, { examine });
}

/** `file:line:col` of a build in its lock, where its checksum stands too. */
function lockPlaces(state: State, name: RepositoryName): (nevra: string) => string {
  const path = lockPath(name);
  const lines = new Map<string, number>();
  for (const [i, line] of (state.files.get(path) ?? '').split('\n').entries()) {
    const end = line.indexOf(' ');
    if (end > 0) lines.set(line.slice(0, end), i + 1);
  }
  return (nevra) => `${path}:${lines.get(nevra) ?? 1}:1`;
}
