import { sameChecksum } from '../base/checksum.ts';
import { by } from '../base/order.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import type { Pin } from './types.ts';

/** What stands in one manifest and not in another, by name.arch. */
export interface DiffRow {
  readonly key: string;
  readonly kind: 'only-a' | 'only-b' | 'newer-in-a' | 'newer-in-b' | 'other-bytes' | 'other-builds';
  readonly a: readonly Pin[];
  readonly b: readonly Pin[];
}

/** Compares two manifests; rows are in key order, and what is equal is left out. */
export function diffSnapshots(a: Snapshot | undefined, b: Snapshot | undefined): DiffRow[] {
  const keys = new Map<string, { a: Pin[]; b: Pin[] }>();
  const entry = (pin: Pin) => {
    const key = nameArch(pin.nevra);
    const known = keys.get(key) ?? { a: [], b: [] };
    keys.set(key, known);
    return known;
  };
  for (const pin of a?.pins ?? []) entry(pin).a.push(pin);
  for (const pin of b?.pins ?? []) entry(pin).b.push(pin);
  const rows: DiffRow[] = [];
  for (const [key, pair] of keys) {
    const kind = compare(pair.a, pair.b);
    if (kind) rows.push({ key, kind, ...pair });
  }
  return rows.sort(by((row) => row.key));
}

function compare(a: readonly Pin[], b: readonly Pin[]): DiffRow['kind'] | undefined {
  const newestA = a.at(-1);
  const newestB = b.at(-1);
  if (!newestA) return 'only-b';
  if (!newestB) return 'only-a';
  const order = compareEvr(newestA.nevra.evr, newestB.nevra.evr);
  if (order !== 0) return order > 0 ? 'newer-in-a' : 'newer-in-b';
  const same = (x: Pin, y: Pin) => formatNevra(x.nevra) === formatNevra(y.nevra);
  if (a.length !== b.length || a.some((x, i) => !same(x, b[i] as Pin))) return 'other-builds';
  return a.some((x, i) => !sameChecksum(x.checksum, (b[i] as Pin).checksum)) ? 'other-bytes' : undefined;
}
