import { createHash } from 'node:crypto';
import { formatChecksum } from '../base/checksum.ts';
import type { SitePolicy, UpstreamPolicy } from '../manifest/policy.ts';
import type { Pin, Snapshot } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import {
  type LiveView,
  type Projector,
  type PublishedTree,
  type SideDocument,
  sha256Hex,
} from './documents.ts';
import { linkNames } from './links.ts';

/** Raised whenever the same content would give other bytes: every repository then gets a new revision. */
export const FORMAT = 'sluice-publication-v1';

/** Where clients find the packages: beside the metadata, or at the upstream. */
export type Locations =
  | { readonly kind: 'full' /** In the pins' order. */; readonly names: readonly string[] }
  | { readonly kind: 'thin'; readonly baseurl: string; readonly parentHref: boolean };

/** All that a publication is made from but its revision and time: equal contents give equal bytes. */
export interface Content {
  readonly id: string;
  readonly pins: readonly Pin[];
  readonly locations: Locations;
  readonly documents: readonly SideDocument[];
  readonly tree?: PublishedTree;
  readonly compression: SitePolicy['compression'];
  readonly mirrorUrl?: string;
  /** sha256 in hex over all of the above. */
  readonly key: string;
}

export interface ContentSource {
  readonly id: string;
  readonly snapshot: Snapshot;
  readonly upstream: Pick<UpstreamPolicy, 'baseurl' | 'content' | 'parentHref'>;
  readonly site: Pick<SitePolicy, 'compression' | 'mirrorUrl'>;
  readonly live: LiveView | undefined;
}

export async function contentOf(source: ContentSource, projector: Projector): Promise<Content> {
  const { snapshot, site } = source;
  const documents = await projector.project(snapshot.pins, snapshot.modules, source.live);
  const content: Omit<Content, 'key'> = {
    id: source.id,
    pins: snapshot.pins,
    locations: locationsOf(snapshot.pins, source.upstream),
    documents,
    ...(snapshot.kickstart ? { tree: await projector.tree(snapshot.kickstart) } : {}),
    compression: site.compression,
    ...(site.mirrorUrl === undefined ? {} : { mirrorUrl: site.mirrorUrl }),
  };
  return { ...content, key: keyOf(content) };
}

/** Of the pins alone: tells two locks apart before anything else is read. Marks such as `withdrawn` do not count. */
export function pinsDigest(pins: readonly Pin[]): string {
  const known = digests.get(pins) ?? digestOf(pins);
  digests.set(pins, known);
  return known;
}

/** Tiers with the same builds often are the very same list. */
const digests = new WeakMap<readonly Pin[], string>();

function digestOf(pins: readonly Pin[]): string {
  let text = ''; // one update: 18,000 of them take longer than the hash
  for (const pin of pins) {
    text += `${formatNevra(pin.nevra)} ${formatChecksum(pin.checksum)} ${pin.size} ${pin.record}\n`;
  }
  return sha256Hex(text);
}

function keyOf(content: Omit<Content, 'key'>): string {
  const { locations } = content;
  const hash = createHash('sha256').update(`${FORMAT}\n`);
  hash.update(`pins ${pinsDigest(content.pins)}\n`);
  hash.update(locations.kind === 'full' ? 'full\n' : `thin ${locations.baseurl} ${locations.parentHref}\n`);
  hash.update(`compression ${content.compression}\nmirror ${content.mirrorUrl ?? ''}\n`);
  for (const { type, form, bytes } of content.documents) hash.update(`${type} ${form} ${sha256Hex(bytes)}\n`);
  if (content.tree) {
    hash.update(`treeinfo ${sha256Hex(content.tree.treeinfo)}\n`);
    for (const { path, checksum } of content.tree.files) hash.update(`${formatChecksum(checksum)} ${path}\n`);
  }
  return hash.digest('hex');
}

const linked = new WeakMap<readonly Pin[], readonly string[]>();

function locationsOf(pins: readonly Pin[], upstream: ContentSource['upstream']): Locations {
  if (upstream.content === 'full') {
    const names = linked.get(pins) ?? linkNames(pins);
    linked.set(pins, names);
    return { kind: 'full', names };
  }
  return { kind: 'thin', baseurl: upstream.baseurl[0] ?? '', parentHref: upstream.parentHref };
}
