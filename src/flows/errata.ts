import { Fault } from '../base/fault.ts';
import type { History } from '../forge/history.ts';
import {
  type ErrataHead,
  type ErrataSet,
  errataPath,
  parseErrataPath,
  renderErrata,
} from '../manifest/errata.ts';
import {
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  lockPath,
  parseUpstreamId,
  type RepositoryName,
  snapshotPath,
} from '../manifest/ids.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { chooseErrata } from '../plan/errata.ts';
import type { Catalog } from '../pool/catalog.ts';
import { count } from '../report/words.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { readFolder } from './errata-directory.ts';
import { factsOf, moduleDocument } from './facts.ts';
import { dateOf, snapshotAt } from './plan-fill.ts';
import { clientSets, readState, type State, teamOf, tierOf, upstreamOf, upstreamsOf } from './state.ts';

export interface ErrataRequest {
  readonly asOf: string;
  readonly set?: string | undefined;
  readonly team?: string | undefined;
  readonly tier?: string | undefined;
  readonly upstreams: readonly string[];
  readonly from?: string | undefined;
  readonly kernels: boolean;
}

/** Writes a dated set on standard output, and what it did on standard error: equal inputs give equal bytes. */
export async function errata(world: World, request: ErrataRequest): Promise<void> {
  const { errata: set, said } =
    request.from === undefined ? await ofMain(world, request) : await ofFolder(request, world.now);
  world.progress.say(said);
  if (!world.json) return world.print(renderErrata(set));
  const { builds, ...head } = set;
  world.print(`${JSON.stringify({ ...head, builds: builds.map(formatNevra) }, null, 2)}\n`);
}

interface Made {
  readonly errata: ErrataSet;
  /** For the log. */
  readonly said: string;
}

async function ofFolder(request: ErrataRequest, now: Date): Promise<Made> {
  const { from = '', set, asOf, kernels, team, tier, upstreams } = request;
  if (team !== undefined || tier !== undefined || upstreams.length > 0) {
    throw new Fault('USAGE', '--from is of a folder, not of a team, a tier or an upstream', {
      hint: 'Leave one of the two out.',
    });
  }
  const date = dayOf(asOf, now);
  const head = { set: checkSet(set ?? ''), date, from: 'directory', repositories: [], kernels };
  const { builds, streams, files } = await readFolder(from);
  const chosen = chooseErrata(builds, { streams, kernels });
  return {
    errata: { ...head, builds: chosen.builds },
    said: sentence(head, `${count(files, 'package')} of ${from}`, chosen),
  };
}

async function ofMain(world: World, request: ErrataRequest): Promise<Made> {
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const { date, from, set, repositories } = scopeOf(state, request, world.now);
  const until = dateOf(request.asOf);
  const tip = state.history.commitAt(until);
  if (!tip) {
    throw new Fault('NOT_FOUND', `main has no commit as old as ${request.asOf}`, {
      hint: 'Name a later date.',
    });
  }
  const there: string[] = [];
  for (const id of repositories) {
    if (await snapshotAt(state, repositoryOf(from, id), tip.id)) there.push(id);
  }
  if (there.length === 0) {
    const hint = 'Name a later date, or another tier.';
    throw new Fault('NOT_FOUND', `${from} had no manifest of ${set} on ${date}`, { hint });
  }
  const paths = there.flatMap((id) => pathsOf(repositoryOf(from, id)));
  const [last = tip] = await state.history.pathChanges(paths, { at: tip.id, limit: 1 });
  const head = { set, date, from, commit: last.id, repositories: there, kernels: request.kernels };
  return madeOf(head, state, () => mirrorOf(world).catalog);
}

/** A set again, from what it says of itself. A Fault where main has no such commit, or not by the end of that day. */
export async function remakeErrata(
  head: ErrataHead,
  state: Pick<State, 'history'>,
  catalog: () => Catalog,
): Promise<ErrataSet> {
  const path = errataPath(head);
  const { commit, date } = head;
  if (commit === undefined) throw new Error(`${path} is of a directory`);
  refuseLate(state.history, commit, date, path);
  return (await madeOf(head, state, catalog)).errata;
}

function refuseLate(history: History, commit: string, date: string, at: string): void {
  if (history.timeOf(commit) <= dateOf(date)) return;
  const hint = 'Write it again with sluice errata.';
  throw new Fault('MANIFEST_INVALID', `main had ${commit.slice(0, 12)} only after ${date}`, { hint, at });
}

