import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { policyEffects } from '../../src/plan/effects.ts';
import { planPromotion } from '../../src/plan/promote.ts';
import { type Given, inputOf, readGiven } from './world.ts';

/** A promotion's scenario, and the holds that come to those that the team has. */
interface Case extends Given {
  readonly hold: readonly Readonly<Record<string, string>>[];
}

const dir = new URL('../scenarios/hold/', import.meta.url);

it.each(readdirSync(dir))('hold: %s', async (name) => {
  const { hold, ...given } = readGiven(readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8')) as Case;
  const holds = [...((given.team?.['holds'] as Case['hold'] | undefined) ?? []), ...hold];
  const [before, after] = [given, { ...given, team: { ...given.team, holds } }].map((g) =>
    planPromotion(inputOf(g)),
  );
  if (!before || !after) throw new Error('no plans');
  const say = (effects: ReturnType<typeof policyEffects>) =>
    effects.map((e) => `${e.where}: ${e.build} ${e.what}: ${e.why}\n`);
  const lines = [
    'held\n',
    ...say(policyEffects(before, after)),
    'let go\n',
    ...say(policyEffects(after, before)),
  ];
  await expect(lines.join('')).toMatchFileSnapshot(new URL(`${name}/expected.txt`, dir).pathname);
});
