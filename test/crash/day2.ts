import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type CrashSite, type Operation, prepare, pullOf } from './site.ts';

const run = promisify(execFile);

const BASE = 'harbor-9-x86_64-base';
const CRON = 'harbor-cron-1.5.7-3.h9.x86_64';

/**
 * The verbs of an operator, each proposed and each written into the work tree, in a chain of states: every plan is merged and
 * published before the next one. What a verb leaves is published where that differs from any other publication: modules and
 * advisories after a hotfix, what falls back after a recall, what comes again after its withdrawal, an installation tree.
 */
export async function prepareDayTwo(site: CrashSite): Promise<Operation[]> {
  await site.restore('before-add');
  const steps = new Steps(site, 9);
  await steps.publish();
  await layInstallationTree(site, steps.day);
  await steps.both('tree', ['sync']);
  await steps.publish('publish-tree');
  steps.next(8);
  await steps.merge(['promote', '--team', 'infra', '--to', 'unstable']);
  await steps.merge(['promote', '--team', 'infra', '--to', 'stable', 'harbor-web']);
  await steps.publish();

  const hotfix = ['hotfix', 'harbor-tls', 'harbor-db', '--team', 'infra', '--to', 'stable'];
  await steps.both('hotfix', [...hotfix, '--reason', 'exploited since this morning']);
  await steps.publish('publish-hotfix');
  await steps.both('remove', ['remove', CRON, ...TIER, ...WHY, '--cascade']);
  await steps.publish('publish-remove');
  await steps.both('good', ['good', 'infra', 'unstable', '--reason', 'the load test passed']);
  await steps.both('rollback', [
    'rollback',
    'infra',
    'stable',
    '--to',
    await steps.commitBefore('hotfix'),
    ...WHY,
  ]);
  await steps.publish('publish-rollback');
  await steps.both('hold', [
    'hold',
    'harbor-*',
    '--team',
    'infra',
    ...WHY,
    '--owner',
    'web',
    '--until',
    '60d',
  ]);
  await steps.both('unhold', ['unhold', 'harbor-*', '--team', 'infra', ...WHY]);
  const locklist = join(site.dir, 'versionlock.list');
  await writeFile(locklist, 'harbor-edit-0:9.0-1.h9.*\nharbor-log-0:8.2310-1.h9.*\n');
  await steps.both('import', ['import', 'versionlock', locklist, ...TIER, ...WHY]);
  await steps.both('recall', ['recall', 'harbor-edit-9.1-1.h9.x86_64', ...WHY, '--cascade']);
  await steps.publish('publish-recall');
  const id = await steps.recallId();
  await steps.both('withdraw', ['recall', '--withdraw', id, ...WHY]);
  await steps.operation('sync-withdrawn', ['sync', '--propose']);
  await steps.publish('publish-withdrawn');
  await steps.operation('errata', ['errata', '--as-of', '2026-03-20', '--team', 'infra', '--tier', 'stable']);
  await steps.operation('gc', ['gc'], 500);
  await site.restore('before-sync');
  const early = new Steps(site, 3);
  const fresh = ['hotfix', 'harbor-tls', '--team', 'infra', '--to', 'stable', '--reason', 'today', '--sync'];
  await early.operation('hotfix-sync', [...fresh, '--propose']);
  return [...steps.operations, ...early.operations];
}

const TIER = ['--team', 'infra', '--tier', 'stable'] as const;
const WHY = ['--reason', 'breaks logins, ticket 4711'] as const;

/** One day after another, and what each begins with. */
class Steps {
  readonly operations: Operation[] = [];
  readonly #site: CrashSite;
  readonly #before = new Map<string, string>();
  #time: number;

  constructor(site: CrashSite, day: number) {
    this.#site = site;
    this.#time = Date.UTC(2026, 2, day);
  }

