import { Fault } from '../base/fault.ts';
import { LIVE_TEAM, LIVE_TIER, lockPath, snapshotPath } from '../manifest/ids.ts';
import { salvageLock } from '../manifest/lock.ts';
import { completeSnapshot, type Pin, readPins, renderSnapshot } from '../manifest/snapshot.ts';
import { setsJson, setsText } from '../report/broken-set.ts';
import {
  provenanceJson,
  provenanceTable,
  provenanceText,
  type RepositoryProvenance,
} from '../report/provenance.ts';
import { formatNevra, type Nevra, parseNevra } from '../rpm/nevra.ts';
import { checkFiles, checkMoves } from './check.ts';
import { endedHolds, holdWarnings } from './check-holds.ts';
import { provenanceFaults } from './check-provenance.ts';
import { brokenReason, type CheckedSet, checkSets, isExcusable, ON_PURPOSE } from './check-sets.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { faultLine } from './main.ts';
import { provenanceOf, tierRepositories } from './provenance.ts';
import { readState, type State, stateOf } from './state.ts';

export interface CheckOptions {
  /** What the work tree is compared with; main, where it is not said. */
  readonly base?: string | undefined;
  /** Every build with its origin and its signers, for an auditor. */
  readonly provenance?: boolean;
}

/** Judges the work tree as a pull request would be; false where something stops a merge. */
export async function checkWorkTree(world: World, o: CheckOptions = {}): Promise<boolean> {
  const { repo, main } = await openState(world);
  const files = repo.bare ? await repo.readCommitted(main) : await repo.readWorkTree();
  const before = await readState(repo, o.base ?? main);
  const { checked, state } = await checkFiles(files, before.history);
  const complaints = [...checked.complaints];
  const warnings = [...checked.warnings];
  let provenance: RepositoryProvenance[] | undefined; // asked only of manifests that can be read
  let sets: CheckedSet[] | undefined;
  if (state && complaints.length === 0) {
    const spoken = { claim: undefined, proven: false, now: world.now };
    complaints.push(...checkMoves(before, state, spoken));
    const catalog = world.mirrorDir === undefined ? undefined : mirrorOf(world).catalog;
    complaints.push(...(await endedHolds(before, state, spoken, catalog)).complaints);
    warnings.push(...(await holdWarnings(state, world.now)));
    provenance = await provenanceOf(world, state, tierRepositories(state), { full: o.provenance === true });
    complaints.push(...provenanceFaults(state, provenance, { mirror: world.mirrorDir !== undefined }));
    const isExcused = brokenReason(await repo.trailers(repo.bare ? main : 'HEAD')) !== undefined;
    try {
      sets = await askSets(world, before, state);
      for (const { changed, faults } of sets ?? []) {
        (changed && !isExcused ? complaints : warnings).push(...faults);
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      complaints.push(error);
    }
  }
  const said = { complaints, warnings, provenance, sets };
  if (world.json) printJson(world, said, o);
  else printText(world, files.size, said, o);
  return complaints.length === 0;
}

/** Undefined without a mirror: what builds require stands in its catalog. Every merge has one. */
async function askSets(world: World, main: State, state: State): Promise<CheckedSet[] | undefined> {
  if (world.mirrorDir === undefined) return undefined;
  return await checkSets(main, state, mirrorOf(world).catalog, 'all');
}

interface Said {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly provenance: readonly RepositoryProvenance[] | undefined;
  readonly sets: readonly CheckedSet[] | undefined;
}

function printJson(world: World, { complaints, warnings, provenance, sets }: Said, o: CheckOptions): void {
  const say = (f: Fault) => ({ code: f.code, message: f.message, at: f.at, hint: f.hint });
  const said = {
    complaints: complaints.map(say),
    warnings: warnings.map(say),
    provenance: provenance ? provenanceJson(provenance, { pins: o.provenance === true }) : null,
    sets: sets ? setsJson(sets) : null,
  };
  world.print(`${JSON.stringify(said, null, 2)}\n`);
}

function printText(
  world: World,
  files: number,
  { complaints, warnings, provenance, sets }: Said,
  o: CheckOptions,
): void {
  const annotate = world.env['GITHUB_ACTIONS'] !== undefined;
  for (const fault of complaints) console.error(faultLine(fault, annotate));
  if (complaints.some(isExcusable)) console.error(ON_PURPOSE);
  for (const fault of warnings) world.progress.say(`warning: ${faultLine(fault, false)}`);
  const found = complaints.length === 0 ? 'good' : `${complaints.length} complaints`;
  if (o.provenance) {
    world.progress.say(`checked ${files} files: ${found}`); // standard output has the builds, and nothing else
    world.print(provenanceTable(provenance ?? []));
    return;
  }
  const asked = sets ? setsText(sets) : NOT_ASKED;
  world.print(
    `checked ${files} files: ${found}\n${provenanceText(provenance ?? [])}${provenance ? asked : ''}`,
  );
}

const NOT_ASKED =
  'client sets: not checked here, because what builds require stands in the catalog of a mirror (--mirror); every merge checks them\n';

/** Puts manifests of the work tree into canonical form, and completes locks from those in git. */
export async function fixWorkTree(world: World): Promise<void> {
  const { repo, main } = await openState(world);
  const work = await repo.readWorkTree();
  const texts = new Map([...work].map(([path, file]) => [path, file.text]));
  const committed = await readState(repo, main);
  const state = stateOf(committed.history, texts);
  const known = await knownBuilds(committed, wantedBuilds(state));
  const written = new Map<string, string>();
  for (const name of state.repositories) {
    const path = snapshotPath(name);
    const yaml = texts.get(path) ?? '';
    const previous = committed.files.get(lockPath(name));
    const find = (nevra: Nevra): Pin | undefined => known.get(formatNevra(nevra));
    const { yaml: good, lock } = renderSnapshot(
      completeSnapshot(yaml, path, find, texts.get(lockPath(name)) ?? previous),
    );
    if (good !== yaml) written.set(path, good);
    if (lock !== texts.get(lockPath(name))) written.set(lockPath(name), lock);
  }
  await repo.write(written);
  world.print(written.size === 0 ? 'nothing to fix\n' : `fixed ${[...written.keys()].join(', ')}\n`);
}

/** NEVRAs that the manifests of a work tree name, by their upstream's lock of live. */
function wantedBuilds(state: State): Map<string, Set<string>> {
  const wanted = new Map<string, Set<string>>();
  for (const name of state.repositories) {
    const path = snapshotPath(name);
    const live = lockPath({ ...name, team: LIVE_TEAM, tier: LIVE_TIER });
    const builds = wanted.get(live) ?? new Set<string>();
    wanted.set(live, builds);
    for (const { text } of readPins(state.files.get(path) ?? '', path).builds) builds.add(text);
  }
  return wanted;
}

/**
 * Every build that any manifest of main has (live's decide), and of those that none has any more, what live said of them last:
 * a build that is named again after it left live.
 */
async function knownBuilds(state: State, wanted: ReadonlyMap<string, ReadonlySet<string>>) {
  const known = new Map<string, Pin>();
  const live = state.repositories.filter((name) => name.tier === LIVE_TIER);
  for (const name of [...state.repositories.filter((n) => n.tier !== LIVE_TIER), ...live]) {
    for (const pin of state.snapshot(name)?.pins ?? [])
      known.set(formatNevra(pin.nevra), { ...pin, withdrawn: false });
  }
  for (const [path, builds] of wanted) {
    const missing = new Set([...builds].filter((build) => !known.has(build)));
    if (missing.size === 0) continue;
    for (const { id } of await state.history.pathChanges([path])) {
      const text = await state.history.read(path, id);
      for (const [build, line] of text === undefined ? [] : salvageLock(text)) {
        const { checksum, size, record } = line;
        if (missing.delete(build))
          known.set(build, { nevra: parseNevra(build, path), checksum, size, record, withdrawn: false });
      }
      if (missing.size === 0) break;
    }
  }
  return known;
}
