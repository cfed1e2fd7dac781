import { byCodeUnit, groupBy } from '../base/order.ts';
import { compareEvr } from '../rpm/evr.ts';
import type { Installed } from '../rpm/installed.ts';
import { compareNevra, formatNevra, type Nevra, nameArch } from '../rpm/nevra.ts';
import type { DiffRow } from './diff.ts';

/** What one list of builds has and another has not, by name.arch; each side oldest first. */
export interface ListRow {
  readonly key: string;
  readonly kind: Exclude<DiffRow['kind'], 'other-bytes'>;
  readonly a: readonly Nevra[];
  readonly b: readonly Nevra[];
}

/**
 * Compares two lists; rows are in key order, and what is equal is left out. Where a list says no epoch (`rpm -qa` prints none) it is
 * taken for that of the other list's same version, else of its newest build: a vendor raises an epoch once in years.
 */
export function diffLists(a: readonly Installed[], b: readonly Installed[]): ListRow[] {
  const [left, right] = [a, b].map((list) => groupBy(list, ({ nevra }) => nameArch(nevra)));
  const keys = new Set([...(left?.keys() ?? []), ...(right?.keys() ?? [])]);
  const rows: ListRow[] = [];
  for (const key of [...keys].sort(byCodeUnit)) {
    const [ours, theirs] = [left?.get(key) ?? [], right?.get(key) ?? []];
    const pair = { a: withEpochs(ours, theirs), b: withEpochs(theirs, ours) };
    const kind = compare(pair.a, pair.b);
    if (kind) rows.push({ key, kind, ...pair });
  }
  return rows;
}

function withEpochs(list: readonly Installed[], others: readonly Installed[]): Nevra[] {
  const known = others.filter((other) => other.epochKnown).map(({ nevra }) => nevra.evr);
  const newest = known.reduce((max, evr) => (compareEvr(evr, max) > 0 ? evr : max), known[0] as Nevra['evr']);
  const builds = list.map(({ nevra, epochKnown }) => {
    const { version, release } = nevra.evr;
    const same = known.find((evr) => evr.version === version && evr.release === release) ?? newest;
    return epochKnown || !same ? nevra : { ...nevra, evr: { ...nevra.evr, epoch: same.epoch } };
  });
  const distinct = new Map(builds.map((nevra) => [formatNevra(nevra), nevra]));
  return [...distinct.values()].sort(compareNevra);
}

function compare(a: readonly Nevra[], b: readonly Nevra[]): ListRow['kind'] | undefined {
  const [newestA, newestB] = [a.at(-1), b.at(-1)];
  if (!newestA) return 'only-b';
  if (!newestB) return 'only-a';
  const order = compareEvr(newestA.evr, newestB.evr);
  if (order !== 0) return order > 0 ? 'newer-in-a' : 'newer-in-b';
  const same =
    a.length === b.length && a.every((build, i) => formatNevra(build) === formatNevra(b[i] as Nevra));
  return same ? undefined : 'other-builds';
}
