import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import { INSTALL_ONLY } from '../plan/clauses.ts';
import type { BuildFacts, Facts, Pin } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { decompress } from '../repodata/compression.ts';
import { type ModuleDocument, readModules } from '../repodata/modules.ts';
import { type PrimaryPackage, readPackage } from '../repodata/primary.ts';
import { type Advisory, readUpdateinfo } from '../repodata/updateinfo.ts';
import { formatNevra, parseNevra } from '../rpm/nevra.ts';
import { indexAdvisories } from './advisories.ts';

const MAX_UPDATEINFO = 1 << 30;
const MAX_MODULE = 16 << 20;

/**
 * What the plan may ask, from the catalog: reads the records and documents of these manifests once. `primaries` (by record) are
 * not read again where somebody has them all: a universe.
 */
export async function loadFacts(
  catalog: Catalog,
  snapshots: readonly Snapshot[],
  primaries?: ReadonlyMap<string, Buffer>,
): Promise<Facts> {
  const modules = new Map<string, { nsvca: string; sum: Checksum }>();
  const updateinfos = new Map<string, Checksum>();
  for (const snapshot of snapshots) {
    for (const [nsvca, sum] of snapshot.modules)
      modules.set(`${nsvca} ${formatChecksum(sum)}`, { nsvca, sum });
    const sum = snapshot.upstream?.documents.get('updateinfo');
    if (sum) updateinfos.set(formatChecksum(sum), sum);
  }
  const key = [...modules.keys(), ...updateinfos.keys()].sort().join('\n');
  const before = primaries && kept.get(primaries);
  if (before?.key === key) return before.facts;
  const elements = primaries ?? (await catalog.getPrimaries(recordsOf(snapshots)));
  const documents: ModuleDocument[] = [];
  for (const { nsvca, sum } of modules.values()) documents.push(await moduleDocument(catalog, nsvca, sum));
  const advisories: Advisory[] = [];
  for (const sum of updateinfos.values()) advisories.push(...(await readAdvisories(catalog, sum)));
  const facts = factsOf(elements, documents, advisories);
  kept.set(elements, { key, facts });
  return facts;
}

/** The last ones of a universe: from the same records and documents they are the same. */
const kept = new WeakMap<ReadonlyMap<string, Buffer>, { readonly key: string; readonly facts: Facts }>();

function recordsOf(snapshots: readonly Snapshot[]): string[] {
  return [...new Set(snapshots.flatMap(({ pins }) => pins.map(({ record }) => record)))];
}

/** The same from what was just read. `primaries` by record id. */
export function factsOf(
  primaries: ReadonlyMap<string, Buffer>,
  modules: readonly ModuleDocument[],
  advisories: readonly Advisory[],
): Facts {
  const builds = new Map<string, BuildFacts>();
  const streams = indexModules(modules);
  const index = indexAdvisories(advisories);
  return {
    build(pin) {
      const known = builds.get(pin.record);
      if (known) return known;
      const element = primaries.get(pin.record);
      if (!element) return lostFacts(pin);
      const facts = buildFacts(element, pin);
      builds.set(pin.record, facts);
      return facts;
    },
    advisories: (nevra) => index.ofBuild(nevra),
    advisoriesOn: (key) => index.onPackage(key),
    streams: (nevra) => streams.ofBuild.get(nevra)?.streams ?? [],
    documents: (nevra) => streams.ofBuild.get(nevra)?.documents ?? [],
    artifacts: (nsvca, sum) => streams.artifacts(nsvca, sum),
  };
}

/** Of a build whose record is lost (`loadFacts` refuses that; a sync goes on, to bring back what upstream still lists). */
function lostFacts({ nevra }: Pin): BuildFacts {
  const { version, release } = nevra.evr;
  return { source: nevra.name, sourceVersion: `${version}-${release}`, obsoletes: [], summary: '' };
}

/**
 * The words that a plan asks for, most of them without reading the element's 3 kB: in a canonical element (which is well-formed and
 * has the usual prefixes) `<` begins a tag and nothing else. Where it is not written so plainly it takes a real reader. Of all builds
 * only the source is asked; the rest is read when somebody does.
 */
function buildFacts(element: Buffer, pin: Pin): BuildFacts {
  let known: PrimaryPackage | undefined;
  const whole = () => (known ??= readPackage(element, `record ${pin.record}`));
  let obsoletes: readonly string[] | undefined;
  let summary: string | undefined;
  let installOnly: { readonly is: BuildFacts['installOnly'] } | undefined;
  return {
    ...sourceOf(element, pin, whole),
    get obsoletes() {
      obsoletes ??= element.includes('<rpm:obsoletes') ? whole().obsoletes.map((c) => c.name) : [];
      return obsoletes;
    },
    get summary() {
      summary ??= childText(element, 'summary') ?? whole().summary;
      return summary;
    },
    get installOnly() {
      installOnly ??= { is: installOnlyOf(plainProvides(element) ?? providesOf(whole())) };
      return installOnly.is;
    },
  };
}

function providesOf({ provides }: PrimaryPackage): (name: string) => boolean {
  const names = new Set(provides.map((c) => c.name));
  return (name) => names.has(name);
}

function sourceOf(element: Buffer, { nevra }: Pin, whole: () => PrimaryPackage) {
  const { name, evr } = nevra;
  const own = { source: name, sourceVersion: `${evr.version}-${evr.release}` };
  const text = childText(element, 'rpm:sourcerpm') ?? whole().sourceRpm;
  return (text && splitSource(text)) || own;
}

