import { groupBy } from '../base/order.ts';
import { type ClientPin, pinText, type Reading, readingsOf } from '../manifest/client-pins.ts';
import { compileGlob, type Hold } from '../manifest/pattern.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, type Nevra, nameArch } from '../rpm/nevra.ts';
import { quietly } from './quietly.ts';

/** A hold of what a client kept by itself. */
export interface WrittenHold {
  /** An anchored regular expression, or a glob. */
  readonly pattern: { readonly match: string } | { readonly glob: string };
  readonly tier: string;
  readonly reason: string;
  readonly owner: string;
  readonly until?: string;
}

/** What becomes of one line of a client's file. */
export interface Account {
  readonly line: number;
  readonly text: string;
  readonly outcome: 'taken' | 'there already' | 'not taken';
  readonly says: string;
}

export interface ImportInput {
  readonly pins: readonly ClientPin[];
  /** Builds that the parent offers, and that the tier has. */
  readonly parent: readonly Nevra[];
  readonly target: readonly Nevra[];
  readonly tier: string;
  /** What the team has already. */
  readonly holds: readonly Hold[];
  readonly reason: (pin: ClientPin) => string;
  readonly owner: string;
  readonly until?: string;
  /** One hold for many names: a list of what is installed is long. */
  readonly together: boolean;
}

export interface Imported {
  readonly holds: readonly WrittenHold[];
  /** Builds that are to move up into the tier, as NEVRA texts. */
  readonly builds: readonly string[];
  readonly accounts: readonly Account[];
}

/** Client-side pins as holds on a tier, and as builds that it is to have. Pure; every line is accounted for. */
export function importPins(input: ImportInput): Imported {
  const known = new Known([...input.parent, ...input.target]);
  const holds = new Map<string, { pattern: WrittenHold['pattern']; pin: ClientPin }>();
  const builds = new Set<string>();
  const accounts = input.pins.map((pin): Account => {
    const read = known.read(pin);
    const text = pinText(pin);
    const { line } = pin;
    if ('refused' in read) return { line, text, outcome: 'not taken', says: read.refused };
    const { patterns, says } = read;
    const fresh = patterns.filter((p) => !isHeld(p, input) && !holds.has(keyOf(p)));
    for (const pattern of fresh) holds.set(keyOf(pattern), { pattern, pin });
    const wanted = pin.kind === 'lock' ? wantedOf(read.builds, input) : { says: [], builds: [] };
    for (const build of wanted.builds) builds.add(build);
    const held = fresh.length > 0 ? `held by ${fresh.map(patternText).join(', ')}` : 'held already';
    const outcome = fresh.length > 0 || wanted.builds.length > 0 ? 'taken' : 'there already';
    return { line, text, outcome, says: [held, ...says, ...wanted.says].join('; ') };
  });
  const written = [...holds.values()].map(({ pattern, pin }) => holdOf(pattern, input.reason(pin), input));
  return { holds: input.together ? joined(written) : written, builds: [...builds].sort(), accounts };
}

function holdOf(
  pattern: WrittenHold['pattern'],
  reason: string,
  { tier, owner, until }: ImportInput,
): WrittenHold {
  return { pattern, tier, reason, owner, ...(until === undefined ? {} : { until }) };
}

type Read =
  | { readonly refused: string }
  | {
      readonly patterns: readonly WrittenHold['pattern'][];
      /** What of it is other than on the client. */
      readonly says: readonly string[];
      readonly builds: readonly Nevra[];
    };

/** Reads patterns as dnf does: of the forms that one may have, the first that matches any build counts. */
class Known {
  readonly #byName: ReadonlyMap<string, readonly Nevra[]>;

  constructor(builds: readonly Nevra[]) {
    const distinct = new Map(builds.map((build) => [formatNevra(build), build]));
    this.#byName = groupBy(distinct.values(), (build) => build.name);
  }

