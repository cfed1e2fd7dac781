import { expect } from 'vitest';

/** Says of a Markdown text that everything which is opened in it is closed, in order; rows have as many cells as their head. */
export function expectWellFormed(text: string): void {
  let fence: string | undefined;
  let open = 0;
  let columns: number | undefined;
  for (const line of text.split('\n')) {
    const ticks = /^\s*(`{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (ticks !== undefined && ticks.length >= fence.length && line.trim() === ticks) fence = undefined;
      continue;
    }
    if (ticks !== undefined) fence = ticks;
    open += (line.match(/<details>/g) ?? []).length - (line.match(/<\/details>/g) ?? []).length;
    if (open < 0) expect.fail(`closed before it was opened: ${line}`);
    if (!line.startsWith('|')) columns = undefined;
    else {
      const cells = line.replace(/\\[\\|]/g, '').split('|').length;
      columns ??= cells;
      if (cells !== columns) expect.fail(`${cells} cells, not ${columns}: ${line}`);
    }
  }
  expect(fence).toBeUndefined();
  expect(open).toBe(0);
}
