import type { Fault } from '../base/fault.ts';
import { LIVE_TEAM, LIVE_TIER, lockPath, snapshotPath } from '../manifest/ids.ts';
import { salvageLock } from '../manifest/lock.ts';
import { completeSnapshot, type Pin, readPins, renderSnapshot } from '../manifest/snapshot.ts';
import { formatNevra, type Nevra, parseNevra } from '../rpm/nevra.ts';
import { checkFiles, checkMoves } from './check.ts';
import { openState, type World } from './context.ts';
import { faultLine } from './main.ts';
import { readState, type State, stateOf } from './state.ts';

/** Judges the work tree as a pull request would be; false where something stops a merge. */
export async function checkWorkTree(world: World, base: string | undefined): Promise<boolean> {
  const { repo, main } = await openState(world);
  const files = repo.bare ? await repo.readCommitted(main) : await repo.readWorkTree();
  const before = await readState(repo, base ?? main);
  const { checked, state } = await checkFiles(files, before.history);
  const complaints = [
    ...checked.complaints,
    ...(state ? checkMoves(before, state, { claim: undefined, now: world.now }) : []),
  ];
  if (world.json) {
    const say = (f: Fault) => ({ code: f.code, message: f.message, at: f.at, hint: f.hint });
    world.print(
      `${JSON.stringify({ complaints: complaints.map(say), warnings: checked.warnings.map(say) }, null, 2)}\n`,
    );
    return complaints.length === 0;
  }
  const annotate = world.env['GITHUB_ACTIONS'] !== undefined;
  for (const fault of complaints) console.error(faultLine(fault, annotate));
  for (const fault of checked.warnings) world.progress.say(`warning: ${faultLine(fault, false)}`);
  const count = complaints.length;
  world.print(
    count === 0
      ? `checked ${files.size} files: good\n`
      : `checked ${files.size} files: ${count} complaints\n`,
  );
  return count === 0;
}

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
