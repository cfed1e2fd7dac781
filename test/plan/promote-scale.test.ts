import { expect, it } from 'vitest';
import { planPromotion } from '../../src/plan/promote.ts';
import type { Facts } from '../../src/plan/types.ts';
import { inputOf } from './world.ts';

/** How often a plan of `count` updates asks for the streams of a build: a measure of its work that no clock disturbs. */
function questions(count: number): number {
  const names = Array.from({ length: count }, (_, i) => `package${i}`);
  const given = {
    now: '2026-03-10T00:00:00Z',
    parent: Object.fromEntries(names.map((name) => [`${name}-2-1.x86_64`, '2026-01-01'])),
    target: names.map((name) => `${name}-1-1.x86_64`),
  };
  const input = inputOf(given);
  let asked = 0;
  const streams: Facts['streams'] = (nevra) => {
    asked += 1;
    return input.facts.streams(nevra);
  };
  const plan = planPromotion({ ...input, facts: { ...input.facts, streams } });
  expect(plan.repositories[0]?.changes).toHaveLength(count);
  return asked;
}

it('a plan of four times as many updates is four times the work', () => {
  expect(questions(400) / questions(100)).toBeLessThan(5);
});
