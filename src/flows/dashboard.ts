import type { Forge } from '../forge/forge.ts';
import { isCurrent } from '../forge/forge.ts';
import { STOP_LABEL } from '../forge/fresh.ts';
import type { Catalog } from '../pool/catalog.ts';
import { tick, ticked } from '../report/box.ts';
import {
  type Dashboard,
  dashboard,
  type PullRow,
  type UpstreamRow,
  type WaitingRow,
} from '../report/dashboard.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { forgeOf } from './forge-of.ts';
import { queueOf } from './hold-queue.ts';
import { promotionPlan } from './plan-promote.ts';
import { everyScope } from './promote.ts';
import { liveName, readState, type State } from './state.ts';
import { readLooks } from './sync-record.ts';

const TITLE = 'Staging dashboard';

/** What people look at instead of asking; on a forge without issues it is only printed. */
export async function showDashboard(world: World): Promise<void> {
  const { data, forge } = await gathered(world);
  world.print(world.json ? `${JSON.stringify(data, null, 2)}\n` : dashboard(data, forge.words));
}

/** Puts it on its issue, where that says something else. What people ticked is theirs until it is `done`. */
export async function writeDashboard(world: World, done: readonly string[] = []): Promise<void> {
  const { data, forge } = await gathered(world);
  const wished = ticked((await forge.board())?.body ?? '').filter((what) => !done.includes(what));
  const body = tick(dashboard(data, forge.words), wished);
  const set = await forge.setBoard({ title: TITLE, body, by: world.by, now: world.now });
  if (world.json) world.print(`${JSON.stringify(set ?? null)}\n`);
  else if (set) world.print(`dashboard #${set.number} ${set.outcome}\n`);
  else world.print(body);
}

async function gathered(world: World): Promise<{ data: Dashboard; forge: Forge }> {
  const { catalog, root } = mirrorOf(world);
  const { repo, main } = await openState(world);
  const forge = await forgeOf(world, repo);
  const state = await readState(repo, main);
  const holds: Dashboard['holds'][number][] = [];
  for (const team of state.policies.teams.values()) {
    holds.push(...(await queueOf(state, catalog, team, world.now)).queue);
  }
  const data: Dashboard = {
    now: world.now,
    waiting: await waiting(state, catalog, world.now),
    holds,
    upstreams: await upstreams(state, root),
    ...(await pullRows(forge)),
  };
  return { data, forge };
}

/** One row for what a source package has that waits for the same thing. */
async function waiting(state: State, catalog: Catalog, now: Date): Promise<WaitingRow[]> {
  const rows = new Map<string, WaitingRow>();
  for (const scope of everyScope(state)) {
    const plan = await promotionPlan(state, catalog, scope, { named: [], now });
    const where = `${plan.team}/${plan.tier} ${plan.set}`;
    for (const { build, source, reason } of plan.repositories.flatMap(({ staying }) => staying)) {
      const evr = formatEvr(build.nevra.evr);
      const key = JSON.stringify([where, source, evr, reason]);
      const seen = plan.about.get(formatNevra(build.nevra))?.seen?.began;
      if (!rows.has(key)) rows.set(key, { where, source, build: evr, seen, reason });
    }
  }
  return [...rows.values()];
}

async function upstreams(state: State, mirrorRoot: string): Promise<UpstreamRow[]> {
  const looks = await readLooks(mirrorRoot);
  return [...state.policies.upstreams.values()].map((upstream) => {
    const at = state.snapshot(liveName(upstream))?.upstream?.timestamp;
    const accepted = at === undefined ? undefined : new Date(at * 1000);
    const { maxAge } = upstream;
    const look = looks.get(upstream.id);
    return {
      id: upstream.id,
      accepted,
      asked: look && new Date(look.asked),
      staleFrom: accepted && maxAge !== undefined ? new Date(accepted.getTime() + maxAge) : undefined,
      trouble: look?.trouble ?? undefined,
    };
  });
}

async function pullRows(forge: Forge): Promise<Pick<Dashboard, 'pulls' | 'declined'>> {
  const { open, declined } = await forge.standing();
  const row = (pull: (typeof declined)[number], conflicts: readonly string[]): PullRow => ({
    number: pull.number,
    title: pull.title,
    branch: pull.branch,
    openedAt: pull.openedAt,
    isOurs: pull.proposed !== undefined,
    edited: pull.proposed !== undefined && pull.proposed !== pull.head,
    frozen: pull.approvals.some((approval) => isCurrent(pull, approval)) || pull.labels.includes(STOP_LABEL),
    blocked:
      conflicts.length === 0 ? undefined : `conflicts with main in ${conflicts.slice(0, 3).join(', ')}`,
  });
  return {
    pulls: open.map(({ pull, conflicts }) => row(pull, conflicts)),
    declined: declined.map((pull) => row(pull, [])),
  };
}
