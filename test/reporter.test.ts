import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(ROOT, 'node_modules/.reporter-test-')); // inside the project: the files import vitest; node strips no types there
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it.each([
  ['a pass', `it('a', () => {});`, '1 passed, 0 failed, 0 skipped', 0],
  ['a failure', `it('a', () => { expect(1).toBe(2); });`, '0 passed, 1 failed, 0 skipped', 1],
  ['a file that does not load', `import './nowhere.ts';`, '0 passed, 1 failed, 0 skipped', 1],
  ['a file that throws', `it('a', () => {}); throw new Error('x');`, '0 passed, 1 failed, 0 skipped', 1],
  ['a file without a test', `export const a = 1;`, '0 passed, 1 failed, 0 skipped', 1],
  [
    'an unhandled rejection',
    `it('a', () => { void Promise.reject(new Error('x')); });`,
    '1 passed, 1 failed, 0 skipped',
    1,
  ],
  [
    'an error that is thrown later',
    `it('a', async () => { setTimeout(() => { throw new Error('x'); }, 1); await new Promise((r) => setTimeout(r, 50)); });`,
    '1 passed, 1 failed, 0 skipped',
    1,
  ],
  [
    'a hook of a file',
    `beforeAll(() => { throw new Error('x'); }); it('a', () => {});`,
    '0 passed, 1 failed, 1 skipped',
    1,
  ],
  [
    'a hook of a suite',
    `describe('s', () => { afterAll(() => { throw new Error('x'); }); it('a', () => {}); });`,
    '1 passed, 1 failed, 0 skipped',
    1,
  ],
  ['a forgotten .only', `it.only('a', () => {}); it('b', () => {});`, '0 passed, 1 failed, 1 skipped', 1],
])('counts %s', (_, text, last, status) => {
  const run = vitest(text);
  expect(run.lines.at(-1)).toBe(last);
  expect(run.status).toBe(status);
});

it('names what was skipped, and why', () => {
  const { lines } = vitest(`
    describe('s', () => { it.skip('a', () => {}); it.todo('b'); });
    it('c', (t) => t.skip('no oracle'));
    it('d', () => {});`);
  expect(lines.slice(-4)).toEqual([
    'skipped: case.test.mjs > s > a',
    'skipped: case.test.mjs > s > b',
    'skipped: case.test.mjs > c (no oracle)',
    '1 passed, 0 failed, 3 skipped',
  ]);
});

/** Runs the project's own configuration on one file. */
function vitest(text: string): { status: number | null; lines: string[] } {
  writeFileSync(
    join(dir, 'case.test.mjs'),
    `import { afterAll, beforeAll, describe, expect, it } from 'vitest';\n${text}\n`,
  );
  const config = `
    import config from '${ROOT}vitest.config.ts';
    export default { ...config, test: { ...config.test, projects: undefined, include: ['*.test.mjs'], exclude: [] } };`;
  writeFileSync(join(dir, 'vitest.config.ts'), config);
  const command = [process.execPath, join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', dir];
  const run = spawnSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status: run.status, lines: run.stdout.trimEnd().split('\n') };
}
