import { createHash, type Hash } from 'node:crypto';
import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { decompressAll, sniff } from '../repodata/compression.ts';
import { filelistsDocument } from '../repodata/filelists.ts';
import { otherDocument } from '../repodata/other.ts';
import { identify, primaryDocument, relocate } from '../repodata/primary.ts';
import type { PackageRecord } from '../repodata/record.ts';
import { type RepomdRecord, writeRepomd } from '../repodata/repomd.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Content } from './content.ts';
import type { SideDocument } from './documents.ts';
import type { Frame } from './frame.ts';
import { type FrameStore, makeFrame } from './frames.ts';
import { digestOnce, inlineDigest, type OpenDigest } from './open-digest.ts';
import { cutRuns, documentKey, LISTS, type List, type Run } from './runs.ts';
import { thinLocation } from './thin.ts';

/** What the bytes of one tree depend on, and nothing else does: no clock, no folder, no cache. */
export interface Publication {
  readonly content: Content;
  /** Id of the first-parent commit at which this content began. */
  readonly revision: string;
  /** That commit's time, in whole seconds. */
  readonly timestamp: number;
}

export interface MaterialiseSources {
  getRecords(ids: readonly string[]): Promise<ReadonlyMap<string, PackageRecord>>;
  /** Without one, every byte is made anew. */
  readonly frames?: FrameStore;
}

/** Takes the files of `repodata/`. A document gets its name at its end, because the name holds its digest. */
export interface RepodataSink {
  begin(): Promise<DocumentSink>;
}

export interface DocumentSink {
  write(bytes: Buffer): Promise<void>;
  finish(name: string): Promise<void>;
  discard(): Promise<void>;
}

export interface Materialised {
  readonly repomd: Buffer;
  readonly records: readonly RepomdRecord[];
  /** Keys of the frames that it consists of. */
  readonly frames: readonly string[];
}

/** Runs that are read from the disk while others are hashed. */
const AHEAD = 6;

const MAX_OPAQUE = 512 << 20;

/** Writes every document of a publication; the caller writes `repomd.xml`, last. */
export async function materialise(
  publication: Publication,
  sources: MaterialiseSources,
  sink: RepodataSink,
): Promise<Materialised> {
  const { content, revision, timestamp } = publication;
  const runs = cutRuns(content.pins, content.locations, content.compression);
  const records = await writeLists(publication, runs, sources, sink);
  for (const document of content.documents) records.push(await writeSide(publication, document, sink));
  const tags = { content: [], repo: [], distro: [] };
  return {
    repomd: writeRepomd({ revision, tags, records: records.map((record) => ({ ...record, timestamp })) }),
    records,
    frames: runs.flatMap((run) => LISTS.map((list) => run.keys[list])),
  };
}

/** One document on its way: both digests grow as it is written. */
class Output {
  present = 0;
  readonly #sink: DocumentSink;
  readonly #open: OpenDigest;
  readonly #closed: Hash = createHash('sha256');
  #size = 0;
  #openSize = 0;

  constructor(sink: DocumentSink, open: OpenDigest) {
    this.#sink = sink;
    this.#open = open;
  }

  /** `open`: the frame's text, where it is at hand. */
  async write(frame: Frame, open?: Buffer): Promise<void> {
    this.#closed.update(frame.bytes);
    this.#open.update(frame, open);
    this.#size += frame.bytes.length;
    this.#openSize += frame.openLength;
    this.present += frame.present;
    await this.#sink.write(frame.bytes);
  }

