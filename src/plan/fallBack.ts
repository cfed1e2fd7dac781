import type { Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { brokenSet, type SetContents } from './brokenSet.ts';
import type { Closure } from './closing.ts';
import { modulesFor } from './documents.ts';
import { groupKey, groupPins, modularPins, newest } from './groups.ts';
import type { Facts, Pin } from './types.ts';

/** One repository of a set from which builds are taken. */
export interface RemovalRepository {
  /** The upstream's id. */
  readonly repository: string;
  readonly snapshot: Snapshot;
  /** Where an older build could come from, the nearest first: the parent, its parent, live. */
  readonly sources: readonly { readonly name: string; readonly snapshot: Snapshot }[];
}

export interface RemovalSet {
  readonly closure: Closure;
  /** Where other builds of `also:` are there afterwards. */
  readonly closureAfter?: Closure;
  readonly repositories: readonly RemovalRepository[];
  readonly facts: Facts;
}

/** A build that leaves. */
export interface Leaving {
  readonly pin: Pin;
  /** What it would lack, as a clause; undefined: it was asked for. */
  readonly lacks: string | undefined;
  /** What clients get instead: the newest older build that stays or comes in. */
  readonly instead: Pin | undefined;
  /** Where that comes from; undefined: it is there. */
  readonly from: string | undefined;
}

/** What becomes of one repository. */
export interface RemovedFrom {
  readonly repository: RemovalRepository;
  readonly leaving: readonly Leaving[];
  readonly came: readonly Pin[];
  readonly modules: Snapshot['modules'];
}

export interface Removal {
  readonly repositories: readonly RemovedFrom[];
  /** What would lack something and is not this set's to take away: builds of `also:`. */
  readonly beyond: readonly string[];
}

/**
 * Takes builds out of a set, and what must go along: who would lose its last provider goes too, or falls back to an older build,
 * until nothing is unmet that was met before. `asked`: what must not be there, and must not come back in its place. Pure.
 */
export function fallBack(set: RemovalSet, asked: (pin: Pin) => boolean): Removal {
  const tries = set.repositories.map((r) => new Trying(r, set.facts, asked));
  const before: SetContents = { closure: set.closure, repositories: set.repositories.map(contentsOf) };
  const beyond = new Set<string>();
  for (let changed = true; changed; ) {
    changed = false;
    const after = { closure: set.closureAfter ?? set.closure, repositories: tries.map((t) => t.contents()) };
    for (const { build, nevra, needs } of brokenSet(before, after, { supplies: [], full: ALL }).added) {
      const isIt = (pin: Pin) => set.closure.number(pin) === build;
      const siblings = tries.map((t) => t.takeSiblings(isIt, `${nevra} needs ${needs}`));
      if (siblings.some((taken) => taken)) {
        changed = true;
        break; // who lacked something may have it back
      }
      const takers = tries.map((t) => t.take(isIt, `needs ${needs}`));
      if (takers.some((taken) => taken)) changed = true;
      else beyond.add(`${nevra} needs ${needs}`);
    }
  }
  return { repositories: tries.map((t) => t.result()), beyond: [...beyond].sort() };
}

const ALL = Number.MAX_SAFE_INTEGER;

function contentsOf({ repository, snapshot: { pins, modules } }: RemovalRepository) {
  return { repository, pins, modules };
}

/** One repository while builds leave it. */
class Trying {
  readonly #r: RemovalRepository;
  readonly #facts: Facts;
  readonly #asked: (pin: Pin) => boolean;
  /** Of the repository's own and of those that came in and could not stay; why, where it was not asked for. */
  readonly #gone = new Map<Pin, string | undefined>();
  #came = new Map<string, { pin: Pin; from: string }>();

  constructor(r: RemovalRepository, facts: Facts, asked: (pin: Pin) => boolean) {
    this.#r = r;
    this.#facts = facts;
    this.#asked = asked;
    for (const pin of r.snapshot.pins) if (asked(pin)) this.#gone.set(pin, undefined);
    this.#fill();
  }

  /** Takes what is meant, where it is there. */
  take(isMeant: (pin: Pin) => boolean, why: string): boolean {
    const found = this.#pins().filter(isMeant);
    for (const pin of found) this.#gone.set(pin, why);
    if (found.length > 0) this.#fill();
    return found.length > 0;
  }

  /**
   * Where what lacks something is what another build falls back to: that one's siblings, which belong to it and hide their own
   * older builds, rather than the older build.
   */
  takeSiblings(isMeant: (pin: Pin) => boolean, why: string): boolean {
    const pins = this.#pins();
    const lower = pins.find(isMeant);
    if (!lower) return false;
    const key = groupKey(lower, this.#facts);
    const heads = [...this.#gone.keys()].filter((pin) => groupKey(pin, this.#facts) === key);
    const from = new Set(heads.map((pin) => this.#builtFrom(pin)));
    const siblings = new Set(pins.filter((pin) => pin !== lower && from.has(this.#builtFrom(pin))));
    return this.take((pin) => siblings.has(pin), `is built from the same source, and ${why}`);
  }

  #builtFrom(pin: Pin): string {
    const { source, sourceVersion } = this.#facts.build(pin);
    return `${source} ${sourceVersion}`;
  }

  contents() {
    const pins = this.#pins();
    return { repository: this.#r.repository, pins, modules: this.#modules(pins) };
  }

  result(): RemovedFrom {
    const pins = this.#pins();
    const left = groupPins(pins, this.#facts);
    const own = new Set(this.#r.snapshot.pins);
    const leaving = [...this.#gone]
      .filter(([pin]) => own.has(pin))
      .map(([pin, lacks]): Leaving => {
        const key = groupKey(pin, this.#facts);
        return { pin, lacks, instead: newest(left.get(key)), from: this.#came.get(key)?.from };
      });
    const came = [...this.#came.values()].map(({ pin }) => pin);
    return { repository: this.#r, leaving, came, modules: this.#modules(pins) };
  }

  #pins(): Pin[] {
    const stays = this.#r.snapshot.pins.filter((pin) => !this.#gone.has(pin));
    return [...stays, ...[...this.#came.values()].map(({ pin }) => pin)];
  }

  #modules(pins: readonly Pin[]): Snapshot['modules'] {
    const { snapshot, sources } = this.#r;
    const known = new Map(sources.toReversed().flatMap((source) => [...source.snapshot.modules]));
    return modulesFor(
      modularPins(pins, this.#facts),
      { parent: { ...snapshot, modules: known }, target: snapshot },
      this.#facts,
    );
  }

  /** For each group that has nothing left: the newest older build that somebody above has. */
  #fill(): void {
    this.#came = new Map();
    const groups = groupPins(this.#r.snapshot.pins, this.#facts);
    const touched = new Set([...this.#gone.keys()].map((pin) => groupKey(pin, this.#facts)));
    const dead = new Set([...this.#gone.keys()].map((pin) => pin.record));
    for (const key of touched) {
      const own = groups.get(key) ?? [];
      if (own.some((pin) => !this.#gone.has(pin))) continue;
      const highest = newest(own);
      const found = highest && this.#older(key, highest, dead);
      if (found) this.#came.set(key, found);
    }
  }

  #older(key: string, than: Pin, dead: ReadonlySet<string>): { pin: Pin; from: string } | undefined {
    let best: { pin: Pin; from: string } | undefined;
    for (const { name, snapshot } of this.#r.sources) {
      for (const pin of groupPins(snapshot.pins, this.#facts).get(key) ?? []) {
        if (pin.withdrawn || dead.has(pin.record) || this.#asked(pin)) continue;
        if (compareEvr(pin.nevra.evr, than.nevra.evr) >= 0) continue;
        if (best && compareEvr(pin.nevra.evr, best.pin.nevra.evr) <= 0) continue;
        best = { pin: this.#known(pin), from: name };
      }
    }
    return best;
  }

  /** One object for one build, so that it is known again when it has to go. */
  readonly #copies = new Map<string, Pin>();
  #known(pin: Pin): Pin {
    const copy = this.#copies.get(pin.record) ?? { ...pin, withdrawn: false };
    this.#copies.set(pin.record, copy);
    return copy;
  }
}
