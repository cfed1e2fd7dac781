import { parseChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { parseEvr } from '../rpm/evr.ts';
import { formatNevra, type Nevra, nevra, parseNevra } from '../rpm/nevra.ts';
import {
  LIVE_TEAM,
  LIVE_TIER,
  parseRepositoryId,
  parseSnapshotPath,
  type RepositoryName,
  upstreamId,
} from './ids.ts';
import { place } from './place.ts';
import schema from './schemas/snapshot.schema.json' with { type: 'json' };
import type { Accepted, AcceptedState, Quarantined, Resigned, Snapshot } from './snapshot.ts';
import { compileSchema, validated } from './validate.ts';
import { readYaml, type YamlDocument } from './yaml.ts';

/** One build that a manifest names, and where. */
export interface WrittenBuild {
  readonly nevra: Nevra;
  /** As `formatNevra` writes it. */
  readonly text: string;
  readonly offset: number;
}

/** What the YAML of a snapshot says by itself: which builds, but not yet which bytes. */
export interface ManifestText {
  readonly repository: RepositoryName;
  readonly from: string;
  readonly upstream?: AcceptedState;
  readonly older?: NonNullable<Snapshot['older']>;
  readonly accepted: readonly Accepted[];
  readonly resigned: readonly Resigned[];
  readonly quarantined: readonly Quarantined[];
  readonly modules: Snapshot['modules'];
  readonly kickstart?: NonNullable<Snapshot['kickstart']>;
  /** Builds of `packages` that are also listed as withdrawn, as `formatNevra` writes them. */
  readonly withdrawn: ReadonlySet<string>;
  /** In the order of the file, no build twice. */
  readonly builds: readonly WrittenBuild[];
  /** `file:line:col` of an offset. */
  at(offset: number): string;
}

/** 65,000 lines of builds have 3.3 million characters, and `yaml` takes some seconds for them. */
const CEILING = 4 * 1024 * 1024;
/** By line, they take a fraction of a second. */
const CEILING_BY_LINE = 32 * 1024 * 1024;

interface ManifestData {
  readonly repository: string;
  readonly from: string;
  readonly upstream?: { timestamp: string; repomd: string; documents: Readonly<Record<string, string>> };
  readonly older?: { timestamp: string; reason: string };
  readonly accepted?: readonly { build: string; was: string; now: string; reason: string }[];
  readonly resigned?: readonly { build: string; was: string; now: string; content: string }[];
  readonly quarantined?: readonly { build: string; checksum: string; reason: string }[];
  readonly withdrawn?: readonly string[];
  readonly modules?: Readonly<Record<string, string>>;
  readonly kickstart?: string;
  readonly packages: Readonly<Record<string, string | readonly string[]>> | null;
}

const valid = compileSchema<ManifestData>(schema);

/**
 * Reads the YAML of the snapshot at `path`. What is canonical is read by line, because `yaml` needs a second for what this
 * reads in some hundredths; anything else is read by `yaml`. Both give the same for the same text.
 */
export function readManifest(text: string, path: string): ManifestText {
  const at = (offset: number): string => place(path, text, offset);
  const split = text.indexOf('\npackages:\n\n');
  const lines =
    split < 0 || text.length > CEILING_BY_LINE
      ? undefined
      : readPackageLines(text, split + '\npackages:\n\n'.length);
  const head = lines ? `${text.slice(0, split)}\npackages: {}\n` : text;
  let doc: YamlDocument;
  try {
    doc = readYaml(head, path, { code: 'MANIFEST_INVALID', ceiling: CEILING });
  } catch (error) {
    if (!lines || !(error instanceof Fault)) throw error;
    doc = readYaml(text, path, { code: 'MANIFEST_INVALID', ceiling: CEILING }); // the whole text has the right fault
  }
  const data = validated(doc, valid, 'MANIFEST_INVALID');
  const builds = lines ?? packagesOf(data, doc, at);
  const known = new Set<string>();
  for (const build of builds) {
    if (known.has(build.text))
      throw invalid(`${build.text} is there twice`, 'Keep one of the two.', at(build.offset));
    known.add(build.text);
  }
  return {
    ...headOf(data, doc, path),
    withdrawn: withdrawnOf(data, doc, known),
    builds,
    at,
  };
}

/** What stands above the builds, where they are set apart as `renderManifest` does it; else undefined. */
export function readHead(text: string, path: string) {
  const split = text.indexOf('\npackages:\n\n');
  if (split < 0) return undefined;
  const head = `${text.slice(0, split)}\npackages: {}\n`;
  const doc = readYaml(head, path, { code: 'MANIFEST_INVALID', ceiling: CEILING });
  return headOf(validated(doc, valid, 'MANIFEST_INVALID'), doc, path);
}

const LINE =
  / {2}([A-Za-z0-9_+~^][A-Za-z0-9._+~^-]*)\.([A-Za-z0-9_]+): (?:"([^"\\\n]+)"|\["([^\\\n\]]+)"\])\n\n/y;