/** Which of several builds boots a machine: kernels say so in all distributions that have them. */
const KERNEL = ['kernel', 'kernel-PAE', 'kernel-uname-r'];

function installOnlyOf(provides: (name: string) => boolean): BuildFacts['installOnly'] {
  if (!INSTALL_ONLY.some(provides)) return undefined;
  return KERNEL.some(provides) ? 'kernel' : 'other';
}

/** Undefined where they are not written so plainly. */
function plainProvides(element: Buffer): ((name: string) => boolean) | undefined {
  const from = element.indexOf('<rpm:provides>');
  if (from < 0) return () => false;
  const to = element.indexOf('</rpm:provides>', from);
  const section = element.subarray(from, to < 0 ? element.length : to);
  if (section.includes("name='") || section.includes('&')) return undefined;
  return (name) => section.includes(`name="${name}"`);
}

/** The text of `<name>…</name>`; undefined where it is not written so plainly, or holds a reference. */
function childText(element: Buffer, name: string): string | undefined {
  const open = `<${name}>`;
  const start = element.indexOf(open);
  if (start < 0) return undefined;
  const from = start + open.length;
  const to = element.indexOf('<', from);
  if (
    to < 0 ||
    to - from > 2_000 ||
    !element.subarray(to, to + name.length + 3).equals(Buffer.from(`</${name}>`))
  ) {
    return undefined;
  }
  const text = element.toString('utf8', from, to);
  return text.includes('&') ? undefined : text;
}

/** `openssl-3.0.7-28.el9.src.rpm`: a source package's file name is written by rpmbuild, and has no epoch. */
function splitSource(file: string): { source: string; sourceVersion: string } | undefined {
  const [, source, sourceVersion] = /^(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm$/.exec(file) ?? [];
  return source && sourceVersion ? { source, sourceVersion } : undefined;
}

/**
 * Vendors issue a document anew under its old name, with further builds: which of them a tier has decides what it lists, so
 * artifacts are known by digest too. A build belongs to every stream that any of them lists it in.
 */
function indexModules(modules: readonly ModuleDocument[]) {
  const ofBuild = new Map<string, { streams: Set<string>; documents: Set<string> }>();
  const all = new Map<string, Set<string>>();
  const byDigest = new Map<string, readonly string[]>();
  for (const { nsvca, name, stream, artifacts: listed, digest } of modules) {
    if (nsvca === undefined) continue;
    const key = `${nsvca} ${formatChecksum(digest)}`;
    if (byDigest.has(key)) continue;
    const texts = listed.map((artifact) => formatNevra(parseNevra(artifact, nsvca)));
    byDigest.set(key, texts);
    const any = all.get(nsvca) ?? new Set();
    all.set(nsvca, any);
    for (const text of texts) {
      any.add(text);
      const entry = ofBuild.get(text) ?? { streams: new Set(), documents: new Set() };
      entry.streams.add(`${name}:${stream}`);
      entry.documents.add(nsvca);
      ofBuild.set(text, entry);
    }
  }
  const sorted = new Map(
    [...ofBuild].map(([text, { streams, documents }]) => [
      text,
      { streams: [...streams].sort(), documents: [...documents].sort() },
    ]),
  );
  const artifacts = (nsvca: string, sum?: Checksum): readonly string[] =>
    sum ? (byDigest.get(`${nsvca} ${formatChecksum(sum)}`) ?? []) : [...(all.get(nsvca) ?? [])];
  return { ofBuild: sorted, artifacts };
}

/** A pinned module document, kept in the catalog by its own digest. */
export async function moduleDocument(
  catalog: Catalog,
  nsvca: string,
  sum: Checksum,
): Promise<ModuleDocument> {
  const documents = known.get(catalog) ?? new Map<string, ModuleDocument>();
  known.set(catalog, documents);
  const key = `${nsvca} ${formatChecksum(sum)}`;
  const document = documents.get(key) ?? (await readDocument(catalog, nsvca, sum));
  documents.set(key, document);
  return document;
}

/** Documents that were read already, of a file that has many: one of the same digest is the same. */
export function rememberDocuments(catalog: Catalog, read: readonly ModuleDocument[]): void {
  const documents = known.get(catalog) ?? new Map<string, ModuleDocument>();
  known.set(catalog, documents);
  for (const document of read) {
    const { nsvca, digest } = document;
    if (nsvca !== undefined) documents.set(`${nsvca} ${formatChecksum(digest)}`, document);
  }
}

/** One document is asked for by live and by every tier. */
const known = new WeakMap<Catalog, Map<string, ModuleDocument>>();

async function readDocument(catalog: Catalog, nsvca: string, sum: Checksum): Promise<ModuleDocument> {
  const [document] = readModules(await whole(catalog, sum, MAX_MODULE, nsvca), nsvca);
  if (document?.nsvca === nsvca) return document;
  throw new Fault('CATALOG_CORRUPT', `${formatChecksum(sum)} is not the module document ${nsvca}`, {
    hint: 'Run sluice sync again; if it stays so, the manifest pins a wrong digest.',
    at: nsvca,
  });
}

export async function readAdvisories(catalog: Catalog, sum: Checksum): Promise<Advisory[]> {
  const at = `updateinfo ${formatChecksum(sum)}`;
  return readUpdateinfo(decompress(catalog.readDocument(sum), { maxBytes: MAX_UPDATEINFO, at }), at);
}

export async function whole(catalog: Catalog, sum: Checksum, maxBytes: number, at: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of decompress(catalog.readDocument(sum), { maxBytes, at })) chunks.push(chunk);
  return Buffer.concat(chunks);
}
