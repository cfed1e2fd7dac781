/**
 * `node test/bench/unmet.ts primary.xml.gz …`: what is unmet in these repositories together, for the client that sees every build and
 * for the one that takes the newest of each name.arch; how many of each, as JSON. A part of test/bench/closure.ts.
 */
import { createReadStream } from 'node:fs';
import { NameArches } from '../../src/plan/nameArches.ts';
import { Requirements } from '../../src/plan/requirements.ts';
import { Sighting } from '../../src/plan/watch.ts';
import { decompress } from '../../src/repodata/compression.ts';
import { cutElements } from '../../src/repodata/elements.ts';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { archesFor } from '../../src/rpm/arches.ts';

const index = new PackageIndex();
for (const at of process.argv.slice(2)) {
  const source = createReadStream(at, { highWaterMark: 1 << 20 });
  for await (const batch of cutElements(decompress(source, { maxBytes: 2 ** 32, at }), 'package', { at })) {
    for (const element of batch) index.add(element, at);
  }
}
const universe = { requirements: new Requirements(index), names: new NameArches(index) };
const arches = new Set(archesFor('x86_64'));
const shows = new Uint8Array(index.size);
for (let build = 0; build < index.size; build += 1)
  shows[build] = arches.has(index.nevra(build).arch) ? 1 : 0;
const [every, newest] = [false, true].map((newestOnly) => {
  const sighting = Sighting.of(universe, { label: '', shows, newestOnly }, () => true);
  return [...sighting.breaks(universe)].length;
});
console.log(JSON.stringify({ builds: index.size, every, newest }));
