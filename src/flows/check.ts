import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import type { History } from '../forge/history.ts';
import type { Repository, RepositoryFile } from '../forge/repository.ts';
import {
  formatRepositoryId,
  LIVE_TIER,
  lockPath,
  parseSnapshotPath,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../manifest/ids.ts';
import { lintPolicies } from '../manifest/load.ts';
import { patternMatches, type Subject } from '../manifest/pattern.ts';
import { collectComplaints, type TierPolicy } from '../manifest/policy.ts';
import { recallsOf } from '../manifest/recall.ts';
import { checkCanonical, type Pin, type Snapshot } from '../manifest/snapshot.ts';
import { checkTree } from '../manifest/tree.ts';
import { isOpen, nextOpening } from '../manifest/window.ts';
import { sameTree } from '../plan/kickstart.ts';
import { hasEnded } from '../plan/rules.ts';
import { among, beyond, sumOf } from '../plan/sums.ts';
import type { Plan } from '../plan/types.ts';
import { compareEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { checkBaselines } from './baselines.ts';
import { checkErrataNames } from './check-errata-views.ts';
import { recalledPins } from './check-recalls.ts';
import { isNotAhead, movesPastNoHold } from './check-scope.ts';
import { markedTime } from './past.ts';
import { readProfiles } from './profiles.ts';
import { planFiles } from './proposal.ts';
import type { Claim } from './recompute.ts';
import { liveName, parentName, type State, stateOf } from './state.ts';
import { mainTrust, siteTrust, trustOf } from './trust.ts';

/** What a check says of a state: complaints stop a merge, warnings are shown. */
export interface Checked {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** Everything that can be said of a state by itself: texts, pairs, policies, names that fit each other. */
export async function checkFiles(
  files: ReadonlyMap<string, { readonly text: string; readonly mode: string }>,
  history: History,
): Promise<{ checked: Checked; state: State | undefined }> {
  const entries = [...files].map(([path, { mode }]) => ({ path, mode, type: 'blob' as const }));
  const complaints: Fault[] = [...checkTree(entries)];
  const texts = new Map([...files].map(([path, { text }]) => [path, text]));
  complaints.push(...collectComplaints(new Map([...texts].filter(([path]) => path.startsWith('policies/')))));
  if (complaints.length > 0) return { checked: { complaints, warnings: [] }, state: undefined };
  const state = stateOf(history, texts);
  for (const name of state.repositories) {
    const path = snapshotPath(name);
    const pair = { yaml: texts.get(path) ?? '', lock: texts.get(lockPath(name)) };
    if (pair.lock === undefined) {
      const hint = 'Run sluice fix, which completes the lock.';
      complaints.push(new Fault('LOCK_MISMATCH', `${lockPath(name)} is missing`, { hint, at: path }));
      continue;
    }
    const { yaml, lock } = pair;
    const found = isGood(state, name) ? [] : checkCanonical({ yaml, lock }, path);
    complaints.push(...found);
    if (found.length === 0) complaints.push(...checkPlace(state, state.snapshot(name) as Snapshot));
  }
  complaints.push(
    ...(await checkKeys(state)),
    ...checkProfiles(state),
    ...checkMarks(state),
    ...checkBaselines(state),
    ...checkErrataNames(state),
  );
  if (complaints.length === 0) complaints.push(...recalledPins(state));
  for (const path of texts.keys()) {
    if (!path.startsWith('snapshots/') || !path.endsWith('.lock')) continue;
    const yaml = path.replace(/\.lock$/, '.yaml');
    if (texts.has(yaml) && parseSnapshotPath(yaml)) continue;
    const hint = 'Remove it, or bring its YAML back.';
    complaints.push(new Fault('LOCK_MISMATCH', `${yaml} is missing beside it`, { hint, at: path }));
  }
  return {
    checked: { complaints, warnings: [...lintPolicies(state.policies), ...endedExceptions(state)] },
    state,
  };
}

/** Reading it refuses what is not canonical; all that is wrong with it is found out where something is. */
function isGood(state: State, name: RepositoryName): boolean {
  try {
    return state.snapshot(name) !== undefined;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/** Every key that an upstream's signatures are to be judged by is there, and is the one that the policy names. */
async function checkKeys(state: State): Promise<Fault[]> {
  const complaints = new Map<string, Fault>();
  const note = (error: unknown) => {
    if (!(error instanceof Fault)) throw error;
    complaints.set(`${error.at} ${error.message}`, error); // one file may be named by many upstreams
  };
  await siteTrust(state).catch(note);
  await mainTrust(state, new Date(0)).catch(note);
  for (const upstream of state.policies.upstreams.values()) {
    for (const what of ['packages', 'metadata'] as const) {
      try {
        await trustOf(state, upstream, what, new Date(0));
      } catch (error) {
        note(error);
      }
    }
  }
  return [...complaints.values()];
}

function checkProfiles(state: State): Fault[] {
  return [...state.policies.teams.values()].flatMap((team) => {
    try {
      readProfiles(state, team);
      return [];
    } catch (error) {
      if (error instanceof Fault) return [error];
      throw error;
    }
  });
}

/** A mark of a good state names a commit of main. */
function checkMarks(state: State): Fault[] {
  return [...state.policies.teams.values()].flatMap((team) =>
    team.tiers.flatMap((tier) => {
      try {
        if (tier.good) markedTime(state, { team, tier });
        return [];
      } catch (error) {
        if (error instanceof Fault) return [error];
        throw error;
      }
    }),
  );
}

/** A manifest stands where its policies say that one may stand, and names the parent that they name. */
function checkPlace(state: State, snapshot: Snapshot): Fault[] {
  const { repository } = snapshot;
  const at = snapshotPath(repository);
  const id = `${repository.os}-${repository.version}-${repository.arch}-${repository.repo}`;
  const upstream = state.policies.upstreams.get(id);
  const refuse = (message: string, hint: string) => [new Fault('MANIFEST_INVALID', message, { hint, at })];
  if (!upstream)
    return refuse(`no policy declares the upstream ${id}`, `Write policies/upstreams/${id}.yaml.`);
  if (repository.tier === LIVE_TIER) {
    return snapshot.from === id ? [] : refuse(`live must be from ${id}`, 'Run sluice fix.');
  }
  const team = state.policies.teams.get(repository.team);
  const tier = team?.tiers.find((t) => t.name === repository.tier);
  if (!team || !tier) {
    return refuse(
      `no policy declares ${repository.team}/${repository.tier}`,
      'Declare the tier, or remove the file.',
    );
  }
  const from = formatRepositoryId(parentName(team, tier, upstream));
  if (snapshot.from === from) return [];
  return refuse(`its parent is ${from} by policy, and the manifest says ${snapshot.from}`, 'Run sluice fix.');
}

function endedExceptions(state: State): Fault[] {
  const now = state.history.chain[0]?.time.getTime() ?? 0;
  const teams = [...state.policies.teams.values()];
  return teams.flatMap((team) =>
    team.tiers.flatMap((tier) =>
      tier.exceptions
        .filter(({ until }) => hasEnded(until, new Date(now)))
        .map(({ until, reason, at }) => {
          const message = `an exception of ${team.team}/${tier.name} ended on ${until} and lets nothing in any more: ${reason}`;
          return new Fault('POLICY_INVALID', message, { hint: 'Renew it or drop it.', at });
        }),
    ),
  );
}

/** How a head differs from what its bot's plan says. */
export interface Difference {
  readonly path: string;
  readonly kind: 'missing' | 'added' | 'other';
}

/** Holds the head against the plan that was recomputed for it, file by file, byte by byte. */
export function compareWithPlan(plan: Plan, base: State, head: State): readonly Difference[] {
  const planned = planFiles([plan], base);
  const differences: Difference[] = [];
  for (const path of [...new Set([...planned.keys(), ...base.files.keys(), ...head.files.keys()])].sort(
    byCodeUnit,
  )) {
    const wanted = planned.get(path) ?? base.files.get(path);
    const found = head.files.get(path);
    if (wanted === found) continue;
    differences.push({
      path,
      kind: found === undefined ? 'missing' : wanted === undefined ? 'added' : 'other',
    });
  }
  return differences;
}

/** Who speaks for a pull request: a bot's claim, or nobody but the person who wrote it. */
export interface Spoken {
  readonly claim: Pick<Claim, 'verb' | 'all'> | undefined;
  /** The head is what the claim's plan writes, to the byte. */
  readonly proven: boolean;
  readonly now: Date;
}

/**
 * What a merge would do to tiers, asked of main as it is now: nothing comes in that the parent never had or that upstream
 * pulled back, nothing that is held now moves by itself, and the newest build of a name never gets lower. Live is judged by its
 * plan alone.
 */
export async function checkMoves(main: State, merged: State, spoken: Spoken): Promise<Fault[]> {
  const complaints: Fault[] = [];
  for (const name of merged.repositories) {
    if (name.tier === LIVE_TIER) continue;
    complaints.push(...checkTreeMove(main, merged, name, spoken));
    if (merged.files.get(lockPath(name)) === main.files.get(lockPath(name))) continue;
    complaints.push(...(await checkRepository(main, merged, name, spoken)));
  }
  return complaints;
}

/** A rollback is one state of a client set as a whole: merged with what came there since, it would be one that nobody ever saw. */
export function movedUnder(claim: Claim, head: State, merged: State): Fault[] {
  if (claim.verb !== 'rollback') return [];
  const set = `snapshots/${claim.team}/${claim.tier}/${claim.set}`; // of an upstream that stands alone: its id
  const moved = [...head.files.keys()].filter(
    (path) =>
      (path.startsWith(`${set}-`) || path.startsWith(`${set}.`)) &&
      head.files.get(path) !== merged.files.get(path),
  );
  if (moved.length === 0) return [];
  const message = `${claim.team}/${claim.tier} ${claim.set} changed on main since this rollback was planned`;
  return [new Fault('FORGE_CONFLICT', message, { hint: 'Run the command again.', at: moved[0] })];
}

/**
 * Hosts are installed from it, so a tier's tree is one that main has of that upstream somewhere, or that live comes to have (which
 * only a sync's plan may change: `builtByHand`); going back to one that nobody has any more is for the verbs that do so.
 */
function checkTreeMove(main: State, merged: State, name: RepositoryName, spoken: Spoken): Fault[] {
  const after = merged.snapshot(name)?.kickstart;
  if (!after || sameTree(main.snapshot(name)?.kickstart, after)) return [];
  if (spoken.proven && spoken.claim && LOWERING.has(spoken.claim.verb)) return [];
  const [id, live] = [upstreamId(name), merged.policies.upstreams.get(upstreamId(name))];
  const had = main.repositories
    .filter((other) => upstreamId(other) === id)
    .map((other) => main.snapshot(other)?.kickstart);
  const come = live && merged.snapshot(liveName(live))?.kickstart;
  if ([...had, come].some((tree) => tree && sameTree(tree, after))) return [];
  const message = `the installation tree ${formatChecksum(after)} is in no tier of ${id}`;
  const hint = 'Let it come through the tiers: sluice promote.';
  return [new Fault('MANIFEST_INVALID', message, { hint, at: snapshotPath(name) })];
}

/** Verbs whose plans take builds away or back, when a person asks for just that. */
const LOWERING = new Set(['remove', 'rollback', 'recall']);

async function checkRepository(
  main: State,
  merged: State,
  name: RepositoryName,
  spoken: Spoken,
): Promise<Fault[]> {
  const { claim, proven, now } = spoken;
  const team = merged.policies.teams.get(name.team);
  const tier = team?.tiers.find((t) => t.name === name.tier);
  const upstream = merged.policies.upstreams.get(upstreamId(name));
  if (!team || !tier || !upstream) return []; // said by checkFiles
  const at = snapshotPath(name);
  const before = main.snapshot(name)?.pins ?? [];
  const after = (merged.snapshot(name) as Snapshot).pins;
  const come = beyond(after, before);
  const parent = parentName(team, tier, upstream);
  const parents = [merged, main].map((state) => among(come, state.snapshot(parent)?.pins));
  const isInParent = (sum: string) => parents.some((sums) => sums.has(sum));
  const once = await everListed(
    main,
    parent,
    come.filter((pin) => !isInParent(sumOf(pin))),
  );
  const live = main.snapshot(liveName(upstream))?.pins ?? [];
  const inLive = among(come, live);
  const withdrawn = among(
    come,
    live.filter((pin) => pin.withdrawn),
  );
  const straight = claim?.verb === 'hotfix' && proven ? inLive : undefined;
  const behind = straight && merged.snapshot(parent)?.pins;
  const byItself = claim?.verb === 'promote' && claim.all('Sluice-Named').length === 0;
  const holds = claim && movesPastNoHold(claim) ? team.holds : [];
  const lowers = proven && claim !== undefined && LOWERING.has(claim.verb);
  const complaints: Fault[] = [];
  const complain = (message: string, hint: string) =>
    complaints.push(new Fault('MANIFEST_INVALID', message, { hint, at }));
  const goesBack = proven && claim?.verb === 'rollback';
  for (const pin of come) {
    const sum = sumOf(pin);
    const build = formatNevra(pin.nevra);
    if (goesBack) continue; // it was there, and the plan that says so was made again
    const isStraight = straight?.has(sum) && isNotAhead(pin, behind ?? []);
    if (!isInParent(sum) && !once.has(`${build} ${sum}`) && !isStraight && !lowers) {
      complain(
        `${build} is not in ${formatRepositoryId(parent)}, and never was`,
        inLive.has(sum)
          ? `Run sluice fix, which adds its line there too: live has it.`
          : 'Let it come through the tiers, or check the checksum in the lock.',
      );
    }
    if (withdrawn.has(sum))
      complain(`upstream pulled ${build} back`, 'Run the command again: it leaves it out.');
    const subject = { name: pin.nevra.name, source: undefined, repository: upstream.id, tier: tier.name };
    const hold = holds.find((h) => !h.source && patternMatches(h, subject));
    if (hold)
      complain(
        `${build} is held now: ${hold.reason} (${hold.owner})`,
        'Run the command again: it leaves it out.',
      );
    if (byItself && tier.mode === 'frozen' && !mayThaw(tier, subject, now))
      complain(
        `${tier.name} is frozen, and no exception that is in force lets ${build} in`,
        'Renew the exception, or promote it by its name.',
      );
  }
  if (claim?.verb === 'promote' && tier.window && !isOpen(tier.window, now)) {
    const hint = `Merge it from ${nextOpening(tier.window, now).toISOString()} on.`;
    complaints.push(new Fault('NOT_YET', `${tier.name} moves only in its window`, { hint, at }));
  }
  if (lowers) return complaints;
  const recalls = recallsOf(merged.policies);
  const keepable = recalls.all.length > 0 ? before.filter((pin) => !recalls.of(pin)) : before;
  return [...complaints, ...lowered(keepable, after, at)];
}

/** Whether an exception that is in force may be about a build; of which source it is stands in no manifest. */
function mayThaw(tier: TierPolicy, subject: Subject, now: Date): boolean {
  return tier.exceptions.some(
    ({ source: _, ...rest }) => !hasEnded(rest.until, now) && patternMatches(rest, subject),
  );
}

/** Of these builds, as `<nevra> <checksum>`, those that a repository once had, by main's history: it may have dropped them since. */
async function everListed(
  main: State,
  repository: RepositoryName,
  pins: readonly Pin[],
): Promise<Set<string>> {
  if (pins.length === 0) return new Set();
  const builds = new Set(pins.map((pin) => `${formatNevra(pin.nevra)} ${formatChecksum(pin.checksum)}`));
  return new Set((await main.history.lastListed(lockPath(repository), builds)).keys());
}

/** Per name.arch: the newest build that main has must not be newer than the newest after the merge. */
function lowered(before: readonly Pin[], after: readonly Pin[], at: string): Fault[] {
  const [had, has] = [new Set(before), new Set(after)];
  const moved = [...before.filter((pin) => !has.has(pin)), ...after.filter((pin) => !had.has(pin))];
  const names = new Set(moved.map(({ nevra }) => nevra.name)); // of the others all builds are the same
  const newestOf = (pins: readonly Pin[]) =>
    new Map(pins.filter(({ nevra }) => names.has(nevra.name)).map((pin) => [nameArch(pin.nevra), pin])); // in EVR order
  const newest = newestOf(after);
  const complaints: Fault[] = [];
  for (const [key, pin] of newestOf(before)) {
    const now = newest.get(key);
    if (!now || compareEvr(now.nevra.evr, pin.nevra.evr) >= 0) continue;
    const message = `${key} would go from ${formatNevra(pin.nevra)} back to ${formatNevra(now.nevra)}`;
    complaints.push(
      new Fault('MANIFEST_INVALID', message, {
        hint: 'A promotion never lowers; leave the newer one in.',
        at,
      }),
    );
  }
  return complaints;
}

/** What `stateAt` found, with the files that it judged. */
export interface CheckedState {
  readonly checked: Checked;
  readonly state: State | undefined;
  readonly files: ReadonlyMap<string, RepositoryFile>;
  readonly history: History;
}

/**
 * The state that a tree (a merged one, too) has, on a history. `known`: found before; where it is of the same files on the
 * same history, it is the answer (main did not move, so the merge is the head; a large lock is not parsed again).
 */
export async function stateAt(
  repo: Repository,
  rev: string,
  history: History,
  known?: CheckedState,
): Promise<CheckedState> {
  const files = await repo.readCommitted(rev);
  if (known?.history === history && sameFiles(files, known.files)) return known;
  return { ...(await checkFiles(files, history)), files, history };
}

function sameFiles(a: CheckedState['files'], b: CheckedState['files']): boolean {
  return (
    a.size === b.size &&
    [...a].every(([path, { text, mode }]) => b.get(path)?.text === text && b.get(path)?.mode === mode)
  );
}
