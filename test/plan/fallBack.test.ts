import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { makeSnapshot, type Snapshot } from '../../src/manifest/snapshot.ts';
import { brokenSet } from '../../src/plan/brokenSet.ts';
import { fallBack, type Removal } from '../../src/plan/fallBack.ts';
import { compareEvr } from '../../src/rpm/evr.ts';
import { formatNevra, nameArch } from '../../src/rpm/nevra.ts';
import { type Given, inputOf, pin } from './world.ts';

/** A tier, what it takes from, and what must go. */
interface Case extends Pick<Given, 'sources' | 'requires' | 'provides' | 'obsoletes' | 'also'> {
  readonly has: readonly string[];
  readonly parent?: readonly string[];
  readonly live?: readonly string[];
  readonly gone: readonly string[];
  /** Of `also`: what leaves there. */
  readonly alsoGone?: readonly string[];
}

const REPOSITORY = 'harbor-9-x86_64-base';

function setOf(c: Case) {
  const all = [...c.has, ...(c.parent ?? []), ...(c.live ?? [])];
  const { has: _, parent, live, gone, alsoGone, ...rest } = c;
  const input = inputOf({
    ...rest,
    now: '2026-03-10T00:00:00Z',
    parent: Object.fromEntries(all.map((b) => [b, '2026-01-01'])),
  });
  const snapshot = (tier: string, builds: readonly string[]): Snapshot =>
    makeSnapshot({
      repository: { team: 'infra', tier, os: 'harbor', version: '9', arch: 'x86_64', repo: 'base' },
      from: 'x',
      pins: builds.map((b) => pin(b)),
    });
  const sources = [
    { name: 'unstable', snapshot: snapshot('unstable', parent ?? []) },
    { name: 'live', snapshot: snapshot('live', live ?? []) },
  ];
  const repositories = [{ repository: REPOSITORY, snapshot: snapshot('stable', c.has), sources }];
  const also = input.closure.also.slice();
  for (const b of alsoGone ?? []) also[input.closure.number(pin(b)) as number] = 0;
  const closureAfter = { ...input.closure, also };
  return { closure: input.closure, closureAfter, facts: input.facts, repositories, gone };
}

function asked(c: Case): { removal: Removal; set: ReturnType<typeof setOf>; after: string[] } {
  const set = setOf(c);
  const gone = new Set(c.gone);
  const done = fallBack(set, (p) => gone.has(formatNevra(p.nevra)));
  const [only] = done.repositories;
  const left = new Set(only?.leaving.map(({ pin: p }) => formatNevra(p.nevra)));
  const after = [
    ...c.has.filter((b) => !left.has(b)),
    ...(only?.came.map((p) => formatNevra(p.nevra)) ?? []),
  ].sort();
  return { removal: done, set, after };
}

function said({ removal: { repositories, beyond }, after }: ReturnType<typeof asked>): string[] {
  return [
    ...repositories.flatMap(({ leaving }) =>
      leaving.map(({ pin: p, lacks, instead, from }) => {
        const lower = instead
          ? `then ${formatNevra(instead.nevra)}${from === undefined ? '' : ` from ${from}`}`
          : 'then nothing';
        return `${formatNevra(p.nevra)} leaves${lacks === undefined ? '' : ` (${lacks})`}, ${lower}`;
      }),
    ),
    ...beyond.map((b) => `beyond: ${b}`),
    `has ${after.join(' ')}`,
  ];
}

const dir = new URL('../scenarios/recall/', import.meta.url);

it.each(readdirSync(dir))('recall: %s', async (name) => {
  const given = parse(readFileSync(new URL(`${name}/given.yaml`, dir), 'utf8'), {
    schema: 'failsafe',
  }) as Case;
  await expect(`${said(asked(given)).join('\n')}\n`).toMatchFileSnapshot(
    new URL(`${name}/expected.txt`, dir).pathname,
  );
});

describe('whatever is taken out of whatever', () => {
  const names = ['a', 'b', 'c', 'd'];
  const build = fc
    .tuple(fc.constantFrom(...names), fc.integer({ min: 1, max: 3 }))
    .map(([n, v]) => `${n}-${v}-1.x86_64`);
  const builds = fc.uniqueArray(build, { maxLength: 8 });
  const needs = fc.dictionary(
    build,
    fc.uniqueArray(
      fc
        .tuple(fc.constantFrom(...names), fc.constantFrom('', ' = 1-1', ' >= 2', ' = 3-1'))
        .map(([n, c]) => `${n}${c}`),
      { maxLength: 2 },
    ),
    { maxKeys: 8 },
  );
  const cases = fc.record({
    has: builds,
    parent: builds,
    live: builds,
    gone: fc.uniqueArray(build, { minLength: 1, maxLength: 3 }),
    requires: needs,
  });

  it('what was asked is gone for good, nobody lacks what was there before, and nothing gets newer', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { removal: done, set, after } = asked(c);
        for (const b of c.gone) expect(after).not.toContain(b);
        const contents = (list: readonly string[]) => ({
          closure: set.closure,
          repositories: [{ repository: REPOSITORY, pins: list.map((b) => pin(b)), modules: new Map() }],
        });
        const { addedCount } = brokenSet(contents(c.has), contents(after), { supplies: [], full: 1 });
        expect(addedCount.requirements).toBe(0);
        const [only] = done.repositories;
        for (const { pin: p, lacks, instead } of only?.leaving ?? []) {
          if (lacks === undefined) expect(c.gone).toContain(formatNevra(p.nevra));
          if (instead) expect(nameArch(instead.nevra)).toBe(nameArch(p.nevra));
        }
        for (const p of only?.came ?? []) {
          const own = c.has.map((b) => pin(b)).filter((q) => nameArch(q.nevra) === nameArch(p.nevra));
          expect(own.some((q) => compareEvr(q.nevra.evr, p.nevra.evr) > 0)).toBe(true);
        }
        if (!c.has.some((b) => c.gone.includes(b))) expect(after).toEqual([...c.has].sort());
      }),
      { numRuns: 80 },
    );
  });
});
