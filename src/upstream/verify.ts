import { createHash } from 'node:crypto';
import { type Checksum, formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import type { Catalog } from '../pool/catalog.ts';
import { decompress } from '../repodata/compression.ts';
import { cutElements } from '../repodata/elements.ts';
import { identify } from '../repodata/primary.ts';
import type { RepomdRecord } from '../repodata/repomd.ts';
import { SideDocument } from './join.ts';

/** No document of any distribution comes near it (Fedora's filelists: 0.7 GB); a bomb does. */
export const MAX_OPEN_BYTES = 4 * 2 ** 30;

/** What stands in documents that name packages, and in no opaque one. */
const NAMES_PACKAGES = /<package\b|\bpkgid\b|\.rpm\b/;
/** The longest of them, less one: it may straddle two chunks. */
const OVERLAP = 16;

export interface Opened {
  /** Whether the text names packages: then a document that Sluice cannot project is not carried. */
  readonly namesPackages: boolean;
}

/**
 * Opens a document of the catalog and compares it with size, open-size and open-checksum: METADATA_INVALID, TOO_LARGE, … The size
 * too, because what the catalog has already was never downloaded under this promise.
 */
export async function verifyOpen(
  catalog: Pick<Catalog, 'readDocument'>,
  record: RepomdRecord,
  at: string,
): Promise<Opened> {
  const ceiling = Math.min(record.openSize ?? MAX_OPEN_BYTES, MAX_OPEN_BYTES);
  const hash = createHash(record.openChecksum?.type ?? 'sha256');
  let bytes = 0;
  let tail = '';
  let namesPackages = false;
  const size = { read: 0 };
  const packed = counted(catalog.readDocument(record.checksum), size);
  for await (const chunk of decompress(packed, { maxBytes: ceiling, at })) {
    bytes += chunk.length;
    hash.update(chunk);
    if (namesPackages) continue;
    const text = tail + chunk.toString('latin1');
    namesPackages = NAMES_PACKAGES.test(text);
    tail = text.slice(-OVERLAP);
  }
  const hex = hash.digest('hex');
  if (record.size !== undefined && record.size !== size.read) {
    throw differs(`${size.read} bytes, where repomd.xml promises ${record.size}`, at);
  }
  if (record.openSize !== undefined && record.openSize !== bytes) {
    throw differs(`${bytes} bytes when opened, where repomd.xml promises ${record.openSize}`, at);
  }
  if (record.openChecksum && record.openChecksum.hex !== hex) {
    throw differs(`another checksum when opened than ${formatChecksum(record.openChecksum)}`, at);
  }
  return { namesPackages };
}

async function* counted(chunks: AsyncIterable<Buffer>, size: { read: number }): AsyncIterable<Buffer> {
  for await (const chunk of chunks) {
    size.read += chunk.length;
    yield chunk;
  }
}

function differs(what: string, at: string): Fault {
  return new Fault('METADATA_INVALID', what, {
    hint: 'Try again later, or ask whoever runs this upstream.',
    at,
  });
}

/** Whether filelists or other lists what primary lists, as often: UPSTREAM_INCONSISTENT. */
export async function verifyTogether(
  catalog: Catalog,
  o: { primary: Checksum; side: Checksum; type: string; at: string },
): Promise<void> {
  const { at } = o;
  const elements = (document: Checksum) =>
    cutElements(decompress(catalog.readDocument(document), { maxBytes: MAX_OPEN_BYTES, at }), 'package', {
      at,
    });
  const side = new SideDocument(o.type, elements(o.side), at);
  try {
    for await (const batch of elements(o.primary)) {
      for (const element of batch) await side.take(identify(element, at, { parentHref: true }).checksum.hex);
    }
    await side.finish();
  } finally {
    await side.close();
  }
}
