import type { TierPolicy } from '../manifest/policy.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { newest } from './groups.ts';
import type { BuildFacts, Pin, Stay } from './types.ts';

/** How many builds of a name.arch a tier keeps, and by which key of its policy. */
export function keepOf(
  { keep, keepInstallonly }: Pick<TierPolicy, 'keep' | 'keepInstallonly'>,
  { installOnly }: BuildFacts,
): { n: number; text: string } {
  if (installOnly === undefined || keepInstallonly === keep) return { n: keep, text: `keep: ${keep}` };
  return { n: keepInstallonly, text: `keepInstallonly: ${keepInstallonly}` };
}

/** A tier that takes its builds from the repository whose retention is decided. */
export interface Child {
  /** `infra/stable`, for the reason that is given. */
  readonly name: string;
  /** What it has, by group, oldest first. */
  readonly groups: ReadonlyMap<string, readonly Pin[]>;
  readonly wait: { readonly seen: number; readonly inParent: number };
}

/** What is known of one group of builds in the repository whose retention is decided. */
export interface Retention {
  readonly keep: number;
  readonly children: readonly Child[];
  /** Since when a build is in this repository, and was seen upstream. Undefined: it comes in with this plan. */
  readonly since: (pin: Pin) => { seen: Stay; here: Stay } | undefined;
  readonly now: Date;
  /** Stays whatever `keep` says: a host runs it. */
  readonly inUse?: (pin: Pin) => boolean;
}

/**
 * The builds of a group (oldest first) that may go: older than the newest `keep`, in no child, and not needed by a child that
 * still waits for one of them. A child waits for a build while it is newer than what the child has and nothing newer is ripe
 * for it yet; so a package that is rebuilt every day still moves, and no more than one wait's worth of builds is kept.
 */
export function mayGo(key: string, group: readonly Pin[], r: Retention): Pin[] {
  const live = group.filter((pin) => !pin.withdrawn);
  const kept = new Set<Pin>(live.slice(-r.keep));
  return group.filter(
    (pin) =>
      !kept.has(pin) && !r.inUse?.(pin) && r.children.every((child) => !needs(child, key, pin, live, r)),
  );
}

function needs(child: Child, key: string, pin: Pin, group: readonly Pin[], r: Retention): boolean {
  const has = child.groups.get(key) ?? [];
  const text = formatNevra(pin.nevra);
  if (has.some((p) => formatNevra(p.nevra) === text)) return true;
  if (pin.withdrawn) return false;
  const current = newest(has);
  if (current && compareEvr(pin.nevra.evr, current.nevra.evr) <= 0) return false;
  return !group.some((other) => compareEvr(other.nevra.evr, pin.nevra.evr) > 0 && ripe(child, other, r));
}

function ripe(child: Child, pin: Pin, r: Retention): boolean {
  const since = r.since(pin);
  if (!since) return false;
  const now = r.now.getTime();
  return (
    now >= since.seen.began.getTime() + child.wait.seen &&
    now >= since.here.began.getTime() + child.wait.inParent
  );
}
