import { statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { bundled } from './scripts/bundle.ts';
import { COMPILED } from './test/fixtures/compiled.ts';
import { SummaryReporter } from './test/reporter.ts';

/** Hundreds of repositories are made and removed: in memory, where there is plenty of it, and no disk waits for them. */
function temporaryFolder(): Record<string, string> {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (process.env['TMPDIR'] === undefined && bavail * bsize > 8 * 2 ** 30) return { TMPDIR: '/dev/shm' };
  } catch {} // not a Linux with a tmpfs there
  return {};
}

Object.assign(process.env, COMPILED, { SLUICE_TESTS_CLI: `${await bundled()}/cli.js` }); // before the workers start: each file's process loads some hundred modules

/** Pure functions. */
const PURE = ['rpm', 'plan', 'manifest', 'repodata', 'report', 'openpgp'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

/** Whole distributions in memory, or a document of 100 MB: a process each, since every start of a program copies what there is. */
const LARGE = [
  'oracle/**/*',
  'replay/*',
  'story/*',
  'flows/hostile/{bombs,state,xml}',
  'flows/corpus',
  'flows/universe',
  'upstream/corpus',
].map((files) => `test/${files}.test.ts`);

export default defineConfig({
  test: {
    // Files that share a process share its modules, its compiled code, its schemas and the small process that starts git:
    // loading and warming up those for each file anew was a third of what the tests cost.
    projects: [
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
      {
        extends: true,
        test: { name: 'whole', include: ['test/**/*.test.ts'], exclude: [...PURE, ...LARGE], isolate: false },
      },
      { extends: true, test: { name: 'large', include: LARGE } },
    ],
    experimental: { viteModuleRunner: false }, // node itself runs these sources, here as everywhere: nothing is to be transformed
    reporters: ['default', new SummaryReporter()], // the last one has the last line
    maxWorkers: 2 * availableParallelism(), // a third of the time is waiting: for disks, other programs, servers that never answer
    env: temporaryFolder(),
    pool: 'forks', // real processes: tests change directories, umask and limits
    testTimeout: 900_000, // oracles start other programs, on machines that do other work too
    hookTimeout: 900_000,
    allowOnly: false, // a forgotten `.only` must not hide the others
    restoreMocks: true,
    unstubEnvs: true,
  },
});
