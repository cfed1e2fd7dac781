import { byCodeUnit } from './order.ts';

/** The known words that somebody may have meant, the nearest first: those that contain it, or differ in a few letters. */
export function similar(word: string, known: Iterable<string>, most = 5): string[] {
  const wanted = word.toLowerCase();
  const reach = Math.max(1, Math.floor(wanted.length / 4));
  const near: { word: string; distance: number }[] = [];
  for (const other of new Set(known)) {
    const text = other.toLowerCase();
    const contains =
      wanted.length > 2 && (text.includes(wanted) || (text.length > 2 && wanted.includes(text)));
    if (!contains && Math.abs(text.length - wanted.length) > reach) continue;
    const apart = contains ? Math.abs(text.length - wanted.length) / 100 : distance(wanted, text);
    if (apart <= reach) near.push({ word: other, distance: apart });
  }
  near.sort((a, b) => a.distance - b.distance || byCodeUnit(a.word, b.word));
  return near.slice(0, most).map((n) => n.word);
}

/** Letters to add, take or change; two neighbours that changed places count as one. */
function distance(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const other = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + other);
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (before[j - 2] ?? i) + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
