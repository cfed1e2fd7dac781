import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { planPromotion } from '../../src/plan/promote.ts';
import type { Change, Plan } from '../../src/plan/types.ts';
import { when, why } from '../../src/report/words.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { type Given, inputOf, readGiven } from './world.ts';

const dir = new URL('../scenarios/promote/', import.meta.url);

it.each(readdirSync(dir))('promote: %s', async (name) => {
  const given = readGiven(readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8'));
  const lines = said(given);
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(new URL(`${name}/expected.txt`, dir).pathname);
});

function said(given: Given): string[] {
  const input = inputOf(given);
  try {
    return planned(planPromotion(input));
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return [`${fault.code}: ${fault.message}`, `hint: ${fault.hint}`];
  }
}

function planned(plan: Plan): string[] {
  return plan.repositories.flatMap((r) => [
    ...r.changes.map(say),
    ...r.staying.map(
      (s) => `${formatNevra(s.build.nevra)} stays: ${why(s.reason)}; moves: ${when(s.reason)}`,
    ),
    ...r.attention.map((a) => `${formatNevra(a.build.nevra)} needs attention: ${a.why}`),
    ...r.notes.filter((note) => note.includes(' replaces ')).map((note) => `note: ${note}`),
    ...[...r.after.modules.keys()].map((nsvca) => `has module ${nsvca}`),
    `has ${r.after.pins.map((pin) => formatNevra(pin.nevra)).join(' ')}`,
  ]);
}

function say(change: Change): string {
  const past = 'past' in change && change.past.length > 0 ? ` past ${change.past.join(', ')}` : '';
  const early =
    'early' in change && change.early
      ? ` early: ${change.early.why}; else ${change.early.otherwise.toISOString().slice(0, 10)}`
      : '';
  const by = 'exception' in change && change.exception !== undefined ? ` by ${change.exception}` : '';
  const along =
    'along' in change && change.along
      ? ` because ${change.along.map(({ build, needs }) => `${build} needs ${needs}`).join(', ')}`
      : '';
  switch (change.kind) {
    case 'add':
      return `+ ${formatNevra(change.to.nevra)}${change.replaces ? ` replaces ${change.replaces}` : ''}${past}${early}${by}${along}`;
    case 'update':
    case 'rerolled':
    case 'resigned':
      return `${change.kind} ${change.to.nevra.name}: ${formatEvr(change.from.nevra.evr)} → ${formatEvr(change.to.nevra.evr)}${past}${early}${by}${along}`;
    case 'drop':
    case 'withdrawn':
      return `- ${formatNevra(change.from.nevra)}: ${change.why}`;
    case 'relisted':
      return `relisted ${formatNevra(change.to.nevra)}`;
    case 'tree':
      return `tree ${change.words}`;
    case 'module':
      return `module ${change.nsvca} ${change.to ? 'comes' : 'goes'}`;
  }
}
