import { Fault, quote } from '../base/fault.ts';
import { upstreamId } from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { groupPins } from './groups.ts';
import type { AdvisoryFacts, Facts, Pin } from './types.ts';

/** How a word names builds: by itself, or by what they belong to. */
export type NamedKind = 'build' | 'package' | 'source' | 'advisory' | 'cve';

/** What live has of one word that a person wrote. */
export interface Named {
  readonly word: string;
  readonly kind: NamedKind;
  /** Of each name.arch and stream the newest that the word names, and that its upstream did not pull back. */
  readonly builds: readonly NamedBuild[];
  /** Why others, which are newer or are all, are not among them: sentences. */
  readonly refused: readonly string[];
}

export interface NamedBuild {
  readonly pin: Pin;
  /** The upstream's id. */
  readonly upstream: string;
}

const CVE = /^CVE-\d{4}-\d{4,}$/i;

/** A word as it is written in trailers and branches: CVEs in capitals, the rest as it is. */
export function asWritten(word: string): string {
  return CVE.test(word) ? word.toUpperCase() : word;
}

export function isCve(word: string): boolean {
  return CVE.test(word);
}

/**
 * What a word names of live's builds of one client set: a CVE, a build (with or without epoch and arch), an advisory, a package or a
 * source package, in this order. Undefined: nothing. A Fault where it names two things.
 */
export function findNamed(written: string, live: readonly Snapshot[], facts: Facts): Named | undefined {
  const word = asWritten(written);
  const asked = known.get(facts) ?? [];
  known.set(facts, asked);
  const same = (one: Answer) =>
    one.word === word && one.live.length === live.length && one.live.every((s, i) => s === live[i]);
  const before = asked.find(same);
  if (before) return before.named;
  const named = find(word, live, facts);
  asked.push({ word, live: [...live], named });
  return named;
}

interface Answer {
  readonly word: string;
  readonly live: readonly Snapshot[];
  readonly named: Named | undefined;
}

/** Teams that have one live ask the same. */
const known = new WeakMap<Facts, Answer[]>();

function find(word: string, live: readonly Snapshot[], facts: Facts): Named | undefined {
  if (isCve(word))
    return chosen(
      word,
      'cve',
      live,
      facts,
      advised(facts, (a) => a.cves.some((cve) => cve.toUpperCase() === word)),
    );
  return (
    chosen(word, 'build', live, facts, (pin) => isSpelling(word, pin)) ??
    chosen(
      word,
      'advisory',
      live,
      facts,
      advised(facts, (a) => a.id.toLowerCase() === word.toLowerCase()),
    ) ??
    byName(word, live, facts)
  );
}

function advised(facts: Facts, fits: (advisory: AdvisoryFacts) => boolean) {
  return (pin: Pin) => facts.advisories(formatNevra(pin.nevra)).some(fits);
}

function byName(word: string, live: readonly Snapshot[], facts: Facts): Named | undefined {
  const pins = live.flatMap((snapshot) => snapshot.pins);
  const bearing = pins.filter((pin) => pin.nevra.name === word);
  const built = pins.filter((pin) => facts.build(pin).source === word);
  const elsewhere = bearing.filter((pin) => facts.build(pin).source !== word);
  if (built.length > 0 && elsewhere.length > 0) {
    const other = [...new Set(elsewhere.map((pin) => facts.build(pin).source))].join(', ');
    const packages = [...new Set(built.map((pin) => pin.nevra.name))].sort().slice(0, 6).join(', ');
    const message = `${word} is two things: a package, built from ${other}, and the source package of ${packages}`;
    const [newest] = [...elsewhere].sort((a, b) => compareEvr(b.nevra.evr, a.nevra.evr));
    throw new Fault('USAGE', message, {
      hint: `Name the build (${newest ? formatNevra(newest.nevra) : word}), or the packages that you mean.`,
    });
  }
  if (built.length > 0) return chosen(word, 'source', live, facts, (pin) => facts.build(pin).source === word);
  return chosen(word, 'package', live, facts, (pin) => pin.nevra.name === word);
}

/** `openssl-1:3.2.2-6.el9.x86_64`, and as advisories, `rpm -q` and people shorten it. */
function isSpelling(word: string, { nevra }: Pin): boolean {
  const { name, arch, evr } = nevra;
  if (!word.startsWith(`${name}-`)) return false;
  const short = `${name}-${evr.version}-${evr.release}`;
  const whole = formatNevra(nevra);
  return [whole, `${short}.${arch}`, short, whole.slice(0, -arch.length - 1)].includes(word);
}

function chosen(
  word: string,
  kind: NamedKind,
  live: readonly Snapshot[],
  facts: Facts,
  fits: (pin: Pin) => boolean,
): Named | undefined {
  const builds: NamedBuild[] = [];
  const refused: string[] = [];
  for (const snapshot of live) {
    const upstream = upstreamId(snapshot.repository);
    for (const group of groupPins(snapshot.pins, facts).values()) {
      for (let i = group.length - 1; i >= 0; i -= 1) {
        const pin = group[i] as Pin;
        if (!fits(pin)) continue;
        if (!pin.withdrawn) {
          builds.push({ pin, upstream });
          break;
        }
        refused.push(`${formatNevra(pin.nevra)}: upstream pulled it back`);
      }
    }
    for (const { nevra, reason } of snapshot.quarantined) {
      if (bears(word, nevra, kind === 'source')) refused.push(`${nevra} is in quarantine: ${reason}`);
    }
  }
  if (builds.length === 0 && refused.length === 0) return undefined;
  return { word, kind, builds, refused };
}

/** Of a build that live does not have only its name is known. */
function bears(word: string, nevra: string, source: boolean): boolean {
  const name = /^(.+)-[^-]+-[^-]+$/.exec(nevra)?.[1] ?? nevra;
  const short = nevra.replace(/-\d+:(?=[^-]+-[^-]+$)/, '-');
  return name === word || nevra === word || short === word || (source && name.startsWith(`${word}-`));
}

/** Names of packages and source packages that one may have meant: those that contain the word, then those that are spelt like it. */
export function similarNames(word: string, live: readonly Snapshot[], facts: Facts, most = 5): string[] {
  const names = new Set<string>();
  for (const { pins } of live) for (const pin of pins) names.add(pin.nevra.name).add(facts.build(pin).source);
  const plain = word.toLowerCase();
  const rank = (name: string): number => {
    const other = name.toLowerCase();
    if (other.startsWith(plain)) return 0;
    if (other.includes(plain) || (other.length > 3 && plain.startsWith(other))) return 1;
    return Math.abs(other.length - plain.length) > 2 ? Number.POSITIVE_INFINITY : 1 + distance(plain, other);
  };
  return [...names]
    .map((name) => ({ name, rank: rank(name) }))
    .filter((one) => one.rank <= 3)
    .sort((a, b) => a.rank - b.rank || a.name.length - b.name.length || (a.name < b.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name);
}

/** How many letters one has to change, add or take away (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + same));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** What a Fault says of a word that names nothing. */
export function unknownWord(written: string, looked: string, similar: readonly string[]): Fault {
  const like = similar.length > 0 ? ` It has ${similar.join(', ')}.` : '';
  const what = isCve(written) ? 'no advisory that names' : 'no build, package, source package or advisory';
  return new Fault('NOT_FOUND', `${looked} has ${what} ${quote(asWritten(written))}.${like}`, {
    hint: 'Run sluice sync --propose, or hotfix with --sync; where the vendor names no CVEs or advisories, name the package.',
  });
}
