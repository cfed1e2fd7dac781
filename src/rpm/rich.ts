import { Fault, unreachable } from '../base/fault.ts';
import { type Capability, formatCapability } from './capability.ts';
import { RichReader } from './richReader.ts';

/**
 * A rich (boolean) dependency, `(A and (B or C))`. Chains are lists; `if` and `unless` carry their `else`.
 * In `with` and `without` stand only capabilities, `or`, `with` and `without`: they speak of one build.
 */
export type Rich =
  | { readonly kind: 'capability'; readonly capability: Capability }
  | { readonly kind: 'and' | 'or' | 'with'; readonly of: readonly Rich[] }
  | { readonly kind: 'without'; readonly of: Rich; readonly but: Rich }
  | {
      readonly kind: 'if' | 'unless';
      readonly what: Rich;
      readonly when: Rich;
      readonly otherwise: Rich | undefined;
    };

/** Whether a capability's name is a rich dependency (rpmdsIsRich). */
export function isRich(name: string): boolean {
  return name.startsWith('(');
}

/**
 * What rpm's rpmrichParse reads, and DEPENDENCY_INVALID for what it refuses. Refused too, because rpm looks only at the first
 * half and libsolv at none: an `else` without its `if`.
 */
export function parseRich(text: string, at?: string): Rich {
  return new RichReader(text, at).rich();
}

/** Undefined for what rpm would refuse: met by nobody, in a set as in a transaction. */
export function readableRich(text: string): Rich | undefined {
  try {
    return parseRich(text);
  } catch (thrown) {
    if (thrown instanceof Fault) return undefined;
    throw thrown;
  }
}

/** The one spelling of a dependency: single spaces, no needless brackets. `parseRich` reads it back, but for a lone capability. */
export function formatRich(rich: Rich): string {
  switch (rich.kind) {
    case 'capability':
      return formatCapability(rich.capability);
    case 'and':
    case 'or':
    case 'with':
      return `(${rich.of.map(formatRich).join(` ${rich.kind} `)})`;
    case 'without':
      return `(${formatRich(rich.of)} without ${formatRich(rich.but)})`;
    case 'if':
    case 'unless': {
      const otherwise = rich.otherwise ? ` else ${formatRich(rich.otherwise)}` : '';
      return `(${formatRich(rich.what)} ${rich.kind} ${formatRich(rich.when)}${otherwise})`;
    }
    default:
      return unreachable(rich);
  }
}

/** The capabilities in it, in the order of the text. */
export function* capabilitiesOf(rich: Rich): Generator<Capability> {
  switch (rich.kind) {
    case 'capability':
      yield rich.capability;
      return;
    case 'and':
    case 'or':
    case 'with':
      for (const part of rich.of) yield* capabilitiesOf(part);
      return;
    case 'without':
      yield* capabilitiesOf(rich.of);
      yield* capabilitiesOf(rich.but);
      return;
    case 'if':
    case 'unless':
      yield* capabilitiesOf(rich.what);
      yield* capabilitiesOf(rich.when);
      if (rich.otherwise) yield* capabilitiesOf(rich.otherwise);
      return;
    default:
      unreachable(rich);
  }
}

/** Whether a requirement is met where the builds of `isIn` are installed (rpm's unsatisfiedDepend). */
export function holds<Build>(
  rich: Rich,
  satisfiersOf: (capability: Capability) => Iterable<Build>,
  isIn: (build: Build) => boolean,
): boolean {
  const met = (part: Rich): boolean => holds(part, satisfiersOf, isIn);
  switch (rich.kind) {
    case 'capability':
      for (const build of satisfiersOf(rich.capability)) if (isIn(build)) return true;
      return false;
    case 'and':
      return rich.of.every(met);
    case 'or':
      return rich.of.some(met);
    case 'with':
    case 'without':
      for (const build of matching(rich, satisfiersOf)) if (isIn(build)) return true;
      return false;
    case 'if':
      return met(rich.when) ? met(rich.what) : rich.otherwise === undefined || met(rich.otherwise);
    case 'unless':
      return met(rich.when) ? rich.otherwise !== undefined && met(rich.otherwise) : met(rich.what);
    default:
      return unreachable(rich);
  }
}

/** The builds that satisfy a capability, `or`, `with` or `without`, each of them alone. */
export function matching<Build>(
  rich: Rich,
  satisfiersOf: (capability: Capability) => Iterable<Build>,
): Set<Build> {
  const builds = (part: Rich): Set<Build> => matching(part, satisfiersOf);
  switch (rich.kind) {
    case 'capability':
      return new Set(satisfiersOf(rich.capability));
    case 'or':
      return new Set(rich.of.flatMap((part) => [...builds(part)]));
    case 'with':
      return rich.of.map(builds).reduce((all, some) => all.intersection(some));
    case 'without':
      return builds(rich.of).difference(builds(rich.but));
    case 'and':
    case 'if':
    case 'unless':
      throw new Error(`${formatRich(rich)} does not speak of one build`); // parseRich lets none stand in with or without
    default:
      return unreachable(rich);
  }
}
