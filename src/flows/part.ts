import { malformed } from '../base/fault.ts';
import { exactly, type Hold } from '../manifest/pattern.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import { isPackageName } from '../rpm/nevra.ts';

/** Something that a person had left out of one pull request: a package or a source package. */
export interface Dropped {
  readonly name: string;
  readonly by: string;
}

/**
 * What a pull request has of its tier's promotion. It stands in the commit's trailers, from which the check makes the plan again,
 * and from which the bot knows it the next time.
 */
export interface Part {
  /** Only these source packages, and what they need; empty: all. */
  readonly only: readonly string[];
  readonly dropped: readonly Dropped[];
  /** Source packages that have open pull requests of their own. */
  readonly elsewhere: readonly string[];
}

const ONLY = 'Sluice-Only';
const DROPPED = 'Sluice-Dropped';
const ELSEWHERE = 'Sluice-Elsewhere';

/** What tells its branch from its tier's. Named after its first source package, it stays where it is while others come and go. */
export function partBranch({ only }: Part): string[] {
  return ['+part', ...only.slice(0, 1)];
}

export function partTrailers({ only, dropped, elsewhere }: Part): [string, string][] {
  return [
    ...only.map((name): [string, string] => [ONLY, name]),
    ...dropped.map(({ name, by }): [string, string] => [DROPPED, `${name} by ${by}`]),
    ...elsewhere.map((name): [string, string] => [ELSEWHERE, name]),
  ];
}

/** Undefined: the whole. A Fault on what no such trailer can be. */
export function readPart(all: (trailer: string) => readonly string[]): Part | undefined {
  const names = (trailer: string) =>
    all(trailer).map((name) => {
      if (!isPackageName(name)) throw malformed(trailer, name);
      return name;
    });
  const dropped = all(DROPPED).map((text) => {
    const [, name = '', by = ''] = /^(\S+) by (.+)$/.exec(text) ?? [];
    if (!isPackageName(name)) throw malformed(DROPPED, text);
    return { name, by };
  });
  const part = { only: names(ONLY), dropped, elsewhere: names(ELSEWHERE) };
  return part.only.length + dropped.length + part.elsewhere.length === 0 ? undefined : part;
}

/** As if the policy held it: what is built from the same source waits with it, and so does what needs it. */
export function teamWithout(team: TeamPolicy, part: Part | undefined): TeamPolicy {
  if (!part) return team;
  const at = team.path;
  const holds = (name: string, owner: string, reason: string): Hold[] => [
    { match: exactly(name), owner, reason, at },
    { source: exactly(name), owner, reason, at },
  ];
  return {
    ...team,
    holds: [
      ...part.dropped.flatMap(({ name, by }) => holds(name, by, 'left out of this pull request')),
      ...part.elsewhere.flatMap((name) => holds(name, 'sluice', 'in a pull request of its own').slice(1)),
      ...team.holds,
    ],
  };
}

export function partNotes(part: Part | undefined): string[] {
  if (!part) return [];
  const { only, dropped, elsewhere } = part;
  const said = dropped.map(
    ({ name, by }) => `${name} is left out of this pull request, as ${by} asked, and so is what needs it`,
  );
  if (only.length > 0) said.push(`a part of what may move, which goes by itself: ${only.join(', ')}`);
  if (elsewhere.length > 0) said.push(`in pull requests of their own: ${elsewhere.join(', ')}`);
  return said;
}