  /** `compressed`: whether the open text is another, so that it has a checksum of its own. */
  async finish(type: string, ending: string, compressed: boolean): Promise<RepomdRecord> {
    const hex = this.#closed.digest('hex');
    const name = `${hex}-${ending}`;
    await this.#sink.finish(name);
    const openChecksum = { type: 'sha256', hex: await this.#open.digest() } as const;
    return {
      type,
      href: `repodata/${name}`,
      checksum: { type: 'sha256', hex },
      size: this.#size,
      ...(compressed ? { openChecksum, openSize: this.#openSize } : {}),
    };
  }

  /** Its text is known then: the next tier that has nothing of the kind need not open it. */
  async leaveOut(): Promise<void> {
    await this.#open.digest();
    await this.discard();
  }

  async discard(): Promise<void> {
    await this.#open.close();
    await this.#sink.discard();
  }
}

/** From so many packages on, a second core is worth its 40 ms. */
const MANY = 3_000;

const DOCUMENTS = { primary: primaryDocument, filelists: filelistsDocument, other: otherDocument } as const;

/** All three at once, run by run: records that no frame has are read once, and few are in memory. */
async function writeLists(
  { content }: Publication,
  runs: readonly Run[],
  sources: MaterialiseSources,
  sink: RepodataSink,
): Promise<RepomdRecord[]> {
  const how = content.compression;
  const outputs = new Map<List, Output>();
  const written: RepomdRecord[] = [];
  try {
    for (const list of LISTS) {
      const apart = list === 'filelists' && content.pins.length >= MANY;
      const key = sources.frames && documentKey(content, runs, list);
      outputs.set(list, new Output(await sink.begin(), digestOnce(key, how, apart)));
    }
    const edge = async (part: 'head' | 'tail') => {
      for (const [list, output] of outputs) {
        const text = DOCUMENTS[list](content.pins.length)[part];
        await output.write(makeFrame(text, 0, how), text);
      }
    };
    await edge('head');
    for await (const frames of framesAhead(content, runs, sources)) {
      for (const [list, output] of outputs) {
        await output.write(frames[list].frame, frames[list].open);
      }
    }
    await edge('tail');
    for (const [list, output] of outputs) {
      const wanted = list === 'primary' || output.present > 0; // an upstream without changelogs has no `other`
      if (wanted) written.push(await output.finish(list, `${list}.xml.${endingOf(how)}`, true));
      else await output.leaveOut();
    }
    return written;
  } catch (cause) {
    for (const output of outputs.values()) await output.discard();
    throw cause;
  }
}

interface MadeFrame {
  readonly frame: Frame;
  /** Where the frame was just made: its text. */
  readonly open?: Buffer;
}
type RunFrames = Readonly<Record<List, MadeFrame>>;

async function* framesAhead(
  content: Content,
  runs: readonly Run[],
  sources: MaterialiseSources,
): AsyncGenerator<RunFrames> {
  const queue: Promise<RunFrames>[] = [];
  try {
    for (const run of runs) {
      const reading = framesOf(content, run, sources);
      reading.catch(() => {}); // it is awaited below, in its turn
      queue.push(reading);
      if (queue.length >= AHEAD) yield await (queue.shift() as Promise<RunFrames>);
    }
    while (queue.length > 0) yield await (queue.shift() as Promise<RunFrames>);
  } finally {
    await Promise.allSettled(queue); // no reading outlives the call
  }
}

async function framesOf(content: Content, run: Run, sources: MaterialiseSources): Promise<RunFrames> {
  const known = new Map<List, MadeFrame>();
  for (const list of LISTS) {
    const frame = await sources.frames?.get(run.keys[list]);
    if (frame) known.set(list, { frame });
  }
  const missing = LISTS.filter((list) => !known.has(list));
  if (missing.length > 0) {
    const pins = content.pins.slice(run.start, run.end);
    const records = await sources.getRecords(pins.map((pin) => pin.record));
    for (const list of missing) {
      const { text, present } = writeRun(content, run, list, records);
      const frame = makeFrame(text, present, content.compression);
      await sources.frames?.put(run.keys[list], frame);
      known.set(list, { frame, open: text });
    }
  }
  return Object.fromEntries(known) as unknown as RunFrames;
}

const NEWLINE = Buffer.from('\n');

function writeRun(
  content: Content,
  run: Run,
  list: List,
  records: ReadonlyMap<string, PackageRecord>,
): { text: Buffer; present: number } {
  const parts: Buffer[] = [];
  let present = 0;
  for (let i = run.start; i < run.end; i++) {
    const pin = content.pins[i] as Pin;
    const record = records.get(pin.record);
    if (!record) throw new Error(`no record ${pin.record} was read`); // getRecords faults on what is not there
    const element = list === 'primary' ? primaryOf(content, i, pin, record) : record[list];
    if (element) present += 1;
    parts.push(element ?? emptyElement(pin), NEWLINE);
  }
  return { text: Buffer.concat(parts), present };
}

/** The upstream's own element but for its location. A record of another build is never published under this pin. */
function primaryOf(content: Content, i: number, pin: Pin, record: PackageRecord): Buffer {
  const at = `${content.id}: ${formatNevra(pin.nevra)}`;
  const own = identify(record.primary, at, { parentHref: true }); // judged below, by the policy
  const same =
    formatNevra(own.nevra) === formatNevra(pin.nevra) &&
    formatChecksum(own.checksum) === formatChecksum(pin.checksum) &&
    own.size === pin.size;
  if (!same) {
    const is = `${formatNevra(own.nevra)} ${formatChecksum(own.checksum)}, ${own.size} bytes`;
    throw new Fault('LOCK_MISMATCH', `the record ${pin.record} is ${is}: not what the lock pins`, {
      hint: 'Run sluice fix.',
      at,
    });
  }
  const { locations } = content;
  if (locations.kind === 'thin') return relocate(record.primary, thinLocation(locations, own, at));
  return relocate(record.primary, { href: `packages/${locations.names[i]}` });
}

/** Where only some upstream builds have an element, the others get an empty one: all lists count the same. */
export function emptyElement({ nevra, checksum }: Pin): Buffer {
  const { epoch, version, release } = nevra.evr; // checked words: nothing to escape
  const head = `<package pkgid="${checksum.hex}" name="${nevra.name}" arch="${nevra.arch}">`;
  return Buffer.from(`${head}\n  <version epoch="${epoch}" ver="${version}" rel="${release}"/>\n</package>`);
}

const SIDE_NAMES: Readonly<Record<string, string>> = {
  group: 'comps.xml',
  updateinfo: 'updateinfo.xml',
  modules: 'modules.yaml',
};

async function writeSide(
  { content }: Publication,
  document: SideDocument,
  sink: RepodataSink,
): Promise<RepomdRecord> {
  const { type, form, bytes } = document;
  const how = content.compression;
  const output = new Output(await sink.begin(), inlineDigest(how));
  try {
    if (form === 'open') {
      await output.write(makeFrame(bytes, 0, how), bytes);
      return await output.finish(type, `${SIDE_NAMES[type] ?? type}.${endingOf(how)}`, true);
    }
    const ending = form === 'opaque' ? OPAQUE_ENDINGS[sniff(bytes)] : '';
    const open = ending
      ? await decompressAll(bytes, { maxBytes: MAX_OPAQUE, at: `${content.id}: ${type}` })
      : bytes;
    await output.write({ bytes, openLength: open.length, present: 0 }, open);
    return await output.finish(type, `${SIDE_NAMES[type] ?? type}${ending}`, ending !== '');
  } catch (cause) {
    await output.discard();
    throw cause;
  }
}

/** subscription-manager opens productid by its ending. */
const OPAQUE_ENDINGS = { plain: '', gzip: '.gz', bzip2: '.bz2', xz: '.xz', zstd: '.zst' } as const;

function endingOf(how: Content['compression']): string {
  return how === 'zstd' ? 'zst' : 'gz';
}
