import { Fault } from '../base/fault.ts';
import type { Repository } from '../forge/repository.ts';
import { parseRepositoryId, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { type DiffRow, diffSnapshots } from '../plan/diff.ts';
import { columns } from '../report/terminal.ts';
import { count } from '../report/words.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { openState, type World } from './context.ts';
import { LAST_KNOWN_GOOD, resolvePast, snapshotAt } from './past.ts';
import { dateOf } from './plan-fill.ts';
import { readState, type State, setOf, teamOf, tierOf, upstreamOf } from './state.ts';

/** Compares two repositories or tiers, each at main or `@` a date, a commit or `last-known-good`: `infra/stable@2026-10-01`. */
export async function diff(world: World, a: string, b: string): Promise<void> {
  const left = await side(world, a);
  const right = await side(world, b);
  const ids = [...new Set([...left.keys(), ...right.keys()])].sort();
  const found = ids.map((id) => ({ id, rows: diffSnapshots(left.get(id), right.get(id)) }));
  if (world.json) {
    const text = (pins: DiffRow['a']) => pins.map((pin) => formatNevra(pin.nevra));
    const data = found.map(({ id, rows }) => ({
      repository: id,
      rows: rows.map((row) => ({ key: row.key, kind: row.kind, a: text(row.a), b: text(row.b) })),
    }));
    return world.print(`${JSON.stringify(data, null, 2)}\n`);
  }
  for (const { id, rows } of found) {
    world.print(`${id}: ${rows.length === 0 ? 'no difference' : count(rows.length, 'difference')}\n`);
    const evrs = (pins: DiffRow['a']) => pins.map((pin) => formatEvr(pin.nevra.evr)).join(' ') || '—';
    world.print(columns(rows.map((row) => [row.key, evrs(row.a), SIGNS[row.kind], evrs(row.b)])));
  }
}

const SIGNS: Readonly<Record<DiffRow['kind'], string>> = {
  'only-a': 'only left of',
  'only-b': 'only right',
  'newer-in-a': 'newer than',
  'newer-in-b': 'older than',
  'other-bytes': 'other bytes than',
  'other-builds': 'other builds than',
};

/** The manifests that one side means, by upstream id. */
async function side(world: World, text: string): Promise<Map<string, Snapshot>> {
  const [what = '', at] = text.split('@', 2) as [string, string?];
  const { repo, main } = await openState(world);
  const tip = await readState(repo, main);
  if (at === LAST_KNOWN_GOOD) return goodSide(world, repo, tip, what);
  let state: State = tip;
  if (at !== undefined && /^\d{4}-\d\d-\d\d/.test(at)) {
    const commit = tip.history.commitAt(dateOf(at));
    if (!commit)
      throw new Fault('NOT_FOUND', `main has no commit as old as ${at}`, { hint: 'Name a later date.' });
    state = await readState(repo, commit.id);
  } else if (at !== undefined) state = await readState(repo, at);
  const names = state.repositories.filter(selector(what));
  if (names.length === 0) {
    const hint =
      'Name a repository id, or TEAM/TIER; add @DATE, @COMMIT or @last-known-good for another time.';
    throw new Fault('NOT_FOUND', `${text} names no repository`, { hint });
  }
  return new Map(names.map((name) => [upstreamId(name), state.snapshot(name) as Snapshot]));
}

/** Each repository as its client set was when it was last known to be good. */
async function goodSide(
  world: World,
  repo: Repository,
  tip: State,
  what: string,
): Promise<Map<string, Snapshot>> {
  const found = new Map<string, Snapshot>();
  for (const name of tip.repositories.filter(selector(what))) {
    const team = teamOf(tip.policies, name.team);
    const upstream = upstreamOf(tip.policies, upstreamId(name));
    const scope = {
      team,
      tier: tierOf(team, name.tier),
      set: upstream.alone ? upstream.id : setOf(upstream),
    };
    const { commit } = await resolvePast(repo, tip, scope, LAST_KNOWN_GOOD, world.now);
    const snapshot = await snapshotAt(tip, name, commit.id);
    if (snapshot) found.set(upstreamId(name), snapshot);
  }
  return found;
}

function selector(what: string): (name: RepositoryName) => boolean {
  const [team, tier] = what.split('/', 2);
  if (tier !== undefined) return (name) => name.team === team && name.tier === tier;
  if (what === 'live') return (name) => name.tier === 'live';
  const wanted = parseRepositoryId(what);
  return (name) =>
    name.team === wanted.team && name.tier === wanted.tier && upstreamId(name) === upstreamId(wanted);
}
