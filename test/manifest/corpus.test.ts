import { createReadStream, globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseSnapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, type Pin, parseSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { decompress, decompressAll } from '../../src/repodata/compression.ts';
import { cutElements } from '../../src/repodata/elements.ts';
import { readModules } from '../../src/repodata/modules.ts';
import { identify } from '../../src/repodata/primary.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { formatNevra, nameArch } from '../../src/rpm/nevra.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { LIVE, LIVE_PATH } from './samples.ts';

const corpus = CORPUS ?? '';
const found = (pattern: string) => (CORPUS ? globSync(pattern, { cwd: corpus }).sort() : []);
const primaries = found('**/*primary.xml*');
const moduleFiles = found('**/*modules.yaml*').concat(found('modules/*.yaml'));

async function pinsOf(file: string): Promise<Pin[]> {
  const pins = new Map<string, Pin>(); // some repositories list a build twice
  const chunks = decompress(createReadStream(join(corpus, file)), { maxBytes: 2 ** 32, at: file });
  for await (const batch of cutElements(chunks, 'package', { at: file, anyCount: true })) {
    for (const element of batch) {
      const { nevra, checksum, size } = identify(element, file, { parentHref: true });
      pins.set(formatNevra(nevra), {
        nevra,
        checksum,
        size,
        record: checksum.hex.slice(0, 12),
        withdrawn: false,
      });
    }
  }
  return [...pins.values()];
}

describe.skipIf(!CORPUS)('real repositories as snapshots', () => {
  it('there are some', () => {
    expect(primaries.length).toBeGreaterThan(50);
    expect(moduleFiles.length).toBeGreaterThanOrEqual(2);
    expect(parseSnapshotPath(LIVE_PATH)).toEqual(LIVE);
  });

  it.each(primaries)('%s', async (file) => {
    const pins = await pinsOf(file);
    const s = makeSnapshot({ repository: LIVE, from: 'rocky-9-x86_64-appstream', pins });
    const files = renderSnapshot(s);
    expect(parseSnapshot(files, LIVE_PATH)).toEqual(s);

    // any YAML reader must see the same: `yaml` with its own default schema, which makes numbers of what looks like one
    const others = parse(files.yaml, { uniqueKeys: false }) as {
      packages: Record<string, string | string[]>;
    };
    const read = Object.entries(others.packages).flatMap(([key, evrs]) =>
      [evrs].flat().map((evr) => `${key} ${evr}`),
    );
    expect(read.sort()).toEqual(pins.map(({ nevra }) => `${nameArch(nevra)} ${formatEvr(nevra.evr)}`).sort());
  });

  it.each(moduleFiles)('every module document of %s has a line', async (file) => {
    const bytes = await decompressAll(await readFile(join(corpus, file)), { maxBytes: 2 ** 28, at: file });
    const modules = new Map(
      readModules(bytes, file).flatMap((d) => (d.nsvca === undefined ? [] : [[d.nsvca, d.digest]])),
    );
    expect(modules.size).toBeGreaterThan(20);
    const s = makeSnapshot({ repository: LIVE, from: 'rocky-9-x86_64-appstream', pins: [], modules });
    expect(parseSnapshot(renderSnapshot(s), LIVE_PATH)).toEqual(s);
  });
});
