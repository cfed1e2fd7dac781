import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { alongOf, planRemoval } from '../../src/plan/remove.ts';
import { cascadeWords } from '../../src/report/going-back.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { type RemoveGiven, removeInput } from './removing.ts';
import { policyText, readGiven } from './world.ts';

const dir = new URL('../scenarios/remove/', import.meta.url);

it.each(readdirSync(dir))('remove: %s', async (name) => {
  const given = readGiven(readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8')) as RemoveGiven;
  await expect(`${said(given).join('\n')}\n`).toMatchFileSnapshot(
    new URL(`${name}/expected.txt`, dir).pathname,
  );
});

function said(given: RemoveGiven): string[] {
  try {
    const plan = planRemoval(removeInput(given));
    const holds = [...(plan.files?.values() ?? [])].map((text) => text.slice(policyText(given).length));
    return [
      ...(plan.cascade ?? []).map(cascadeWords),
      ...(alongOf(plan).length > 0 ? ['needs --cascade'] : []),
      ...plan.repositories.flatMap((r) => [
        ...r.changes.map((c) =>
          c.kind === 'drop' ? `- ${formatNevra(c.from.nevra)}: ${c.why}` : `${c.kind} ${JSON.stringify(c)}`,
        ),
        ...r.notes,
        `has ${r.after.pins.map((pin) => formatNevra(pin.nevra)).join(' ')}`,
      ]),
      ...(plan.lost ?? []).map(
        ({ advisory, packages }) => `loses ${advisory.severity} ${advisory.id} (${packages})`,
      ),
      ...holds.map((text) => text.trimEnd()),
    ];
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return [`${fault.code}: ${fault.message}`, `hint: ${fault.hint}`];
  }
}
