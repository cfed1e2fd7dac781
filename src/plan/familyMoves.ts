import { compareEvr, type Evr } from '../rpm/evr.ts';
import type { Group, Move } from './bundles.ts';
import { familyOf } from './families.ts';

/**
 * Groups that the target has and whose builds come from one source package, as one; every other group by itself. Two vendors' builds
 * of one source name have no version in common, and do not wait for each other.
 */
export function familiesOf(groups: readonly Group[]): Group[][] {
  const families = new Set<Group[]>();
  const ofVersion = new Map<string, Group[]>();
  for (const group of groups) {
    const isMember = group.judged.some((j) => j.has && !j.apart);
    const versions = isMember ? group.moves.map(versionOf) : [];
    const related = new Set<Group[]>();
    for (const version of versions) {
      const family = ofVersion.get(version);
      if (family) related.add(family);
    }
    const [family = [], ...others] = related;
    families.add(family);
    for (const other of others) {
      families.delete(other);
      family.push(...other);
      for (const version of other.flatMap((g) => g.moves.map(versionOf))) ofVersion.set(version, family);
    }
    family.push(group);
    for (const version of versions) ofVersion.set(version, family);
  }
  return [...families];
}

/** Of each source version, the newest first, what each group has of it, or else the newest that is older. */
export function byVersion(family: readonly Group[]): ReadonlyMap<Group, Move>[] {
  const [only, second] = family;
  if (only && !second) return only.moves.map((move) => new Map([[only, move]]));
  const evrs = new Map<string, Evr>();
  for (const move of family.flatMap((group) => group.moves)) {
    const version = versionOf(move);
    const evr = sourceEvr(move);
    const known = evrs.get(version);
    if (!known || evr.epoch > known.epoch) evrs.set(version, evr);
  }
  const ordered = [...evrs].sort(([a, x], [b, y]) => compareEvr(y, x) || (a < b ? -1 : 1));
  const rank = new Map(ordered.map(([version], i) => [version, i]));
  return ordered.map((_, newest) => {
    const moves = new Map<Group, Move>();
    for (const group of family) {
      const move = group.moves.find((m) => (rank.get(versionOf(m)) as number) >= newest);
      if (move) moves.set(group, move);
    }
    return moves;
  });
}

function versionOf({ judged }: Move): string {
  return familyOf(judged.candidate.facts);
}

/** A source package's version as its file has it, with the epoch that its binaries say. */
function sourceEvr({ judged: { build, candidate } }: Move): Evr {
  const { sourceVersion } = candidate.facts;
  const dash = sourceVersion.lastIndexOf('-');
  return {
    epoch: build.nevra.evr.epoch,
    version: sourceVersion.slice(0, dash),
    release: sourceVersion.slice(dash + 1),
  };
}
