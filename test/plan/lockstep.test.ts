import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Fault } from '../../src/base/fault.ts';
import { findApart } from '../../src/plan/lockstep.ts';
import type { Plan } from '../../src/plan/types.ts';
import { when, why } from '../../src/report/words.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';
import { ALL } from '../fixtures/sample.ts';
import { type GivenLockstep, lockstepWorld } from './lockstepWorld.ts';
import { pin } from './world.ts';

const dir = new URL('../scenarios/lockstep/', import.meta.url);

it.each(readdirSync(dir))('lockstep: %s', async (name) => {
  const text = readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8');
  const given = parse(text, { schema: 'failsafe' }) as GivenLockstep;
  const { alone, together } = lockstepWorld(given);
  const lines = [
    ...Object.keys(given.teams).flatMap((team) => said(`${team} alone`, () => alone(team))),
    ...said('', together),
  ];
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(new URL(`${name}/expected.txt`, dir).pathname);
});

function said(who: string, plan: () => Plan): string[] {
  try {
    return plan().repositories.flatMap(({ repository, changes, staying, after }) => {
      const of = who === '' ? repository.team : who;
      return [
        ...changes.map((c) => {
          const from = 'from' in c ? `${formatEvr(c.from.nevra.evr)} ` : '';
          const along =
            'along' in c && c.along ? `, because ${c.along.map(({ needs }) => needs).join()}` : '';
          const past = 'past' in c && c.past.length > 0 ? `, past ${c.past.join()}` : '';
          return `${of}: ${c.kind} ${from}${'to' in c && c.kind !== 'module' ? formatNevra(c.to.nevra) : ''}${along}${past}`;
        }),
        ...staying.map(
          (s) => `${of}: ${formatNevra(s.build.nevra)} stays: ${why(s.reason)}; moves: ${when(s.reason)}`,
        ),
        ...(who === '' ? [`${of}: has ${after.pins.map((pin) => formatNevra(pin.nevra)).join(' ')}`] : []),
      ];
    });
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return [`${who || 'all'}: ${fault.code} at ${fault.at}: ${fault.message}`, `hint: ${fault.hint}`];
  }
}

const RUNS = ALL ? 500 : 30;
const TEAMS = ['ant', 'bee', 'cat'];
const NAMES = ['lustre', 'lustre-client', 'verbs', 'bash'];
const DAYS = ['2026-01-01', '2026-03-05'];
const build = fc
  .tuple(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 4 }))
  .map(([name, version]) => `${name}-${version}-1.noarch`);
const hold = fc
  .constantFrom(...NAMES)
  .map((name) => ({ match: `^${name}$`, reason: 'a freeze', owner: '@x' }));
const member = fc.record({
  parent: fc.dictionary(build, fc.constantFrom(...DAYS, DAYS[0]), { minKeys: 3, maxKeys: 9 }),
  had: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 4 }),
  holds: fc.array(hold, { maxLength: 1 }),
});
const requirement = build.map((b) => `${parseNevra(b).name} >= ${parseNevra(b).evr.version}-1`);
const seeds = fc.record({
  members: fc.tuple(member, member, member),
  requires: fc.dictionary(build, fc.array(requirement, { maxLength: 1 }), { maxKeys: 4 }),
  start: fc.constantFrom(1, 2),
  steps: fc.array(fc.constantFrom('all', ...TEAMS), { minLength: 1, maxLength: 3 }),
});
type Seed = typeof seeds extends fc.Arbitrary<infer T> ? T : never;

/** All teams have what they have in the same version at first, whatever their parents have by now. */
function givenOf({ members, requires, start }: Seed): GivenLockstep {
  const teams = members.map(({ parent, had, holds }, i) => [
    TEAMS[i],
    { parent, target: had.map((name) => `${name}-${start}-1.noarch`), team: { holds } },
  ]);
  return {
    now: '2026-03-10T00:00:00Z',
    packages: '[{ glob: "lustre*" }, { match: ^verbs$ }]',
    tier: { wait: { inParent: '10d' } },
    sources: { lustre: 'lustre', 'lustre-client': 'lustre' },
    requires,
    teams: Object.fromEntries(teams),
  };
}

/** The teams as they are after a plan. */
function promoted(given: GivenLockstep, plan: Plan): GivenLockstep {
  const teams = { ...given.teams };
  for (const { repository, after: snapshot } of plan.repositories) {
    const target = snapshot.pins.map((pin) => formatNevra(pin.nevra));
    teams[repository.team] = { ...teams[repository.team], target };
  }
  return { ...given, teams };
}

function isApart({ teams }: GivenLockstep): unknown[] {
  const owns = (name: string) => name !== 'bash';
  const all = Object.entries(teams).map(([team, { target = [] }]) => {
    const repository = { team, tier: 'stable', os: 'harbor', version: '9', arch: 'x86_64', repo: 'base' };
    return { team, snapshots: [{ repository, pins: target.map((nevra) => pin(nevra)) }] };
  });
  return findApart(all, owns);
}

describe('teams in lockstep that had the same versions', () => {
  it('have the same ones after whatever they promote, each for itself or at once', () => {
    let moved = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        let given = givenOf(seed);
        for (const step of seed.steps) {
          const { alone, together, owns } = lockstepWorld(given);
          const plan = step === 'all' ? together() : alone(step);
          for (const r of plan.repositories) {
            const { holds } = seed.members[TEAMS.indexOf(r.repository.team)] ?? { holds: [] };
            for (const change of r.changes) {
              if (!('to' in change) || change.kind === 'module' || !owns(change.to.nevra.name)) continue;
              moved += 1;
              expect(step).toBe('all');
              expect(holds.map(({ match }) => match)).not.toContain(`^${change.to.nevra.name}$`);
              expect(given.teams[r.repository.team]?.parent?.[formatNevra(change.to.nevra)]).toBe(DAYS[0]);
            }
          }
          given = promoted(given, plan);
          expect(isApart(given)).toEqual([]);
        }
      }),
      { numRuns: RUNS },
    );
    expect(moved).toBeGreaterThan(RUNS / 4);
  });

  it('differ where they promote without the rule: the property can fail', () => {
    const parent = { 'lustre-2-1.noarch': '2026-01-01' };
    const target = ['lustre-1-1.noarch'];
    const given = { now: '2026-03-10T00:00:00Z', packages: '[{ glob: verbs }]', parent, target };
    const world = lockstepWorld({ ...given, teams: { ant: {}, bee: {} } });
    const teams = { ant: { target }, bee: { target } };
    expect(isApart(promoted({ ...given, teams }, world.alone('ant')))).toHaveLength(1);
  });
});
