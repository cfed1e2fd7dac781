import { Fault } from '../base/fault.ts';
import type { Repository, RepositoryFile } from '../forge/repository.ts';
import { formatRepositoryId, LIVE_TEAM, LIVE_TIER, lockPath, snapshotPath } from '../manifest/ids.ts';
import { salvageLock } from '../manifest/lock.ts';
import { completeSnapshot, type Pin, readPins, renderSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { setsJson, setsText } from '../report/broken-set.ts';
import {
  provenanceJson,
  provenanceTable,
  provenanceText,
  type RepositoryProvenance,
} from '../report/provenance.ts';
import { plain } from '../report/safe.ts';
import { formatNevra, type Nevra, parseNevra } from '../rpm/nevra.ts';
import { backFill } from './back-fill.ts';
import { type Checked, checkFiles, checkMoves } from './check.ts';
import { checkErrata } from './check-errata.ts';
import { checkErrataViews } from './check-errata-views.ts';
import { goodWarnings } from './check-good.ts';
import { endedHolds, holdWarnings } from './check-holds.ts';
import { checkLockstepGroups } from './check-lockstep.ts';
import { type Claimed, claimOf, comparePlan, planFault } from './check-plan.ts';
import { provenanceFaults } from './check-provenance.ts';
import { brokenReason, type CheckedSet, checkSets, isExcusable, ON_PURPOSE } from './check-sets.ts';
import { CODEOWNERS, checkCodeowners, codeowners } from './codeowners.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Asked, askCatalog } from './hosted.ts';
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
  let asked: Asked<FromCatalog> | undefined;
  if (state && complaints.length === 0) {
    const claimed = await claimOf(repo, before);
    provenance = await provenanceOf(world, state, tierRepositories(state), { full: o.provenance === true });
    complaints.push(...checkCodeowners(state.policies, await codeownersOf(repo, main)));
    complaints.push(...provenanceFaults(state, provenance, { mirror: world.mirrorDir !== undefined }));
    const question = { main: before, state, claimed };
    asked = await askCatalog(world, before, claimed ? [claimed.base, state] : [state], (catalog, hosted) =>
      judge(world, question, catalog, hosted),
    );
    const spoken = { claim: claimed?.claim, proven: isPlan(claimed, asked), now: world.now };
    complaints.push(...(await checkMoves(before, state, spoken)));
    const together = checkLockstepGroups(before, state, spoken);
    complaints.push(...together.complaints);
    warnings.push(...together.warnings);
    warnings.push(...(await goodWarnings(world, repo, state)));
    const mirror = world.mirrorDir === undefined ? undefined : mirrorOf(world);
    const catalog = mirror?.catalog;
    complaints.push(...(await checkErrata(before, state, catalog)));
    complaints.push(...(await checkErrataViews(before, state, mirror)));
    complaints.push(...(await endedHolds(before, state, spoken, catalog)).complaints);
    warnings.push(...(await holdWarnings(state, world.now)));
    const isExcused = brokenReason(await repo.trailers(repo.bare ? main : 'HEAD')) !== undefined;
    const found = faultsOf(asked, isExcused);
    complaints.push(...found.complaints);
    warnings.push(...found.warnings);
  }
  const said = { complaints, warnings, provenance, asked };
  if (world.json) printJson(world, said, o);
  else printText(world, files.size, said, o);
  return complaints.length === 0;
}

async function codeownersOf(repo: Repository, main: string): Promise<RepositoryFile | undefined> {
  const files = repo.bare ? repo.readCommitted(main, [CODEOWNERS]) : repo.readWorkTree([CODEOWNERS]);
  return (await files).get(CODEOWNERS);
}

/** What takes a catalog: what builds require stands there. */
interface FromCatalog {
  /** What is against the plan of a bot, or keeps it from being computed; undefined where no bot claims one. */
  readonly plan: { readonly fault: Fault | undefined; readonly untouched: boolean } | undefined;
  readonly sets: readonly CheckedSet[];
  /** What keeps the sets from being asked. */
  readonly fault: Fault | undefined;
}

interface Question {
  readonly main: State;
  readonly state: State;
  readonly claimed: Claimed | undefined;
}

/** Over the network only what a change could have changed is asked: a site may have many sets. */
async function judge(
  world: World,
  { main, state, claimed }: Question,
  catalog: Catalog,
  hosted: boolean,
): Promise<FromCatalog> {
  const plan =
    claimed &&
    (await orFault(async () =>
      planFault(await comparePlan(world, claimed, state, catalog), claimed.untouched),
    ));
  const sets = await orFault(() => checkSets(main, state, catalog, hosted ? 'touched' : 'all'));
  return {
    plan: claimed && {
      fault: plan?.fault ?? plan?.value,
      untouched: claimed.untouched || plan?.fault !== undefined,
    },
    sets: sets.value ?? [],
    fault: sets.fault,
  };
}

