import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Closure } from './closing.ts';
import type { Pin } from './types.ts';
import type { Break, Universe, Watch } from './watch.ts';

/** Where a build that is missing could come from. */
export interface Supply {
  /** `unstable`, `live` */
  readonly name: string;
  readonly pins: readonly Pin[];
}

/** A step after which one requirement would be met again. */
export type Mend =
  /** It is in a supply and not in the set. */
  | { readonly kind: 'add'; readonly build: string; readonly from: string }
  /** It met the requirement, and was taken away. */
  | { readonly kind: 'keep'; readonly build: string; readonly also: boolean }
  /** A newer build of the name came in; with the older one nothing was broken. */
  | { readonly kind: 'stay'; readonly name: string; readonly at: string }
  /** The build that lacks something came in, and there was none before. */
  | { readonly kind: 'leaveOut'; readonly build: string };

/** A set before and after a change: builds that are in it, and what each client sees. */
export interface Compared {
  readonly before: { readonly closure: Closure };
  readonly after: { readonly closure: Closure };
  readonly watches: readonly Watch[];
  readonly hadBefore: Uint8Array;
  readonly has: Uint8Array;
}

const MOST_MENDS = 3;

export interface Stock {
  readonly name: string;
  readonly builds: ReadonlySet<number>;
}

export function suppliesOf(supplies: readonly Supply[], closure: Closure): Stock[] {
  return supplies.map(({ name, pins }) => ({
    name,
    builds: new Set(pins.flatMap((pin) => (pin.withdrawn ? [] : (closure.number(pin) ?? [])))),
  }));
}

/** The few nearest: what could come in, then what was there before. */
export function mendsOf(
  { build, requirement }: Break,
  watch: Watch,
  compared: Compared,
  supplies: readonly Stock[],
): Mend[] {
  const mends = [
    ...mendsFromSupplies(requirement, watch, compared, supplies),
    ...mendsFromBefore(build, requirement, watch, compared),
  ];
  return mends.slice(0, MOST_MENDS);
}

/** The newest build of each name that a supply has, that the set never had, and that would do for this client. */
function mendsFromSupplies(
  requirement: number,
  watch: Watch,
  { has, hadBefore, after: { closure } }: Compared,
  supplies: readonly Stock[],
): Mend[] {
  const { universe } = closure;
  const { requirements, names } = universe;
  const mends: Mend[] = [];
  const known = new Set<number>();
  const satisfiers = new Set(requirements.satisfiers(requirement));
  for (const { name: from, builds } of supplies) {
    for (const satisfier of satisfiers) {
      const name = names.of(satisfier);
      if (mends.length === MOST_MENDS - 1) return mends; // one place is for what was there before
      if (known.has(name)) continue;
      const build = names.builds(name).find((b) => {
        return satisfiers.has(b) && builds.has(b) && has[b] === 0 && hadBefore[b] === 0;
      });
      if (build === undefined || !wouldMend(build, requirement, watch, has, universe)) continue;
      known.add(name);
      mends.push({ kind: 'add', build: nevraOf(universe, build), from });
    }
  }
  return mends;
}

/** Whether the client would see the build if it came in, and the requirement would be met then. */
function wouldMend(
  build: number,
  requirement: number,
  { filter, now }: Watch,
  has: Uint8Array,
  { requirements, names }: Universe,
): boolean {
  if (filter.shows[build] !== 1) return false;
  const name = names.of(build);
  const isThere = (b: number) => filter.shows[b] === 1 && (b === build || has[b] === 1);
  const inSight = filter.newestOnly ? names.newest(name, isThere) : [...names.builds(name)].filter(isThere);
  if (!inSight.includes(build)) return false;
  if (!requirements.isRich(requirement)) return true;
  const sees = now.sees.slice();
  for (const b of names.builds(name)) sees[b] = inSight.includes(b) ? 1 : 0;
  return requirements.isMet(requirement, sees);
}

function mendsFromBefore(
  build: number,
  requirement: number,
  watch: Watch,
  { has, hadBefore, before, after }: Compared,
): Mend[] {
  const { universe } = after.closure;
  const {
    requirements,
    names,
    requirements: { index },
  } = universe;
  const mends: Mend[] = [];
  const stay = (older: number): Mend => {
    const { name, evr } = index.nevra(older);
    return { kind: 'stay', name, at: formatEvr(evr) };
  };
  for (const satisfier of requirements.satisfiers(requirement)) {
    if (watch.before.sees[satisfier] !== 1 || watch.now.sees[satisfier] === 1) continue;
    const replaced = [...names.builds(names.of(satisfier))].some((b) => has[b] === 1 && hadBefore[b] === 0);
    if (replaced) mends.push(stay(satisfier));
    else if (has[satisfier] === 0) {
      const also = before.closure.also[satisfier] === 1;
      mends.push({ kind: 'keep', build: nevraOf(universe, satisfier), also });
    }
    if (mends.length === MOST_MENDS) return mends;
  }
  if (hadBefore[build] === 1) return mends;
  const older = [...names.builds(names.of(build))].find((b) => watch.before.sees[b] === 1);
  mends.push(older === undefined ? { kind: 'leaveOut', build: nevraOf(universe, build) } : stay(older));
  return mends;
}

export function nevraOf({ requirements: { index } }: Universe, build: number): string {
  return formatNevra(index.nevra(build));
}
