import { overlaps } from '../rpm/capability.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { namesOf } from './candidates.ts';
import type { Closure, Outcome } from './closing.ts';
import type { PromoteInput } from './promote.ts';
import { nevraOf } from './rules.ts';
import type { Pin } from './types.ts';

/** Past these they are counted. */
const MAX_NAMED = 20;

/** Whether a build obsoletes another one, versions and all; what no client installs (sources) obsoletes nothing. */
export function obsoletes(build: Pin, old: Pin, { universe, number }: Closure): boolean {
  const own = number(build);
  if (own === undefined || build.nevra.name === old.nevra.name) return false;
  const { index } = universe.requirements;
  const { name, evr } = old.nevra;
  return [...index.relation(own, 'obsoletes')].some((capability) =>
    overlaps({ name, flags: 'EQ', ...evr }, index.capability(capability)),
  );
}

/** `Obsoletes`, or `Obsoletes and Provides` where what needs the old name is met by the new one. */
function how(build: Pin, old: Pin, { universe, number }: Closure): string {
  const { index } = universe.requirements;
  const provided = [...index.relation(number(build) ?? -1, 'provides')].some(
    (capability) => index.capability(capability).name === old.nevra.name,
  );
  return provided ? 'Obsoletes and Provides' : 'Obsoletes';
}

/** Said of a plan: which names of the tier hosts lose to another one by it. Nothing is taken out of the tier for that. */
export function renameNotes(outcomes: readonly Outcome[], input: PromoteInput): string[] {
  const { closure, facts, repositories, tier } = input;
  const before = repositories.flatMap((r) => (r.target ? namesOf(r.target.pins).packages : []));
  const newestOf = (name: string): Pin | undefined =>
    before
      .flatMap((packages) => packages.get(name) ?? [])
      .reduce<Pin | undefined>((a, b) => (a && compareEvr(a.nevra.evr, b.nevra.evr) >= 0 ? a : b), undefined);
  const isListed = (name: string): boolean =>
    repositories.some((r) => r.live.pins.some((pin) => !pin.withdrawn && pin.nevra.name === name));
  const notes = new Map<string, string>();
  for (const { move } of outcomes) {
    if (!move) continue;
    const { to, judged } = move;
    for (const name of facts.build(to).obsoletes) {
      const old = newestOf(name);
      if (!old || !obsoletes(to, old, closure)) continue;
      if (judged.has && obsoletes(judged.has, old, closure)) continue; // no news
      const upstream = isListed(name) ? '' : `, and upstream has no ${name} any more`;
      notes.set(
        `${to.nevra.name} ${name}`,
        `${to.nevra.name} replaces ${name} (${how(to, old, closure)}): hosts with ${nevraOf(old)} get ${formatNevra(to.nevra)}${upstream}; ${name} stays in ${tier.name} until somebody removes it`,
      );
    }
  }
  const said = [...notes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, note]) => note);
  const more = said.length - MAX_NAMED;
  return more > 0 ? [...said.slice(0, MAX_NAMED), `${more} more names are replaced by others`] : said;
}
