import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault, quote } from '../base/fault.ts';
import { by, byCodeUnit } from '../base/order.ts';
import { compareNevra, formatNevra, type Nevra, sameNevra } from '../rpm/nevra.ts';
import { lockPath, type RepositoryName, snapshotPath } from './ids.ts';
import { type LockLine, readLock, salvageLock } from './lock.ts';
import { type ManifestText, readManifest } from './manifest-text.ts';
import { place } from './place.ts';
import { lockLine, renderLock, renderManifest } from './render.ts';
import schema from './schemas/snapshot.schema.json' with { type: 'json' };

/** One build that a snapshot names. */
export interface Pin {
  readonly nevra: Nevra;
  /** Of the RPM file: the package's own id in the upstream's metadata. */
  readonly checksum: Checksum;
  /** Of the RPM file, in bytes. */
  readonly size: number;
  /** The first 12 hex digits of the digest of the metadata record that is published. */
  readonly record: string;
  /** Pulled back by its upstream: kept for rollbacks, no candidate any more. */
  readonly withdrawn: boolean;
}

/** What an upstream said when it was last accepted: in live's manifests only. */
export interface AcceptedState {
  /** The newest timestamp that repomd.xml names, in seconds. */
  readonly timestamp: number;
  readonly repomd: Checksum;
  /** By the type that repomd.xml gives: each document as it was downloaded. */
  readonly documents: ReadonlyMap<string, Checksum>;
}

/** A build that the upstream changed under its old name, and that a person accepted. */
export interface Accepted {
  /** As `formatNevra` writes it. */
  readonly nevra: string;
  readonly was: Checksum;
  readonly now: Checksum;
  readonly reason: string;
}

/** A build that the upstream signed anew: other bytes under the old name, of which all but the signatures is the same. */
export interface Resigned {
  /** As `formatNevra` writes it. */
  readonly nevra: string;
  readonly was: Checksum;
  readonly now: Checksum;
  /** sha256 of main header and payload, which no signature is part of: of the one file and of the other. */
  readonly content: Checksum;
}

/** A build that the upstream lists and that is kept out, because its signature or its digests are not as they must be. */
export interface Quarantined {
  /** As `formatNevra` writes it. */
  readonly nevra: string;
  readonly checksum: Checksum;
  /** A clause: "it is not signed". */
  readonly reason: string;
}

/** The manifest of one repository of one team at one tier. */
export interface Snapshot {
  readonly repository: RepositoryName;
  /** The parent repository's id; for live, the upstream's id. */
  readonly from: string;
  readonly upstream?: AcceptedState;
  /** An upstream state older than the one before it, which a person accepted. */
  readonly older?: { readonly reason: string; readonly timestamp: number };
  /** By `name:stream:version:context:arch`: the digest of the module document. */
  readonly modules: ReadonlyMap<string, Checksum>;
  /** The digest of the `.treeinfo` from which hosts are installed; it has the checksum of every image. */
  readonly kickstart?: Checksum;
  /** By name.arch in code units, then by EVR. */
  readonly pins: readonly Pin[];
  readonly accepted: readonly Accepted[];
  /** In live's manifests only. By build. */
  readonly resigned: readonly Resigned[];
  /** In live's manifests only. By build, then by checksum. */
  readonly quarantined: readonly Quarantined[];
}

/** What `makeSnapshot` needs; the rest is empty unless it is said. */
export type SnapshotFields = Pick<Snapshot, 'repository' | 'from' | 'pins'> &
  Partial<
    Pick<Snapshot, 'upstream' | 'older' | 'modules' | 'kickstart' | 'accepted' | 'resigned' | 'quarantined'>
  >;

/** In canonical order. Two pins of one NEVRA are a Fault: a repository cannot hold both under one name. */
export function makeSnapshot(fields: SnapshotFields): Snapshot {
  const pins = [...fields.pins].sort((a, b) => compareNevra(a.nevra, b.nevra));
  refuseTwice(pins, fields.repository);
  refuseUnwritablePins(pins, fields.repository);
  return snapshotOf(fields, pins);
}

/**
 * As makeSnapshot, of the pins of another one without some and with others: what was in order is not sorted and read again. The
 * installation tree stays unless `fields` name it.
 */
export function amendSnapshot(
  before: Snapshot,
  change: { readonly without: ReadonlySet<Pin>; readonly pins: readonly Pin[] },
  fields: Omit<SnapshotFields, 'pins' | 'kickstart'> & { readonly kickstart?: Checksum | undefined },
): Snapshot {
  const { kickstart, ...others } =
    'kickstart' in fields ? fields : { ...fields, kickstart: before.kickstart };
  const added = [...change.pins].sort((a, b) => compareNevra(a.nevra, b.nevra));
  refuseUnwritablePins(added, fields.repository);
  const kept =
    change.without.size === 0 ? before.pins : before.pins.filter((pin) => !change.without.has(pin));
  const named = { ...others, ...(kickstart ? { kickstart } : {}) };
  if (added.length === 0) return snapshotOf(named, kept); // the very same list: what is known of it stays known
  const pins: Pin[] = [];
  let from = 0;
  for (const pin of added) {
    const to = placeOf(pin, kept, from);
    for (; from < to; from += 1) pins.push(kept[from] as Pin);
    refuseTwice([...pins.slice(-1), pin, ...kept.slice(to, to + 1)], fields.repository);
    pins.push(pin);
  }
  for (; from < kept.length; from += 1) pins.push(kept[from] as Pin);
  return snapshotOf(named, pins);
}

