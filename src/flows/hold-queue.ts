import { formatChecksum } from '../base/checksum.ts';
import { parseDuration } from '../base/duration.ts';
import { byCodeUnit } from '../base/order.ts';
import { LIVE_TEAM, LIVE_TIER, lockPath } from '../manifest/ids.ts';
import type { Hold, TeamPolicy } from '../manifest/policy.ts';
import { filterText } from '../plan/rules.ts';
import type { Staying } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import {
  type HeldQueue,
  type HeldShare,
  type KeptBack,
  type QueuedHold,
  queueJson,
  queueText,
  sinceOf,
} from '../report/holds.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { forgeOf } from './forge-of.ts';
import { namesOf } from './held-names.ts';
import { branchOf, endOf, RENEWAL } from './hold.ts';
import { HOLDS_SET, type HoldAsked, holdPlan, holdTrailers, POLICY_TIER } from './plan-hold.ts';
import { promotionPlan } from './plan-promote.ts';
import { readProfiles } from './profiles.ts';
import { clientSets, readState, type State, teamOf, upstreamsOf } from './state.ts';

const DAY = 86_400_000;

/** Holds that end within this many days are named, and renewed. */
export const SOON = 7;

/** Prints every hold with what it keeps back, the one that does so longest first. */
export async function listHolds(world: World, o: { readonly team: string | undefined }): Promise<void> {
  const { catalog } = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const holds: QueuedHold[] = [];
  const shares: HeldShare[] = [];
  for (const team of teamsOf(state, o.team)) {
    const { queue, share } = await queueOf(state, catalog, team, world.now);
    holds.push(...queue);
    shares.push(share);
  }
  const age = (hold: QueuedHold) => sinceOf(hold)?.getTime() ?? Number.POSITIVE_INFINITY;
  holds.sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : byCodeUnit(a.at, b.at)));
  const all: HeldQueue = { holds, shares };
  world.print(world.json ? `${JSON.stringify(queueJson(all), null, 2)}\n` : queueText(all, world.now));
}

function teamsOf(state: State, team: string | undefined): TeamPolicy[] {
  return team === undefined ? [...state.policies.teams.values()] : [teamOf(state.policies, team)];
}

/** One team's holds, in the policy's order, and how much of it is held. */
export async function queueOf(
  state: State,
  catalog: Catalog,
  team: TeamPolicy,
  now: Date,
): Promise<{ queue: QueuedHold[]; share: HeldShare }> {
  const kept = team.holds.length === 0 ? [] : await keptBack(state, catalog, team, now);
  const names = await namesOf(state, catalog, team, {
    sources: team.holds.some((h) => h.source),
    live: false,
  });
  const queue = team.holds.map(
    (hold): QueuedHold => ({
      team: team.team,
      pattern: patternText(hold),
      at: hold.at,
      owner: hold.owner,
      reason: hold.reason,
      until: hold.until,
      days: daysLeft(hold, now),
      names: names.matchedBy(hold),
      keepsBack: kept.filter(({ by }) => by === hold.at).map(({ back }) => back),
    }),
  );
  const held = new Set(queue.flatMap((hold) => hold.names));
  const profiles = readProfiles(state, team).map(({ file, installed }) => {
    const on = new Set(installed.map(({ nevra }) => nevra.name));
    return { file, names: on.size, held: on.intersection(held).size };
  });
  return { queue, share: { team: team.team, names: names.all.size, held: held.size, profiles } };
}

function patternText(hold: Hold): string {
  const narrow = [hold.repository, hold.tier].filter((part) => part !== undefined).join(', ');
  return `${filterText(hold)}${narrow && ` in ${narrow}`}`;
}

/** Days from today to the last day of a hold; undefined: it has none. */
export function daysLeft({ until }: Hold, now: Date): number | undefined {
  if (until === undefined) return undefined;
  return Math.round((Date.parse(until) - Date.parse(now.toISOString().slice(0, 10))) / DAY);
}

/** What stays in any tier because it is held, with the place of the hold that keeps it. */
async function keptBack(
  state: State,
  catalog: Catalog,
  team: TeamPolicy,
  now: Date,
): Promise<{ by: string; back: KeptBack }[]> {
  const kept: { by: string; back: KeptBack }[] = [];
  for (const set of clientSets(upstreamsOf(state.policies, team)).keys()) {
    for (const tier of team.tiers) {
      const plan = await promotionPlan(state, catalog, { team, tier, set }, { named: [], now });
      for (const { repository, staying } of plan.repositories) {
        const held = staying.flatMap((s) => (holdOf(s, team) ? [{ s, by: holdOf(s, team) as Hold }] : []));
        if (held.length === 0) continue;
        const live = tier.from === LIVE_TIER;
        const parent = { ...repository, team: live ? LIVE_TEAM : team.team, tier: tier.from };
        const stays = await state.history.stays(lockPath(parent), undefined);
        for (const { s, by } of held) {
          const since = stays.get(formatChecksum(s.build.checksum))?.began;
          const has = s.has && formatEvr(s.has.nevra.evr);
          kept.push({
            by: by.at,
            back: { tier: `${team.team}/${tier.name}`, build: formatNevra(s.build.nevra), has, since },
          });
        }
      }
    }
  }
  return kept;
}

