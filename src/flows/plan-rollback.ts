import { clientSetKey, formatRepositoryId, parseSnapshotPath, snapshotPath } from '../manifest/ids.ts';
import { planRollback, type RollbackRepository } from '../plan/rollback.ts';
import type { StaysOut } from '../plan/staysOut.ts';
import type { Plan, Snapshot } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { closureOf } from './closure.ts';
import { loadFacts } from './facts.ts';
import { snapshotAt } from './past.ts';
import { type PromoteScope, relatedSnapshots, upstreamsInSet } from './plan-promote.ts';
import { checkNow, liveName, parentName, type State, targetName } from './state.ts';
import { treeWords } from './trees.ts';

/** Plans one client set of one tier as it was at a commit of main: the command and the check that recomputes it run this. */
export async function rollbackPlan(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  o: { readonly to: string; readonly staysOut: StaysOut; readonly now: Date },
): Promise<Plan> {
  checkNow(state, o.now);
  const { team, tier, set } = scope;
  const time = state.history.timeOf(o.to);
  const upstreams = upstreamsInSet(state, scope);
  const repositories: RollbackRepository[] = [];
  for (const upstream of upstreams) {
    const repository = targetName(team, tier.name, upstream);
    const before = state.snapshot(repository);
    const former = await snapshotAt(state, repository, o.to);
    if (!before && !former) continue;
    const from = formatRepositoryId(parentName(team, tier, upstream));
    const sums = [before?.kickstart, former?.kickstart].filter((sum) => sum !== undefined);
    const trees = sums.length > 0 ? { words: await treeWords(catalog, sums) } : undefined;
    const live = state.snapshot(liveName(upstream));
    repositories.push({ repository, from, before, former, live, trees });
  }
  const planned = new Set(upstreams.map((u) => snapshotPath(targetName(team, tier.name, u))));
  const gone = (await state.history.list(`snapshots/${team.team}/${tier.name}`, o.to)).filter((path) => {
    const name = parseSnapshotPath(path);
    return name && path.endsWith('.yaml') && clientSetKey(name) === set && !planned.has(path);
  });
  const formers = repositories.flatMap(({ former }) => former ?? []);
  const known: Snapshot[] = [...upstreams.flatMap((u) => relatedSnapshots(state, team, u)), ...formers];
  const { closure, primaries, notes } = await closureOf(state, catalog, scope, formers);
  const facts = await loadFacts(catalog, known, primaries.size > 0 ? primaries : undefined);
  return planRollback({
    team,
    tier: tier.name,
    set,
    to: `${o.to.slice(0, 12)} of ${time.toISOString().slice(0, 10)}`,
    repositories,
    facts,
    closure,
    notes: [
      ...gone.map((path) => `${path} was there then, and the team has that upstream no longer`),
      ...notes,
    ],
    staysOut: o.staysOut,
    policy: state.files.get(team.path) ?? '',
    now: o.now,
  });
}