/** How many of a sorted list come before it; `from` of them are known to. */
function placeOf(pin: Pin, sorted: readonly Pin[], from: number): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareNevra((sorted[middle] as Pin).nevra, pin.nevra) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function refuseTwice(pins: readonly Pin[], repository: RepositoryName): void {
  pins.forEach((pin, i) => {
    const next = pins[i + 1];
    if (next && sameNevra(pin.nevra, next.nevra)) throw twice(formatNevra(pin.nevra), repository);
  });
}

/** `pins` in order. */
function snapshotOf(fields: Omit<SnapshotFields, 'pins'>, pins: readonly Pin[]): Snapshot {
  const accepted = [...(fields.accepted ?? [])].sort(by(acceptedKey));
  accepted.forEach((a, i) => {
    const next = accepted[i + 1];
    if (next && acceptedKey(a) === acceptedKey(next)) throw twice(`accepted: ${a.nevra}`, fields.repository);
  });
  const { repository, from, upstream, older, kickstart } = fields;
  const snapshot: Snapshot = {
    repository,
    from,
    ...(upstream ? { upstream: { ...upstream, documents: sortedMap(upstream.documents) } } : {}),
    ...(older ? { older } : {}),
    modules: sortedMap(fields.modules ?? new Map()),
    ...(kickstart ? { kickstart } : {}),
    pins,
    accepted,
    resigned: [...(fields.resigned ?? [])].sort(by(acceptedKey)),
    quarantined: [...(fields.quarantined ?? [])].sort(by(quarantinedKey)),
  };
  refuseUnwritable(snapshot);
  return snapshot;
}

const { definitions, properties } = schema;
const NSVCA = new RegExp(properties.modules.propertyNames.pattern, 'u');
const DOCUMENT = new RegExp(properties.upstream.properties.documents.propertyNames.pattern, 'u');
const TIMESTAMP = new RegExp(definitions.timestamp.pattern, 'u');

function unwritable(repository: RepositoryName, what: string, text: string): Fault {
  return new Fault('MANIFEST_INVALID', `a manifest cannot have the ${what} ${quote(text)}`, {
    hint: 'Correct it at its source.',
    at: snapshotPath(repository),
  });
}

function refuseUnwritablePins(pins: readonly Pin[], repository: RepositoryName): void {
  for (const pin of pins) {
    const { size, record } = pin;
    if (size >= 1 && size < 1e15 && Number.isInteger(size) && /^[0-9a-f]{12}$/.test(record)) continue;
    throw unwritable(repository, 'line', lockLine(pin));
  }
}

/** What upstreams and people write freely must be such that the manifest can be read back. */
function refuseUnwritable(s: Snapshot): void {
  const refuse = (what: string, text: string) => unwritable(s.repository, what, text);
  for (const nsvca of s.modules.keys()) if (!NSVCA.test(nsvca)) throw refuse('module', nsvca);
  for (const type of s.upstream?.documents.keys() ?? []) {
    if (!DOCUMENT.test(type)) throw refuse('document type', type);
  }
  if (s.kickstart && s.kickstart.type !== 'sha256') throw refuse('kickstart', formatChecksum(s.kickstart));
  for (const { timestamp } of [s.upstream, s.older].filter((part) => part !== undefined)) {
    if (!TIMESTAMP.test(String(timestamp))) throw refuse('timestamp', String(timestamp));
  }
  const reasons = [...s.accepted, ...s.quarantined, ...(s.older ? [s.older] : [])].map((said) => said.reason);
  for (const reason of reasons) {
    const length = [...reason].length; // in characters, as JSON Schema counts them
    if (length < 1 || length > definitions.reason.maxLength || !reason.isWellFormed()) {
      throw refuse('reason', reason);
    }
  }
}

/** Without any build. */
export function emptySnapshot(repository: RepositoryName, from: string): Snapshot {
  return makeSnapshot({ repository, from, pins: [] });
}

/** A snapshot's two files, as text. */
export interface SnapshotFiles {
  readonly yaml: string;
  readonly lock: string;
}

/** The canonical bytes of both files: equal snapshots give equal bytes, and `parseSnapshot` gives the snapshot back. */
export function renderSnapshot(s: Snapshot): SnapshotFiles {
  return { yaml: renderManifest(s), lock: renderLock(s) };
}

/**
 * Reads a pair of files; `path` is the manifest's. Faults carry `file:line:col`: MANIFEST_INVALID for what cannot be read,
 * LOCK_MISMATCH for a pair that disagrees, MANIFEST_NOT_CANONICAL (unless `lenient`) for the first character that differs.
 */
