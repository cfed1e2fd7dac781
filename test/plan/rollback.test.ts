import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { makeSnapshot } from '../../src/manifest/snapshot.ts';
import { planRollback } from '../../src/plan/rollback.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { type Given, inputOf, pin, policyText, readGiven } from './world.ts';

interface RollbackGiven extends Given {
  /** What the tier had; absent: no manifest. */
  readonly former?: readonly string[];
}

const dir = new URL('../scenarios/rollback/', import.meta.url);

it.each(readdirSync(dir))('rollback: %s', async (name) => {
  const given = readGiven(readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8')) as RollbackGiven;
  await expect(`${said(given).join('\n')}\n`).toMatchFileSnapshot(
    new URL(`${name}/expected.txt`, dir).pathname,
  );
});

function said(given: RollbackGiven): string[] {
  // the universe of a scenario is its parent's builds and its target's
  const known = {
    ...Object.fromEntries((given.former ?? []).map((n) => [n, '2026-01-01'])),
    ...given.parent,
  };
  const { team, set, facts, closure, now, repositories } = inputOf({ ...given, parent: known });
  const plan = planRollback({
    team,
    tier: 'stable',
    set,
    to: '3f2a91c04b1d of 2026-03-02',
    facts,
    closure,
    now,
    notes: [],
    staysOut: { reason: 'it breaks', owner: 'ann', until: '2026-12-05' },
    policy: policyText(given),
    repositories: repositories.map(({ repository, target, live, parent }) => {
      const from = `infra-unstable-${parent.repository.os}-9-x86_64-base`;
      const pins = given.former?.map((n) => pin(n));
      return {
        repository,
        from,
        before: target,
        former: pins && makeSnapshot({ repository, from: 'an-older-parent', pins }),
        live,
      };
    }),
  });
  const holds = [...(plan.files?.values() ?? [])].map((text) =>
    text.slice(policyText(given).length).trimEnd(),
  );
  return [
    ...plan.repositories.flatMap((r) => [
      ...r.changes.map((c) => {
        if (c.kind === 'update')
          return `${c.from.nevra.name}: ${formatEvr(c.from.nevra.evr)} → ${formatEvr(c.to.nevra.evr)}`;
        if (c.kind === 'drop') return `- ${formatNevra(c.from.nevra)}: ${c.why}`;
        return 'to' in c && c.kind !== 'module' ? `${c.kind} ${formatNevra(c.to.nevra)}` : c.kind;
      }),
      ...r.attention.map(({ build, why }) => `${formatNevra(build.nevra)} ${why}`),
      ...r.notes,
      `from ${r.after.from}`,
      `has ${r.after.pins.map((p) => formatNevra(p.nevra)).join(' ')}`.trimEnd(),
    ]),
    ...(plan.lost ?? []).map(
      ({ advisory, packages }) => `loses ${advisory.severity} ${advisory.id} (${packages})`,
    ),
    ...holds,
  ];
}
