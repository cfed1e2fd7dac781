import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundled } from '../../scripts/bundle.ts';

/** What a process of the command line took. */
export interface Figures {
  readonly ms: number;
  readonly cpuMs: number;
  readonly rssMB: number;
}

/** The command line as users have it, which says at its end what it took. */
export const MEASURED: readonly string[] = [
  fileURLToPath(new URL('measured.ts', import.meta.url)),
  join(await bundled(), 'cli.js'),
];

/** The last line that `measured.ts` wrote. */
export function figuresOf(errors: string): Figures {
  return JSON.parse(errors.trimEnd().split('\n').at(-1) ?? '') as Figures;
}
