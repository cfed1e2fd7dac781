import { type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { Plan } from '../plan/types.ts';
import { archesFor } from '../rpm/arches.ts';
import { formatNevra, parseNevra } from '../rpm/nevra.ts';
import type { Digest } from './digest.ts';
import { code, markdown } from './safe.ts';
import { list } from './tables.ts';
import { count, moment, setName, teamNames } from './words.ts';

/** `openssl-3.2.2-6.el9 (RHSA-2026:1234 and 2 more) to infra/stable and unstable`. */
export function hotfixTitle(plan: Plan, d: Digest): string {
  const asked = new Set(plan.hotfix?.builds);
  const rows = d.rows.filter(({ builds }) => builds.some((pin) => asked.has(formatNevra(pin.nevra))));
  const whats = [...new Set((rows.length > 0 ? rows : d.rows).map((row) => `${row.source}-${row.to}`))];
  const [only = ''] = whats;
  const what = whats.length === 1 && only.length <= 50 ? only : count(whats.length, 'source package');
  const [first, ...more] = d.security.map(({ advisory }) => advisory.id);
  const short = first !== undefined && first.length <= 30;
  const fixes = short ? ` (${first}${more.length > 0 ? ` and ${more.length} more` : ''})` : '';
  return `Hotfix ${what}${fixes} to ${whereTo(plan)} (${setName(plan.set)})`;
}

function whereTo(plan: Plan): string {
  const tiers = tiersOf(plan).join(' and ');
  return plan.teams ? `${tiers} of ${teamNames(plan)}` : `${plan.team}/${tiers}`;
}

function tiersOf({ hotfix, tier }: Plan): readonly string[] {
  return hotfix && hotfix.tiers.length > 0 ? hotfix.tiers : [tier];
}

/** Which of its tiers and teams a plan speaks of, where that is not one: `stable harbor-9-x86_64-base`. */
export function placeOf(plan: Plan, repository: RepositoryName): string {
  const { team, tier } = repository;
  const upstream = upstreamId(repository);
  if (plan.teams) return `${team}/${tier} ${upstream}`;
  return tiersOf(plan).length > 1 ? `${tier} ${upstream}` : upstream;
}

/** How much of an advisory a plan leaves behind it. */
export interface Presence {
  /** `7 of 9 present`, of each tier that the plan changes where they differ. */
  readonly said: string;
  /** Names of packages of the builds that count and are not there, sorted. */
  readonly lacking: readonly string[];
}

/**
 * Of the builds that an advisory names only those count that clients of this arch can install: vendors name the src and the other
 * arches along.
 */
export function presenceIn(plan: Plan): (builds: readonly string[]) => Presence {
  const tiers = tiersOf(plan).map((tier) => {
    const own = plan.repositories.filter(({ repository }) => !plan.hotfix || repository.tier === tier);
    const arches = new Set(own.flatMap(({ repository }) => archesFor(repository.arch)));
    const has = new Set(own.flatMap(({ after }) => after.pins.map((pin) => formatNevra(pin.nevra))));
    return { tier, arches, has };
  });
  return (builds) => {
    const lacking = new Set<string>();
    const counts = tiers.map(({ tier, arches, has }) => {
      const named = builds.filter((build) => has.has(build) || arches.has(archOf(build)));
      const absent = named.filter((build) => !has.has(build));
      for (const build of absent) lacking.add(parseNevra(build).name);
      return { tier, said: `${named.length - absent.length} of ${named.length} present` };
    });
    const [first] = counts;
    const same = counts.every(({ said }) => said === first?.said);
    const said = same ? (first?.said ?? '') : counts.map((c) => `${c.said} in ${c.tier}`).join(', ');
    return { said, lacking: [...lacking].sort() };
  };
}

function archOf(nevra: string): string {
  return nevra.slice(nevra.lastIndexOf('.') + 1);
}

/** What a hotfix waived and why, and what is to be done when it is over: lines of plain text, foreign text in `safe`. */
export function hotfixLines(plan: Plan, safe: (text: string) => string): string[] {
  const { hotfix } = plan;
  if (!hotfix) return [];
  const done = hotfix.done.length > 0 ? [`Has it already: ${hotfix.done.join(', ')}.`] : [];
  const hold = hotfix.overrideHolds;
  return [
    `Asked for by ${safe(hotfix.by)}, who named ${hotfix.named.map(safe).join(', ')}.`,
    `Why: ${safe(plan.reason ?? '')}`,
    ...(hold === undefined ? [] : [`Past holds, because: ${safe(hold)}`]),
    ...done,
  ];
}

/** By when the normal way would have brought it, which is by when somebody should have looked. */
export function reviewLines({ hotfix, now }: Pick<Plan, 'hotfix' | 'now'>): string[] {
  return (hotfix?.normally ?? []).map(({ tier, build, at, why }) => {
    if (at === undefined) return `${tier}: ${build} would not have come by itself: ${why}.`;
    if (at <= now) return `${tier}: ${build} was due: the normal way would have brought it today.`;
    return `${tier}: by ${moment(at)}, when ${build} would have come by itself (${why}).`;
  });
}

/** Commands that put the tiers back to what they were. */
export function undoLines(plan: Plan): string[] {
  const base = plan.hotfix?.base.slice(0, 12) ?? '';
  if (plan.teams) return plan.hotfix?.builds.map((build) => `sluice recall ${build} --reason TEXT`) ?? [];
  return tiersOf(plan).map((tier) => `sluice rollback ${plan.team} ${tier} --to ${base}`);
}

/** Sections of the pull request that other plans do not have: who and why first, what to do afterwards last. */
export function hotfixSections(plan: Plan, max: number): { readonly head: string; readonly tail: string } {
  if (!plan.hotfix) return { head: '', tail: '' };
  const said = (text: string) => markdown(text, 300);
  const review = list(reviewLines(plan).map(said), max);
  const undo = undoLines(plan).slice(0, 10).map(code).join(', ');
  return {
    head: `### A hotfix\n\n${list(hotfixLines(plan, said), 20)}`,
    tail:
      '### Afterwards\n\nThis was faster than it was looked at. Look at what it brought, in the packages and on a host that has it:\n\n' +
      `${review}\n\nWhere it turns out wrong: ${undo}. ${plan.teams ? 'That takes it from all teams at once, which are in lockstep.' : 'That proposes what stood there before, without what was merged into the tier since.'}`,
  };
}
