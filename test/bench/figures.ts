import { fileURLToPath } from 'node:url';

/** What a process of the command line took. */
export interface Figures {
  readonly ms: number;
  readonly cpuMs: number;
  readonly rssMB: number;
}

/** The command line that says at its end what it took. */
export const MEASURED = fileURLToPath(new URL('measured.ts', import.meta.url));

/** The last line that `measured.ts` wrote. */
export function figuresOf(errors: string): Figures {
  return JSON.parse(errors.trimEnd().split('\n').at(-1) ?? '') as Figures;
}
