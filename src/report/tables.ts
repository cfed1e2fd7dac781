import { number } from './words.ts';

/** A table with one line of cells for each item; folded where it has more than `open` rows; cut after `max`. */
export function folded<T>(
  what: string,
  head: readonly string[],
  items: readonly T[],
  cells: (item: T) => readonly string[],
  max: number,
  open = 12,
): string {
  const shown = items.slice(0, max).map(cells);
  const rest = items.length - shown.length;
  const text = join([shown.length > 0 ? table(head, shown) : '', rest > 0 ? andMore(rest) : '']);
  return items.length <= open && rest === 0 ? text : details(what, text);
}

/** What stands where rows were cut. */
export function andMore(rest: number, what = ''): string {
  return `… and ${number(rest)} more${what}: see the diff.`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

/** Closed where it is opened, so that nothing can be left open by a cut. */
export function details(summary: string, text: string): string {
  return `<details><summary>${summary}</summary>\n\n${text}\n\n</details>`;
}

/** The parts that say something, one after the other. */
export function join(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Items, cut as tables are, but never below what says what it is about. */
export function list(items: readonly string[], max: number): string {
  const shown = items.slice(0, Math.max(max, 5)).map((item) => `- ${item}`);
  const rest = items.length - shown.length;
  return [...shown, ...(rest > 0 ? [`- ${andMore(rest)}`] : [])].join('\n');
}
