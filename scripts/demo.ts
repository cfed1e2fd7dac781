/** scripts/demo.ts — the main job in a temporary folder, day by day: `./scripts/demo [--dir DIR]`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundled } from './bundle.ts';
import { layDemoUpstream } from './demoUpstream.ts';

const cli = join(await bundled(), 'cli.js');
const values = options();
const dir = values.dir === undefined ? mkdtempSync(join(tmpdir(), 'sluice-demo-')) : resolve(values.dir);
mkdirSync(dir, { recursive: true });
const [vendor, state, mirror] = ['vendor', 'state', 'mirror'].map((name) => join(dir, name)) as [
  string,
  string,
  string,
];
const environment = { ...process.env, TZ: 'UTC', NODE_COMPILE_CACHE: join(dir, 'compile-cache') };
const colour = process.stdout.isTTY === true;
const started = performance.now();
let today = '';

function options(): { dir?: string | undefined } {
  try {
    return parseArgs({ options: { dir: { type: 'string' } } }).values;
  } catch (error) {
    process.stderr.write(`scripts/demo: ${(error as Error).message}\nusage: ./scripts/demo [--dir DIR]\n`);
    process.exit(2);
  }
}

/** One line of the story. */
function say(text: string): void {
  process.stdout.write(`\n${colour ? '\u001b[1m' : ''}${text}${colour ? '\u001b[0m' : ''}\n`);
}

function day(date: string, text: string): void {
  today = date;
  say(`── ${date} ── ${text}`);
}

/** Runs sluice as an operator would, and shows the command and what it says. */
function sluice(...args: string[]): string {
  const shown = args.map((arg) => (/^[A-Za-z0-9_./:=@,-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ');
  process.stdout.write(
    `${colour ? '\u001b[36m' : ''}$ sluice ${shown.replaceAll(`${dir}/`, '')}${colour ? '\u001b[0m' : ''}\n`,
  );
  const all = [cli, ...args, '--now', `${today}T09:00:00Z`, '--mirror', mirror, '--by', 'demo'];
  if (args[0] !== 'init') all.push('--repo', state);
  const done = spawnSync(process.execPath, all, {
    cwd: dir,
    encoding: 'utf8',
    env: environment,
  });
  const output = `${done.stdout}${done.stderr}`.replaceAll(`${dir}/`, '');
  process.stdout.write(output.replace(/^(?=.)/gm, '  '));
  if (done.status !== 0) {
    process.stdout.write(`\nthe demo stopped: sluice ${args[0]} ended with ${done.status ?? done.signal}\n`);
    process.exit(1);
  }
  return output;
}

function pullOf(output: string): string {
  const [, number] = /pull request #(\d+)/.exec(output) ?? [];
  if (!number) throw new Error('no pull request was opened');
  return number;
}

function show(number: string): void {
  say(`What a reviewer reads:`);
  sluice('pr', 'show', number);
}

function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

say(
  'A vendor ("harbor 9": two small repositories of real, signed RPM files), a state repository in git, a mirror. No network, no account.',
);
process.stdout.write(`  everything is in ${dir}\n`);

day('2026-03-02', 'the first day: policies, the first import, the first publication');
await layDemoUpstream(vendor, 'before');
const first = sluice(
  'init', 'state',
  '--distro', `harbor-9-x86_64-base=file://${vendor}/base`,
  '--distro', `harbor-9-x86_64-apps=file://${vendor}/apps`,
  '--key', `${vendor}/RPM-GPG-KEY-harbor-9`,
  '--start', 'latest',
  '--mirror-url', `file://${mirror}/public`,
); // biome-ignore format: one option a line
sluice('pr', 'merge', pullOf(first));
sluice('publish');

day('2026-03-03', 'the vendor publishes a wave of updates; live follows by itself');
await layDemoUpstream(vendor, 'after');
sluice('sync', '--propose');

day('2026-03-05', 'two days on: what has been seen for two days may go to unstable');
const toUnstable = sluice('promote', '--team', 'infra', '--to', 'unstable', '--propose');
show(pullOf(toUnstable));
sluice('pr', 'merge', pullOf(toUnstable));
sluice('publish');
say('Critical fixes wait shorter by policy, so stable can have this one today:');
sluice('promote', '--team', 'infra', '--to', 'stable');

day('2026-03-06', 'the vendor pulls a build back: that needs a person');
await layDemoUpstream(vendor, 'later');
const pulled = sluice('sync', '--propose');
sluice('pr', 'merge', pullOf(pulled));

day('2026-03-13', 'eight days in unstable: stable');
const toStable = sluice('promote', '--team', 'infra', '--to', 'stable', '--propose');
show(pullOf(toStable));
sluice('pr', 'approve', pullOf(toStable));
sluice('pr', 'merge', pullOf(toStable));
sluice('publish');

say('Why is the new kernel not in stable?');
sluice('explain', 'kernel-core', '--team', 'infra');

if (has('dnf')) {
  say('What a client of stable gets, and what it would get from live (dnf itself):');
  for (const [tier, team] of [
    ['stable', 'infra'],
    ['live', 'vendor'],
  ] as const)
    client(tier, team);
}

say('Try next:');
const run = `npm run -s sluice --`;
const where = `--repo ${state} --mirror ${mirror} --now 2026-03-14`;
process.stdout.write(`  ${run} promote kernel --team infra --to unstable ${where}
  ${run} diff infra/stable live ${where}
  ${run} verify ${where}
`);
process.stdout.write(
  `\n${((performance.now() - started) / 1000).toFixed(1)} s; remove it all: rm -r ${relative(process.cwd(), dir) || dir}\n`,
);

/** dnf with one .repo file in a root of its own, as on a client. */
function client(tier: string, team: string): void {
  const clientRoot = join(dir, `client-${tier}`);
  const args = [cli, 'repofile', '--team', team, '--tier', tier, '--repo', state, '--mirror', mirror];
  const repo = spawnSync(process.execPath, args, { encoding: 'utf8', env: environment });
  if (repo.status !== 0) throw new Error(repo.stderr);
  const repos = join(dir, `repos-${tier}`);
  for (const folder of [repos, clientRoot]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(repos, 'sluice.repo'), repo.stdout);
  const dnf = [
    '--disableplugin=local',
    '-q',
    `--installroot=${clientRoot}`,
    `--setopt=reposdir=${repos}`,
    `--setopt=cachedir=${clientRoot}/cache`,
    '--releasever=9',
    '--setopt=module_platform_id=platform:h9',
    '--forcearch=x86_64',
  ];
  const query = [
    ...dnf,
    'repoquery',
    '--latest-limit=1',
    '--qf',
    '%{name} %{evr}',
    'harbor-edit',
    'harbor-shell',
    'harbor-tls',
    'kernel-core',
  ];
  const done = spawnSync('dnf', query, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  process.stdout.write(`  ${tier}:\n${(done.stdout + done.stderr).replace(/^(?=.)/gm, '    ')}`);
}
