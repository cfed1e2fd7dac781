import { comparedWith, membersOf, type SetContents, sightingsOf } from './brokenSet.ts';
import type { Documents } from './closing.ts';
import { Watch } from './watch.ts';

/** A build that cannot stay where others go. */
export interface Along {
  readonly build: number;
  /** What it needs and no longer has. */
  readonly requirement: number;
  /** Of what goes, the build for which it follows: one that gave it that, or that it came into sight behind. */
  readonly of: number;
}

/** What follows from taking builds out of a set. */
export interface Cascade {
  /** What goes along, in the order in which it follows. */
  readonly along: readonly Along[];
  /** What would be broken and cannot go: clients have it from elsewhere (`also:`). */
  readonly stuck: readonly Along[];
}

/**
 * Takes builds out of a set, and whatever nothing in it supports any longer, for any client of the set. What was unmet before is
 * no reason to go. `documents`: the module documents that are left where these builds are gone.
 */
export function removal(
  set: SetContents,
  gone: Iterable<number>,
  documents: (gone: ReadonlySet<number>) => readonly Documents[],
): Cascade {
  const { closure } = set;
  const { universe, also } = closure;
  const members = membersOf(set);
  const has = (build: number) => members[build] === 1;
  const before = sightingsOf(set, members);
  const all = new Set(gone);
  const along: Along[] = [];
  const stuck = new Map<number, Along>();
  let watches: Watch[] = [];
  for (let wave = [...all]; wave.length > 0; ) {
    for (const build of wave) if (also[build] !== 1) members[build] = 0;
    const names = new Set([...all].map((build) => universe.names.of(build)));
    watches = closure.filters(documents(all), has).map((filter) => {
      const known = watches.find(({ label }) => label === filter.label);
      const watch = known ?? new Watch(universe, comparedWith(before, filter));
      watch.look(filter, has);
      watch.change(names, has);
      return watch;
    });
    const next: number[] = [];
    for (const watch of watches) {
      for (const { build, requirement } of watch.added()) {
        if (all.has(build) || stuck.has(build)) continue;
        const follows = { build, requirement, of: cause(build, requirement, watch, all, set) };
        if (also[build] === 1) {
          stuck.set(build, follows);
          continue;
        }
        all.add(build);
        next.push(build);
        along.push(follows);
      }
    }
    wave = next;
  }
  return { along, stuck: [...stuck.values()] };
}

/** Of what is gone: who gave it, the last one first; else a newer build of the same name, which hid this one. */
function cause(
  build: number,
  requirement: number,
  watch: Watch,
  gone: ReadonlySet<number>,
  { closure: { universe } }: SetContents,
): number {
  const { requirements, names } = universe;
  const gave = [...requirements.satisfiers(requirement)].filter((b) => gone.has(b));
  const seen = gave.find((b) => watch.before.sees[b] === 1);
  const hid = [...names.builds(names.of(build))].find((b) => gone.has(b));
  return seen ?? gave[0] ?? hid ?? ([...gone][0] as number);
}