/** The lines below `packages:`, where all of them are as `renderManifest` writes them; else undefined. */
export function readPackageLines(text: string, start: number): WrittenBuild[] | undefined {
  const builds: WrittenBuild[] = [];
  const keys = new Set<string>();
  for (LINE.lastIndex = start; LINE.lastIndex < text.length; ) {
    const offset = LINE.lastIndex;
    const [, name, arch, one, list] = LINE.exec(text) ?? [];
    if (name === undefined || arch === undefined) return undefined;
    const key = `${name}.${arch}`;
    if (keys.has(key)) return undefined;
    keys.add(key);
    let column = offset + 2 + key.length + 2 + (one === undefined ? 1 : 0);
    for (const evr of one === undefined ? (list ?? '').split('", "') : [one]) {
      const read = quietly(() => nevraOf(name, arch, evr));
      if (!read) return undefined;
      builds.push({ nevra: read, text: formatNevra(read), offset: column });
      column += evr.length + 4;
    }
  }
  return builds;
}

function packagesOf(data: ManifestData, doc: YamlDocument, at: (offset: number) => string): WrittenBuild[] {
  const builds: WrittenBuild[] = [];
  if (data.packages === null) return builds;
  for (const [key, value] of Object.entries(data.packages)) {
    const dot = key.lastIndexOf('.');
    const list = typeof value === 'string' ? [value] : value;
    list.forEach((evr, i) => {
      const offset = typeof value === 'string' ? doc.offset(data.packages ?? {}, key) : doc.offset(value, i);
      const read = placed(
        () => nevraOf(key.slice(0, dot), key.slice(dot + 1), evr),
        () => at(offset),
      );
      builds.push({ nevra: read, text: formatNevra(read), offset });
    });
  }
  return builds;
}

function nevraOf(name: string, arch: string, text: string): Nevra {
  const { epoch, version, release } = parseEvr(text);
  return nevra({ name, epoch: String(epoch), version, release, arch });
}

