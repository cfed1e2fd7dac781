import { Fault, quote } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { LIVE_TIER } from '../manifest/ids.ts';
import type { TeamPolicy, TierPolicy } from '../manifest/policy.ts';
import { type Recall, type RecallMatch, Recalls, recallPath, renderRecall } from '../manifest/recall.ts';
import type { Pin, Snapshot } from '../manifest/snapshot.ts';
import type { Closure } from '../plan/closing.ts';
import type { RemovalRepository } from '../plan/fallBack.ts';
import { planRecall, type RecallSet } from '../plan/recall.ts';
import type { Facts, Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { withoutEpoch } from '../rpm/installed.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { clientSetOf } from './client-set.ts';
import { closureOf } from './closure.ts';
import { loadFacts } from './facts.ts';
import { readProfiles } from './profiles.ts';
import { recallTarget } from './recall-target.ts';
import { checkNow, clientSets, liveName, parentName, type State, targetName, upstreamsOf } from './state.ts';

export interface RecallAsked {
  /** A NEVRA, a source package, a checksum. */
  readonly what: string;
  readonly reason: string;
  readonly by: string;
  readonly cascade: boolean;
}

/** Everything that follows from a recall: the bot and the check that recomputes it run this. */
export async function recallPlan(
  state: State,
  catalog: Catalog,
  asked: RecallAsked,
  now: Date,
): Promise<Plan> {
  checkNow(state, now);
  const standing = alreadyRecalled(state, asked.what);
  if (standing) throw standing;
  const { match, builds } = await recallTarget(state, catalog, asked.what);
  const id = freeId(match, state);
  const { reason, by } = asked;
  const recall: Recall = {
    id,
    path: recallPath(id),
    reason,
    by,
    match,
    builds: builds.map((pin) => ({ nevra: formatNevra(pin.nevra), checksum: pin.checksum })),
  };
  const recalls = new Recalls([recall]);
  const isRecalled = (pin: Pin, facts: Facts) => recalls.of(pin, facts.build(pin)) !== undefined;
  const sets = await setsWith(state, catalog, recalls);
  const lives: { snapshot: Snapshot; facts: Facts }[] = [];
  for (const name of state.repositories.filter((n) => n.tier === LIVE_TIER)) {
    const snapshot = state.snapshot(name);
    if (snapshot?.pins.some((pin) => recalls.of(pin)))
      lives.push({ snapshot, facts: await loadFacts(catalog, [snapshot]) });
  }
  const profiles = profilesWith(state, builds);
  const text = renderRecall(recall);
  return planRecall({ recall, text, isRecalled, sets, lives, profiles, cascade: asked.cascade, now });
}

/** The same file with its end written into it: the next sync takes back what upstream still lists. */
export function withdrawPlan(state: State, id: string, o: { reason: string; by: string; now: Date }): Plan {
  const known = state.policies.recalls.get(id);
  const standing = [...state.policies.recalls.values()].filter((r) => !r.withdrawn).map((r) => r.id);
  if (!known || known.withdrawn) {
    const message = known
      ? `${id} is withdrawn already (${known.withdrawn?.reason})`
      : `there is no recall ${quote(id)}`;
    throw new Fault('NOT_FOUND', message, { hint: `Those that stand: ${standing.join(', ') || 'none'}.` });
  }
  const { reason, by, now } = o;
  const text = renderRecall({ ...known, withdrawn: { reason, by } });
  const notes = [
    `was recalled by ${known.by}: ${known.reason}`,
    'the next sync takes back what upstream still lists, and its waits begin anew: no tier gets it by this',
  ];
  return {
    verb: 'recall',
    team: 'vendor',
    tier: LIVE_TIER,
    set: 'recalls',
    now,
    from: LIVE_TIER,
    repositories: [],
    reason,
    headline: `Withdraw the recall ${id}: ${reason}`,
    files: new Map([[known.path, text]]),
    follows: { notes, effects: [] },
    about: new Map(),
  };
}

function alreadyRecalled(state: State, what: string): Fault | undefined {
  for (const { id, match, builds, reason, withdrawn, path } of state.policies.recalls.values()) {
    if (withdrawn) continue;
    const same = id === what || Object.values(match)[0] === what || builds.some((b) => b.nevra === what);
    if (!same) continue;
    const hint = `To take that back: sluice recall --withdraw ${id} --reason TEXT --propose.`;
    return new Fault('USAGE', `${quote(what)} is recalled already: ${reason} (${id})`, { hint, at: path });
  }
  return undefined;
}

/** A name for the file, of letters that every disk and every code host has. */
function freeId(match: RecallMatch, state: State): string {
  const text =
    'checksum' in match
      ? match.checksum.slice(0, match.checksum.indexOf(':') + 13)
      : (Object.values(match)[0] ?? '');
  const id = text
    .replace(/-\d+:/, '-')
    .replace(/[^A-Za-z0-9._+~@-]/g, '_')
    .replace(/^[^A-Za-z0-9_]/, '_')
    .slice(0, 180);
  const taken = new Set([...state.policies.recalls.keys()].map((known) => known.toLowerCase()));
  for (let n = 1; ; n += 1) {
    const free = n === 1 ? id : `${id}-again${n}`;
    if (!taken.has(free.toLowerCase())) return free;
  }
}

/** Each client set of each tier of each team that has a recalled build. */
async function setsWith(state: State, catalog: Catalog, recalls: Recalls): Promise<RecallSet[]> {
  const found: RecallSet[] = [];
  const teams = [...state.policies.teams.values()].sort((a, b) => byCodeUnit(a.team, b.team));
  for (const team of teams) {
    for (const [set, upstreams] of clientSets(upstreamsOf(state.policies, team))) {
      for (const tier of team.tiers) {
        const repositories = upstreams.flatMap((upstream): RemovalRepository[] => {
          const snapshot = state.snapshot(targetName(team, tier.name, upstream));
          if (!snapshot) return [];
          const names = [...parents(team, tier).map((t) => parentName(team, t, upstream))];
          const sources = names.flatMap((name) => {
            const parent = state.snapshot(name);
            return parent ? [{ name: name.tier, snapshot: parent }] : [];
          });
          return [{ repository: upstream.id, snapshot, sources }];
        });
        const beside = clientSetOf(state, team, set).also.filter((s) => s.repository.tier === LIVE_TIER);
        const has = (snapshot: Snapshot) => snapshot.pins.some((pin) => recalls.of(pin));
        if (!repositories.some((r) => has(r.snapshot)) && !beside.some(has)) continue;
        if (repositories.every((r) => r.snapshot.pins.length === 0)) continue; // it has no clients
        const scope = { team, tier, set };
        const { closure, primaries } = await closureOf(state, catalog, scope);
        const closureAfter = without(closure, beside, recalls);
        const lives = upstreams.flatMap((u) => state.snapshot(liveName(u)) ?? []);
        const all = [
          ...lives,
          ...repositories.flatMap((r) => [r.snapshot, ...r.sources.map((s) => s.snapshot)]),
        ];
        const facts = await loadFacts(catalog, all, primaries.size > 0 ? primaries : undefined);
        found.push({ team: team.team, tier: tier.name, set, closure, closureAfter, repositories, facts });
      }
    }
  }
  return found;
}

/** Clients that have live's manifests besides lose what leaves those. */
function without(closure: Closure, lives: readonly Snapshot[], recalls: Recalls): Closure {
  const also = closure.also.slice();
  for (const pin of lives.flatMap((live) => live.pins)) {
    const build = recalls.of(pin) ? closure.number(pin) : undefined;
    if (build !== undefined) also[build] = 0;
  }
  return { ...closure, also };
}

/** Profiles of hosts that have one of the builds: they keep it until somebody acts there. */
function profilesWith(state: State, builds: readonly Pin[]): string[] {
  const wanted = new Set(builds.map((pin) => withoutEpoch(pin.nevra)));
  const files = [...state.policies.teams.values()].flatMap((team) =>
    readProfiles(state, team)
      .filter(({ installed }) => installed.some(({ nevra }) => wanted.has(withoutEpoch(nevra))))
      .map(({ file }) => file),
  );
  return [...new Set(files)].sort();
}

/** The tier, what it takes from, and so on up to live. */
function parents(team: TeamPolicy, tier: TierPolicy): TierPolicy[] {
  const parent = team.tiers.find((t) => t.name === tier.from);
  return parent ? [tier, ...parents(team, parent)] : [tier]; // the policy's reader refuses cycles
}
