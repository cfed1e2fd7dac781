import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import {
  formatRepositoryId,
  LIVE_TIER,
  lockPath,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import { originsText, permitsOrigin, wantsSigned } from '../manifest/provenance-policy.ts';
import { sameTree } from '../plan/kickstart.ts';
import type { BuildProvenance, RepositoryProvenance } from '../report/provenance.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { World } from './context.ts';
import { buildKey } from './origins.ts';
import { provenanceOf, tierPolicyOf, tierRepositories } from './provenance.ts';
import type { State } from './state.ts';

/**
 * What teams' rules have against builds of their tiers. `mirror`: one is at hand, so what it does not prove is refused; without
 * one, signatures are left to the check that has it (every merge does), and the result says how many.
 */
export function provenanceFaults(
  state: State,
  found: readonly RepositoryProvenance[],
  o: { readonly mirror: boolean },
): Fault[] {
  return found.flatMap((r) => {
    const tier = tierPolicyOf(state, r.repository);
    return tier?.provenance ? faultsOf(r, tier, o.mirror) : [];
  });
}

function faultsOf(r: RepositoryProvenance, tier: TierPolicy, mirror: boolean): Fault[] {
  const faults: Fault[] = [];
  const tierName = `${r.repository.team}/${r.repository.tier}`;
  const refuse = (at: string, message: string, hint: string) =>
    faults.push(new Fault('PROVENANCE', message, { hint, at }));
  const signed = wantsSigned(tier);
  for (const { pin, origin, signed: said, at } of r.builds) {
    const build = formatNevra(pin.nevra);
    if (origin.kind === 'foreign') {
      refuse(at, `${build} is foreign to ${tierName}: ${origin.why}`, FOREIGN);
    } else if (signed && (said?.kind === 'refused' || said?.kind === 'unsigned')) {
      refuse(at, `${build} is not signed as ${tierName} wants it: ${said.why}`, UNSIGNED);
    }
  }
  const refuseAll = (builds: readonly BuildProvenance[], message: string, hint: string) => {
    const [first] = builds;
    if (!first) return;
    const more = builds.length > 1 ? ` (and ${builds.length - 1} more)` : '';
    refuse(first.at, `${formatNevra(first.pin.nevra)}${more} ${message}`, hint);
  };
  const own = r.builds.filter(({ origin }) => origin.kind === 'upstream');
  if (!permitsOrigin(tier, r.upstream)) {
    const message = `of ${r.upstream}, and ${tierName} takes only builds of ${originsText(tier)}`;
    refuseAll(own, message, 'Remove them from the tier, or add the upstream to the origins.');
  }
  if (signed && mirror) {
    const unproved = own.filter((b) => b.signed === undefined || b.signed.kind === 'unproved');
    const why = unproved[0]?.signed?.kind === 'unproved' ? unproved[0].signed.why : 'nothing is known of it';
    refuseAll(unproved, `cannot be shown to be signed: ${why}`, UNPROVED);
  }
  return faults;
}

const FOREIGN = 'Remove it from the manifest and run sluice fix; builds come in through live.';
const UNSIGNED = 'Remove it from the tier, or review the key in the policy of the upstream.';
const UNPROVED = 'Run sluice sync, which fetches and judges what is missing, or remove it from the tier.';

/**
 * The rules of teams, asked of what a merge would change: tiers whose lock, rule, upstream or keys differ from main's. What stands
 * on main already is for `check` to say: one team's debt must not keep the others, and live, from moving.
 */
export async function checkRules(world: World, main: State, merged: State): Promise<Fault[]> {
  const changed = (path: string) => main.files.get(path) !== merged.files.get(path);
  const names = tierRepositories(merged).filter((name) => {
    if (!tierPolicyOf(merged, name)?.provenance) return false;
    const upstream = merged.policies.upstreams.get(upstreamId(name));
    const keys = upstream?.keys.map(({ file }) => `policies/${file}`) ?? [];
    const policies = [merged.policies.teams.get(name.team)?.path, upstream?.path].filter(
      (p) => p !== undefined,
    );
    return [lockPath(name), ...policies, ...keys].some(changed);
  });
  const found = await provenanceOf(world, merged, names, { full: false });
  return provenanceFaults(merged, found, { mirror: world.mirrorDir !== undefined });
}

/**
 * Builds that a change brings to live although live never had them: a sync's plan may, and nobody else, or a line that a person
 * wrote would be an upstream's build for ever after. `planned`: locks that are as a recomputed plan says.
 */
export async function builtByHand(
  main: State,
  merged: State,
  planned: (path: string) => boolean,
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const name of merged.repositories.filter((n) => n.tier === LIVE_TIER)) {
    const path = lockPath(name);
    const [tree, yaml] = [merged.snapshot(name)?.kickstart, snapshotPath(name)];
    if (tree && !planned(yaml) && !sameTree(main.snapshot(name)?.kickstart, tree)) {
      faults.push(byHand(name, `the installation tree ${formatChecksum(tree)}`, yaml));
    }
    if (planned(path) || main.files.get(path) === merged.files.get(path)) continue;
    const had = new Set((main.snapshot(name)?.pins ?? []).map(buildKey));
    const added = (merged.snapshot(name)?.pins ?? []).filter((pin) => !had.has(buildKey(pin)));
    const before = await main.history.lastListed(path, new Set(added.map(buildKey)));
    for (const pin of added.filter((p) => !before.has(buildKey(p)))) {
      faults.push(byHand(name, formatNevra(pin.nevra), path));
    }
  }
  return faults;
}

function byHand(name: RepositoryName, build: string, at: string): Fault {
  const message = `${build} would come to ${formatRepositoryId(name)} without a sync that found it upstream`;
  const hint = 'Run sluice sync or sluice accept: live has only what its upstream listed.';
  return new Fault('PROVENANCE', message, { hint, at });
}
