import { type Checksum, formatChecksum, sameChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import type { AcceptedState } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { decompress } from '../repodata/compression.ts';
import { readCompsNames } from '../repodata/comps.ts';
import { cutElements } from '../repodata/elements.ts';
import { readModules } from '../repodata/modules.ts';
import { canonicalElement, identify } from '../repodata/primary.ts';
import { type PackageRecord, recordId } from '../repodata/record.ts';
import { type AdvisoryRemark, readUpdateinfo } from '../repodata/updateinfo.ts';
import { compareNevra, formatNevra } from '../rpm/nevra.ts';
import { checkStrength, GROUP } from './documents.ts';
import { SideDocument } from './join.ts';
import { formalBases } from './mirrors.ts';
import type { UpstreamBuild, UpstreamContent } from './types.ts';
import { locate } from './url.ts';
import { MAX_OPEN_BYTES } from './verify.ts';

/** Of one RPM file: the largest that any distribution ships have some 3 GB. */
const MAX_PACKAGE_BYTES = 32 * 2 ** 30;
/** Of a document that is read as a whole. */
const MAX_SMALL_BYTES = 256 << 20;

/**
 * All that a state says, from the catalog's documents alone, and every build's record into the catalog. Equal states
 * give equal contents. UPSTREAM_INCONSISTENT where the documents contradict each other.
 */
export async function readUpstream(
  catalog: Pick<Catalog, 'readDocument' | 'putRecords'>,
  policy: UpstreamPolicy,
  state: AcceptedState,
): Promise<UpstreamContent> {
  const reader = new Reader(catalog, policy, state);
  const builds = await reader.builds();
  const { arches } = policy;
  const wanted = arches.length === 0 ? builds : builds.filter(({ pin }) => arches.includes(pin.nevra.arch));
  const modules = state.documents.get('modules');
  const updateinfo = state.documents.get('updateinfo');
  const comps = state.documents.get(GROUP);
  const remarks: AdvisoryRemark[] = [];
  const remark = (one: AdvisoryRemark) => void remarks.push(one);
  const advisories = updateinfo
    ? await readUpdateinfo(reader.open(updateinfo, 'updateinfo'), reader.at('updateinfo'), remark)
    : [];
  return {
    builds: wanted,
    otherArches: builds.length - wanted.length,
    modules: modules ? readModules(await reader.whole(modules, 'modules'), reader.at('modules')) : [],
    advisories,
    remarks: saidOf(remarks),
    ...(comps ? { comps: await reader.comps(comps) } : {}),
  };
}

const REMARKS = [
  ['repeated', 'advisory ids that occur more than once, which are taken together'],
  ['equal', 'advisories that are there twice'],
  ['left out', 'advisories that are left out'],
  ['package left out', 'packages of advisories that are left out'],
] as const;
/** Of each kind so many are named. */
const NAMED = 3;

/** One line for each kind: Oracle has 81 of one. */
function saidOf(remarks: readonly AdvisoryRemark[]): string[] {
  return REMARKS.flatMap(([kind, words]) => {
    const own = remarks.filter((remark) => remark.kind === kind);
    if (own.length === 0) return [];
    const distinct = [
      ...new Set(own.map(({ advisory, why }) => (NAMES.has(kind) ? advisory : `${advisory} (${why})`))),
    ];
    const more = distinct.length > NAMED ? ` and ${distinct.length - NAMED} more` : '';
    return [`updateinfo: ${words}: ${own.length}: ${distinct.slice(0, NAMED).join(', ')}${more}`];
  });
}

/** Kinds whose words say it all. */
const NAMES: ReadonlySet<string> = new Set(['repeated', 'equal']);

class Reader {
  readonly #catalog: Pick<Catalog, 'readDocument' | 'putRecords'>;
  readonly #policy: UpstreamPolicy;
  readonly #documents: ReadonlyMap<string, Checksum>;
  readonly #bases: readonly URL[];

  constructor(
    catalog: Pick<Catalog, 'readDocument' | 'putRecords'>,
    policy: UpstreamPolicy,
    state: AcceptedState,
  ) {
    this.#catalog = catalog;
    this.#policy = policy;
    this.#documents = state.documents;
    this.#bases = formalBases(policy);
  }

  at(type: string): string {
    return `${this.#policy.id}: ${type}`;
  }

  open(document: Checksum, type: string, maxBytes = MAX_OPEN_BYTES): AsyncIterable<Buffer> {
    return decompress(this.#catalog.readDocument(document), { maxBytes, at: this.at(type) });
  }

  async whole(document: Checksum, type: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.open(document, type, MAX_SMALL_BYTES)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Read here, though nothing of it is planned: what publishing could not cut to the pins must not get into live. */
  async comps(document: Checksum): Promise<Buffer> {
    const bytes = await this.whole(document, 'comps');
    readCompsNames(bytes, this.at('comps'));
    return bytes;
  }

  #elements(document: Checksum, type: string): AsyncIterable<Buffer[]> {
    return cutElements(this.open(document, type), 'package', { at: this.at(type) });
  }

  #side(type: 'filelists' | 'other'): SideDocument | undefined {
    const document = this.#documents.get(type);
    return document && new SideDocument(type, this.#elements(document, type), this.at(type));
  }

  async builds(): Promise<UpstreamBuild[]> {
    const primary = this.#documents.get('primary');
    if (!primary) throw this.#inconsistent('the state names no primary', this.at('primary'));
    const filelists = this.#side('filelists');
    const other = this.#side('other');
    const builds = new Map<string, UpstreamBuild>();
    const reader = this;
    async function* records(elements: AsyncIterable<Buffer[]>): AsyncIterable<PackageRecord> {
      for await (const batch of elements) {
        for (const element of batch) {
          const build = reader.#identify(element);
          const files = await filelists?.take(build.pin.checksum.hex);
          const changes = await other?.take(build.pin.checksum.hex);
          const record: PackageRecord = {
            primary: build.primary,
            ...(files ? { filelists: canonicalElement(files, reader.at('filelists')) } : {}),
            ...(changes ? { other: canonicalElement(changes, reader.at('other')) } : {}),
          };
          if (!reader.#isNew(builds, build)) continue;
          builds.set(formatNevra(build.pin.nevra), {
            ...build,
            pin: { ...build.pin, record: recordId(record) },
          });
          yield record;
        }
      }
      await filelists?.finish();
      await other?.finish();
    }
    try {
      await this.#catalog.putRecords(records(this.#elements(primary, 'primary')));
    } finally {
      await filelists?.close();
      await other?.close();
    }
    return [...builds.values()].sort((a, b) => compareNevra(a.pin.nevra, b.pin.nevra));
  }

  /** All but the record's id, which the other two documents have a part in. */
  #identify(element: Buffer): UpstreamBuild {
    const at = this.at('primary');
    const primary = canonicalElement(element, at);
    const { nevra, checksum, size, href, base, sourceRpm, fileTime } = identify(primary, at, this.#policy);
    const name = formatNevra(nevra);
    checkStrength(checksum, this.#policy, name, at);
    if (!(size > 0 && size <= MAX_PACKAGE_BYTES)) {
      throw new Fault('METADATA_INVALID', `${name} is said to have ${size} bytes`, {
        hint: 'Ask whoever runs this upstream.',
        at,
      });
    }
    locate(this.#bases, { href, base }, { at: `${at}: ${name}`, parentHref: this.#policy.parentHref });
    return {
      pin: { nevra, checksum, size, record: '', withdrawn: false },
      href,
      ...(base === undefined ? {} : { base }),
      ...(sourceRpm === undefined ? {} : { sourceRpm }),
      fileTime,
      primary,
    };
  }

  /** A build that is listed twice is one build, as it stands first; two files of one name are nobody's intention. */
  #isNew(builds: ReadonlyMap<string, UpstreamBuild>, build: UpstreamBuild): boolean {
    const name = formatNevra(build.pin.nevra);
    const known = builds.get(name);
    if (!known) return true;
    if (sameChecksum(known.pin.checksum, build.pin.checksum)) return false;
    const both = `${formatChecksum(known.pin.checksum)} and ${formatChecksum(build.pin.checksum)}`;
    throw this.#inconsistent(`${name} is listed twice, as ${both}`, this.at('primary'));
  }

  #inconsistent(message: string, at: string): Fault {
    return new Fault('UPSTREAM_INCONSISTENT', message, { hint: 'Ask whoever runs this upstream.', at });
  }
}
