/**
 * test/crash/full.ts — a disk that is really full: `unshare -rm node test/crash/full.ts [PAGES [OPERATION…]]` puts the whole site on a tmpfs
 * that has room for so many pages more than is used, then for more of them, until the operation fits.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareAll } from './day2.ts';
import { complaintsOf, cutAndRepeat, expectedOf } from './points.ts';
import { CrashSite } from './site.ts';

const PAGE = 4096;
const FIRST = ['sync', 'merge', 'publish', 'add'];
const named = process.argv.slice(3);
const step = Number(process.argv[2] ?? 4);
const root = await mkdtemp(join(tmpdir(), 'sluice-full-'));
const room = (bytes: string) =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', `remount,size=${bytes}`, 'sluice', root]);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1g', 'sluice', root]); // gone with this process's namespace

const site = new CrashSite(root);
let bad = 0;
for (const operation of await prepareAll(site, named.length > 0 ? named : FIRST)) {
  const expected = await expectedOf(site, operation);
  let refused = 0;
  for (let pages = 0, fits = false; !fits; pages += step) {
    await site.restore(operation.from);
    const { blocks, bfree } = await statfs(root);
    room(String((blocks - bfree + pages) * PAGE));
    const { wrong } = await cutAndRepeat(site, operation, expected, async () => {
      const ended = await site.sluice(operation.args, operation.day);
      room('1g');
      fits = ended.status === 0;
      return complaintsOf(ended, true);
    });
    if (!fits) refused += 1;
    if (wrong.length > 0) bad += 1;
    for (const line of wrong) process.stdout.write(`${operation.name}, ${pages} pages free: ${line}\n`);
  }
  process.stdout.write(
    `${operation.name.padEnd(17)} a full disk, ${refused} sizes: ${bad === 0 ? 'same bytes, no client failed' : `${bad} WRONG`}\n`,
  );
}
process.exitCode = bad === 0 ? 0 : 1;
