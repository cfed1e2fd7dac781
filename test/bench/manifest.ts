/**
 * `node test/bench/manifest.ts [PINS]`: writes and reads a snapshot of that many pins (default: 20,000), canonical and not,
 * beside what the `yaml` library alone takes for the YAML. One line of JSON; milliseconds
 * of the processor (other work on the machine does not count), the best of five runs.
 */
import { parseDocument } from 'yaml';
import { parseRepositoryId, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, parseSnapshot, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { manyPins } from '../manifest/manyPins.ts';

const RUNS = 5;
const count = Number(process.argv[2] ?? 20_000);
const repository = parseRepositoryId('infra-stable-rocky-9-x86_64-appstream');
const snapshot = makeSnapshot({
  repository,
  from: 'infra-unstable-rocky-9-x86_64-appstream',
  pins: manyPins(count),
});
const files = renderSnapshot(snapshot);
const path = snapshotPath(repository);
const commented = { ...files, yaml: files.yaml.replace('packages:\n', 'packages: # by hand\n') };

const read = best(() => parseSnapshot(files, path));
console.log(
  JSON.stringify({
    pins: read.result.pins.length,
    yamlBytes: files.yaml.length,
    lockBytes: files.lock.length,
    renderMs: best(() => renderSnapshot(snapshot)).ms,
    readMs: read.ms,
    readNotCanonicalMs: best(() => parseSnapshot(commented, path, { lenient: true })).ms,
    yamlAloneMs: best(() => parseDocument(files.yaml, { schema: 'failsafe', uniqueKeys: false }).toJS()).ms,
  }),
);

function best<T>(run: () => T): { result: T; ms: number } {
  let fastest: { result: T; ms: number } | undefined;
  for (let i = 0; i < RUNS; i += 1) {
    const began = process.cpuUsage();
    const result = run();
    const { user, system } = process.cpuUsage(began);
    const ms = Math.round((user + system) / 1_000);
    if (!fastest || ms < fastest.ms) fastest = { result, ms };
  }
  if (!fastest) throw new Error('no run');
  return fastest;
}
