import { formatChecksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import { similar } from '../base/similar.ts';
import { upstreamId } from '../manifest/ids.ts';
import type { RecallMatch } from '../manifest/recall.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import type { BuildFacts, Facts, Pin } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { withoutEpoch } from '../rpm/installed.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { loadFacts } from './facts.ts';
import type { State } from './state.ts';

/** What somebody means by a word: which builds, and how a recall says that. */
export interface RecallTarget {
  readonly match: RecallMatch;
  readonly builds: readonly Pin[];
}

/** The builds of every tier and of live that a NEVRA, a checksum or a source package names. */
export async function recallTarget(state: State, catalog: Catalog, word: string): Promise<RecallTarget> {
  const snapshots = state.repositories.flatMap((name) => state.snapshot(name) ?? []);
  const pins = new Map(
    snapshots
      .flatMap((s) => s.pins)
      .map((pin) => [`${formatNevra(pin.nevra)} ${formatChecksum(pin.checksum)}`, pin]),
  );
  const found = bySum(word, pins) ?? byNevra(word, pins);
  if (found) return found;
  const builds: { pin: Pin; built: BuildFacts }[] = [];
  for (const [own, facts] of await factsOfEach(catalog, snapshots)) {
    for (const pin of own) builds.push({ pin, built: facts.build(pin) });
  }
  const name = word.replace(/-\d+:(?=[^-:]+-[^-:]+$)/, '-'); // the name of a source package's file has no epoch
  const meant = builds.filter(
    ({ built }) => built.source === name || `${built.source}-${built.sourceVersion}` === name,
  );
  if (meant.length > 0) {
    const unique = new Map(
      meant.map(({ pin }) => [`${formatNevra(pin.nevra)} ${formatChecksum(pin.checksum)}`, pin]),
    );
    return { match: { source: name }, builds: [...unique.values()] };
  }
  throw notFound(word, builds);
}

/** Builds with their facts, by upstream: what is read together is read once. */
export async function factsOfEach(
  catalog: Catalog,
  snapshots: readonly Snapshot[],
): Promise<[Pin[], Facts][]> {
  const done: [Pin[], Facts][] = [];
  for (const own of Map.groupBy(snapshots, (s) => upstreamId(s.repository)).values()) {
    done.push([own.flatMap((s) => s.pins), await loadFacts(catalog, own)]);
  }
  return done;
}

type Pins = ReadonlyMap<string, Pin>;

function bySum(word: string, pins: Pins): RecallTarget | undefined {
  const digits = /^(?:[a-z0-9]+:)?([0-9a-f]{12,128})$/i.exec(word)?.[1]?.toLowerCase();
  if (digits === undefined) return undefined;
  const builds = [...pins.values()].filter((pin) => pin.checksum.hex.startsWith(digits));
  const sums = new Set(builds.map((pin) => formatChecksum(pin.checksum)));
  const [checksum] = sums;
  if (checksum === undefined) return undefined;
  if (sums.size > 1) throw ambiguous(word, [...sums]);
  return { match: { checksum }, builds };
}

function byNevra(word: string, pins: Pins): RecallTarget | undefined {
  const all = [...pins.values()];
  const exact = all.filter((pin) => formatNevra(pin.nevra) === word);
  const builds = exact.length > 0 ? exact : all.filter((pin) => withoutEpoch(pin.nevra) === word);
  const names = new Set(builds.map((pin) => formatNevra(pin.nevra)));
  const [nevra] = names;
  if (nevra === undefined) return undefined;
  if (names.size > 1) throw ambiguous(word, [...names]);
  return { match: { nevra }, builds };
}

function ambiguous(word: string, found: readonly string[]): Fault {
  return new Fault('USAGE', `${quote(word)} could be ${found.slice(0, 5).join(' or ')}`, {
    hint: 'Name one of them.',
  });
}

function notFound(word: string, builds: readonly { pin: Pin; built: BuildFacts }[]): Fault {
  const own = builds.filter(({ pin }) => pin.nevra.name === word);
  const [first] = own;
  if (first) {
    const sources = new Set(own.map(({ built }) => `${built.source}-${built.sourceVersion}`));
    const named = [...new Set(own.map(({ pin }) => formatNevra(pin.nevra)))].slice(0, 4).join(', ');
    return new Fault('USAGE', `${quote(word)} is a package: a recall is of builds`, {
      hint: `Name one (${named}), or what it is built from with all others (${[...sources].slice(0, 4).join(', ')}).`,
    });
  }
  const known = builds.flatMap(({ pin, built }) => [
    formatNevra(pin.nevra),
    `${built.source}-${built.sourceVersion}`,
  ]);
  const near = similar(word, known);
  return new Fault('NOT_FOUND', `no tier and no live has ${quote(word)}`, {
    hint:
      near.length > 0
        ? `Did you mean ${near.join(', ')}?`
        : 'Name a build, a source package with its version, or a checksum: sluice explain NAME shows them.',
  });
}