export function parseSnapshot(files: SnapshotFiles, path: string, o: { lenient?: boolean } = {}): Snapshot {
  const manifest = readManifest(files.yaml, path);
  const lockFile = lockPath(manifest.repository);
  const lock = readLock(files.lock, lockFile);
  const pins = manifest.builds.map((build): Pin => {
    const line = lock.get(build.text);
    if (!line) throw mismatch(`${build.text} is not in the lock`, manifest.at(build.offset));
    if (line.withdrawn !== manifest.withdrawn.has(build.text)) {
      const [there, here] = line.withdrawn ? ['the lock', 'the manifest'] : ['the manifest', 'the lock'];
      const at = place(lockFile, files.lock, line.offset);
      throw mismatch(`${build.text} is withdrawn in ${there}, but not in ${here}`, at);
    }
    return pinOf(build.nevra, line);
  });
  if (lock.size !== pins.length) {
    const builds = new Set(manifest.builds.map((build) => build.text));
    for (const line of lock.values()) {
      if (builds.has(line.nevra)) continue;
      throw mismatch(`${line.nevra} is not in the manifest`, place(lockFile, files.lock, line.offset));
    }
  }
  const snapshot = makeSnapshot({ ...manifest, pins });
  const [first] = o.lenient ? [] : differences(snapshot, files);
  if (first) throw first;
  return snapshot;
}

/** Everything that keeps a pair of files from being canonical: what cannot be read, else the first difference of each file. */
export function checkCanonical(files: SnapshotFiles, path: string): Fault[] {
  try {
    return differences(parseSnapshot(files, path, { lenient: true }), files);
  } catch (error) {
    if (error instanceof Fault) return [error];
    throw error;
  }
}

/** What the YAML says by itself, with places: for `fix`, and for messages. */
export function readPins(yaml: string, path: string): ManifestText {
  return readManifest(yaml, path);
}

/**
 * `fix`: the YAML is what a person wrote, the lock is completed. A build's bytes are those of the previous lock where it has
 * the build (it may be torn or conflicted), else what `find` answers; a build that neither knows is a Fault NOT_FOUND.
 */
export function completeSnapshot(
  yaml: string,
  path: string,
  find: (nevra: Nevra) => Pin | undefined,
  previousLock?: string,
): Snapshot {
  const manifest = readManifest(yaml, path);
  const lock = salvageLock(previousLock ?? '');
  const pins = manifest.builds.map((build): Pin => {
    const line = lock.get(build.text);
    const pin = line ? pinOf(build.nevra, line) : find(build.nevra);
    if (!pin) {
      throw new Fault('NOT_FOUND', `${build.text} is in no lock of this repository, and not in the catalog`, {
        hint: 'Pin a build that live has, or had.',
        at: manifest.at(build.offset),
      });
    }
    return { ...pin, nevra: build.nevra, withdrawn: manifest.withdrawn.has(build.text) };
  });
  return makeSnapshot({ ...manifest, pins });
}

function pinOf(nevra: Nevra, line: LockLine): Pin {
  return { nevra, checksum: line.checksum, size: line.size, record: line.record, withdrawn: line.withdrawn };
}

function differences(snapshot: Snapshot, files: SnapshotFiles): Fault[] {
  const canonical = renderSnapshot(snapshot);
  const faults: Fault[] = [];
  for (const [file, text, wanted] of [
    [snapshotPath(snapshot.repository), files.yaml, canonical.yaml],
    [lockPath(snapshot.repository), files.lock, canonical.lock],
  ] as const) {
    if (text === wanted) continue;
    let at = 0;
    while (at < text.length && text[at] === wanted[at]) at += 1;
    const message = `not in canonical form: ${lineAt(wanted, at)}, not ${lineAt(text, at)}`;
    const fault = { hint: 'Run `sluice fix`.', at: place(file, text, at) };
    faults.push(new Fault('MANIFEST_NOT_CANONICAL', message, fault));
  }
  return faults;
}

function lineAt(text: string, offset: number): string {
  if (offset >= text.length) return 'the end of the file';
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  return start === end ? 'an empty line' : quote(text.slice(start, end < 0 ? undefined : end));
}

function mismatch(message: string, at: string): Fault {
  return new Fault('LOCK_MISMATCH', message, { hint: 'Run `sluice fix`.', at });
}

function twice(what: string, repository: RepositoryName): Fault {
  return new Fault('MANIFEST_INVALID', `${what} is there twice`, {
    hint: 'Keep one of the two.',
    at: snapshotPath(repository),
  });
}

function acceptedKey(a: Accepted | Resigned): string {
  return `${a.nevra} ${formatChecksum(a.was)} ${formatChecksum(a.now)}`;
}

function quarantinedKey({ nevra, checksum }: Quarantined): string {
  return `${nevra} ${formatChecksum(checksum)}`;
}

function sortedMap<T>(map: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...map].sort(([a], [b]) => byCodeUnit(a, b)));
}
