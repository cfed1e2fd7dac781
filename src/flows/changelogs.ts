import { Fault } from '../base/fault.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { type ChangelogNews, changelogNews } from '../plan/changelog.ts';
import type { Change, Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { type ChangelogEntry, changelogOf } from '../repodata/other.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';

type Update = Extract<Change, { kind: 'update' }>;

/**
 * The plan with what the changelogs of its updates say between the two builds, by the build that comes: of one build of each source
 * package, because its binaries share one changelog. It is no part of what the check recomputes: it changes no byte of a manifest.
 */
export async function readChangelogs(plan: Plan, catalog: Catalog): Promise<Plan> {
  if (plan.verb === 'init' || plan.verb === 'fill' || plan.verb === 'rollback') return plan;
  const updates = plan.repositories.flatMap((r) => onePerSource(r.changes));
  if (updates.length === 0) return plan;
  const records = new Set(updates.flatMap(({ from, to }) => [from.record, to.record]));
  const lost = await catalog.hasRecords(records);
  const elements = await catalog.getOthers([...records].filter((record) => !lost.has(record)));
  const entriesOf = ({ record, nevra }: Pin) => entriesIn(elements.get(record), formatNevra(nevra));
  const changelogs = new Map<string, ChangelogNews>();
  for (const { from, to } of updates) {
    const [before, after] = [entriesOf(from), entriesOf(to)];
    const news = before && after && changelogNews(before, after);
    if (news) changelogs.set(formatNevra(to.nevra), news);
  }
  return { ...plan, changelogs };
}

/** The build that has its source package's name, or the first one. */
function onePerSource(changes: readonly Change[]): Update[] {
  const updates = new Map<string, Update>();
  for (const change of changes) {
    if (change.kind !== 'update') continue;
    const key = `${change.source}\0${formatEvr(change.from.nevra.evr)}\0${formatEvr(change.to.nevra.evr)}`;
    if (!updates.has(key) || change.to.nevra.name === change.source) updates.set(key, change);
  }
  return [...updates.values()];
}

/** Undefined: nothing is known of it, or it cannot be read; a report does without. */
function entriesIn(element: Buffer | undefined, at: string): ChangelogEntry[] | undefined {
  if (!element) return undefined;
  try {
    return changelogOf(element, at);
  } catch (error) {
    if (error instanceof Fault && error.code === 'METADATA_INVALID') return undefined;
    throw error;
  }
}
