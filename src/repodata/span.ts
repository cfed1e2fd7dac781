/** Part of a text: offsets in UTF-16 code units, the end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The text without the spans, which are in order; a line that held nothing but a span goes with it. */
export function cutText(text: string, spans: Iterable<Span>): string {
  let out = '';
  let from = 0;
  for (const { start, end } of spans) {
    out += text.slice(from, lineStart(text, start, end));
    from = end;
  }
  return out + text.slice(from);
}

/** The end of the line before when the span stands alone on its lines; else the span's own start. */
function lineStart(text: string, start: number, end: number): number {
  let before = start;
  while (isBlank(text, before - 1)) before -= 1;
  let after = end;
  while (isBlank(text, after)) after += 1;
  const alone = text[before - 1] === '\n' && (text[after] === '\n' || text[after] === '\r');
  return alone && after === end ? before - 1 : start;
}

function isBlank(text: string, i: number): boolean {
  return text[i] === ' ' || text[i] === '\t';
}
