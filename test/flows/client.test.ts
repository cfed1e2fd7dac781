import { execFile, execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { freeMirror, publishMain, writeRepofile } from '../../src/flows/publish.ts';
import { recall } from '../../src/flows/recall.ts';
import { rollback } from '../../src/flows/rollback.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { freePort, serveMirror } from '../fixtures/nginx.ts';
import { has, oracle } from '../fixtures/oracle.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { findZypper, type Zypper } from '../fixtures/zypper.ts';
import { makeSite, type Site, siteAgain } from './site.ts';

const run = promisify(execFile);

const nginx = has('nginx') || has('/usr/sbin/nginx') || oracle('nginx');
/** Packages are unpacked in a root of their own: chroot(2) is root's. */
const root = process.getuid?.() === 0;

/** The demo's vendor and one team whose `stable` follows live at once, served by nginx on loopback. */
async function servedSite() {
  const site = await publishedSite();
  const server = await serveMirror(site.mirrorDir, site.port);
  onTestFinished(() => server.stop());
  return site;
}

const publishedSite = siteAgain(async (dir) => {
  const vendor = join(dir, 'vendor');
  await layDemoUpstream(vendor, 'before');
  const port = await freePort();
  const site = await makeSite({
    dir,
    start: '2026-03-02T09:00:00Z',
    upstreams: Object.fromEntries(
      ['base', 'apps'].map((r) => [`harbor-9-x86_64-${r}`, { baseurl: [`file://${vendor}/${r}`] }]),
    ),
    team: { tiers: { stable: { from: 'live', keep: '1' } } },
    site: { mirrorUrl: `http://127.0.0.1:${port}` },
  });
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', `${site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
  await follow(site);
  await promoteAll(site);
  await site.publish();
  return Object.assign(site, { vendor, git, port });
});

async function repofileOf(site: Site, team: string, tier: string, at?: string): Promise<string> {
  site.output();
  await writeRepofile(site.world(), { team, tier, at });
  return site.output();
}

/** A client's root with one `.repo` file; caches and all that it knows stay below it. */
class Dnf {
  readonly #root: string;
  private constructor(root: string) {
    this.#root = root;
  }

  static async with(repofile: string): Promise<Dnf> {
    const dnf = new Dnf(await tempDir());
    for (const folder of ['repos', 'log']) await mkdir(join(dnf.#root, folder));
    await writeFile(join(dnf.#root, 'repos', 'sluice.repo'), repofile);
    return dnf;
  }

  async run(...args: string[]): Promise<string> {
    const own = [
      '-q',
      '-y',
      '--disableplugin=local', // it shares packages between all roots
      `--installroot=${join(this.#root, 'root')}`,
      `--setopt=reposdir=${join(this.#root, 'repos')}`,
      `--setopt=cachedir=${join(this.#root, 'cache')}`,
      `--setopt=logdir=${join(this.#root, 'log')}`,
      '--setopt=module_platform_id=platform:h9',
      '--setopt=install_weak_deps=False',
      '--releasever=9',
      '--forcearch=x86_64',
    ];
    const { stdout } = await run('dnf', [...own, ...args], { env: { ...process.env, LC_ALL: 'C' } });
    return stdout;
  }

  /** `<repository> <name>-<evr>` of all that it could install. */
  async available(...args: string[]): Promise<string[]> {
    const text = await this.run(...args, 'repoquery', '--disable-modular-filtering', '--show-duplicates', '--qf', '%{repoid} %{name}-%{evr}'); // biome-ignore format: one list
    return text.split('\n').filter(Boolean).sort();
  }

  async everything(): Promise<string[]> {
    const { stdout } = await run('rpm', ['--root', join(this.#root, 'root'), '-qa']);
    return stdout.trim().split('\n').sort();
  }

  async installed(name: string): Promise<string> {
    const { stdout } = await run('rpm', ['--root', join(this.#root, 'root'), '-q', name]);
    return stdout.trim();
  }
}

const STABLE = 'infra-stable-harbor-9-x86_64';

describe.skipIf(!nginx || !oracle('dnf'))('a real client', () => {
  it.skipIf(!root)(
    'dnf installs what its tier pins, also with old metadata, also of a commit',
    async () => {
      const site = await servedSite();
      const then = site.git('rev-parse', 'main');
      const repofile = await repofileOf(site, 'infra', 'stable');
      const [stable, early] = [await Dnf.with(repofile), await Dnf.with(repofile)];
      const first = await early.available();

      await layDemoUpstream(site.vendor, 'after');
      site.days(1);
      await follow(site);
      await site.publish();
      const live = await Dnf.with(await repofileOf(site, 'vendor', 'live'));
      await stable.run('install', 'harbor-shell', 'harbor-tls');
      expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
      expect(await stable.installed('harbor-tls')).toBe('harbor-tls-3.0.7-24.h9.x86_64');
      await live.run('install', 'harbor-shell');
      expect(await live.installed('harbor-shell')).toBe('harbor-shell-5.1.8-9.h9.x86_64');

      await promoteAll(site);
      await site.publish();
      await layDemoUpstream(site.vendor, 'later');
      site.days(1);
      await follow(site);
      await promoteAll(site);
      await site.publish();
      await freeMirror(site.world(), { dryRun: false });
      await stable.run('--refresh', 'upgrade');
      expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-9.h9.x86_64');
      expect(await stable.available()).not.toContain(`${STABLE}-base harbor-shell-5.1.8-6.h9`);
      // two publications later, within the grace: what the cached metadata names is still there
      await early.run('--setopt=metadata_expire=-1', 'install', 'harbor-shell');
      expect(await early.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');

      await publishMain(site.world(), then);
      const fixed = await Dnf.with(await repofileOf(site, 'infra', 'stable', then));
      expect(await fixed.available()).toEqual(first);
      await fixed.run('install', 'harbor-shell');
      expect(await fixed.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
    },
    300_000,
  );

  it.skipIf(!root)(
    'after a rollback distro-sync takes a host back to exactly what it had; upgrade alone does not',
    async () => {
      const site = await servedSite();
      const to = site.git('rev-parse', 'main');
      const host = await Dnf.with(await repofileOf(site, 'infra', 'stable'));
      await host.run('install', 'harbor-shell', 'harbor-monitor');
      const had = await host.everything();
      await layDemoUpstream(site.vendor, 'after');
      site.days(1);
      await follow(site);
      await promoteAll(site);
      await site.publish();
      await host.run('--refresh', 'upgrade');
      const wave = await host.everything();
      expect(wave).toContain('harbor-shell-5.1.8-9.h9.x86_64');
      expect(await host.run('updateinfo', 'list', '--installed', '--security')).toContain('HRSA-2026:0107');

      const asked = { team: 'infra', tier: 'stable', to, set: undefined, owner: undefined, until: undefined };
      const [done] = await rollback(site.world(), { ...asked, reason: 'logins', how: 'propose', all: false });
      await site.merge(done?.pull?.number);
      await site.publish();
      await host.run('--refresh', 'upgrade');
      expect(await host.everything()).toEqual(wave);
      await host.run('--refresh', 'distro-sync');
      expect(await host.everything()).toEqual(had);
      expect(await host.run('updateinfo', 'list', '--installed', '--security')).not.toContain(
        'HRSA-2026:0107',
      );
    },
    300_000,
  );

  it.skipIf(!root)(
    'dnf goes back to the older build after a recall',
    async () => {
      const site = await servedSite();
      await layDemoUpstream(site.vendor, 'after');
      site.days(1);
      await follow(site);
      await promoteAll(site);
      await site.publish();
      const stable = await Dnf.with(await repofileOf(site, 'infra', 'stable'));
      await stable.run('install', 'harbor-shell');
      expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-9.h9.x86_64');
      const reason = { reason: 'logs every password', cascade: true, how: 'propose', all: false } as const;
      const [done] = await recall(site.world(), { what: 'harbor-shell-5.1.8-9.h9', ...reason });
      await site.merge(done?.pull?.number);
      await site.publish();
      expect(await stable.available('--refresh')).not.toContain(`${STABLE}-base harbor-shell-5.1.8-9.h9`);
      await stable.run('--refresh', 'distro-sync');
      expect(await stable.installed('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
    },
    300_000,
  );

  it('dnf and zypper see one generation or the other while publications switch under them', async ({
    skip,
  }) => {
    const zypper = await findZypper();
    const site = await servedSite();
    const then = site.git('rev-parse', 'main');
    await layDemoUpstream(site.vendor, 'after');
    site.days(1);
    await follow(site);
    await promoteAll(site);
    const generations = [then, site.git('rev-parse', 'main')] as const;
    const repofile = await repofileOf(site, 'infra', 'stable');
    const dnf = await Dnf.with(repofile);
    const zypp = 'missing' in zypper ? undefined : await zyppWith(zypper, repofile);
    const clients = [() => dnf.available('--refresh'), ...(zypp ? [() => zypp.available()] : [])];
    const wanted = clients.map(() => new Set<string>());
    for (const commit of generations) {
      await advance(site, commit);
      await sleep(1_100); // libzypp keeps a mirrorlist of the same second, whatever the delay is set to
      for (const [n, ask] of clients.entries()) {
        for (const answer of byRepository(await ask())) wanted[n]?.add(answer);
      }
    }
    expect(wanted.map((answers) => answers.size)).toEqual(clients.map(() => 4)); // two of each repository
    const isEnough = (answers: readonly string[][][]) =>
      answers.every(
        (own, n) => own.length >= LEAST_ANSWERS && new Set(own.flat()).size >= (wanted[n]?.size ?? 0),
      );
    const listed = clients.map((ask) => async () => byRepository(await ask()));
    const seen = await whilePublishing(site, generations, listed, isEnough);
    for (const [n, answers] of seen.entries()) {
      expect(new Set(answers.flat())).toEqual(wanted[n]); // both, and nothing between
    }
    if ('missing' in zypper) return skip(zypper.missing);
    await publishMain(site.world(), then);
    const old = await zyppWith(zypper, await repofileOf(site, 'infra', 'stable', then));
    expect(byRepository(await old.available()).filter((answer) => !wanted[1]?.has(answer))).toEqual([]);
    if (root) expect(await old.install('harbor-shell')).toBe('harbor-shell-5.1.8-6.h9.x86_64');
  }, 300_000);
});

/** A root of zypper's with the `.repo` file as we write it. */
async function zyppWith(zypper: Zypper, repofile: string) {
  const folder = await tempDir();
  await mkdir(join(folder, 'etc', 'zypp', 'repos.d'), { recursive: true });
  // libzypp keeps a mirrorlist for this long (minutes), whatever is refreshed
  const conf = '[main]\narch = x86_64\nrepo.refresh.delay = 0\n';
  await writeFile(join(folder, 'etc', 'zypp', 'zypp.conf'), conf);
  await writeFile(join(folder, 'etc', 'zypp', 'repos.d', 'sluice.repo'), repofile);
  return {
    /** `<repository> <name>-<evr>`. */
    async available(): Promise<string[]> {
      await zypper.run(folder, 'refresh', '--force');
      const table = await zypper.run(folder, 'search', '--details', '--type', 'package');
      const rows = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
      const packages = rows.filter(([, , type]) => type === 'package');
      return packages
        .map(([, name, , version, , from]) => `${from?.split(' ').at(-1)} ${name}-${version}`)
        .sort();
    },
    async install(name: string): Promise<string> {
      await zypper.run(folder, 'install', '--no-recommends', name);
      const { stdout } = await run('rpm', ['--root', folder, '-q', name]);
      return stdout.trim();
    },
  };
}

/** Live as the vendor has it now, whether a person must merge that or not. */
async function follow(site: Site): Promise<void> {
  const number = await site.sync();
  if (number === undefined) throw new Error(`nothing to follow:\n${site.output()}`);
  const { state } = await (await openLocalForge(`${site.repoDir}.git`)).get(number);
  if (state === 'open') await site.merge(number);
}

/** Whatever may go to stable goes there; that nothing may is a broken test. */
async function promoteAll(site: Site): Promise<void> {
  const number = await site.promote('stable');
  if (number === undefined) throw new Error(`nothing to promote:\n${site.output()}`);
  await site.merge(number);
}

/** Main gets one more commit with the files of that one, and is published. */
async function advance(site: Awaited<ReturnType<typeof servedSite>>, commit: string): Promise<void> {
  site.now = new Date(site.now.getTime() + 60_000);
  const date = `@${site.now.getTime() / 1000} +0000`;
  const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date, GIT_CONFIG_GLOBAL: '/dev/null' };
  const who = ['-c', 'user.name=tester', '-c', 'user.email=tester@localhost'];
  const next = execFileSync(
    'git',
    ['-C', `${site.repoDir}.git`, ...who, 'commit-tree', `${commit}^{tree}`, '-p', 'main', '-m', 'Turn'],
    { encoding: 'utf8', env: { ...process.env, ...env } },
  ).trim();
  site.git('update-ref', 'refs/heads/main', next);
  await site.publish();
}

/** Each client asks so often, at least, while publications switch. */
const LEAST_ANSWERS = ALL ? 20 : 3;

const LEAST_TURNS = ALL ? 6 : 4;
/** Between publications: clients of a busy machine are slower than they. */
const PAUSE_MS = ALL ? 0 : 200;

/** Publishes the two in turn, and asks all the while until it is enough; the answers by client. */
async function whilePublishing<T>(
  site: Awaited<ReturnType<typeof servedSite>>,
  generations: readonly [string, string],
  clients: readonly (() => Promise<T>)[],
  isEnough: (answers: readonly T[][]) => boolean,
): Promise<T[][]> {
  let done = false;
  const answers = clients.map((): T[] => []);
  const asking = clients.map(async (ask, n) => {
    while (!done) answers[n]?.push(await ask());
  });
  const all = Promise.all(asking);
  all.catch(() => {}); // awaited below
  const giveUp = performance.now() + 60_000; // what was not seen by then is what the test says
  try {
    for (let turn = 0; turn < LEAST_TURNS || !(isEnough(answers) || performance.now() > giveUp); turn += 1) {
      await advance(site, generations[turn % 2 === 0 ? 0 : 1]);
      await sleep(PAUSE_MS);
    }
  } finally {
    done = true;
  }
  await all;
  return answers;
}

/** One line a repository: all that it listed. Two repositories are switched one after the other. */
function byRepository(available: readonly string[]): string[] {
  const lists = Map.groupBy(available, (line) => line.split(' ')[0] ?? '');
  return [...lists.values()].map((lines) => lines.join('\n'));
}
