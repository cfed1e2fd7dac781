import { readFileSync } from 'node:fs';

/** The heap settings with which users run the tool: those of the executable's first line. */
export const HEAP: readonly string[] = readFileSync(new URL('../../bin/sluice.js', import.meta.url), 'utf8')
  .slice(0, 200)
  .split('\n', 1)
  .flatMap((line) => line.split(' ').filter((word) => word.startsWith('--')));
