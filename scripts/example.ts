/** scripts/example.ts — writes the demo's last state into policies/ and snapshots/: `npm run example`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the demo in a folder and gives its policies and manifests, by path; its own folder stands there as a vendor's host. */
export function exampleFiles(dir: string): Map<string, string> {
  const args = [join(root, 'scripts', 'demo.ts'), '--dir', dir];
  const demo = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (demo.status !== 0) throw new Error(demo.stdout + demo.stderr);
  const files = new Map<string, string>();
  for (const folder of ['policies', 'snapshots']) {
    const entries = readdirSync(join(dir, 'state', folder), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const text = readFileSync(path, 'utf8')
        .replaceAll(`file://${dir}/vendor/`, 'https://vendor.example/harbor/9/')
        .replaceAll(`file://${dir}/mirror/public`, 'https://mirror.example/sluice');
      files.set(path.slice(join(dir, 'state').length + 1), text);
    }
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-example-'));
  const files = exampleFiles(dir);
  for (const folder of ['policies', 'snapshots'])
    rmSync(join(root, folder), { recursive: true, force: true });
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  rmSync(dir, { recursive: true });
  process.stdout.write(`${[...files.keys()].join('\n')}\n`);
}
