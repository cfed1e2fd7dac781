import { byCodeUnit } from '../base/order.ts';
import type { AdvisoryFacts, Plan, Stay } from '../plan/types.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Row } from './digest.ts';
import { presenceIn } from './hotfix.ts';

export interface SecurityRow {
  readonly advisory: AdvisoryFacts;
  /** NEVRA texts that move with this plan. */
  readonly moving: readonly string[];
  /** `7 of 9 present`: of the builds that it names, how many are there after the plan. */
  readonly presence: string;
  /** Names of packages that it names and that are not there after the plan. */
  readonly lacking: readonly string[];
  /** The rows that it is of. */
  readonly rows: readonly Row[];
  /** Since when its fix was to be had while the tier had the build before it; undefined where nothing is replaced. */
  readonly exposed: Stay | undefined;
}

const SEVERITIES = ['critical', 'important', 'moderate', 'low', 'none'];

/** Security advisories of what moves, the most severe first. */
export function securityRows(plan: Plan, all: readonly Row[]): SecurityRow[] {
  if (plan.verb === 'rollback') return []; // what it loses is what counts
  const found = new Map<string, { advisory: AdvisoryFacts; moving: Set<string>; rows: Set<Row> }>();
  for (const row of all) {
    for (const [i, { nevra }] of row.builds.entries()) {
      for (const advisory of row.told[i]?.advisories ?? []) {
        if (advisory.type !== 'security') continue;
        const key = `${advisory.id}\n${advisory.title}`;
        const entry = found.get(key) ?? { advisory, moving: new Set(), rows: new Set() };
        found.set(key, entry);
        entry.moving.add(formatNevra(nevra));
        entry.rows.add(row);
      }
    }
  }
  if (found.size === 0) return [];
  const presence = presenceIn(plan);
  return [...found.values()]
    .map(({ advisory, moving, rows }): SecurityRow => {
      const { said, lacking } = presence(advisory.builds);
      const exposed = exposedBy([...moving], [...rows], plan);
      return { advisory, moving: [...moving], presence: said, lacking, rows: [...rows], exposed };
    })
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(a.advisory.severity) - SEVERITIES.indexOf(b.advisory.severity) ||
        byCodeUnit(a.advisory.id, b.advisory.id),
    );
}

/** From the first day on which one could have had the fix, of builds that take another one's place. */
function exposedBy(builds: readonly string[], rows: readonly Row[], plan: Plan): Stay | undefined {
  if (rows.every((row) => row.from === undefined)) return undefined;
  let earliest: Stay | undefined;
  for (const build of builds) {
    const seen = plan.about.get(build)?.seen;
    if (seen && (!earliest || seen.began < earliest.began)) earliest = seen;
  }
  return earliest;
}
