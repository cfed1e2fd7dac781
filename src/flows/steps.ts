import type { World } from './context.ts';

/** One step of a command that goes through several, and how long it took. */
export interface Step {
  readonly step: string;
  /** Of which pull request. */
  readonly pull?: number;
  readonly seconds: number;
}

/** Where the time of a command goes: said as each step ends, and all of it at the end. The first step begins with the command. */
export class Steps {
  readonly done: Step[] = [];
  readonly #world: World;
  #since = 0;

  constructor(world: World) {
    this.#world = world;
  }

  end(step: string, pull?: number): void {
    const now = this.#world.elapsed?.() ?? 0;
    const seconds = round(now - this.#since);
    this.#since = now;
    this.done.push({ step, ...(pull === undefined ? {} : { pull }), seconds });
    const which = pull === undefined ? '' : ` #${pull}`;
    this.#world.progress.say(`${step}${which}: ${seconds.toFixed(1)} s`);
  }

  /** Of all steps, or of those of one name. */
  seconds(step?: string): number {
    const some = this.done.filter((one) => step === undefined || one.step === step);
    return round(some.reduce((sum, one) => sum + one.seconds, 0) * 1000);
  }
}

/** Milliseconds as seconds, to the hundredth. */
function round(ms: number): number {
  return Math.round(ms / 10) / 100;
}
