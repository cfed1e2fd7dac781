import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { CLI } from '../fixtures/cli.ts';
import { COMPILED } from '../fixtures/compiled.ts';
import { filesBelow } from '../fixtures/tempDir.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Everything below a folder, links and files, as one digest. */
async function digest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await filesBelow(folder)) {
    const full = join(folder, path);
    hash
      .update(`${path}\0`)
      .update(lstatSync(full).isSymbolicLink() ? readlinkSync(full) : readFileSync(full));
  }
  return hash.digest('hex');
}

/** A site that has published: each test loses something of it and ends with it whole; the last one does not. */
let home: string;
let published: string;
const sluice = (...args: string[]): string =>
  execFileSync(process.execPath, [CLI, ...args], {
    cwd: join(home, 'state'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...COMPILED, SLUICE_MIRROR: join(home, 'mirror'), SLUICE_BY: 'Anna' },
  });

/** The commands below a heading of docs/recovery.md, as they would be typed, with this test's folders. */
async function commandsOf(heading: string): Promise<string[]> {
  const page = await readFile(join(ROOT, 'docs/recovery.md'), 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const [, block = ''] = /((?:^ {4}.*\n)+)/m.exec(section) ?? [];
  return block.split('\n').flatMap((line) => line.trim() || []);
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sluice-'));
  await mkdir(join(home, 'state'));
  await layDemoUpstream(join(home, 'vendor'), 'before');
  const distro = (repo: string) => ['--distro', `harbor-9-x86_64-${repo}=file://${home}/vendor/${repo}`];
  const url = ['--mirror-url', 'http://mirror.example.com'];
  sluice('init', join(home, 'state'), ...distro('base'), ...distro('apps'), ...url, '--now', '2026-01-05');
  sluice('pr', 'merge', '1', '--now', '2026-01-05T01:00:00Z');
  sluice('publish', '--now', '2026-01-05T02:00:00Z');
  published = await digest(join(home, 'mirror/public'));
}, 60_000);

afterAll(() => rm(home, { recursive: true, force: true }));

it('the page on upgrades: a trial in a copy differs in nothing, and leaves the mirror alone', async () => {
  const before = await digest(join(home, 'mirror'));
  execFileSync('cp', ['-al', join(home, 'mirror'), join(home, 'trial')]);
  sluice('publish', '--mirror', join(home, 'trial'));
  execFileSync('diff', ['-rq', join(home, 'mirror/public'), join(home, 'trial/public')]);
  expect(await digest(join(home, 'mirror'))).toBe(before);
}, 60_000);

it('a copy of pool and catalog is enough to publish again, without the vendor', async () => {
  await rename(join(home, 'mirror'), join(home, 'old'));
  await rename(join(home, 'vendor'), join(home, 'gone'));
  for (const kept of ['pool', 'catalog']) {
    await cp(join(home, 'old', kept), join(home, 'mirror', kept), { recursive: true });
  }
  sluice('publish');
  expect(await digest(join(home, 'mirror/public'))).toBe(published);
  await rename(join(home, 'gone'), join(home, 'vendor'));
}, 60_000);

it('the page on recovery brings every published byte back from git and the vendor', async () => {
  await mkdir(join(home, 'backup'));
  await cp(join(home, 'state.git'), join(home, 'backup/state.git'), { recursive: true });
  for (const lost of ['state', 'state.git', 'mirror']) await rm(join(home, lost), { recursive: true });

  const commands = await commandsOf('From nothing but git');
  expect(commands.length).toBeGreaterThan(6);
  for (const command of commands) {
    const typed = command.replaceAll('/srv/sluice', home).replaceAll('/backup', join(home, 'backup'));
    const [program = '', ...args] = typed.split(' ');
    if (program === 'npx') sluice(...args.slice(1));
    else if (!['cd', 'npm', 'export'].includes(program)) execFileSync(program, args, { stdio: 'ignore' });
  }
  expect(await digest(join(home, 'mirror/public'))).toBe(published);
  expect(sluice('verify')).toContain('all as the commit says');
}, 60_000);

it('without the vendor and without the pool, publish names what is missing and serves nothing', async () => {
  await rm(join(home, 'mirror'), { recursive: true });
  await rm(join(home, 'vendor'), { recursive: true });
  expect(() => sluice('sync', '--propose')).toThrow(/status 1|Command failed/);
  expect(() => sluice('publish')).toThrow(/is not in the pool|CATALOG_MISSING/);
  const open = await filesBelow(join(home, 'mirror/public'));
  expect(open.filter((path) => path.endsWith('.rpm') || path.endsWith('repomd.xml'))).toEqual([]);
}, 60_000);
