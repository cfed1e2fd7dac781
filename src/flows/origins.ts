import { formatChecksum } from '../base/checksum.ts';
import { groupBy } from '../base/order.ts';
import { formatRepositoryId, LIVE_TIER, lockPath, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import type { Origin } from '../report/provenance.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { liveName, type State, snapshotPath } from './state.ts';

/** A build by name and bytes: `<nevra> <type:hex>`. */
export function buildKey({ nevra, checksum }: Pick<Pin, 'nevra' | 'checksum'>): string {
  return `${formatNevra(nevra)} ${formatChecksum(checksum)}`;
}

/** Origins of the builds of tiers, by `buildKey`, one map a repository. */
export type Origins = ReadonlyMap<RepositoryName, ReadonlyMap<string, Origin>>;

/**
 * Where the builds of these repositories come from: a build is its upstream's where live lists exactly this NEVRA with exactly
 * these bytes, or listed it at some commit of main. The history is asked only for what live has no more. `states`: also in
 * which state of the upstream live first had it (reads the whole history of live).
 */
export async function originsOf(
  state: State,
  names: readonly RepositoryName[],
  o: { readonly states: boolean },
): Promise<Origins> {
  const origins = new Map<RepositoryName, Map<string, Origin>>();
  const strangers: { name: RepositoryName; pin: Pin; key: string }[] = [];
  for (const [id, own] of groupBy(names, upstreamId)) {
    const upstream = state.policies.upstreams.get(id);
    const known = new Map<string, Origin>();
    const pins = new Map(
      own.flatMap((n) => (state.snapshot(n)?.pins ?? []).map((pin) => [buildKey(pin), pin])),
    );
    if (upstream) await fromUpstream(state, upstream, new Set(pins.keys()), known);
    if (upstream && o.states) await addStates(state, upstream, pins, known);
    for (const name of own) {
      const mine = new Map<string, Origin>();
      for (const pin of state.snapshot(name)?.pins ?? []) {
        const key = buildKey(pin);
        const origin = known.get(key);
        if (origin) mine.set(key, origin);
        else strangers.push({ name, pin, key });
      }
      origins.set(name, mine);
    }
  }
  const whys = await explain(state, strangers);
  for (const { name, key } of strangers) {
    const why = whys.get(`${formatRepositoryId(name)} ${key}`) ?? '';
    origins.get(name)?.set(key, { kind: 'foreign', why });
  }
  return origins;
}

async function fromUpstream(
  state: State,
  upstream: UpstreamPolicy,
  wanted: ReadonlySet<string>,
  known: Map<string, Origin>,
): Promise<void> {
  const live = liveName(upstream);
  for (const pin of state.snapshot(live)?.pins ?? []) {
    const key = buildKey(pin);
    if (wanted.has(key))
      known.set(key, { kind: 'upstream', standing: pin.withdrawn ? 'withdrawn' : 'listed' });
  }
  const missing = new Set([...wanted].filter((key) => !known.has(key)));
  for (const key of (await state.history.lastListed(lockPath(live), missing)).keys())
    known.set(key, { kind: 'upstream', standing: 'dropped' });
}

/** The `repomd.xml` that live's manifest named at the commit that first listed each build. */
async function addStates(
  state: State,
  upstream: UpstreamPolicy,
  pins: ReadonlyMap<string, Pin>,
  known: Map<string, Origin>,
): Promise<void> {
  const live = liveName(upstream);
  const seen = await state.history.seenAt(lockPath(live));
  const states = new Map<string, string | undefined>();
  for (const [key, origin] of known) {
    const pin = pins.get(key);
    if (!pin || origin.kind !== 'upstream') continue;
    const nevra = formatNevra(pin.nevra);
    const first = seen.get(formatChecksum(pin.checksum))?.find((period) => period.nevra === nevra)?.from.id;
    // what a change brings that main does not have yet stands on the state that the change itself names
    const at = first ?? '';
    if (!states.has(at)) {
      const text = first
        ? await state.history.read(snapshotPath(live), first)
        : state.files.get(snapshotPath(live));
      states.set(at, repomdOf(text ?? ''));
    }
    known.set(key, { ...origin, repomd: states.get(at) });
  }
}

/** Without a manifest's thousands of builds: the text is canonical, or was when it was merged. */
function repomdOf(yaml: string): string | undefined {
  return /^ {2}repomd: "([a-z0-9]+:[0-9a-f]+)"$/m.exec(yaml)?.[1];
}

/** Why builds are foreign, and where they come from as far as this site knows. By repository id and build. */
async function explain(
  state: State,
  strangers: readonly { readonly name: RepositoryName; readonly pin: Pin; readonly key: string }[],
): Promise<Map<string, string>> {
  const whys = new Map<string, string>();
  if (strangers.length === 0) return whys;
  const homes = await homesOf(state, new Set(strangers.map(({ key }) => key)));
  const lives = new Map<string, ReadonlyMap<string, Pin>>();
  for (const id of new Set(strangers.map(({ name }) => upstreamId(name)))) {
    const upstream = state.policies.upstreams.get(id);
    const pins = upstream ? (state.snapshot(liveName(upstream))?.pins ?? []) : [];
    lives.set(id, new Map(pins.map((pin) => [formatNevra(pin.nevra), pin])));
  }
  for (const { name, pin, key } of strangers) {
    const id = upstreamId(name);
    const other = lives.get(id)?.get(formatNevra(pin.nevra));
    const home = homes.get(key)?.find((text) => text !== `it is in ${formatRepositoryId(name)}`);
    const parts = [
      other ? `${id} has it as ${formatChecksum(other.checksum)}` : `${id} never had it`,
      home ?? 'nor had any other upstream of this site',
    ];
    whys.set(`${formatRepositoryId(name)} ${key}`, parts.join(', '));
  }
  return whys;
}

/** Other places that have such builds, the likeliest first: another upstream now, or before, then another tier. */
async function homesOf(state: State, wanted: ReadonlySet<string>): Promise<Map<string, string[]>> {
  const homes = new Map<string, string[]>();
  const note = (key: string, text: string) => homes.set(key, [...(homes.get(key) ?? []), text]);
  const lives = [...state.policies.upstreams.values()].map(liveName);
  const tiers = state.repositories.filter((name) => name.tier !== LIVE_TIER);
  for (const [names, verb] of [
    [lives, 'it is of'],
    [tiers, 'it is in'],
  ] as const) {
    for (const name of names) {
      const text = `${verb} ${verb === 'it is of' ? upstreamId(name) : formatRepositoryId(name)}`;
      for (const pin of state.snapshot(name)?.pins ?? []) {
        const key = buildKey(pin);
        if (wanted.has(key)) note(key, text);
      }
    }
    if (names !== lives) continue;
    for (const name of lives) {
      const left = new Set([...wanted].filter((key) => !homes.has(key)));
      for (const key of (await state.history.lastListed(lockPath(name), left)).keys())
        note(key, `it was of ${upstreamId(name)}`);
    }
  }
  return homes;
}
