import { Fault, quote } from '../base/fault.ts';
import type { ClientPin } from '../manifest/client-pins.ts';
import { addHolds } from '../manifest/edit-holds.ts';
import { formatRepositoryId } from '../manifest/ids.ts';
import { emptySnapshot } from '../manifest/snapshot.ts';
import { type Account, type Imported, importPins } from '../plan/importPins.ts';
import type { Plan, RepositoryPlan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { count } from '../report/words.ts';
import { parseNevra } from '../rpm/nevra.ts';
import { type PromoteScope, promotionPlan, upstreamsInSet } from './plan-promote.ts';
import { checkNow, parentName, type State, stateOf, targetName, teamOf, tierOf } from './state.ts';

/** What clients pinned, and how that is to be written: all that the plan depends on besides the base. */
export interface PinsRequest {
  /** `versionlock.list`: for reasons and notes. */
  readonly file: string;
  readonly pins: readonly ClientPin[];
  readonly reason?: string;
  readonly owner: string;
  readonly until?: string;
  /** One hold for many names. */
  readonly together: boolean;
  readonly holdsOnly: boolean;
}

export interface PinsPlan {
  readonly plan: Plan;
  readonly accounts: readonly Account[];
}

/** Pins of clients as holds of a tier, and as a promotion of just the builds that they name. */
export async function pinsPlan(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  request: PinsRequest,
  now: Date,
): Promise<PinsPlan> {
  checkNow(state, now);
  const imported = imports(state, scope, request);
  const { path } = scope.team;
  const before = state.files.get(path) ?? '';
  const policy = addHolds(
    before,
    path,
    imported.holds.map(({ pattern, ...hold }) => ({ ...pattern, ...hold })),
  );
  const files = new Map([[path, policy]]);
  const held = stateOf(state.history, new Map([...state.files, ...files])); // throws where the policy would be none
  const team = teamOf(held.policies, scope.team.team);
  const after = { ...scope, team, tier: tierOf(team, scope.tier.name) };
  const builds = request.holdsOnly ? [] : imported.builds;
  const moved =
    builds.length > 0 ? await promotion(held, catalog, after, builds, now) : still(held, after, now);
  const notes = notesOf(imported, request);
  const repositories = moved.repositories.map((r, i): RepositoryPlan => {
    const staying = r.staying.filter(({ build }) =>
      builds.some((text) => parseNevra(text).name === build.nevra.name),
    );
    return { ...r, staying, notes: i === 0 ? [...notes, ...r.notes] : r.notes };
  });
  const plan: Plan = { ...moved, verb: 'import', repositories, files };
  return { plan, accounts: imported.accounts };
}

function imports(state: State, scope: PromoteScope, request: PinsRequest): Imported {
  const { team, tier } = scope;
  const upstreams = upstreamsInSet(state, scope);
  const builds = (of: typeof parentName | typeof targetOf) =>
    upstreams.flatMap((upstream) =>
      (state.snapshot(of(team, tier, upstream))?.pins ?? []).map(({ nevra }) => nevra),
    );
  const { pins, owner, until, reason, together, file } = request;
  return importPins({
    pins,
    parent: builds(parentName),
    target: builds(targetOf),
    tier: tier.name,
    holds: team.holds,
    reason: ({ line }) =>
      reason ?? (together ? `pinned on clients by ${file}` : `pinned on clients by ${file}, line ${line}`),
    owner,
    together,
    ...(until === undefined ? {} : { until }),
  });
}

const targetOf: typeof parentName = (team, tier, upstream) => targetName(team, tier.name, upstream);

async function promotion(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  builds: readonly string[],
  now: Date,
): Promise<Plan> {
  const named = [...new Set(builds.map((text) => parseNevra(text).name))];
  try {
    return await promotionPlan(state, catalog, scope, { named, exact: new Set(builds), now });
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'HELD') throw error;
    const hint = 'Import the holds alone (--holds-only), then promote what is meant by its name.';
    throw new Fault('HELD', error.message, { hint, at: error.at, cause: error });
  }
}

/** Only the policy changes. */
function still(state: State, scope: PromoteScope, now: Date): Plan {
  const { team, tier, set } = scope;
  const repositories = upstreamsInSet(state, scope).flatMap((upstream): RepositoryPlan[] => {
    const repository = targetName(team, tier.name, upstream);
    const from = formatRepositoryId(parentName(team, tier, upstream));
    const before = state.snapshot(repository);
    const after = before ?? emptySnapshot(repository, from);
    return [{ repository, before, after, changes: [], staying: [], attention: [], notes: [] }];
  });
  return {
    verb: 'import',
    team: team.team,
    tier: tier.name,
    set,
    now,
    from: tier.from,
    repositories,
    about: new Map(),
  };
}

/** How many accounts a pull request has, line by line. */
const MAX_NOTES = 40;

function notesOf({ accounts, holds }: Imported, { file, until, holdsOnly }: PinsRequest): string[] {
  const not = accounts.filter((a) => a.outcome === 'not taken');
  const there = accounts.filter((a) => a.outcome === 'there already');
  const end = until === undefined ? 'with no end' : `until ${until}`;
  const head = `${file}: ${count(accounts.length, 'pin')}, of which ${not.length} not taken and ${there.length} there already; ${count(holds.length, 'new hold')}, ${end}${holdsOnly ? '; no builds, as was asked' : ''}`;
  const told = [...not, ...accounts.filter((a) => a.outcome === 'taken')];
  const lines = told.slice(0, MAX_NOTES).map(({ line, text, outcome, says }) => {
    return `line ${line}, ${text}: ${outcome === 'taken' ? '' : `${outcome}: `}${says}`;
  });
  const more = told.length > lines.length ? [`… and ${count(told.length - lines.length, 'more pin')}`] : [];
  return [head, ...lines, ...more];
}

/** `Sluice-Import`, as the command writes it; a Fault on anything else, whoever wrote that. */
export function readPinsRequest(text: string | undefined): PinsRequest {
  const data = parsed(text ?? '');
  if (isRequest(data)) return data;
  throw new Fault('PLAN_DIFFERS', `the trailer Sluice-Import cannot be read: ${quote(text ?? '')}`, {
    hint: 'Close the pull request and run the command again.',
  });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isRequest(data: unknown): data is PinsRequest {
  if (!isObject(data)) return false;
  const { file, pins, reason, owner, until, together, holdsOnly, ...others } = data;
  const isText = (value: unknown, o: { absent: boolean }) =>
    typeof value === 'string' || (o.absent && value === undefined);
  return (
    Object.keys(others).length === 0 &&
    isText(file, { absent: false }) &&
    isText(owner, { absent: false }) &&
    isText(reason, { absent: true }) &&
    isText(until, { absent: true }) &&
    typeof together === 'boolean' &&
    typeof holdsOnly === 'boolean' &&
    Array.isArray(pins) &&
    pins.every(isPin)
  );
}

function isPin(data: unknown): data is ClientPin {
  if (!isObject(data)) return false;
  const { line, kind, pattern, order, section, ...others } = data;
  return (
    Object.keys(others).length === 0 &&
    Number.isSafeInteger(line) &&
    (kind === 'lock' || kind === 'exclude') &&
    (order === 'versions' || order === 'names') &&
    typeof pattern === 'string' &&
    (section === undefined || typeof section === 'string')
  );
}

function isObject(data: unknown): data is Readonly<Record<string, unknown>> {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}
