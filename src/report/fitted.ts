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
const SHORTEST_ROW = 32;

/** Texts that are made to find how many rows fit; the last of them is within a few rows of what is possible. */
const MOST_TRIES = 8;

/**
 * The text with as many rows as fit into `limit`, by `size`. A text grows with its rows, nearly evenly: the number is looked for where
 * it should be, and in the middle where that did not help. Undefined: not even the one without any row fits.
 */
export function fitted(
  render: (cut: Cut) => string,
  limit: number,
  size: (text: string) => number = (text) => text.length,
): string | undefined {
  const most = Math.ceil(limit / SHORTEST_ROW);
  let cut: Cut = { routine: most, security: most, attention: most };
  const whole = render(cut);
  let longest = size(whole);
  if (longest <= limit) return whole;
  for (const kind of ORDER) {
    const none = render({ ...cut, [kind]: 0 });
    let [best, low, short, high, long] = [none, 0, size(none), most, longest];
    if (short > limit) {
      cut = { ...cut, [kind]: 0 };
      longest = short;
      continue;
    }
    for (let tries = 1; tries <= MOST_TRIES && high - low > 1; tries += 1) {
      const share = tries % 3 === 0 ? 0.5 : (limit - short) / (long - short);
      const rows = Math.min(high - 1, Math.max(low + 1, low + Math.floor(share * (high - low))));
      const text = render({ ...cut, [kind]: rows });
      const length = size(text);
      if (length <= limit) [best, low, short] = [text, rows, length];
      else [high, long] = [rows, length];
    }
    return best;
  }
  return undefined;
}
