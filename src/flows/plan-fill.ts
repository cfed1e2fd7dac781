import { Fault } from '../base/fault.ts';
import { formatRepositoryId, type RepositoryName } from '../manifest/ids.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import { recallsOf } from '../manifest/recall.ts';
import { parseSnapshot, type Snapshot } from '../manifest/snapshot.ts';
import { type FillRepository, planFill, type Selection } from '../plan/fill.ts';
import type { Plan } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { identify } from '../repodata/primary.ts';
import { installedKeys, readInstalled } from '../rpm/installed.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { baselineOf } from './baselines.ts';
import { closureOf } from './closure.ts';
import { loadFacts } from './facts.ts';
import type { PromoteScope } from './plan-promote.ts';
import {
  checkNow,
  clientSetKey,
  liveName,
  lockPath,
  parentName,
  type State,
  snapshotPath,
  targetName,
  teamOf,
  upstreamsOf,
} from './state.ts';
import { treeWords } from './trees.ts';

/** What an empty tier is filled from; nothing: the newest of each in its parent. */
export interface FillRequest {
  /** The same tier of this team. */
  readonly like?: string | undefined;
  /** The parent as main had it then (RFC 3339 or a day), or by upstream's own dates where history does not reach so far. */
  readonly at?: string | undefined;
  /** NEVRAs, one a line: `rpm -qa`, a baseline. */
  readonly list?: readonly string[] | undefined;
}

/** Plans the first content of one client set of an empty tier. */
export async function fillPlan(
  state: State,
  catalog: Catalog,
  scope: PromoteScope,
  request: FillRequest,
  now: Date,
): Promise<Plan> {
  checkNow(state, now);
  const { team, tier, set } = scope;
  const upstreams = upstreamsOf(state.policies, team).filter(
    (u) => (u.alone ? u.id : clientSetKey(u.name)) === set,
  );
  const repositories: FillRepository[] = [];
  for (const upstream of upstreams) {
    const source = await sourceOf(state, scope, upstream, request);
    if (!source) continue;
    const repository = targetName(team, tier.name, upstream);
    const from = formatRepositoryId(parentName(team, tier, upstream));
    const trees = source.kickstart && {
      seen: new Map(),
      inParent: new Map(),
      words: await treeWords(catalog, [source.kickstart]),
    };
    repositories.push({ repository, target: state.snapshot(repository), source, from, trees });
  }
  const sources = repositories.map((r) => r.source);
  const lives = upstreams.flatMap((u) => state.snapshot(liveName(u)) ?? []);
  const { closure, primaries, notes } = await closureOf(state, catalog, scope, sources);
  const facts = await loadFacts(catalog, [...sources, ...lives], primaries.size > 0 ? primaries : undefined);
  const selection = await selectionOf(catalog, sources, request);
  const baseline = baselineOf(state, tier, set);
  const parent = request.like === undefined ? tier.from : `${request.like}/${tier.name}`;
  return planFill({
    verb: 'fill',
    team,
    tier: tier.name,
    set,
    parent,
    repositories,
    selection,
    facts,
    closure,
    ...(baseline ? { baseline } : {}),
    recalls: recallsOf(state.policies),
    notes,
    now,
  });
}

async function sourceOf(
  state: State,
  { team, tier }: PromoteScope,
  upstream: UpstreamPolicy,
  request: FillRequest,
): Promise<Snapshot | undefined> {
  const name =
    request.like === undefined
      ? parentName(team, tier, upstream)
      : targetName(teamOf(state.policies, request.like), tier.name, upstream);
  if (request.at === undefined) return state.snapshot(name);
  const commit = state.history.commitAt(dateOf(request.at));
  const then = commit && (await snapshotAt(state, name, commit.id));
  return then ?? state.snapshot(name);
}

/** As main had it at a commit; undefined where it had none. */
export async function snapshotAt(
  { history }: Pick<State, 'history'>,
  name: RepositoryName,
  commit: string,
): Promise<Snapshot | undefined> {
  const paths = [snapshotPath(name), lockPath(name)];
  const texts = await history.readMany(paths, commit);
  const [yaml, lock] = paths.map((path) => texts.get(path));
  return yaml === undefined || lock === undefined
    ? undefined
    : parseSnapshot({ yaml, lock }, snapshotPath(name), { lenient: true }); // an older version may have written it
}

async function selectionOf(
  catalog: Catalog,
  sources: readonly Snapshot[],
  request: FillRequest,
): Promise<Selection> {
  if (request.list !== undefined) return { kind: 'list', nevras: listed(request.list, sources) };
  if (request.like !== undefined) return { kind: 'all' };
  if (request.at === undefined) return { kind: 'latest' };
  const records = sources.flatMap((s) => s.pins.map((pin) => pin.record));
  const primaries = await catalog.getPrimaries(records);
  const fileTime = (pin: { record: string }) => {
    const element = primaries.get(pin.record);
    return element ? identify(element, pin.record).fileTime : Number.POSITIVE_INFINITY;
  };
  return { kind: 'dated', fileTime, date: dateOf(request.at) };
}

/** `rpm -qa` prints no epoch, so such a line matches with any; nothing that is not there is invented. */
function listed(lines: readonly string[], sources: readonly Snapshot[]): ReadonlySet<string> {
  const wanted = installedKeys(readInstalled(lines.join('\n'), 'the list'));
  const pins = sources.flatMap((source) => source.pins);
  return new Set(pins.filter(({ nevra }) => wanted(nevra)).map(({ nevra }) => formatNevra(nevra)));
}

/** A day, or a moment in RFC 3339; a Fault on anything else. */
export function dateOf(text: string): Date {
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T23:59:59Z` : text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new Fault('USAGE', `${JSON.stringify(text)} is not a date`, {
    hint: 'Write 2026-03-12 or 2026-03-12T09:00:00Z.',
  });
}
