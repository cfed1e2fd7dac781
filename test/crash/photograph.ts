import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { CrashSite } from './site.ts';

const run = promisify(execFile);

/** Of a frame that was being written: derived, and gc frees it with every other that no tree consists of. */
const LEFT_FRAME = /^catalog\/frames\/..\/[0-9a-f]{64}\./;

/** Every path below these folders with all that a client or an rsync sees of it. */
async function files(root: string, folders: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const folder of folders) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const { mode, mtimeMs, ino } = await lstat(path);
      const name = path.slice(root.length + 1);
      if (LEFT_FRAME.test(name)) continue;
      if (entry.isDirectory()) lines.push(`${name}/`);
      else if (entry.isSymbolicLink()) lines.push(`${name} -> ${await readlink(path)}`);
      else {
        const digest = createHash('sha256')
          .update(await readFile(path))
          .digest('hex');
        const published = /^public\/tree\//.test(name) ? ` at ${mtimeMs}` : '';
        lines.push(
          `${name} ${(mode & 0o7777).toString(8)} ${digest}${published}${await twin(root, name, digest, ino)}`,
        );
      }
    }
  }
  return lines.sort();
}

/** A published package is the pool's own file, not a copy. */
async function twin(root: string, name: string, digest: string, ino: number): Promise<string> {
  if (!/^(?:public|added\/[^/]+)\/packages\//.test(name)) return '';
  const pool = await lstat(join(root, 'pool', 'sha256', digest.slice(0, 2), `${digest}.rpm`));
  return pool.ino === ino ? ' linked' : ' a copy';
}

/**
 * All that must be the same after a run that was cut off and then repeated: what is served, the pool, what was added, the catalog,
 * and in git every ref. `tidy`: nothing temporary either, which is publish's to sweep.
 */
export async function photograph(site: CrashSite, o: { tidy: boolean }): Promise<string[]> {
  const refs = await run('git', [
    '-C',
    site.bare,
    'for-each-ref',
    '--format=%(refname) %(objectname) %(tree)',
  ]);
  const [pulls, work] = await Promise.all([
    run('git', ['-C', site.bare, 'fsck', '--full', '--no-dangling', '--no-progress']),
    run('git', ['-C', join(site.dir, 'state'), 'status', '--porcelain', '--untracked-files=all']),
  ]);
  const written = work.stdout.split('\n').filter(Boolean);
  return [
    ...(await files(site.mirror, [
      'public',
      'pool',
      'added',
      'catalog',
      ...(o.tidy ? ['tmp', 'locks'] : []),
    ])),
    ...refs.stdout.trimEnd().split('\n'),
    ...pulls.stdout.split('\n').filter(Boolean),
    ...(await Promise.all(written.map((line) => writtenFile(join(site.dir, 'state'), line)))),
  ];
}

/** A line of `git status --porcelain`, with what the file says now. */
async function writtenFile(root: string, line: string): Promise<string> {
  const bytes = await readFile(join(root, line.slice(3))).catch(() => 'gone');
  return `${line} ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What one has and the other has not; empty where they are equal. */
export function differences(wanted: readonly string[], found: readonly string[]): string[] {
  const [a, b] = [new Set(wanted), new Set(found)];
  return [
    ...wanted.filter((line) => !b.has(line)).map((line) => `- ${line}`),
    ...found.filter((line) => !a.has(line)).map((line) => `+ ${line}`),
  ];
}
