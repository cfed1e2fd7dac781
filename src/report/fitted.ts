/** How many rows the tables of each kind may have. */
export interface Cut {
  /** What nobody needs to decide anything: routine updates, what stays, what is inside. */
  readonly routine: number;
  readonly security: number;
  readonly attention: number;
}

/** What is cut first comes first: what needs eyes is cut only where it does not fit by itself. */
const ORDER = ['routine', 'security', 'attention'] as const;

/** A row has never less: no more of them can fit, and no more are made. */
const SHORTEST_ROW = 20;

/**
 * The text with as many rows as fit into `limit`, by `size`. A text grows with its rows, so the number is found by halving: a dozen
 * texts for any number of rows. Undefined: not even the one without any row fits.
 */
export function fitted(
  render: (cut: Cut) => string,
  limit: number,
  size: (text: string) => number = (text) => text.length,
): string | undefined {
  const most = Math.ceil(limit / SHORTEST_ROW);
  let cut: Cut = { routine: most, security: most, attention: most };
  const whole = render(cut);
  if (size(whole) <= limit) return whole;
  for (const kind of ORDER) {
    let [best, low, high]: [string | undefined, number, number] = [undefined, 0, most];
    while (low <= high) {
      const rows = Math.floor((low + high) / 2);
      const text = render({ ...cut, [kind]: rows });
      if (size(text) <= limit) [best, low] = [text, rows + 1];
      else high = rows - 1;
    }
    if (best !== undefined) return best;
    cut = { ...cut, [kind]: 0 };
  }
  return undefined;
}
