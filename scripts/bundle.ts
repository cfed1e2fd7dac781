/**
 * What the package runs: `dist/`, made of `src/` by `npm pack`. A few files instead of some two hundred, of which every command loads
 * most: 0.4 s of each start. The dependencies stay packages of their own, so that whoever installs sees them, and mends them, as npm
 * knows them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KEPT = join(ROOT, 'node_modules/.cache/bundled');
const DAY = 86_400_000;

/** Files that start as programs of their own. */
const ENTRIES = ['cli', 'forge/starter', 'publish/open-digest-worker'];

/** Writes `folder` anew. */
export async function bundle(folder: string): Promise<void> {
  const { rolldown } = await import('rolldown');
  rmSync(folder, { recursive: true, force: true });
  const build = await rolldown({
    input: Object.fromEntries(
      ENTRIES.map((path) => [path.split('/').at(-1), join(ROOT, 'src', `${path}.ts`)]),
    ),
    external: (id) => !/^[./]/.test(id), // what is named as a package, or is node's own
    platform: 'node',
  });
  await build.write({ dir: folder, format: 'esm', chunkFileNames: '[name]-[hash].js' });
  await build.close();
}

/**
 * A folder with the same, for the demo, the tests and the benches: made once for the same sources, by their checksum, so that Node finds
 * again what it compiled of it.
 */
export async function bundled(): Promise<string> {
  const place = join(KEPT, checksumOfSources());
  if (existsSync(place)) return place;
  await mkdir(KEPT, { recursive: true });
  const temporary = mkdtempSync(join(KEPT, 'new-'));
  const { ctimeMs: now } = statSync(temporary); // the clock may be a story's
  for (const old of readdirSync(KEPT).map((name) => join(KEPT, name))) {
    if (now - statSync(old).ctimeMs > DAY) rmSync(old, { recursive: true, force: true });
  }
  await bundle(temporary);
  await rename(temporary, place).catch(() => rmSync(temporary, { recursive: true })); // another one was first
  return place;
}

function checksumOfSources(): string {
  const hash = createHash('sha256');
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).sort();
  const files = sources.filter((file) => /\.(?:ts|json)$/.test(file)).map((file) => join('src', file));
  for (const file of ['package.json', 'scripts/bundle.ts', ...files]) {
    hash.update(`${file}\n`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(join(ROOT, 'dist'));
