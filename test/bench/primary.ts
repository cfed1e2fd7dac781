/**
 * `node test/bench/primary.ts [primary.xml[.gz|.zst] …]`: reads them (AppStream with BaseOS, when none is named) into one
 * PackageIndex, asks it who satisfies each distinct requirement, and puts rpmmd2solv beside it, which reads and does not answer;
 * one line of JSON. Times in milliseconds, the best of three runs, memory in MB. `indexMs` is without cutting and gunzip.
 */
import { execFileSync } from 'node:child_process';
import { createReadStream, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decompress } from '../../src/repodata/compression.ts';
import { cutElements } from '../../src/repodata/elements.ts';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { CORPUS, has } from '../fixtures/oracle.ts';

const RUNS = 3;
const DEFAULT = ['centos-9-appstream-2025-01', 'centos-9-baseos/v1-2024-03'];
const named = process.argv.slice(2);
const files =
  named.length > 0
    ? named
    : DEFAULT.flatMap((name) => globSync(join(CORPUS ?? '.', name, 'repodata/*-primary.xml.gz')));
if (files.length === 0) throw new Error('no corpus: name a primary.xml');

const read = await best(readIndex);
const { elements } = read.result;
const indexed = await best(async () => indexOf(elements).size);
let satisfiersMs = Number.POSITIVE_INFINITY;
const asked = await best(async () => {
  const fresh = indexOf(elements);
  const requirements = fresh.distinct('requires').filter((number) => !fresh.isRich(number));
  const start = performance.now();
  let satisfiers = 0;
  for (const number of requirements) satisfiers += fresh.satisfiersOf(number).length;
  satisfiersMs = Math.min(satisfiersMs, performance.now() - start); // without the index
  return { requirements: requirements.length, satisfiers };
});
const libsolv = has('rpmmd2solv') ? (await best(async () => files.forEach(runLibsolv))).ms : undefined;
console.log(
  JSON.stringify({
    files: files.map((file) =>
      file
        .split('/')
        .at(-1)
        ?.replace(/^[0-9a-f]{40,}-/, ''),
    ),
    packages: elements.length,
    bytes: elements.reduce((sum, element) => sum + element.length, 0),
    ms: read.ms,
    indexMs: indexed.ms,
    requirements: asked.result.requirements,
    satisfiers: asked.result.satisfiers,
    satisfiersMs: Math.round(satisfiersMs),
    rssMB: Math.round(process.resourceUsage().maxRSS / 1024),
    rpmmd2solvMs: libsolv,
  }),
);

async function readIndex(): Promise<{ index: PackageIndex; elements: Buffer[] }> {
  const index = new PackageIndex();
  const all: Buffer[] = [];
  for (const at of files) {
    const source = createReadStream(at, { highWaterMark: 1 << 20 });
    for await (const batch of cutElements(decompress(source, { maxBytes: 2 ** 32, at }), 'package', { at })) {
      for (const element of batch) index.add(element, at);
      all.push(...batch);
    }
  }
  return { index, elements: all };
}

function indexOf(elements: readonly Buffer[]): PackageIndex {
  const index = new PackageIndex();
  for (const element of elements) index.add(element);
  return index;
}

/** rpmmd2solv does not decompress what it reads from a pipe: zcat or zstdcat before it, as dnf's librepo would. */
function runLibsolv(primary: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const tool = primary.endsWith('.zst') ? 'zstdcat' : 'zcat -f';
    execFileSync('sh', ['-c', `${tool} "$1" | rpmmd2solv > "$2"`, 'sh', primary, join(folder, 'solv')], {
      stdio: 'ignore',
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function best<T>(run: () => Promise<T>): Promise<{ ms: number; result: T }> {
  let ms = Number.POSITIVE_INFINITY;
  let result: T | undefined;
  for (let i = 0; i < RUNS; i += 1) {
    result = undefined;
    const start = performance.now();
    result = await run();
    ms = Math.min(ms, Math.round(performance.now() - start));
  }
  return { ms, result: result as T };
}