/** Whether this is what the bot's plan writes, to the byte; where no catalog can be asked, its word until the merge asks. */
function isPlan(claimed: Claimed | undefined, asked: Asked<FromCatalog>): boolean {
  if (!claimed?.untouched) return false;
  return asked.kind === 'not' || asked.answer.plan?.fault === undefined;
}

async function orFault<T>(work: () => Promise<T>): Promise<{ readonly value?: T; readonly fault?: Fault }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (error instanceof Fault) return { fault: error };
    throw error;
  }
}

function faultsOf(asked: Asked<FromCatalog>, isExcused: boolean): Checked {
  if (asked.kind === 'not') return { complaints: asked.fault ? [asked.fault] : [], warnings: [] };
  const { plan, sets, fault } = asked.answer;
  const complaints = fault ? [fault] : [];
  const warnings: Fault[] = [];
  if (plan?.fault) (plan.untouched ? complaints : warnings).push(plan.fault);
  for (const set of sets) (set.changed && !isExcused ? complaints : warnings).push(...set.faults);
  return { complaints, warnings };
}

interface Said {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly provenance: readonly RepositoryProvenance[] | undefined;
  readonly asked: Asked<FromCatalog> | undefined;
}

function printJson(world: World, { complaints, warnings, provenance, asked }: Said, o: CheckOptions): void {
  const say = (f: Fault) => ({ code: f.code, message: f.message, at: f.at, hint: f.hint });
  const answer = asked?.kind === 'asked' ? asked.answer : undefined;
  const said = {
    complaints: complaints.map(say),
    warnings: warnings.map(say),
    provenance: provenance ? provenanceJson(provenance, { pins: o.provenance === true }) : null,
    sets: answer && !answer.fault ? setsJson(answer.sets) : null,
    plan: answer?.plan ? (answer.plan.fault ? 'differs' : 'equal') : null,
    notAsked: asked?.kind === 'not' ? asked.why : null,
  };
  world.print(`${JSON.stringify(said, null, 2)}\n`);
}

function printText(
  world: World,
  files: number,
  { complaints, warnings, provenance, asked }: Said,
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
  world.print(`checked ${files} files: ${found}\n${provenanceText(provenance ?? [])}${askedText(asked)}`);
}

function askedText(asked: Asked<FromCatalog> | undefined): string {
  if (!asked) return '';
  if (asked.kind === 'not') {
    return `client sets, and a bot's plan: not checked here, because ${plain(asked.why, 2_000)}; every merge checks them\n`;
  }
  const { plan, sets, fault } = asked.answer;
  const planned = plan && !plan.fault ? 'the plan that its trailers name, recomputed\n' : '';
  const same = asked.hosted && sets.length === 0 && !fault ? 'client sets: as main has them\n' : '';
  return `${planned}${setsText(sets)}${same}`;
}

/** Puts manifests of the work tree into canonical form, completes locks from those in git, and tiers between from those behind. */
export async function fixWorkTree(world: World): Promise<void> {
  const { repo, main } = await openState(world);
  const work = await repo.readWorkTree();
  const texts = new Map([...work].map(([path, file]) => [path, file.text]));
  const committed = await readState(repo, main);
  const state = stateOf(committed.history, texts);
  const known = await knownBuilds(committed, wantedBuilds(state));
  const written = new Map<string, string>();
  const snapshots = new Map<string, Snapshot>();
  for (const name of state.repositories) {
    const path = snapshotPath(name);
    const yaml = texts.get(path) ?? '';
    const previous = committed.files.get(lockPath(name));
    const find = (nevra: Nevra): Pin | undefined => known.get(formatNevra(nevra));
    const complete = completeSnapshot(yaml, path, find, texts.get(lockPath(name)) ?? previous);
    snapshots.set(formatRepositoryId(name), complete);
  }
  const added = backFill(committed, state.policies, snapshots);
  for (const snapshot of snapshots.values()) {
    const { yaml, lock } = renderSnapshot(snapshot);
    for (const [path, text] of [
      [snapshotPath(snapshot.repository), yaml],
      [lockPath(snapshot.repository), lock],
    ] as const) {
      if (text !== texts.get(path)) written.set(path, text);
    }
  }
  const owners = codeowners(state.policies);
  if (owners !== undefined && (await codeownersOf(repo, main))?.text !== owners)
    written.set(CODEOWNERS, owners);
  await repo.write(written);
  for (const { repository, build, behind } of added) {
    world.print(`${snapshotPath(repository)}: ${build} is there too now, because ${behind} has it\n`);
  }
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
