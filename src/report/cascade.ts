import type { Plan } from '../plan/types.ts';
import { count } from './words.ts';

/** The first sentence of a plan that changes policies: who is concerned, and how many builds. */
export function policyWords({ verb, team, cascade }: Plan): string {
  const n = cascade?.effects.length ?? 0;
  const what = verb === 'hold' ? 'Holds' : 'Lets go';
  const follows =
    n === 0
      ? 'No build moves or stays otherwise because of it now.'
      : `${count(n, 'build')} in its tiers: see below.`;
  return `${what}, by the policy of **${team}**. ${follows}`;
}