  read(pin: ClientPin): Read {
    const readings = readingsOf(pin.pattern, pin.order).filter(isReadable);
    for (const reading of readings) {
      const builds = this.#matching(reading);
      if (builds.length > 0) return this.#taken(pin, reading, builds);
    }
    const whole = this.#whole(pin);
    if (whole) return whole;
    if (readings.length === 0) return { refused: 'no package can have such a name' };
    return this.#unknown(pin, readings);
  }

  #taken(pin: ClientPin, reading: Reading, builds: readonly Nevra[]): Read {
    const { name, arch } = reading;
    if (ANYTHING.test(name)) {
      const what = arch === undefined ? 'it is everything: mode: frozen says that' : archRefused(arch);
      return { refused: what };
    }
    return this.#hold(pin, [patternOf(name)], builds);
  }

  /** `exclude=` at last tries a glob over the whole NEVRA. */
  #whole(pin: ClientPin): Read | undefined {
    if (pin.order === 'versions' || !GLOB.test(pin.pattern)) return undefined;
    const fits = quietly(() => matcher(pin.pattern));
    const builds = fits && [...this.#byName.values()].flat().filter((build) => fits(formatNevra(build)));
    if (!builds || builds.length === 0) return undefined;
    const patterns = [...new Set(builds.map((build) => build.name))].sort().map(patternOf);
    return this.#hold(pin, patterns, builds);
  }

  #hold(pin: ClientPin, patterns: readonly WrittenHold['pattern'][], builds: readonly Nevra[]): Read {
    const names = [...new Set(builds.map((build) => build.name))].sort();
    const all = names.flatMap((each) => this.#byName.get(each) ?? []);
    const hidden = new Set(builds.map(formatNevra));
    const arches = new Set(builds.map((build) => build.arch));
    const others = [...new Set(all.map((build) => build.arch).filter((each) => !arches.has(each)))].sort();
    const says: string[] = [];
    if (others.length > 0) says.push(`a hold is of all arches, so ${others.join(', ')} too`);
    if (pin.kind === 'exclude' && all.some((b) => arches.has(b.arch) && !hidden.has(formatNevra(b)))) {
      says.push('a hold is of all versions, not only of those');
    }
    if (pin.section !== undefined) says.push(`there only of [${pin.section}], here of the whole tier`);
    return { patterns, says, builds };
  }

  /** Nothing that is known now; what comes one day must not slip in because of that. */
  #unknown(pin: ClientPin, readings: readonly Reading[]): Read {
    const versioned = readings.find(({ version }) => version !== undefined && /^[0-9]/.test(version));
    const reading = versioned ?? readings.find(({ version }) => version === undefined) ?? readings[0];
    if (!reading || ANYTHING.test(reading.name))
      return { refused: 'it matches no build of the tier or of its parent' };
    const absent = 'no build of the tier or of its parent matches it';
    const says = pin.section === undefined ? [absent] : [absent, `there only of [${pin.section}]`];
    return { patterns: [patternOf(reading.name)], says, builds: [] };
  }

  #matching({ name, epoch, version, release, arch }: Reading): Nevra[] {
    const fits = [matcher(version), matcher(release), matcher(arch)] as const;
    const isEpoch = (n: number) => epoch === undefined || epoch === '*' || Number(epoch) === n;
    const isGlob = GLOB.test(name);
    const ofName = isGlob ? matcher(name) : undefined;
    const names = ofName ? [...this.#byName.keys()].filter(ofName) : [name];
    return names
      .flatMap((each) => this.#byName.get(each) ?? [])
      .filter((build) => {
        const { evr } = build;
        return isEpoch(evr.epoch) && fits[0](evr.version) && fits[1](evr.release) && fits[2](build.arch);
      });
  }
}

/** Every name there is. */
const ANYTHING = /^[*?]+$/;
const WRITTEN = /^[A-Za-z0-9._+~^*?[\]!-]{1,256}$/;

/** What fnmatch would take letter by letter (a bracket that nothing closes) is in no name; nor is a variable of dnf. */
function isReadable({ name, version, release, arch }: Reading): boolean {
  const parts = [name, version, release, arch].filter((part) => part !== undefined);
  return parts.every(
    (part) =>
      WRITTEN.test(part) &&
      quietly(() => matcher(part)) !== undefined &&
      (GLOB.test(part) || !part.includes('!')),
  );
}

