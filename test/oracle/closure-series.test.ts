import { describe, expect, it } from 'vitest';
import { loadFacts } from '../../src/flows/facts.ts';
import { upstreamId } from '../../src/manifest/ids.ts';
import type { Pin, Snapshot } from '../../src/manifest/snapshot.ts';
import { type Client, clientsOf } from '../../src/plan/clients.ts';
import { familyOf } from '../../src/plan/families.ts';
import { groupKey, groupPins } from '../../src/plan/groups.ts';
import { Requirements } from '../../src/plan/requirements.ts';
import type { RepositoryPlan } from '../../src/plan/types.ts';
import { projectModules } from '../../src/repodata/modules.ts';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { compareEvr } from '../../src/rpm/evr.ts';
import { formatNevra, nameArch } from '../../src/rpm/nevra.ts';
import { CorpusTiers, type Taken } from '../fixtures/corpusTiers.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';

const DAY = 86_400_000;
const WAIT = 30;
/** The repository of each date, and how many days later it is promoted. */
const STEPS = [
  ['2023-07-01', ALL ? [0, 15, 31] : [0]],
  ['2024-01-01', [0, 15, 31]],
  ['2024-07-01', [0, 15, 31]],
] as const;

const path = (date: string): string => `centos-9-appstream-series/latest-${date}`;

/** Counts by itself: every client of a set anew, and every requirement of every build that it sees. */
class Count {
  readonly #index = new PackageIndex();
  readonly #numbers = new Map<string, number>();
  readonly #requirements: Requirements;
  readonly #tiers: CorpusTiers;

  private constructor(tiers: CorpusTiers, elements: ReadonlyMap<string, Buffer>) {
    this.#tiers = tiers;
    for (const [record, element] of elements) this.#numbers.set(record, this.#index.add(element, record));
    this.#requirements = new Requirements(this.#index);
  }

  static async of(tiers: CorpusTiers, pins: readonly Pin[]): Promise<Count> {
    const records = [...new Set(pins.map(({ record }) => record))];
    return new Count(tiers, await tiers.catalog.getPrimaries(records));
  }

  /** By client: `name.arch lacks capability`. */
  unmet(target: Snapshot, { modules }: Taken): Map<string, Set<string>> {
    const members = new Uint8Array(this.#index.size);
    const { baseos } = this.#tiers;
    for (const { record } of [...target.pins, ...baseos.live.pins]) {
      members[this.#numbers.get(record) as number] = 1;
    }
    const pinned = modules.filter((m) => m.nsvca !== undefined && target.modules.has(m.nsvca));
    const repositories = [
      { id: upstreamId(target.repository), modules: projectModules(pinned, modules) },
      { id: upstreamId(baseos.live.repository), modules: [] },
    ];
    const repositoryOf = new Uint8Array(this.#index.size);
    const set = { index: this.#index, members, repositoryOf, repositories, arch: 'x86_64' };
    return new Map(clientsOf(set).clients.map((client) => [client.label, this.#lacks(client)]));
  }

  #lacks({ sees }: Client): Set<string> {
    const lacks = new Set<string>();
    const known = new Map<number, boolean>();
    sees.forEach((bit, build) => {
      if (bit === 0 || /^(?:no)?src$/.test(this.#index.nevra(build).arch)) return;
      for (const requirement of this.#requirements.of(build)) {
        const isMet = known.get(requirement) ?? this.#requirements.isMet(requirement, sees);
        known.set(requirement, isMet);
        if (isMet) continue;
        lacks.add(
          `${nameArch(this.#index.nevra(build))} lacks ${this.#requirements.capability(requirement).name}`,
        );
      }
    });
    return lacks;
  }
}

/** Builds that the target had, and that stayed while another binary of their source package moved to a version that they have too. */
async function splitBy(plan: RepositoryPlan, parent: Snapshot, { catalog }: CorpusTiers): Promise<string[]> {
  const before = plan.before ?? plan.after;
  const facts = await loadFacts(catalog, [before, plan.after, parent]);
  const [had, has] = [groupPins(before.pins, facts), groupPins(plan.after.pins, facts)];
  const moved = new Set(
    plan.changes.flatMap((c) => (c.kind === 'update' ? familyOf(facts.build(c.to)) : [])),
  );
  return parent.pins
    .filter((pin) => moved.has(familyOf(facts.build(pin))))
    .filter((pin) => {
      const key = groupKey(pin, facts);
      const newest = had.has(key) ? has.get(key)?.at(-1) : undefined;
      return newest !== undefined && compareEvr(pin.nevra.evr, newest.nevra.evr) > 0;
    })
    .map((pin) => formatNevra(pin.nevra));
}

describe.skipIf(CORPUS === undefined)('AppStream as it was on four dates, promoted step by step', () => {
  it('adds no unmet requirement for any client, at any step', { timeout: 300_000 }, async () => {
    const tiers = await CorpusTiers.open(await tempDir(), { wait: { seen: `${WAIT}d` } });
    let last = await tiers.appstream(path('2023-01-01'));
    let target = tiers.target(last, last.live.pins);
    for (const [date, days] of ALL ? STEPS : STEPS.slice(0, 1)) {
      const parent = await tiers.appstream(path(date));
      const count = await Count.of(tiers, [...target.pins, ...parent.live.pins, ...tiers.baseos.live.pins]);
      let before = count.unmet(target, last);
      for (const day of days) {
        const now = new Date(Date.parse(`${date}T00:00:00Z`) + day * DAY);
        const plan = await tiers.plan(tiers.state(parent, target), now);
        const { changes, after, staying } = plan.repositories[0]!;
        const what = `${date}, ${day} days later`;
        const unmet = count.unmet(after, parent);
        const defaults = before.get('newest, default streams');
        expect(unmet.size).toBeGreaterThan(2);
        for (const [client, lacks] of unmet) {
          const old = before.get(client) ?? defaults ?? new Set();
          expect([...lacks.difference(old)], `${what}, ${client}`).toEqual([]);
          expect(lacks.size).toBeGreaterThan(100); // the corpus's BaseOS is a part of it: old breaks are carried
        }
        expect(await splitBy(plan.repositories[0]!, parent.live, tiers), what).toEqual([]);
        const kinds = new Set(staying.map(({ reason }) => reason.kind));
        expect(kinds, what).toContain('broken');
        if (day === 0) {
          expect(changes.length, what).toBeGreaterThan(300);
          expect(kinds, what).toContain('wait');
          expect(
            staying.some(({ reason }) => reason.kind === 'with' && reason.until),
            what,
          ).toBe(true);
        } else if (day > WAIT) {
          expect(kinds, what).not.toContain('wait'); // and nothing else waits for a day that has gone by
          for (const { reason } of staying) expect('until' in reason && reason.until, what).toBeFalsy();
        }
        [target, before, last] = [after, unmet, parent];
      }
    }
  });
});