  get day(): string {
    return new Date(this.#time).toISOString().slice(0, 10);
  }

  next(days: number): void {
    this.#time += days * 86_400_000;
  }

  /** Keeps the site as it is, and goes on from what the operation leaves. */
  async operation(name: string, args: readonly string[], later = 0): Promise<string> {
    this.next(later);
    await this.#site.keep(`before-${name}`);
    this.operations.push({ name, from: `before-${name}`, args, day: this.day });
    return await this.#site.must(args, this.day);
  }

  /** The verb written into the work tree, where nothing follows from it, and proposed, which is merged. */
  async both(name: string, args: readonly string[]): Promise<void> {
    this.next(1);
    this.#before.set(name, await this.#main());
    const from = `before-${name}`;
    const said = await this.operation(name, [...args, '--propose']);
    this.operations.push({ name: `${name}-write`, from, args: [...args, '--write'], day: this.day });
    await this.#mergeOf(said);
  }

  async merge(args: readonly string[]): Promise<void> {
    this.next(1);
    await this.#mergeOf(await this.#site.must([...args, '--propose'], this.day));
  }

  /** Live's changes may have merged themselves. */
  async #mergeOf(said: string): Promise<void> {
    if (/merged/.test(said)) return;
    await this.#site.must(['pr', 'merge', pullOf(said)], this.day);
  }

  async publish(name?: string): Promise<void> {
    if (name === undefined) await this.#site.must(['publish'], this.day);
    else await this.operation(name, ['publish']);
  }

  async #main(): Promise<string> {
    return (await run('git', ['-C', this.#site.bare, 'rev-parse', 'main'])).stdout.trim();
  }

  async commitBefore(name: string): Promise<string> {
    return this.#before.get(name) ?? (await this.#main());
  }

  async recallId(): Promise<string> {
    const { stdout } = await run('git', [
      '-C',
      this.#site.bare,
      'ls-tree',
      '--name-only',
      'main',
      'policies/recalls/',
    ]);
    const [, id] = /policies\/recalls\/(.+)\.yaml/.exec(stdout) ?? [];
    if (!id) throw new Error(`no recall is there: ${stdout}`);
    return id;
  }
}

/** Every operation there is; those of day 2 only where one of them is wanted. */
export async function prepareAll(site: CrashSite, wanted: readonly string[]): Promise<Operation[]> {
  const first = await prepare(site, { quick: false });
  const known = wanted.length > 0 && wanted.every((name) => first.some((o) => o.name === name));
  const all = known ? first : [...first, ...(await prepareDayTwo(site))];
  return wanted.length === 0 ? all : all.filter((o) => wanted.includes(o.name));
}

/** The vendor has an installation tree from now on, and the upstream's policy wants it. */
async function layInstallationTree(site: CrashSite, day: string): Promise<void> {
  const images = {
    'images/install.img': 'an installer',
    'images/pxeboot/vmlinuz': 'a kernel',
    'images/pxeboot/initrd.img': 'an initrd',
  };
  const sum = (text: string) => createHash('sha256').update(text).digest('hex');
  const treeinfo = `[checksums]
${Object.entries(images)
  .map(([path, text]) => `${path} = sha256:${sum(text)}`)
  .join('\n')}

[header]
type = productmd.treeinfo
version = 1.2

[images-x86_64]
initrd = images/pxeboot/initrd.img
kernel = images/pxeboot/vmlinuz

[release]
name = Harbor
short = HB
version = 9.1

[stage2]
mainimage = images/install.img

[tree]
arch = x86_64
build_timestamp = 1770000000
platforms = x86_64
variants = Base

[variant-Base]
id = Base
name = Base
packages = Packages
repository = .
type = variant
uid = Base
`;
  for (const [path, text] of Object.entries({ '.treeinfo': treeinfo, ...images })) {
    const file = join(site.dir, 'vendor/base', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  await site.change('Installation trees', day, async (state) => {
    const policy = join(state, `policies/upstreams/${BASE}.yaml`);
    await writeFile(policy, `${await readFile(policy, 'utf8')}\nkickstart: true\n`);
  });
}
