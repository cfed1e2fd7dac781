import { Fault } from '../base/fault.ts';
import { upstreamId } from '../manifest/ids.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { isCandidate } from './candidates.ts';
import { groupKey, groupPins, newest } from './groups.ts';
import type { HotfixInput, HotfixTier } from './hotfix.ts';
import type { Named } from './named.ts';
import type { Along, Facts, Pin } from './types.ts';

/** One repository's build that a tier is to get. */
export interface Asked {
  readonly pin: Pin;
  readonly upstream: string;
  /** Nobody named it: the tier that takes from this one needs it. */
  readonly along?: Along;
}

const NONE: readonly Pin[] = [];
const PLAIN = 'noarch';

/** Of a name or a build whatever is named, of all else what the tier has an older build of. */
export function wantedIn(tier: HotfixTier, named: readonly Named[], input: HotfixInput): Asked[] {
  return named.flatMap(({ word, kind, builds }) => {
    const known = builds.filter(({ pin, upstream }) => groupOf(tier, upstream, pin, input.facts));
    if (known.length > 0) {
      if (kind === 'build') refuseLower(known, tier, input);
      return known;
    }
    if (kind === 'advisory' || kind === 'cve') return [];
    const own = kind === 'source' ? builds.filter(({ pin }) => pin.nevra.name === word) : builds;
    const arches = new Set([PLAIN, ...tier.repositories.map((r) => r.repository.arch)]);
    const usual = own.filter(({ pin }) => arches.has(pin.nevra.arch));
    return usual.length > 0 ? usual : own;
  });
}

/** Whoever names an older build than the tier has wants something else than a hotfix. */
function refuseLower(builds: readonly Asked[], tier: HotfixTier, input: HotfixInput): void {
  if (tier !== input.tiers[0]) return; // a tier between may be ahead
  for (const { pin, upstream } of builds) {
    const has = newest(groupOf(tier, upstream, pin, input.facts));
    if (!has || compareEvr(has.nevra.evr, pin.nevra.evr) <= 0) continue;
    const where = `${input.team.team}/${tier.tier.name}`;
    const message = `${where} has ${formatNevra(has.nevra)}, which is newer than ${formatNevra(pin.nevra)}: a hotfix never lowers`;
    throw new Fault('USAGE', message, { hint: 'To go back, take a rollback of the tier.', at: where });
  }
}

function groupOf(tier: HotfixTier, upstream: string, pin: Pin, facts: Facts): readonly Pin[] | undefined {
  const repository = tier.repositories.find((r) => upstreamId(r.repository) === upstream);
  return groupPins(repository?.target?.pins ?? NONE, facts).get(groupKey(pin, facts));
}

export function isMissing({ pin, upstream }: Asked, tier: HotfixTier, { facts }: HotfixInput): boolean {
  const group = groupOf(tier, upstream, pin, facts);
  return isCandidate(pin, newest(group), group);
}

/** What the tier has of the same source packages goes to the same version with them, where live has it. */
export function siblingsOf(asked: readonly Asked[], tier: HotfixTier, input: HotfixInput): Asked[] {
  const { facts } = input;
  const versionOf = (pin: Pin) => `${facts.build(pin).source} ${facts.build(pin).sourceVersion}`;
  const versions = new Set(asked.map(({ pin }) => versionOf(pin)));
  return tier.repositories.flatMap((r) => {
    const upstream = upstreamId(r.repository);
    const family = r.live.pins.filter((pin) => !pin.withdrawn && versions.has(versionOf(pin)));
    return family
      .map((pin) => ({ pin, upstream }))
      .filter((one) => groupOf(tier, upstream, one.pin, facts) && isMissing(one, tier, input));
  });
}
