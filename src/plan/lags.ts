import { formatNevra } from '../rpm/nevra.ts';
import type { Judged } from './candidates.ts';
import type { PromoteInput } from './promote.ts';
import { nevraOf } from './rules.ts';
import type { Cause, Settled } from './settle.ts';
import type { Along, Reason } from './types.ts';

/** Says of what stays behind for its dependencies what it waits for, and of what came along, for whom. */
export class Lags {
  readonly #input: PromoteInput;
  readonly #settled: Settled;
  readonly #byBuild = new Map<number, Judged>();
  readonly #newer = new Map<number, Judged[]>();

  constructor(input: PromoteInput, judged: readonly Judged[], settled: Settled) {
    this.#input = input;
    this.#settled = settled;
    const { closure } = input;
    for (const j of judged) {
      const build = closure.number(j.build);
      if (build === undefined) continue;
      this.#byBuild.set(build, j);
      const name = closure.universe.names.of(build);
      this.#newer.set(name, [...(this.#newer.get(name) ?? []), j]);
    }
  }

  /** Gives a build that was ready the reason why it does not move after all. */
  say(j: Judged, unit: number, option: number): void {
    const cause = this.#settled.causes.get(unit)?.get(option);
    if (cause && j.verdict.kind === 'ready') j.verdict = this.#reason(cause);
  }

  /** The way from a build that moves for its own sake to one that came along. */
  along(unit: number): Along | undefined {
    const path: { build: string; needs: string }[] = [];
    const seen = new Set<number>();
    for (let at = unit; !seen.has(at); ) {
      seen.add(at);
      const step = this.#settled.pulled.get(at);
      if (!step) break;
      const { build, requirement } = step.broken;
      path.unshift({ build: this.#text(build), needs: this.#needs(requirement) });
      at = step.by;
    }
    return path.length > 0 ? path : undefined;
  }

  #reason(cause: Cause): Reason {
    const { path, broken, hides } = cause;
    const laggard = this.#laggard(cause);
    const needs = path.map((step, i) => {
      const text = `needs ${this.#needs(step.requirement)}`;
      const next = path[i + 1];
      return next ? `${text} of ${this.#text(next.build)}, which ` : text;
    });
    const isThere = this.#byBuild.get(broken.build) === undefined;
    const [gone] = hides;
    const lost = `${this.#text(broken.build)} ${needs.at(-1)}`;
    const what = isThere
      ? `${needs.slice(0, -1).join('')}${lost}${gone === undefined ? '' : `, which only ${this.#text(gone)} has`}`
      : needs.join('');
    if (!laggard) {
      const nobody = isThere || gone !== undefined ? '' : ', which nothing in the client set has';
      return { kind: 'broken', why: `${what}${nobody}` };
    }
    const { verdict } = laggard;
    const until = 'until' in verdict && verdict.until ? { until: verdict.until } : {};
    const other = nevraOf(laggard.build);
    return { kind: 'with', other, why: `${what}: ${other} ${clause(laggard)}`, ...until };
  }

  /** Who could mend it and does not move: the one that moves first, else one that somebody must move. */
  #laggard({ broken }: Cause): Judged | undefined {
    const { universe } = this.#input.closure;
    const satisfiers = [...universe.requirements.satisfiers(broken.requirement)];
    const provide = satisfiers.flatMap((build) => this.#byBuild.get(build) ?? []);
    const newer = (this.#newer.get(universe.names.of(broken.build)) ?? []).filter(
      (j) => this.#input.closure.number(j.build) !== broken.build,
    );
    const behind = [...provide, ...newer].filter((j) => j.verdict.kind !== 'ready');
    const time = ({ verdict }: Judged) =>
      'until' in verdict && verdict.until ? verdict.until.getTime() : Infinity;
    return behind.sort(
      (a, b) => time(a) - time(b) || (formatNevra(a.build.nevra) < formatNevra(b.build.nevra) ? -1 : 1),
    )[0];
  }

  #text(build: number): string {
    return formatNevra(this.#input.closure.universe.requirements.index.nevra(build));
  }

  #needs(requirement: number): string {
    return this.#input.closure.universe.requirements.text(requirement);
  }
}

function clause({ verdict }: Judged): string {
  switch (verdict.kind) {
    case 'held':
      return `is held by ${verdict.rule}`;
    case 'wait':
      return `waits, ${verdict.why}`;
    case 'ready':
      return 'may move';
    default:
      return `stays: ${verdict.why}`;
  }
}
