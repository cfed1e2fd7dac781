/** Told by whatever takes long; shown by the command line as bars on a terminal, as lines elsewhere. */
export interface Progress {
  /** A step begins: its name, and how many bytes or items it has (0 when that is not known). */
  start(name: string, total: number, unit: 'bytes' | 'items'): void;
  advance(by: number): void;
  done(): void;
  /** One line that people should see now. */
  say(line: string): void;
}

export const SILENT: Progress = { start: () => {}, advance: () => {}, done: () => {}, say: () => {} };