function headOf(data: ManifestData, doc: YamlDocument, path: string) {
  const expected = parseSnapshotPath(path);
  if (!expected) {
    const hint = 'Move it to snapshots/<team>/<tier>/<os>-<version>-<arch>-<repo>.yaml.';
    throw invalid(`${path} is not a place for a snapshot`, hint, `${path}:1:1`);
  }
  const repository = placed(
    () => parseRepositoryId(data.repository),
    () => doc.at(['repository']),
  );
  const id = `${expected.team}-${expected.tier}-${upstreamId(expected)}`;
  if (id !== data.repository) {
    const message = `repository must be ${id}, as the file's path says, not ${data.repository}`;
    throw invalid(message, 'Correct the id, or move the file.', doc.at(['repository']));
  }
  checkFrom(repository, data, doc);
  const build = (key: 'accepted' | 'resigned' | 'quarantined', i: number, text: string): string =>
    placed(
      () => formatNevra(parseNevra(text)),
      () => doc.at([key, i, 'build']),
    );
  const accepted = (data.accepted ?? []).map((a, i): Accepted => {
    const [was, now] = [parseChecksum(a.was), parseChecksum(a.now)];
    return { nevra: build('accepted', i, a.build), was, now, reason: a.reason };
  });
  const resigned = (data.resigned ?? []).map((r, i): Resigned => {
    const [was, now] = [parseChecksum(r.was), parseChecksum(r.now)];
    return { nevra: build('resigned', i, r.build), was, now, content: parseChecksum(r.content) };
  });
  const quarantined = (data.quarantined ?? []).map((q, i): Quarantined => {
    return { nevra: build('quarantined', i, q.build), checksum: parseChecksum(q.checksum), reason: q.reason };
  });
  return {
    repository,
    from: data.from,
    ...(data.upstream ? { upstream: stateOf(data.upstream) } : {}),
    ...(data.older ? { older: { timestamp: Number(data.older.timestamp), reason: data.older.reason } } : {}),
    accepted,
    resigned,
    quarantined,
    modules: checksums(data.modules ?? {}),
    ...(data.kickstart === undefined ? {} : { kickstart: parseChecksum(data.kickstart) }),
  };
}

function checkFrom(repository: RepositoryName, data: ManifestData, doc: YamlDocument): void {
  const upstream = upstreamId(repository);
  if (repository.team === LIVE_TEAM && repository.tier === LIVE_TIER) {
    if (data.from === upstream) return;
    throw invalid(
      `from must be ${upstream}, the upstream's id, not ${data.from}`,
      'Correct it.',
      doc.at(['from']),
    );
  }
  const parent = placed(
    () => parseRepositoryId(data.from),
    () => doc.at(['from']),
  );
  if (upstreamId(parent) !== upstream || data.from === data.repository) {
    const message = `from must be another tier's ${upstream}, not ${data.from}`;
    throw invalid(message, "Name the parent's repository.", doc.at(['from']));
  }
  for (const key of ['upstream', 'older', 'accepted', 'resigned', 'quarantined'] as const) {
    if (data[key] === undefined) continue;
    throw invalid(`${key} belongs to live's manifests only`, `Remove ${key}.`, doc.at([key], 'key'));
  }
}

function stateOf(state: NonNullable<ManifestData['upstream']>): AcceptedState {
  return {
    timestamp: Number(state.timestamp),
    repomd: parseChecksum(state.repomd),
    documents: checksums(state.documents),
  };
}

function checksums(map: Readonly<Record<string, string>>): Map<string, ReturnType<typeof parseChecksum>> {
  return new Map(Object.entries(map).map(([key, sum]) => [key, parseChecksum(sum)]));
}

function withdrawnOf(data: ManifestData, doc: YamlDocument, builds: ReadonlySet<string>): Set<string> {
  const withdrawn = new Set<string>();
  (data.withdrawn ?? []).forEach((text, i) => {
    const at = (): string => doc.at(['withdrawn', i]);
    const build = placed(() => formatNevra(parseNevra(text)), at);
    if (withdrawn.has(build)) throw invalid(`${build} is withdrawn twice`, 'Keep one of the two.', at());
    if (!builds.has(build)) {
      throw invalid(
        `${build} is withdrawn, but not among the packages`,
        'Remove it, or add it to packages.',
        at(),
      );
    }
    withdrawn.add(build);
  });
  return withdrawn;
}

function invalid(message: string, hint: string, at: string): Fault {
  return new Fault('MANIFEST_INVALID', message, { hint, at });
}

/** A word that cannot be read becomes a fault of this manifest, at its place; the place is only looked for then. */
function placed<T>(read: () => T, at: () => string): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault('MANIFEST_INVALID', error.message, { hint: error.hint, at: at(), cause: error });
  }
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
