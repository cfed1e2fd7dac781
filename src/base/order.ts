/** Order by UTF-16 code unit: the order of every key in every file. Never localeCompare. */
export function byCodeUnit(a: string, b: string): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** For `sort`: by a key of each item. */
export function by<T>(key: (item: T) => string): (a: T, b: T) => -1 | 0 | 1 {
  return (a, b) => byCodeUnit(key(a), key(b));
}

/** Groups in order of first appearance. */
export function groupBy<T, K>(items: Iterable<T>, key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const k = key(item);
    const group = groups.get(k);
    if (group) group.push(item);
    else groups.set(k, [item]);
  }
  return groups;
}
