import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type DemoState, layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { CLI } from '../fixtures/cli.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const NODE = join(ROOT, 'node_modules', '.bin', 'node');

export const MIRROR_URL = 'http://mirror.example';

const run = promisify(execFile);

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** The demo's vendor, state repository and mirror below one folder, and copies of them at rest. */
export class CrashSite {
  readonly root: string;
  readonly dir: string;

  constructor(root: string) {
    this.root = root;
    this.dir = join(root, 'site');
  }

  get mirror(): string {
    return join(this.dir, 'mirror');
  }

  get bare(): string {
    return join(this.dir, 'state.git');
  }

  async lay(state: DemoState): Promise<void> {
    await mkdir(join(this.root, 'tmp'), { recursive: true });
    await layDemoUpstream(join(this.dir, 'vendor'), state);
  }

  /** Runs `sluice` at nine o'clock of that day, as an operator would; `before`: what it runs under. */
  async sluice(
    args: readonly string[],
    day: string,
    before: readonly string[] = [],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Ended> {
    const own = ['--now', `${day}T09:00:00Z`, '--mirror', this.mirror, '--by', 'tester'];
    const state = args[0] === 'init' ? [] : ['--repo', join(this.dir, 'state')];
    const [program = NODE, ...rest] = [...before, NODE, CLI, ...args, ...own, ...state];
    const child = spawn(program, rest, {
      cwd: this.dir,
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        NODE_COMPILE_CACHE: join(this.root, 'compile-cache'),
        TMPDIR: join(this.root, 'tmp'),
        UV_THREADPOOL_SIZE: '1', // strace counts per thread: one thread, one count
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { status, signal, output: Buffer.concat(output).toString('utf8') };
  }

  /** As `sluice`, where anything but success is a broken test. */
  async must(args: readonly string[], day: string): Promise<string> {
    const { status, output } = await this.sluice(args, day);
    if (status !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${status}:\n${output}`);
    return output;
  }

  /** What a person changes in the state repository, by a branch, a pull request and its merge. */
  async change(title: string, day: string, edit: (state: string) => Promise<void>): Promise<void> {
    const state = join(this.dir, 'state');
    const git = (...args: string[]) =>
      run('git', ['-C', state, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args]);
    const branch = title.toLowerCase().replaceAll(' ', '-');
    await git('fetch', '-q', 'origin');
    await git('switch', '-qc', branch, 'origin/main');
    await edit(state);
    await git('add', '-A');
    await git('commit', '-qm', title);
    await git('push', '-q', 'origin', branch);
    await git('switch', '-q', 'main');
    const opened = await this.must(['pr', 'open', branch, '--title', title], day);
    await this.must(['pr', 'merge', pullOf(opened)], day);
  }

  async keep(name: string): Promise<void> {
    await clone(this.dir, join(this.root, name));
  }

  /** The site as it was kept under that name, at its own place: its repositories and policies hold absolute paths. */
  async restore(name: string): Promise<void> {
    const old = `${this.dir}.old`;
    await rename(this.dir, old).catch(() => {});
    await clone(join(this.root, name), this.dir);
    await rm(old, { recursive: true, force: true });
    await rm(join(this.root, 'tmp'), { recursive: true, force: true });
    await mkdir(join(this.root, 'tmp'));
  }
}

/** With hard links, times and modes; the mirror may be a file system of its own (`full.ts`). */
async function clone(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await run('cp', ['-a', from, to]);
}

/** One verb in one state of the site: what is killed, and run again. */
export interface Operation {
  readonly name: string;
  /** The copy that it starts from. */
  readonly from: string;
  readonly args: readonly string[];
  readonly day: string;
}

/** Lays the site and keeps it before each operation. `quick`: without the merge of a promotion. */
export async function prepare(site: CrashSite, o: { quick: boolean }): Promise<Operation[]> {
  await site.lay('before');
  const first = await site.must(
    [
      'init',
      join(site.dir, 'state'),
      ...['base', 'apps'].flatMap((r) => ['--distro', `harbor-9-x86_64-${r}=file://${site.dir}/vendor/${r}`]),
      ...['--start', 'latest', '--mirror-url', MIRROR_URL],
    ],
    '2026-03-02',
  );
  await site.must(['pr', 'merge', pullOf(first)], '2026-03-02');
  await site.must(['publish'], '2026-03-02');
  await site.lay('after');
  await site.keep('before-sync');
  const sync: Operation = {
    name: 'sync',
    from: 'before-sync',
    args: ['sync', '--propose'],
    day: '2026-03-03',
  };
  await site.must(sync.args, sync.day);
  if (o.quick) {
    await site.keep('before-publish');
    const rest = { from: 'before-publish', day: '2026-03-03' };
    const hotfix = [
      'hotfix',
      'harbor-edit',
      '--team',
      'infra',
      '--to',
      'stable',
      '--reason',
      'now',
      '--write',
    ];
    return [
      sync,
      { ...rest, name: 'publish', args: ['publish'] },
      { ...rest, name: 'hotfix-write', args: hotfix },
    ];
  }
  const promoted = await site.must(
    ['promote', '--team', 'infra', '--to', 'unstable', '--propose'],
    '2026-03-05',
  );
  await site.keep('before-merge');
  const merge: Operation = {
    name: 'merge',
    from: 'before-merge',
    args: ['pr', 'merge', pullOf(promoted)],
    day: '2026-03-05',
  };
  await site.must(merge.args, merge.day);
  await site.keep('before-publish');
  const publish: Operation = {
    name: 'publish',
    from: 'before-publish',
    args: ['publish'],
    day: '2026-03-05',
  };
  return [sync, merge, publish, await prepareAdd(site)];
}

const OWN = 'harbor-9-x86_64-own';
const DEMO = join(ROOT, 'test/fixtures/demo');

/** An upstream of one's own that has a build, and another build that is to be added. */
async function prepareAdd(site: CrashSite): Promise<Operation> {
  await site.change('Builds of our own', '2026-03-06', async (state) => {
    await writeFile(
      join(state, `policies/upstreams/${OWN}.yaml`),
      `apiVersion: sluice/v1
kind: Upstream
id: ${OWN}
source: added
keys: [{ file: keys/harbor-9, fingerprint: "0382C2028B06C48C21F7B3B0DB998B770C174CCF" }]
packages: { signatures: required }
metadata: { signatures: none, reason: "made by sluice add" }
`,
    );
    await mkdir(join(state, 'policies/keys'), { recursive: true });
    await copyFile(join(DEMO, 'keys/RPM-GPG-KEY-harbor-9'), join(state, 'policies/keys/harbor-9'));
  });
  const add = (release: number) => [
    'add',
    join(DEMO, `packages/apps/harbor-monitor-4.2-${release}.h9.x86_64.rpm`),
    ...['--to', OWN, '--propose'],
  ];
  const first = await site.must(add(1), '2026-03-06');
  await site.must(['pr', 'merge', pullOf(first)], '2026-03-06');
  await site.keep('before-add');
  return { name: 'add', from: 'before-add', args: add(2), day: '2026-03-07' };
}

export function pullOf(output: string): string {
  const [, number] = /pull request #(\d+)/.exec(output) ?? [];
  if (!number) throw new Error(`no pull request was opened:\n${output}`);
  return number;
}
