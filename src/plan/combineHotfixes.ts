import type { About, HotfixFacts, Plan } from './types.ts';

/** Hotfixes of one request and client set for teams that are in lockstep, as one plan: all of them, or none. */
export function combineHotfixes(plans: readonly Plan[]): Plan {
  const [first] = plans;
  if (!first?.hotfix || plans.length === 1) return first as Plan;
  const facts = plans.flatMap(({ hotfix }) => hotfix ?? []);
  const about = new Map<string, About>(plans.flatMap((plan) => [...plan.about]));
  const union = (of: (one: HotfixFacts) => readonly string[]) => [...new Set(facts.flatMap(of))];
  const hotfix: HotfixFacts = {
    ...first.hotfix,
    builds: union((one) => one.builds),
    tiers: union((one) => one.tiers),
    done: plans.flatMap(({ team, hotfix: one }) => (one?.done ?? []).map((tier) => `${team}/${tier}`)),
    normally: plans.flatMap(({ team, hotfix: one }) =>
      (one?.normally ?? []).map((normal) => ({ ...normal, tier: `${team}/${normal.tier}` })),
    ),
  };
  const teams = plans.map(({ team }) => team);
  const repositories = plans.flatMap((plan) => plan.repositories);
  return { ...first, teams, repositories, about, hotfix };
}
