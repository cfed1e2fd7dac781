import type { AddedBreak, BrokenSet, Count } from '../plan/brokenSet.ts';
import type { Mend } from '../plan/mends.ts';
import { plain } from './safe.ts';
import { count, number } from './words.ts';

const MOST_STREAMS = 3;
const STREAM = /^newest, with (.+)$/;

/** `nginx-1:1.22-1.x86_64 needs libssl.so.3, which nothing in infra/stable rocky-9-x86_64 gives to clients with …` */
export function breakWords(added: AddedBreak, where: string): string {
  const needs = plain(added.needs, 300);
  return `${added.nevra} needs ${needs}, which nothing in ${where} gives ${clientWords(added)}`;
}

function clientWords({ clients, every }: AddedBreak): string {
  if (every) return 'any client';
  const streams = clients.flatMap((label) => STREAM.exec(label)?.[1] ?? []);
  const shown = streams.slice(0, MOST_STREAMS).join(', ');
  const rest = streams.length - MOST_STREAMS;
  const words = clients.filter((label) => !STREAM.test(label)).map((label) => KNOWN.get(label) ?? label);
  if (streams.length > 0 && !words.includes(NEWEST)) {
    words.push(`clients with ${shown}${rest > 0 ? ` or ${rest} more` : ''} enabled`);
  }
  return words.join(' and ');
}

const NEWEST = 'clients that take the newest';
const KNOWN = new Map([
  ['every build', 'clients that choose among all builds'],
  ['newest, default streams', NEWEST],
]);

/** The next step, one imperative sentence. */
export function mendWords({ mends }: AddedBreak): string {
  const [first, ...others] = mends.map(mendClause);
  if (first === undefined) return `${NOTHING}.`;
  const steps = [first, ...others].join(', or ');
  const missing = mends.some(({ kind }) => kind === 'add' || kind === 'keep' || kind === 'stay');
  const sentence = `${steps.slice(0, 1).toUpperCase()}${steps.slice(1)}`;
  return missing ? `${sentence}.` : `${sentence}. ${NOTHING}.`;
}

const NOTHING =
  'Nothing that is pinned would do; name the repository below also: if clients have it from there';

function mendClause(mend: Mend): string {
  switch (mend.kind) {
    case 'add':
      return `add ${mend.build}, which ${mend.from} has`;
    case 'keep':
      return mend.also ? `keep the repository below also: that has ${mend.build}` : `keep ${mend.build}`;
    case 'stay':
      return `leave ${mend.name} at ${mend.at}`;
    case 'leaveOut':
      return `leave ${mend.build} out`;
  }
}

/** Of a set's breaks, those that are not described one by one. Undefined: there are none. */
export function restWords({ added, addedCount }: BrokenSet, where: string): string | undefined {
  const rest = addedCount.requirements - added.length;
  if (rest === 0) return undefined;
  const all = `${count(addedCount.requirements, 'requirement')} of ${count(addedCount.builds, 'build')}`;
  return `${where} would break ${all}; ${number(rest)} of them are not listed`;
}

/** What was unmet already: `1,204 requirements of 310 builds`. */
export function countWords({ requirements, builds }: Count): string {
  return `${count(requirements, 'requirement')} of ${count(builds, 'build')}`;
}

/** A set that was checked, as far as a report speaks of it. */
export interface SetReport {
  readonly team: string;
  readonly tier: string;
  readonly set: string;
  readonly broken: BrokenSet;
}

/** One line a set: whether it is closed, and what is unmet since longer. */
export function setsText(sets: readonly SetReport[]): string {
  return sets
    .map(({ team, tier, set, broken: { addedCount, old } }) => {
      const parts = [
        addedCount.requirements === 0 ? '' : `${countWords(addedCount)} would break`,
        old.requirements === 0
          ? ''
          : `${countWords(old)} ${old.requirements === 1 ? 'was' : 'were'} unmet already`,
      ].filter((part) => part !== '');
      return `${team}/${tier} ${set}: ${parts.join('; ') || 'closed'}\n`;
    })
    .join('');
}

/** For machines: breaks as far as they are described, and how many there are. */
export function setsJson(sets: readonly SetReport[]) {
  return sets.map(({ team, tier, set, broken }) => ({
    team,
    tier,
    set,
    broken: broken.added.map(({ nevra, needs, clients, mends }) => {
      return { build: nevra, needs: plain(needs, 2_000), clients, mends };
    }),
    added: broken.addedCount,
    old: broken.old,
  }));
}