async function madeOf(
  head: ErrataHead,
  state: Pick<State, 'history'>,
  catalog: () => Catalog,
): Promise<Made> {
  const snapshots: Snapshot[] = [];
  for (const id of head.repositories) {
    const name = repositoryOf(head.from, id);
    const snapshot = await snapshotAt(state, name, head.commit ?? '');
    if (!snapshot) {
      const message = `${formatRepositoryId(name)} had no manifest at ${head.commit?.slice(0, 12)}`;
      throw new Fault('NOT_FOUND', message, { hint: 'Write the set again.', at: errataPath(head) });
    }
    snapshots.push(snapshot);
  }
  const pins = snapshots.flatMap((snapshot) => snapshot.pins.filter((pin) => !pin.withdrawn));
  const streams = await streamsOf(snapshots, catalog);
  const chosen = chooseErrata(
    pins.map(({ nevra }) => nevra),
    { streams, kernels: head.kernels },
  );
  const what = `${count(pins.length, 'build')} of ${head.from} at ${head.commit?.slice(0, 12)}`;
  return { errata: { ...head, builds: chosen.builds }, said: sentence(head, what, chosen) };
}

/** The catalog is asked only where there are module streams. */
async function streamsOf(snapshots: readonly Snapshot[], catalog: () => Catalog) {
  const documents = [];
  for (const snapshot of snapshots) {
    for (const [nsvca, sum] of snapshot.modules) documents.push(await moduleDocument(catalog(), nsvca, sum));
  }
  return factsOf(new Map(), documents, []).streams;
}

function sentence(
  head: ErrataHead,
  of: string,
  chosen: { builds: readonly unknown[]; kernels: number },
): string {
  const left = chosen.kernels > 0 ? `; ${count(chosen.kernels, 'name')} of kernel space left out` : '';
  return `${errataPath(head)}: ${count(chosen.builds.length, 'build')}, the newest of each name of ${of}${left}`;
}

function scopeOf(state: State, { set, team, tier, upstreams, asOf }: ErrataRequest, now: Date) {
  if ((team === undefined) !== (tier === undefined)) {
    throw new Fault('USAGE', '--team and --tier belong together', { hint: 'Without both it is of live.' });
  }
  if (team !== undefined && upstreams.length > 0) {
    throw new Fault('USAGE', '--upstream is of live', {
      hint: 'Leave --team and --tier out, or --upstream.',
    });
  }
  const { policies } = state;
  let from = LIVE_TIER;
  let all = [...policies.upstreams.values()];
  if (team !== undefined && tier !== undefined) {
    const policy = teamOf(policies, team);
    from = `${team}/${tierOf(policy, tier).name}`;
    all = upstreamsOf(policies, policy);
  } else if (upstreams.length > 0) all = upstreams.map((id) => upstreamOf(policies, id));
  const sets = clientSets(all.filter((upstream) => !upstream.alone));
  const [only] = sets.size === 1 ? sets.keys() : [];
  const chosen = set === undefined ? only : checkSet(set);
  const found = chosen === undefined ? undefined : sets.get(chosen);
  if (chosen === undefined || !found) {
    const message =
      set === undefined ? 'there is more than one client set' : `${from} has no client set ${set}`;
    const hint = `Add --set ${[...sets.keys()].join(' or --set ') || 'NAME'}.`;
    throw new Fault(set === undefined ? 'USAGE' : 'NOT_FOUND', message, { hint });
  }
  return { from, set: chosen, date: dayOf(asOf, now), repositories: found.map(({ id }) => id) };
}

/** The day (UTC) that a set is called by: one that has begun, so that the set can be whole. */
function dayOf(asOf: string, now: Date): string {
  const day = dateOf(asOf).toISOString().slice(0, 10);
  const wrong = /^\d{4}-\d\d-\d\d$/.test(asOf) && day !== asOf ? 'is no day of the calendar' : undefined;
  const early = Date.parse(`${day}T00:00:00Z`) > now.getTime() ? 'has not come yet' : undefined;
  if (wrong === undefined && early === undefined) return day;
  throw new Fault('USAGE', `${asOf} ${wrong ?? early}`, { hint: 'Name a day such as 2026-03-12.' });
}

function checkSet(set: string): string {
  if (parseErrataPath(errataPath({ set, date: '2026-01-01' }))) return set;
  throw new Fault('USAGE', set === '' ? '--set is missing' : `${JSON.stringify(set)} is no client set`, {
    hint: 'Write its os, version and arch: --set rocky-9-x86_64.',
  });
}

function repositoryOf(from: string, upstream: string): RepositoryName {
  const [team = '', tier] = from.split('/');
  const name = parseUpstreamId(upstream);
  return tier === undefined ? { team: LIVE_TEAM, tier: LIVE_TIER, ...name } : { team, tier, ...name };
}

function pathsOf(name: RepositoryName): string[] {
  return [snapshotPath(name), lockPath(name)];
}