function holdOf({ reason }: Staying, team: TeamPolicy): Hold | undefined {
  if (reason.kind !== 'held') return undefined;
  return team.holds.find(
    (h) =>
      filterText(h) === reason.rule &&
      h.reason === reason.why &&
      h.owner === reason.owner &&
      h.until === reason.holdEnds,
  );
}

export interface RenewRequest {
  readonly team: string | undefined;
  /** A day, or how much longer; a month where it is not said. */
  readonly until: string | undefined;
  readonly how: Delivery;
  readonly all: boolean;
}

/** One plan (and pull request) for each hold that ends within a week or has ended: merging it renews, closing it and unhold releases. */
export async function renewHolds(world: World, request: RenewRequest): Promise<Delivered[]> {
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const delivered: Delivered[] = [];
  const teams = teamsOf(state, request.team);
  for (const team of teams) {
    const due = [...team.holds.entries()].filter(([, h]) => (daysLeft(h, world.now) ?? SOON + 1) <= SOON);
    const { queue } = due.length > 0 ? await queueOf(state, mirror.catalog, team, world.now) : { queue: [] };
    for (const [index, hold] of due) {
      const until = later(hold.until as string, request.until ?? '30d', world.now);
      const text = hold.match?.text ?? hold.source?.text ?? 'everything';
      const reason = `it ends on ${hold.until}`;
      const { repository, tier } = hold;
      const asked: HoldAsked = {
        verb: 'hold',
        patterns: [text],
        source: !hold.match,
        tier,
        repository,
        reason,
        until,
        index,
      };
      const { plan } = holdPlan(state, team, asked, world.now);
      const notes = [...(plan.follows?.notes ?? []), ...renewalNotes(queue[index] as QueuedHold, hold)];
      const options = holdTrailers(asked);
      const scope = `${team.team}/${POLICY_TIER} ${HOLDS_SET}`;
      const branch = branchOf(asked);
      const { how, all } = request;
      const said = { ...plan, follows: { notes, effects: [] } };
      delivered.push(
        await deliver(world, {
          plan: said,
          state,
          repo,
          mirror,
          asked: { verb: 'hold', scope, now: world.now, options, branch },
          how,
          all,
        }),
      );
    }
    if (request.how === 'propose') await closeOthers(world, team, delivered);
  }
  if (delivered.length === 0 && !world.json) world.print(`no hold ends within ${SOON} days\n`);
  return delivered;
}

function renewalNotes(hold: QueuedHold, { match, source, tier, repository }: Hold): string[] {
  const since = sinceOf(hold);
  const keeps = hold.keepsBack.map(({ tier, build }) => `${build} in ${tier}`);
  const narrow = `${tier === undefined ? '' : ` --tier ${tier}`}${repository === undefined ? '' : ` --repository ${repository}`}`;
  const shown = keeps.slice(0, 5).join(', ');
  const more = keeps.length > 5 ? ` and ${keeps.length - 5} more` : '';
  return [
    `${hold.reason} (${hold.owner}, until ${hold.until})`,
    keeps.length === 0
      ? 'it keeps nothing back now'
      : `it keeps back ${shown}${more}${since ? `, since ${since.toISOString().slice(0, 10)}` : ''}`,
    `merge this to renew it; to let go, close this and run sluice unhold '${match?.text ?? source?.text ?? ''}'${narrow} --team ${hold.team} --reason TEXT`,
  ];
}

/** The same day whenever it is asked within a week: a bot that runs daily changes nothing. */
function later(until: string, by: string, now: Date): string {
  if (/^\d{4}-/.test(by)) return endOf(by, now);
  const step = Math.max(DAY, parseDuration(by, '--until'));
  let time = Date.parse(until);
  do time += step;
  while (time <= now.getTime() + SOON * DAY);
  return new Date(time).toISOString().slice(0, 10);
}

/** Renewals that are open and no longer due: somebody renewed or dropped the hold in another way. */
async function closeOthers(world: World, team: TeamPolicy, delivered: readonly Delivered[]): Promise<void> {
  const { repo } = await openState(world);
  const forge = await forgeOf(world, repo);
  const ours = new Set(delivered.flatMap(({ pull }) => pull?.number ?? []));
  const prefix = `sluice/hold/${team.team}/${POLICY_TIER}/${HOLDS_SET}/${RENEWAL}`;
  for (const pull of await forge.list({ state: 'open' })) {
    if (!pull.branch.startsWith(prefix) || ours.has(pull.number)) continue;
    const comment = 'The hold was renewed or dropped in another way.';
    const closed = await forge.withdraw(pull.branch, { by: world.by, now: world.now, comment }); // what is people's stays
    if (closed !== undefined && !world.json) world.print(`closed #${closed}: ${comment}\n`);
  }
}
