import { byCodeUnit } from '../base/order.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Judged } from './candidates.ts';
import { familyOf } from './families.ts';
import type { PromoteInput } from './promote.ts';
import { nevraOf } from './rules.ts';
import type { Lack, Settled } from './settle.ts';
import type { Along, Pin, Reason } from './types.ts';
import type { Break } from './watch.ts';

/** Of a path that people read; a chain may have thousands. */
const MAX_STEPS = 12;

/**
 * Which builds that could move would mend what is broken: those that bring what is missing, and others of its own name.arch that do
 * not require it.
 */
export class Menders {
  readonly #closure: PromoteInput['closure'];
  readonly #byBuild = new Map<number, Judged>();
  readonly #byName = new Map<number, Judged[]>();

  constructor(closure: PromoteInput['closure'], judged: readonly Judged[]) {
    this.#closure = closure;
    for (const j of judged) {
      const build = closure.number(j.build);
      if (build === undefined) continue;
      this.#byBuild.set(build, j);
      const name = closure.universe.names.of(build);
      const others = this.#byName.get(name);
      if (others) others.push(j);
      else this.#byName.set(name, [j]);
    }
  }

  judged(build: number): Judged | undefined {
    return this.#byBuild.get(build);
  }

  of({ build, requirement }: Break): Judged[] {
    const { requirements, names } = this.#closure.universe;
    const bring = [...requirements.satisfiers(requirement)].flatMap((s) => this.#byBuild.get(s) ?? []);
    const requires = (j: Judged) =>
      requirements.of(this.#closure.number(j.build) ?? build).includes(requirement);
    return [...bring, ...(this.#byName.get(names.of(build)) ?? []).filter((j) => !requires(j))];
  }
}

/** Says of what stays behind for its dependencies what it waits for, and of what came along, for whom. */
export class Lags {
  readonly #input: PromoteInput;
  readonly #settled: Settled;
  readonly #menders: Menders;
  /** Holds in the way, by the build that each one keeps. */
  readonly held = new Map<string, Reason & { kind: 'held' }>();

  constructor(input: PromoteInput, menders: Menders, settled: Settled) {
    this.#input = input;
    this.#menders = menders;
    this.#settled = settled;
  }

  /** Gives a build that was ready the reason why it does not move after all. */
  say(j: Judged, unit: number, option: number): void {
    const lacks = this.#settled.causes.get(unit)?.get(option);
    if (lacks && j.verdict.kind === 'ready') j.verdict = this.#reason(lacks, j);
  }

  /** The way from a build that moves for its own sake to one that came along. */
  along(unit: number, to: Pin): Along | undefined {
    const path: { build: string; needs: string }[] = this.#asSibling(unit, to);
    const seen = new Set<number>();
    for (let at = unit; !seen.has(at) && path.length < MAX_STEPS; ) {
      seen.add(at);
      const step = this.#settled.pulled.get(at);
      if (!step) break;
      const { build, requirement } = step.broken;
      path.unshift({ build: this.#text(build), needs: this.#needs(requirement) });
      at = step.by;
    }
    return path.length > 0 ? path : undefined;
  }

  /** Nobody needs it but that its source package's other binary, which somebody needs, moves with it. */
  #asSibling(unit: number, to: Pin): { build: string; needs: string }[] {
    const { universe, number } = this.#input.closure;
    const step = this.#settled.pulled.get(unit);
    const own = number(to);
    const judged = own === undefined ? undefined : this.#menders.judged(own);
    if (!step || !judged) return [];
    const bringers = universe.requirements.satisfiers(step.broken.requirement);
    if (bringers.includes(own as number)) return [];
    const family = familyOf(judged.candidate.facts);
    const isSibling = (j: Judged | undefined) =>
      j?.has !== undefined && familyOf(j.candidate.facts) === family;
    const needed = bringers.find((build) => isSibling(this.#menders.judged(build)));
    return needed === undefined ? [] : [{ build: this.#text(needed), needs: `its sibling ${to.nevra.name}` }];
  }

  /** The one that lasts longest: a group is as old as the youngest that it needs, and what nothing mends is said first. */
  #reason(lacks: readonly Lack[], j: Judged): Reason {
    const ranked = lacks.map((lack) => {
      const laggard = this.#laggard(lack);
      return { lack, laggard, ends: laggard ? endOf(laggard) : Number.POSITIVE_INFINITY };
    });
    const { lack, laggard } = ranked.reduce((a, b) => (later(a, b) ? a : b));
    const what = `${this.#sibling(lack, j)}${this.#words(lack)}`;
    if (!laggard) return { kind: 'broken', why: what, ...(this.#isNobody(lack) ? { nobody: true } : {}) };
    const { verdict } = laggard;
    const until = 'until' in verdict && verdict.until ? { until: verdict.until } : {};
    const other = nevraOf(laggard.build);
    if (verdict.kind === 'held') this.held.set(other, verdict);
    return { kind: 'with', other, why: `${what}: ${other} ${clause(laggard)}`, ...until };
  }

  /** What keeps one build keeps those that move with it: `built from foo like foo-utils, which ` … */
  #sibling({ path, own }: Lack, j: Judged): string {
    const first = path.broken.build;
    if (!own || first === this.#input.closure.number(j.build)) return '';
    const { name } = this.#input.closure.universe.requirements.index.nevra(first);
    const { source } = j.candidate.facts;
    const isFamily = this.#menders.judged(first)?.candidate.facts.source === source;
    return isFamily
      ? `built from ${source} like ${name}, which `
      : `of the same module stream as ${name}, which `;
  }

  /** `needs b >= 2 of b-2-1.noarch, which needs c`, or what another build would lose. */
  #words(lack: Lack): string {
    const { path, broken, hides, own } = lack;
    const [gone] = hides;
    const ways: string[] = [];
    for (let at = path; at.next; at = at.next) {
      if (ways.length === MAX_STEPS) {
        ways.push(`needs ${at.length - 1} more, of which ${this.#text(broken.build)} `);
        break;
      }
      ways.push(`needs ${this.#needs(at.broken.requirement)} of ${this.#text(at.next.broken.build)}, which `);
    }
    const needs = `needs ${this.#needs(broken.requirement)}`;
    if (!own) {
      const only = gone === undefined ? '' : `, which only ${this.#text(gone)} has`;
      return `${ways.join('')}${this.#text(broken.build)} ${needs}${only}`;
    }
    if (gone !== undefined)
      return `${ways.join('')}${needs} of ${this.#text(gone)}, which gives way to a newer build`;
    return `${ways.join('')}${needs}${this.#isNobody(lack) ? ', which nothing in the client set has' : ''}`;
  }

  #isNobody({ broken, own, hides }: Lack): boolean {
    const { requirements } = this.#input.closure.universe;
    return own && hides.length === 0 && requirements.satisfiers(broken.requirement).length === 0;
  }

  /** Who could mend it and does not move: the one that moves first, else one that somebody must move. */
  #laggard({ broken }: Lack): Judged | undefined {
    const { names } = this.#input.closure.universe;
    const isLike = (j: Judged) =>
      names.of(this.#input.closure.number(j.build) ?? -1) === names.of(broken.build);
    const behind = this.#menders
      .of(broken)
      .filter((j) => j.verdict.kind !== 'ready' && !(j.verdict.kind === 'broken' && isLike(j)));
    return behind.sort((a, b) => endOf(a) - endOf(b) || byCodeUnit(nevraOf(a.build), nevraOf(b.build)))[0];
  }

  #text(build: number): string {
    return formatNevra(this.#input.closure.universe.requirements.index.nevra(build));
  }

  #needs(requirement: number): string {
    return this.#input.closure.universe.requirements.text(requirement);
  }
}

/** When it moves by itself; what a person must move comes after every day. */
function endOf({ verdict }: Judged): number {
  if (verdict.kind === 'lockstep') return Number.MAX_SAFE_INTEGER;
  return 'until' in verdict && verdict.until ? verdict.until.getTime() : Number.MAX_SAFE_INTEGER;
}

interface Ranked {
  readonly lack: Lack;
  readonly ends: number;
}

/** Later, or as late and nearer; the first of equals. */
function later(a: Ranked, b: Ranked): boolean {
  return a.ends === b.ends ? a.lack.path.length <= b.lack.path.length : a.ends > b.ends;
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
