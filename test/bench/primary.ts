/**
 * `node test/bench/primary.ts [primary.xml[.gz|.zst]]`: reads a primary.xml into a PackageIndex, asks it who provides
 * what, and puts rpmmd2solv beside it; one line of JSON. Times in milliseconds, the best of three runs, memory in MB.
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
const file =
  process.argv[2] ?? globSync(join(CORPUS ?? '.', 'centos-9-appstream-2025-01/repodata/*-primary.xml.gz'))[0];
if (file === undefined) throw new Error('no corpus: name a primary.xml');

const read = await best(readIndex);
const { index } = read.result;
const asked = await best(async () => index.providing('libc.so.6(GLIBC_2.34)(64bit)').length);
const libsolv = has('rpmmd2solv') ? (await best(async () => runLibsolv(file))).ms : undefined;
console.log(
  JSON.stringify({
    file: file.split('/').at(-1),
    packages: index.size,
    bytes: read.result.bytes,
    ms: read.ms,
    providersMs: asked.first,
    rssMB: Math.round(process.resourceUsage().maxRSS / 1024),
    rpmmd2solvMs: libsolv,
  }),
);

async function readIndex(): Promise<{ index: PackageIndex; bytes: number }> {
  const packages = new PackageIndex();
  let bytes = 0;
  const at = String(file);
  const source = createReadStream(at, { highWaterMark: 1 << 20 });
  for await (const batch of cutElements(decompress(source, { maxBytes: 2 ** 32, at }), 'package', { at })) {
    for (const element of batch) {
      packages.add(element, at);
      bytes += element.length;
    }
  }
  return { index: packages, bytes };
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

async function best<T>(run: () => Promise<T>): Promise<{ ms: number; first: number; result: T }> {
  let ms = Number.POSITIVE_INFINITY;
  let first: number | undefined;
  let result: T | undefined;
  for (let i = 0; i < RUNS; i += 1) {
    result = undefined;
    const start = performance.now();
    result = await run();
    const took = Math.round(performance.now() - start);
    first ??= took;
    ms = Math.min(ms, took);
  }
  return { ms, first: first ?? ms, result: result as T };
}
