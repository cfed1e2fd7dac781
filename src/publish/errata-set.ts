import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { type ErrataSet, errataPath, errataTier, readErrata } from '../manifest/errata.ts';
import { chosenKernel, effectiveErrata, hasKernel, isKernelSpace } from '../manifest/errata-effective.ts';
import { errataPartPath, readErrataFix, readErrataInit } from '../manifest/errata-parts.ts';
import type { ErrataChosen, KernelChoice } from '../manifest/errata-policy.ts';
import {
  clientSetKey,
  ERRATA_TEAM,
  formatRepositoryId,
  LIVE_TEAM,
  LIVE_TIER,
  lockPath,
  parseSnapshotPath,
  parseUpstreamId,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import { salvageLock } from '../manifest/lock.ts';
import type { Policies } from '../manifest/policy.ts';
import { recallsOf } from '../manifest/recall.ts';
import { makeSnapshot, type Pin, parseSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra, type Nevra, parseNevra } from '../rpm/nevra.ts';

/** What a set is read from: a commit, or a tree that is to become one. */
export interface ErrataTexts {
  /** Of the state that is looked at. */
  readMany(paths: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Of an earlier commit. */
  readAt(paths: readonly string[], commit: string): Promise<ReadonlyMap<string, string>>;
  /** Earlier commits that touched any of the paths, the newest first. */
  changes(paths: readonly string[]): Promise<readonly { readonly id: string }[]>;
}

/** What of the policies a set depends on. */
export type ErrataPolicies = Pick<Policies, 'errata' | 'site' | 'recalls'>;

/** A set as it is published. */
export interface ErrataMade {
  /** By upstream id. */
  readonly snapshots: readonly Snapshot[];
  /** Whether it depends on live as it is or was: a set that names its commit mostly does not. */
  readonly ofLive: boolean;
}

/**
 * One dated set as it is published: a manifest for each of its repositories, with the builds that the effective set names and the
 * checksums that the locks have. A Fault at the line that asks for what is not there.
 */
export async function errataSnapshots(
  texts: ErrataTexts,
  policies: ErrataPolicies,
  chosen: ErrataChosen,
  live: readonly RepositoryName[],
): Promise<ErrataMade> {
  const { set, init, remove } = await readSet(texts, chosen);
  const names = sourcesOf(set, live);
  const sources = await snapshotsAt(texts, set, names);
  const shelf = new Shelf(sources);
  const kernel = chosenKernel({
    site: policies.site.kernels.get(set.set),
    errata: init,
    os: policies.errata?.kernels.get(set.set),
  });
  const isElsewhere = kernel !== undefined && !hasKernel(shelf.listed(), kernel);
  if (isElsewhere) await bringKernel(texts, live, kernel, shelf);
  const keep = policies.errata?.keepInstallonly ?? 1;
  const available = kernel ? shelf.listed().filter(({ name }) => isKernelSpace(name)) : [];
  const builds = effectiveErrata({ kernel, builds: set.builds, available, remove, keep });
  const lost = shelf.missing(builds);
  if (lost.length > 0) await bringBuilds(texts, live, lost, shelf);
  refuseLost(shelf.missing(builds), chosen);
  const recalls = recallsOf(policies);
  const snapshots = names.map((name) => {
    const { modules } = sources.get(upstreamId(name)) ?? { modules: new Map() };
    const pins = builds.flatMap((build) => shelf.pin(upstreamId(name), build) ?? []);
    return makeSnapshot({
      repository: { ...name, team: ERRATA_TEAM, tier: errataTier(set.date) },
      from: formatRepositoryId(name),
      modules,
      pins: pins.filter((pin) => !recalls.of(pin)).map((pin) => ({ ...pin, withdrawn: false })),
    });
  });
  return { snapshots, ofLive: set.commit === undefined || isElsewhere };
}

/** Repositories that a set is published as, without reading more than its file. */
export function errataRepositories(set: ErrataSet, live: readonly RepositoryName[]): RepositoryName[] {
  const tier = errataTier(set.date);
  return sourcesOf(set, live).map((name) => ({ ...name, team: ERRATA_TEAM, tier }));
}

/** Live's repositories of a client set, by id. */
export function liveOfSet(paths: Iterable<string>, set: string): RepositoryName[] {
  const found = new Map<string, RepositoryName>();
  for (const path of paths) {
    const name = path.endsWith('.yaml') ? parseSnapshotPath(path) : undefined;
    if (name?.team === LIVE_TEAM && name.tier === LIVE_TIER && clientSetKey(name) === set)
      found.set(upstreamId(name), name);
  }
  return [...found].sort(([a], [b]) => byCodeUnit(a, b)).map(([, name]) => name);
}

/** Of a folder nobody knows which repository a build is from: all of live's are asked. */
function sourcesOf(set: ErrataSet, live: readonly RepositoryName[]): RepositoryName[] {
  if (set.commit === undefined) return [...live];
  const [team = '', tier] = set.from.split('/');
  const of = tier === undefined ? { team: LIVE_TEAM, tier: LIVE_TIER } : { team, tier };
  return set.repositories.map((id) => ({ ...of, ...parseUpstreamId(id, errataPath(set)) }));
}

async function readSet(texts: ErrataTexts, chosen: ErrataChosen) {
  const path = errataPath(chosen);
  const [init, fix] = [errataPartPath(chosen, 'init'), errataPartPath(chosen, 'fix')];
  const found = await texts.readMany([path, init, fix]);
  const [text, initText, fixText] = [found.get(path), found.get(init), found.get(fix)];
  if (text === undefined) throw noSet(chosen);
  return {
    set: readErrata(text, path, { lenient: true }), // what was merged says what it says
    init: initText === undefined ? undefined : readErrataInit(initText, init),
    remove: fixText === undefined ? [] : readErrataFix(fixText, fix),
  };
}

/** A place that names a set which is not there. */
export function noSet({ set, date, at }: ErrataChosen): Fault {
  return new Fault('NOT_FOUND', `there is no errata set ${errataPath({ set, date })}`, {
    hint: `Write it (sluice errata --set ${set} --as-of ${date}), or name one that is there.`,
    at,
  });
}

async function snapshotsAt(
  texts: ErrataTexts,
  set: ErrataSet,
  names: readonly RepositoryName[],
): Promise<Map<string, Snapshot>> {
  const paths = names.flatMap((name) => [snapshotPath(name), lockPath(name)]);
  const found =
    set.commit === undefined ? await texts.readMany(paths) : await texts.readAt(paths, set.commit);
  return new Map(
    names.map((name) => {
      const path = snapshotPath(name);
      const [yaml, lock] = [found.get(path), found.get(lockPath(name))];
      if (yaml !== undefined && lock !== undefined)
        return [upstreamId(name), parseSnapshot({ yaml, lock }, path, { lenient: true })];
      const message = `${path} was not there at ${set.commit?.slice(0, 12) ?? 'this commit'}`;
      throw new Fault('NOT_FOUND', message, { hint: 'Write the set again.', at: errataPath(set) });
    }),
  );
}

/** Builds by repository, as the manifests that were looked at have them: the first one decides. */
class Shelf {
  readonly #pins = new Map<string, Map<string, Pin>>();
  /** Builds that may be chosen, not only named. */
  readonly #listed = new Map<string, Nevra>();

  constructor(sources: ReadonlyMap<string, Snapshot>) {
    for (const [id, { pins }] of sources) for (const pin of pins) this.put(id, pin, !pin.withdrawn);
  }

  put(id: string, pin: Pin, listed: boolean): void {
    const pins = this.#pins.get(id) ?? new Map<string, Pin>();
    this.#pins.set(id, pins);
    const key = formatNevra(pin.nevra);
    if (!pins.has(key)) pins.set(key, pin);
    if (listed) this.#listed.set(key, pin.nevra);
  }

  pin(id: string, build: Nevra): Pin | undefined {
    return this.#pins.get(id)?.get(formatNevra(build));
  }

  listed(): Nevra[] {
    return [...this.#listed.values()];
  }

  missing(builds: readonly Nevra[]): Nevra[] {
    return builds.filter((build) => ![...this.#pins.keys()].some((id) => this.pin(id, build)));
  }
}

/** A kernel that the set's source has not: from live, or from the last state of live that had it. */
async function bringKernel(
  texts: ErrataTexts,
  live: readonly RepositoryName[],
  kernel: KernelChoice,
  shelf: Shelf,
): Promise<void> {
  const part = `-${formatEvr(kernel.evr)}.`;
  for await (const locks of statesOf(texts, live)) {
    if (![...locks.values()].some((text) => text.includes(part))) continue;
    const builds = [...locks].flatMap(([id, text]) => pinsOf(text, id).map((pin) => ({ id, pin })));
    if (
      !hasKernel(
        builds.map(({ pin }) => pin.nevra),
        kernel,
      )
    )
      continue;
    for (const { id, pin } of builds) {
      // a person named this one; of the others none comes that the vendor pulled back
      const isNamed = formatEvr(pin.nevra.evr) === formatEvr(kernel.evr);
      if (isKernelSpace(pin.nevra.name)) shelf.put(id, pin, isNamed || !pin.withdrawn);
    }
    return;
  }
}

/** Builds of a folder that live has no more. */
async function bringBuilds(
  texts: ErrataTexts,
  live: readonly RepositoryName[],
  lost: readonly Nevra[],
  shelf: Shelf,
): Promise<void> {
  const wanted = new Set(lost.map(formatNevra));
  for await (const locks of statesOf(texts, live)) {
    for (const [id, text] of locks) {
      for (const pin of pinsOf(text, id, wanted)) {
        shelf.put(id, pin, false);
        wanted.delete(formatNevra(pin.nevra));
      }
    }
    if (wanted.size === 0) return;
  }
}

/** Live's locks by upstream id: as they are, then as they were, the newest first. */
async function* statesOf(
  texts: ErrataTexts,
  live: readonly RepositoryName[],
): AsyncGenerator<Map<string, string>> {
  const paths = live.map(lockPath);
  const byId = (found: ReadonlyMap<string, string>) =>
    new Map(live.map((name) => [upstreamId(name), found.get(lockPath(name)) ?? '']));
  yield byId(await texts.readMany(paths));
  for (const { id } of await texts.changes(paths)) yield byId(await texts.readAt(paths, id));
}

function pinsOf(lock: string, at: string, wanted?: ReadonlySet<string>): Pin[] {
  return [...salvageLock(lock).values()]
    .filter(({ nevra }) => wanted?.has(nevra) ?? true)
    .map(({ nevra, checksum, size, record, withdrawn }) => {
      return { nevra: parseNevra(nevra, at), checksum, size, record, withdrawn };
    });
}

const MOST_NAMED = 20;

function refuseLost(lost: readonly Nevra[], chosen: ErrataChosen): void {
  if (lost.length === 0) return;
  const named = lost.slice(0, MOST_NAMED).map(formatNevra).join(', ');
  const more = lost.length > MOST_NAMED ? ` and ${lost.length - MOST_NAMED} more` : '';
  throw new Fault('NOT_FOUND', `live never had ${named}${more}, which ${errataPath(chosen)} names`, {
    hint: 'Bring them in (sluice sync, sluice add), or write the set again without them.',
    at: chosen.at,
  });
}
