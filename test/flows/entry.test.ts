import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { tempDir } from '../fixtures/tempDir.ts';

const SCRIPT = new URL('../../bin/sluice.js', import.meta.url).pathname;
/** Makes any Node say that it is an old one. */
const AGED = `data:text/javascript,${encodeURIComponent(
  'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } });',
)}`;
/** What the tool stands for here: says who runs it and how, and ends as it is told. */
const TOOL = `
if (process.argv[2] === 'fail') process.exitCode = 1;
if (process.argv[2] === 'wait') {
  process.on('SIGTERM', () => process.exit(7));
  setInterval(() => {}, 1000);
}
console.log(JSON.stringify({ node: process.version, args: process.argv.slice(2), options: process.execArgv }));
if (process.argv[2] === 'die') process.kill(process.pid, 'SIGKILL');
`;

/** An installation: the tool and, beside it, packages with a Node of some version. */
async function installation(nodes: Readonly<Record<string, string>>): Promise<string> {
  const modules = join(await tempDir(), 'node_modules');
  await mkdir(join(modules, 'sluice', 'bin'), { recursive: true });
  await mkdir(join(modules, 'sluice', 'dist'));
  await mkdir(join(modules, '.bin'));
  await copyFile(SCRIPT, join(modules, 'sluice', 'bin', 'sluice.js'));
  await writeFile(join(modules, 'sluice', 'package.json'), '{"name":"sluice","type":"module"}');
  await writeFile(join(modules, 'sluice', 'dist', 'cli.js'), TOOL);
  await symlink('../sluice/bin/sluice.js', join(modules, '.bin', 'sluice'));
  for (const [name, version] of Object.entries(nodes)) {
    await mkdir(join(modules, name, 'bin'), { recursive: true });
    await writeFile(join(modules, name, 'package.json'), JSON.stringify({ name, version }));
    await symlink(process.execPath, join(modules, name, 'bin', 'node'));
  }
  return join(modules, '.bin', 'sluice');
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  node: readonly string[],
  script: string,
  args: readonly string[],
  kill?: NodeJS.Signals,
): Promise<Ended> {
  const [program = '', ...options] = node;
  const child = spawn(program, [...options, script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    if (kill && stdout.endsWith('\n')) child.kill(kill);
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

const own = `node-${process.platform}-${process.arch}`;
const old = [process.execPath, '--import', AGED];

it('the tool runs at once under a Node that is new enough', async () => {
  const script = await installation({});
  const { code, stdout } = await run([process.execPath], script, ['sync', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ node: process.version, args: ['sync', '--json'] });
});

it('the executable asks for its small young heap by itself, and when it hands over', async () => {
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`;
  const direct = spawnSync(await installation({}), ['sync'], {
    encoding: 'utf8',
    env: { ...process.env, PATH },
  });
  const handed = await run(old, await installation({ [own]: '24.21.0' }), ['sync']);
  for (const { stdout, stderr } of [direct, handed]) {
    expect(stderr).toBe('');
    const options = ['--min-semi-space-size=8', '--max-semi-space-size=8'];
    expect(JSON.parse(stdout)).toMatchObject({ args: ['sync'], options });
  }
});

it.each([own, 'node'])('an old Node hands over to the package %s', async (name) => {
  const script = await installation({ [name]: '24.21.0' });
  const { code, stdout, stderr } = await run(old, script, ['promote', '--team', 'a b']);
  expect([code, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({ node: process.version, args: ['promote', '--team', 'a b'] });
});

it.each([
  ['nothing beside it', {}],
  ['an old package beside it', { [own]: '20.20.2', node: '22.1.0' }],
  ['a package without a readable version', { [own]: 'latest' }],
] as const)('an old Node with %s says what to install', async (_, nodes) => {
  const { code, stdout, stderr } = await run(old, await installation(nodes), ['sync']);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain('needs Node 24 or newer, and this is Node 20.1.0');
  expect(stderr).toContain(`npm install ${own}@24`);
});

it('the exit code is the one of the tool', async () => {
  const script = await installation({ [own]: '24.21.0' });
  expect(await run(old, script, ['fail'])).toMatchObject({ code: 1, signal: null });
});

it('a signal reaches the tool, and its answer is the answer', async () => {
  const script = await installation({ [own]: '24.21.0' });
  expect(await run(old, script, ['wait'], 'SIGTERM')).toMatchObject({ code: 7, signal: null });
});

it('the tool dying of a signal looks like that from outside', async () => {
  const script = await installation({ [own]: '24.21.0' });
  expect(await run(old, script, ['die'])).toMatchObject({ code: null, signal: 'SIGKILL' });
});

it('a package that cannot be run is a message, not a stack', async () => {
  const script = await installation({ [own]: '24.21.0' });
  const broken = join(script, '..', '..', own, 'bin', 'node');
  execFileSync('rm', [broken]);
  await writeFile(broken, 'not a program', { mode: 0o755 });
  const { code, stderr } = await run(old, script, ['sync']);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/cannot be run|not found|syntax/i);
  expect(stderr).not.toContain('    at ');
});

/** Nodes of the system that are really old: the same once more, without pretending. */
const systemNodes = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((path) => {
    try {
      return Number(execFileSync(path, ['-p', 'parseInt(process.versions.node)'], { encoding: 'utf8' })) < 24;
    } catch {
      return false;
    }
  });

it.each(systemNodes)("the system's own %s hands over", async (node) => {
  const script = await installation({ [own]: '24.21.0' });
  const { stdout } = await run([node], script, ['check']);
  expect(JSON.parse(stdout)).toMatchObject({ node: process.version, args: ['check'] });
});
