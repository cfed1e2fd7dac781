import type { Plan } from '../plan/types.ts';
import { count } from './words.ts';

/** The first sentence of a plan that changes policies: who is concerned, and how many builds. */
export function policyWords({ verb, team, follows }: Plan): string {
  const n = follows?.effects.length ?? 0;
  const what = verb === 'hold' ? 'Holds' : 'Lets go';
  const builds =
    n === 0
      ? 'No build moves or stays otherwise because of it now.'
      : `${count(n, 'build')} in its tiers: see below.`;
  return `${what}, by the policy of **${team}**. ${builds}`;
}

/** The first sentence of a recall, or of the end of one. */
export function recallWords({ repositories, follows }: Plan): string {
  const n = repositories.reduce((sum, r) => sum + r.changes.filter((c) => c.kind !== 'module').length, 0);
  if (repositories.length === 0) return 'A recall for all teams: what it was of may be taken in again.';
  const tiers = new Set(follows?.effects.map(({ where }) => where)).size;
  const where = tiers === 0 ? 'No tier has it' : `It leaves ${count(tiers, 'client set')}`;
  return `A recall for **all teams**: ${count(n, 'build')} in ${count(repositories.length, 'manifest')} go. ${where}; see below what falls back to what.`;
}
