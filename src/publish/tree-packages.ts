import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Checksum } from '../base/checksum.ts';
import { decompress } from '../repodata/compression.ts';
import { cutElements } from '../repodata/elements.ts';
import { identify } from '../repodata/primary.ts';
import { readRepomd } from '../repodata/repomd.ts';

const MAX_BYTES = 4 * 2 ** 30;

/** One package of a published tree. */
export interface TreePackage {
  /** Of its link; absent where the location is the upstream's. */
  readonly name?: string;
  readonly checksum: Checksum;
}

/** What a tree itself says that clients may fetch: true whatever became of the commit that it was made from. */
export async function* readTreePackages(tree: string): AsyncGenerator<TreePackage> {
  const path = join(tree, 'repodata', 'repomd.xml');
  const repomd = readRepomd(await readFile(path), path);
  for (const { href } of repomd.records.filter((record) => record.type === 'primary')) {
    const at = join(tree, href);
    const open = decompress(createReadStream(at) as AsyncIterable<Buffer>, { maxBytes: MAX_BYTES, at });
    for await (const batch of cutElements(open, 'package', { at })) {
      for (const element of batch) {
        const { href: location, base, checksum } = identify(element, at, { parentHref: true });
        yield base === undefined ? { name: basename(location), checksum } : { checksum };
      }
    }
  }
}