const GLOB = /[*?[]/;

function matcher(part: string | undefined): (text: string) => boolean {
  if (part === undefined || part === '*') return () => true;
  if (!GLOB.test(part)) return (text) => text === part;
  const glob = compileGlob(globText(part));
  return (text) => glob.matches(text);
}

/** Braces mean nothing to dnf. */
function globText(part: string): string {
  return part.replace(/[{}\\]/g, '\\$&');
}

function archRefused(arch: string): string {
  return `holds are by name; to keep ${arch} out of all tiers, name the others in arches: of the upstream's policy`;
}

function patternOf(name: string): WrittenHold['pattern'] {
  return GLOB.test(name) ? { glob: globText(name) } : { match: `^${escaped(name)}$` };
}

function escaped(name: string): string {
  return name.replace(/[.+^$]/g, '\\$&');
}

function patternText(pattern: WrittenHold['pattern']): string {
  return 'match' in pattern ? pattern.match : pattern.glob;
}

function keyOf(pattern: WrittenHold['pattern']): string {
  return JSON.stringify(pattern);
}

/** The same pattern, for this tier or for all; or, of one name, any pattern that has it. */
function isHeld(pattern: WrittenHold['pattern'], { holds, tier }: ImportInput): boolean {
  const name = 'match' in pattern ? pattern.match.slice(1, -1).replaceAll('\\', '') : undefined;
  return holds.some((hold) => {
    if (hold.source || hold.repository !== undefined) return false;
    if (hold.tier !== undefined && hold.tier !== tier) return false;
    if (name !== undefined) return !hold.match || hold.match.matches(name);
    return hold.match === undefined || hold.match.text === patternText(pattern);
  });
}

/** Which builds of a lock the tier lacks: of each name.arch the newest that the client may have. */
function wantedOf(
  locked: readonly Nevra[],
  { parent, target }: ImportInput,
): { builds: string[]; says: string[] } {
  const [builds, says]: [string[], string[]] = [[], []];
  const has = groupBy(target, nameArch);
  const offered = new Set(parent.map(formatNevra));
  if (locked.length === 0) return { builds, says: ['there is no such build to pin'] };
  for (const [key, group] of groupBy(locked, nameArch)) {
    const wanted = group.reduce((a, b) => (compareEvr(a.evr, b.evr) >= 0 ? a : b));
    const text = formatNevra(wanted);
    const own = (has.get(key) ?? []).map(({ evr }) => evr);
    const newest = own.reduce<Nevra['evr'] | undefined>(
      (a, b) => (a && compareEvr(a, b) >= 0 ? a : b),
      undefined,
    );
    const order = newest ? compareEvr(wanted.evr, newest) : 1;
    if (order === 0) says.push(`the tier is at ${text}`);
    else if (order < 0) says.push(`the tier is past ${text} already: going back is a rollback`);
    else if (!offered.has(text)) says.push(`${text} is not in the parent`);
    else {
      builds.push(text);
      says.push(`${text} moves up`);
    }
  }
  return { builds, says };
}

const MAX_PATTERN = 1_900;

/** Exact names as alternations, as long as a pattern may be. */
function joined(holds: readonly WrittenHold[]): WrittenHold[] {
  const rest: WrittenHold[] = [];
  const chunks: string[][] = [];
  let length = MAX_PATTERN;
  for (const hold of holds) {
    if (!('match' in hold.pattern)) {
      rest.push(hold);
      continue;
    }
    const name = hold.pattern.match.slice(1, -1);
    if (length + name.length + 1 > MAX_PATTERN) {
      chunks.push([]);
      length = 4;
    }
    chunks.at(-1)?.push(name);
    length += name.length + 1;
  }
  const [first] = holds;
  const wide = first
    ? chunks.map((names) => ({ ...first, pattern: { match: `^(${names.join('|')})$` } }))
    : [];
  return [...wide, ...rest];
}
