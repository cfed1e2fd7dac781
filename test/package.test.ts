import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const dir = mkdtempSync(join(tmpdir(), 'sluice-package-'));
const installed = join(dir, 'node_modules/.bin/sluice');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let packed: string;

beforeAll(() => {
  packed = npm(ROOT, 'pack', '--json', '--pack-destination', dir);
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  npm(dir, 'install', '--prefer-offline', '--no-audit', '--no-fund', `./sluice-${version}.tgz`);
}, 240_000);

it('the installed command runs without the sources', () => {
  expect(sluice('--version')).toMatchObject({ status: 0, stdout: `${version}\n` });
  expect(sluice('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('promote') });
});

it('has what it needs, and nothing of its own tests', () => {
  const paths = JSON.parse(packed.slice(packed.indexOf('[\n')))[0].files.map(
    (file: { path: string }) => file.path,
  );
  expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'bin/sluice.js', 'dist/cli.js', 'package.json']));
  expect(paths.filter((path: string) => /^(src|test|scripts)\/|\.test\.|\.ts$/.test(path))).toEqual([]);
});

it('exits with 1 when it is used wrongly', () => {
  expect(sluice('frobnicate')).toMatchObject({ status: 1, stdout: '' });
});

it('tells an old Node what is missing before it loads anything', () => {
  const old =
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } })';
  const run = spawnSync(process.execPath, ['--import', `data:text/javascript,${old}`, installed, '--help'], {
    encoding: 'utf8',
  });
  expect(run).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringMatching(/needs Node 24 or newer, and this is Node 20\.20\.2/),
  });
  expect(run.stderr).not.toMatch(/\n {4}at /);
});

/** As a shell would start it: by its first line, with this Node first on the PATH. */
function sluice(...args: string[]) {
  const path = [join(ROOT, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
  return spawnSync(installed, args, { cwd: dir, encoding: 'utf8', env: { ...process.env, PATH: path } });
}

function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', ['--loglevel=error', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
